package gateway

import (
	"sync"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// news are the streams that wait for what a server has to say: legacy GET streams and subscriptions/listen. They are no work under
// way, and would outlive a shutdown or a change of who may read them.
type news struct {
	mu      sync.Mutex
	streams map[*exchange]struct{}
	closed  bool
}

func (n *news) add(x *exchange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		x.endNews()
		return
	}
	if n.streams == nil {
		n.streams = make(map[*exchange]struct{})
	}
	n.streams[x] = struct{}{}
}

func (n *news) remove(x *exchange) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.streams, x)
}

// await adds a stream, and ends it if it was outdated before it could be found here.
func (g *Gateway) await(x *exchange) {
	g.news.add(x)
	if s := g.current.p.Load(); s != x.snap && outdated(x, s) {
		x.endNews()
	}
}

// endNews ends a stream in good order.
func (x *exchange) endNews() {
	if x.fan != nil {
		x.fan.renewed.Store(true)
		x.fan.stop()
		return
	}
	x.ending.Store(true)
	x.call.Cancel()
}

// hangUp ends the streams of a session with several servers.
func (n *news) hangUp(session audit.SessionHash) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for x := range n.streams {
		if x.fan != nil && x.joined && x.sessionHash == session {
			x.endNews()
		}
	}
}

// end ends the streams that match; with closed, also every later one.
func (n *news) end(match func(*exchange) bool, closed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = closed
	for x := range n.streams {
		if match(x) {
			x.endNews()
		}
	}
}
