package condition

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/operators"
)

var (
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^']*)'$`)
	mismatch   = regexp.MustCompile(`^expected type '([^']*)' but found '([^']*)'$`)
	noFields   = regexp.MustCompile(`^type '([^']*)' does not support field selection$`)
	noRange    = regexp.MustCompile(`^expression of type '([^']*)' cannot be range of a comprehension`)
	badLiteral = regexp.MustCompile(`^invalid (\w+) argument$`)
)

// overload reports a function or an operator that does not take what it is given.
func (r *report) overload(err *cel.Error, at place) bool {
	m := noOverload.FindStringSubmatch(err.Message)
	if m == nil {
		return false
	}
	name, receiver, args := m[1], "", splitTypes(m[2])
	if i := strings.Index(m[2], ".("); i >= 0 {
		receiver, args = plainType(m[2][:i]), splitTypes(m[2][i+1:])
	}
	if symbol, ok := operators.FindReverse(name); ok && symbol != "" {
		at.width = len(symbol)
		r.put(at, codeTypes, operatorText(symbol, args), operatorHelp(symbol, args))
		return true
	}
	if name == operators.Index || name == operators.OptIndex {
		at.width = 1
		r.put(at, codeTypes, fmt.Sprintf("%s cannot be indexed with %s", article(args[0]), article(args[1])), "")
		return true
	}
	if name == operators.Conditional {
		at.width = 1
		r.put(at, codeTypes, fmt.Sprintf("`?:` needs a bool before the `?` and one type after it, not %s", strings.Join(args, ", ")), "")
		return true
	}
	text := fmt.Sprintf("`%s` does not take (%s)", name, strings.Join(args, ", "))
	switch {
	case receiver != "" && !r.hasMember(receiver, name):
		text = fmt.Sprintf("%s has no function `%s`", article(receiver), name)
	case receiver != "":
		text = fmt.Sprintf("`%s` of %s does not take (%s)", name, article(receiver), strings.Join(args, ", "))
	}
	r.put(r.before(at, name), codeTypes, text, r.signatures(name))
	return true
}

func operatorText(symbol string, args []string) string {
	if len(args) == 1 {
		return fmt.Sprintf("`%s` cannot be used on %s", symbol, article(args[0]))
	}
	switch symbol {
	case "==", "!=", "<", "<=", ">", ">=":
		return fmt.Sprintf("cannot compare %s with %s using `%s`", args[0], args[1], symbol)
	}
	return fmt.Sprintf("`%s` cannot be used on %s and %s", symbol, args[0], args[1])
}

func operatorHelp(symbol string, args []string) string {
	switch {
	case symbol == "in" && len(args) == 2 && args[1] == "string":
		return "`in` looks into lists and maps; for text use .contains(...)"
	case len(args) == 2 && args[0] != args[1]:
		return "CEL converts nothing by itself: write the literal in the other type, or convert with int(...) or string(...)"
	}
	return ""
}

// hasMember says that some form of a function is called on a type.
func (r *report) hasMember(receiver, name string) bool {
	f := r.env.phase(true).Functions()[name]
	if f == nil {
		return false
	}
	kind, _, _ := strings.Cut(receiver, "(")
	return slices.ContainsFunc(f.OverloadDecls(), func(o *decls.OverloadDecl) bool {
		if !o.IsMemberFunction() {
			return false
		}
		t := typeName(o.ArgTypes()[0])
		taken, _, _ := strings.Cut(t, "(")
		return taken == kind || t == "dyn" || len(t) == 1 // a type parameter
	})
}

// signatures lists what a function takes.
func (r *report) signatures(name string) string {
	f := r.env.phase(true).Functions()[name]
	if f == nil {
		return ""
	}
	var forms []string
	for _, o := range f.OverloadDecls() {
		args := make([]string, len(o.ArgTypes()))
		for i, t := range o.ArgTypes() {
			args[i] = typeName(t)
		}
		if o.IsMemberFunction() {
			forms = append(forms, fmt.Sprintf("%s.%s(%s)", args[0], name, strings.Join(args[1:], ", ")))
			continue
		}
		forms = append(forms, fmt.Sprintf("%s(%s)", name, strings.Join(args, ", ")))
	}
	slices.Sort(forms)
	const most = 4
	if len(forms) > most {
		forms = append(forms[:most], "...")
	}
	return "it is used as " + strings.Join(forms, ", ")
}

