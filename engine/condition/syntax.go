package condition

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types/ref"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Op is what a Node is.
type Op uint8

// The ops.
const (
	OpCall    Op = iota // a function, or an operator that has no op of its own: Name of Args, the target of a method first
	OpLiteral           // Value
	OpRead              // of the name Name
	OpHas               // has() of the name Name
	OpAnd               // of two Args
	OpOr                // of two Args
	OpNot               // of one
	OpIf                // Args[0] ? Args[1] : Args[2]
	OpList              // of Args
	OpEach              // a macro such as exists: Name; Args[0] is what it goes through, the rest what it says of each
	OpLocal             // a name that a macro makes; Args[0] is what it goes through, or of cel.bind the value
	OpField             // the field Name of Args[0], which is no name; "[]" is the element Args[1]
)

// Node is a part of an expression as it is written, for those who look at expressions without evaluating them: macros are not
// expanded, names are in canonical spelling.
type Node struct {
	Op       Op
	Name     string
	Value    any  // of an OpLiteral: nil, bool, int64, uint64, float64, string or []byte
	Optional bool // of an OpRead or an OpField: some part is asked for with `.?`
	Element  bool // of an OpLocal: it is an element of Args[0], not all of it
	Args     []*Node
	At       source.Pos

	alias    *name // the other spelling that is written
	from, to int   // and where, in bytes
}

// Syntax returns the syntax of an expression for a phase; nil if it has none. It is not type-checked.
func (e *Env) Syntax(text source.Text, response bool) *Node {
	parsed, issues := e.parse(text.Value)
	if issues.Err() != nil {
		return nil
	}
	p := parsed.NativeRep()
	s := writing{info: p.SourceInfo(), report: report{env: e, text: text}}
	return s.node(p.Expr())
}

// Walk calls visit with every part below n and with n itself, from the left to the right.
func (n *Node) Walk(visit func(*Node)) {
	if n == nil {
		return
	}
	visit(n)
	if n.Op == OpLocal {
		return // its argument stands elsewhere
	}
	for _, a := range n.Args {
		a.Walk(visit)
	}
}

// writing turns cel-go's tree into Nodes.
type writing struct {
	report report // for places
	info   *ast.SourceInfo
	locals []local
}

type local struct {
	name    string
	of      *Node
	element bool
}

func (s *writing) place(e ast.Expr) source.Pos {
	p := s.report.token(placeOf(s.info.GetStartLocation(e.ID())))
	return s.report.text.PosAt(p.line, p.col, p.width)
}

func (s *writing) nodes(es []ast.Expr) []*Node {
	out := make([]*Node, len(es))
	for i, e := range es {
		out[i] = s.node(e)
	}
	return out
}

func (s *writing) node(e ast.Expr) *Node {
	if n := s.access(e); n != nil {
		return n
	}
	if m, ok := s.info.GetMacroCall(e.ID()); ok {
		return s.macro(e, m.AsCall())
	}
	n := &Node{At: s.place(e)}
	switch e.Kind() {
	case ast.LiteralKind:
		n.Op, n.Value = OpLiteral, written(e.AsLiteral())
	case ast.CallKind:
		s.call(n, e.AsCall())
	case ast.ListKind:
		n.Op, n.Args = OpList, s.nodes(e.AsList().Elements())
	case ast.MapKind:
		n.Name = "{}"
		for _, entry := range e.AsMap().Entries() {
			n.Args = append(n.Args, s.node(entry.AsMapEntry().Key()), s.node(entry.AsMapEntry().Value()))
		}
	case ast.SelectKind:
		sel := e.AsSelect()
		n.Op, n.Name, n.Args = OpField, sel.FieldName(), []*Node{s.node(sel.Operand())}
		if sel.IsTestOnly() {
			n.Op, n.Args = OpHas, []*Node{{Op: OpField, Name: n.Name, Args: n.Args, At: n.At}}
		}
	case ast.IdentKind:
		n.Name = e.AsIdent()
	default: // a message, which no environment has
		n.Name = fmt.Sprintf("{%d}", e.ID())
	}
	return n
}

func written(v ref.Val) any {
	switch v := v.Value().(type) {
	case bool, int64, uint64, float64, string, []byte:
		return v
	}
	return nil
}

