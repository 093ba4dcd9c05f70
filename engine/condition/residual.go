package condition

import (
	"errors"
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// UnknownFields lists fields that are not known yet, by canonical names: "args" is all arguments, "args.path" one of them.
type UnknownFields []string

// touches says that a field, or a part of it, or what it is a part of, is not known.
func (u UnknownFields) touches(path string) bool {
	return slices.ContainsFunc(u, func(p string) bool { return within(path, p) || within(p, path) })
}

// Residual is what is left of a condition when what is known is put in.
type Residual struct {
	True   Formula // when it is true
	False  Formula // when it is false
	Absent Formula // when it fails because it is about what the message is not about: see AbsentError
	Err    error   // that it always fails with; nil if it does not
}

// Residual evaluates the condition as far as it does not depend on what is unknown; the frame's input need not have that. Variables
// are replaced by what they stand for, known parts by their values; a value that mask would hide is left to its name.
//
// Where the condition joins something that the message is not about to something unknown by ||, Absent may hold more seldom than the
// condition fails so: a deny by such a rule is then expected for more than it will deny.
func (c *Condition) Residual(f *Frame, u UnknownFields, mask Mask) Residual {
	if !slices.ContainsFunc(c.uses.reads, u.touches) {
		f.SetVariables(c.variables)
		t, err := c.Test(f)
		return definite(truthValue(t), err)
	}
	p := &partial{frame: f, unknown: u, mask: mask}
	v, err := p.view(c)
	if err != nil {
		return Residual{Err: err}
	}
	return v.truth(v.ast.Expr())
}

func truthValue(t Truth) ref.Val { return types.Bool(t == True) }

// definite is the residual of what is known.
func definite(v ref.Val, err error) Residual {
	if err != nil {
		if _, ok := errors.AsType[*AbsentError](err); ok {
			return Residual{Absent: Always(), Err: err}
		}
		return Residual{Err: err}
	}
	switch v {
	case types.True:
		return Residual{True: Always()}
	case types.False:
		return Residual{False: Always()}
	}
	return Residual{Err: errors.New("it is not a bool, but a " + v.Type().TypeName())}
}

// partial evaluates one condition, with what it reads through variables.
type partial struct {
	frame   *Frame
	unknown UnknownFields
	mask    Mask
}

// view is an expression on its way to its residual: a condition's, or a variable's.
type view struct {
	*partial
	cond  *Condition
	ast   *ast.AST
	exprs map[int64]ast.Expr // by their ids
	facts map[int64]fact
	walks analysis // tells what names stand for

	// Of the part that is being shown:
	inner, outer []string // the variables of macros around it: of this expression's, and of those around the variable that it is
	err          error    // why it always fails
}

// fact is what is known of a part before it is evaluated.
type fact struct {
	unknown bool     // it depends on what is unknown
	reads   bool     // it reads something of the message
	locals  []string // variables of the comprehensions around it that it reads
}

func (f fact) and(g fact) fact {
	return fact{f.unknown || g.unknown, f.reads || g.reads, append(slices.Clip(f.locals), g.locals...)}
}

func (p *partial) view(c *Condition) (*view, error) {
	t := c.tracing()
	if t.err != nil {
		return nil, t.err
	}
	v := &view{
		partial: p, cond: c, ast: t.ast, exprs: map[int64]ast.Expr{}, facts: map[int64]fact{},
		walks: analysis{variables: c.variables, reads: map[string]struct{}{}},
	}
	v.learn(t.ast.Expr())
	return v, nil
}

// learn finds out of each part whether it can be evaluated.
func (v *view) learn(e ast.Expr) fact {
	f := v.factOf(e)
	v.exprs[e.ID()], v.facts[e.ID()] = e, f
	return f
}

func (v *view) factOf(e ast.Expr) fact {
	var f fact
	switch e.Kind() {
	case ast.IdentKind, ast.SelectKind:
		return v.accessFact(e)
	case ast.CallKind:
		c := e.AsCall()
		switch c.FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
			return v.accessFact(e)
		}
		for _, x := range operands(c) {
			f = f.and(v.learn(x))
		}
	case ast.ListKind:
		for _, x := range e.AsList().Elements() {
			f = f.and(v.learn(x))
		}
	case ast.MapKind:
		for _, x := range e.AsMap().Entries() {
			f = f.and(v.learn(x.AsMapEntry().Key())).and(v.learn(x.AsMapEntry().Value()))
		}
	case ast.ComprehensionKind:
		return v.loopFact(e.AsComprehension())
	default:
	}
	return f
}

