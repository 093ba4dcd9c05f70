package gateway

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// part is one server's stream among those of a fan. While nothing comes on it, it is parked, if it can be.
type part struct {
	f      *fan
	wanted federation.Subscription // what it asks for
	reasks
	state leg    // since its server has acknowledged
	body  []byte // the message as plugins have changed it; nil: as wanted makes it of the client's

	// Under the fan's mu.
	y      *exchange        // nil: it is parked, or has ended
	stream *upstream.Parked // when parked
	took   bool             // the server has once acknowledged: it is asked again when its stream ends
}

// admit has y ask the server, and is the first door for it.
func (p *part) admit(y *exchange) {
	if v := p.wanted.Version; v != "" && y.share.failed == nil && !y.stay(v) {
		y.share.failed = notFound()
	}
	switch {
	case y.share.failed != nil:
	case p.f.plain:
		if y.share.failed = y.choose(); y.share.failed == nil {
			y.share.failed = y.permit()
		}
	default:
		y.share.failed = y.admit(p.address(y))
	}
}

// address makes of the client's message the one for the server.
func (p *part) address(y *exchange) *refusal {
	y.edits.Reset()
	federation.EditCapabilities(y.msg.Capabilities, &y.edits)
	y.edits.Replace(y.msg.Params.Get("notifications"), p.wanted.Filter)
	return y.reissue()
}

// run is the server's stream, and those that follow it, until nothing more comes or it is parked.
func (p *part) run(y *exchange, asked bool) {
	for ; y != nil; asked = false {
		parked := false
		y.apart(func() { parked = (asked || p.ask(y)) && p.hear(y) })
		if parked {
			return
		}
		y = p.next(y)
	}
	p.f.ended()
}

// ask asks the server, and says whether it answers with a stream.
func (p *part) ask(y *exchange) bool {
	var r *refusal
	if p.f.plain {
		r = y.fetch(string(y.head.ProtocolVersion))
	} else if r = y.forward(); r == nil {
		r = y.answer()
	}
	if y.share.failed = r; r != nil || !y.streaming {
		return false
	}
	y.call.Extend(y.call.Deadline)
	return true
}

// hear takes what comes, until the stream ends or is parked.
func (p *part) hear(y *exchange) (parked bool) {
	for {
		ev, err := y.call.NextNow()
		if errors.Is(err, upstream.ErrNotYet) {
			if p.park(y) {
				return true
			}
			ev, err = y.call.Next()
		}
		if err != nil {
			p.lost(y, err)
			return false
		}
		if !p.relay(y, ev) {
			return false
		}
		y.kept.Release()
		y.shrink()
	}
}

const acknowledgement = "notifications/subscriptions/acknowledged"

var errNotAcknowledged = errors.New("the server has not acknowledged the subscription")

// relay takes one event, and says whether another is wanted.
func (p *part) relay(y *exchange, ev mcp.Event) bool {
	out := y.event(ev)
	switch {
	case y.answered: // the server has ended it
		return false
	case len(out) == 0 || len(ev.Data) == 0:
	case y.reply.Method == acknowledgement:
		return y.share.acked || p.take(y)
	case y.share.acked:
		return p.f.pass(listNews(y.reply), out)
	}
	return true
}

// take notes what a server has acknowledged, and says whether anybody still listens. From now on its stream lives as long as the client's.
func (p *part) take(y *exchange) bool {
	f := p.f
	y.call.Extend(f.until)
	y.outcome.status, y.share.acked = 200, true
	f.mu.Lock()
	again := p.took
	p.took = true
	p.settle(y)
	if !again {
		f.acked.Took(y.serverName, y.reply.Params, y.toPublicTask)
	}
	begun := f.begun
	f.mu.Unlock()
	if f.outdated(f.g.current.p.Load()) {
		f.endNews()
	}
	if again {
		return p.missed(y)
	}
	f.waited.Done()
	if begun == nil {
		return true
	}
	select {
	case <-begun:
		return true
	case <-f.quit:
		return false
	}
}

// settle keeps what the part is from now on.
func (p *part) settle(y *exchange) {
	p.state.note(y)
	if p.body = nil; y.decision.Rewritten.Exists() {
		p.body = bytes.Clone(y.msg.Root().Raw())
	}
}

// stays says whether the part would be as it is on another snapshot.
func (p *part) stays(s *Snapshot) bool {
	k := &p.state
	return s.server(k.serverName, k.version) == k.server && (p.f.joined || p.f.plain || k.snap.splits(k.serverName, s))
}

func (p *part) hasTaken() bool {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	return p.took
}

// park gives everything back that is not needed until something comes. It says whether it has: y is not the caller's any more then.
func (p *part) park(y *exchange) bool {
	f := p.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil || !f.began || f.quitted || !y.share.acked || !f.g.Now().Before(f.until) {
		return false
	}
	r := y.call.Park(p.wake)
	if r == nil {
		return false
	}
	p.state.update(y)
	p.stream, p.y = r, nil
	f.g.putBack(y)
	return true
}

// wake goes on with a parked part, on a goroutine of its own.
func (p *part) wake() { p.run(p.unpark(), true) }

func (p *part) unpark() *exchange {
	f := p.f
	f.mu.Lock()
	defer f.mu.Unlock()
	y := f.takeUp(&share{acked: true})
	p.state.restore(y)
	y.counted = false // the client's stream is
	p.readMessage(y)
	y.call.Resume(p.stream)
	y.call.Extend(f.until)
	p.y, p.stream = y, nil
	if f.quitted {
		y.call.Cancel()
	}
	return y
}

// readMessage makes the message the one that the server got: of the same bytes, by the same rules.
func (p *part) readMessage(y *exchange) {
	switch {
	case p.f.plain:
		return
	case p.body != nil:
		_ = y.readAgain(p.body)
	default:
		_ = p.address(y)
	}
	y.fill(&y.msg)
}

// end ends what has asked the server, and has its outcome recorded.
func (p *part) end(y *exchange) {
	p.f.mu.Lock()
	p.y = nil
	p.f.mu.Unlock()
	y.conclude()
}

// conclude ends a part of a fan, and has its outcome recorded.
func (x *exchange) conclude() {
	defer func() {
		if p := recover(); p != nil {
			x.abandon(p)
		}
	}()
	if x.share.failed != nil {
		x.refuse(x.share.failed)
	}
	x.finish()
}

// lost is the end of a server's stream that it has not announced.
func (p *part) lost(y *exchange, err error) {
	if errors.Is(err, io.EOF) {
		return
	}
	r := upstreamFailed(y.msg.ID, err)
	y.outcome.kind, y.outcome.reason, y.outcome.cause = r.kind, r.reason, r.cause
	if r.kind != telemetry.Cancelled {
		y.metrics.Failed(r.reason)
	}
}

// listNews is the method of a message that says that a list has changed.
func listNews(m *mcp.Message) string {
	if m.Spec != nil && strings.HasSuffix(m.Spec.Name, "/list_changed") {
		return m.Spec.Name
	}
	return ""
}
