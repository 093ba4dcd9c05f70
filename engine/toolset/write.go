package toolset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// members are what is recorded of a tool, and what its hash is of, in the order in which they are written.
var members = []string{"name", "title", "description", "inputSchema", "outputSchema", "annotations"}

// member returns a member of a tool's definition that is recorded. A null is nothing.
func member(definition jsonscan.Value, name string) jsonscan.Value {
	if v := definition.Get(name); v.Kind() != jsonscan.Null {
		return v
	}
	return jsonscan.Value{}
}

// Hash digests what is recorded of a tool: the SHA-256 of the JSON object that has its name, title, description, inputSchema,
// outputSchema and annotations, those that it has, without white space, members in the order of their names' bytes at every depth,
// strings with no escapes but those that JSON asks for, and numbers as the server wrote them.
func Hash(definition jsonscan.Value) string {
	names := slices.Sorted(slices.Values(members))
	text := []byte{'{'}
	for _, name := range names {
		if v := member(definition, name); v.Exists() {
			if len(text) > 1 {
				text = append(text, ',')
			}
			text = append(jsonscan.AppendQuote(text, name), ':')
			text = (&writer{}).value(text, v, 0)
		}
	}
	sum := sha256.Sum256(append(text, '}'))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Listed is a server with the definitions of its tools, as tools/list gives them.
type Listed struct {
	Server string
	Tools  []jsonscan.Value
}

// Encode writes a lock, the same for the same tools whatever the order in which servers list them and write the members of objects. Members
// of a definition that are not recorded are left out. It fails where Parse would refuse the result.
func Encode(servers []Listed) ([]byte, error) {
	servers = slices.SortedFunc(slices.Values(servers), func(a, b Listed) int { return strings.Compare(a.Server, b.Server) })
	w := &writer{indent: true}
	text := fmt.Appendf(nil, "{\n  \"version\": %d,\n  \"servers\": {", Version)
	for i, s := range servers {
		text = w.line(text, 2, i)
		text = append(w.quote(text, s.Server), ": {\n      \"tools\": ["...)
		tools := slices.SortedFunc(slices.Values(s.Tools), func(a, b jsonscan.Value) int {
			return strings.Compare(a.Get("name").Text(), b.Get("name").Text())
		})
		for i, t := range tools {
			text = w.line(text, 4, i)
			text = w.tool(text, t)
		}
		if len(tools) > 0 {
			text = append(text, "\n      "...)
		}
		text = append(text, "]\n    }"...)
	}
	if len(servers) > 0 {
		text = append(text, "\n  "...)
	}
	text = append(text, "}\n}\n"...)
	if _, ds := Parse(FileName, text); ds.HasErrors() {
		return nil, ds
	}
	return text, nil
}

// writer writes JSON with the members of objects in the order of their names.
type writer struct {
	indent bool // for people: on lines of their own, invisible characters escaped
}

func (w *writer) tool(text []byte, t jsonscan.Value) []byte {
	text = append(text, '{')
	written := 0
	for _, name := range members {
		if v := member(t, name); v.Exists() {
			text = w.line(text, 5, written)
			text = append(w.quote(text, name), ": "...)
			text = w.value(text, v, 5)
			written++
		}
	}
	text = w.line(text, 5, written)
	text = append(text, `"hash": "`+Hash(t)+`"`...)
	return append(text, "\n        }"...)
}

// line begins the n-th entry of an object or a list.
func (w *writer) line(text []byte, depth, n int) []byte {
	if n > 0 {
		text = append(text, ',')
	}
	if w.indent {
		text = append(text, '\n')
		text = append(text, bytes.Repeat([]byte("  "), depth)...)
	}
	return text
}

func (w *writer) value(text []byte, v jsonscan.Value, depth int) []byte {
	switch v.Kind() {
	case jsonscan.Object:
		return w.object(text, v, depth)
	case jsonscan.Array:
		n := 0
		text = append(text, '[')
		for e := range v.Elems() {
			text = w.value(w.line(text, depth+1, n), e, depth+1)
			n++
		}
		return append(w.end(text, depth, n), ']')
	case jsonscan.String:
		return w.quote(text, v.Text())
	default:
		return append(text, v.Raw()...)
	}
}

func (w *writer) object(text []byte, v jsonscan.Value, depth int) []byte {
	type entry struct {
		name  string
		value jsonscan.Value
	}
	var entries []entry
	for name, value := range v.Members() {
		entries = append(entries, entry{name.Text(), value})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	text = append(text, '{')
	for i, e := range entries {
		text = append(w.quote(w.line(text, depth+1, i), e.name), ':')
		if w.indent {
			text = append(text, ' ')
		}
		text = w.value(text, e.value, depth+1)
	}
	return append(w.end(text, depth, len(entries)), '}')
}

func (w *writer) end(text []byte, depth, n int) []byte {
	if n == 0 || !w.indent {
		return text
	}
	return w.line(text, depth, 0)
}

// quote writes a string. What a reader of the file could not see is escaped for him.
func (w *writer) quote(text []byte, s string) []byte {
	if !w.indent {
		return jsonscan.AppendQuote(text, s)
	}
	start := len(text)
	text = jsonscan.AppendQuote(text, s)
	if !bytes.ContainsFunc(text[start:], invisible) {
		return text
	}
	quoted := string(text[start:])
	text = text[:start]
	for _, r := range quoted {
		if !invisible(r) {
			text = append(text, string(r)...)
			continue
		}
		if r > 0xffff {
			r -= 0x10000
			text = fmt.Appendf(text, `\u%04x`, 0xd800+r>>10)
			r = 0xdc00 + r&0x3ff
		}
		text = fmt.Appendf(text, `\u%04x`, r)
	}
	return text
}

// invisible says that a character is not plainly what it looks like: controls, what has no width or changes the direction of text, spaces
// beside the plain one, private use, and what chooses among forms of a character, by which text can be hidden in text.
func invisible(r rune) bool {
	return r != ' ' && !unicode.IsPrint(r) || 0xfe00 <= r && r <= 0xfe0f || 0xe0100 <= r && r <= 0xe01ef ||
		r == 0x115f || r == 0x1160 || r == 0x3164 || r == 0xffa0 || r == 0x2800 // fillers: letters, but blank
}
