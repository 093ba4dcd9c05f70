package gateway

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// newID names the decision, once.
func (x *exchange) newID() {
	if x.id.IsZero() {
		x.id = x.g.ids.Next(x.start)
	}
}

// commit writes the record of an allow. Until it is with the kernel the server sees nothing.
func (x *exchange) commit() *refusal {
	x.newID()
	r := &x.record
	r.Kind = audit.Decision
	x.describe(r)
	recordDecision(r, &x.decision)
	x.recordInputs(r, &x.decision)
	if err := x.g.Audit.Append(r, true); err != nil {
		return auditFailed(x.msg.ID, err)
	}
	x.committed = true
	return nil
}

// complete writes what became of the request: the outcome of an allow, or the one record of a refusal.
func (x *exchange) complete() {
	if x.unrecorded {
		return
	}
	x.lap()
	total := x.mark.Sub(x.start)
	o := &x.outcome
	x.newID()
	r := &x.record
	r.Reset()
	if x.committed {
		r.Kind, r.DecisionID, r.Time = audit.Outcome, x.id, x.mark
	} else {
		r.Kind = audit.Refusal
		x.describe(r)
		recordDecision(r, &x.decision)
		if x.decision.Reason != "" {
			x.recordInputs(r, &x.decision)
		}
	}
	if l := x.limited; l != nil {
		r.Limit, r.Remaining, r.NotReplayable = l.Limit, l.Remaining, l.Reason
	}
	if x.barred != "" {
		r.NotReplayable = x.barred
	}
	if o.verdict != nil {
		x.recordVerdict(r)
	}
	x.recordOutcome(r)
	r.Total = total
	if err := x.append(r); err != nil {
		x.g.Warn("a record could not be written", err)
	}
	if x.msg.Method != "" || x.committed {
		x.g.operation(x.msg.Spec).Observe(total, o.kind)
	}
	if o.kind == telemetry.Refused {
		x.g.Metrics.Refused(o.reason)
	}
	if x.committed && o.upstream > 0 && o.kind != telemetry.Unavailable && o.kind != telemetry.Timeout {
		x.observe(o.kind)
	}
}

// append writes a record that no decision waits for. Of the streams that have left their requests thousands may end at once, and nobody waits
// for what became of them.
func (x *exchange) append(r *audit.Record) error {
	if x.ctx == nil {
		return x.g.Audit.AppendLate(r)
	}
	return x.g.Audit.Append(r, false)
}

// describe says who asked for what.
func (x *exchange) describe(r *audit.Record) {
	r.Time, r.DecisionID, r.Phase = x.start, x.id, "request"
	x.recordWho(r)
	r.Method, r.ProtocolVersion, r.RequestID = x.msg.Method, x.msg.Version, x.msg.ID
	if x.msg.Kind == mcp.KindResponse {
		r.Method, r.Phase = x.request.Method, "response" // the server's request that it answers
	}
	if x.msg.Kind == mcp.KindNone && len(x.head.Method) > 0 {
		r.HTTPMethod = string(x.head.Method)
	}
	x.recordTarget(r)
	r.RequestBytes, r.Mirror = x.outcome.in, x.mirrorTo
	r.TraceID = x.msg.TraceOf(&x.head).ID()
}

func (x *exchange) recordTarget(r *audit.Record) {
	switch x.msg.Target {
	case mcp.TargetTool:
		r.Tool = x.msg.Name
		if x.snap != nil && x.lock() != nil {
			r.ToolHash = x.request.ToolHash
		}
	case mcp.TargetPrompt:
		r.Prompt = x.msg.Name
	case mcp.TargetResource:
		r.Resource = x.msg.Name
	case mcp.TargetNone, mcp.TargetTask, mcp.TargetRef:
	}
}

// recordVerdict adds to an outcome what was decided of the answer, and on what.
func (x *exchange) recordVerdict(r *audit.Record) {
	r.Phase = "response"
	recordDecision(r, x.outcome.verdict)
	if x.seen.mark != "" {
		r.NotReplayable = x.seen.mark
	}
	if x.seen.now.IsZero() { // it was not the answer itself that was denied
		return
	}
	x.recordWho(r)
	x.recordTarget(r)
	r.Method, r.Now = x.msg.Method, x.seen.now
	r.Inputs, r.Absent, r.Truncated = append(r.Inputs, x.seen.inputs...), append(r.Absent, x.seen.absent...), x.seen.truncated
}

func (x *exchange) recordWho(r *audit.Record) {
	r.Server, r.Version = x.serverName, x.version
	if x.who != nil {
		r.PrincipalID, r.PrincipalKind, r.Issuer = x.who.ID, x.who.Kind, x.who.Issuer
	}
	_, r.SourceAddress = x.source()
	r.Session = x.sessionHash
}

func recordDecision(r *audit.Record, d *engine.Decision) {
	r.Effect, r.Reason, r.Message, r.Revision = d.Effect.String(), d.Reason, d.Message, d.Revision
	r.Policy, r.Rule, r.Cache = "", "", d.Cache.String()
	if d.Rule != nil {
		r.Policy, r.Rule = d.Rule.Policy, d.Rule.Name
	}
	if d.Cause != nil {
		r.Cause = d.Cause.Error()
	}
	r.Plugins = r.Plugins[:0]
	if len(d.Plugins) > audit.MaxPlugins {
		r.NotReplayable = pluginsAsked
	}
	for i := range d.Plugins {
		r.Plugins = append(r.Plugins, pluginOf(&d.Plugins[i]))
	}
	for i := range d.Shadow {
		s := &d.Shadow[i]
		r.Shadow = append(r.Shadow, audit.Shadow{Policy: s.Rule.Policy, Rule: s.Rule.Name, Effect: s.Effect.String(), Reason: s.Reason})
	}
}

// pluginsAsked marks a record of a decision that rests on more plugins than it lists.
const pluginsAsked = "plugins_asked"

func pluginOf(p *engine.PluginOutcome) audit.Plugin {
	out := audit.Plugin{
		Name: p.Name, Version: p.Version, Module: p.Module, Setup: p.Setup, Policy: p.Rule.Policy, Rule: p.Rule.Name, Hook: p.Hook, Verdict: p.Verdict,
		Shadow: p.Shadow, Reason: p.Code, Message: p.Message, Failure: p.Failure, Labels: p.Labels, Used: p.Used, Fuel: p.Fuel, Time: p.Time,
	}
	for _, n := range p.Notes {
		out.Notes = append(out.Notes, audit.PluginNote(n))
	}
	for _, x := range p.Edits {
		out.Patch = append(out.Patch, audit.PluginEdit(x))
	}
	return out
}

// recordOutcome adds how the request ended. A refusal before policy has its own reason; policy's own stands already.
func (x *exchange) recordOutcome(r *audit.Record) {
	o := &x.outcome
	r.Status, r.ErrorCode = o.status, o.code
	if r.Status == 0 {
		r.Status = http.StatusInternalServerError
	}
	if r.Reason == "" {
		r.Reason = o.reason
	}
	if r.Cause == "" && o.cause != nil {
		r.Cause = o.cause.Error()
	}
	r.Decide, r.Upstream, r.ResponseBytes = o.decided, o.upstream, o.out
}
