package gateway

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// listTimeout is for a server to answer, when it is one of several that are asked, where nothing else is set.
const listTimeout = 10 * time.Second

// share is what one of several servers has to add to an answer.
type share struct {
	position federation.Position
	listing  *federation.Listing
	from     *remembered    // whose listing that is, if nothing but the request phase has a say in it
	shown    []bool         // by entry of listing: policy lets this caller use it; nil is all
	result   jsonscan.Value // of server/discover
	ttl      int64          // milliseconds
	recalled bool           // it is answered from what is remembered
	epoch    uint64         // of the snapshot's lists, when the server was asked
	acked    bool           // of subscriptions/listen: the server has acknowledged it
	failed   *refusal
}

// gather asks several servers for a list, all at once, and answers with what they have. Who doesn't answer adds nothing.
func (x *exchange) gather() *refusal { return x.askAll(x.answerParts) }

// askAll asks several servers, all at once.
func (x *exchange) askAll(answer func([]*exchange) *refusal) *refusal {
	if r := x.shed(); r != nil {
		return r
	}
	positions, r := x.positions()
	if r != nil {
		return r
	}
	parts := make([]*exchange, 0, len(positions))
	defer func() {
		if x.conn != nil {
			x.conn.disarm()
			x.conn = nil
		}
		for _, y := range parts {
			y.finish()
		}
	}()
	for _, p := range positions {
		parts = append(parts, x.part(p))
	}
	x.ask(parts)
	if len(parts) == 0 {
		x.decision = engine.Decision{Effect: engine.Allow, Revision: x.policy().Revision()}
		if r := x.commit(); r != nil {
			return r
		}
	} else {
		x.unrecorded = true // its parts are recorded
	}
	return answer(parts)
}

// positions says which servers are asked, and where their lists go on.
func (x *exchange) positions() (out []federation.Position, r *refusal) {
	cursor := x.msg.Params.Get("cursor")
	if list := x.msg.Spec.List; list != "" && cursor.Exists() && cursor.Kind() != jsonscan.Null {
		out, err := x.g.cursors.Open(x.cursorOwner(), cursor.Text())
		if err != nil || cursor.Kind() != jsonscan.String {
			r = plain(400, invalidParams, "invalid_cursor", "Invalid params: "+federation.ErrCursor.Error(), x.msg.ID)
			r.cause = err
			return nil, r
		}
		for _, p := range out {
			if x.snap.Servers[p.Server] == nil || !x.view.Asks(p.Server, list) {
				return nil, plain(400, invalidParams, "invalid_cursor", "Invalid params: the list has changed", x.msg.ID)
			}
		}
		return out, nil
	}
	for _, name := range x.view.Servers() {
		if x.msg.Spec.List == "" || x.view.Asks(name, x.msg.Spec.List) {
			out = append(out, federation.Position{Server: name})
		}
	}
	return out, nil
}

// cursorOwner is what cursors are bound to: the principal, the view and the list. Its parts have one length, or hold no slash.
func (x *exchange) cursorOwner() []byte {
	who := identity.PrincipalKey(x.who)
	return append(append(append(append([]byte(nil), who[:]...), x.view.Name()...), '/'), x.msg.Method...)
}

// ask has each part judged, recorded and answered: from what is known, or by its server, all at once.
func (x *exchange) ask(parts []*exchange) {
	var asked sync.WaitGroup
	for _, y := range parts {
		y.share.failed = y.admit(y.share.failed)
	}
	x.watchClient(func() {
		for _, y := range parts {
			y.call.Cancel()
		}
	})
	x.recallParts(parts)
	for _, y := range parts {
		if y.share.failed != nil || y.share.recalled {
			continue
		}
		y.share.epoch = x.snap.lists.epoch()
		y.call.Deadline = x.start.Add(x.listTimeout())
		asked.Go(func() { y.apart(func() { y.share.failed = y.askServer() }) })
	}
	asked.Wait()
}

// recallParts judges what is remembered, on as many processors as there are: it is nothing but work.
func (x *exchange) recallParts(parts []*exchange) {
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; int(i) < len(parts); i = next.Add(1) - 1 {
			if y := parts[i]; y.share.failed == nil {
				y.apart(func() { y.share.recalled = y.recall() })
			}
		}
	}
	var recalled sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(parts)/recallsEach) - 1 {
		recalled.Go(work)
	}
	work()
	recalled.Wait()
}

// recallsEach is how many parts are worth a goroutine.
const recallsEach = 8

// apart runs a step of one part on a goroutine that is not its request's. A panic fails that part.
func (x *exchange) apart(step func()) {
	defer func() {
		if p := recover(); p != nil {
			x.g.recovered(p)
			x.share.failed = internalError(x.msg.ID)
		}
	}()
	step()
}

func (x *exchange) listTimeout() time.Duration {
	if t := x.snap.Federation.Timeout; t > 0 {
		return t
	}
	return listTimeout
}

// admit is the first door for one part.
func (x *exchange) admit(r *refusal) *refusal {
	if r != nil {
		return r
	}
	if r := x.choose(); r != nil {
		return r
	}
	if r := x.decide(); r != nil {
		return r
	}
	if r := x.countCall(); r != nil {
		return r
	}
	return x.commit()
}

// askServer asks one server.
func (x *exchange) askServer() *refusal {
	r := x.forward()
	if r == nil {
		r = x.answer()
	}
	if r != nil || !x.streaming {
		return r
	}
	_, _ = x.WriteTo(io.Discard) // its outcome says how it went
	if x.share.listing != nil || x.share.result.Exists() {
		return nil
	}
	r = badAnswer(x.msg.ID, errNoList)
	if x.outcome.reason != "" {
		r.reason, r.cause, r.kind = x.outcome.reason, x.outcome.cause, x.outcome.kind
	}
	return r
}

