package enginetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// standIns are the mocks of a case, or of all cases of a document.
type standIns struct {
	of      *standIns // of all cases; nil: these are
	plugins map[string]*engine.Answer
	tables  wasm.Tables
	named   *named // by any case of the document
}

// named are the names that mocks of a document are given, each with where it stands first.
type named struct {
	plugins, tables map[string]source.Pos
	absent          []string // tables that the bundle lacks
}

// standIns reads mocks; all are those of all cases.
func (b *builder) standIns(m mocks, n *source.Node, v *values, all *standIns) *standIns {
	s := &standIns{of: all, plugins: map[string]*engine.Answer{}, tables: wasm.Tables{}, named: &b.suite.named}
	for key, x := range n.Get("plugins").Fields() {
		name := key.Text().Value
		s.plugins[name] = v.answer(m.Plugins[name], x)
		note(&b.suite.named.plugins, name, key)
	}
	for key, x := range n.Get("tables").Fields() {
		name := key.Text().Value
		rows := v.json(value{x}, name, jsonscan.Options{})
		s.tables[name] = func(key string) jsonscan.Value { return rows.Get(key) }
		note(&b.suite.named.tables, name, key)
	}
	return s
}

func note(all *map[string]source.Pos, name string, at *source.Node) {
	if *all == nil {
		*all = map[string]source.Pos{}
	}
	if _, known := (*all)[name]; !known {
		(*all)[name] = at.Pos()
	}
}

var (
	verdicts = []string{"pass", "deny", "mutate", "approve", "abstain"}
	failures = []string{"trap", "fuel", "deadline", "abi", "capability"}
)

// answer reads what a plugin is taken to say.
func (v *values) answer(a answer, n *source.Node) *engine.Answer {
	out := &engine.Answer{
		Code: v.text(a.Reason), Message: v.text(a.Message), Labels: texts(a.Labels, v),
		Failure: hostapi.Failure(v.word(a.Failure, "failure", failures)),
	}
	out.Verdict = v.word(a.Verdict, "verdict", verdicts)
	v.together(a, n, out.Verdict)
	for _, key := range slices.Sorted(maps.Keys(a.Notes)) {
		out.Notes = append(out.Notes, wasm.Note{Key: key, Text: v.text(a.Notes[key])})
	}
	for i, c := range a.Patch {
		out.Edits = append(out.Edits, v.edit(c, n.Get("patch").Index(i)))
	}
	return out
}

// word is one of several words.
func (v *values) word(t source.Text, what string, words []string) string {
	text := v.text(t)
	if t.IsZero() || slices.Contains(words, text) {
		return text
	}
	help := "expected one of: " + strings.Join(words, ", ")
	if word, ok := source.Suggest(text, words); ok {
		help = fmt.Sprintf("did you mean `%s`? (%s)", word, help)
	}
	v.report(t.Pos(), "SP1003", fmt.Sprintf("`%s` is not a valid %s", source.Brief(text), what), help)
	return text
}

// together reports fields of an answer that don't go together.
func (v *values) together(a answer, n *source.Node, verdict string) {
	report := func(key, message, help string) {
		at := n
		if k := n.Key(key); k != nil {
			at = k
		}
		v.report(at.Pos(), "SP5001", message, help)
	}
	failed := !a.Failure.IsZero()
	switch {
	case failed && (!a.Verdict.IsZero() || n.Key("patch") != nil || n.Key("labels") != nil || !a.Reason.IsZero()):
		report("failure", "a call that fails has no verdict, and says nothing but notes", "remove `failure`, or the rest")
	case !failed && a.Verdict.IsZero():
		report("", "the mock says neither its `verdict` nor how it fails", "add `verdict: pass`, or another of: "+strings.Join(verdicts, ", "))
	case !a.Reason.IsZero() && verdict != "deny":
		report("reason", "a `reason` goes with `verdict: deny`", "remove it")
	case !failed && !a.Message.IsZero() && verdict != "deny" && verdict != "approve":
		report("message", "a `message` goes with `verdict: deny` or `approve`", "remove it")
	case len(a.Patch) == 0 && verdict == "mutate":
		report("verdict", "a mutate makes changes, and the mock has none", "add `patch: [ { path: args.NAME, value: ... } ]`")
	case len(a.Patch) > 0 && verdict != "mutate":
		report("patch", "a `patch` goes with `verdict: mutate`", "remove it")
	}
}

