package condition

import (
	"math"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/parser"
)

// This file writes what is left of a part of a condition: with values in place of what is known, and variables replaced by what they
// stand for. Macros are written as macros, not as the loops that they expand to.

var syntax = ast.NewExprFactory()

// show makes the expression to write for a part. strict says that the part is evaluated whenever the condition is: where it fails, the
// condition does.
func (v *view) show(e ast.Expr, strict bool) ast.Expr {
	if checked := v.exprs[e.ID()]; checked != nil { // the argument of a macro stands there as it was parsed
		e = checked
	}
	if e.Kind() == ast.LiteralKind {
		return v.masked(e)
	}
	if v.known(e) && v.facts[e.ID()].reads {
		val, err := v.evaluate(e)
		if err != nil && strict && v.err == nil {
			v.err = err
		}
		if lit := v.literal(v.fieldOf(e), val, literalDepth); err == nil && lit != nil {
			return lit
		}
	}
	if w := v.through(e); w != nil {
		w.outer = slices.Concat(v.outer, v.inner)
		shown := w.show(w.ast.Expr(), strict)
		if v.err == nil {
			v.err = w.err
		}
		return shown
	}
	return v.rebuild(e, strict)
}

func (v *view) rebuild(e ast.Expr, strict bool) ast.Expr {
	if e.Kind() == ast.SelectKind {
		s := e.AsSelect()
		operand := v.operand(s.Operand(), strict)
		if s.IsTestOnly() {
			return syntax.NewPresenceTest(0, operand, s.FieldName())
		}
		return syntax.NewSelect(0, operand, s.FieldName())
	}
	if macro, ok := v.ast.SourceInfo().GetMacroCall(e.ID()); ok {
		return v.macro(macro.AsCall(), strict)
	}
	switch e.Kind() {
	case ast.IdentKind:
		return syntax.NewIdent(0, v.unhidden(e.AsIdent()))
	case ast.CallKind:
		return v.call(e.AsCall(), strict)
	case ast.ListKind:
		l := e.AsList()
		return syntax.NewList(0, v.each(l.Elements(), strict), l.OptionalIndices())
	case ast.MapKind:
		var entries []ast.EntryExpr
		for _, x := range e.AsMap().Entries() {
			m := x.AsMapEntry()
			entries = append(entries, syntax.NewMapEntry(0, v.show(m.Key(), strict), v.show(m.Value(), strict), m.IsOptional()))
		}
		return syntax.NewMap(0, entries)
	default:
		return e
	}
}

// operand shows what something is selected of: a field of the message by its name, not by its value.
func (v *view) operand(e ast.Expr, strict bool) ast.Expr {
	switch e.Kind() {
	case ast.IdentKind, ast.SelectKind:
		if s := v.walks.selection(e); s.name != nil && v.exprs[e.ID()] != nil {
			return v.rebuild(e, strict)
		}
	default:
	}
	return v.show(e, strict)
}

func (v *view) each(parts []ast.Expr, strict bool) []ast.Expr {
	out := make([]ast.Expr, len(parts))
	for i, p := range parts {
		out[i] = v.show(p, strict)
	}
	return out
}

// unhidden is a name as it is written where a macro's variable may be called like it: with a dot before it.
func (v *view) unhidden(name string) string {
	first, _, _ := strings.Cut(name, ".")
	if slices.Contains(v.inner, name) || !slices.Contains(v.outer, first) {
		return name
	}
	return "." + name
}

// call shows a call. What && and || join is left out where it is known.
func (v *view) call(c ast.CallExpr, strict bool) ast.Expr {
	fn := c.FunctionName()
	lazy := false
	switch fn {
	case operators.LogicalAnd, operators.LogicalOr, operators.Conditional, "or", "orValue":
		lazy = true
	}
	if fn == operators.Index || fn == operators.OptIndex || fn == operators.OptSelect {
		return syntax.NewCall(0, fn, v.operand(c.Args()[0], strict), v.show(c.Args()[1], strict))
	}
	args := v.each(c.Args(), strict && !lazy)
	if c.IsMemberFunction() {
		return syntax.NewMemberCall(0, fn, v.show(c.Target(), strict), args...)
	}
	if fn == operators.LogicalAnd || fn == operators.LogicalOr {
		return joined(fn, args)
	}
	return syntax.NewCall(0, fn, args...)
}

func joined(fn string, args []ast.Expr) ast.Expr {
	var left []ast.Expr
	for _, a := range args {
		b, isBool := literal(a).(bool)
		switch {
		case !isBool:
			left = append(left, a)
		case b == (fn == operators.LogicalOr):
			return a
		}
	}
	switch len(left) {
	case 0:
		return args[0]
	case 1:
		return left[0]
	}
	return syntax.NewCall(0, fn, left...)
}

