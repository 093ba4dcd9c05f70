package gateway

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// fan makes one stream of the news of several servers. Each server's is a part of its own, decided and recorded as if it were alone; what
// may pass goes to the client in the order in which it comes.
type fan struct {
	x       *exchange
	wanted  []federation.Subscription // what each part asks for
	acked   federation.Acknowledged
	heard   chan struct{} // a part has acknowledged, or never will
	events  chan event    // what may pass
	quit    chan struct{} // closed when nobody takes events any more
	quitted sync.Once
	going   atomic.Int32  // parts that have not ended, and one more until all have begun
	over    chan struct{} // closed when there is none
	closed  bool
	renewed atomic.Bool // the gateway ends it: the client is to come back, and be asked anew

	mu     sync.Mutex
	parts  []*exchange
	took   []bool          // the server has once acknowledged: it is asked again when its stream ends
	queued map[string]bool // news of lists that wait to be written: once is enough
}

// event is a message as the client gets it.
type event struct {
	list string // the method, of news of a list
	data []byte
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
	f := &fan{
		x: x, wanted: wanted, heard: make(chan struct{}, len(wanted)), events: make(chan event), quit: make(chan struct{}), over: make(chan struct{}),
		took: make([]bool, len(wanted)), queued: map[string]bool{},
	}
	x.fan = f
	for i := range wanted {
		y := x.split(wanted[i].Server)
		f.parts = append(f.parts, y)
		f.admit(i, y)
	}
	if len(f.parts) == 0 {
		if r := x.permit(); r != nil {
			return r
		}
	} else {
		x.unrecorded = true // its parts are recorded
	}
	x.g.await(x)
	if r := f.open(); r != nil {
		f.close()
		return r
	}
	f.start()
	return nil
}

// plain says that the client is one of before 2026-07-28, which has asked for its stream, and is told neither what it hears nor of the end.
func (f *fan) plain() bool { return f.x.msg.Kind == mcp.KindNone }

// admit makes y what asks its server, and is the first door for it.
func (f *fan) admit(i int, y *exchange) {
	if v := f.wanted[i].Version; v != "" && y.share.failed == nil && !y.stay(v) {
		y.share.failed = notFound()
	}
	switch {
	case y.share.failed != nil:
	case f.plain():
		if y.share.failed = y.choose(); y.share.failed == nil {
			y.share.failed = y.permit()
		}
	default:
		y.edits.Reset()
		federation.EditCapabilities(y.msg.Capabilities, &y.edits)
		y.edits.Replace(y.msg.Params.Get("notifications"), f.wanted[i].Filter)
		y.share.failed = y.admit(y.reissue())
	}
}

