package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// This file asks plugins. They are asked in the order of their rules, once everything else would let the message pass: a plugin can
// deny, want approval or change the message, never allow it. What one has changed is what the next sees, and the rules behind its own
// are asked again about it.

// ask asks the plugins of the rules that apply.
func (e *evaluation) ask(ctx context.Context, s *Snapshot, r *Request) {
	now := *r
	for _, rule := range e.asked {
		if !rule.shadow && !e.passes(r) {
			return
		}
		truth, err := e.test(rule)
		switch {
		case err != nil:
			e.fail(rule, err)
		case truth == condition.True:
			e.consult(ctx, s, rule, &now)
		}
	}
}

// passes says that nothing yet stands against the message.
func (e *evaluation) passes(r *Request) bool {
	return e.deny == nil && e.approve == nil && (e.allow != nil || r.defaultAllows())
}

// consult calls the hooks of a plugin that are for the message.
func (e *evaluation) consult(ctx context.Context, s *Snapshot, rule *rule, now *Request) {
	for _, hook := range e.with.hooks(rule, now) {
		var m wasm.Message
		now.show(&m)
		out, verdict, edits := e.call(ctx, s, rule, hook, &m)
		e.plugins = append(e.plugins, out)
		if rule.shadow {
			e.observePlugin(rule, &out)
			continue
		}
		switch verdict {
		case hostapi.VerdictPass, hostapi.VerdictAbstain:
		case hostapi.VerdictApprove:
			e.approve, e.said = rule, &out
			return
		case hostapi.VerdictMutate:
			if err := e.rewrite(ctx, s, rule, now, edits); err != nil {
				out.Code, out.Message, out.Cause = ReasonNotRewritable, "", err
				e.deny, e.said = rule, &out
				return
			}
		default:
			e.deny, e.said = rule, &out
			return
		}
		if !e.passes(now) {
			return
		}
	}
}

// hooksFor are the hooks of a plugin to call for a message: the one of its phase, for a list the one for items before. A message that the
// plugin has no hook for is not let through unseen: the call of the missing hook fails.
func hooksFor(p *plugin, d door) []hostapi.Hook {
	switch {
	case d&(atResponse|fromServer) == 0:
		return []hostapi.Hook{hostapi.HookRequest}
	case d&hasItems == 0 || !p.has(hostapi.HookList):
		return []hostapi.Hook{hostapi.HookResponse}
	case !p.has(hostapi.HookResponse):
		return []hostapi.Hook{hostapi.HookList}
	}
	return []hostapi.Hook{hostapi.HookList, hostapi.HookResponse}
}

// answer is what a message of the response phase says. Plugins see an error where they would see a result, so that what must not get
// out in the one doesn't in the other.
func (r *Request) answer() *jsonscan.Value {
	if r.Error.Exists() {
		return &r.Error
	}
	return &r.Result
}

// show fills in what plugins can see.
func (r *Request) show(m *wasm.Message) {
	m.Method, m.Server = r.Method, r.Server
	m.Tool, m.Prompt, m.Resource = r.Tool, r.Prompt, r.Resource
	m.Params, m.Annotations, m.Items = r.Params, r.Annotations, r.Items
	if r.Phase == PhaseResponse {
		m.Result = *r.answer()
	}
	m.Principal = (*wasm.Principal)(r.Principal)
	m.Source, m.Header, m.Time = r.Source, r.Header, r.Time
}

// hear hides the secrets in what a plugin says, and passes on what it logs.
func (s *Snapshot) hear(rule *rule, r *wasm.Result) {
	if s.log != nil && len(r.Logs)+r.LogsDropped > 0 {
		s.log(rule.plugin.info.Manifest.Name, r.Logs, r.LogsDropped)
	}
	if s.mask == nil {
		return
	}
	for _, t := range [...]*string{&r.Code, &r.Message, &r.Approval, &r.Failure.Text} {
		if *t != "" {
			*t = s.mask("", *t)
		}
	}
	for i := range r.Notes {
		n := &r.Notes[i]
		n.Key, n.Text = s.mask("", n.Key), s.mask(n.Key, n.Text)
	}
	for i, l := range r.Labels {
		r.Labels[i] = s.mask("", l)
	}
}

