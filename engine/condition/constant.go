package condition

import (
	"slices"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Comparison is how a condition compares something with a constant.
type Comparison uint8

// The comparisons. Of those that are not listed apart each is AsValue.
const (
	AsValue   Comparison = iota // equal, before, after, or handed to a function beside it
	AsPrefix                    // a string begins with the constant, or a path lies within it
	AsSuffix                    // a string ends with it
	AsPart                      // a string has it in it
	AsLength                    // the size of something is compared with it
	AsMember                    // a list has it in it
	AsHour                      // the hour of a time
	AsWeekday                   // the day of the week of a time, from 0, a Sunday
)

// Constant is a value that a condition compares what it reads with.
type Constant struct {
	Fields  []string // that what is compared is made of, by canonical names
	Of      Comparison
	Value   any  // string, int64, uint64, float64, bool, time.Time, or nil for null
	Element bool // the elements of a field are compared, each by itself
}

// Constants lists what the condition compares its fields with, variables included.
func (c *Condition) Constants() []Constant {
	w := &constants{}
	w.condition(c)
	return w.out
}

// constants collects comparisons.
type constants struct {
	analysis
	scope map[string][]string // what the elements are of that a local name stands for
	seen  []*Condition
	out   []Constant
}

// condition goes through a condition, and through its variables.
func (w *constants) condition(c *Condition) {
	t := c.tracing()
	if t.err != nil || slices.Contains(w.seen, c) {
		return
	}
	w.seen = append(w.seen, c)
	outer := w.analysis
	w.analysis = analysis{variables: c.variables, reads: map[string]struct{}{}}
	w.scope = map[string][]string{}
	ast.PostOrderVisit(t.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.ComprehensionKind {
			l := e.AsComprehension()
			w.locals = append(w.locals, l.AccuVar(), l.IterVar(), l.IterVar2())
			fields, _ := w.fields(l.IterRange())
			w.scope[l.IterVar()] = append(w.scope[l.IterVar()], fields...)
		}
	}))
	ast.PreOrderVisit(t.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.CallKind {
			w.call(e.AsCall())
		}
	}))
	w.walk(t.ast.Expr())
	through := w.through
	w.analysis = outer
	for _, name := range through {
		if v := c.variables.find(name); v != nil && v.cond != nil {
			w.condition(v.cond)
		}
	}
}

// fields are what a part of an expression reads, and whether by way of elements.
func (w *constants) fields(e ast.Expr) (fields []string, element bool) {
	a := analysis{variables: w.variables, locals: w.locals, reads: map[string]struct{}{}}
	a.walk(e)
	fields = compact(a.reads)
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() != ast.IdentKind {
			return
		}
		if of, ok := w.scope[x.AsIdent()]; ok && len(of) > 0 {
			fields, element = append(fields, of...), true
		}
	}))
	slices.Sort(fields)
	return slices.Compact(fields), element
}

// call looks at the operands of a call: constants on one side, what is compared with them on the other.
func (w *constants) call(c ast.CallExpr) {
	operands := c.Args()
	if c.IsMemberFunction() {
		operands = append([]ast.Expr{c.Target()}, operands...)
	}
	switch c.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional, operators.NotStrictlyFalse,
		operators.Index, operators.OptIndex, operators.OptSelect:
		return
	}
	for i, x := range operands {
		values, ok := constantsOf(x)
		if !ok {
			continue
		}
		for j, other := range operands {
			if _, constant := constantsOf(other); i != j && !constant {
				w.compare(c.FunctionName(), other, values, i < j)
			}
		}
	}
}

// compare notes that a part is compared with values, which stand before it or behind it.
func (w *constants) compare(function string, with ast.Expr, values []any, before bool) {
	of := AsValue
	switch function {
	case "startsWith", "path.within", "within":
		of = AsPrefix
	case "endsWith":
		of = AsSuffix
	case "contains":
		of = AsPart
	case operators.In, operators.OldIn:
		if before {
			of = AsMember
		}
	}
	if with.Kind() == ast.CallKind {
		switch with.AsCall().FunctionName() {
		case "size":
			of = AsLength
		case "getHours":
			of = AsHour
		case "getDayOfWeek":
			of = AsWeekday
		}
	}
	fields, element := w.fields(with)
	if len(fields) == 0 {
		return
	}
	for _, v := range values {
		w.out = append(w.out, Constant{Fields: fields, Of: of, Value: v, Element: element})
	}
}

// constantsOf are the values that a part always has: one, or those of a list.
func constantsOf(e ast.Expr) ([]any, bool) {
	switch e.Kind() {
	case ast.LiteralKind:
		v, ok := plainOf(e.AsLiteral())
		return []any{v}, ok
	case ast.ListKind:
		var all []any
		for _, x := range e.AsList().Elements() {
			v, ok := constantsOf(x)
			if !ok {
				return nil, false
			}
			all = append(all, v...)
		}
		return all, len(all) > 0
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() != "timestamp" || len(c.Args()) != 1 || c.Args()[0].Kind() != ast.LiteralKind {
			return nil, false
		}
		text, _ := c.Args()[0].AsLiteral().Value().(string)
		at, err := time.Parse(time.RFC3339, text)
		return []any{at}, err == nil
	default:
		return nil, false
	}
}

func plainOf(v ref.Val) (any, bool) {
	switch v := v.(type) {
	case types.String:
		return string(v), true
	case types.Int:
		return int64(v), true
	case types.Uint:
		return uint64(v), true
	case types.Double:
		return float64(v), true
	case types.Bool:
		return bool(v), true
	case types.Null:
		return nil, true
	default:
		return nil, false
	}
}
