package hostapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// node is a JSON value, strictly read.
type node struct {
	kind    Kind
	text    string // of a string; of a number, as it is written
	members []member
	elems   []node
	raw     []byte
}

// member is a member of an object. Its name is no member's before it.
type member struct {
	name  string
	value node
}

func (n *node) get(name string) *node {
	for i := range n.members {
		if n.members[i].name == name {
			return &n.members[i].value
		}
	}
	return nil
}

// readJSON reads one JSON text. Beyond the grammar it refuses what two readers could read in
// two ways: names that stand twice in an object, text that is not Unicode.
func readJSON(data []byte, depth int) (*node, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		if at := (*json.SyntaxError)(nil); errors.As(err, &at) {
			return nil, fmt.Errorf("byte %d: %w", at.Offset, err)
		}
		return nil, err
	}
	if at, found := loneSurrogate(data); found {
		return nil, fmt.Errorf("byte %d: half a surrogate pair", at)
	}
	r := jsonReader{data: data, d: json.NewDecoder(bytes.NewReader(data)), depth: depth}
	r.d.UseNumber()
	n, err := r.value()
	if err != nil {
		return nil, err
	}
	return &n, nil
}

// jsonReader reads a text that is known to follow the grammar.
type jsonReader struct {
	data  []byte
	d     *json.Decoder
	depth int // that is left
}

func (r *jsonReader) value() (node, error) {
	start := r.d.InputOffset()
	t, err := r.d.Token()
	if err != nil {
		return node{}, err
	}
	var n node
	switch t := t.(type) {
	case nil:
		n.kind = KindNull
	case bool:
		n.kind = KindFalse
		if t {
			n.kind = KindTrue
		}
	case json.Number:
		n.kind, n.text = KindNumber, t.String()
	case string:
		n.kind, n.text = KindString, t
	case json.Delim:
		n, err = r.container(t)
	}
	n.raw = bytes.TrimLeft(r.data[start:r.d.InputOffset()], " \t\r\n,:")
	return n, err
}

func (r *jsonReader) container(open json.Delim) (node, error) {
	if r.depth == 0 {
		return node{}, fmt.Errorf("byte %d: nested too deeply", r.d.InputOffset())
	}
	r.depth--
	defer func() { r.depth++ }()
	n := node{kind: KindArray}
	if open == '{' {
		n.kind = KindObject
	}
	for names := map[string]bool{}; r.d.More(); {
		var m member
		var err error
		if n.kind == KindObject {
			m.name, err = r.name(names)
		}
		if err == nil {
			m.value, err = r.value()
		}
		if err != nil {
			return node{}, err
		}
		if n.kind == KindObject {
			n.members = append(n.members, m)
		} else {
			n.elems = append(n.elems, m.value)
		}
	}
	_, err := r.d.Token()
	return n, err
}

// name reads the name of a member that is none of those before it.
func (r *jsonReader) name(before map[string]bool) (string, error) {
	t, err := r.d.Token()
	if err != nil {
		return "", err
	}
	name, ok := t.(string)
	if !ok {
		return "", io.ErrUnexpectedEOF
	}
	if before[name] {
		return "", fmt.Errorf("byte %d: %q stands twice in one object", r.d.InputOffset(), name)
	}
	before[name] = true
	return name, nil
}

// loneSurrogate finds an escape of half a surrogate pair in a text that follows the grammar:
// encoding/json reads it as U+FFFD.
func loneSurrogate(data []byte) (at int, found bool) {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		first := escaped(data[i:])
		if first == 0 { // another escape, of one character
			i++
			continue
		}
		i += 5
		if !utf16.IsSurrogate(first) {
			continue
		}
		if utf16.DecodeRune(first, escaped(data[i+1:])) == utf8.RuneError {
			return i - 5, true
		}
		i += 6
	}
	return 0, false
}

// escaped returns the character of the \uXXXX that data begins with, 0 if it doesn't; NUL is
// another character that is no surrogate.
func escaped(data []byte) rune {
	if len(data) < len(`\u0000`) || !bytes.HasPrefix(data, []byte(`\u`)) {
		return 0
	}
	n, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return max(rune(n), 1)
}
