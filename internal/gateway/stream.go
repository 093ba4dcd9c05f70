package gateway

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// startStream lets the connection's own goroutine write the events, when handle has returned: end waits for the stream's Close.
func (x *exchange) startStream() *refusal {
	if x.element {
		x.streaming = true
		if x.share == nil {
			x.g.Metrics.Streams.Inc()
		}
		return nil
	}
	if x.conn == nil {
		x.arm()
	}
	x.streamHead()
	x.outcome.status = 200
	x.streaming, x.counted = true, true
	x.g.Metrics.Streams.Inc()
	if x.canPark() {
		x.startIdle()
		return nil
	}
	x.ctx.Response.SetBodyStream(x, -1)
	if !x.awaits() {
		x.g.await(x)
	}
	return nil
}

// streamHead begins an answer that is a stream.
func (x *exchange) streamHead() {
	resp := &x.ctx.Response
	resp.SetStatusCode(200)
	resp.Header.SetContentType(contentStream)
	resp.Header.Set("Cache-Control", "no-cache")
	resp.Header.Set("X-Accel-Buffering", "no")
	resp.ImmediateHeaderFlush = true
}

// SupportsBodyWriteTo has fasthttp call WriteTo, which writes each event when it comes.
func (x *exchange) SupportsBodyWriteTo() bool { return true }

// Read is never called: fasthttp takes WriteTo.
func (x *exchange) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// WriteTo polices the server's stream, event by event, until it ends. Each Write is one event, flushed.
func (x *exchange) WriteTo(to io.Writer) (n int64, err error) {
	w := x.g.newSink(to)
	defer func() {
		n = w.stop()
		x.outcome.out += n
		if p := recover(); p != nil {
			x.g.recovered(p)
			x.outcome.kind, x.outcome.reason = telemetry.Internal, "internal_error"
			err = io.ErrUnexpectedEOF
		}
	}()
	for {
		x.extend()
		ev, err := x.call.Next()
		if err != nil {
			return 0, x.endStream(w, err)
		}
		if over, err := x.relay(w, ev); over || err != nil {
			return 0, err
		}
	}
}

// relay writes what the client gets of an event, and says whether that was the last: nothing follows the answer on its stream.
func (x *exchange) relay(w io.Writer, ev mcp.Event) (over bool, err error) {
	if out := x.event(ev); len(out) > 0 {
		_, err = w.Write(out)
	}
	x.shrink()
	return x.answered && x.msg.Kind == mcp.KindRequest, err
}

// extend gives the next event its time: a call's stream that says nothing for too long has failed, one that waits for news has not.
func (x *exchange) extend() {
	if x.share != nil { // its time is up when that of the list is
		x.call.Extend(x.call.Deadline)
		return
	}
	x.call.Extend(x.until())
}

// until is when the next event must have come.
func (x *exchange) until() time.Time {
	end := x.start.Add(x.g.Limits.StreamTimeout)
	if x.awaits() {
		if next := x.g.Now().Add(x.g.Limits.CallTimeout); next.Before(end) {
			end = next
		}
	}
	if x.asking.After(end) {
		end = x.asking
	}
	return end
}

// awaits says whether this stream is a call's, which ends with an answer.
func (x *exchange) awaits() bool {
	return x.msg.Kind == mcp.KindRequest && x.msg.Method != "subscriptions/listen"
}

// endStream ends what the server has ended. A client that still waits for its answer learns that it will not come; a legacy client
// that can fetch it elsewhere (the stream had an event id) is left to do so.
func (x *exchange) endStream(w io.Writer, err error) error {
	clean := errors.Is(err, io.EOF)
	if x.msg.Kind != mcp.KindRequest || x.answered {
		return nil
	}
	if clean && x.resumable {
		return nil
	}
	if x.ending.Load() {
		return x.endListen(w)
	}
	var r *refusal
	if clean {
		r = badAnswer(x.msg.ID, errors.New("the stream ended without an answer"))
	} else {
		r = upstreamFailed(x.msg.ID, err)
	}
	x.outcome.kind, x.outcome.reason, x.outcome.cause, x.outcome.code = r.kind, r.reason, r.cause, r.code
	x.metrics.Failed(r.reason)
	if r.kind == telemetry.Cancelled {
		return err
	}
	x.answered, x.body = true, r.body
	_, err = w.Write(mcp.AppendEvent(x.scratch[:0], mcp.Event{Name: []byte("message"), Data: r.body}))
	return err
}

