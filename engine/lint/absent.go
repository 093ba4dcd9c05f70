package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

// absence reports what lets a call through because something is not there.
func (l *linter) absence(r *rule) {
	a := absence{linter: l, rule: r, seen: map[visit]bool{}}
	a.walk(r.when, grantsWhenTrue(r))
}

type absence struct {
	*linter
	rule *rule
	seen map[visit]bool
}

func (a *absence) walk(n *node, p polarity) {
	n = a.rule.scope.see(n)
	if a.seen[visit{n, p}] {
		return
	}
	a.seen[visit{n, p}] = true
	switch n.Op {
	case condition.OpAnd, condition.OpOr:
		// deny when has(x) && x is not good; the same is allow when !has(x) || x is good.
		if n.Op == condition.OpAnd && p == denies || n.Op == condition.OpOr && p == grants {
			a.chain(n, p)
		}
		a.walk(n.Args[0], p)
		a.walk(n.Args[1], p)
	case condition.OpNot:
		a.walk(n.Args[0], p.not())
	case condition.OpCall:
		if n.Name == "orValue" && p != unclear {
			a.hint(n, p)
		}
	default:
	}
}

// chain looks at the parts of a condition of which one asks whether something is there, and another demands something of it.
func (a *absence) chain(n *node, p polarity) {
	s := a.rule.scope
	parts := s.parts(n, n.Op)
	asked := map[string]*node{}
	for _, part := range parts {
		if p == grants {
			if part.Op != condition.OpNot {
				continue
			}
			part = s.see(part.Args[0])
		}
		if name, at := presence(part); name != "" && (p == denies && !strings.HasPrefix(name, "mcp.tool.result") || identity(name)) {
			asked[name] = at
		}
	}
	for _, part := range parts {
		demand := s.demand(part, p)
		if demand == nil {
			continue
		}
		demand.Walk(func(m *node) {
			at := asked[m.Name]
			if m.Op != condition.OpRead || m.Optional || at == nil {
				return
			}
			delete(asked, m.Name)
			what := "the rule stops no call that leaves `%s` out, whatever it would have to be"
			if p == grants {
				what = "the rule lets through callers without `%s`, whatever it would have to be"
			}
			a.add(a.rule.At(), at.At, codeAbsence, fmt.Sprintf(what, m.Name), a.remedy(m.Name, p))
		})
	}
}

func (a *absence) remedy(name string, p polarity) string {
	if p == grants {
		return fmt.Sprintf("write `has(%s) && ...`", name)
	}
	last := strings.LastIndexByte(name, '.')
	if strings.HasSuffix(name, "]") || last < 0 {
		return "say what a call without it is: deny it, or give the value that its absence stands for with orValue()"
	}
	return fmt.Sprintf("say what a call without it is: `!has(%s) || ...` denies it, `%s.?%s.orValue(...)` gives the value that its absence stands for", name, name[:last], name[last+1:])
}

// presence returns the name that is asked for by has(x.y) or "y" in x.
func presence(n *node) (string, *node) {
	switch {
	case n.Op == condition.OpHas && len(n.Args) == 0:
		return n.Name, n
	case n.Op == condition.OpCall && n.Name == "in" && isText(n.Args[0]) && n.Args[1].Op == condition.OpRead:
		name, _ := n.Args[0].Value.(string)
		if strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz_0123456789") == "" {
			return n.Args[1].Name + "." + name, n
		}
		return fmt.Sprintf("%s[%q]", n.Args[1].Name, name), n
	}
	return "", nil
}

// identity says that a name is something that is verified of the caller, or that the network in front says.
func identity(name string) bool {
	for _, root := range []string{"jwt", "principal", "apiKey", "request.headers"} {
		if strings.HasPrefix(name, root+".") || strings.HasPrefix(name, root+"[") {
			return true
		}
	}
	return false
}

// demand returns what a part demands: in a denial the opposite of something good, `x != "a"`, `!(x in list)`, `!f(x)`; in what grants, that itself.
func (s *scope) demand(n *node, p polarity) *node {
	n = s.see(n)
	opposite := n.Op == condition.OpNot || n.Op == condition.OpCall && n.Name == "!="
	if p == grants {
		if n.Op == condition.OpNot || n.Op == condition.OpCall && n.Name == "!=" {
			return nil
		}
		return n
	}
	if !opposite || n.Op == condition.OpNot && s.see(n.Args[0]).Op == condition.OpHas {
		return nil
	}
	return n
}

// hints are the annotations of a tool, with what the specification says that their absence means.
var hints = map[string]bool{"readOnlyHint": false, "destructiveHint": true, "idempotentHint": false, "openWorldHint": true}

// hint looks at an annotation of a tool whose absence is taken for the harmless value. Where the condition being true lets the call
// through, a hint is asked for the good it says, and the harmless default lets through what says nothing.
func (a *absence) hint(n *node, p polarity) {
	of, otherwise := n.Args[0], n.Args[1]
	name, isHint := strings.CutPrefix(of.Name, "mcp.tool.annotations.")
	spec, known := hints[name]
	value, isBool := otherwise.Value.(bool)
	if of.Op != condition.OpRead || !isHint || !known || !isBool || value == spec || value != (p == grants) {
		return
	}
	a.add(a.rule.At(), otherwise.At, codeHint, fmt.Sprintf("a tool without `%s` is taken for harmless: by MCP its absence means %t", name, spec), fmt.Sprintf("write orValue(%t)", spec))
}

