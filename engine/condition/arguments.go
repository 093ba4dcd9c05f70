package condition

import (
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// Use is one thing that an expression does with a value of the arguments of a call: what there is to compare with the schema of a tool.
type Use struct {
	Path     []Step
	Presence bool           // it is asked whether the value is there, or only read if it is
	Accepts  jsonscan.Kinds // the kinds of values that this works with; with others it fails, or is the same for all
	As       string         // what Accepts comes from, as a message says it: "compared with a number"
	Values   []Literal      // that the value is compared with
	Or       []Literal      // what stands in for the value where it is absent
	At       source.Pos
}

// Step leads from a value into it.
type Step struct {
	Kind StepKind
	Name string // of a Field
	At   source.Pos
}

// StepKind is a way into a value.
type StepKind uint8

// The ways.
const (
	Field   StepKind = iota // the member of an object by its name
	Element                 // some element of a list
	Each                    // an element of a list or a name of an object's member
	Inside                  // a member or an element that only the message tells
)

// Literal is a string, a number, a bool or null that stands in an expression.
type Literal struct {
	Kind jsonscan.Kind
	Text string // of a string or a number
	At   source.Pos
}

// Uses lists what the condition does with the arguments, in no order. It is empty unless Options.Arguments asked for it. Don't change it.
func (c *Condition) Uses() []Use { return c.arguments }

// Uses lists what the variables do with the arguments, as Condition.Uses does.
func (vs *Variables) Uses() (all []Use) {
	for i := range vs.list {
		if c := vs.list[i].cond; c != nil {
			all = append(all, c.arguments...)
		}
	}
	return all
}

// operand is an expression that is a value of the arguments.
type operand struct {
	is       bool
	path     []Step
	optional bool      // a CEL optional: what isn't there is no error
	or       []Literal // what it is where that isn't there
}

// follower finds the uses in a checked expression.
type follower struct {
	r         *report
	env       *cel.Env
	ast       *ast.AST
	variables *Variables
	locals    map[string]operand
	uses      []Use
}

// follow returns the uses, and what the whole expression is.
func (e *Env) follow(checked *cel.Ast, r *report, want Want, vs *Variables) ([]Use, operand) {
	f := &follower{r: r, env: e.phase(vs.response), ast: checked.NativeRep(), variables: vs, locals: map[string]operand{}}
	root := f.ast.Expr()
	o := f.walk(root)
	switch want {
	case Bool:
		f.put(o, root, boolKinds, "used as a condition")
	case Text:
		f.put(o, root, jsonscan.KindsOf(jsonscan.String), "used as a message")
	case Any:
		f.put(o, root, jsonscan.AllKinds, "")
	}
	return f.uses, o
}

const boolKinds = jsonscan.Kinds(1<<jsonscan.True | 1<<jsonscan.False)

// pos returns the place of an expression.
func (f *follower) pos(e ast.Expr) source.Pos {
	return f.posAt(f.r.token(placeOf(f.r.info.GetStartLocation(e.ID()))))
}

func (f *follower) posAt(p place) source.Pos { return f.r.text.PosAt(p.line, p.col, p.width) }

// fieldPos returns the place of the name of a field that is selected of operand.
func (f *follower) fieldPos(e, operand ast.Expr, name string) source.Pos {
	start := f.r.token(placeOf(f.r.info.GetStartLocation(operand.ID())))
	start.col += start.width
	if at := f.r.afterDot(start, name); at.width > 1 || len(name) == 1 && f.r.slice(at) == name {
		return f.posAt(at)
	}
	return f.pos(e)
}

// put notes a use of an operand.
func (f *follower) put(o operand, at ast.Expr, accepts jsonscan.Kinds, as string) {
	if !o.is {
		return
	}
	u := Use{Path: o.path, Presence: o.optional || o.or != nil, Accepts: accepts, As: as, Or: o.or, At: f.pos(at)}
	if o.optional { // what is done is done with the optional
		u.Accepts, u.As = jsonscan.AllKinds, ""
	}
	f.uses = append(f.uses, u)
}

// read walks an expression of whose value nothing is asked.
func (f *follower) read(exprs ...ast.Expr) {
	for _, e := range exprs {
		f.need(e, jsonscan.AllKinds, "")
	}
}

// need walks an expression whose value must be of some kinds.
func (f *follower) need(e ast.Expr, accepts jsonscan.Kinds, as string) operand {
	o := f.walk(e)
	f.put(o, e, accepts, as)
	return o
}

// walk notes the uses inside an expression, and returns what it is itself, which its caller is to note.
func (f *follower) walk(e ast.Expr) operand {
	switch e.Kind() {
	case ast.IdentKind:
		return f.ident(e.AsIdent())
	case ast.SelectKind:
		return f.selected(e)
	case ast.CallKind:
		return f.call(e)
	case ast.ListKind:
		f.read(e.AsList().Elements()...)
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			f.read(entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
	case ast.StructKind:
		for _, field := range e.AsStruct().Fields() {
			f.read(field.AsStructField().Value())
		}
	case ast.ComprehensionKind:
		return f.comprehension(e.AsComprehension())
	default:
	}
	return operand{}
}

func (f *follower) ident(name string) operand {
	if o, ok := f.locals[name]; ok {
		return o
	}
	name = strings.TrimPrefix(name, ".")
	if field, ok := strings.CutPrefix(name, variablesRoot+"."); ok {
		return f.variable(field)
	}
	if n := byPath[name]; n != nil && n.slot == slotArguments {
		return operand{is: true}
	}
	return operand{}
}

func (f *follower) variable(name string) operand {
	if v := f.variables.find(name); v != nil && v.cond != nil {
		return v.cond.argument
	}
	return operand{}
}

// selected is a field of something.
func (f *follower) selected(e ast.Expr) operand {
	s := e.AsSelect()
	if id := s.Operand(); id.Kind() == ast.IdentKind && strings.TrimPrefix(id.AsIdent(), ".") == variablesRoot {
		return f.variable(s.FieldName())
	}
	o := f.walk(s.Operand())
	if !o.is {
		return operand{}
	}
	o = f.into(o, Step{Kind: Field, Name: s.FieldName(), At: f.fieldPos(e, s.Operand(), s.FieldName())})
	if s.IsTestOnly() {
		o.optional = true
		f.put(o, e, jsonscan.AllKinds, "")
		return operand{}
	}
	return o
}

// into is what a step leads to. Of what stands in for an absent value nothing more is known.
func (f *follower) into(o operand, s Step) operand {
	if o.or != nil {
		return operand{}
	}
	o.path = append(slices.Clip(o.path), s)
	return o
}

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
	f.locals = make(map[string]operand, len(before)+3)
	for name, o := range before {
		f.locals[name] = o
	}
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

// constant returns the value of an expression that is one.
func constant(e ast.Expr) (Literal, bool) {
	if e.Kind() != ast.LiteralKind {
		return Literal{}, false
	}
	switch v := e.AsLiteral().(type) {
	case types.String:
		return Literal{Kind: jsonscan.String, Text: string(v)}, true
	case types.Bool:
		if v {
			return Literal{Kind: jsonscan.True}, true
		}
		return Literal{Kind: jsonscan.False}, true
	case types.Int:
		return Literal{Kind: jsonscan.Number, Text: strconv.FormatInt(int64(v), 10)}, true
	case types.Uint:
		return Literal{Kind: jsonscan.Number, Text: strconv.FormatUint(uint64(v), 10)}, true
	case types.Double:
		return Literal{Kind: jsonscan.Number, Text: strconv.FormatFloat(float64(v), 'g', -1, 64)}, true
	case types.Null:
		return Literal{Kind: jsonscan.Null}, true
	}
	return Literal{}, false
}

// kindsOf returns the kinds of the JSON values that can be equal to a value of a type, or be given where one is wanted.
func kindsOf(t *cel.Type) jsonscan.Kinds {
	if t == nil {
		return jsonscan.AllKinds
	}
	switch t.Kind() {
	case types.BoolKind:
		return boolKinds
	case types.StringKind:
		return jsonscan.KindsOf(jsonscan.String)
	case types.IntKind, types.UintKind, types.DoubleKind:
		return jsonscan.KindsOf(jsonscan.Number)
	case types.ListKind:
		return jsonscan.KindsOf(jsonscan.Array)
	case types.MapKind:
		return jsonscan.KindsOf(jsonscan.Object)
	case types.NullTypeKind:
		return jsonscan.KindsOf(jsonscan.Null)
	case types.BytesKind, types.DurationKind, types.TimestampKind:
		return 0
	default:
		return jsonscan.AllKinds
	}
}
