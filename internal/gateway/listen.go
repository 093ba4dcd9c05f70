package gateway

import (
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// fan makes one stream of the news of several servers. Each server's is a part of its own, decided and recorded as if it were alone; what
// may pass is written by whoever has it, in the order in which it comes. So the client's side has no goroutine, if its connection could be taken
// over, and holds nothing of what has read its request.
type fan struct {
	g       *Gateway
	x       *exchange // the client's request; nil when it has been let go
	asked   asked     // by x, if conn is there
	held    int64     // of the bound on all bodies, likewise
	snap    *Snapshot
	conn    *takenConn // nil: fasthttp's goroutine waits for the end
	view    *federation.View
	joined  bool
	session audit.SessionHash // of joined
	plain   bool              // the client is one of before 2026-07-28, which has asked for its stream, and is told neither what it hears nor of the end
	id      []byte
	until   time.Time // the stream has lasted long enough
	acked   federation.Acknowledged
	waited  sync.WaitGroup // for parts of which it is not known yet whether their servers tell of anything
	going   atomic.Int32   // parts that have not ended, and one more until the stream has begun
	quit    chan struct{}  // closed when nobody takes events any more
	over    chan struct{}  // closed when nothing is going; nil when the stream has begun, if conn is there: nobody waits for it

	waits bool // WriteTo does, or did

	writing sync.Mutex // held while something is written
	out     io.Writer
	closed  bool

	mu      sync.Mutex
	begun   chan struct{} // closed when something may be written; nil from then on, if conn is there
	began   bool
	quitted bool     // quit is closed
	renewed bool     // the gateway ends it: the client is to come back, and be asked anew
	busy    bool     // a comment is written
	queued  []string // news of lists that wait to be written: once is enough
	parts   []part
}

// listen asks every server for what the client wants to know, and answers with a stream of it all.
func (x *exchange) listen() *refusal {
	if r := x.shed(); r != nil {
		return r
	}
	wanted, ok := x.view.Subscriptions(x.msg.Params.Get("notifications"), x.followTask)
	if !ok {
		return plain(400, invalidParams, mcp.ReasonInvalidParams, "Invalid params: notifications is an object, and resourceSubscriptions and taskIds are lists of strings", x.msg.ID)
	}
	return x.hearAll(wanted)
}

// hearAll answers with a stream of what servers tell of.
func (x *exchange) hearAll(wanted []federation.Subscription) *refusal {
	f := x.newFan(len(wanted))
	for i := range wanted {
		p := &f.parts[i]
		y := x.split(wanted[i].Server)
		p.f, p.wanted, p.y = f, wanted[i], y
		f.asked.detach(y)
		p.admit(y)
	}
	if len(f.parts) == 0 {
		if r := x.permit(); r != nil {
			return r
		}
	} else {
		x.unrecorded = true // its parts are recorded
	}
	x.g.await(f)
	if r := f.open(); r != nil {
		f.close()
		return r
	}
	f.start()
	return nil
}

func (x *exchange) newFan(parts int) *fan {
	f := &fan{
		g: x.g, x: x, snap: x.snap, view: x.view, joined: x.joined, session: x.sessionHash, plain: x.msg.Kind == mcp.KindNone, id: slices.Clone(x.msg.ID),
		until: x.start.Add(x.g.Limits.StreamTimeout), parts: make([]part, parts),
		begun: make(chan struct{}), quit: make(chan struct{}), over: make(chan struct{}),
	}
	f.going.Store(1)
	if parts > 0 && x.canTake() && len(x.msg.Root().Raw()) <= smallBody {
		f.conn, f.held = &takenConn{}, x.held
		f.asked.hold(x)
	}
	return f
}

// open waits until each server has acknowledged or failed, or its time is up. If none has, the first that failed speaks for all.
func (f *fan) open() *refusal {
	x := f.x
	x.watchClient(f.leave)
	for i := range f.parts {
		if p := &f.parts[i]; p.y.share.failed == nil {
			p.y.call.Deadline = x.start.Add(x.listTimeout())
			f.waited.Add(1)
			f.going.Add(1)
			go p.run(p.y, false)
		}
	}
	f.waited.Wait()
	took := len(f.parts) == 0
	var failed *refusal
	for i := range f.parts {
		if p := &f.parts[i]; p.hasTaken() {
			took = true
		} else {
			failed = first(failed, p.y.share.failed)
		}
	}
	if !took {
		return failed
	}
	for i := range f.parts {
		if p := &f.parts[i]; !p.hasTaken() {
			p.end(p.y)
		}
	}
	return nil
}

// start has the stream written, when handle has returned: by the connection's own goroutine, or by whoever has something to write.
func (f *fan) start() {
	x := f.x
	x.streamHead()
	x.outcome.status, x.streaming = 200, true
	x.g.Metrics.Streams.Inc()
	if f.conn != nil {
		f.out = f.conn
		f.conn.take(x, f.begin, f.abandon)
		return
	}
	x.ctx.Response.SetBodyStream(f, -1)
}

// begin writes the head of the answer and what the client hears.
func (f *fan) begin() {
	err := f.conn.writeHead(f.x)
	if err == nil {
		err = f.acknowledge()
	}
	f.letGo()
	if err != nil {
		f.leave()
	}
	f.ended()
}

// abandon ends a stream whose connection was closed before it began.
func (f *fan) abandon() {
	f.leave()
	f.letGo()
	f.ended()
}

// letGo gives the exchange of the client's request back, and lets the parts write. The stream is among what is going until ended has followed.
func (f *fan) letGo() {
	f.g.putBack(f.x)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.x, f.acked, f.began = nil, federation.Acknowledged{}, true
	if f.quitted {
		f.cancel()
	}
	close(f.begun)
	f.begun, f.over = nil, nil
}

// takeUp gives an exchange that is the client's request, or with s becomes a part of it.
func (f *fan) takeUp(s *share) *exchange {
	x := f.g.exchanges.Get().(*exchange) //nolint:forcetypeassert // the pool's New makes nothing else
	x.client, x.snap, x.view, x.joined, x.element, x.share = f.conn.client, f.snap, f.view, f.joined, s != nil, s
	f.asked.restore(x)
	if f.joined && s == nil { // servers are asked on its behalf
		x.seat = new(mcp.Session)
		_ = x.seat.Read(f.asked.session) // it was read before
	}
	return x
}

// acknowledge tells the client what it hears.
func (f *fan) acknowledge() error {
	if f.plain {
		return nil
	}
	f.mu.Lock()
	text := f.acked.Append(nil, f.id)
	f.mu.Unlock()
	return f.write(text)
}

// write writes a message of the gateway's own.
func (f *fan) write(text []byte) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	_, err := f.out.Write(mcp.AppendEvent(nil, mcp.Event{Name: []byte("message"), Data: text}))
	return err
}

// pass writes an event, and says whether the client still takes any. News of a list that wait already are not repeated.
func (f *fan) pass(list string, event []byte) bool {
	if !f.queue(list) {
		return true
	}
	f.writing.Lock()
	defer f.writing.Unlock()
	if !f.unqueue(list) {
		return false
	}
	if _, err := f.out.Write(event); err != nil {
		f.leave()
		return false
	}
	return true
}

// queue is false if news of the list wait already.
func (f *fan) queue(list string) bool {
	if list == "" {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.queued, list) {
		return false
	}
	f.queued = append(f.queued, list)
	return true
}

// unqueue ends the wait for that list, and says whether anybody still takes events.
func (f *fan) unqueue(list string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.queued = slices.DeleteFunc(f.queued, func(l string) bool { return l == list }); len(f.queued) == 0 {
		f.queued = nil
	}
	return !f.quitted
}
