package condition

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// Mask hides secrets from an explanation: it is given each value as it would be shown, with
// the canonical name that it was read by ("args.token"; "" if it was computed), and returns
// what to show. A nil Mask shows everything.
type Mask func(path, value string) string

// Explanation is an expression with the value of each of its parts.
type Explanation struct {
	Expression string `json:"expression"`
	Parts      []Part `json:"parts"` // in the order in which they stand
	Result     string `json:"result,omitempty"`
	Error      string `json:"error,omitempty"` // why there is no result
}

// Part is the value of a part of an expression. A part that was not evaluated is not listed.
type Part struct {
	Line   int    `json:"line"`           // from 1
	Column int    `json:"column"`         // from 0, in code points: where the value is shown
	Path   string `json:"path,omitempty"` // the name that was read
	Value  string `json:"value"`
	Error  bool   `json:"error,omitempty"` // Value is an error
}

// trace is the program that remembers the value of each part. It is made when it is first
// asked for: a gateway at rest has none.
type trace struct {
	program cel.Program
	ast     *ast.AST
	err     error
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
		t := &trace{ast: checked.NativeRep()}
		t.program, t.err = c.env.phase(vs.response).PlanProgram(t.ast, c.env.tracked(c.cheap)...)
		c.trace = t
	})
	return c.trace
}

// traced is how the evaluation of a condition went.
type traced struct {
	value ref.Val
	err   error
	state interpreter.EvalState // nil: it is not known
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
	program := c.tracing()
	if program.err != nil {
		return traced{err: program.err}
	}
	var v ref.Val
	var details *cel.EvalDetails
	var err error
	if c.cheap {
		v, details, err = program.program.Eval(interpreter.Activation(f))
	} else {
		v, details, err = program.program.ContextEval(f.ctx, interpreter.Activation(f))
	}
	t := traced{value: v}
	if err != nil {
		t.value, t.err = nil, cause(err)
	}
	if details != nil {
		t.state = details.State()
	}
	return t
}

