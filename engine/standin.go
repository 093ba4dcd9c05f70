package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// StandIns take the place of what decisions ask beside the policies: in tests, and where the answers are known already. The zero
// StandIns take the place of nothing.
type StandIns struct {
	// Plugin says what the plugin of a rule answers; nil asks the plugin itself. It is called by the goroutine that decides.
	Plugin func(rule *Rule, plugin string, hook hostapi.Hook) *Answer
	// Tables are those that lookups find in the place of the bundle's, by name.
	Tables wasm.Tables

	before *hearsay // what plugins said before, and say again
}

// Answer is what a plugin is taken to say. The zero Answer denies.
type Answer struct {
	Verdict string // as a PluginOutcome's
	// Code and Message are the reason of a denial; of an approve Message is what a human is asked.
	Code, Message string
	Failure       hostapi.Failure // the call failed, which denies whatever the verdict
	Notes         []wasm.Note
	Labels        []string
	Edits         []PluginEdit // of a mutate
}

// Lacking are plugins and tables that a bundle may lack, since decisions have stand-ins for them: by name, a plugin also by the rule that
// calls it, POLICY/RULE.
type Lacking struct{ Plugins, Tables []string }

func (l *Lacking) has(w wanted) bool {
	return slices.Contains(l.Plugins, w.source.Plugin) || slices.Contains(l.Plugins, w.rule.ID())
}

// DecideWith decides as Decide does, with stand-ins and without the cache. A plugin that the bundle lacks and that nothing stands in for
// has failed.
func (s *Snapshot) DecideWith(ctx context.Context, r *Request, with *StandIns) (d Decision) {
	s.decideIn(ctx, r, once, nil, with, &d)
	return d
}

// call asks the plugin of a rule, or what stands in for it.
func (e *evaluation) call(ctx context.Context, s *Snapshot, rule *rule, hook hostapi.Hook, m *wasm.Message) (PluginOutcome, hostapi.Verdict, []wasm.Edit) {
	tables := s.given.lookup
	if e.with != nil || rule.plugin.guest == nil {
		if a := e.with.answer(e, rule, hook); a != nil {
			return a.give(rule, hook, m)
		}
		if len(e.with.Tables) > 0 {
			tables = maps.Clone(tables)
			maps.Copy(tables, e.with.Tables)
		}
	}
	var result wasm.Result
	rule.plugin.guest.Call(ctx, &wasm.Call{Hook: hook, Message: m, Tables: tables}, &result)
	s.hear(rule, &result)
	return outcomeOf(rule, hook, &result), result.Verdict(), result.Edits
}

// hooks are those of a rule's plugin to call for a message.
func (w *StandIns) hooks(rule *rule, now *Request) []hostapi.Hook {
	if w != nil && w.before != nil {
		return w.before.hooks(rule)
	}
	return hooksFor(rule.plugin, doorOf(now))
}

// answer is nil if the plugin itself is to be asked. Without stand-ins it is one for a plugin that is not there.
func (w *StandIns) answer(e *evaluation, rule *rule, hook hostapi.Hook) *Answer {
	var a *Answer
	switch {
	case w != nil && w.before != nil:
		return w.before.answer(e, rule)
	case w != nil && w.Plugin != nil:
		a = w.Plugin(&rule.Rule, rule.plugin.info.Manifest.Name, hook)
	}
	if a == nil && rule.plugin.guest == nil {
		return &Answer{Failure: hostapi.FailureTrap, Message: "nothing stands in for it"}
	}
	return a
}

// give is the outcome of an answer.
func (a *Answer) give(rule *rule, hook hostapi.Hook, m *wasm.Message) (PluginOutcome, hostapi.Verdict, []wasm.Edit) {
	info := &rule.plugin.info
	out := PluginOutcome{
		Rule: &rule.Rule, Name: info.Manifest.Name, Version: info.Manifest.Version, Module: info.Module, Hook: hook.String(), Shadow: rule.shadow,
		Code: a.Code, Message: a.Message, Failure: string(a.Failure), Notes: a.Notes,
	}
	verdict, ok := hostapi.ParseVerdict(a.Verdict)
	if !ok {
		verdict = hostapi.VerdictDeny
	}
	switch {
	case a.Failure != "":
		verdict = hostapi.VerdictDeny
		out.Code, out.Message = ReasonPluginFailed, ""
		out.Cause = fmt.Errorf("%s: plugin %s: %s: %s", rule.ID(), out.Name, a.Failure, a.Message)
	case verdict == hostapi.VerdictDeny && a.Code == "":
		out.Code = wasm.CodeDenied
	}
	var edits []wasm.Edit
	for _, x := range a.Edits {
		edit, err := x.in(m, hook)
		if err != nil {
			verdict = hostapi.VerdictDeny
			out.Code, out.Message, out.Cause = ReasonNotRewritable, "", fmt.Errorf("%s: plugin %s: %w", rule.ID(), out.Name, err)
			edits = nil
			break
		}
		edits = append(edits, edit)
	}
	out.Verdict = verdict.String()
	if out.Cause == nil {
		out.Labels, out.Edits = a.Labels, a.Edits
	}
	return out, verdict, edits
}

// in finds the place of an edit in a message.
func (x *PluginEdit) in(m *wasm.Message, hook hostapi.Hook) (wasm.Edit, error) {
	op := hostapi.PatchSet
	if x.Op == "remove" {
		op = hostapi.PatchRemove
	}
	return wasm.EditOf(m, hook, op, x.Path, x.JSON)
}

// nothing is a table without a key.
func nothing(string) jsonscan.Value { return jsonscan.Value{} }
