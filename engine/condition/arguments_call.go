package condition

import (
	"maps"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// call notes what a call does with its arguments.
func (f *follower) call(e ast.Expr) operand {
	c := e.AsCall()
	args := c.Args()
	switch name := c.FunctionName(); name {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.NotStrictlyFalse:
		for _, a := range args {
			f.need(a, boolKinds, "used as a condition")
		}
	case operators.Conditional:
		f.need(args[0], boolKinds, "used as a condition")
		f.read(args[1:]...)
	case operators.Index, operators.OptIndex, operators.OptSelect:
		return f.index(e, c)
	case operators.Equals, operators.NotEquals:
		f.compare(args[0], args[1])
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		f.ordered(e, args)
	case operators.In, operators.OldIn:
		f.member(args[0], args[1])
	case "value", "orValue", "or", "hasValue":
		if c.IsMemberFunction() {
			return f.optional(e, c)
		}
		f.read(args...)
	default:
		f.overloaded(e, c)
	}
	return operand{}
}

// index is x[y], x[?y] and x.?y.
func (f *follower) index(e ast.Expr, c ast.CallExpr) operand {
	o, key := f.walk(c.Args()[0]), c.Args()[1]
	l, ok := constant(key)
	if !ok {
		f.read(key)
	}
	if !o.is {
		return operand{}
	}
	o.optional = o.optional || c.FunctionName() != operators.Index
	step := Step{Kind: Inside, At: f.pos(e)}
	switch {
	case ok && l.Kind == jsonscan.String && c.FunctionName() == operators.OptSelect:
		step = Step{Kind: Field, Name: l.Text, At: f.fieldPos(e, c.Args()[0], l.Text)}
	case ok && l.Kind == jsonscan.String:
		step = Step{Kind: Field, Name: l.Text, At: f.pos(key)}
	case ok && l.Kind == jsonscan.Number:
		step = Step{Kind: Element, At: f.pos(key)}
	}
	return f.into(o, step)
}

// optional is a function of an optional.
func (f *follower) optional(e ast.Expr, c ast.CallExpr) operand {
	o := f.walk(c.Target())
	if !o.is || !o.optional {
		f.put(o, c.Target(), jsonscan.AllKinds, "")
		f.read(c.Args()...)
		return operand{}
	}
	switch c.FunctionName() {
	case "value":
		f.put(o, e, jsonscan.AllKinds, "")
		o.optional = false
		return o
	case "orValue":
		f.put(o, e, jsonscan.AllKinds, "")
		if l, ok := constant(c.Args()[0]); ok {
			o.optional, o.or = false, []Literal{l}
			return o
		}
	default:
		f.put(o, e, jsonscan.AllKinds, "")
	}
	f.read(c.Args()...)
	return operand{}
}

// compare is == and !=.
func (f *follower) compare(a, b ast.Expr) {
	for range 2 {
		if o := f.walk(a); o.is {
			f.compared(o, a, b)
		}
		a, b = b, a
	}
}

// compared notes that an operand is compared with an expression.
func (f *follower) compared(o operand, e, with ast.Expr) {
	l, ok := constant(with)
	switch {
	case o.optional || ok && l.Kind == jsonscan.Null: // to ask for null is to be careful
		f.put(o, e, jsonscan.AllKinds, "")
	case ok:
		l.At = f.pos(with)
		f.uses = append(f.uses, Use{
			Path: o.path, Presence: o.or != nil, Accepts: jsonscan.AllKinds, Values: []Literal{l}, Or: o.or, At: f.pos(e),
		})
	default:
		t := f.ast.GetType(with.ID())
		f.put(o, e, kindsOf(t), "compared with "+article(typeName(t)))
	}
}

// ordered is < and its like.
func (f *follower) ordered(e ast.Expr, args []ast.Expr) {
	ids := f.ast.GetOverloadIDs(e.ID())
	for i, a := range args {
		with, name := args[1-i], e.AsCall().FunctionName()
		from, as := a, "used with `"+shown(name)+"`"
		if t := f.ast.GetType(with.ID()); kindsOf(t) != jsonscan.AllKinds {
			from, as = with, "compared with "+article(typeName(t))
		}
		f.putFrom(f.walk(a), a, from, f.accepted(name, ids, i), as)
	}
}

// member is x in y.
func (f *follower) member(a, b ast.Expr) {
	o := f.walk(a)
	if b.Kind() == ast.ListKind && o.is && !o.optional {
		f.among(o, a, b.AsList().Elements())
	} else {
		f.put(o, a, jsonscan.AllKinds, "")
	}
	in := f.need(b, jsonscan.KindsOf(jsonscan.Array, jsonscan.Object), "looked into by `in`")
	l, ok := constant(a)
	if !in.is || in.optional || !ok {
		return
	}
	at := f.pos(a)
	l.At = at
	if len(in.path) == 0 && l.Kind == jsonscan.String { // "path" in args
		in = f.into(in, Step{Kind: Field, Name: l.Text, At: at})
		f.uses = append(f.uses, Use{Path: in.path, Presence: true, Accepts: jsonscan.AllKinds, At: at})
		return
	}
	if in = f.into(in, Step{Kind: Each, At: at}); in.is {
		f.uses = append(f.uses, Use{Path: in.path, Accepts: jsonscan.AllKinds, Values: []Literal{l}, At: at})
	}
}

// among notes that an operand is looked for in a list of literals, each of which it should be able to be.
func (f *follower) among(o operand, e ast.Expr, elements []ast.Expr) {
	u := Use{Path: o.path, Presence: o.or != nil, Accepts: jsonscan.AllKinds, Or: o.or, At: f.pos(e)}
	for _, element := range elements {
		if l, ok := constant(element); ok && l.Kind != jsonscan.Null {
			l.At = f.pos(element)
			u.Values = append(u.Values, l)
		}
	}
	f.uses = append(f.uses, u)
}

// overloaded is a call of a function that takes some kinds of values.
func (f *follower) overloaded(e ast.Expr, c ast.CallExpr) {
	args := c.Args()
	if c.IsMemberFunction() {
		args = append([]ast.Expr{c.Target()}, args...)
	}
	ids := f.ast.GetOverloadIDs(e.ID())
	for i, a := range args {
		f.need(a, f.accepted(c.FunctionName(), ids, i), "used with `"+shown(c.FunctionName())+"`")
	}
}

// accepted is what the overloads of a call take in a place.
func (f *follower) accepted(function string, ids []string, i int) jsonscan.Kinds {
	decl := f.env.Functions()[function]
	if decl == nil || len(ids) == 0 {
		return jsonscan.AllKinds
	}
	var kinds jsonscan.Kinds
	known := 0
	for _, o := range decl.OverloadDecls() {
		if !slices.Contains(ids, o.ID()) || i >= len(o.ArgTypes()) {
			continue
		}
		known++
		kinds |= kindsOf(o.ArgTypes()[i])
	}
	if known < len(ids) {
		return jsonscan.AllKinds
	}
	return kinds
}

// shown is a function's name as people write it.
func shown(function string) string {
	if s, ok := operators.FindReverse(function); ok && s != "" {
		return s
	}
	return function
}

func (f *follower) comprehension(c ast.ComprehensionExpr) operand {
	before := f.locals
	f.locals = maps.Clone(before)
	defer func() { f.locals = before }()
	bound := f.bound(c)
	over := operand{}
	if !bound.is {
		over = f.need(c.IterRange(), jsonscan.KindsOf(jsonscan.Array, jsonscan.Object), "looked through")
		f.read(c.AccuInit())
	}
	each := operand{}
	if over.is && !over.optional && c.IterVar2() == "" {
		each = f.into(over, Step{Kind: Each, At: f.pos(c.IterRange())})
	}
	f.locals[c.IterVar()], f.locals[c.IterVar2()], f.locals[c.AccuVar()] = each, operand{}, bound
	f.read(c.LoopCondition(), c.LoopStep())
	return f.walk(c.Result())
}

// bound is what cel.bind gives a name to: a comprehension over nothing, whose result reads what it begins with.
func (f *follower) bound(c ast.ComprehensionExpr) operand {
	if c.IterRange().Kind() != ast.ListKind || c.IterRange().AsList().Size() > 0 {
		return operand{}
	}
	return f.need(c.AccuInit(), jsonscan.AllKinds, "")
}