// Explain tells the value of each part of the expression. It evaluates it once more, unless the Frame traces and it has been.
func (c *Condition) Explain(f *Frame, mask Mask) Explanation {
	x := Explanation{Expression: c.text.Value}
	t := c.tracing()
	if t.err != nil {
		x.Error = t.err.Error()
		return x
	}
	went := c.follow(f)
	if went.err != nil {
		x.Error = went.err.Error()
	}
	e := explainer{
		analysis: analysis{variables: c.variables, reads: map[string]struct{}{}}, state: went.state,
		info: t.ast.SourceInfo(), mask: mask, seen: map[int64]bool{},
	}
	e.text.text = c.text
	e.walk(t.ast.Expr())
	slices.SortStableFunc(e.parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	x.Parts = e.parts
	if went.err == nil {
		x.Result = e.show(e.readPath(t.ast.Expr()), went.value)
	}
	if mask != nil && x.Error != "" {
		x.Error = mask("", x.Error)
	}
	return x
}

type explainer struct {
	analysis
	state interpreter.EvalState
	info  *ast.SourceInfo
	text  report // for places
	mask  Mask
	seen  map[int64]bool
	parts []Part
}

// walk lists the parts as they are written: a macro is one part, whose inside has another
// value on every step and is left out.
func (e *explainer) walk(x ast.Expr) {
	if e.seen[x.ID()] {
		return
	}
	e.seen[x.ID()] = true
	e.part(x)
	switch x.Kind() {
	case ast.CallKind:
		c := x.AsCall()
		if c.IsMemberFunction() {
			e.walk(c.Target())
		}
		for _, a := range c.Args() {
			e.walk(a)
		}
	case ast.SelectKind:
		if operand := x.AsSelect().Operand(); operand.Kind() != ast.IdentKind && operand.Kind() != ast.SelectKind {
			e.walk(operand)
		}
	case ast.ListKind:
		for _, el := range x.AsList().Elements() {
			e.walk(el)
		}
	case ast.ComprehensionKind:
		e.walk(x.AsComprehension().IterRange())
	default:
	}
}

func (e *explainer) part(x ast.Expr) {
	if e.state == nil {
		return
	}
	v, ok := e.state.Value(x.ID())
	if !ok || v == nil || x.Kind() == ast.LiteralKind || x.Kind() == ast.ListKind {
		return
	}
	at := e.text.token(placeOf(e.info.GetStartLocation(x.ID())))
	p := Part{Line: at.line, Column: at.col, Path: e.readPath(x)}
	if _, isErr := v.(*types.Err); isErr {
		p.Error = true
	}
	p.Value = e.show(p.Path, v)
	e.parts = append(e.parts, p)
}

// readPath returns the canonical name that a part reads, "" if it computes.
func (e *explainer) readPath(x ast.Expr) string {
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
	s := e.selection(x)
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

// maxShown is the longest value that an explanation shows, in code points.
const maxShown = 60

// show writes a value as a person would. Every scalar passes the mask by its own path, whole:
// what lies inside an object, or is cut off at the end, is hidden as what stands alone.
func (e *explainer) show(path string, v ref.Val) string {
	return shorten(string(e.appendShown(nil, path, v)))
}

func (e *explainer) appendShown(dst []byte, path string, v ref.Val) []byte {
	if len(dst) > 8*maxShown {
		return dst
	}
	switch v := v.(type) {
	case *fields, *headers:
		return append(dst, "(object)"...)
	case *types.Optional:
		if v.HasValue() {
			return e.appendShown(dst, path, v.GetValue())
		}
		return append(dst, "none"...)
	case *jsonObject:
		if !v.whole(v.v) {
			return fmt.Appendf(dst, "{%d bytes}", len(v.v.Raw()))
		}
	case *jsonArray:
		if !v.whole(v.v) {
			return fmt.Appendf(dst, "[%d bytes]", len(v.v.Raw()))
		}
	}
	switch v := v.(type) {
	case traits.Mapper:
		return e.appendMap(dst, path, v)
	case traits.Lister:
		dst = append(dst, '[')
		for it, first := v.Iterator(), true; it.HasNext() == types.True; first = false {
			if !first {
				dst = append(dst, ", "...)
			}
			dst = e.appendShown(dst, path, it.Next())
		}
		return append(dst, ']')
	}
	text := oneLine(scalar(v))
	if e.mask != nil {
		text = oneLine(e.mask(path, text))
	}
	return append(dst, text...)
}

func (e *explainer) appendMap(dst []byte, path string, m traits.Mapper) []byte {
	dst = append(dst, '{')
	for it, first := m.Iterator(), true; it.HasNext() == types.True; first = false {
		if !first {
			dst = append(dst, ", "...)
		}
		key := it.Next()
		inside := ""
		if k, ok := key.(types.String); ok && path != "" {
			inside = selection{name: &name{path: path}}.field(string(k), nil).rest
		}
		dst = append(append(dst, oneLine(scalar(key))...), ": "...)
		if inside != "" {
			inside = path + inside
		}
		dst = e.appendShown(dst, inside, m.Get(key))
	}
	return append(dst, '}')
}

// scalar writes a value that has no parts.
func scalar(v ref.Val) string {
	switch v := v.(type) {
	case *types.Err:
		return "error: " + v.Unwrap().Error()
	case *types.Unknown:
		return "unknown"
	case types.Null:
		return "null"
	case types.String:
		return strconv.Quote(string(v))
	case types.Bool, types.Int, types.Uint, types.Double:
		return fmt.Sprint(v.Value())
	}
	if s, ok := v.ConvertToType(types.StringType).(types.String); ok {
		return string(s)
	}
	return v.Type().TypeName()
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

func shorten(s string) string {
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown-3]) + "..."
	}
	return s
}

// Text draws the explanation: under each line of the expression the value of each part,
// joined to it by a bar.
func (x Explanation) Text() string {
	var b strings.Builder
	for i, line := range strings.Split(x.Expression, "\n") {
		b.WriteString(line + "\n")
		var parts []Part
		for _, p := range x.Parts {
			if p.Line == i+1 && (len(parts) == 0 || parts[len(parts)-1].Column != p.Column) {
				parts = append(parts, p)
			}
		}
		drawLine(&b, parts)
	}
	if x.Error != "" {
		b.WriteString("error: " + x.Error + "\n")
	}
	return b.String()
}

// drawLine draws bars under all parts, and the values from the last part to the first.
func drawLine(b *strings.Builder, parts []Part) {
	if len(parts) == 0 {
		return
	}
	bars(b, parts)
	b.WriteString("\n")
	for i, part := range slices.Backward(parts) {
		bars(b, parts[:i])
		at := 0
		if i > 0 {
			at = parts[i-1].Column + 1
		}
		b.WriteString(strings.Repeat(" ", part.Column-at) + part.Value + "\n")
	}
}

func bars(b *strings.Builder, parts []Part) {
	at := 0
	for _, p := range parts {
		b.WriteString(strings.Repeat(" ", p.Column-at) + "|")
		at = p.Column + 1
	}
}
