package condition

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// A direct is the part of a condition that needs no interpreter: fields of the message compared with literals, joined by
// &&, || and !. Most rules of most policies are nothing else, and most of them end at their first comparison.
//
// It goes from left to right, as CEL does, and ends at the first part that it can't answer, or whose value is missing or
// has not the type of the literal: what that means is for CEL to say. So a definite answer is CEL's answer, and anything
// else costs a few nanoseconds.
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

// test says whether the condition is true or false; Unknown is that CEL must say.
func (d *direct) test(f *Frame) Truth {
	if d == nil {
		return Unknown
	}
	switch d.op {
	case directAnd:
		if t := d.left.test(f); t != True {
			return t
		}
		return d.right.test(f)
	case directOr:
		if t := d.left.test(f); t != False {
			return t
		}
		return d.right.test(f)
	case directNot:
		return d.left.test(f).not()
	case directIn:
		return d.in(f)
	case directPrefix, directSuffix, directContains, directText:
		return d.search(f)
	case directBool, directEqual, directLess, directLessEqual, directGreater, directGreaterEqual:
		return d.compare(f)
	case directNone:
	}
	return Unknown
}

func (t Truth) not() Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	case Unknown:
	}
	return Unknown
}

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

func (d *direct) in(f *Frame) Truth {
	p := f.Input.Principal
	if p == nil {
		return Unknown
	}
	names := p.names(d.list())
	if len(names) > maxListed {
		return Unknown
	}
	for _, s := range names {
		if len(s) > maxListedText {
			return Unknown
		}
	}
	return truth(slices.Contains(names, d.text))
}

func (d *direct) search(f *Frame) Truth {
	s, ok := d.string(f)
	if !ok {
		return Unknown
	}
	switch d.op {
	case directPrefix:
		return truth(strings.HasPrefix(s, d.text))
	case directSuffix:
		return truth(strings.HasSuffix(s, d.text))
	case directContains:
		return truth(strings.Contains(s, d.text))
	default:
		return truth(s == d.text)
	}
}

// string returns the text of the field if it has one that a condition may look into.
func (d *direct) string(f *Frame) (string, bool) {
	if d.name.subject&^f.subjects != 0 {
		return "", false
	}
	in := &f.Input
	if len(d.path) > 0 {
		v := d.value(f)
		if v.Kind() != jsonscan.String || !f.reader.whole(v) {
			return "", false
		}
		return v.Text(), true
	}
	var s string
	switch d.name.slot {
	case slotMethod:
		s = in.Method
	case slotToolName:
		s = in.Tool
	case slotToolTarget, slotServer:
		s = in.Server
	case slotResourceURI:
		s = in.Resource
	case slotPromptName:
		s = in.Prompt
	case slotPrincipalID:
		if in.Principal == nil {
			return "", false
		}
		s = in.Principal.ID
	default:
		return "", false
	}
	return s, len(s) <= f.reader.limit
}

// value returns the field of a JSON object, absent if there is none.
func (d *direct) value(f *Frame) jsonscan.Value {
	if d.name.subject&^f.subjects != 0 {
		return jsonscan.Value{}
	}
	var v jsonscan.Value
	switch d.name.slot {
	case slotArguments:
		v = f.Input.Arguments
	case slotParams:
		v = f.Input.Params
	case slotAnnotations:
		v = f.Input.Annotations
	case slotJWT:
		if p := f.Input.Principal; p != nil && p.Kind == KindJWT {
			v = p.Claims
		}
	case slotClaims:
		if p := f.Input.Principal; p != nil {
			v = p.Claims
		}
	default:
	}
	for _, field := range d.path {
		if v.Kind() != jsonscan.Object {
			return jsonscan.Value{}
		}
		v = v.Get(field)
	}
	return v
}

func (d *direct) compare(f *Frame) Truth {
	v := d.value(f)
	if d.op == directBool {
		switch v.Kind() {
		case jsonscan.True:
			return truth(d.yes)
		case jsonscan.False:
			return truth(!d.yes)
		default:
			return Unknown
		}
	}
	if v.Kind() != jsonscan.Number {
		return Unknown
	}
	n, ok := v.Int64()
	if !ok {
		return Unknown
	}
	switch d.op {
	case directLess:
		return truth(n < d.num)
	case directLessEqual:
		return truth(n <= d.num)
	case directGreater:
		return truth(n > d.num)
	case directGreaterEqual:
		return truth(n >= d.num)
	default:
		return truth(n == d.num)
	}
}
