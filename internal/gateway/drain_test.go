package gateway

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// A connection is retired between requests only: not while one is read or served, nor while an answer is in a buffer.
func TestRetiringLosesToARequest(t *testing.T) {
	for _, c := range []struct {
		name    string
		before  func(c *conn)
		retired bool
	}{
		{"fresh", func(*conn) {}, true},
		{"read", func(c *conn) { _, _ = c.Read(make([]byte, 1)) }, false},
		{"served", func(c *conn) { c.serve() }, false},
		{"answered into a buffer", func(c *conn) { c.serve(); c.answered() }, false},
		{"answered", func(c *conn) { c.serve(); c.wrote = true; c.answered() }, true},
		{"answered, and read again", func(c *conn) { c.serve(); c.wrote = true; c.answered(); _, _ = c.Read(make([]byte, 1)) }, false},
	} {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.WriteString(theirs, "x") }()
		w := newWatch(Limits{})
		l := &listener{watch: w}
		k := l.wrap(ours)
		w.add(k)
		c.before(k)
		w.retire(true)
		if retired := w.open() == 0; retired != c.retired {
			t.Errorf("%s: retired %v, want %v", c.name, retired, c.retired)
		}
		if k.serve() == c.retired {
			t.Errorf("%s: a request on it is served: %v", c.name, !c.retired)
		}
		_, _ = ours.Close(), theirs.Close()
	}
}

// What arrives on a connection while it is being closed is not read as a request.
func TestNothingIsReadFromARetiredConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	l := &listener{watch: newWatch(Limits{})}
	k := l.wrap(ours)
	k.enter(closing) // before its socket is closed
	go func() { _, _ = io.WriteString(theirs, "POST") }()
	if n, err := k.Read(make([]byte, 4)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// A listener that comes after the end is closed, and whoever serves it has nothing to do.
func TestListenerThatComesTooLate(t *testing.T) {
	log, err := audit.Open(audit.Options{Writer: io.Discard, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	g, err := New(Options{Audit: log, Metrics: telemetry.New(telemetry.Options{}), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln := fasthttputil.NewInmemoryListener()
	if err := g.Serve(g.Listen(ln)); err != nil {
		t.Error(err)
	}
	if _, err := ln.Dial(); err == nil {
		t.Error("somebody is let in")
	}
}
