package rego

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Bounds on a value that a module writes: how deep it is nested, and its bytes, for it takes many
// times as many here.
const (
	maxDepth = 1000
	maxValue = 512 << 10
)

// Parse reads a value as modules write them: JSON, but for sets, and keys of any type. What is a
// value of JSON is read as strictly as JSON is.
func Parse(text []byte) (Value, error) {
	if len(text) > maxValue {
		return nil, errTooLarge
	}
	p := parser{text: text}
	v := p.value(0)
	if p.space(); p.err == nil && p.at < len(text) {
		p.fail("something behind the value")
	}
	if p.err != nil {
		return nil, p.err
	}
	return v, nil
}

var errTooLarge = errors.New("the value is too large for a builtin of the host")

type parser struct {
	text []byte
	at   int
	err  error
}

func (p *parser) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("not a value of Rego: byte %d: %s", p.at, what)
	}
	p.at = len(p.text)
}

func (p *parser) space() {
	for p.at < len(p.text) && bytes.IndexByte([]byte(" \t\r\n"), p.text[p.at]) >= 0 {
		p.at++
	}
}

// take passes over a text if it comes next.
func (p *parser) take(s string) bool {
	p.space()
	ok := bytes.HasPrefix(p.text[p.at:], []byte(s))
	if ok {
		p.at += len(s)
	}
	return ok
}

func (p *parser) value(depth int) Value {
	if p.space(); p.at >= len(p.text) || depth > maxDepth {
		p.fail("it ends, or is nested too deep")
		return nil
	}
	switch c := p.text[p.at]; {
	case c == '"':
		return p.string()
	case c == '[':
		p.at++
		return p.array(depth)
	case c == '{':
		p.at++
		return p.collection(depth)
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case p.take("null"):
		return nil
	case p.take("true"):
		return true
	case p.take("false"):
		return false
	case p.take("set()"):
		return &Set{}
	}
	p.fail("no value begins so")
	return nil
}

func (p *parser) string() Value {
	plain := true // without escapes and the like: most are
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\':
			i++
			plain = false
		case c < ' ' || c >= utf8.RuneSelf:
			plain = false
		case c == '"' && plain:
			s := string(p.text[p.at+1 : i])
			p.at = i + 1
			return s
		case c == '"':
			var s string
			if err := json.Unmarshal(p.text[p.at:i+1], &s); err != nil {
				p.fail(err.Error())
				return nil
			}
			p.at = i + 1
			return s
		}
	}
	p.fail("a string without an end")
	return nil
}

func (p *parser) number() Value {
	i := p.at
	for i < len(p.text) && bytes.IndexByte([]byte("+-.eE0123456789"), p.text[i]) >= 0 {
		i++
	}
	if text := p.text[p.at:i]; json.Valid(text) {
		p.at = i
		return Number(text)
	}
	p.fail("not a number")
	return nil
}

func (p *parser) array(depth int) Value {
	out := Array{}
	if p.take("]") {
		return out
	}
	for p.err == nil {
		out = append(out, p.value(depth+1))
		if p.take("]") {
			return out
		}
		if !p.take(",") {
			p.fail("no comma")
		}
	}
	return nil
}

// collection reads an object or a set behind its brace.
func (p *parser) collection(depth int) Value {
	if p.take("}") {
		return &Object{}
	}
	var keys, values []Value
	isObject := false
	for first := true; p.err == nil; first = false {
		keys = append(keys, p.value(depth+1))
		colon := p.take(":")
		if first {
			isObject = colon
		}
		if colon != isObject {
			p.fail("half an object and half a set")
		}
		if colon {
			values = append(values, p.value(depth+1))
		}
		if p.take("}") {
			if isObject {
				return newObject(keys, values)
			}
			return newSet(keys)
		}
		if !p.take(",") {
			p.fail("no comma")
		}
	}
	return nil
}

// Append writes a value as modules read them.
func Append(dst []byte, v Value) []byte { return appendValue(dst, v, appendJSON) }

// Text is a value as a policy would write it, which is how it looks where it is put into a text.
func Text(v Value) string { return string(appendValue(nil, v, strconv.AppendQuote)) }

func appendJSON(dst []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\'
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can be
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

func appendValue(dst []byte, v Value, quote func([]byte, string) []byte) []byte {
	list := func(dst []byte, open, end byte, elems []Value) []byte {
		dst = append(dst, open)
		for i, e := range elems {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendValue(dst, e, quote)
		}
		return append(dst, end)
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case Number:
		return append(dst, v...)
	case string:
		return quote(dst, v)
	case Array:
		return list(dst, '[', ']', v)
	case *Set:
		if len(v.Elems) == 0 {
			return append(dst, "set()"...)
		}
		return list(dst, '{', '}', v.Elems)
	case *Object:
		dst = append(dst, '{')
		for i, k := range v.Keys {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendValue(dst, k, quote), ": "...)
			dst = appendValue(dst, v.Values[i], quote)
		}
		return append(dst, '}')
	}
	return dst
}
