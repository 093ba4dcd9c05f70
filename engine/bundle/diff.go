package bundle

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// Change is one thing in which a bundle differs from another.
type Change struct {
	What   string  `json:"what"` // policy, rule, plugin, detectors, table, pin or file
	Name   string  `json:"name"`
	How    string  `json:"change"` // added, removed or changed
	Fields []Field `json:"fields,omitempty"`
}

// Field is what a change is in. Of what was added, Old is empty; of what was removed, New.
type Field struct {
	Name string `json:"name"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// Diff says what is in one bundle and not in the other: rules by their ids, plugins by their names. Where things stand in files is no difference,
// and neither are comments and the order of rules.
func Diff(from, to *Bundle) []Change {
	was, is := from.things(), to.things()
	var out []Change
	for _, t := range was {
		if i := t.in(is); i < 0 {
			out = append(out, Change{What: t.what, Name: t.name, How: "removed", Fields: differences(t.fields, nil)})
		} else if f := differences(t.fields, is[i].fields); len(f) > 0 {
			out = append(out, Change{What: t.what, Name: t.name, How: "changed", Fields: f})
		}
	}
	for _, t := range is {
		if t.in(was) < 0 {
			out = append(out, Change{What: t.what, Name: t.name, How: "added", Fields: differences(nil, t.fields)})
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.What), slices.Index(kinds, b.What)), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// kinds are what bundles are made of, in the order in which changes are listed.
var kinds = []string{"policy", "rule", "plugin", "detectors", "table", "pin", "file"}

// thing is what bundles are compared by.
type thing struct {
	what, name string
	fields     []Field // with New only
}

func (t *thing) in(all []thing) int {
	return slices.IndexFunc(all, func(o thing) bool { return o.what == t.what && o.name == t.name })
}

func (t *thing) set(name, value string) {
	if value != "" {
		t.fields = append(t.fields, Field{Name: name, New: value})
	}
}

func differences(was, is []Field) (out []Field) {
	value := func(of []Field, name string) string {
		i := slices.IndexFunc(of, func(f Field) bool { return f.Name == name })
		if i < 0 {
			return ""
		}
		return of[i].New
	}
	for _, f := range was {
		if now := value(is, f.Name); now != f.New {
			out = append(out, Field{Name: f.Name, Old: f.New, New: now})
		}
	}
	for _, f := range is {
		if value(was, f.Name) == "" {
			out = append(out, Field{Name: f.Name, New: f.New})
		}
	}
	return out
}

// pinned lists the tools of the lock, by their servers.
func (b *Bundle) pinned() (all []thing) {
	if b.Lock == nil {
		return nil
	}
	for _, s := range b.Lock.Servers {
		for _, tool := range s.Tools {
			t := thing{what: "pin", name: s.Name + "/" + tool.Name}
			t.set("hash", tool.Hash)
			all = append(all, t)
		}
	}
	return all
}

// things lists what a bundle is made of.
func (b *Bundle) things() (all []thing) {
	all = b.pinned()
	for _, p := range b.Policies {
		all = append(all, policyThing(p))
		for i := range p.Rules {
			all = append(all, ruleThing(p, &p.Rules[i]))
		}
	}
	for _, m := range b.Modules {
		all = append(all, pluginThing(m))
	}
	for _, f := range b.Files {
		t := thing{name: f.Name}
		switch f.role {
		case set:
			t.what, t.name = "detectors", f.Base()
		case table:
			t.what, t.name = "table", f.Base()
		case policies:
			if !slices.ContainsFunc(b.Policies, func(p *policy.Policy) bool { return p.File == f.Path }) && f.Name != aboutName {
				t.what = "file" // of cases
			}
		case module, beside, pins, nothing: // those are compared by what they are
		}
		if t.what != "" {
			t.set("digest", digestOf(f.Content))
			all = append(all, t)
		}
	}
	return all
}

func policyThing(p *policy.Policy) thing {
	t := thing{what: "policy", name: p.Name}
	t.set("owner", p.Owner)
	t.set("env", p.Env)
	for _, m := range []struct {
		name  string
		globs []string
	}{{"servers", p.Match.Servers}, {"methods", p.Match.Methods}, {"tools", p.Match.Tools}, {"prompts", p.Match.Prompts}, {"resources", p.Match.Resources}} {
		t.set("match."+m.name, strings.Join(m.globs, ", "))
	}
	for _, v := range p.Variables {
		t.set("variables."+v.Name, v.Expression.Value)
	}
	return t
}

func ruleThing(p *policy.Policy, r *policy.Rule) thing {
	t := thing{what: "rule", name: p.ID(r)}
	if r.Plugin == "" {
		t.set("effect", r.Effect.String())
	}
	t.set("phase", r.Phase.String())
	t.set("when", strings.TrimSpace(r.When.Value))
	t.set("plugin", r.Plugin)
	t.set("config", string(r.Config))
	t.set("grant", strings.Join(r.Grant, ", "))
	t.set("reason", r.Reason)
	t.set("message", strings.TrimSpace(r.Message.Value))
	if r.Shadow {
		t.set("enforcement", "shadow")
	}
	return t
}

// pluginThing is the plugin in a module, or the module if it has none that loads.
func pluginThing(f File) thing {
	t := thing{what: "plugin", name: f.Base()}
	if info, err := wasm.Inspect(f.Content); err == nil {
		m := info.Manifest
		t.name = m.Name
		t.set("version", m.Version)
		t.set("capabilities", joined(m.Capabilities))
		t.set("hooks", joined(m.Hooks))
		t.set("writes", joined(m.Writes))
		t.set("verdicts", joined(m.Verdicts))
		t.set("memory", strconv.Itoa(info.Limits.Pages))
		t.set("fuel", strconv.FormatInt(info.Limits.Fuel, 10))
	}
	t.set("module", digestOf(f.Content))
	return t
}

func joined[T interface{ String() string }](list []T) string {
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = item.String()
	}
	return strings.Join(texts, ", ")
}
