package condition

import (
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// A direct is the part of a condition that needs no interpreter: fields of the message compared with literals, joined by
// &&, || and !. Most rules of most policies are nothing else, and most of them end at their first comparison.
//
// It goes from left to right, as CEL does, and ends at the first part that it can't answer, or whose value is missing or
// has not the type of the literal: what that means is for CEL to say. So a definite answer is CEL's answer, and anything
// else costs a few nanoseconds. In a Blank frame "not known" is a definite answer too.
type direct struct {
	op          directOp
	left, right *direct // of and, or; of not: left

	name *name
	path []string // below name
	text string
	num  int64
	yes  bool
}

// directOp is what a direct does. The zero directOp can't say.
type directOp uint8

const (
	directNone directOp = iota
	directAnd
	directOr
	directNot
	directIn     // text is one of the list
	directPrefix // the field begins with text
	directSuffix
	directContains
	directText // the field is text
	directBool // the field is yes
	directEqual
	directLess
	directLessEqual
	directGreater
	directGreaterEqual
)

// newDirect returns nil if nothing can be said without CEL.
func newDirect(e ast.Expr) *direct {
	if e.Kind() != ast.CallKind {
		return nil
	}
	c := e.AsCall()
	args := c.Args()
	switch fn := c.FunctionName(); fn {
	case operators.LogicalAnd, operators.LogicalOr:
		return joinDirect(fn == operators.LogicalOr, args)
	case operators.LogicalNot:
		return notDirect(newDirect(args[0]))
	case operators.In:
		return inDirect(args)
	case operators.Equals:
		return equalDirect(args)
	case operators.NotEquals:
		return notDirect(equalDirect(args))
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return orderDirect(fn, args)
	case "startsWith", "endsWith", "contains":
		if c.IsMemberFunction() && len(args) == 1 {
			return searchDirect(fn, c.Target(), args[0])
		}
	}
	return nil
}

// joinDirect joins parts from the left. Behind one that only CEL can answer the rest is CEL's too.
func joinDirect(or bool, parts []ast.Expr) *direct {
	d := newDirect(parts[0])
	if d == nil {
		return nil
	}
	op := directAnd
	if or {
		op = directOr
	}
	for _, p := range parts[1:] {
		d = &direct{op: op, left: d, right: newDirect(p)}
	}
	return d
}

func notDirect(d *direct) *direct {
	if d == nil {
		return nil
	}
	return &direct{op: directNot, left: d}
}

func inDirect(args []ast.Expr) *direct {
	text, ok := literal(args[0]).(string)
	n, path := directField(args[1])
	if !ok || n == nil || len(path) > 0 {
		return nil
	}
	switch n.slot {
	case slotGroups, slotRoles, slotScopes:
		return &direct{op: directIn, name: n, text: text}
	default:
		return nil
	}
}

func equalDirect(args []ast.Expr) *direct {
	field, lit := args[0], args[1]
	if field.Kind() == ast.LiteralKind {
		field, lit = lit, field
	}
	d := ofField(field)
	if d == nil {
		return nil
	}
	switch v := literal(lit).(type) {
	case string:
		d.op, d.text = directText, v
	case bool:
		d.op, d.yes = directBool, v
	case int64:
		d.op, d.num = directEqual, v
	default:
		return nil
	}
	return d
}

func orderDirect(fn string, args []ast.Expr) *direct {
	op := map[string]directOp{
		operators.Less: directLess, operators.LessEquals: directLessEqual,
		operators.Greater: directGreater, operators.GreaterEquals: directGreaterEqual,
	}[fn]
	field, lit := args[0], args[1]
	if field.Kind() == ast.LiteralKind {
		field, lit = lit, field
		op = map[directOp]directOp{
			directLess: directGreater, directLessEqual: directGreaterEqual,
			directGreater: directLess, directGreaterEqual: directLessEqual,
		}[op]
	}
	d := ofField(field)
	num, ok := literal(lit).(int64)
	if d == nil || !ok {
		return nil
	}
	d.op, d.num = op, num
	return d
}

func searchDirect(fn string, target, arg ast.Expr) *direct {
	d := ofField(target)
	text, ok := literal(arg).(string)
	if d == nil || !ok {
		return nil
	}
	d.op = map[string]directOp{"startsWith": directPrefix, "endsWith": directSuffix, "contains": directContains}[fn]
	d.text = text
	return d
}

func literal(e ast.Expr) any {
	if e.Kind() != ast.LiteralKind {
		return nil
	}
	return e.AsLiteral().Value()
}

func ofField(e ast.Expr) *direct {
	n, path := directField(e)
	if n == nil {
		return nil
	}
	return &direct{name: n, path: path}
}

// directField returns the field that e selects by names that are written out, nil if it is nothing of the kind.
func directField(e ast.Expr) (*name, []string) {
	switch e.Kind() {
	case ast.IdentKind:
		if n := byPath[strings.TrimPrefix(e.AsIdent(), ".")]; n != nil {
			return n, nil
		}
	case ast.SelectKind:
		if s := e.AsSelect(); !s.IsTestOnly() {
			return selectDirect(s.Operand(), s.FieldName())
		}
	case ast.CallKind:
		if c := e.AsCall(); c.FunctionName() == operators.Index {
			if field, ok := literal(c.Args()[1]).(string); ok {
				return selectDirect(c.Args()[0], field)
			}
		}
	default:
	}
	return nil, nil
}

func selectDirect(operand ast.Expr, field string) (*name, []string) {
	n, path := directField(operand)
	switch {
	case n == nil:
		return nil, nil
	case n.object != noObject:
		return byPath[n.path+"."+field], nil
	}
	return n, append(path, field)
}