var ops = map[string]Op{operators.LogicalAnd: OpAnd, operators.LogicalOr: OpOr, operators.LogicalNot: OpNot, operators.Conditional: OpIf}

func (s *writing) call(n *Node, c ast.CallExpr) {
	n.Op, n.Name = ops[c.FunctionName()], c.FunctionName()
	if symbol, ok := operators.FindReverse(n.Name); ok && symbol != "" {
		n.Name = symbol
	}
	if n.Op != OpCall {
		n.Name = ""
	}
	args := c.Args()
	switch c.FunctionName() {
	case operators.Index, operators.OptIndex:
		n.Op, n.Name, n.Optional = OpField, "[]", c.FunctionName() == operators.OptIndex
	case operators.OptSelect:
		field, _ := args[1].AsLiteral().Value().(string)
		n.Op, n.Name, n.Optional, args = OpField, field, true, args[:1]
	}
	if c.IsMemberFunction() {
		if namespace, ok := s.qualified(c.Target()); ok { // path.clean is the name of a function
			n.Name = namespace + "." + n.Name
		} else {
			args = append([]ast.Expr{c.Target()}, args...)
		}
	}
	n.Args = s.nodes(args)
}

// qualified says whether what a function seems to be called on is the first part of its name.
func (s *writing) qualified(e ast.Expr) (string, bool) {
	if e.Kind() != ast.IdentKind || s.local(e.AsIdent()) != nil || byPath[e.AsIdent()] != nil {
		return "", false
	}
	return e.AsIdent(), s.report.hasNamespace(e.AsIdent() + ".")
}

func (s *writing) local(name string) *local {
	for i := len(s.locals) - 1; i >= 0; i-- {
		if s.locals[i].name == name {
			return &s.locals[i]
		}
	}
	return nil
}

// macro is a macro as it is written.
func (s *writing) macro(e ast.Expr, m ast.CallExpr) *Node {
	n := &Node{Op: OpEach, Name: m.FunctionName(), At: s.place(e)}
	args := m.Args()
	if n.Name == "has" && len(args) == 1 {
		if inner := s.access(args[0]); inner != nil && inner.Op == OpRead {
			s.testOnly(inner)
			return inner
		}
		return &Node{Op: OpHas, Args: s.nodes(args), At: n.At}
	}
	bind := n.Name == "bind" && len(args) == 3
	var of *Node
	switch {
	case bind:
		n.Name, of = "cel.bind", s.node(args[1])
	case m.IsMemberFunction():
		of = s.node(m.Target())
	default: // none of ours
		n.Op, n.Args = OpCall, s.nodes(args)
		return n
	}
	outer := len(s.locals)
	for len(args) > 1 && args[0].Kind() == ast.IdentKind && len(s.locals) < outer+2 {
		s.locals = append(s.locals, local{args[0].AsIdent(), of, !bind})
		args = args[1:]
		if bind {
			args = args[1:]
			break
		}
	}
	n.Args = append([]*Node{of}, s.nodes(args)...)
	s.locals = s.locals[:outer]
	return n
}

// access is a name followed by selections that are known: mcp.tool.name, args.?path, args["path"], a local name. It is nil for what
// is none.
func (s *writing) access(e ast.Expr) *Node {
	segments, start, optional := s.segments(e)
	if len(segments) == 0 {
		return nil
	}
	n := &Node{Op: OpRead, Optional: optional, At: s.place(e)}
	if l := s.local(segments[0]); l != nil {
		if len(segments) > 1 {
			return nil
		}
		n.Op, n.Name, n.Args, n.Element = OpLocal, l.name, []*Node{l.of}, l.element
		return n
	}
	if segments[0] == variablesRoot && len(segments) > 1 {
		n.Name = variablesRoot + "." + segments[1] + rest(segments[2:])
		return s.marked(n, e, start)
	}
	known, path := 0, ""
	for i := range segments {
		next := strings.TrimPrefix(path+"."+segments[i], ".")
		if byPath[next] == nil || i > 0 && byPath[path].object == noObject {
			break
		}
		known, path = i+1, next
	}
	if known == 0 {
		return nil
	}
	n.Name = byPath[path].canonical() + rest(segments[known:])
	if byPath[path].is != "" && byPath[path].path != "args" {
		n.alias = byPath[path]
		if root, _, _ := strings.Cut(n.alias.is, "."); s.local(root) == nil {
			n.from, n.to = s.written(start, segments[:known])
		}
	}
	if sel := e.Kind(); sel == ast.SelectKind && e.AsSelect().IsTestOnly() {
		s.testOnly(n)
	}
	return s.marked(n, e, start)
}

