package gateway

import (
	"bytes"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is what servers send of their own accord: notifications, and requests to the client. Each is a message with a decision
// of its own, on the snapshot that is current when it comes: a stream may outlive many.

// decideNews decides a message of the server that answers nothing.
func (x *exchange) decideNews() engine.Decision {
	snap := x.g.current.acquire()
	if snap == nil {
		return engine.Decision{}
	}
	defer snap.release()
	m := x.reply
	source, _ := x.source()
	q := engine.Request{
		DefaultAllow: m.Spec.DefaultAllow(), Method: m.Method, Server: x.serverName, Params: m.Params,
		Principal: x.who, Source: source, Header: x.getField, Time: x.g.Now(), FromServer: m.Kind == mcp.KindNotification,
	}
	setTarget(&q, m.Target, m.Name)
	policy, tried := snap.policyFor(x.who)
	d := policy.Decide(background, &q)
	if c := snap.Candidate; c != nil {
		x.offer(c, &q, &d, tried)
	}
	x.metrics.Decided(d.Effect.String(), d.Reason)
	x.g.Metrics.Cached(d.Cache.String())
	if d.Rewritten.Exists() && !x.edits.Replace(m.Params, d.Rewritten.Raw()) {
		d = engine.Decision{Reason: engine.ReasonNotRewritable, Revision: d.Revision, Plugins: d.Plugins}
	}
	if d.Allowed() && m.Method == "notifications/resources/updated" {
		q.Method, q.DefaultAllow = "resources/read", false
		asked, cache := d.Plugins, d.Cache
		d = policy.Visible(background, &q)
		d.Plugins, d.Cache = asked, cache
	}
	return d
}

// notificationPasses decides a notification. News of a resource passes to those who may read it. What plugins say of one is recorded
// before it passes.
func (x *exchange) notificationPasses() bool {
	x.g.listChanged(x)
	d := x.decideNews()
	switch {
	case !d.Allowed():
		x.refuseNews(&d)
		return false
	case len(d.Plugins) == 0:
		return true
	}
	err := x.recordNews(&d, audit.Decision)
	if err != nil {
		x.g.Warn("what plugins say of a notification could not be recorded, and it was dropped", err)
	}
	return err == nil
}

// requestPasses decides what the server asks of the client. What may not pass is answered here, so that the server does not wait.
func (x *exchange) requestPasses() bool {
	d := x.decideNews()
	if x.element {
		d = engine.Decision{Reason: mcp.ReasonBatch}
	}
	if x.lifted {
		d = engine.Decision{Reason: reasonInput}
	}
	if !d.Allowed() {
		x.refuseNews(&d)
		x.answerServer(x.reply.ID)
		return false
	}
	if err := x.recordNews(&d, audit.Decision); err != nil {
		x.g.Warn("a question of a server could not be recorded, and was refused", err)
		x.answerServer(x.reply.ID)
		return false
	}
	x.g.asked.put(x.awaited(x.reply.ID), ask{strings.Clone(x.reply.Method), x.version}, x.g.Now())
	x.asking = x.answerTime()
	return true
}

// refuseNews records that a message of the server goes no further. It doesn't, whether or not that can be recorded.
func (x *exchange) refuseNews(d *engine.Decision) {
	if err := x.recordNews(d, audit.Refusal); err != nil {
		x.g.Warn("a record could not be written", err)
	}
}

// recordNews writes the record of a message of the server.
func (x *exchange) recordNews(d *engine.Decision, kind audit.Kind) error {
	r := &x.record
	r.Reset()
	r.Kind, r.Time, r.DecisionID = kind, x.g.Now(), x.g.ids.Next(x.g.Now())
	x.recordWho(r)
	r.Method, r.RequestID = x.reply.Method, x.reply.ID
	if x.reply.Target == mcp.TargetResource {
		r.Resource = x.reply.Name
	}
	recordDecision(r, d)
	r.NotReplayable = audit.InputsNotRecorded
	return x.g.Audit.Append(r, kind == audit.Decision)
}

// answerServer tells the server that its request, or the client's answer to it, was denied.
func (x *exchange) answerServer(id []byte) {
	var c upstream.Call
	defer c.Close()
	x.address(&c)
	c.Kind, c.Version = upstream.Response, x.msg.Version
	c.Body = mcp.AppendError(nil, id, mcp.CodeDenied, "Denied by policy", nil)
	c.Deadline = x.g.Now().Add(x.g.Limits.CallTimeout)
	if err := x.server.Do(&c); err != nil {
		x.metrics.Failed(upstreamFailed(nil, err).reason)
	}
}

// suspended is a call whose stream ended before its answer: what the answer has to be judged with.
type suspended struct {
	body []byte
	id   audit.ID
}

// maxSuspended bounds the request that is kept for an answer fetched later.
const maxSuspended = 64 << 10

// suspend keeps what a later answer is judged with, if the client can fetch one.
func (x *exchange) suspend() {
	if x.msg.Kind != mcp.KindRequest || x.msg.Era == mcp.Modern || x.answered || !x.resumable || !x.opened {
		return
	}
	body := x.ctx.Request.Body()
	if len(body) > maxSuspended {
		return
	}
	x.g.suspended.put(x.awaited(x.msg.ID), suspended{bytes.Clone(body), x.id}, x.g.Now())
}

// resumed judges an answer to an earlier request, read on a stream that catches up. An answer to nothing that was asked is dropped.
func (x *exchange) resumed() []byte {
	was, ok := x.g.suspended.take(x.awaited(x.reply.ID), x.g.Now())
	snap := x.g.current.acquire()
	if !ok || snap == nil {
		x.refuseNews(&engine.Decision{Reason: "response_not_expected"})
		if snap != nil {
			snap.release()
		}
		return nil
	}
	y := x.g.exchanges.Get().(*exchange) //nolint:forcetypeassert // the pool's New makes nothing else
	defer func() {
		snap.release()
		y.reset()
		x.g.exchanges.Put(y)
	}()
	y.ctx, y.start, y.serverName, y.server, y.metrics, y.who = x.ctx, x.g.Now(), x.serverName, x.server, x.metrics, x.who
	y.snap, y.id, y.mark, y.client = snap, was.id, y.start, x.client
	y.version, y.versioned = x.version, x.versioned
	y.comeLike(x)
	if y.msg.Decode(was.body, x.scanOptions()) != nil || y.msg.Check(nil) != nil {
		return nil
	}
	y.fill(&y.msg)
	y.request.Header = x.getField
	x.reply, y.reply = y.reply, x.reply
	out := y.finalMessage()
	x.out = append(x.out[:0], out...)
	x.reply, y.reply = y.reply, x.reply
	if y.outcome.kind == telemetry.Denied {
		x.outcome.reason = y.outcome.reason
	}
	y.committed = true
	y.complete()
	return x.out
}
