package lint

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
)

type node = condition.Node

// scope is what the expressions of a policy see in a phase: its variables.
type scope struct {
	policy    *policy.Policy
	variables map[string]*node
	keys      map[*node]string
	flat      map[flattened][]*node
}

type flattened struct {
	n  *node
	op condition.Op
}

func newScope(env *condition.Env, p *policy.Policy, response bool) *scope {
	s := &scope{policy: p, variables: map[string]*node{}, keys: map[*node]string{}, flat: map[flattened][]*node{}}
	for _, v := range p.Variables {
		n := env.Syntax(v.Expression, response)
		n.Walk(func(part *node) {
			if name, _, ok := variable(part); ok && s.variables[name] == nil {
				n = nil // it sees only those above it; nothing is said of what doesn't compile
			}
		})
		s.variables[v.Name] = n
	}
	return s
}

// variable returns the name of the variable that a node reads, and what is selected of it.
func variable(n *node) (name, rest string, ok bool) {
	if n.Op != condition.OpRead && n.Op != condition.OpHas {
		return "", "", false
	}
	path, ok := strings.CutPrefix(n.Name, "variables.")
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i], path[i:], ok
	}
	return path, "", ok
}

// see returns what a node stands for, through variables.
func (s *scope) see(n *node) *node {
	for {
		name, rest, ok := variable(n)
		if !ok || rest != "" || n.Op == condition.OpHas || s.variables[name] == nil {
			return n
		}
		n = s.variables[name]
	}
}

// key identifies what a node says: two nodes with one key have the same value for every message, in whatever policies they stand.
func (s *scope) key(n *node) string {
	if key, ok := s.keys[n]; ok {
		return key
	}
	key := s.write(n)
	if len(key) > 256 { // variables of variables: it must not grow without end
		key = fmt.Sprintf("#%x", sha256.Sum256([]byte(key)))
	}
	s.keys[n] = key
	return key
}

func (s *scope) write(n *node) string {
	if name, rest, ok := variable(n); ok && s.variables[name] != nil {
		v := s.see(s.variables[name])
		switch {
		case n.Op == condition.OpRead && rest == "":
			return s.key(v)
		case v.Op == condition.OpRead && rest != "":
			return s.key(&node{Op: n.Op, Name: v.Name + rest, Optional: n.Optional || v.Optional})
		}
		return fmt.Sprintf("%d:%s%s", n.Op, s.key(v), rest)
	}
	keys := make([]string, len(n.Args))
	switch n.Op {
	case condition.OpLiteral:
		return fmt.Sprintf("%T(%#v)", n.Value, n.Value)
	case condition.OpAnd, condition.OpOr:
		var parts []string
		for _, part := range s.parts(n, n.Op) {
			parts = append(parts, s.key(part))
		}
		slices.Sort(parts)
		return fmt.Sprintf("%d(%s)", n.Op, strings.Join(parts, ","))
	case condition.OpNot:
		return "!" + s.key(n.Args[0])
	case condition.OpLocal:
		return "local " + n.Name
	default:
		for i, a := range n.Args {
			keys[i] = s.key(a)
		}
	}
	name := n.Name
	if n.Op == condition.OpCall && (name == "==" || name == "!=") {
		slices.Sort(keys)
		if name == "!=" {
			return "!" + fmt.Sprintf("%d:==false(%s)", n.Op, strings.Join(keys, ","))
		}
	}
	return fmt.Sprintf("%d:%s%t(%s)", n.Op, name, n.Optional, strings.Join(keys, ","))
}

// parts returns the operands of a chain of && or ||, through variables, each once.
func (s *scope) parts(n *node, op condition.Op) []*node {
	n = s.see(n)
	if n.Op != op {
		return []*node{n}
	}
	at := flattened{n, op}
	if parts, ok := s.flat[at]; ok {
		return parts
	}
	var out []*node
	seen := map[string]bool{}
	for _, a := range n.Args {
		for _, part := range s.parts(a, op) {
			if key := s.key(part); !seen[key] {
				seen[key] = true
				out = append(out, part)
			}
		}
	}
	s.flat[at] = out
	return out
}

// claim is a node, with what its variables are.
type claim struct {
	*scope
	n *node
}

func (c claim) of(n *node) claim { return claim{c.scope, n} }

// implies says that a is true only where b is, and fails only where b fails or is true. It may say no where that is so.
func implies(a, b claim) bool {
	a.n, b.n = a.see(a.n), b.see(b.n)
	if a.key(a.n) == b.key(b.n) {
		return true
	}
	switch {
	case b.n.Op == condition.OpAnd:
		return every(b, condition.OpAnd, func(part claim) bool { return implies(a, part) })
	case a.n.Op == condition.OpOr:
		return every(a, condition.OpOr, func(part claim) bool { return implies(part, b) })
	case a.n.Op == condition.OpAnd && !every(a, condition.OpAnd, func(part claim) bool { return !implies(part, b) }):
		return true
	case b.n.Op == condition.OpOr:
		return !every(b, condition.OpOr, func(part claim) bool { return !implies(a, part) })
	}
	return oneOf(a, b)
}

func every(c claim, op condition.Op, holds func(claim) bool) bool {
	for _, part := range c.parts(c.n, op) {
		if !holds(c.of(part)) {
			return false
		}
	}
	return true
}

// oneOf says that a asks for some of the values that b asks for.
func oneOf(a, b claim) bool {
	x, some := a.choice(a.n)
	y, all := b.choice(b.n)
	if x == nil || y == nil || a.key(x) != b.key(y) {
		return false
	}
	for value := range some {
		if !all[value] {
			return false
		}
	}
	return true
}

// choice reads `x == "a"` and `x in ["a", "b"]`: what is asked for, and its values.
func (s *scope) choice(n *node) (of *node, values map[any]bool) {
	n = s.see(n)
	if n.Op != condition.OpCall || len(n.Args) != 2 {
		return nil, nil
	}
	l, r := n.Args[0], s.see(n.Args[1])
	switch {
	case n.Name == "==" && isText(r):
		return l, map[any]bool{r.Value: true}
	case n.Name == "==" && isText(s.see(l)):
		return n.Args[1], map[any]bool{s.see(l).Value: true}
	case n.Name == "in" && r.Op == condition.OpList:
		values = map[any]bool{}
		for _, e := range r.Args {
			if !isText(e) {
				return nil, nil
			}
			values[e.Value] = true
		}
		return l, values
	}
	return nil, nil
}

func isText(n *node) bool {
	_, ok := n.Value.(string)
	return ok && n.Op == condition.OpLiteral
}