// testOnly makes an OpRead an OpHas.
func (s *writing) testOnly(n *Node) {
	n.Op = OpHas
	if n.alias == nil || n.Name != n.alias.canonical() {
		return
	}
	switch n.alias.is { // what is asked is whether the object before the last field has it
	case "mcp.tool.name":
		n.Name, n.to = "mcp.tool", 0 // but a rule that asks has(mcp.tool) is passed over where there is none
	default:
		if !strings.Contains(n.Name, ".") {
			n.Name, n.to = n.alias.path, 0 // params is a field of request.mcp alone
		}
	}
}

func rest(fields []string) string {
	var b strings.Builder
	for _, f := range fields {
		if isIdentifier(f) {
			b.WriteString("." + f)
		} else {
			fmt.Fprintf(&b, "[%q]", f)
		}
	}
	return b.String()
}

// segments returns a name and the fields selected of it, and the place of the name.
func (s *writing) segments(e ast.Expr) (segments []string, start place, optional bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return []string{e.AsIdent()}, placeOf(s.info.GetStartLocation(e.ID())), false
	case ast.SelectKind:
		sel := e.AsSelect()
		if segments, start, optional = s.segments(sel.Operand()); segments != nil {
			segments = append(segments, sel.FieldName())
		}
		return segments, start, optional
	case ast.CallKind:
		c := e.AsCall()
		f := c.FunctionName()
		if f != operators.Index && f != operators.OptIndex && f != operators.OptSelect || c.Args()[1].Kind() != ast.LiteralKind {
			return nil, place{}, false
		}
		field, ok := c.Args()[1].AsLiteral().Value().(string)
		if segments, start, optional = s.segments(c.Args()[0]); segments == nil || !ok {
			return nil, place{}, false
		}
		return append(segments, field), start, optional || f != operators.Index
	default:
		return nil, place{}, false
	}
}

// marked marks all of an access, if it stands on one line.
func (s *writing) marked(n *Node, e ast.Expr, start place) *Node {
	end := s.report.token(placeOf(s.info.GetStartLocation(e.ID())))
	if end.line == start.line && end.col >= start.col {
		n.At = s.report.text.PosAt(start.line, start.col, end.col+end.width-start.col)
	}
	return n
}

// written returns where a name with its fields stands, in bytes; an empty range where it is not written plainly.
func (s *writing) written(start place, segments []string) (from, to int) {
	offset := 0
	for i, line := range strings.SplitAfter(s.report.text.Value, "\n") {
		if i+1 == start.line {
			offset += len(string([]rune(line)[:min(start.col, len([]rune(line)))]))
			break
		}
		offset += len(line)
	}
	quoted := make([]string, len(segments))
	for i, seg := range segments {
		quoted[i] = regexp.QuoteMeta(seg)
	}
	found := regexp.MustCompile(`^` + strings.Join(quoted, `\s*\.\s*`) + `\b`).FindStringIndex(s.report.text.Value[offset:])
	if found == nil {
		return 0, 0
	}
	return offset, offset + found[1]
}

// Rename is a name in another spelling than the canonical one: the bytes From to To (exclusive) of an expression become New.
type Rename struct {
	From, To int
	New      string
}

// Renames returns what makes the names of an expression canonical. What it means stays the same. A name is left as it is where the
// canonical one stands for something else, or has none of the same meaning: has(request.mcp.tool).
func (e *Env) Renames(text source.Text, response bool) []Rename {
	var out []Rename
	e.Syntax(text, response).Walk(func(n *Node) {
		if n.to == 0 {
			return
		}
		out = append(out, Rename{n.from, n.to, n.alias.is})
	})
	slices.SortFunc(out, func(a, b Rename) int { return a.From - b.From })
	return slices.Compact(out)
}
