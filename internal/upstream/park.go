package upstream

import (
	"errors"
	"net"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/socket"
)

// This file is streams for news between two events. Thousands of them wait at once, each for hours, so what waits holds no Call, no buffer
// and no goroutine.

// ErrNotYet is returned by NextNow when nothing has come on a stream that can be parked.
var ErrNotYet = mcp.ErrNotYet

// poller waits for the streams of a server that are parked; it is made with the first that is.
type poller struct {
	mu     sync.Mutex
	of     *socket.Poller
	closed bool // or there are none on this system
}

func (p *poller) get() *socket.Poller {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil && !p.closed {
		var err error
		p.of, err = socket.NewPoller()
		p.closed = errors.Is(err, errors.ErrUnsupported) // if not, there may be a descriptor for it another time
	}
	if p.closed {
		return nil
	}
	return p.of
}

func (p *poller) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.of
	p.of, p.closed = nil, true
	if of == nil {
		return nil
	}
	return of.Close()
}

// canPark says whether a stream over k can be parked: one over TLS can't, which may hold what the system knows nothing of.
func (k *conn) canPark() bool {
	_, ok := k.nc.(socket.Reader)
	return ok
}

// CanPark says whether c has a stream that can be parked. Nothing of what was sent is used any more, then.
func (c *Call) CanPark() bool {
	s, ok := c.flow.(*httpStream)
	return ok && s.chunks != nil
}

// NextNow is Next, but returns ErrNotYet instead of waiting on a stream that can be parked. Park, Next or NextNow may follow.
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

// Parked is a stream that waits for its next event, without a Call. Its methods are safe for concurrent use.
type Parked struct {
	h      *HTTP
	chunks chunkPlace
	events mcp.EventsAt
	sock   socket.Parked
}

// Park takes the stream from c, which can be Reset then and used again. then runs, once and on a goroutine of its own, when there may be
// something to read; Resume must follow. nil says that the stream can't be parked now and stays where it is; Next waits then. NextNow must have
// returned ErrNotYet before, and Cancel must not come meanwhile.
func (c *Call) Park(then func()) *Parked {
	s, ok := c.flow.(*httpStream)
	if !ok || !s.partial || len(s.chunks.rest) > 0 || s.chunks.err != nil || c.wasCanceled() {
		return nil
	}
	at, ok := s.events.At()
	poll := s.h.poller.get()
	if !ok || poll == nil {
		return nil
	}
	r := &Parked{h: s.h, chunks: s.chunks.chunkPlace, events: at}
	if r.sock.Dup(poll, s.k.nc, then) != nil {
		return nil
	}
	if !s.h.pool.park(s.k, r) {
		r.sock.Close()
		return nil
	}
	if !r.sock.Park() {
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

// Park has a stream that was Unparked wait again. If it can't, Resume must follow.
func (r *Parked) Park() bool { return r.sock.Park() }

// Unpark ends the wait without what was to run then. It says false if that is too late: it runs, or has run.
func (r *Parked) Unpark() bool { return r.sock.Unpark() }

// Wake runs now what was to run then.
func (r *Parked) Wake() { r.sock.Wake() }

// Cancel ends the connection, and so the wait. The Call that takes the stream up is to be canceled, too.
func (r *Parked) Cancel() { r.sock.Interrupt() }

// Resume puts a stream that is parked no more on c, which is fresh or Reset.
func (c *Call) Resume(r *Parked) {
	nc, err := r.sock.Open()
	if err != nil {
		nc, _ = net.Pipe() // nothing comes of it
		_ = nc.Close()
	}
	k := &conn{sock: nc, nc: nc, used: true, wrote: true}
	s := &httpStream{h: r.h, k: k, chunks: &chunks{from: k, chunkPlace: r.chunks}, framed: true, news: true, events: &mcp.EventReader{Small: true}}
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