// endListen ends subscriptions/listen as the specification has it: with a result.
func (x *exchange) endListen(w io.Writer) error {
	x.answered = true
	x.out = appendListenEnd(x.out[:0], x.msg.ID)
	_, err := w.Write(mcp.AppendEvent(x.scratch[:0], mcp.Event{Name: []byte("message"), Data: x.out}))
	return err
}

func appendListenEnd(dst, id []byte) []byte {
	dst = append(append(append(dst, `{"jsonrpc":"2.0","id":`...), id...), `,"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":`...)
	return append(append(dst, id...), "}}}"...)
}

// Close ends the exchange when the stream has been written, or could not be. fasthttp recovers from a panic in it, and closes again.
func (x *exchange) Close() error {
	if x.counted {
		x.g.Metrics.Streams.Dec()
		x.counted = false
	}
	x.g.news.remove(x)
	x.suspend()
	x.finish()
	return nil
}

// shrink lets go of what a large event has taken: a stream may be silent for long after it.
func (x *exchange) shrink() {
	if !x.element { // what it has answered waits for the others
		x.kept.Release()
	}
	if cap(x.scratch) > keep {
		x.scratch = nil
	}
	if cap(x.out) > keep {
		x.out = nil
	}
}

// event judges one event, and gives what the client gets of it: nothing, if nothing may pass.
func (x *exchange) event(ev mcp.Event) []byte {
	if x.lifted {
		ev.ID = nil // nothing is fetched again
	}
	if ev.ID != nil {
		x.resumable = true
	}
	if len(ev.Data) == 0 {
		x.scratch = mcp.AppendEvent(x.scratch[:0], ev)
		return x.scratch
	}
	data := x.eventMessage(ev.Data)
	if data == nil {
		return x.keepID(ev)
	}
	ev.Data = data
	x.scratch = mcp.AppendEvent(x.scratch[:0], ev)
	return x.scratch
}

// keepID passes on the id of an event whose message may not pass, so that a client that resumes does not get it again.
func (x *exchange) keepID(ev mcp.Event) []byte {
	if ev.ID == nil {
		return nil
	}
	x.scratch = mcp.AppendEvent(x.scratch[:0], mcp.Event{ID: ev.ID, Data: []byte{}})
	return x.scratch
}

// eventMessage judges the message of an event; nil means that it may not pass.
func (x *exchange) eventMessage(data []byte) []byte {
	x.edits.Reset()
	if len(data) > budget.Free {
		if r := x.hold(2 * len(data)); r != nil { // written anew, and then as an event
			return x.fail(r)
		}
	}
	if r := x.reply.DecodeServer(data, x.scanOptions()); r != nil {
		return x.fail(badAnswer(x.msg.ID, errors.New(r.String())))
	}
	switch x.reply.Kind {
	case mcp.KindResponse:
		out := x.finalMessage()
		if x.element {
			x.body = bytes.Clone(out)
		}
		return out
	case mcp.KindNotification:
		if !x.notificationPasses() {
			return nil
		}
	case mcp.KindRequest:
		if !x.requestPasses() {
			return nil
		}
	case mcp.KindBatch, mcp.KindNone:
		return x.fail(badAnswer(x.msg.ID, errors.New("a batch in an event")))
	}
	if !x.outward() {
		return nil
	}
	x.out = x.reply.AppendEdited(x.out[:0], &x.edits)
	return x.out
}

