package condition

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// uses is what an expression does with the vocabulary.
type uses struct {
	reads     []string
	variables []string // of the policy, that reads have been seen through
	impure    string   // what makes it depend on more than the message and its caller; "" if nothing does
	needs     Subjects // without which the expression is never true
	fails     Subjects // without which it always is an error
	never     Subjects // without which it is never false
}

// mistake is what analysis finds wrong with an expression that checks.
type mistake struct {
	id            int64
	code          string
	message, help string
}

// analysis walks a checked expression.
type analysis struct {
	variables *Variables
	locals    []string
	reads     map[string]struct{}
	through   []string // variables
	impure    string
	mistakes  []mistake
}

func analyze(e ast.Expr, vs *Variables) (uses, []mistake) {
	a := &analysis{variables: vs, reads: make(map[string]struct{})}
	r := a.walk(e)
	return uses{reads: compact(a.reads), variables: a.through, impure: a.impure, needs: r.needs, fails: r.fails, never: r.never}, a.mistakes
}

// outcome tells for a part of an expression what the absence of a subject does to it.
// It is sound: a bit is set only if it holds whatever else the message says. An error is
// neither true nor false, so fails is within needs and never.
type outcome struct{ fails, needs, never Subjects }

func failing(s Subjects) outcome { return outcome{s, s, s} }

func (o outcome) both(p outcome) outcome {
	return outcome{o.fails & p.fails, o.needs & p.needs, o.never & p.never}
}

func (a *analysis) walk(e ast.Expr) outcome {
	switch e.Kind() {
	case ast.IdentKind, ast.SelectKind:
		return a.access(e)
	case ast.CallKind:
		return a.call(e)
	case ast.ListKind:
		return a.strict(e.AsList().Elements()...)
	case ast.MapKind:
		o := outcome{}
		for _, entry := range e.AsMap().Entries() {
			o.fails |= a.strict(entry.AsMapEntry().Key(), entry.AsMapEntry().Value()).fails
		}
		return failing(o.fails)
	case ast.StructKind:
		o := outcome{}
		for _, f := range e.AsStruct().Fields() {
			o.fails |= a.walk(f.AsStructField().Value()).fails
		}
		return failing(o.fails)
	case ast.ComprehensionKind:
		return a.comprehension(e.AsComprehension())
	default: // a literal
		return outcome{}
	}
}

// strict is a part that fails when one of its own parts does.
func (a *analysis) strict(parts ...ast.Expr) outcome {
	var fails Subjects
	for _, p := range parts {
		fails |= a.walk(p).fails
	}
	return failing(fails)
}

func (a *analysis) comprehension(c ast.ComprehensionExpr) outcome {
	over := a.walk(c.IterRange()).fails
	a.walk(c.AccuInit())
	outer := len(a.locals)
	a.locals = append(a.locals, c.AccuVar(), c.IterVar(), c.IterVar2())
	a.walk(c.LoopCondition())
	a.walk(c.LoopStep())
	result := a.walk(c.Result())
	a.locals = a.locals[:outer]
	// The range and the result are always evaluated, the loop perhaps not once.
	return outcome{over | result.fails, over | result.needs, over | result.never}
}

func (a *analysis) call(e ast.Expr) outcome {
	c := e.AsCall()
	args := c.Args()
	if _, known := pureFunctions[c.FunctionName()]; !known {
		a.taint(c.FunctionName() + "()")
	}
	switch c.FunctionName() {
	case operators.LogicalAnd:
		l, r := a.walk(args[0]), a.walk(args[1])
		return outcome{l.fails & r.fails, l.needs | r.needs, l.never & r.never}
	case operators.LogicalOr:
		l, r := a.walk(args[0]), a.walk(args[1])
		return outcome{l.fails & r.fails, l.needs & r.needs, l.never | r.never}
	case operators.LogicalNot:
		o := a.walk(args[0])
		return outcome{o.fails, o.never, o.needs}
	case operators.Conditional:
		test := a.walk(args[0]).fails
		o := a.walk(args[1]).both(a.walk(args[2]))
		return outcome{test | o.fails, test | o.needs, test | o.never}
	case operators.NotStrictlyFalse:
		a.walk(args[0])
		return outcome{}
	case "or", "orValue":
		if c.IsMemberFunction() && len(args) == 1 {
			a.walk(args[0])
			return a.strict(c.Target())
		}
	case operators.Index, operators.OptIndex, operators.OptSelect:
		return a.access(e)
	case operators.In, operators.OldIn:
		if n := a.name(args[1]); n != nil && n.opaque {
			a.read(n.canonical())
			return failing(a.walk(args[0]).fails)
		}
	}
	a.checkPattern(c)
	if c.IsMemberFunction() {
		args = append([]ast.Expr{c.Target()}, args...)
	}
	return a.strict(args...)
}

