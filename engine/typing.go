package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

// scope is the tools that the rules of a policy can be about, as a lock knows them. nil: not known.
type scope []scoped

type scoped struct {
	server string
	tool   *toolset.Tool
}

func (s scoped) String() string { return s.server + "/" + s.tool.Name }

// checkLock warns of configured servers that the lock knows nothing of.
func (c *compiler) checkLock() {
	if c.lock == nil {
		return
	}
	for _, name := range c.options.Servers {
		if c.lock.Server(name) == nil {
			c.found = append(c.found, c.lock.Pos().Warn("SP7009", fmt.Sprintf("the server `%s` is not in the lock: rules that can be about its tools are not typed", name),
				"make the file anew: sallyport tools lock"))
		}
	}
}

// scope finds the tools that a match is about, and reports globs that match none.
func (c *compiler) scope(p *policy.Policy, m *match) scope {
	if c.lock == nil || !m.methods.match("tools/call") || m.prompts != nil || m.resources != nil {
		c.checkServers(p, m)
		return nil
	}
	names := c.options.Servers
	if names == nil {
		for _, s := range c.lock.Servers {
			names = append(names, s.Name)
		}
	}
	c.unmatched(p, "servers", "server", m.servers, names)
	var all scope
	var known []string
	for _, name := range names {
		if !m.servers.match(name) {
			continue
		}
		s := c.lock.Server(name)
		if s == nil {
			return nil // its tools could be any
		}
		for i := range s.Tools {
			all, known = append(all, scoped{name, &s.Tools[i]}), append(known, s.Tools[i].Name)
		}
	}
	if m.servers == nil || slices.ContainsFunc(names, m.servers.match) {
		c.unmatched(p, "tools", "tool", m.tools, known)
	}
	return slices.DeleteFunc(all, func(s scoped) bool { return !m.tools.match(s.tool.Name) })
}

// unmatched reports globs that match nothing that is known. A pattern beside others that do is a warning: it may be there for what is to come.
func (c *compiler) unmatched(p *policy.Policy, field, what string, gs globs, known []string) {
	some := slices.ContainsFunc(known, gs.match)
	for i, g := range gs {
		if slices.ContainsFunc(known, g.Match) {
			continue
		}
		at := p.At("match", field, strconv.Itoa(i))
		help := suggestion(g.String(), known, "they are")
		if len(known) == 0 {
			help = "the lock has none"
		}
		message := fmt.Sprintf("no known %s matches `%s`", what, g)
		if _, literal := g.Literal(); some && !literal {
			c.found = append(c.found, at.Warn("SP7004", message, help))
			continue
		}
		c.found = append(c.found, at.Diagnose("SP7004", message, help))
	}
}

// typeRule compares what a rule does with arguments with the schemas of the tools that it is about.
func (c *compiler) typeRule(s scope, vs *condition.Variables, conditions ...*condition.Condition) {
	if len(s) == 0 {
		return
	}
	guards := map[string]bool{}
	guard := func(cond *condition.Condition) {
		for _, u := range cond.Uses() {
			if u.Presence {
				guards[render(u.Path)] = true
			}
		}
	}
	for v := range vs.All() {
		guard(v)
	}
	conditions = slices.DeleteFunc(conditions, func(cond *condition.Condition) bool { return cond == nil })
	for _, cond := range conditions {
		guard(cond)
	}
	for _, cond := range conditions {
		some := !readsTool(cond)
		for _, u := range cond.Uses() {
			c.typeUse(s, cond, u, some && !guarded(guards, u.Path))
		}
	}
}

// typeVariables is typeRule for the variables of a policy. Whether they are read where an argument is absent is for the rules to say.
func (c *compiler) typeVariables(s scope, vs *condition.Variables) {
	if len(s) == 0 {
		return
	}
	for v := range vs.All() {
		for _, u := range v.Uses() {
			c.typeUse(s, v, u, false)
		}
	}
}

// readsTool says that a condition asks which tool is called.
func readsTool(cond *condition.Condition) bool {
	return slices.ContainsFunc(cond.Reads(), func(field string) bool {
		return field == "mcp.tool.name" || field == "mcp.tool.target" || field == "request.mcp.backend" || strings.HasPrefix(field, "mcp.tool.annotations")
	})
}

// guarded says that it is asked somewhere whether a value is there, or one that it is in.
func guarded(guards map[string]bool, path []condition.Step) bool {
	for i := range path {
		if guards[render(path[:i+1])] {
			return true
		}
	}
	return false
}

// grade is how wrong a use is.
type grade uint8

const (
	fine grade = iota
	odd        // it can be what is meant
	wrong
)

// verdict is what a schema says of a use.
type verdict struct {
	grade
	absent              bool // it is wrong or odd that something is there
	said                bool // where the variable is that it is taken in
	code, message, help string
	at                  condition.Place
	missing             string // what is absent
	names               []string
}

// typeUse judges a use by the schema of every tool. It is an error if it is wrong for all of them.
func (c *compiler) typeUse(s scope, cond *condition.Condition, u condition.Use, some bool) {
	values := u.Values
	if len(values) == 0 {
		c.judge(s, cond, u, some)
	}
	for i := range values {
		u.Values = values[i : i+1]
		c.judge(s, cond, u, some)
	}
}

