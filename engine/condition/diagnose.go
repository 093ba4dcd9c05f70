package condition

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/containers"
	"cel.dev/cel-go/common/operators"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// report turns what cel-go and analysis find wrong with one expression into Diagnostics, in
// the words of the person who wrote it.
type report struct {
	env       *Env
	text      source.Text
	variables *Variables
	ast       *ast.AST // nil if the expression doesn't parse
	info      *ast.SourceInfo
	functions []place // that were taken for macros
	ds        source.Diagnostics
}

// place is a place inside the expression: line from 1, column from 0, in code points.
type place struct{ line, col, width int }

// placeOf returns where cel-go points, the beginning if it points nowhere.
func placeOf(l common.Location) place {
	return place{line: max(l.Line(), 1), col: max(l.Column(), 0)}
}

func (r *report) put(p place, code, message, help string) {
	r.ds = append(r.ds, r.text.Diagnose(code, p.line, p.col, p.width, message, help))
}

// whole reports the expression as such, by its first line.
func (r *report) whole(code, message, help string) {
	first, _, _ := strings.Cut(r.text.Value, "\n")
	r.put(place{1, 0, max(len([]rune(strings.TrimRight(first, " \t"))), 1)}, code, message, help)
}

// add reports a part of the expression by its id.
func (r *report) add(id int64, code, message, help string) {
	r.put(r.token(placeOf(r.info.GetStartLocation(id))), code, message, help)
}

// issues reports what cel-go found.
func (r *report) issues(issues *cel.Issues) {
	errs := issues.Errors()
	for i, err := range errs {
		at := placeOf(err.Location)
		if r.syntax(err.Message, at, i > 0) || r.reference(err, at) || r.overload(err, at) || r.value(err, at) {
			continue
		}
		r.put(r.token(at), codeRefused, err.Message, "")
	}
	r.dropMacroVariables()
	if len(r.ds) == 0 { // everything was a consequence of something
		r.whole(codeRefused, errs[0].Message, "")
	}
	r.ds = r.ds.Sort()
}

var (
	badToken   = regexp.MustCompile(`^Syntax error: token recognition error at: '(.*)'$`)
	unexpected = regexp.MustCompile(`^Syntax error: (?:mismatched|extraneous) input '(.*)' expecting `)
	missing    = regexp.MustCompile(`^Syntax error: missing '(.*)' at '(.*)'$`)
	noViable   = regexp.MustCompile(`^Syntax error: no viable alternative at input '(.*)'$`)
)

// syntax reports an error of the parser. After the first, its errors are mostly about what
// it made of the text after the first; they are left out unless they are plain.
func (r *report) syntax(message string, at place, later bool) bool {
	if !strings.HasPrefix(message, "Syntax error: ") {
		if r.ast != nil {
			return false
		}
		r.beforeChecking(message, at)
		return true
	}
	if m := badToken.FindStringSubmatch(message); m != nil {
		r.badToken(m[1], at)
		return true
	}
	if later {
		return true
	}
	text, help := strings.TrimPrefix(message, "Syntax error: "), ""
	switch {
	case unexpected.MatchString(message):
		text = unexpectedText(unexpected.FindStringSubmatch(message)[1])
	case missing.MatchString(message):
		m := missing.FindStringSubmatch(message)
		text = fmt.Sprintf("`%s` is missing here", m[1])
	case noViable.MatchString(message):
		text = "this is not an expression"
	}
	at = r.token(at)
	switch word := r.slice(at); word {
	case "and", "AND":
		help = "write `&&`"
	case "or", "OR":
		help = "write `||`"
	}
	if strings.HasSuffix(strings.TrimRight(string(r.line(at.line)[:min(at.col, len(r.line(at.line)))]), " "), "not") {
		help = "write `!` for not"
	}
	r.put(at, codeSyntax, text, help)
	return true
}

// beforeChecking reports what the parser refuses though its grammar doesn't.
func (r *report) beforeChecking(message string, at place) {
	switch {
	case strings.HasPrefix(message, "invalid argument to has()"):
		r.put(r.token(at), codeSyntax, "has() needs a field of something", "write it as has(args.path)")
	case strings.HasPrefix(message, "invalid int literal"), strings.HasPrefix(message, "invalid uint literal"):
		r.put(r.token(at), codeLiteral, "the number is too large", "an int has 64 bits; write a larger number as a double, with a decimal point")
	default:
		r.put(r.token(at), codeRefused, message, "")
	}
}