// access is a name followed by selections: mcp.tool.name, args.items[0].?path.
func (a *analysis) access(e ast.Expr) outcome {
	p := a.selection(e)
	fails := p.fails
	if p.variable != nil {
		return a.readVariable(e, p)
	}
	if p.name == nil {
		return failing(fails)
	}
	switch {
	case p.name.object != noObject && p.presence: // has(mcp.tool)
		a.read("mcp.method")
		return outcome{fails: fails, needs: fails | p.name.subject, never: fails}
	case p.name.object != noObject && e.Kind() == ast.CallKind: // mcp.?tool
		a.read("mcp.method")
		return failing(fails)
	case p.name.object != noObject:
		a.mistakes = append(a.mistakes, mistake{
			e.ID(), codeTypes,
			fmt.Sprintf("`%s` has fields, but is not a value itself", p.name.path),
			fmt.Sprintf("use one of its fields: %s", strings.Join(fieldsOf(p.name.path, true), ", ")),
		})
		return failing(fails)
	}
	if p.name.opaque && p.rest == "" && !p.presence {
		a.mistakes = append(a.mistakes, mistake{
			e.ID(), codeRefused,
			fmt.Sprintf("`%s` cannot be listed or compared", p.name.path),
			"ask for one by its name in lower case: request.headers[\"x-tenant\"]",
		})
	}
	if p.name.impure {
		a.taint(p.name.path)
	}
	a.read(p.name.canonical() + p.rest)
	return failing(fails)
}

// taint notes what an expression is not a function of the message for, once.
func (a *analysis) taint(why string) {
	if a.impure == "" {
		a.impure = why
	}
}

func (a *analysis) read(path string) { a.reads[path] = struct{}{} }

func (a *analysis) readVariable(e ast.Expr, p selection) outcome {
	v := p.variable
	if v.late && !a.variables.response {
		a.mistakes = append(a.mistakes, mistake{
			e.ID(), codePhase,
			fmt.Sprintf("`variables.%s` reads the response, which is not there yet in the request phase", v.name),
			"add `phase: response` to the rule",
		})
	}
	if v.cond == nil {
		return outcome{}
	}
	u := v.cond.uses
	a.through = append(append(a.through, v.name), u.variables...)
	for _, r := range u.reads {
		a.read(r)
	}
	a.taint(u.impure)
	if p.rest != "" || p.presence {
		return failing(p.fails | u.fails)
	}
	return outcome{p.fails | u.fails, p.fails | u.needs, p.fails | u.never}
}

// selection is what an access comes down to.
type selection struct {
	name     *name     // nil if it is not of the vocabulary
	variable *variable // of the policy
	rest     string    // what is selected of the name's value, as it is written in reads
	whole    bool      // rest ends at something that is not known before evaluation
	presence bool      // it is asked only whether it is there
	fails    Subjects
}

func (a *analysis) selection(e ast.Expr) selection {
	switch e.Kind() {
	case ast.IdentKind:
		return a.ident(e)
	case ast.SelectKind:
		s := e.AsSelect()
		p := a.selection(s.Operand())
		a.checkHeader(p, s.FieldName(), e.ID())
		p = p.field(s.FieldName(), a.variables)
		p.presence = s.IsTestOnly()
		return p
	case ast.CallKind:
		c := e.AsCall()
		switch c.FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
			return a.index(c)
		}
	default:
	}
	return selection{fails: a.walk(e).fails}
}

