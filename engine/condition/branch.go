package condition

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
	"cel.dev/cel-go/parser"
)

// Branch is an operand of a condition's logic: a part that is true or false and is not itself made of !, &&, || or ?:.
type Branch struct {
	Text   string // the expression, as it could be written
	Line   int    // in the file if the expression stands in one, from 1
	Column int    // from 1, in code points
}

// Branches lists the operands of the condition, as they are written. A macro such as exists is one operand.
func (c *Condition) Branches() []Branch {
	t := c.tracing()
	if t.err != nil {
		return nil
	}
	r := report{text: c.text, info: t.ast.SourceInfo()}
	out := make([]Branch, 0, 4)
	for _, leaf := range logicLeaves(t.ast.Expr(), nil) {
		text, err := parser.Unparse(leaf, t.ast.SourceInfo())
		if err != nil {
			text = c.text.Value
		}
		at := r.token(placeOf(r.info.GetStartLocation(leftmost(leaf).ID())))
		line, col, _ := c.text.At(at.line, at.col, 1)
		out = append(out, Branch{Text: text, Line: line, Column: col})
	}
	return out
}

// IsBool says that the expression is true or false, or fails.
func (c *Condition) IsBool() bool { return c.typ.Kind() == types.BoolKind }

// Seen is which values something had.
type Seen uint8

// What can be seen of something that is a bool.
const (
	SeenTrue Seen = 1 << iota
	SeenFalse
)

// Cover evaluates the condition once more and notes of each of its Branches which value it had, if it was looked at. It returns what the
// condition has said, and which of its Variables it has read.
func (c *Condition) Cover(f *Frame, seen []Seen) (whole Seen, read []string) {
	t := c.tracing()
	if t.err != nil {
		return 0, nil
	}
	v, details, err := t.program.ContextEval(f.ctx, interpreter.Activation(f))
	if err == nil {
		whole = seenOf(v)
	}
	state := details.State()
	for i, leaf := range logicLeaves(t.ast.Expr(), nil) {
		if v, ok := state.Value(leaf.ID()); ok {
			seen[i] |= seenOf(v)
		}
	}
	a := analysis{variables: c.variables, reads: map[string]struct{}{}}
	ast.PostOrderVisit(t.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.SelectKind && e.Kind() != ast.IdentKind {
			return
		}
		if s := a.selection(e); s.variable != nil && s.rest == "" {
			if _, ok := state.Value(e.ID()); ok {
				read = append(read, s.variable.name)
			}
		}
	}))
	return whole, read
}

func seenOf(v any) Seen {
	switch v {
	case types.True:
		return SeenTrue
	case types.False:
		return SeenFalse
	}
	return 0
}

// logicLeaves appends the operands of an expression's logic.
func logicLeaves(e ast.Expr, out []ast.Expr) []ast.Expr {
	if e.Kind() == ast.CallKind {
		switch c := e.AsCall(); c.FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
			for _, a := range c.Args() {
				out = logicLeaves(a, out)
			}
			return out
		}
	}
	if e.Kind() == ast.LiteralKind {
		return out // it has one value only
	}
	return append(out, e)
}

// leftmost finds the part that an expression begins with.
func leftmost(e ast.Expr) ast.Expr {
	for {
		switch e.Kind() {
		case ast.SelectKind:
			if s := e.AsSelect(); !s.IsTestOnly() {
				e = s.Operand()
				continue
			}
		case ast.ComprehensionKind:
			e = e.AsComprehension().IterRange()
			continue
		case ast.CallKind:
			c := e.AsCall()
			if c.IsMemberFunction() {
				e = c.Target()
				continue
			}
			if len(c.Args()) == 2 && operators.Precedence(c.FunctionName()) > 0 {
				e = c.Args()[0]
				continue
			}
		default:
		}
		return e
	}
}
