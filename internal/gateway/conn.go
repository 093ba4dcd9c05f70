package gateway

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/internal/socket"
)

// listener hands out connections that bound every write and can be asked whether their client is still there. Those that are too many
// it closes: no request was read, so who and how many is all that can be recorded.
type listener struct {
	net.Listener
	refused func(from netip.Addr)
	paused  func(error) // nothing can be accepted for now
	watch   *watch

	last  atomic.Bool // nothing is accepted any more but what waits to be
	close sync.Once
	ended error
}

// Pauses between attempts to accept, while the system has no descriptor or memory for a connection. They double.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Accept waits out what passes by itself: fasthttp would stop serving, and the connections that are open would go with it.
func (l *listener) Accept() (net.Conn, error) {
	pause := minPause
	for {
		c, err := l.Listener.Accept()
		if exhausted(err) {
			if pause == minPause {
				l.paused(err)
			}
			time.Sleep(pause)
			pause = min(2*pause, maxPause)
			continue
		}
		if err != nil && l.last.Load() {
			_ = l.Close() // who comes now is refused, and can go elsewhere
			return nil, io.EOF
		}
		if err != nil {
			return nil, err
		}
		pause = minPause
		w := l.wrap(c)
		if l.watch.add(w) {
			return w, nil
		}
		l.refused(w.addr)
		_ = c.Close() // nothing was said yet
	}
}

// exhausted says that a system call failed for want of something that others may give back, or that the peer was gone before it was
// accepted.
func exhausted(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains([]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED}, errno)
}

// finish lets those in who have connected already, and then nobody.
func (l *listener) finish() {
	l.last.Store(true)
	if d, ok := l.Listener.(interface{ SetDeadline(t time.Time) error }); !ok || d.SetDeadline(time.Now().Add(lastCall)) != nil { //nolint:forbidigo // of the system's clock
		_ = l.Close()
	}
}

// lastCall is how long connections that wait to be accepted still are.
const lastCall = 50 * time.Millisecond

// Close closes the listener. A second time it does nothing.
func (l *listener) Close() error {
	l.close.Do(func() { l.ended = l.Listener.Close() })
	return l.ended
}

func (l *listener) wrap(c net.Conn) *conn {
	w := &conn{Conn: socket.Wrap(c), watch: l.watch}
	w.enter(fresh)
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		w.addr = a.AddrPort().Addr().Unmap()
		w.addrText = w.addr.String()
	}
	if sc, ok := c.(syscall.Conn); ok {
		w.raw, _ = sc.SyscallConn()
	}
	return w
}

// conn is one client connection. Its waits are bounded by the watch: what it waits for, and since which tick, are two numbers that
// the watch looks at. Deadlines on the connection itself would cost three calls into the runtime's timers for each request, and a
// stream outlives any that is set for its response as a whole.
type conn struct {
	net.Conn
	raw   syscall.RawConn
	watch *watch

	reads  atomic.Uint64 // state<<48 | the tick at which it was entered
	writes atomic.Uint64 // the tick at which the write under way began, plus one; 0 is none

	addr     netip.Addr // of the client; invalid if it has none
	addrText string

	mu      sync.Mutex
	gone    func() // what to do when the client has left; nil when nothing waits on it
	armedAt uint64

	closed atomic.Bool
	wrote  bool // since the request under way began; used by the goroutine that serves the connection

	owed atomic.Int64 // of the budget, for an answer that is being written

	successor atomic.Pointer[func()] // takes the connection over when its request has been handled; what to do if it never will
	last      *opened                // nil: no session yet; used by the request under way
}

// What a connection is doing, as far as reading goes.
const (
	receiving uint64 = iota // a request
	serving                 // one: nothing is expected of the client
	idle                    // between requests
	resting                 // between requests, and all answers have been written
	fresh                   // nothing has been read yet
	closing                 // at the end of the gateway
)

const tickBits = 48

func (c *conn) enter(state uint64) { c.reads.Store(state<<tickBits | c.watch.tick.Load()) }

// Read notes when the first bytes of a request arrive.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.move(receiving, idle, resting, fresh) && c.reads.Load()>>tickBits == closing {
		return 0, net.ErrClosed
	}
	return n, err
}