// macro shows a macro. Its variables are names of its own.
func (v *view) macro(c ast.CallExpr, strict bool) ast.Expr {
	outside := len(v.inner)
	var target ast.Expr
	if c.IsMemberFunction() {
		target = v.show(c.Target(), strict)
	}
	for _, a := range c.Args() {
		if a.Kind() == ast.IdentKind && v.exprs[a.ID()] == nil {
			v.inner = append(v.inner, a.AsIdent())
		}
	}
	args := v.each(c.Args(), false)
	v.inner = v.inner[:outside]
	if target != nil {
		return syntax.NewMemberCall(0, c.FunctionName(), target, args...)
	}
	return syntax.NewCall(0, c.FunctionName(), args...)
}

// fieldOf is the canonical name of the field that a part reads, "" if it computes.
func (v *view) fieldOf(e ast.Expr) string {
	if e.Kind() != ast.IdentKind && e.Kind() != ast.SelectKind {
		return ""
	}
	if s := v.walks.selection(e); s.name != nil && !s.presence && s.name.object == noObject {
		return s.name.canonical() + s.rest
	}
	return ""
}

// hides says that a value is not to be shown.
func (p *partial) hides(path string, val ref.Val) bool {
	text := oneLine(scalar(val))
	return p.mask != nil && p.mask(path, text) != text
}

func (v *view) masked(e ast.Expr) ast.Expr {
	if _, isText := e.AsLiteral().(types.String); isText && v.hides("", e.AsLiteral()) {
		return syntax.NewLiteral(0, types.String("[redacted]"))
	}
	return e
}

// Bounds on the values that are written out. What is larger is left to its name.
const (
	literalText  = 200
	literalParts = 20
	literalDepth = 3
)

// literal writes a value, nil if it is to be left to its name.
func (p *partial) literal(path string, val ref.Val, depth int) ast.Expr {
	switch val := val.(type) {
	case nil, *fields, *headers:
		return nil
	case *types.Optional:
		return p.optional(path, val, depth)
	case traits.Lister:
		return p.list(path, val, depth)
	case traits.Mapper:
		return p.mapping(path, val, depth)
	}
	if p.hides(path, val) {
		return nil
	}
	switch val := val.(type) {
	case types.String:
		if len(val) > literalText {
			return nil
		}
	case types.Bytes:
		if len(val) > literalText {
			return nil
		}
	case types.Double:
		if f := float64(val); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil
		}
	case types.Bool, types.Int, types.Uint, types.Null:
	case types.Timestamp:
		return syntax.NewCall(0, "timestamp", syntax.NewLiteral(0, types.String(scalar(val))))
	case types.Duration:
		return syntax.NewCall(0, "duration", syntax.NewLiteral(0, types.String(scalar(val))))
	default:
		return nil
	}
	return syntax.NewLiteral(0, val)
}

func (p *partial) optional(path string, val *types.Optional, depth int) ast.Expr {
	if !val.HasValue() {
		return syntax.NewCall(0, "optional.none")
	}
	if inside := p.literal(path, val.GetValue(), depth); inside != nil {
		return syntax.NewCall(0, "optional.of", inside)
	}
	return nil
}

func (p *partial) list(path string, val traits.Lister, depth int) ast.Expr {
	if a, ok := val.(*jsonArray); ok && !a.whole(a.v) || depth == 0 {
		return nil
	}
	var elements []ast.Expr
	for it := val.Iterator(); it.HasNext() == types.True; {
		e := p.literal(path, it.Next(), depth-1)
		if e == nil || len(elements) == literalParts {
			return nil
		}
		elements = append(elements, e)
	}
	if len(elements) == 0 { // cel-go takes x in [] for false, even where x fails
		return nil
	}
	return syntax.NewList(0, elements, nil)
}

func (p *partial) mapping(path string, val traits.Mapper, depth int) ast.Expr {
	if o, ok := val.(*jsonObject); ok && !o.whole(o.v) || depth == 0 {
		return nil
	}
	var entries []ast.EntryExpr
	for it := val.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		member, ok := key.(types.String)
		if !ok || len(entries) == literalParts {
			return nil
		}
		inside := path
		if path != "" {
			inside += selection{name: &name{path: path}}.field(string(member), nil).rest
		}
		v := p.literal(inside, val.Get(key), depth-1)
		if v == nil {
			return nil
		}
		entries = append(entries, syntax.NewMapEntry(0, syntax.NewLiteral(0, member), v, false))
	}
	return syntax.NewMap(0, entries)
}

// write is the text of an expression, on one line.
func write(e ast.Expr) (string, error) {
	return parser.Unparse(e, ast.NewSourceInfo(nil), parser.WrapOnColumn(math.MaxInt32))
}
