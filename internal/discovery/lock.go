package discovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// retry is how often a lock is tried that another has.
const retry = 20 * time.Millisecond

// errLocked says that another process has the lock.
var errLocked = errors.New("another gateway has it locked")

// Lock keeps all others from changing a file, of this process and of those that share its folder, until unlock is called or the process has
// ended. Reading needs no lock: a file is only ever replaced. It waits until ctx ends.
func Lock(ctx context.Context, file string) (unlock func(), err error) {
	name := file + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(retry)
	defer tick.Stop()
	for {
		err = flock(f)
		if err == nil {
			return func() { _ = f.Close() }, nil // which unlocks it: nothing was written
		}
		if !errors.Is(err, errLocked) {
			return nil, errors.Join(fmt.Errorf("%s can't be locked: %w", name, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%s: %w, and has not let go: see whether one hangs that shares it", name, errLocked), f.Close())
		case <-tick.C:
		}
	}
}
