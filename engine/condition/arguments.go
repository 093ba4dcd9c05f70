package condition

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
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
	At       Place
	From     Place // the place of what Accepts comes from
}

// Step leads from a value into it.
type Step struct {
	Kind StepKind
	Name string // of a Field
	At   Place  // zero: it was taken in a variable, where it is judged
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
	At   Place
}

// Place is a place inside an expression. It is the same wherever the expression stands.
type Place struct{ p place }

// Pos returns where a place inside the condition is in its file.
func (c *Condition) Pos(p Place) source.Pos { return c.text.PosAt(p.p.line, p.p.col, p.p.width) }

// Uses lists what the condition does with the arguments, in no order. It is empty unless Options.Arguments asked for it. Don't change it.
func (c *Condition) Uses() []Use { return c.arguments }

// All returns the variables, but those that don't compile.
func (vs *Variables) All() iter.Seq[*Condition] {
	return func(yield func(*Condition) bool) {
		for i := range vs.list {
			if c := vs.list[i].cond; c != nil && !yield(c) {
				return
			}
		}
	}
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
	case Any, Keyed, Whole: // keys and counts are of no policy, and not compared with schemas
		f.put(o, root, jsonscan.AllKinds, "")
	}
	return f.uses, o
}

const boolKinds = jsonscan.Kinds(1<<jsonscan.True | 1<<jsonscan.False)

// pos returns the place of an expression.
func (f *follower) pos(e ast.Expr) Place {
	return Place{f.r.token(placeOf(f.r.info.GetStartLocation(e.ID())))}
}

// fieldPos returns the place of the name of a field that is selected of operand.
func (f *follower) fieldPos(e, operand ast.Expr, name string) Place {
	start := f.r.token(placeOf(f.r.info.GetStartLocation(operand.ID())))
	start.col += start.width
	if at := f.r.afterDot(start, name); at.width > 1 || len(name) == 1 && f.r.slice(at) == name {
		return Place{at}
	}
	return f.pos(e)
}

// put notes a use of an operand.
func (f *follower) put(o operand, at ast.Expr, accepts jsonscan.Kinds, as string) {
	f.putFrom(o, at, at, accepts, as)
}

func (f *follower) putFrom(o operand, at, from ast.Expr, accepts jsonscan.Kinds, as string) {
	if !o.is {
		return
	}
	u := Use{Path: o.path, Presence: o.optional || o.or != nil, Accepts: accepts, As: as, Or: o.or, At: f.pos(at), From: f.pos(from)}
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
		o := v.cond.argument
		o.path = slices.Clone(o.path)
		for i := range o.path {
			o.path[i].At = Place{}
		}
		return o
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