func unexpectedText(token string) string {
	if token == "<EOF>" {
		return "the expression ends too early"
	}
	token = strings.Trim(token, "`")
	return fmt.Sprintf("`%s` is not expected here", token)
}

func (r *report) badToken(token string, at place) {
	token = strings.TrimSpace(token)
	at.width = max(len([]rune(token)), 1)
	switch {
	case strings.HasPrefix(token, "="):
		at.width = 1
		r.put(at, codeSyntax, "`=` is not an operator", "use `==` to compare")
	case strings.HasPrefix(token, "&"):
		at.width = 1
		r.put(at, codeSyntax, "`&` is not an operator", "use `&&`")
	case strings.HasPrefix(token, "|"):
		at.width = 1
		r.put(at, codeSyntax, "`|` is not an operator", "use `||`")
	case strings.HasPrefix(token, `"`), strings.HasPrefix(token, "'"):
		r.put(at, codeSyntax, "the string does not end", "close it with the quote that it begins with")
	default:
		r.put(at, codeSyntax, fmt.Sprintf("`%s` is not part of the language", token), "")
	}
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']*)'`)
)

func (r *report) reference(err *cel.Error, at place) bool {
	if m := undeclared.FindStringSubmatch(err.Message); m != nil {
		if r.at(at) == '(' {
			r.unknownFunction(m[1], r.before(at, m[1]))
			return true
		}
		r.unknownName(m[1], at)
		return true
	}
	if m := undefined.FindStringSubmatch(err.Message); m != nil {
		r.unknownField(m[1], err.ExprID, at)
		return true
	}
	return false
}

// dotted is what follows a name: its fields, and whether the last of them is called.
var dotted = regexp.MustCompile(`^((?:\s*\.\s*[_a-zA-Z][_a-zA-Z0-9]*)*)\s*(\(?)`)

// unknownName reports a name that is not declared, with all that is written after it.
func (r *report) unknownName(name string, at place) {
	at.width = len([]rune(name))
	m := dotted.FindStringSubmatch(r.from(at, at.width))
	fields := strings.Split(strings.Join(strings.Fields(m[1]), ""), ".")[1:]
	if m[2] == "(" && len(fields) > 0 {
		called := name + "." + strings.Join(fields, ".")
		if r.hasNamespace(name+".") || len(fields) == 1 && r.suggestName(name, name) == allNames {
			at.width = len([]rune(called))
			r.put(at, codeFunction, fmt.Sprintf("unknown function `%s`", called), r.suggestFunction(called))
			return
		}
		fields = fields[:len(fields)-1]
	}
	full := strings.Join(append([]string{name}, fields...), ".")
	if name == variablesRoot {
		at.width = len([]rune(full))
		r.put(at, codeName, fmt.Sprintf("unknown name `%s`", full), "no variable is defined before this expression")
		return
	}
	r.put(at, codeName, fmt.Sprintf("unknown name `%s`", name), r.suggestName(name, full))
}

// otherNames are what people of other gateways write.
var otherNames = map[string]string{
	"tool": "mcp.tool", "resource": "mcp.resource", "prompt": "mcp.prompt", "method": "mcp.method",
	"server": "mcp.tool.target", "result": "mcp.tool.result", "arguments": "args", "user": "principal",
	"subject": "principal", "identity": "principal", "claims": "jwt", "headers": "request.headers",
	"input": "args", "vars": "variables",
}

func (r *report) suggestName(name, full string) string {
	response := r.variables.response
	for i := range vocabulary {
		n := &vocabulary[i]
		if strings.HasSuffix(n.path, "."+full) && n.is == "" && (response || !n.response) {
			return didYouMean(n.path)
		}
	}
	if other, ok := otherNames[name]; ok {
		return didYouMean(other)
	}
	var known []string
	for i := range vocabulary {
		known = append(known, vocabulary[i].path)
	}
	known = append(known, variablesRoot)
	if s, ok := source.Suggest(full, known); ok {
		return didYouMean(s)
	}
	if s, ok := source.Suggest(name, known); ok {
		return didYouMean(s)
	}
	return allNames
}

const allNames = "the names are: mcp, args, params, principal, jwt, apiKey, request, source, variables, now"

func didYouMean(s string) string { return fmt.Sprintf("did you mean `%s`?", s) }

func (r *report) unknownFunction(name string, at place) {
	like, _ := source.Suggest(name, r.env.macros)
	if like != "" || slices.Contains(r.env.macros, name) {
		r.functions = append(r.functions, at)
	}
	// The namespace of an unknown path.clen was reported, and the whole of it with it.
	for _, d := range r.ds {
		line, col, _ := r.text.At(at.line, at.col, at.width)
		if d.Code == codeFunction && d.Line == line && d.Column <= col && col < d.Column+d.Width {
			return
		}
	}
	if slices.Contains(r.env.macros, name) {
		r.put(at, codeFunction, fmt.Sprintf("`%s` does not take this many arguments", name), macroHelp(name))
		return
	}
	r.put(at, codeFunction, fmt.Sprintf("unknown function `%s`", name), r.suggestFunction(name))
}

func macroHelp(name string) string {
	switch name {
	case "all", "exists", "exists_one", "existsOne", "filter", "map":
		return fmt.Sprintf("write it as list.%s(x, ...), with a name for the element", name)
	case "has":
		return "write it as has(args.path)"
	}
	return ""
}

// macroVariable finds the name that a macro, misspelt or with too few arguments, introduces.
var macroVariable = regexp.MustCompile(`^\s*\(\s*([_a-zA-Z][_a-zA-Z0-9]*)\s*[,)]`)

// dropMacroVariables takes back what was said of the variable of a macro that is none: the
// macro is the mistake.
func (r *report) dropMacroVariables() {
	var names []string
	for _, f := range r.functions {
		if m := macroVariable.FindStringSubmatch(r.from(f, f.width)); m != nil {
			names = append(names, fmt.Sprintf("unknown name `%s`", m[1]))
		}
	}
	r.ds = slices.DeleteFunc(r.ds, func(d source.Diagnostic) bool {
		return d.Code == codeName && slices.Contains(names, d.Message)
	})
}

func (r *report) hasNamespace(prefix string) bool {
	return slices.ContainsFunc(r.env.functions, func(f string) bool { return strings.HasPrefix(f, prefix) })
}

func (r *report) suggestFunction(name string) string {
	if s, ok := source.Suggest(name, r.env.functions); ok {
		return didYouMean(s)
	}
	return ""
}

// unknownField reports a field that its object does not have.
func (r *report) unknownField(field string, id int64, at place) {
	at = r.afterDot(at, field)
	object := r.operand(id)
	switch n := byPath[object+"."+field]; {
	case n != nil && n.response:
		r.put(at, codePhase, fmt.Sprintf("`%s` is not there yet in the request phase", n.path),
			"add `phase: response` to the rule")
		return
	case object == variablesRoot:
		help := "a variable sees only those defined before it"
		if s, ok := source.Suggest(field, r.variables.names()); ok {
			help = didYouMean(s)
		}
		r.put(at, codeName, fmt.Sprintf("unknown variable `%s`", field), help)
		return
	}
	known := fieldsOf(object, r.variables.response)
	help := fmt.Sprintf("its fields are: %s", strings.Join(known, ", "))
	if s, ok := source.Suggest(field, known); ok {
		help = didYouMean(s)
	}
	r.put(at, codeField, fmt.Sprintf("`%s` has no field `%s`", object, field), help)
}

// operand returns the name that a field is selected of.
func (r *report) operand(id int64) string {
	found := ""
	ast.PostOrderVisit(r.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() != id {
			return
		}
		var operand ast.Expr
		switch e.Kind() {
		case ast.SelectKind:
			operand = e.AsSelect().Operand()
		case ast.CallKind:
			if e.AsCall().FunctionName() == operators.OptSelect {
				operand = e.AsCall().Args()[0]
			}
		default:
		}
		if operand != nil {
			found, _ = containers.ToQualifiedName(operand)
			found = strings.TrimPrefix(found, ".")
		}
	}))
	return found
}

func functionNames(env *cel.Env) []string {
	var out []string
	for name, f := range env.Functions() {
		if !strings.ContainsAny(name, "@!?-") && name[0] != '_' && !f.IsDeclarationDisabled() {
			out = append(out, name)
		}
	}
	out = append(out, macroNames(env)...)
	slices.Sort(out)
	return slices.Compact(out)
}

func macroNames(env *cel.Env) []string {
	var out []string
	for _, m := range env.Macros() {
		out = append(out, m.Function())
	}
	return out
}
