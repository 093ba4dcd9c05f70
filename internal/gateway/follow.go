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

// follow keeps one server's stream up.
func (f *fan) follow(i int, y *exchange) {
	y.apart(func() { f.run(i, y) })
	if !y.share.acked {
		y.share.failed = first(y.share.failed, badAnswer(y.msg.ID, errNotAcknowledged))
		f.heard <- struct{}{}
		return
	}
	began := f.x.g.Now()
	for tries := 0; tries < maxReasks && y != nil; tries++ {
		if f.x.g.Now().Sub(began) > mostPauses*f.x.g.reask { // it was up for long enough
			tries = 0
		}
		if !f.pause(tries) {
			return
		}
		began = f.x.g.Now()
		if y = f.askAgain(i, y); y == nil || y.share.acked {
			continue
		}
		if r := y.share.failed; r == nil || r.kind == telemetry.Denied || r.reason == reasonError { // policy or the server doesn't want it
			return
		}
	}
}

// pause waits until a server may be asked again; false if nobody listens any more.
func (f *fan) pause(tries int) bool {
	g := f.x.g
	wait := min(g.reask<<tries, mostPauses*g.reask)
	if !g.Now().Add(wait).Before(f.end()) {
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

// end is when the client's stream has lasted long enough.
func (f *fan) end() time.Time { return f.x.start.Add(f.x.g.Limits.StreamTimeout) }

// askAgain asks the server of old again, on the snapshot that is current; nil if nobody listens any more, or the server is another.
func (f *fan) askAgain(i int, old *exchange) *exchange {
	g := f.x.g
	snap := g.current.acquire()
	if snap == nil {
		return nil
	}
	defer snap.release()
	if old.outdated(snap) {
		f.x.endNews()
		return nil
	}
	y := f.x.splitOn(snap, f.wanted[i].Server)
	y.start = g.Now()
	y.mark = y.start
	f.mu.Lock()
	select {
	case <-f.quit: // whoever has closed it may have ended the others
		f.mu.Unlock()
		y.unrecorded = true
		y.finish()
		return nil
	default:
	}
	f.parts[i] = y
	f.mu.Unlock()
	f.finish(old)
	y.apart(func() { f.admit(i, y) })
	if y.share.failed == nil {
		y.call.Deadline = y.start.Add(y.listTimeout())
		y.apart(func() { f.run(i, y) })
	}
	return y
}

// finish ends a part, and has its outcome recorded.
func (f *fan) finish(y *exchange) {
	if y.share.failed != nil {
		y.refuse(y.share.failed)
	}
	y.finish()
}

// missed tells the client that anything that the server tells of may have changed while nobody listened. It is judged as if the server said it.
func (f *fan) missed(y *exchange) bool {
	for _, text := range federation.News(y.reply.Params) {
		out := y.event(mcp.Event{Name: []byte("message"), Data: text})
		if len(out) > 0 && !f.pass(event{listNews(y.reply), append([]byte(nil), out...)}) {
			return false
		}
	}
	return true
}