// value reports a part that is not of the type, or not of the form, that its place needs.
func (r *report) value(err *cel.Error, at place) bool {
	switch {
	case mismatch.MatchString(err.Message):
		m := mismatch.FindStringSubmatch(err.Message)
		r.put(r.token(at), codeTypes, fmt.Sprintf("this must be %s, but is %s", article(plainType(m[1])), article(plainType(m[2]))), r.literalHelp(err.ExprID))
	case noFields.MatchString(err.Message):
		m := noFields.FindStringSubmatch(err.Message)
		r.put(r.token(at), codeTypes, article(plainType(m[1]))+" has no fields", "")
	case noRange.MatchString(err.Message):
		m := noRange.FindStringSubmatch(err.Message)
		r.put(r.token(at), codeTypes, fmt.Sprintf("%s cannot be gone through; a list or map is needed", article(plainType(m[1]))), "")
	case badLiteral.MatchString(err.Message):
		r.literal(badLiteral.FindStringSubmatch(err.Message)[1], r.token(at))
	case strings.HasPrefix(err.Message, "regex program size"):
		r.put(r.token(at), codeRefused, "the pattern is too large: "+err.Message, "make it smaller; counted repetitions such as {1000} are written out")
	case strings.HasPrefix(err.Message, "comprehension exceeds nesting limit"):
		r.put(r.token(at), codeRefused, fmt.Sprintf("more than %d macros such as all() and exists() stand inside one another", maxComprehension), "")
	default:
		return false
	}
	return true
}

// literalHelp is for an element of a list or map literal that is not like those before it.
func (r *report) literalHelp(id int64) string {
	help := ""
	ast.PostOrderVisit(r.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		var elements []ast.Expr
		switch e.Kind() {
		case ast.ListKind:
			elements = e.AsList().Elements()
		case ast.MapKind:
			for _, entry := range e.AsMap().Entries() {
				elements = append(elements, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
			}
		default:
		}
		if slices.ContainsFunc(elements, func(e ast.Expr) bool { return e.ID() == id }) {
			help = "what is written into one list or map has one type; dyn(...) lifts that"
		}
	}))
	return help
}

const (
	badPattern     = "this is not a regular expression"
	badPatternHelp = "the syntax is RE2's: https://github.com/google/re2/wiki/Syntax"
)

func (r *report) literal(function string, at place) {
	switch function {
	case "matches":
		r.put(at, codeLiteral, badPattern, badPatternHelp)
	case "duration":
		r.put(at, codeLiteral, "this is not a duration", "write it as \"90s\", \"15m\" or \"1h30m\"")
	case "timestamp":
		r.put(at, codeLiteral, "this is not a time", "write it as \"2026-11-22T12:00:00Z\"")
	default:
		r.put(at, codeLiteral, "this is not a valid argument of "+function, "")
	}
}

// typeName is a type as cel-go writes it, without what only it knows.
func typeName(t *cel.Type) string { return plainType(cel.FormatCELType(t)) }

func plainType(s string) string {
	s = strings.ReplaceAll(s, "object ", "")
	s = strings.ReplaceAll(s, "optional_type(", "optional(")
	s = strings.ReplaceAll(s, "net.IP", "ip")
	s = strings.ReplaceAll(s, "net.CIDR", "cidr")
	s = strings.ReplaceAll(s, "google.protobuf.Timestamp", "timestamp")
	return strings.ReplaceAll(s, "google.protobuf.Duration", "duration")
}

func article(s string) string {
	if s != "" && strings.ContainsRune("aeio", rune(s[0])) {
		return "an " + s
	}
	return "a " + s
}

// splitTypes splits "(int, map(string, dyn))" at its outer commas.
func splitTypes(s string) []string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "("), ")")
	var out []string
	depth, start := 0, 0
	for i, c := range s {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			out = append(out, plainType(strings.TrimSpace(s[start:i])))
			start = i + 1
		}
	}
	if rest := strings.TrimSpace(s[start:]); rest != "" {
		out = append(out, plainType(rest))
	}
	return out
}