// optional reports an argument that a rule reads as if every call had it, where its own policy asks elsewhere whether it is there, or a
// tool that it is about doesn't ask for it.
func (l *linter) optional(r *rule) {
	if r.Effect == policy.Allow && r.Plugin == "" {
		return // what fails doesn't allow
	}
	maybe := map[string]string{}
	const elsewhere = "though the policy asks elsewhere whether it is there"
	ask := func(n *node) {
		n.Walk(func(n *node) {
			if name, _ := presence(n); strings.HasPrefix(name, "args.") {
				maybe[name] = elsewhere
			}
			if n.Op == condition.OpRead && n.Optional && strings.HasPrefix(n.Name, "args.") {
				maybe[n.Name] = elsewhere
			}
		})
	}
	if namesTool(r.when) {
		return // its arguments are another tool's than those of the policy's other rules
	}
	l.unrequired(r, maybe)
	for _, other := range l.rules {
		if other.policy == r.policy && !namesTool(other.when) {
			ask(other.when)
		}
	}
	for _, v := range r.scope.variables {
		ask(v)
	}
	o := optional{linter: l, rule: r, maybe: maybe, told: map[string]bool{}, seen: map[seen]bool{}}
	o.walk(r.when, nil)
}

// unrequired adds the arguments that a tool that the rule is about has and doesn't require.
func (l *linter) unrequired(r *rule, maybe map[string]string) {
	if l.lock == nil || r.match.prompts != nil || r.match.resources != nil || !matches(r.match.methods, "tools/call") {
		return
	}
	for _, s := range l.lock.Servers {
		for i := range s.Tools {
			if t := &s.Tools[i]; matches(r.match.servers, s.Name) && matches(r.match.tools, t.Name) {
				args := t.Input.Root()
				for _, name := range args.Names() {
					if args.Presence(name) == toolset.Declared && !args.Requires(name) {
						maybe["args."+name] = fmt.Sprintf("and `%s/%s` does not require it", s.Name, t.Name)
					}
				}
			}
		}
	}
}

func matches(globs []policy.Glob, name string) bool {
	return globs == nil || slices.ContainsFunc(globs, func(g policy.Glob) bool { return g.Match(name) })
}

func namesTool(n *node) (does bool) {
	n.Walk(func(n *node) { does = does || n.Op == condition.OpRead && n.Name == "mcp.tool.name" })
	return does
}

type optional struct {
	*linter
	rule  *rule
	maybe map[string]string // why
	told  map[string]bool
	seen  map[seen]bool
}

type seen struct {
	n     *node
	there string
}

// walk visits a condition, with the names that are known to be there.
func (o *optional) walk(n *node, there []string) {
	if at := (seen{n, strings.Join(there, "\n")}); o.seen[at] {
		return
	} else {
		o.seen[at] = true
	}
	if name, _, ok := variable(n); ok && n.Op == condition.OpRead && o.rule.scope.variables[name] != nil {
		o.use(o.rule.scope.variables[name], n, there)
		return
	}
	switch n.Op {
	case condition.OpAnd, condition.OpOr:
		// An operand that decides alone makes an error of the other no matter.
		for _, part := range o.rule.scope.parts(n, n.Op) {
			test := part
			if n.Op == condition.OpOr {
				if test.Op != condition.OpNot {
					continue
				}
				test = o.rule.scope.see(test.Args[0])
			}
			if name, _ := presence(test); name != "" {
				there = append(slices.Clip(there), name)
			}
		}
	case condition.OpIf:
		o.walk(n.Args[0], there)
		test := o.rule.scope.see(n.Args[0])
		negated := test.Op == condition.OpNot
		if negated {
			test = o.rule.scope.see(test.Args[0])
		}
		name, _ := presence(test)
		yes, no := append(slices.Clip(there), name), there
		if negated {
			yes, no = no, yes
		}
		o.walk(n.Args[1], yes)
		o.walk(n.Args[2], no)
		return
	case condition.OpLocal:
		return
	default:
	}
	o.read(n, there)
	for _, a := range n.Args {
		o.walk(a, there)
	}
}

// use looks at a variable where it is used.
func (o *optional) use(v, at *node, there []string) {
	before := len(o.found)
	o.walk(v, there)
	for i := before; i < len(o.found); i++ {
		o.found[i].Line, o.found[i].Column, o.found[i].Width = at.At.Line, at.At.Column, at.At.Width
	}
}

func (o *optional) read(n *node, there []string) {
	if n.Op != condition.OpRead || n.Optional || o.maybe[n.Name] == "" || o.told[n.Name] {
		return
	}
	for _, name := range there {
		if n.Name == name || strings.HasPrefix(n.Name, name+".") {
			return
		}
	}
	o.told[n.Name] = true
	field := n.Name[strings.LastIndexByte(n.Name, '.')+1:]
	o.add(o.rule.At(), n.At, codeOptional, fmt.Sprintf("without `%s` this fails, which denies the call, %s", n.Name, o.maybe[n.Name]),
		fmt.Sprintf("write `has(%s) && ...`, or `%s.?%s.orValue(...)`", n.Name, strings.TrimSuffix(n.Name, "."+field), field))
}
