package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// Node is a JSON value. A nil Node is absent.
type Node struct {
	Kind  int32    // of the ABI
	Text  string   // of a string; of a number, its digits
	Names []string // of an object, one for each of Elems
	Elems []*Node
}

// ParseJSON reads one JSON text. Names that stand twice in an object are refused.
func ParseJSON(text string) (*Node, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid([]byte(text)) {
		var v any
		return nil, json.Unmarshal([]byte(text), &v)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return parse(d)
}

func parse(d *json.Decoder) (*Node, error) {
	t, err := d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t := t.(type) {
	case bool:
		if t {
			return &Node{Kind: abi.KindTrue}, nil
		}
		return &Node{Kind: abi.KindFalse}, nil
	case json.Number:
		return &Node{Kind: abi.KindNumber, Text: t.String()}, nil
	case string:
		return &Node{Kind: abi.KindString, Text: t}, nil
	case json.Delim:
		return parseMany(d, t)
	}
	return &Node{Kind: abi.KindNull}, nil
}

func parseMany(d *json.Decoder, open json.Delim) (*Node, error) {
	n := &Node{Kind: abi.KindArray}
	if open == '{' {
		n.Kind = abi.KindObject
	}
	for d.More() {
		if n.Kind == abi.KindObject {
			t, err := d.Token()
			if err != nil {
				return nil, err
			}
			name, _ := t.(string)
			if slices.Contains(n.Names, name) {
				return nil, fmt.Errorf("%q stands twice in one object", name)
			}
			n.Names = append(n.Names, name)
		}
		e, err := parse(d)
		if err != nil {
			return nil, err
		}
		n.Elems = append(n.Elems, e)
	}
	_, err := d.Token()
	return n, err
}

// String makes a string.
func String(text string) *Node { return &Node{Kind: abi.KindString, Text: text} }

// Get returns a member.
func (n *Node) Get(name string) *Node {
	if n == nil || n.Kind != abi.KindObject {
		return nil
	}
	if i := slices.Index(n.Names, name); i >= 0 {
		return n.Elems[i]
	}
	return nil
}

// Step returns the member or the element that a segment names.
func (n *Node) Step(s Segment) *Node {
	switch {
	case n == nil:
	case s.Kind == Key:
		return n.Get(s.Key)
	case s.Kind == Index && n.Kind == abi.KindArray && s.Index < len(n.Elems):
		return n.Elems[s.Index]
	}
	return nil
}

// Bytes returns what the ABI gives for a value: the text of a string, JSON otherwise.
func (n *Node) Bytes() string {
	if n.Kind == abi.KindString {
		return n.Text
	}
	return n.JSON()
}

// JSON writes a value without white space.
func (n *Node) JSON() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *Node) write(b *strings.Builder) {
	switch n.Kind {
	case abi.KindNull:
		b.WriteString("null")
	case abi.KindFalse:
		b.WriteString("false")
	case abi.KindTrue:
		b.WriteString("true")
	case abi.KindNumber:
		b.WriteString(n.Text)
	case abi.KindString:
		b.WriteString(quote(n.Text))
	case abi.KindArray, abi.KindObject:
		n.writeMany(b)
	}
}

func (n *Node) writeMany(b *strings.Builder) {
	brackets := "[]"
	if n.Kind == abi.KindObject {
		brackets = "{}"
	}
	b.WriteByte(brackets[0])
	for i, e := range n.Elems {
		if i > 0 {
			b.WriteByte(',')
		}
		if n.Kind == abi.KindObject {
			b.WriteString(quote(n.Names[i]))
			b.WriteByte(':')
		}
		e.write(b)
	}
	b.WriteByte(brackets[1])
}

// quote writes a string with the fewest escapes, as field paths and values have it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		if k := strings.IndexByte("\"\\\b\f\n\r\t", c); k >= 0 {
			b.WriteByte('\\')
			b.WriteByte(`"\bfnrt`[k])
		} else if c < ' ' {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