func operands(c ast.CallExpr) []ast.Expr {
	if c.IsMemberFunction() {
		return append([]ast.Expr{c.Target()}, c.Args()...)
	}
	return c.Args()
}

func (v *view) loopFact(c ast.ComprehensionExpr) fact {
	f := v.learn(c.IterRange()).and(v.learn(c.AccuInit()))
	outer := len(v.walks.locals)
	own := []string{c.AccuVar(), c.IterVar(), c.IterVar2()}
	v.walks.locals = append(v.walks.locals, own...)
	inner := v.learn(c.LoopCondition()).and(v.learn(c.LoopStep())).and(v.learn(c.Result()))
	v.walks.locals = v.walks.locals[:outer]
	inner.locals = slices.DeleteFunc(inner.locals, func(name string) bool { return slices.Contains(own, name) })
	return f.and(inner)
}

// accessFact is the fact of a name followed by selections: what matters is the field that all of it comes to.
func (v *view) accessFact(e ast.Expr) fact {
	operand, keys := v.steps(e)
	s := v.walks.selection(e)
	switch {
	case s.variable != nil:
		f := keys
		f.reads = true
		f.unknown = f.unknown || s.variable.cond == nil || slices.ContainsFunc(s.variable.cond.uses.reads, v.unknown.touches)
		return f
	case s.name != nil && s.name.object != noObject: // has(mcp.tool)
		keys.reads = true
		keys.unknown = keys.unknown || s.name.object == objPrincipal && v.unknown.touches("principal")
		return keys
	case s.name != nil && s.name.subject&^v.frame.subjects != 0: // whatever it would be, it isn't there
		keys.reads = true
		return keys
	case s.name != nil:
		keys.reads = true
		keys.unknown = keys.unknown || v.unknown.touches(s.name.canonical()+s.rest)
		return keys
	}
	return operand.and(keys)
}

// steps learns what an access is made of: where it begins, and what selects at run time.
func (v *view) steps(e ast.Expr) (operand, keys fact) {
	switch e.Kind() {
	case ast.IdentKind:
		if name := e.AsIdent(); slices.Contains(v.walks.locals, name) {
			return fact{locals: []string{name}}, fact{}
		}
	case ast.SelectKind:
		return v.learn(e.AsSelect().Operand()), fact{}.and(v.keysOf(e.AsSelect().Operand()))
	case ast.CallKind:
		args := e.AsCall().Args()
		return v.learn(args[0]), v.keysOf(args[0]).and(v.learn(args[1]))
	default:
	}
	return fact{}, fact{}
}

// keysOf are the facts of what selects at run time inside an access that is learned already.
func (v *view) keysOf(e ast.Expr) fact {
	switch e.Kind() {
	case ast.SelectKind:
		return v.keysOf(e.AsSelect().Operand())
	case ast.CallKind:
		switch c := e.AsCall(); c.FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
			return v.keysOf(c.Args()[0]).and(v.facts[c.Args()[1].ID()])
		}
	default:
	}
	return fact{}
}

// known says that a part can be evaluated by itself.
func (v *view) known(e ast.Expr) bool {
	f, ok := v.facts[e.ID()]
	return ok && !f.unknown && len(f.locals) == 0
}

// evaluate evaluates a part that is known.
func (v *view) evaluate(e ast.Expr) (ref.Val, error) {
	if e.Kind() == ast.LiteralKind {
		return e.AsLiteral(), nil
	}
	v.frame.SetVariables(v.cond.variables)
	part := ast.NewCheckedAST(ast.NewAST(e, v.ast.SourceInfo()), v.ast.TypeMap(), v.ast.ReferenceMap())
	program, err := v.cond.env.phase(v.cond.variables.response).PlanProgram(part, v.cond.env.limited()...)
	if err != nil {
		return nil, err
	}
	val, _, err := program.ContextEval(v.frame.ctx, interpreter.Activation(v.frame))
	if err != nil {
		return nil, cause(err)
	}
	return val, nil
}

