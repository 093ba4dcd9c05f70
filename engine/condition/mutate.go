package condition

import (
	"fmt"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Mutant is an expression with one small mistake made in it on purpose: cases that hold for it as well don't test what it changes.
type Mutant struct {
	Text   string // the changed expression
	What   string // what was done, in words: "negated", "without `args.limit < 10`"
	Line   int    // where, as of Branch
	Column int
}

// Mutants gives the expression of a condition negated, without each operand of its logic in turn, and with each of its comparisons
// turned or moved by one. An expression that doesn't parse has none.
func (e *Env) Mutants(text source.Text) []Mutant {
	parsed, issues := e.parse(text.Value)
	if issues.Err() != nil {
		return nil
	}
	m := mutator{text: text, original: parsed.NativeRep()}
	line, col, _ := text.At(1, 0, 1)
	m.out = append(m.out, Mutant{Text: "!(" + text.Value + "\n)", What: "negated", Line: line, Column: col})
	m.logic(m.original.Expr())
	return m.out
}

// Opposite says that one of two expressions is the other with a ! before it: of a message for which neither fails, exactly one holds.
// It compares what is written, without blanks and needless parentheses, and says no of what it can't compare.
func (e *Env) Opposite(a, b source.Text) bool {
	x, y := e.plainly(a), e.plainly(b)
	return negates(x, y) || negates(y, x)
}

// plainly parses an expression; nil if that fails.
func (e *Env) plainly(text source.Text) ast.Expr {
	parsed, issues := e.parse(text.Value)
	if issues.Err() != nil {
		return nil
	}
	return parsed.NativeRep().Expr()
}

func negates(x, y ast.Expr) bool {
	if x == nil || y == nil || x.Kind() != ast.CallKind || x.AsCall().FunctionName() != operators.LogicalNot {
		return false
	}
	a, errA := write(x.AsCall().Args()[0])
	b, errB := write(y)
	return errA == nil && errB == nil && a == b
}

type mutator struct {
	text     source.Text
	original *ast.AST
	copied   *ast.AST
	out      []Mutant
}

// add makes one change to a copy of the part at, and keeps what comes of it.
func (m *mutator) add(at ast.Expr, what string, change func(ast.Expr)) {
	m.copied = ast.Copy(m.original)
	found := false
	ast.PostOrderVisit(m.copied.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.ID() == at.ID() && !found {
			found = true
			change(x)
		}
	}))
	text, err := parser.Unparse(m.copied.Expr(), m.copied.SourceInfo())
	if err != nil || !found {
		return
	}
	r := report{text: m.text, info: m.original.SourceInfo()}
	place := r.token(placeOf(r.info.GetStartLocation(leftmost(at).ID())))
	line, col, _ := m.text.At(place.line, place.col, 1)
	m.out = append(m.out, Mutant{Text: text, What: what, Line: line, Column: col})
}

// logic changes the operands of !, &&, || and ?:.
func (m *mutator) logic(x ast.Expr) {
	if x.Kind() != ast.CallKind {
		return
	}
	c := x.AsCall()
	switch op := c.FunctionName(); op {
	case operators.LogicalAnd, operators.LogicalOr:
		for _, operand := range c.Args() {
			if !m.joins(operand, op) { // of a && b && c each is dropped once
				m.add(operand, "without `"+m.brief(operand)+"`", func(x ast.Expr) { m.fix(x, op == operators.LogicalAnd) })
			}
			m.logic(operand)
		}
	case operators.LogicalNot, operators.Conditional:
		if op == operators.Conditional {
			for _, value := range []bool{true, false} {
				m.add(c.Args()[0], fmt.Sprintf("with `%s` always %v", m.brief(c.Args()[0]), value), func(x ast.Expr) { m.fix(x, value) })
			}
		}
		for _, operand := range c.Args() {
			m.logic(operand)
		}
	default:
		if other, ok := turned[op]; ok {
			was, _ := operators.FindReverse(op)
			is, _ := operators.FindReverse(other)
			m.add(x, fmt.Sprintf("with `%s` for `%s` in `%s`", is, was, m.brief(x)), func(x ast.Expr) { m.rename(x, other) })
		}
	}
}

// turned are the comparisons that a slip of the pen makes of others.
var turned = map[string]string{
	operators.Less: operators.LessEquals, operators.LessEquals: operators.Less,
	operators.Greater: operators.GreaterEquals, operators.GreaterEquals: operators.Greater,
	operators.Equals: operators.NotEquals, operators.NotEquals: operators.Equals,
}

func (m *mutator) joins(x ast.Expr, op string) bool {
	return x.Kind() == ast.CallKind && x.AsCall().FunctionName() == op
}

func (m *mutator) brief(x ast.Expr) string {
	text, err := parser.Unparse(x, m.original.SourceInfo())
	if err != nil {
		return "..."
	}
	return source.Brief(text)
}

// fix makes x a constant.
func (m *mutator) fix(x ast.Expr, value bool) {
	m.copied.SourceInfo().ClearMacroCall(x.ID())
	x.SetKindCase(ast.NewExprFactory().NewLiteral(x.ID(), types.Bool(value)))
}

// rename gives a call another operator.
func (m *mutator) rename(x ast.Expr, op string) {
	x.SetKindCase(ast.NewExprFactory().NewCall(x.ID(), op, x.AsCall().Args()...))
}
