package gateway

import (
	"time"

	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// This file is servers whose streams of news end while the client still listens: they are asked again, and the client is told that it may have
// missed something.

// Bounds of how often a server is asked again: the time between doubles from Gateway.reask up to so many times that, and after so many
// failures in a row the server adds nothing more.
const (
	mostPauses = 32
	maxReasks  = 10
)

// reasks is how often a server was asked again, and when last.
type reasks struct {
	tries int
	last  time.Time
}

// next is what follows old, whose stream has ended; nil if nothing does. It has not asked its server yet.
func (p *part) next(old *exchange) *exchange {
	f := p.f
	if !p.hasTaken() { // open ends it
		old.share.failed = first(old.share.failed, badAnswer(old.msg.ID, errNotAcknowledged))
		f.waited.Done()
		return nil
	}
	for old.share.acked || mayTake(old.share.failed) {
		if f.g.Now().Sub(p.last) > mostPauses*f.g.reask { // it was up for long enough
			p.tries = 0
		}
		if p.tries == maxReasks || !f.pause(p.tries) {
			break
		}
		p.tries, p.last = p.tries+1, f.g.Now()
		y := p.renew(old)
		if y == nil {
			break
		}
		if y.share.failed == nil {
			return y
		}
		old = y
	}
	p.end(old)
	return nil
}

// mayTake says whether a server that has failed so may be asked another time: neither policy nor it has refused.
func mayTake(r *refusal) bool {
	return r != nil && r.kind != telemetry.Denied && r.reason != reasonError
}

// pause waits until a server may be asked again; false if nobody listens any more.
func (f *fan) pause(tries int) bool {
	g := f.g
	wait := min(g.reask<<tries, mostPauses*g.reask)
	if !g.Now().Add(wait).Before(f.until) {
		return false
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-f.quit:
		return false
	case <-t.C:
		return true
	}
}

// renew puts another in the place of old, which is to ask the server again, on the snapshot that is current; nil if nobody listens any more, or the
// server is another. old stays then.
func (p *part) renew(old *exchange) *exchange {
	f := p.f
	snap := f.g.current.acquire()
	if snap == nil {
		return nil
	}
	defer snap.release()
	if old.outdated(snap) {
		f.endNews()
		return nil
	}
	x := f.x
	if f.conn != nil {
		x = f.takeUp(nil)
		defer f.g.putBack(x)
	}
	y := x.splitOn(snap, p.wanted.Server)
	f.asked.detach(y)
	y.start = f.g.Now()
	y.mark = y.start
	f.mu.Lock()
	if f.quitted { // whoever did may have ended the others
		f.mu.Unlock()
		y.unrecorded = true
		y.finish()
		return nil
	}
	p.y = y
	f.mu.Unlock()
	old.conclude()
	y.apart(func() { p.admit(y) })
	y.call.Deadline = y.start.Add(y.listTimeout())
	return y
}

// missed tells the client that anything that the server tells of may have changed while nobody listened. It is judged as if the server said it.
func (p *part) missed(y *exchange) bool {
	for _, text := range federation.News(y.reply.Params) {
		if out := y.event(mcp.Event{Name: []byte("message"), Data: text}); len(out) > 0 && !p.f.pass(listNews(y.reply), out) {
			return false
		}
	}
	return true
}