// open waits until each server has acknowledged or failed, or its time is up. If none has, the first that failed speaks for all.
func (f *fan) open() *refusal {
	x := f.x
	x.watchClient(f.leave)
	waiting := 0
	f.going.Store(1)
	for i, y := range f.parts {
		if y.share.failed == nil {
			waiting++
			y.call.Deadline = x.start.Add(x.listTimeout())
			f.going.Add(1)
			go func() {
				defer f.ended()
				f.follow(i, y)
			}()
		}
	}
	f.ended()
	for ; waiting > 0; waiting-- {
		<-f.heard
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	took := len(f.parts) == 0
	var failed *refusal
	for i, y := range f.parts { // those that have acknowledged go on, and are not touched
		if f.took[i] {
			took = true
			continue
		}
		failed = first(failed, y.share.failed)
		y.refuse(y.share.failed)
		y.share.failed = nil
	}
	if !took {
		return failed
	}
	return nil
}

// ended says that a part has.
func (f *fan) ended() {
	if f.going.Add(-1) == 0 {
		close(f.over)
	}
}

// run is one server's stream, from the question to its end.
func (f *fan) run(i int, y *exchange) {
	var r *refusal
	if f.plain() {
		r = y.fetch(string(y.head.ProtocolVersion))
	} else if r = y.forward(); r == nil {
		r = y.answer()
	}
	if y.share.failed = r; r != nil || !y.streaming {
		return
	}
	y.g.await(y)
	defer y.g.news.remove(y)
	y.call.Extend(y.call.Deadline)
	for {
		ev, err := y.call.Next()
		if err != nil {
			f.lost(y, err)
			return
		}
		out := y.event(ev)
		switch {
		case y.answered:
			return // the server has ended it
		case len(out) == 0 || len(ev.Data) == 0:
		case y.reply.Method == acknowledgement:
			if !y.share.acked && !f.take(i, y) {
				return
			}
		case y.share.acked && !f.pass(event{listNews(y.reply), bytes.Clone(out)}):
			return
		}
	}
}

const acknowledgement = "notifications/subscriptions/acknowledged"

var errNotAcknowledged = errors.New("the server has not acknowledged the subscription")

// take notes what a server has acknowledged, and says whether anybody still listens. From now on its stream lives as long as the client's.
func (f *fan) take(i int, y *exchange) bool {
	y.call.Extend(f.end())
	y.outcome.status, y.share.acked = 200, true
	f.mu.Lock()
	again := f.took[i]
	f.took[i] = true
	if !again {
		f.acked.Took(y.serverName, y.reply.Params, y.toPublicTask)
	}
	f.mu.Unlock()
	if again {
		return f.missed(y)
	}
	f.heard <- struct{}{}
	return true
}

// lost is the end of a server's stream that it has not announced.
func (f *fan) lost(y *exchange, err error) {
	if y.ending.Load() {
		f.renewed.Store(true)
		f.stop()
		return
	}
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

// pass hands an event to whoever writes. News of a list that wait already are not repeated.
func (f *fan) pass(e event) bool {
	if e.list != "" {
		f.mu.Lock()
		waits := f.queued[e.list]
		f.queued[e.list] = true
		f.mu.Unlock()
		if waits {
			return true
		}
	}
	select {
	case f.events <- e:
		return true
	case <-f.quit:
		return false
	}
}

// stop has nobody wait for the client any more.
func (f *fan) stop() { f.quitted.Do(func() { close(f.quit) }) }

// leave ends all calls: the client has gone, or the stream is at its end.
func (f *fan) leave() {
	f.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, y := range f.parts {
		y.call.Cancel()
	}
}

// start lets the connection's own goroutine write, when handle has returned.
func (f *fan) start() {
	x := f.x
	x.streamHead()
	x.ctx.Response.SetBodyStream(f, -1)
	x.outcome.status, x.streaming = 200, true
	x.g.Metrics.Streams.Inc()
}

// SupportsBodyWriteTo has fasthttp call WriteTo, which writes each event when it comes.
func (f *fan) SupportsBodyWriteTo() bool { return true }

// Read is never called: fasthttp takes WriteTo.
func (f *fan) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// WriteTo writes the acknowledgement, and then what the servers say, until all have ended or the client has.
func (f *fan) WriteTo(to io.Writer) (n int64, err error) {
	x := f.x
	w := x.g.newSink(to)
	defer func() {
		n = w.stop()
		x.outcome.out += n
		if p := recover(); p != nil {
			x.g.recovered(p)
			err = io.ErrUnexpectedEOF
		}
	}()
	if err := f.acknowledge(w); err != nil {
		return 0, err
	}
	for {
		select {
		case e := <-f.events:
			if e.list != "" {
				f.mu.Lock()
				delete(f.queued, e.list)
				f.mu.Unlock()
			}
			if _, err := w.Write(e.data); err != nil {
				return 0, err
			}
			continue
		case <-f.quit:
			if !f.renewed.Load() {
				return 0, io.ErrUnexpectedEOF // the client has gone
			}
		case <-f.over:
		}
		if f.plain() {
			return 0, nil
		}
		return 0, x.endListen(w)
	}
}

// acknowledge tells the client what it hears.
func (f *fan) acknowledge(w io.Writer) error {
	if f.plain() {
		return nil
	}
	f.mu.Lock()
	f.x.out = f.acked.Append(f.x.out[:0], f.x.msg.ID)
	f.mu.Unlock()
	_, err := w.Write(mcp.AppendEvent(nil, mcp.Event{Name: []byte("message"), Data: f.x.out}))
	return err
}

// Close ends the parts and the exchange, when the stream has been written, or could not be.
func (f *fan) Close() error {
	if f.closed {
		return nil
	}
	f.closed = true
	f.close()
	f.x.g.Metrics.Streams.Dec()
	f.x.finish()
	return nil
}

// close ends the parts.
func (f *fan) close() {
	f.x.g.news.remove(f.x)
	if f.x.conn != nil {
		f.x.conn.disarm()
		f.x.conn = nil
	}
	f.leave()
	<-f.over
	for _, y := range f.parts {
		f.finish(y)
	}
}
