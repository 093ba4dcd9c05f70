package discovery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

// Copied is a registry of which what it has listed last is kept in a file beside the state, so that a gateway that starts while it is down has
// what it had. What the registry has withdrawn must not come back by that: what it gives is kept before anybody sees it, and where it can't be
// kept nothing is.
type Copied struct {
	fetch.Source
	state, file string
	now         func() time.Time
	warn        func(error)
	last        []byte // what the registry has given last; nil: nothing is known
	warned      string
}

const (
	maxCopy = 32 << 20         // bytes; a registry gives less
	apart   = 30 * time.Second // that clocks of replicas may be
	copying = 10 * time.Second // that others may have the state locked
)

// copyMark stands between the name of the state and the rest of a copy's, which has copyName digits.
const (
	copyMark = ".listing-"
	copyName = 16
)

// copyOf is the file for a registry. Its location may hold a secret.
func copyOf(state, from string) string {
	sum := sha256.Sum256([]byte(from))
	return state + copyMark + hex.EncodeToString(sum[:])[:copyName]
}

// Copy keeps what s gives, which is the registry at from. warn is told why that fails, once for each reason.
func Copy(s fetch.Source, state, from string, now func() time.Time, warn func(error)) *Copied {
	return &Copied{Source: s, state: state, file: copyOf(state, from), now: now, warn: warn}
}

// Last is what the registry gave last to this gateway, or another that shares the state, and when it did; nil: nothing that is kept.
func (c *Copied) Last() (*fetch.Content, time.Time) {
	text, at, err := c.read()
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.warn(err)
		}
		return nil, time.Time{}
	}
	c.last = text
	if now := c.now(); at.After(now) {
		at = now
	}
	sum := sha256.Sum256(text)
	return &fetch.Content{Tag: hex.EncodeToString(sum[:]), Packed: text}, at
}

func (c *Copied) read() (text []byte, at time.Time, err error) {
	if text, err = readBounded(c.file, maxCopy); err != nil {
		return nil, at, err
	}
	info, err := os.Stat(c.file)
	if err != nil {
		return nil, at, err
	}
	return text, info.ModTime(), nil
}

// Fetch implements fetch.Source.
func (c *Copied) Fetch(ctx context.Context, have string, wait time.Duration) (*fetch.Content, error) {
	begun := c.now()
	got, err := c.Source.Fetch(ctx, have, wait)
	if err != nil {
		return nil, err
	}
	if got != nil {
		c.last = got.Packed
	}
	if c.last == nil {
		return got, nil
	}
	said := ""
	if err := c.keep(ctx, begun); err != nil {
		if gone := os.Remove(c.file); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		if said = err.Error(); said != c.warned {
			c.warn(err)
		}
	}
	c.warned = said
	return got, nil
}

// keep has the file be what the registry has said to a question that was asked then: unless another replica has asked later.
func (c *Copied) keep(ctx context.Context, asked time.Time) error {
	if len(c.last) > maxCopy {
		return fmt.Errorf("what it lists is larger than %d MiB", maxCopy>>20)
	}
	ctx, cancel := context.WithTimeout(ctx, copying)
	defer cancel()
	unlock, locked := Lock(ctx, c.state)
	if locked == nil {
		defer unlock()
	}
	text, at, err := c.read()
	switch same := err == nil && bytes.Equal(text, c.last); {
	case locked != nil && same:
		return nil // when it was asked can be said another time
	case locked != nil:
		return locked
	case err == nil && at.After(asked) && !at.After(c.now().Add(apart)):
		return nil
	case !same:
		if err := bundle.WriteFile(c.file, c.last, 0o600); err != nil {
			return err
		}
	}
	return os.Chtimes(c.file, asked, asked)
}

// ForgetCopies removes what is kept of registries that c doesn't name any more.
func ForgetCopies(c *config.Config) error {
	d := c.Discovery
	if d == nil || d.State == "" {
		return nil
	}
	named := map[string]bool{}
	for i := range d.Registries {
		if r := &d.Registries[i]; r.Remote() {
			named[filepath.Base(copyOf(d.State, r.From))] = true
		}
	}
	all, err := os.ReadDir(filepath.Dir(d.State))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range all {
		rest, ok := strings.CutPrefix(entry.Name(), filepath.Base(d.State)+copyMark)
		if ok && len(rest) == copyName && !named[entry.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(filepath.Dir(d.State), entry.Name())))
		}
	}
	return err
}
