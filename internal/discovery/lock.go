package discovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-dev/sallyport/internal/flock"
)

// retry is how often a lock is tried that another has.
const retry = 20 * time.Millisecond

// maxLinks is how many links may lead to a file, one to the next.
const maxLinks = 8

// Lock keeps all others from changing a file, of this process and of those that share its folder, until unlock is called or the process has
// ended. Reading needs no lock: a file is only ever replaced. It waits until ctx ends.
func Lock(ctx context.Context, file string) (unlock func(), err error) {
	name := target(file) + ".lock"
	tick := time.NewTicker(retry)
	defer tick.Stop()
	for {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err = take(f); err == nil {
			return func() { _ = f.Close() }, nil // which unlocks it: nothing was written
		}
		_ = f.Close() // nothing was written
		if !errors.Is(err, flock.ErrLocked) {
			return nil, fmt.Errorf("%s can't be locked: %w", name, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w, and has not let go: see whether one hangs that shares it", name, flock.ErrLocked)
		case <-tick.C:
		}
	}
}

// take locks a file that is open, if nobody has, and it is still the one of its name: who comes next locks that.
func take(f *os.File) error {
	if err := flock.Try(f); err != nil {
		return err
	}
	is, err := f.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Stat(f.Name()); err != nil || !os.SameFile(is, named) {
		return flock.ErrLocked
	}
	return nil
}

// target is where a file is that is to be replaced: links stay, by which those that share it may reach it.
func target(file string) string {
	for range maxLinks {
		to, err := os.Readlink(file)
		if err != nil {
			return file
		}
		if !filepath.IsAbs(to) {
			to = filepath.Dir(file) + string(filepath.Separator) + to // not cleaned: .. is that of where the folder is
		}
		file = to
	}
	return file
}
