package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
)

// truth is what a condition is whatever the message says, if it doesn't fail.
type truth uint8

const (
	depends truth = iota
	never
	always
)

// verdict is a truth, and why.
type verdict struct {
	truth
	why string
}

func (v verdict) not() verdict {
	return verdict{[...]truth{depends: depends, never: always, always: never}[v.truth], v.why}
}

func (v verdict) help(otherwise string) string { return cmp.Or(v.why, otherwise) }

// constant reports a condition that is the same for every message, and says so; or parts of it that make no difference.
func (l *linter) constant(r *rule) bool {
	f := folder{claim: claim{r.scope, r.when}, match: r.match, memo: map[*node]verdict{}}
	switch v := f.fold(r.when); v.truth {
	case always:
		d := l.add(r.At(), r.When.Pos(), codeConstant, "the condition always holds", v.help("remove `when` if that is meant"))
		if r.when.Op == condition.OpLiteral {
			d.Fix = dropField(l.src(d.File), r.When.Pos(), "when")
		}
		return true
	case never:
		l.add(r.At(), r.When.Pos(), codeConstant, "the condition never holds", v.help("remove the rule, or correct its condition"))
		return true
	case depends:
	}
	r.when.Walk(func(n *node) {
		if n.Op != condition.OpAnd && n.Op != condition.OpOr {
			return
		}
		for i, a := range n.Args {
			v := f.fold(a)
			switch {
			case v.truth == always && n.Op == condition.OpAnd:
				l.add(r.At(), a.At, codePart, "this part always holds: it makes no difference", v.help("remove it, or correct it"))
			case v.truth == never && n.Op == condition.OpOr:
				l.add(r.At(), a.At, codePart, "this part never holds: it makes no difference", v.help("remove it, or correct it"))
			case i == 1 && f.repeats(n):
				l.add(r.At(), a.At, codePart, "this part repeats another", "remove it, or compare with what was meant")
			}
		}
	})
	return false
}

// folder finds what is the same for all messages that a rule's match leaves.
type folder struct {
	claim
	match match
	memo  map[*node]verdict
}

func (f *folder) fold(n *node) verdict {
	n = f.see(n)
	v, ok := f.memo[n]
	if !ok {
		v = f.look(n)
		f.memo[n] = v
	}
	return v
}

func (f *folder) look(n *node) verdict {
	switch n.Op {
	case condition.OpLiteral:
		if v, ok := n.Value.(bool); ok && v {
			return verdict{truth: always}
		} else if ok {
			return verdict{truth: never}
		}
	case condition.OpNot:
		return f.fold(n.Args[0]).not()
	case condition.OpAnd:
		return f.chain(n, condition.OpAnd, never, always)
	case condition.OpOr:
		return f.chain(n, condition.OpOr, always, never)
	case condition.OpIf:
		test, yes, no := f.fold(n.Args[0]), f.fold(n.Args[1]), f.fold(n.Args[2])
		switch {
		case test.truth == always, yes.truth == no.truth:
			return yes
		case test.truth == never:
			return no
		}
	case condition.OpCall:
		return f.call(n)
	default:
	}
	return verdict{}
}

func (f *folder) call(n *node) verdict {
	if n.Name == "!=" {
		return f.call(&node{Name: "==", Args: n.Args}).not()
	}
	of, values := f.choice(n)
	switch {
	case of == nil:
		return verdict{}
	case len(values) == 0:
		return verdict{never, "the list is empty"}
	case isText(f.see(of)) && values[f.see(of).Value]:
		return verdict{always, "a text is compared with itself"}
	case isText(f.see(of)):
		return verdict{never, "two texts are compared"}
	}
	if n := f.see(of); n.Op == condition.OpRead && n.Name == "principal.type" && !n.Optional &&
		!slices.ContainsFunc(kinds, func(kind any) bool { return values[kind] }) {
		return verdict{never, "`principal.type` is anonymous, api_key or jwt"}
	}
	globs, field := f.matched(f.see(of))
	if globs == nil {
		return verdict{}
	}
	for value := range values {
		name, _ := value.(string)
		if slices.ContainsFunc(globs, func(g policy.Glob) bool { return g.Match(name) }) {
			return verdict{}
		}
	}
	return verdict{never, fmt.Sprintf("`match.%s` leaves no such name", field)}
}

// kinds are what principal.type can be.
var kinds = []any{condition.KindAnonymous, condition.KindAPIKey, condition.KindJWT}

// matched returns what the match says of a name.
func (f *folder) matched(n *node) (globs []policy.Glob, field string) {
	if n.Op != condition.OpRead || n.Optional {
		return nil, ""
	}
	switch n.Name {
	case "mcp.method":
		return f.match.methods, "methods"
	case "mcp.tool.name":
		return f.match.tools, "tools"
	case "mcp.tool.target", "request.mcp.backend":
		return f.match.servers, "servers"
	case "mcp.prompt.name":
		return f.match.prompts, "prompts"
	case "mcp.resource.uri":
		return f.match.resources, "resources"
	}
	return nil, ""
}

// chain folds && and ||: ends is what ends the chain, and empty what is left without parts.
func (f *folder) chain(n *node, op condition.Op, ends, empty truth) verdict {
	parts := f.parts(n, op)
	all := verdict{truth: empty}
	for _, part := range parts {
		v := f.fold(part)
		if v.truth == ends {
			return v
		}
		if v.truth == depends {
			all.truth = depends
		}
	}
	if why := f.excluded(parts, op); why != "" && all.truth == depends {
		return verdict{ends, why}
	}
	return all
}

// excluded says why two parts can't both hold (op is And), or can't both fail to (op is Or); "" if they can.
func (f *folder) excluded(parts []*node, op condition.Op) string {
	why := "no value is both: was `||` meant?"
	if op == condition.OpOr {
		why = "every value differs from one of them: was `&&` meant?"
	}
	keys := map[string]bool{}
	left := map[string]map[any]bool{} // of what is asked for: the values that are left
	for _, part := range parts {
		keys[f.key(part)] = true
	}
	for _, part := range parts {
		if keys["!"+f.key(part)] {
			return "one part is the opposite of another"
		}
		if op == condition.OpOr { // by De Morgan: x != "a" || x != "b"
			part = f.negated(part)
		}
		of, values := f.choice(part)
		if of == nil {
			continue
		}
		key := f.key(of)
		if before, ok := left[key]; ok {
			values = both(before, values)
		}
		if left[key] = values; len(values) == 0 {
			return why
		}
	}
	return ""
}

// negated returns what holds where a part doesn't, if that is written there; else a part that says nothing.
func (f *folder) negated(n *node) *node {
	switch n = f.see(n); {
	case n.Op == condition.OpNot:
		return f.see(n.Args[0])
	case n.Op == condition.OpCall && n.Name == "!=":
		return &node{Name: "==", Args: n.Args}
	}
	return &node{Op: condition.OpList}
}

func both(a, b map[any]bool) map[any]bool {
	out := map[any]bool{}
	for v := range a {
		if b[v] {
			out[v] = true
		}
	}
	return out
}

// repeats says that the last operand of a chain stands in it before.
func (f *folder) repeats(n *node) bool {
	last := n.Args[1]
	if f.see(last).Op == n.Op {
		return false
	}
	key := f.key(last)
	return slices.ContainsFunc(f.parts(n.Args[0], n.Op), func(p *node) bool { return f.key(p) == key })
}
