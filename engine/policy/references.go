package policy

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// reference is a use of a variable in an expression, at a place as cel-go gives it: 1-based line, 0-based column.
type reference struct {
	name             string
	line, col, width int
}

// lexeme finds what must be told apart to see a `variables.name` that is one: comments, strings, and names with what selects them.
var lexeme = regexp.MustCompile(`(?s)//[^\n]*` +
	`|[bB]?[rR][bB]?(?:"""(.*?)"""|'''(.*?)'''|"[^"\n]*"|'[^'\n]*')` +
	`|"""(?:\\.|[^\\])*?"""|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'` +
	`|(?:\.\s*)?[a-zA-Z_][a-zA-Z0-9_]*(?:\s*\.\s*[a-zA-Z_][a-zA-Z0-9_]*)*`)

var variableRef = regexp.MustCompile(`^variables\s*\.\s*([a-zA-Z_][a-zA-Z0-9_]*)`)

// references returns the variables that an expression reads, without parsing it.
func references(expression string) []reference {
	var refs []reference
	for _, span := range lexeme.FindAllStringIndex(expression, -1) {
		found := variableRef.FindStringSubmatch(expression[span[0]:span[1]])
		if found == nil {
			continue
		}
		before := expression[:span[0]]
		lineStart := strings.LastIndexByte(before, '\n') + 1
		refs = append(refs, reference{
			name: found[1], line: strings.Count(before, "\n") + 1,
			col: utf8.RuneCountInString(before[lineStart:]), width: utf8.RuneCountInString(found[0]),
		})
	}
	return refs
}