// fail ends a call whose server sent what can't be used. On a stream that answers nothing it is dropped, and recorded.
func (x *exchange) fail(r *refusal) []byte {
	if x.msg.Kind != mcp.KindRequest {
		x.refuseNews(&engine.Decision{Reason: r.reason, Cause: r.cause})
		return nil
	}
	x.outcome.kind, x.outcome.reason, x.outcome.cause, x.outcome.code = r.kind, r.reason, r.cause, r.code
	x.answered = true
	return r.body
}

// finalMessage judges the answer to the request, or, on a stream that a client reads to catch up, to an earlier one.
func (x *exchange) finalMessage() []byte {
	if x.msg.Kind != mcp.KindRequest {
		return x.resumed()
	}
	if x.reply.ID == nil && !x.reply.Error.Exists() || x.reply.ID != nil && string(x.reply.ID) != string(x.msg.ID) {
		return x.fail(badAnswer(x.msg.ID, errors.New("the answer to another request")))
	}
	if r := x.judgeReply(); r != nil {
		return x.fail(r)
	}
	if x.share != nil {
		if r := x.take(); r != nil {
			return x.fail(r)
		}
		return nil
	}
	x.outward()
	x.out = x.reply.AppendEdited(x.out[:0], &x.edits)
	return x.out
}

// serveStream serves what is not a POST: a legacy client's stream for news, and the end of its session.
func (x *exchange) serveStream() *refusal {
	version := string(x.head.ProtocolVersion)
	if mcp.EraOf(version) == mcp.Modern {
		return methodNotAllowed("POST")
	}
	if version != "" && mcp.LookupRevision(version) == nil {
		return plain(400, invalidRequest, mcp.ReasonUnsupportedVersion, "Invalid Request: unsupported MCP-Protocol-Version", nil)
	}
	if x.view != nil {
		return x.serveJoinedStream()
	}
	if r := x.openSession(); r != nil {
		return r
	}
	if r := x.choose(); r != nil {
		return r
	}
	if x.elsewhere() {
		if r, done := x.passOn(); done {
			return r
		}
	}
	if r := x.shed(); r != nil {
		return r
	}
	if r := x.permit(); r != nil {
		return r
	}
	return x.fetch(version)
}

// fetch asks the server for its stream, or tells it that a session is over.
func (x *exchange) fetch(version string) *refusal {
	c := &x.call
	x.address(c)
	c.Version, c.Verb = version, upstream.Delete
	if x.isGet() {
		c.Verb = upstream.Get
		x.arm()
		if x.resumes() {
			c.Header = append(c.Header, upstream.Field{Name: "Last-Event-ID", Value: string(x.head.LastEventID)})
		}
	}
	if r := x.do(); r != nil {
		return r
	}
	if c.Reply == upstream.Stream && c.Status == 200 && c.Verb == upstream.Get {
		return x.startStream()
	}
	return x.streamStatus()
}

// resumes says whether a GET asks its server for the rest of a stream. Outside of a session, or in one with several servers, it can't.
func (x *exchange) resumes() bool { return x.opened && len(x.head.LastEventID) > 0 && !x.joined }

// streamStatus passes on how the server took a GET or DELETE.
func (x *exchange) streamStatus() *refusal {
	switch s := x.call.Status; {
	case s >= 200 && s < 300 && x.call.Verb == upstream.Delete:
		x.ctx.SetStatusCode(s)
		x.outcome.status = s
		return nil
	case s == 405:
		return methodNotAllowed("POST")
	case s == 404 && x.opened:
		return noSession(nil, errors.New("the server does not know the session"))
	case s == 400 || s == 404 || s == 409:
		return plain(s, invalidRequest, "upstream_refused", "The server has refused the request", nil)
	}
	return badAnswer(nil, errors.New("an answer that fits no GET or DELETE"))
}

// answerTime is by when a client must have answered what a server asks of it; until then the call's stream stays open.
func (x *exchange) answerTime() time.Time { return x.g.Now().Add(x.g.Limits.AnswerTimeout) }
