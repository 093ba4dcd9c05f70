package condition

import (
	"cmp"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// trace is the program that remembers the value of each part. It is made when it is first
// asked for: a gateway at rest has none.
type trace struct {
	program cel.Program
	ast     *ast.AST
	parts   []tracedPart // in the order in which they stand
	path    string       // the name that the whole reads
	err     error

	// frames are what the program is run in, one at a time. Each has a table of values, which costs more to make than to fill; a program
	// that shared it with others would have to clear it of all of theirs.
	frames sync.Pool
}

// tracedPart is a part of an expression whose value is shown.
type tracedPart struct {
	id           int64
	line, column int
	path         string // the name that it reads; "" if it computes
}

func (c *Condition) tracing() *trace {
	c.traced.Do(func() {
		// The variables are declared anew, from a copy: c.variables is sealed and shared.
		vs := &Variables{env: c.env, response: c.variables.response, list: c.variables.list}
		checked, ds := c.env.check(c.text, Any, vs)
		if ds.HasErrors() {
			c.trace = &trace{err: ds}
			return
		}
		tree := checked.NativeRep()
		l := partList{analysis: analysis{variables: c.variables, reads: map[string]struct{}{}}, info: tree.SourceInfo(), seen: map[int64]bool{}}
		l.text.text = c.text
		l.walk(tree.Expr())
		slices.SortStableFunc(l.parts, func(a, b tracedPart) int {
			return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
		})
		t := &trace{ast: tree, parts: l.parts, path: l.readPath(tree.Expr())}
		t.program, t.err = c.env.phase(vs.response).PlanProgram(tree, c.env.tracked(c.cheap)...)
		c.trace = t
	})
	return c.trace
}

// partList lists the parts of an expression.
type partList struct {
	analysis
	info  *ast.SourceInfo
	text  report // for places
	seen  map[int64]bool
	parts []tracedPart
}

// walk lists the parts as they are written: a macro is one part, whose inside has another
// value on every step and is left out.
func (l *partList) walk(x ast.Expr) {
	if l.seen[x.ID()] {
		return
	}
	l.seen[x.ID()] = true
	l.part(x)
	switch x.Kind() {
	case ast.CallKind:
		c := x.AsCall()
		if c.IsMemberFunction() {
			l.walk(c.Target())
		}
		for _, a := range c.Args() {
			l.walk(a)
		}
	case ast.SelectKind:
		if operand := x.AsSelect().Operand(); operand.Kind() != ast.IdentKind && operand.Kind() != ast.SelectKind {
			l.walk(operand)
		}
	case ast.ListKind:
		for _, el := range x.AsList().Elements() {
			l.walk(el)
		}
	case ast.ComprehensionKind:
		l.walk(x.AsComprehension().IterRange())
	default:
	}
}

func (l *partList) part(x ast.Expr) {
	if x.Kind() == ast.LiteralKind || x.Kind() == ast.ListKind {
		return
	}
	at := l.text.token(placeOf(l.info.GetStartLocation(x.ID())))
	l.parts = append(l.parts, tracedPart{id: x.ID(), line: at.line, column: at.col, path: l.readPath(x)})
}

// readPath returns the canonical name that a part reads, "" if it computes.
func (l *partList) readPath(x ast.Expr) string {
	switch x.Kind() {
	case ast.IdentKind, ast.SelectKind:
	case ast.CallKind:
		switch x.AsCall().FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
		default:
			return ""
		}
	default:
		return ""
	}
	s := l.selection(x)
	switch {
	case s.presence:
		return ""
	case s.variable != nil:
		return variablesRoot + "." + s.variable.name + s.rest
	case s.name != nil && s.name.object == noObject:
		return s.name.canonical() + s.rest
	}
	return ""
}

// traced is how the evaluation of a condition went.
type traced struct {
	value ref.Val
	err   error
	parts []ref.Val // of the trace; nil: not evaluated
}

// follow evaluates the expression with the tracing program, once in a Frame that traces.
func (c *Condition) follow(f *Frame) traced {
	if t, ok := f.traces[c]; ok {
		return t
	}
	t := c.run(f)
	if f.traces != nil {
		f.traces[c] = t
	}
	return t
}

func (c *Condition) run(f *Frame) traced {
	t := c.tracing()
	if t.err != nil {
		return traced{err: t.err}
	}
	if !c.cheap {
		return t.outcome(t.program.ContextEval(f.ctx, interpreter.Activation(f)))
	}
	frame, ok := t.frames.Get().(*interpreter.ExecutionFrame)
	if !ok {
		frame, _ = interpreter.NewExecutionFrame(interpreter.EmptyActivation()) // it fails for what is no activation only
	}
	frame.SetScope(f)
	went := t.outcome(t.program.Eval(frame))
	if went.err == nil { // else it may have been left in the middle
		frame.SetScope(nil)
		t.frames.Put(frame)
	}
	return went
}

// outcome takes what an evaluation returns, and the values of the parts out of the table, where the next evaluation would find them.
func (t *trace) outcome(v ref.Val, details *cel.EvalDetails, err error) traced {
	went := traced{value: v}
	if err != nil {
		went.value, went.err = nil, cause(err)
	}
	state := details.State()
	if state == nil {
		return went
	}
	went.parts = make([]ref.Val, len(t.parts))
	for i := range t.parts {
		if v, ok := state.Value(t.parts[i].id); ok {
			went.parts[i] = v
			state.SetValue(t.parts[i].id, nil)
		}
	}
	return went
}
