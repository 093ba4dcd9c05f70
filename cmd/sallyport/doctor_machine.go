package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/gateway"
)

// certificate looks at what the listener shows to clients.
func (e *examination) certificate() []finding {
	c := e.conf.TLS
	if c == nil {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return []finding{broken(fmt.Errorf("%s: %w", c.Cert, err), "name a certificate chain in tls.cert, and the key that it is of in tls.key")}
	}
	const do = "renew it: the gateway takes a new file without a restart"
	now, begin, end := e.p.now(), pair.Leaf.NotBefore, pair.Leaf.NotAfter
	at := end.UTC().Format(time.RFC3339)
	switch {
	case now.Before(begin):
		return []finding{broken(fmt.Errorf("%s is not valid before %s", c.Cert, begin.UTC().Format(time.RFC3339)), "see to this machine's clock, or take another certificate")}
	case now.After(end):
		return []finding{broken(fmt.Errorf("%s has expired at %s", c.Cert, at), do)}
	case now.Add(nearEnd).After(end):
		return []finding{doubtful(fmt.Sprintf("%s expires at %s", c.Cert, at), do)}
	}
	return []finding{fine("%s is valid until %s", c.Cert, at)}
}

// plugins looks whether the cache of compiled plugins can be used. It is not made.
func (e *examination) plugins() []finding {
	dir := e.conf.Plugins.Cache
	if dir == "" {
		return nil
	}
	if err := wasm.CheckCache(dir); err != nil {
		return []finding{broken(err, "give plugins.cache a directory that is the gateway's user's own, with mode 0700, or none yet in a place where it may make one")}
	}
	return []finding{fine("%s holds compiled plugins, or will", dir)}
}

// descriptors compares the files that a process may have open with the connections that clients may.
func (e *examination) descriptors() []finding {
	want := e.conf.Limits.Connections
	allowed, needed := gateway.Affordable(want)
	if allowed < want {
		return []finding{doubtful(fmt.Sprintf("the limit of open files allows for %d of %d connections", allowed, want),
			fmt.Sprintf("raise it to %d (ulimit -n, or LimitNOFILE= of a unit), or lower limits.connections", needed))}
	}
	return []finding{fine("the limit of open files allows for %d connections", want)}
}

// audit verifies the records that there are, and that more can be written. Nothing is.
func (e *examination) audit() []finding {
	name := e.conf.Audit.File
	if name == "" {
		return []finding{fine("records go to standard output")}
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return []finding{examineFolder(name)}
	}
	if err != nil {
		return []finding{broken(err, "give the gateway's user the right to write it: without records every call is refused")}
	}
	defer file.Close() //nolint:errcheck // it was only read
	r, err := audit.Verify(file)
	if err != nil {
		err = fmt.Errorf("%s: the chain is broken: %w", name, err)
		return []finding{broken(err, "keep the file as it is, find out who has changed it, and name another one in the config").exits(exitSignature)}
	}
	return []finding{fine("%s: %s, the chain is whole", name, count(r.Lines, "record"))}
}

// examineFolder looks whether a file could be made.
func examineFolder(name string) finding {
	probe, err := os.CreateTemp(filepath.Dir(name), ".sallyport-*")
	if err != nil {
		return broken(err, "make the folder, and give the gateway's user the right to write there")
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return broken(err, "see to the folder")
	}
	return fine("%s will be made", name)
}
