package foreign

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// token is a part of an expression: a name, a text, or anything else.
type token struct {
	kind     byte // n: name, t: text, p: other
	text     string
	from, to int
}

// lexer tells names from what stands in texts and comments. It need not know more of CEL, because what comes of it is compiled.
var lexer = regexp.MustCompile(`(?s)` +
	`(?P<space>\s+|//[^\n]*)` +
	`|(?P<text>[bBrR]{0,2}(?:""".*?"""|'''.*?''')` +
	`|(?:[bB]?[rR]|[rR][bB])(?:"[^"\n]*"|'[^'\n]*')` +
	`|[bB]?(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))` +
	`|(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)` +
	`|(?P<number>[0-9][0-9a-zA-Z.]*)` +
	`|(?P<other>.)`)

func tokens(text string) []token {
	var out []token
	for _, m := range lexer.FindAllStringSubmatchIndex(text, -1) {
		t := token{text: text[m[0]:m[1]], from: m[0], to: m[1]}
		switch {
		case m[2] >= 0: // space
			continue
		case m[4] >= 0:
			t.kind = 't'
		case m[6] >= 0:
			t.kind = 'n'
		default:
			t.kind = 'p'
		}
		out = append(out, t)
	}
	return out
}

// words of CEL that are no names, and names of types.
var words = []string{
	"true", "false", "null", "in", "bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint",
}

// chain is a name with the fields behind it, as it is written.
type chain struct {
	segments []string
	first    int // of its tokens
	last     int
}

// chains finds names, but for fields of other things, functions, and what macros declare.
func chains(ts []token) []chain {
	at := func(i int) string {
		if i < 0 || i >= len(ts) {
			return ""
		}
		return ts[i].text
	}
	var locals []string
	for i := range ts {
		if ts[i].kind == 'n' && at(i-1) == "(" && at(i+1) == "," && i >= 2 && ts[i-2].kind == 'n' {
			switch at(i - 2) {
			case "all", "exists", "exists_one", "existsOne", "map", "filter", "transformList", "transformMap", "transformMapEntry", "optMap", "optFlatMap", "bind":
				locals = append(locals, ts[i].text)
			}
		}
	}
	var out []chain
	for i := 0; i < len(ts); i++ {
		if ts[i].kind != 'n' || at(i-1) == "." || at(i-2) == "." && at(i-1) == "?" || at(i+1) == "(" || slices.Contains(words, ts[i].text) || slices.Contains(locals, ts[i].text) {
			continue
		}
		c := chain{segments: []string{ts[i].text}, first: i, last: i}
		for c.last+2 < len(ts) && at(c.last+1) == "." && ts[c.last+2].kind == 'n' && at(c.last+3) != "(" {
			c.last += 2
			c.segments = append(c.segments, ts[c.last].text)
		}
		i = c.last
		if len(c.segments) == 1 && at(c.last+1) == "." && c.last+3 < len(ts) && at(c.last+3) == "(" && slices.Contains(namespaces, c.segments[0]) {
			continue // a function
		}
		out = append(out, c)
	}
	return out
}

// namespaces are what functions' names begin with.
var namespaces = []string{"math", "optional", "cel", "sets", "lists", "base64", "strings"}

// asksForClaims says that a condition asks whether there are claims, and is not only of them.
func asksForClaims(text string) bool {
	ts := tokens(text)
	for _, c := range chains(ts) {
		if c.segments[0] == "jwt" && (len(c.segments) == 1 || c.first >= 2 && ts[c.first-2].text == "has") {
			return true
		}
	}
	return false
}

// disjuncts are the parts of a condition of which one must hold.
func disjuncts(text string) []string {
	ts := tokens(text)
	var out []string
	depth, from := 0, 0
	for i, t := range ts {
		if t.kind != 'p' {
			continue
		}
		switch t.text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case "?":
			if depth == 0 && ts[i-1].text != "." {
				return []string{text}
			}
		case "|":
			if depth == 0 && i > 0 && ts[i-1].text == "|" && ts[i-1].to == t.from {
				out = append(out, strings.TrimSpace(text[from:ts[i-1].from]))
				from = t.to
			}
		}
	}
	return append(out, strings.TrimSpace(text[from:]))
}

// rename says an expression in our names.
func (v *vocabulary) rename(text string) (out, problem string) {
	ts := tokens(text)
	from := 0
	var b strings.Builder
	for _, c := range chains(ts) {
		theirs, ours := v.find(c.segments)
		if theirs == 0 {
			return "", v.unknown(c.segments)
		}
		if ours == "jwt" && v.scopes && readsScopes(ts, c.segments[theirs:]) {
			return "", "it reads scopes as a claim"
		}
		if ours == "request.headers" {
			if problem := header(ts, c, theirs); problem != "" {
				return "", problem
			}
		}
		last := ts[c.first+2*(theirs-1)] // each but the first has a dot before it
		b.WriteString(text[from:ts[c.first].from])
		b.WriteString(ours)
		from = last.to
	}
	b.WriteString(text[from:])
	return b.String(), ""
}

// find finds the longest name that a chain begins with.
func (v *vocabulary) find(segments []string) (n int, ours string) {
	if v.local != nil && v.local(strings.Join(segments[:min(2, len(segments))], ".")) {
		return len(segments), strings.Join(segments, ".")
	}
	for n := len(segments); n > 0; n-- {
		is := strings.Join(segments[:n], ".")
		if ours, ok := v.names[is]; ok && (n == len(segments) || !slices.Contains(v.whole, is)) {
			return n, ours
		}
	}
	return 0, ""
}

func (v *vocabulary) unknown(segments []string) string {
	name := strings.Join(segments, ".")
	for n := len(segments); n > 0; n-- {
		if help, ok := v.helps[strings.Join(segments[:n], ".")]; ok {
			return fmt.Sprintf("it reads `%s`: %s", name, help)
		}
	}
	return fmt.Sprintf("it reads `%s`, for which there is no name here", name)
}

// hidden are headers that conditions don't see here.
var hidden = []string{"authorization", "proxy-authorization", "cookie", "x-api-key"}

// header refuses conditions on headers that are not to be seen here: where they are asked for, they would be missing.
func header(ts []token, c chain, n int) string {
	name := ""
	switch next := c.first + 2*n - 1; {
	case len(c.segments) > n:
		name = c.segments[n]
	case next+1 < len(ts) && ts[next].text == "[" && ts[next+1].kind == 't':
		name = literal(ts[next+1].text)
	case c.first >= 2 && ts[c.first-1].text == "in" && ts[c.first-2].kind == 't':
		name = literal(ts[c.first-2].text)
	}
	switch {
	case name == "":
		return "it reads headers other than by their names"
	case name != strings.ToLower(name):
		return fmt.Sprintf("it reads the header `%s`: names of headers are in lower case", name)
	case slices.Contains(hidden, name) || strings.HasPrefix(name, "mcp-"):
		return fmt.Sprintf("it reads the header `%s`, which conditions don't see", name)
	}
	return ""
}

// literal is a plain text's value, "" for others.
func literal(text string) string {
	if len(text) < 2 || text[0] != text[len(text)-1] || strings.ContainsAny(text[1:len(text)-1], `\"'`) {
		return ""
	}
	return text[1 : len(text)-1]
}

// readsScopes says that a claim may be that of scopes, which is none there.
func readsScopes(ts []token, segments []string) bool {
	is := func(s string) bool { return s == "scope" || s == "scp" }
	return slices.ContainsFunc(segments, is) || slices.ContainsFunc(ts, func(t token) bool { return t.kind == 't' && (is(literal(t.text)) || literal(t.text) == "") })
}