func outcomeOf(rule *rule, hook hostapi.Hook, r *wasm.Result) PluginOutcome {
	m := rule.plugin.info.Manifest
	out := PluginOutcome{
		Rule: &rule.Rule, Name: m.Name, Version: m.Version, Module: rule.plugin.info.Module, Setup: rule.setup, Hook: hook.String(), Shadow: rule.shadow,
		Verdict: r.Verdict().String(), Code: r.Code, Message: r.Message, Failure: string(r.Failure.Type),
		Notes: r.Notes, Labels: r.Labels, Fuel: r.Fuel, Time: r.Time,
	}
	for k, capability := range m.Capabilities {
		if r.Used>>k&1 != 0 {
			out.Used = append(out.Used, capability.String())
		}
	}
	if r.Approval != "" {
		out.Message = r.Approval
	}
	if out.Failure != "" {
		out.Code, out.Cause = ReasonPluginFailed, fmt.Errorf("%s: plugin %s: %s: %s", rule.ID(), m.Name, out.Failure, r.Failure.Text)
	}
	for _, x := range r.Edits {
		op := map[wasm.EditKind]string{wasm.EditReplace: "replace", wasm.EditAdd: "add", wasm.EditRemove: "remove"}[x.Kind]
		out.Edits = append(out.Edits, PluginEdit{Op: op, Path: string(x.Path), JSON: x.JSON})
	}
	return out
}

// observePlugin takes note of what a shadow rule's plugin would have done.
func (e *evaluation) observePlugin(rule *rule, out *PluginOutcome) {
	switch out.Verdict {
	case hostapi.VerdictDeny.String():
		e.shadow = append(e.shadow, Outcome{Rule: &rule.Rule, Effect: Deny, Reason: out.Code, Cause: out.Cause})
	case hostapi.VerdictApprove.String():
		e.shadow = append(e.shadow, Outcome{Rule: &rule.Rule, Effect: Approve, Reason: ReasonApprovalRequired})
	}
}

var errNoPart = errors.New("the edits lie outside the part of the message that may be changed")

// rewrite makes the edits, and asks the rules behind this one what they say of the message then.
func (e *evaluation) rewrite(ctx context.Context, s *Snapshot, by *rule, now *Request, edits []wasm.Edit) error {
	part := &now.Params
	if now.Phase == PhaseResponse {
		part = now.answer()
	}
	changed, err := applied(*part, edits, jsonscan.Options{Fold: now.Phase != PhaseResponse && !now.FromServer})
	if err != nil {
		return err
	}
	*part, e.rewritten = changed, changed
	if now.Phase == PhaseResponse {
		now.Items = itemsIn(changed, now.ItemsField)
	} else {
		now.Arguments = changed.Get("arguments")
	}
	e.frame.Close()
	e.frame = s.env.NewFrame()
	now.fill(&e.frame.Input)
	e.frame.Open(ctx)
	for _, rule := range e.rules {
		if rule.plugin == nil && rule.order > by.order {
			e.consider(rule)
		}
	}
	return nil
}

// applied makes edits to a part of a message, and scans what comes of it as strictly as the message was.
func applied(part jsonscan.Value, edits []wasm.Edit, o jsonscan.Options) (jsonscan.Value, error) {
	var all jsonscan.Edits
	for _, x := range edits {
		ok := false
		switch x.Kind {
		case wasm.EditReplace:
			ok = all.Replace(x.Value, x.JSON)
		case wasm.EditAdd:
			ok = all.Set(x.Value, x.Name, x.JSON)
		case wasm.EditRemove:
			ok = all.Remove(x.Value)
		}
		if !ok {
			return jsonscan.Value{}, errNoPart
		}
	}
	doc := new(jsonscan.Doc)
	if err := doc.Scan(part.AppendEdited(nil, &all), o); err != nil {
		return jsonscan.Value{}, fmt.Errorf("what the edits make is no message: %w", err)
	}
	if doc.Root().Kind() != part.Kind() {
		return jsonscan.Value{}, errNoPart
	}
	return doc.Root(), nil
}

func itemsIn(result jsonscan.Value, field string) jsonscan.Value {
	if field == "" {
		return jsonscan.Value{}
	}
	return result.Get(field)
}
