package source

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

// syntaxHelp tells what usually causes a message of the YAML parser. The first that the message holds counts.
var syntaxHelp = []struct{ holds, message, help string }{
	{"mapping values are not allowed", "a `:` that is followed by a space cannot stand here", "put the text in quotes, or check the indentation of this line"},
	{"tab character", "a tab cannot indent YAML", "indent with spaces"},
	{"cannot start any token", "this character cannot begin a value", "put the value in quotes; indent with spaces, not tabs"},
	{"did not find expected key", "this cannot follow the value before it", "text that begins with a quote and goes on after it needs quotes around all of it, or a `|` block; or check the indentation"},
	{"did not find expected '-' indicator", "a list item that begins with `- ` was expected here", "check the indentation of this line"},
	{"did not find expected ',' or", "a `,` or the closing bracket was expected here", "close the `[` or `{`, and quote text that holds brackets or commas"},
	{"unexpected end of stream", "the quote that begins here is never closed", "close it, or use a `|` block for text of several lines"},
	{"could not find expected ':'", "a `:` was expected after this name", "fields are written `name: value`"},
	{"unknown anchor", "this alias repeats a value that has no such anchor", "a value that begins with `*` must be in quotes"},
	{"unknown escape character", "unknown escape in a double-quoted text", "write `\\\\` for a backslash, or use single quotes"},
	{"hexadecimal number", "unknown escape in a double-quoted text", "write `\\\\` for a backslash, or use single quotes"},
	{"invalid Unicode character escape", "this escape is no character", "write the character itself"},
	{"alphabetic or numeric character", "`&` and `*` begin an anchor and an alias, whose name is missing", "a value that begins with `&` or `*` must be in quotes"},
	{"scanning a directive", "a line that begins with `%` is a YAML directive", "put the value in quotes"},
}

// syntax turns an error of the YAML parser into a Diagnostic.
func (f *file) syntax(err error) Diagnostic {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return f.pos(1, 1, 1).Diagnose("SP1001", "this is not YAML: "+firstLine(err.Error()), "")
	}
	mark := load.Mark
	if strings.Contains(load.Message, "exceeded max depth") {
		return f.pos(mark.Line, mark.Column, 1).Diagnose("SP1008", "lists and mappings stand too deep inside each other", "")
	}
	if strings.Contains(load.Message, "unexpected end of stream") && load.ContextMark.Line > 0 {
		mark = load.ContextMark
	}
	text := load.Message + " " + load.ContextMsg
	if strings.Contains(text, " tag") {
		return f.tag(load)
	}
	p := f.pos(mark.Line, mark.Column, 1)
	for _, h := range syntaxHelp {
		if strings.Contains(text, h.holds) {
			return p.Diagnose("SP1001", h.message, h.help)
		}
	}
	return p.Diagnose("SP1001", "this is not YAML: "+firstLine(load.Message), "")
}

// tag reports a tag that the parser could not read to its end: most often an expression that begins with `!`.
func (f *file) tag(load *yaml.LoadError) Diagnostic {
	mark := load.Mark
	if load.ContextMark.Line > 0 {
		mark = load.ContextMark
	}
	return f.pos(mark.Line, mark.Column, 1).Diagnose("SP1009", tagMessage, tagHelp)
}

const (
	tagMessage = "a YAML tag is not accepted here"
	tagHelp    = "a value that begins with `!` must be in quotes"
)

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
