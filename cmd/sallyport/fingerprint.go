package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/discovery"
)

// fingerprint is a digest of what a reload would read, as far as it can be read: the reload will say what can't be, and why.
func (o origin) fingerprint(c *config.Config) [32]byte {
	h := sha256.New()
	for _, name := range o.files(c) {
		name = follow(name)
		digest, err := bundle.Digest(name)
		_, _ = fmt.Fprintf(h, "%s %v\n", digest, err)
		if err == nil {
			continue
		}
		if info, err := os.Stat(name); err == nil { // of a file that is too large, at least this
			_, _ = fmt.Fprintln(h, info.Size(), info.ModTime().UnixNano(), info.Mode())
		}
	}
	found := discovery.Fingerprint(c)
	_, _ = h.Write(found[:])
	return [32]byte(h.Sum(nil))
}

// first is the fingerprint before the first build, if the config can be read more than once: a pipe can't.
func (b *builder) first() (digest [32]byte, ok bool) {
	for _, name := range b.origin.files(&config.Config{}) {
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
			return digest, false
		}
	}
	c, err := b.origin.readConfig(b.getenv)
	if err != nil {
		return digest, false
	}
	return b.origin.fingerprint(c), true
}

// follow gives what a link points to, which may lead anywhere.
func follow(name string) string {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		return target
	}
	return name
}
