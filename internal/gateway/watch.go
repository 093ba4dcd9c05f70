package gateway

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
)

// watch looks, every tick, at the connections on which a request waits. fasthttp has no signal for a client that went away
// (its RequestCtx.Done fires at shutdown only), and MCP 2026-07-28 says that a closed connection cancels the request.
type watch struct {
	tick atomic.Uint64

	most, mostPerIP int // connections; 0 is no bound
	bounds          bounds
	memory          *budget.Budget
	bodies          *bodies           // those that nobody waits for are given back
	record          func()            // what was turned away; called every recordTicks
	tend            func(tick uint64) // parked streams; called every tick
	sample          func()            // how short everything is; called every tick
	busy            atomic.Int64      // connections with a request under way, as of the last tick

	mu    sync.Mutex
	conns map[*conn]struct{}
	byIP  map[netip.Addr]int
}

// bounds are waits in ticks; 0 is no bound.
type bounds struct{ read, idle, write uint64 }

func ticks(d time.Duration) uint64 { return uint64((d + watchTick - 1) / watchTick) }

func newWatch(l Limits) *watch {
	return &watch{
		most: affordable(l.Connections, descriptors()), mostPerIP: l.ConnectionsPerIP, conns: make(map[*conn]struct{}), byIP: make(map[netip.Addr]int),
		bounds: bounds{read: ticks(l.ReadTimeout), idle: ticks(l.IdleTimeout), write: ticks(l.WriteTimeout)},
	}
}

// reserve is the number of descriptors that clients leave to everything else: files, listeners, the operator's connections.
const reserve = 64

// affordable bounds connections by what descriptors there are: a client's may need one to a server. 0 descriptors are not known.
func affordable(connections, descriptors int) int {
	if descriptors <= 0 {
		return connections
	}
	return max(1, min(connections, (descriptors-reserve)/2))
}

// Affordable says how many of the connections the descriptors that this process may open allow for, and how many descriptors all of them need.
func Affordable(connections int) (allowed, needed int) {
	return affordable(connections, descriptors()), 2*connections + reserve
}

// ServerConnections is how many connections there may be to servers, beside so many of clients, for what the reserve is for to have its own. 0 is
// not known.
func ServerConnections(clients int) int {
	n := descriptors()
	if n <= 0 {
		return 0
	}
	return max(1, n-reserve-affordable(clients, n))
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
		busy := int64(0)
		for _, c := range conns {
			if c.underWay() {
				busy++
			}
			c.poll(now)
			c.expire(now, w.bounds)
		}
		w.busy.Store(busy)
		clear(conns)
		w.sample()
		w.bodies.sweep(now, 2*w.bounds.read)
		w.tend(now)
		if now%recordTicks == 0 {
			w.record()
		}
	}
}
