package gateway

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// idleStream is a client's stream for news of one server: a legacy client's GET, or subscriptions/listen. Nothing comes on it for hours, and
// there are thousands: while nothing comes it has no goroutine, no buffer and no exchange, only what is needed to go on. What comes is judged
// as on any stream.
type idleStream struct {
	g *Gateway
	takenConn

	mu     sync.Mutex
	x      *exchange        // while something is done; nil when parked
	stream *upstream.Parked // when parked
	busy   bool             // a comment is being written
	left   bool             // it is to end
	ending bool             // because the gateway ends it
	over   bool
	state  parked
}

// canPark says whether the stream is one that can do without what serves its connection: it takes the connection, and ends with it.
func (x *exchange) canPark() bool {
	switch {
	case !x.canTake():
		return false
	case x.msg.Kind == mcp.KindNone:
		return true
	}
	// Of a server that isn't reached by HTTP the stream would wait as any other, and what waits there may need the request's bytes.
	return x.msg.Era == mcp.Modern && !x.awaits() && x.call.CanPark() && len(x.msg.Root().Raw()) <= smallBody
}

// startIdle lets v write the events, when handle has returned.
func (x *exchange) startIdle() {
	v := &idleStream{g: x.g, x: x}
	v.state.hold(x)
	v.take(x, v.begin, v.abandoned)
	if x.conn != nil {
		x.conn.arm(v.end)
	}
	x.g.await(v)
}

// begin is the stream's own beginning, when nothing else has the connection.
func (v *idleStream) begin() {
	x := v.x
	if v.writeHead(x) != nil {
		v.end()
	}
	go v.run(x)
}

// abandoned ends a stream whose connection was closed before it began.
func (v *idleStream) abandoned() {
	v.mu.Lock()
	x := v.x
	v.mu.Unlock()
	x.call.Cancel()
	v.finish(x, net.ErrClosed)
}

// run serves the stream until it is parked or ends.
func (v *idleStream) run(x *exchange) {
	if parked, err := v.serve(x); !parked {
		v.finish(x, err)
	}
}

// serve polices what has come on the stream, event by event.
func (v *idleStream) serve(x *exchange) (parked bool, err error) {
	w := v.g.newSink(v.writer())
	defer func() {
		if p := recover(); p != nil {
			v.g.recovered(p)
			x.outcome.kind, x.outcome.reason = telemetry.Internal, "internal_error"
			parked, err = false, io.ErrUnexpectedEOF
		}
		if !parked {
			x.outcome.out += w.stop()
		}
	}()
	for {
		x.extend()
		ev, err := x.call.NextNow()
		if errors.Is(err, upstream.ErrNotYet) {
			x.outcome.out += w.stop()
			if v.park(x) {
				return true, nil
			}
			w = v.g.newSink(v.writer())
			ev, err = x.call.Next()
		}
		if err != nil {
			return false, x.endStream(w, err)
		}
		if over, err := x.relay(w, ev); over || err != nil {
			return false, err
		}
	}
}

// park gives everything back that is not needed until something comes. It says whether it has: x is not the caller's any more then.
func (v *idleStream) park(x *exchange) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.left {
		return false
	}
	r := x.call.Park(v.wake)
	if r == nil {
		return false
	}
	v.state.update(x)
	v.stream, v.x = r, nil
	v.g.putBack(x)
	return true
}

// putBack has x used again, but for the snapshot and the request's bytes: they are whose who has parked its stream.
func (g *Gateway) putBack(x *exchange) {
	x.kept.Release()
	x.call.Reset()
	x.reset()
	g.exchanges.Put(x)
}

// wake goes on with a parked stream, on a goroutine of its own.
func (v *idleStream) wake() { v.run(v.unpark()) }

func (v *idleStream) unpark() *exchange {
	v.mu.Lock()
	defer v.mu.Unlock()
	x := v.g.exchanges.Get().(*exchange) //nolint:forcetypeassert // the pool's New makes nothing else
	x.client, x.conn = v.client, v.client
	v.state.restore(x)
	x.call.Resume(v.stream)
	x.ending.Store(v.ending)
	v.x, v.stream = x, nil
	if v.left {
		x.call.Cancel()
	}
	return x
}

// end ends the stream: its client has gone.
func (v *idleStream) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cancel()
}

// endNews ends the stream in good order: it is not to be read any more.
func (v *idleStream) endNews() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ending = true
	if v.x != nil {
		v.x.ending.Store(true)
	}
	v.cancel()
}

// cancel is called under mu.
func (v *idleStream) cancel() {
	switch v.left = true; {
	case v.over:
	case v.x != nil:
		v.x.call.Cancel()
	default:
		v.stream.Cancel()
	}
}

// finish ends what the stream is on both sides, and has its outcome recorded.
func (v *idleStream) finish(x *exchange, err error) {
	defer func() {
		if p := recover(); p != nil {
			x.abandon(p)
		}
		v.takenConn.end(err == nil)
	}()
	v.mu.Lock()
	v.x, v.over = nil, true
	v.mu.Unlock()
	v.g.news.remove(v)
	_ = x.Close()
}

// tend writes a comment if nothing was written for so many ticks, or wakes the stream if its time is up, but doesn't wait for either. It
// says whether the stream is parked, and whether that is over.
func (v *idleStream) tend(tick, every uint64, now time.Time) (parked, begun bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.x != nil || v.busy || v.left || v.over:
		return false, false
	case !now.Before(v.state.until):
		v.stream.Wake()
		return true, true
	case !v.silent(tick, every) || !v.stream.Unpark():
		return true, false
	}
	v.busy = true
	go v.comment()
	return true, true
}

// comment shows the client that the stream lives. It has been unparked, and is parked again if it can be.
func (v *idleStream) comment() {
	n, err := v.writer().Write(comment)
	v.mu.Lock()
	v.busy = false
	v.state.outcome.out += int64(n)
	v.left = v.left || err != nil
	parked := !v.left && v.stream.Park()
	v.mu.Unlock()
	if !parked {
		v.wake()
	}
}

func (v *idleStream) outdated(s *Snapshot) bool {
	k := &v.state
	return s == nil || k.snap.Identity != s.Identity || s.server(k.serverName, k.version) != k.server || k.body != nil && !k.snap.splits(k.serverName, s)
}
