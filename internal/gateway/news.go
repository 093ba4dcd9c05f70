package gateway

import (
	"runtime/debug"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// news are the streams that wait for what a server has to say: legacy GET streams and subscriptions/listen. They are no work under
// way, and would outlive a shutdown or a change of who may read them.
type news struct {
	mu      sync.Mutex
	streams map[hearer]struct{}
	closed  bool

	parked  int // parked streams when they were last looked after
	trimmed int // and when memory was last given back
}

// hearer is such a stream.
type hearer interface {
	// outdated says whether the stream would be another one if it began on s.
	outdated(s *Snapshot) bool
	// endNews ends it in good order.
	endNews()
}

func (n *news) add(x hearer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		x.endNews()
		return
	}
	if n.streams == nil {
		n.streams = make(map[hearer]struct{})
	}
	n.streams[x] = struct{}{}
}

func (n *news) remove(x hearer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.streams, x)
}

// await adds a stream, and ends it if it was outdated before it could be found here.
func (g *Gateway) await(x hearer) {
	g.news.add(x)
	if x.outdated(g.current.p.Load()) {
		x.endNews()
	}
}

// endNews ends a stream in good order.
func (x *exchange) endNews() {
	x.ending.Store(true)
	x.call.Cancel()
}

// hangUp ends the streams of a session with several servers.
func (n *news) hangUp(session audit.SessionHash) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.streams {
		if f, ok := s.(*fan); ok && f.joined && f.session == session {
			f.endNews()
		}
	}
}

// end ends the streams that match; with closed, also every later one.
func (n *news) end(match func(hearer) bool, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = closed
	for x := range n.streams {
		if match(x) {
			x.endNews()
		}
	}
}

// manyRests is by how many more streams must have been parked before memory is given back.
const manyRests = 1024

// tend looks after the parked streams, with at most an eighth of them at once: what writes to them takes memory, too. When many have been
// parked, it gives back what opening them has taken, ten times what they need; the runtime would keep it for some minutes.
func (n *news) tend(tick, every uint64, now time.Time) {
	if tick%min(10, max(1, every/10)) != 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	most, before := 64+len(n.streams)/8, n.parked
	n.parked = 0
	for s := range n.streams {
		if most == 0 {
			continue
		}
		parked, begun := false, false
		switch v := s.(type) {
		case *idleStream:
			parked, begun = v.tend(tick, every, now)
		case *fan:
			parked, begun = v.tend(tick, every, now)
		}
		if parked {
			n.parked++
		}
		if begun {
			most--
		}
	}
	n.trimmed = min(n.trimmed, n.parked)
	if n.parked <= before && n.parked >= n.trimmed+max(manyRests, n.trimmed/4) {
		n.trimmed = n.parked
		go debug.FreeOSMemory()
	}
}