func (c *compiler) judge(s scope, cond *condition.Condition, u condition.Use, some bool) {
	var worst [wrong + 1]*verdict // the first of each grade
	var without string            // a tool in which it is absent
	var names []string
	for _, t := range s {
		v := typed(t.tool.Input.Root(), u)
		if worst[v.grade] == nil {
			worst[v.grade] = &v
		}
		if v.absent && without == "" {
			without = t.String()
		}
		names = append(names, v.names...)
	}
	switch path := render(u.Path); {
	case worst[fine] != nil:
		if some && without != "" {
			c.found = append(c.found, cond.Pos(u.At).Warn("SP7008",
				fmt.Sprintf("`%s` is no argument of every tool that the rule is about: %s has none", path, without),
				fmt.Sprintf("ask whether it is there, has(%s), or match fewer tools: without it the condition fails", path)))
		}
	case worst[odd] != nil:
		c.report(worst[odd], cond, s, names, source.Pos.Warn)
	default:
		c.report(worst[wrong], cond, s, names, source.Pos.Diagnose)
	}
}

// report reports what is so for all tools.
func (c *compiler) report(v *verdict, cond *condition.Condition, s scope, names []string, as func(source.Pos, string, string, string) source.Diagnostic) {
	if v.said {
		return
	}
	at, what, help := cond.Pos(v.at), v.message, v.help
	if v.absent {
		what = fmt.Sprintf("the tool `%s` has no argument `%s`", s[0], v.missing)
		if len(s) > 1 {
			what = fmt.Sprintf("none of the %d tools that the rule is about has an argument `%s`", len(s), v.missing)
		}
		help = suggestion(v.missing[strings.LastIndexByte(v.missing, '.')+1:], names, "there are")
	}
	c.found = append(c.found, as(at, v.code, what, help))
}

// typed judges a use by the type of all arguments.
func typed(t toolset.Type, u condition.Use) verdict {
	if !t.Kinds().Has(jsonscan.Object) {
		return verdict{} // a schema that no call can meet says nothing
	}
	for i, step := range u.Path {
		if v := enter(t, u.Path[:i], step); v.grade != fine {
			v.said = step.At == condition.Place{}
			return v
		}
		t = follow(t, step)
	}
	kinds := t.Kinds()
	if kinds == 0 {
		return verdict{}
	}
	for _, l := range u.Or {
		kinds |= jsonscan.KindsOf(l.Kind)
	}
	if kinds&u.Accepts == 0 {
		return verdict{
			grade: wrong, code: "SP7006", at: u.From,
			message: fmt.Sprintf("`%s` is %s and can't be %s", render(u.Path), nameKinds(kinds), u.As), help: typeHelp(kinds, u.As),
		}
	}
	for _, l := range u.Values {
		if v := equals(t, kinds, u, l); v.grade != fine {
			return v
		}
	}
	return verdict{}
}

// enter judges a step into a value.
func enter(t toolset.Type, path []condition.Step, s condition.Step) verdict {
	kinds := t.Kinds()
	wanted := jsonscan.KindsOf(jsonscan.Object)
	has := "has no fields"
	switch s.Kind {
	case condition.Element:
		wanted, has = jsonscan.KindsOf(jsonscan.Array), "has no elements by number"
	case condition.Inside:
		wanted, has = jsonscan.KindsOf(jsonscan.Array, jsonscan.Object), "has nothing in it"
	case condition.Each: // that it can be looked through is a use of its own
		return verdict{}
	case condition.Field:
	}
	if kinds != 0 && kinds&wanted == 0 {
		return verdict{grade: wrong, code: "SP7006", at: s.At, message: fmt.Sprintf("`%s` is %s: it %s", render(path), nameKinds(kinds), has)}
	}
	if s.Kind != condition.Field || kinds == 0 {
		return verdict{}
	}
	names := t.Names()
	_, near := source.Suggest(s.Name, names)
	missing := strings.TrimPrefix(render(append(slices.Clip(path), s)), "args.")
	v := verdict{absent: true, code: "SP7005", at: s.At, missing: missing, names: names}
	switch p := t.Presence(s.Name); {
	case p == toolset.Forbidden, p == toolset.Unnamed && near:
		v.grade = wrong
	case p == toolset.Unnamed, p == toolset.Open && near:
		v.grade = odd
	default:
		return verdict{}
	}
	return v
}

// follow is the type that a step leads to.
func follow(t toolset.Type, s condition.Step) toolset.Type {
	switch s.Kind {
	case condition.Field:
		return t.Field(s.Name)
	case condition.Element:
		return t.Element()
	case condition.Each:
		if !t.Kinds().Has(jsonscan.Object) {
			return t.Element()
		}
	case condition.Inside:
	}
	return toolset.Type{}
}

// equals judges a comparison with a literal.
func equals(t toolset.Type, kinds jsonscan.Kinds, u condition.Use, l condition.Literal) verdict {
	same := func(s toolset.Scalar) bool { return s.Equal(toolset.Scalar{Kind: l.Kind, Text: l.Text}) }
	for _, or := range u.Or {
		if same(toolset.Scalar{Kind: or.Kind, Text: or.Text}) {
			return verdict{}
		}
	}
	kind := jsonscan.KindsOf(l.Kind)
	if bools := jsonscan.KindsOf(jsonscan.True, jsonscan.False); kind&bools != 0 {
		kind = bools
	}
	if kinds&kind == 0 {
		as := "compared with " + nameKinds(kind)
		return verdict{
			grade: wrong, code: "SP7006", at: l.At,
			message: fmt.Sprintf("`%s` is %s and can't be %s", render(u.Path), nameKinds(kinds), as), help: typeHelp(kinds, as),
		}
	}
	values, finite := t.Values()
	if !finite || slices.ContainsFunc(values, same) {
		return verdict{}
	}
	var known []string
	for _, v := range values {
		known = append(known, show(v.Kind, v.Text))
	}
	return verdict{
		grade: wrong, code: "SP7007", at: l.At,
		message: fmt.Sprintf("`%s` is never %s", render(u.Path), source.Brief(show(l.Kind, l.Text))),
		help:    suggestion(show(l.Kind, l.Text), known, "it is one of"),
	}
}