// edit reads a change.
func (v *values) edit(c change, n *source.Node) engine.PluginEdit {
	path := v.text(c.Path)
	out := engine.PluginEdit{Op: "replace", Path: path}
	if p, err := hostapi.ParsePath(path); err != nil || p.Wild() {
		v.report(c.Path.Pos(), "SP5004", fmt.Sprintf("`%s` is not the path of a field", source.Brief(path)), "write one such as args.query or mcp.result.content[0].text")
	}
	switch {
	case c.Remove == c.Value.given():
		v.report(n.Pos(), "SP5001", "a change has a `value` or removes, and not both", "write `value: ...` or `remove: true`")
	case c.Remove:
		out.Op = "remove"
	default:
		out.JSON = appendJSON(nil, c.Value.node, v)
	}
	return out
}

// lacking are what a bundle may lack.
func (n *named) lacking() engine.Lacking {
	return engine.Lacking{Plugins: slices.Sorted(maps.Keys(n.plugins)), Tables: slices.Sorted(maps.Keys(n.tables))}
}

// in looks for what is mocked in a bundle, and reports what no rule asks.
func (n *named) in(b *bundle.Bundle) (found source.Diagnostics) {
	for _, name := range slices.Sorted(maps.Keys(n.tables)) {
		if !slices.ContainsFunc(b.Tables, func(f bundle.File) bool { return f.Base() == name }) {
			n.absent = append(n.absent, name)
		}
	}
	var plugins, tables []string
	for _, p := range b.Policies {
		for i := range p.Rules {
			r := &p.Rules[i]
			if r.Plugin == "" {
				continue
			}
			plugins = append(plugins, r.Plugin, p.ID(r))
			for _, g := range r.Grant {
				if name, ok := strings.CutPrefix(g, string(hostapi.CapabilityKindLookup)+":"); ok {
					tables = append(tables, name)
				}
			}
		}
	}
	report := func(all map[string]source.Pos, used []string, message, help string) {
		for name, at := range all {
			if slices.Contains(used, name) {
				continue
			}
			say := help
			if word, ok := source.Suggest(name, used); ok {
				say = fmt.Sprintf("did you mean `%s`?", word)
			}
			found = append(found, at.Diagnose("SP5006", fmt.Sprintf(message, source.Brief(name)), say))
		}
	}
	report(n.plugins, plugins, "no rule of the policies asks a plugin `%s`", "name a plugin, or a rule that calls one as POLICY/RULE, or remove the mock")
	report(n.tables, tables, "no rule of the policies grants `lookup:%s`", "name a table that a plugin is granted, or remove the mock")
	return found.Sort()
}

// standing are mocks during one decision.
type standing struct {
	engine.StandIns
	mocks   *standIns
	asked   map[string]bool // mocks of the case, and rules
	missing map[string]bool // tables that were looked into and are neither there nor mocked in this case
}

// begin is for one decision.
func (s *standIns) begin() *standing {
	w := &standing{mocks: s, asked: map[string]bool{}, missing: map[string]bool{}}
	w.Plugin = w.plugin
	w.Tables = wasm.Tables{}
	maps.Copy(w.Tables, s.of.tables)
	maps.Copy(w.Tables, s.tables)
	for _, name := range s.named.absent {
		if w.Tables[name] == nil {
			w.Tables[name] = func(string) (none jsonscan.Value) {
				w.missing[name] = true
				return none
			}
		}
	}
	return w
}

// plugin answers the first hook of a rule. A plugin may have two for a list, which a mock takes together.
func (w *standing) plugin(rule *engine.Rule, plugin string, _ hostapi.Hook) *engine.Answer {
	for _, from := range []*standIns{w.mocks, w.mocks.of} {
		for _, name := range []string{rule.ID(), plugin} {
			a := from.plugins[name]
			switch {
			case a == nil:
			case w.asked[rule.ID()]:
				return &engine.Answer{Verdict: hostapi.VerdictAbstain.String()}
			default:
				w.asked[name], w.asked[rule.ID()] = true, true
				return a
			}
		}
	}
	return nil
}

// differences say which mocks of the case nothing has asked, and what was asked that is neither there nor mocked.
func (w *standing) differences(d *engine.Decision, want *want) (out []Difference) {
	for _, name := range slices.Sorted(maps.Keys(w.mocks.plugins)) {
		if !w.asked[name] {
			out = append(out, Difference{"mock " + name, "asked", "not asked"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.missing)) {
		out = append(out, Difference{"table " + name, "its file, or a mock", "neither"})
	}
	for i := range d.Plugins {
		p := &d.Plugins[i]
		if p.Module == "" && !w.asked[p.Rule.ID()] {
			out = append(out, Difference{"plugin " + p.Name, "its module, or a mock", "neither"})
		}
		if p.Code == engine.ReasonNotRewritable && want.reason == nil {
			out = append(out, Difference{"patch of " + p.Name, "one that can be made", p.Cause.Error()})
		}
	}
	return out
}
