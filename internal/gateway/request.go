package gateway

import (
	"bytes"
	"context"
	"net/netip"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// This file is where the wire's words become the engine's, and nowhere else.

// fill says what the engine needs to know of a message that travels between this client and this server.
func (x *exchange) fill(m *mcp.Message) {
	source, _ := x.source()
	x.request = engine.Request{
		DefaultAllow: m.Spec.DefaultAllow(),
		Method:       m.Method,
		Server:       x.serverName,
		Arguments:    m.Arguments,
		Params:       m.Params,
		Principal:    x.who,
		Source:       source,
		Header:       x.getField,
		Time:         x.start,
	}
	setTarget(&x.request, m.Target, m.Name)
}

// setTarget puts a name where the engine looks for it.
func setTarget(r *engine.Request, t mcp.Target, name string) {
	switch t {
	case mcp.TargetTool:
		r.Tool = name
	case mcp.TargetPrompt:
		r.Prompt = name
	case mcp.TargetResource:
		r.Resource = name
	case mcp.TargetNone, mcp.TargetTask, mcp.TargetRef:
	}
}

// source is the peer's address, in both forms; neither, if it has none.
func (x *exchange) source() (netip.Addr, string) {
	if x.arrival == taken {
		return x.from, x.fromText
	}
	if c := x.client; c != nil {
		return c.addr, c.addrText
	}
	return netip.Addr{}, ""
}

// decide is the first door: may this message go to the server?
func (x *exchange) decide() *refusal {
	if x.msg.Kind == mcp.KindResponse {
		return x.decideResponse()
	}
	x.fill(&x.msg)
	if r := x.consultCatalog(); r != nil {
		return r
	}
	x.decision = x.judge(telemetry.Request)
	if x.decision.Allowed() {
		return x.usable()
	}
	return x.denied(&x.decision)
}

// consultCatalog adds what the server has said of the tool, and refuses headers that say something else than the arguments that they
// mirror, and arguments that a server which passes over case would read as other ones: policy reads names exactly.
func (x *exchange) consultCatalog() *refusal {
	if x.msg.Target != mcp.TargetTool {
		return nil
	}
	known := x.lookup()
	if known == nil {
		return nil
	}
	x.request.Annotations = known.annotations
	if x.lifted {
		x.params = known.params // its client knows of no such headers
	}
	if x.msg.Era == mcp.Modern {
		x.params = known.params
		if r := x.msg.CheckParams(&x.head, x.params); r != nil {
			return badMessage(&x.msg, r)
		}
	}
	if _, found := mcp.TwinArgument(x.msg.Arguments, known.schema); found {
		return plain(400, invalidParams, mcp.ReasonAmbiguousName,
			"Invalid params: an argument's name differs only by case from a property of the tool's inputSchema", x.msg.ID)
	}
	return nil
}

// judge decides x.request and times it.
func (x *exchange) judge(phase int) engine.Decision {
	x.lap()
	d := x.policy().Decide(background, &x.request)
	took := x.lap()
	if c := x.snap.Candidate; c != nil {
		x.offer(c, &x.request, &d, x.tried)
	}
	x.outcome.decided += took
	x.g.Metrics.Decided(phase, took)
	x.metrics.Decided(d.Effect.String(), d.Reason)
	x.g.Metrics.Cached(d.Cache.String())
	for i := range d.Shadow {
		s := &d.Shadow[i]
		x.g.Metrics.Shadowed(s.Rule.Policy, s.Rule.Name, s.Effect.String())
	}
	return d
}

// denied refuses x.msg. What the caller could not use in any way is answered as if it did not exist.
func (x *exchange) denied(d *engine.Decision) *refusal {
	x.newID()
	r := x.msg.Deny(x.denial(d))
	if x.msg.Kind == mcp.KindRequest && x.hidden() {
		r = x.msg.HiddenAs(x.clientName())
	}
	out := &refusal{status: r.Status, code: int64(r.Code), reason: d.Reason, cause: d.Cause, kind: telemetry.Denied}
	if r.Code == mcp.CodeDenied && x.snap.Denials.Result && x.msg.Kind == mcp.KindRequest && x.msg.Target == mcp.TargetTool {
		out.body = x.msg.AppendDenied(nil, x.denial(d))
		return out
	}
	out.body = x.msg.AppendRefusal(nil, r)
	return out
}

// hidden asks whether any call of what the message names could be allowed: the question that lists are filtered by.
func (x *exchange) hidden() bool {
	if x.snap.Open || x.request.Phase == engine.PhaseResponse || x.msg.Target == mcp.TargetNone || x.msg.Target == mcp.TargetTask {
		return false
	}
	d := x.policy().Visible(background, &x.request)
	return !d.Allowed()
}

// denial is what the client learns, as the operator has set.
func (x *exchange) denial(d *engine.Decision) mcp.Denial {
	out := mcp.Denial{DecisionID: x.id.String(), Reason: "denied_by_policy"}
	if x.snap.Denials.Detail >= DetailReason {
		out.Reason = d.Reason
		if d.Rule != nil {
			out.Rule = d.Rule.ID()
		}
	}
	if x.snap.Denials.Detail >= DetailMessage {
		out.Message = d.Message
	}
	return out
}

// ask is a request of a server that went to a client.
type ask struct{ method, version string }

// awaited is the key of what is awaited from this principal, on this server and session, under a JSON-RPC id. The parts before the
// id have fixed or stated lengths, so that no two keys read the same.
func (x *exchange) awaited(id []byte) string {
	var b bytes.Buffer
	b.Write(x.ownerKey())
	b.WriteByte(0)
	b.WriteString(x.version)
	b.WriteByte(0)
	b.WriteByte(byte(len(x.session)))
	b.WriteByte(byte(len(x.session) >> 8))
	b.Write(x.session)
	b.Write(id)
	return b.String()
}

// decideResponse takes a client's answer to a request of the server. An answer to nothing that was asked goes no further.
func (x *exchange) decideResponse() *refusal {
	asked, ok := x.g.asked.take(x.awaited(x.msg.ID), x.start)
	if !ok {
		return plain(400, invalidRequest, "response_not_expected", "Invalid Request: nobody waits for this response", nil)
	}
	source, _ := x.source()
	x.request = engine.Request{
		Phase: engine.PhaseResponse, Method: asked.method, Server: x.serverName, Result: x.msg.Result, Error: x.msg.Error,
		Principal: x.who, Source: source, Header: x.getField, Time: x.start,
	}
	x.decision = x.judge(telemetry.Response)
	if x.decision.Allowed() {
		return nil
	}
	r := x.denied(&x.decision)
	x.answerServer(x.msg.ID)
	return r
}

// background is what evaluation runs under: its cost is bounded by the engine. fasthttp's own context would end it when a shutdown
// begins, and so deny calls that are to be drained.
var background = context.Background()