func (a *analysis) index(c ast.CallExpr) selection {
	p := a.selection(c.Args()[0])
	key := c.Args()[1]
	if key.Kind() == ast.LiteralKind {
		if s, ok := key.AsLiteral().Value().(string); ok {
			a.checkHeader(p, s, key.ID())
			return p.field(s, a.variables)
		}
	}
	p.fails |= a.walk(key).fails
	p.whole = true
	if p.name != nil && p.name.opaque && p.rest == "" {
		p.rest = "[*]"
	}
	return p
}

// checkHeader refuses a name that no header has, because they are in lower case.
func (a *analysis) checkHeader(p selection, name string, id int64) {
	if p.name != nil && p.name.opaque && p.rest == "" && !isLower(name) {
		a.mistakes = append(a.mistakes, mistake{
			id, codeField,
			fmt.Sprintf("no header is called `%s`: the names of headers are in lower case here", name),
			fmt.Sprintf("write %q", strings.ToLower(name)),
		})
	}
}

func (a *analysis) ident(e ast.Expr) selection {
	id := e.AsIdent()
	if slices.Contains(a.locals, id) {
		return selection{}
	}
	id = strings.TrimPrefix(id, ".")
	if id == variablesRoot {
		return selection{name: &name{path: variablesRoot, object: objVariables}}
	}
	if field, ok := strings.CutPrefix(id, variablesRoot+"."); ok {
		return selection{variable: a.variables.find(field)}
	}
	n := byPath[id]
	if n == nil {
		return selection{}
	}
	return selection{name: n, fails: n.subject}
}

// field selects a field by its name.
func (p selection) field(field string, vs *Variables) selection {
	switch {
	case p.name == nil && p.variable == nil:
	case p.variable != nil:
		p.rest += "." + field
	case p.name.object == objVariables:
		p.name, p.variable = nil, vs.find(field)
	case p.name.object != noObject:
		p.name = byPath[p.name.path+"."+field]
	case !p.whole && isIdentifier(field):
		p.rest += "." + field
	case !p.whole:
		p.rest += fmt.Sprintf("[%q]", field)
	}
	return p
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// name returns the name that e is, if it is nothing but one.
func (a *analysis) name(e ast.Expr) *name {
	if e.Kind() != ast.IdentKind {
		return nil
	}
	return a.ident(e).name
}

// checkPattern refuses regular expressions that are not there at load: they could not be
// checked, and the time to match one that a caller chose is not bounded by its length.
func (a *analysis) checkPattern(c ast.CallExpr) {
	pattern := 1
	switch c.FunctionName() {
	case "matches":
		if c.IsMemberFunction() {
			pattern = 0
		}
	case "regex.extract", "regex.extractAll", "regex.replace":
	default:
		return
	}
	if pattern >= len(c.Args()) {
		return
	}
	if arg := c.Args()[pattern]; arg.Kind() == ast.LiteralKind {
		if s, ok := arg.AsLiteral().Value().(string); ok {
			if _, err := regexp.Compile(s); err != nil {
				a.mistakes = append(a.mistakes, mistake{arg.ID(), codeLiteral, badPattern, badPatternHelp})
			}
		}
		return
	}
	a.mistakes = append(a.mistakes, mistake{
		c.Args()[pattern].ID(), codeRefused,
		fmt.Sprintf("the pattern of `%s` must be written out as one string", c.FunctionName()),
		"a pattern that is only known at run time cannot be checked; use contains(), startsWith() or glob()",
	})
}

// compact sorts reads and drops those within another.
func compact(reads map[string]struct{}) []string {
	all := make([]string, 0, len(reads))
	for r := range reads {
		all = append(all, r)
	}
	slices.Sort(all)
	out := all[:0]
	for _, r := range all {
		if len(out) > 0 && within(r, out[len(out)-1]) {
			continue
		}
		out = append(out, r)
	}
	return slices.Clip(out)
}

func within(path, root string) bool {
	rest, ok := strings.CutPrefix(path, root)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
