package upstream

import (
	"net"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/socket"
)

// This file is streams for news between two events. Thousands of them wait at once, each for hours, so what waits holds no Call, no buffer
// and no goroutine.

// ErrNotYet is returned by NextNow when nothing has come on a stream that can rest.
var ErrNotYet = mcp.ErrNotYet

// dormitory is where the streams of a server rest; it is made with the first that does.
type dormitory struct {
	mu     sync.Mutex
	beds   *socket.Dormitory
	closed bool // or there is none on this system
}

func (d *dormitory) get() *socket.Dormitory {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.beds == nil && !d.closed {
		var err error
		d.beds, err = socket.NewDormitory()
		d.closed = err != nil
	}
	if d.closed {
		return nil
	}
	return d.beds
}

func (d *dormitory) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	beds := d.beds
	d.beds, d.closed = nil, true
	if beds == nil {
		return nil
	}
	return beds.Close()
}

// restable says whether a stream over k can rest: one over TLS can't, which may hold what the system knows nothing of.
func (k *conn) restable() bool {
	_, ok := k.nc.(socket.Reader)
	return ok
}

// NextNow is Next, but returns ErrNotYet instead of waiting on a stream that can rest. Rest, Next or NextNow may follow.
func (c *Call) NextNow() (Event, error) {
	s, ok := c.flow.(*httpStream)
	if !ok || s.chunks == nil {
		return c.Next()
	}
	s.k.now = true
	e, err := s.next(c)
	s.k.now = false
	return e, err
}

// Resting is a stream that waits for its next event, without a Call. Its methods are safe for concurrent use.
type Resting struct {
	h      *HTTP
	chunks chunks
	events mcp.EventsAt
	sock   socket.Sleeper
}

// Rest takes the stream from c, which can be Reset then and used again. then runs, once and on a goroutine of its own, when there may be
// something to read; Resume must follow. nil says that the stream can't rest now and stays where it is; Next waits then. NextNow must have
// returned ErrNotYet before, and Cancel must not come meanwhile.
func (c *Call) Rest(then func()) *Resting {
	s, ok := c.flow.(*httpStream)
	if !ok || !s.partial || c.wasCanceled() {
		return nil
	}
	at, ok := s.events.At()
	beds := s.h.dormitory.get()
	if !ok || beds == nil {
		return nil
	}
	r := &Resting{h: s.h, chunks: *s.chunks, events: at}
	r.chunks.from = nil
	if r.sock.Lie(beds, s.k.nc, then) != nil {
		return nil
	}
	if !s.h.pool.rest(s.k, r) {
		r.sock.Close()
		return nil
	}
	if !r.sock.Sleep() {
		s.h.pool.resume(r, s.k)
		r.sock.Close()
		return nil
	}
	s.k.count(nil, nil, 0)
	c.held.Release()
	c.flow = nil
	c.detach()
	s.k.close() // the connection is r's
	return r
}

// Again has a stream that was Taken rest again. If it can't, Resume must follow.
func (r *Resting) Again() bool { return r.sock.Sleep() }

// Take ends the rest without what was to run then. It says false if that is too late: it runs, or has run.
func (r *Resting) Take() bool { return r.sock.Take() }

// Wake runs now what was to run then.
func (r *Resting) Wake() { r.sock.Wake() }

// Cancel ends the connection, and so the rest. The Call that takes the stream up is to be canceled, too.
func (r *Resting) Cancel() { r.sock.Interrupt() }

// Resume puts a stream that rests no more on c, which is fresh or Reset.
func (c *Call) Resume(r *Resting) {
	nc, err := r.sock.Open()
	if err != nil {
		nc, _ = net.Pipe() // nothing comes of it
		_ = nc.Close()
	}
	k := &conn{sock: nc, nc: nc, used: true, wrote: true}
	s := &httpStream{h: r.h, k: k, chunks: &r.chunks, framed: true, news: true, events: new(mcp.EventReader)}
	r.chunks.from = k
	s.events.Continue(s.chunks, r.h.o.MaxEvent, r.events)
	r.h.pool.resume(r, k)
	c.flow, c.Reply, c.Status = s, Stream, 200
	k.count(&c.held, r.h.o.Memory, 0)
	c.attach(k)
	if err != nil {
		k.readErr = err
		s.err = r.h.fail(c, k, err)
	}
}