var errNoList = errors.New("the stream ended without a list")

// reasonError says that a server has answered with an error, which is none of the client's.
const reasonError = "upstream_error"

// codeNoMethod is what a server answers that has nothing to list.
const codeNoMethod = -32601

// noListTTL is how long a server that has nothing to list is not asked again, in milliseconds.
const noListTTL = 60_000

// take keeps what a server has answered, as it was judged.
func (x *exchange) take() *refusal {
	x.outcome.status = 200
	s := x.share
	if x.reply.Error.Exists() {
		if code, _ := x.reply.Error.Get("code").Int64(); code == codeNoMethod && x.msg.Spec.List != "" {
			s.listing, s.ttl = &federation.Listing{}, noListTTL
			return nil
		}
		r := badAnswer(x.msg.ID, errors.New("the server has answered with an error"))
		r.reason = reasonError
		return r
	}
	if s.listing == nil {
		result := x.reply.Result
		if x.policy().HasRules(engine.PhaseResponse) {
			result = x.reread()
		}
		if x.msg.Spec.List == "" {
			s.result = result
			return nil
		}
		listing, ok := x.view.Read(x.serverName, x.msg.Spec, result)
		if !ok {
			return badAnswer(x.msg.ID, errors.New("a list that is none"))
		}
		s.listing = &listing
	}
	if s.ttl == 0 {
		s.ttl = s.listing.TTL
	}
	x.reportFaults()
	return nil
}

// pick decides which entries of a list this caller gets: it asks of each what a call of it would be asked.
func (x *exchange) pick(spec *mcp.Method, item *engine.Request, result jsonscan.Value) {
	s := x.share
	if s.listing == nil {
		listing, ok := x.view.Read(x.serverName, spec, result)
		if !ok {
			return // take says so
		}
		s.listing = &listing
	}
	if s.from != nil && s.listing == s.from.listing {
		x.look(s.from, spec, item)
		return
	}
	x.sift(spec, item)
}

func (x *exchange) sift(spec *mcp.Method, item *engine.Request) {
	s := x.share
	s.shown = make([]bool, len(s.listing.Entries))
	for i := range s.listing.Entries {
		e := &s.listing.Entries[i]
		s.shown[i] = e.Fault == "" && x.listed(spec, item, e.Item)
	}
}

// reportFaults counts the entries that were left out because of what they are, and says so in the record.
func (x *exchange) reportFaults() {
	n, first := 0, ""
	for _, e := range x.share.listing.Entries {
		if e.Fault == "" {
			continue
		}
		if n++; n == 1 {
			first = e.Fault
		}
		x.metrics.Omitted(e.Fault)
	}
	if n > 0 {
		x.outcome.reason = "entries_omitted"
		x.outcome.cause = fmt.Errorf("%d of %d entries are left out, the first because of %s", n, len(x.share.listing.Entries), first)
	}
}

// answerParts puts the answers together, in the order of the servers. If none has answered, the first that failed speaks for all.
func (x *exchange) answerParts(parts []*exchange) *refusal {
	var failed, denied *refusal
	took := len(parts) == 0
	var merge federation.Merge
	merge.Grow(sizeOf(parts))
	var found federation.Discovery
	for _, y := range parts {
		s := y.share
		if s.failed == nil && x.msg.Spec.List == "" && !found.Took(x.view, y.serverName, s.result) {
			s.failed = badAnswer(x.msg.ID, errors.New("the server speaks no protocol version that can be used here"))
		}
		if s.failed != nil {
			y.refuse(s.failed)
			if y.committed && s.failed.kind != telemetry.Denied {
				merge.Miss(y.serverName, s.failed.reason)
				found.Miss(y.serverName, s.failed.reason)
				failed = first(failed, s.failed)
			} else {
				denied = first(denied, s.failed)
			}
			continue
		}
		took = true
		y.addTo(&merge)
	}
	if !took {
		return first(failed, denied)
	}
	return x.sendParts(&merge, &found)
}

// sizeOf bounds how many entries parts have to add.
func sizeOf(parts []*exchange) (n int) {
	for _, y := range parts {
		if y.share.listing != nil {
			n += len(y.share.listing.Entries)
		}
	}
	return n
}

func first(a, b *refusal) *refusal {
	if a != nil {
		return a
	}
	return b
}

func (x *exchange) addTo(m *federation.Merge) {
	s := x.share
	if s.listing == nil {
		return
	}
	for i := range s.listing.Entries {
		if e := &s.listing.Entries[i]; e.Fault == "" && (s.shown == nil || s.shown[i]) {
			m.Add(x.entry(e))
		}
	}
	m.Took(x.serverName, s.listing, s.ttl)
}

func (x *exchange) sendParts(merge *federation.Merge, found *federation.Discovery) *refusal {
	report := x.snap.Federation.Report
	merge.Plain = x.msg.Era != mcp.Modern
	if x.msg.Spec.List == "" && x.lifted {
		x.out = found.AppendInitialized(x.out[:0], x.msg.ID, x.view, x.msg.Version, x.snap.Federation.Version, report)
		x.giveSeat()
		return x.send(200, x.out)
	}
	if x.msg.Spec.List == "" {
		x.out = found.Append(x.out[:0], x.msg.ID, x.view, x.snap.Federation.Version, report)
		return x.send(200, x.out)
	}
	cursor := ""
	if next := merge.Next(); len(next) > 0 {
		cursor = x.g.cursors.Seal(x.cursorOwner(), next)
	}
	x.out = merge.Append(x.out[:0], x.msg.ID, x.msg.Spec.List, cursor, report)
	return x.send(200, x.out)
}
