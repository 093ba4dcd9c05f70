package gateway

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// listener hands out connections that bound every write and can be asked whether their client is still there. Those that are too many
// it closes: no request was read, so a count is all that can be recorded.
type listener struct {
	net.Listener
	refused func()
	watch   *watch
	write   time.Duration
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if w := l.wrap(c); l.watch.add(w) {
			return w, nil
		}
		l.refused()
		_ = c.Close() // nothing was said yet
	}
}

func (l *listener) wrap(c net.Conn) *conn {
	w := &conn{Conn: c, write: l.write, watch: l.watch}
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		w.addr = a.AddrPort().Addr().Unmap()
		w.addrText = w.addr.String()
	}
	if sc, ok := c.(syscall.Conn); ok {
		w.raw, _ = sc.SyscallConn()
	}
	return w
}

// conn is one client connection. fasthttp sets its write deadline once a response, which a long stream outlives; conn sets one a write.
type conn struct {
	net.Conn
	raw   syscall.RawConn
	watch *watch
	write time.Duration
	until time.Time // the write deadline that is set

	addr     netip.Addr // of the client; invalid if it has none
	addrText string

	mu      sync.Mutex
	gone    func() // what to do when the client has left; nil when nothing waits on it
	armedAt uint64

	closed atomic.Bool
}

// Write bounds each write, so that a client that reads nothing holds a goroutine no longer than the write timeout. The deadline is
// moved only when half of it has passed: it costs a lock in the runtime.
func (c *conn) Write(b []byte) (int, error) {
	if now := time.Now(); c.write > 0 && c.until.Sub(now) < c.write/2 { //nolint:forbidigo // net.Conn goes by the wall clock
		c.until = now.Add(c.write)
		if err := c.SetWriteDeadline(c.until); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.watch.remove(c)
	}
	return c.Conn.Close()
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

// watch looks, every tick, at the connections on which a request waits. fasthttp has no signal for a client that went away
// (its RequestCtx.Done fires at shutdown only), and MCP 2026-07-28 says that a closed connection cancels the request.
type watch struct {
	tick atomic.Uint64

	most, mostPerIP int // connections; 0 is no bound

	mu    sync.Mutex
	conns map[*conn]struct{}
	byIP  map[netip.Addr]int
}

func newWatch(l Limits) *watch {
	return &watch{most: l.Connections, mostPerIP: l.ConnectionsPerIP, conns: make(map[*conn]struct{}), byIP: make(map[netip.Addr]int)}
}

// add takes a connection, or says that there are too many: of this client, or of all.
func (w *watch) add(c *conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.most > 0 && len(w.conns) >= w.most || w.mostPerIP > 0 && w.byIP[c.addr] >= w.mostPerIP {
		return false
	}
	w.conns[c] = struct{}{}
	w.byIP[c.addr]++
	return true
}

func (w *watch) remove(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
	if w.byIP[c.addr]--; w.byIP[c.addr] <= 0 {
		delete(w.byIP, c.addr)
	}
}

func (w *watch) open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.conns)
}

// run polls until stop is closed.
func (w *watch) run(stop <-chan struct{}, tick <-chan time.Time) {
	var conns []*conn
	for {
		select {
		case <-stop:
			return
		case <-tick:
		}
		now := w.tick.Add(1)
		conns = conns[:0]
		w.mu.Lock()
		for c := range w.conns {
			conns = append(conns, c)
		}
		w.mu.Unlock()
		for _, c := range conns {
			c.poll(now)
		}
		clear(conns)
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