// move enters a state if c is in one of some others.
func (c *conn) move(to uint64, from ...uint64) bool {
	for {
		was := c.reads.Load()
		if !slices.Contains(from, was>>tickBits) {
			return false
		}
		if c.reads.CompareAndSwap(was, to<<tickBits|c.watch.tick.Load()) {
			return true
		}
	}
}

// serve says that a request is served. It isn't, if the connection is being closed: nobody would get the answer.
func (c *conn) serve() bool { return c.move(serving, receiving, serving, idle, resting, fresh) }

// answered says that a request has been answered. What is still in a buffer, because another one came with it, has not been.
func (c *conn) answered() {
	to := idle
	if c.wrote {
		to = resting
		c.settle()
	}
	c.move(to, serving)
}

// underWay says whether the connection has a request that is read or served.
func (c *conn) underWay() bool {
	state := c.reads.Load() >> tickBits
	return state == receiving || state == serving
}

// retire closes the connection if nothing of a request has been read from it, and nothing of an answer is still to be written to it.
func (c *conn) retire(from ...uint64) {
	if c.move(closing, from...) {
		_ = c.Close()
	}
}

// Write notes how long a client takes to read, so that one that reads nothing is cut off.
func (c *conn) Write(b []byte) (int, error) {
	c.wrote = true
	c.writes.Store(c.watch.tick.Load() + 1)
	n, err := c.Conn.Write(b)
	c.writes.Store(0)
	return n, err
}

// expire ends what has taken too long. The blocked Read or Write fails with a timeout.
func (c *conn) expire(tick uint64, b bounds) {
	reads := c.reads.Load()
	since, limit := reads&(1<<tickBits-1), uint64(0)
	switch reads >> tickBits {
	case receiving, fresh:
		limit = b.read
	case idle, resting:
		limit = b.idle
	}
	if limit > 0 && tick-since > limit {
		_ = c.SetReadDeadline(past) // a closed connection has no deadline, and needs none
	}
	if began := c.writes.Load(); began > 0 && b.write > 0 && tick-(began-1) > b.write {
		_ = c.SetWriteDeadline(past)
	}
}

var past = time.Unix(1, 0)

func (c *conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.watch.remove(c)
	}
	err := c.Conn.Close()
	c.settle()
	if abandoned := c.successor.Swap(nil); abandoned != nil {
		(*abandoned)()
	}
	return err
}

// drop reads what the client has sent though nobody reads it any more, up to a bound: the system resets a connection that is closed before
// all is read, and what was written last can be lost.
func (c *conn) drop() {
	r, ok := c.Conn.(socket.Reader)
	var b [4 << 10]byte
	for n := 0; ok && n < maxDropped; n += len(b) {
		if _, err := r.ReadNow(b[:]); err != nil {
			return
		}
	}
}

const maxDropped = 256 << 10 // bytes

// owe counts the memory of an answer until it has been written, or can't be.
func (c *conn) owe(n int64) {
	c.owed.Add(n)
	if c.closed.Load() { // perhaps before that could be seen
		c.settle()
	}
}

func (c *conn) settle() {
	if c.owed.Load() > 0 {
		c.watch.memory.Give(c.owed.Swap(0))
	}
}

// arm asks for gone to be called, once, if the client leaves before disarm. gone runs while conn is locked: it must not block.
func (c *conn) arm(gone func()) {
	c.mu.Lock()
	c.gone, c.armedAt = gone, c.watch.tick.Load()
	c.mu.Unlock()
}

// disarm returns only when gone is not running and will not run.
func (c *conn) disarm() {
	c.mu.Lock()
	c.gone = nil
	c.mu.Unlock()
}

// poll calls gone if the client has left. Requests younger than a tick are passed over: most end before they are worth a system call.
func (c *conn) poll(tick uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone == nil || c.armedAt >= tick || c.raw == nil {
		return
	}
	if peerLeft(c.raw) {
		c.gone()
		c.gone = nil
	}
}

// clientConn finds our conn below c, which may be a TLS connection around it.
func clientConn(c net.Conn) *conn {
	for {
		switch t := c.(type) {
		case *conn:
			return t
		case interface{ NetConn() net.Conn }:
			c = t.NetConn()
		default:
			return nil
		}
	}
}