// truth says when a part is true, and when it is false.
func (v *view) truth(e ast.Expr) Residual {
	if v.known(e) {
		return definite(v.evaluate(e))
	}
	if w := v.through(e); w != nil {
		return w.truth(w.ast.Expr())
	}
	if e.Kind() == ast.CallKind {
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case operators.LogicalAnd:
			return v.fold(args, Residual.and)
		case operators.LogicalOr:
			return v.fold(args, func(a, b Residual) Residual { return a.not().and(b.not()).not() })
		case operators.LogicalNot:
			return v.truth(args[0]).not()
		case operators.Conditional:
			return v.choice(e)
		}
	}
	return v.atom(e)
}

func (v *view) fold(parts []ast.Expr, with func(a, b Residual) Residual) Residual {
	out := v.truth(parts[0])
	for _, p := range parts[1:] {
		out = with(out, v.truth(p))
	}
	return out
}

func (r Residual) not() Residual {
	return Residual{True: r.False, False: r.True, Absent: r.Absent, Err: r.Err}
}

// and joins what is true where both are, false where either is. Of two errors the first counts.
func (r Residual) and(s Residual) Residual {
	out := Residual{
		True: All(r.True, s.True), False: Some(r.False, s.False),
		Absent: Some(All(r.Absent, Some(s.True, s.Absent)), All(r.True, s.Absent)),
	}
	if out.True.IsNever() && out.False.IsNever() {
		out.Err = r.Err
		if out.Err == nil {
			out.Err = s.Err
		}
	}
	return out
}

// choice is a ?:, of which one side is left if it is known which.
func (v *view) choice(e ast.Expr) Residual {
	args := e.AsCall().Args()
	if !v.known(args[0]) {
		return v.atom(e)
	}
	r := v.truth(args[0])
	switch {
	case r.True.IsAlways():
		return v.truth(args[1])
	case r.False.IsAlways():
		return v.truth(args[2])
	}
	return r
}

// through follows a part that is nothing but a variable.
func (v *view) through(e ast.Expr) *view {
	if k := e.Kind(); k != ast.IdentKind && k != ast.SelectKind {
		return nil
	}
	s := v.walks.selection(e)
	if s.variable == nil || s.rest != "" || s.presence || s.variable.cond == nil {
		return nil
	}
	w, err := v.view(s.variable.cond)
	if err != nil {
		return nil
	}
	return w
}

// atom is a part that is left as one condition.
func (v *view) atom(e ast.Expr) Residual {
	v.err = nil
	shown := v.show(e, true)
	if v.err != nil {
		return definite(nil, v.err)
	}
	yes, err := write(shown)
	no, otherwise := write(negated(shown))
	if err = errors.Join(err, otherwise); err != nil {
		return Residual{Err: err}
	}
	r := Residual{
		True:  Formula{op: formulaAtom, text: yes, not: no, wrap: isChoice(shown)},
		False: Formula{op: formulaAtom, text: no, not: yes},
	}
	if v.inNothing(e) {
		r.True = Formula{}
	}
	return r
}

// inNothing says that a part asks whether something is in a list that is known to be empty.
func (v *view) inNothing(e ast.Expr) bool {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.In || !v.known(e.AsCall().Args()[1]) {
		return false
	}
	val, err := v.evaluate(e.AsCall().Args()[1])
	list, ok := val.(traits.Lister)
	return err == nil && ok && list.Size() == types.IntZero
}

func isChoice(e ast.Expr) bool {
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Conditional
}

// opposites are comparisons that are true where the other is false. Those by order are only for what can't be NaN.
var opposites = map[string]string{
	operators.Equals: operators.NotEquals, operators.NotEquals: operators.Equals,
	operators.Less: operators.GreaterEquals, operators.GreaterEquals: operators.Less,
	operators.Greater: operators.LessEquals, operators.LessEquals: operators.Greater,
}

func negated(e ast.Expr) ast.Expr {
	if e.Kind() == ast.CallKind {
		c := e.AsCall()
		fn := c.FunctionName()
		if op := opposites[fn]; op != "" && (fn == operators.Equals || fn == operators.NotEquals || plain(c.Args())) {
			return syntax.NewCall(0, op, c.Args()...)
		}
	}
	return syntax.NewCall(0, operators.LogicalNot, e)
}

// plain says that parts are fields and literals, which are never NaN.
func plain(parts []ast.Expr) bool {
	return !slices.ContainsFunc(parts, func(e ast.Expr) bool {
		for e.Kind() == ast.SelectKind {
			e = e.AsSelect().Operand()
		}
		return e.Kind() != ast.IdentKind && e.Kind() != ast.LiteralKind
	})
}
