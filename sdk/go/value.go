package sallyport

import (
	"errors"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// Kind is the kind of a value.
type Kind int32

// The kinds. The zero Kind says that there is no value.
const (
	Absent = Kind(abi.KindAbsent)
	Null   = Kind(abi.KindNull)
	False  = Kind(abi.KindFalse)
	True   = Kind(abi.KindTrue)
	Number = Kind(abi.KindNumber)
	String = Kind(abi.KindString)
	Array  = Kind(abi.KindArray)
	Object = Kind(abi.KindObject)
)

// String names a kind.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case False:
		return "false"
	case True:
		return "true"
	case Number:
		return "number"
	case String:
		return "string"
	case Array:
		return "array"
	case Object:
		return "object"
	default:
		return "absent"
	}
}

// Value is a JSON value that is read where it lies: nothing is decoded before it is asked for,
// and nothing is allocated but the text of a string with escapes. The zero Value is absent, and
// so is what is not found in one; all methods may be called on it.
//
// A Value of a [Call] is valid until the hook returns.
type Value struct {
	raw  string // without white space around it
	kind Kind
	text bool // raw is the text of a string, not its JSON
}

var errJSON = errors.New("not JSON")

// ParseJSON reads a JSON text and checks its grammar. A member that stands twice is not
// refused; [Value.Get] finds the first.
func ParseJSON(text string) (Value, error) {
	from := skipSpace(text, 0)
	end, ok := check(text, from, 0)
	if !ok || skipSpace(text, end) != len(text) || !utf8.ValidString(text) {
		return Value{}, errJSON
	}
	return valueOf(text[from:end]), nil
}

// valueOf makes a value of JSON that is known to be good.
func valueOf(raw string) Value {
	if raw == "" {
		return Value{}
	}
	v := Value{raw: raw, kind: Number}
	switch raw[0] {
	case '{':
		v.kind = Object
	case '[':
		v.kind = Array
	case '"':
		v.kind = String
	case 't':
		v.kind = True
	case 'f':
		v.kind = False
	case 'n':
		v.kind = Null
	}
	return v
}

// Kind returns the kind of the value.
func (v Value) Kind() Kind { return v.kind }

// Exists reports whether there is a value. null is one.
func (v Value) Exists() bool { return v.kind != Absent }

// Text returns the text of a string. ok is false for everything else.
func (v Value) Text() (text string, ok bool) {
	switch {
	case v.kind != String:
		return "", false
	case v.text:
		return v.raw, true
	}
	return unquote(v.raw[1 : len(v.raw)-1]), true
}

// Number returns the number that is nearest to a JSON number. ok is false for everything else.
// [Value.JSON] has the digits as they were received.
func (v Value) Number() (number float64, ok bool) {
	if v.kind != Number {
		return 0, false
	}
	number, err := strconv.ParseFloat(v.raw, 64)
	return number, err == nil
}

// Bool returns true or false. ok is false for everything else.
func (v Value) Bool() (value, ok bool) { return v.kind == True, v.kind == True || v.kind == False }

// JSON returns the value's JSON, empty if it is absent.
func (v Value) JSON() string {
	if v.text {
		return Quote(v.raw)
	}
	return v.raw
}

// Get returns a member of an object.
func (v Value) Get(name string) Value {
	for key, member := range v.members() {
		if keyIs(key, name) {
			return member
		}
	}
	return Value{}
}

// Index returns an element of an array.
func (v Value) Index(i int) Value {
	for e := range v.Elems() {
		if i == 0 {
			return e
		}
		i--
	}
	return Value{}
}

// Len returns how many elements an array or members an object has, 0 for everything else.
func (v Value) Len() int {
	n := 0
	for range v.Elems() {
		n++
	}
	for range v.members() {
		n++
	}
	return n
}

// Contains reports whether an array has a string with this text.
func (v Value) Contains(text string) bool {
	for e := range v.Elems() {
		if e.kind == String && keyIs(e.raw, text) {
			return true
		}
	}
	return false
}

// Elems goes over the elements of an array, and over nothing for everything else.
func (v Value) Elems() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.kind != Array {
			return
		}
		for at := skipSpace(v.raw, 1); v.raw[at] != ']'; {
			end := skip(v.raw, at)
			if !yield(valueOf(v.raw[at:end])) {
				return
			}
			at = next(v.raw, end)
		}
	}
}

// Members goes over the members of an object in their order, and over nothing for everything
// else.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for key, member := range v.members() {
			if !yield(unquote(key[1:len(key)-1]), member) {
				return
			}
		}
	}
}

// members gives names as their JSON.
func (v Value) members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.kind != Object {
			return
		}
		for at := skipSpace(v.raw, 1); v.raw[at] != '}'; {
			colon := skip(v.raw, at)
			key := v.raw[at:colon]
			from := skipSpace(v.raw, skipSpace(v.raw, colon)+1)
			end := skip(v.raw, from)
			if !yield(key, valueOf(v.raw[from:end])) {
				return
			}
			at = next(v.raw, end)
		}
	}
}

// keyIs compares a string's JSON with a text.
func keyIs(json, text string) bool {
	inner := json[1 : len(json)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner == text
	}
	return unquote(inner) == text
}

// next returns where the element after one that ends at i begins, or the closing bracket.
func next(s string, i int) int {
	i = skipSpace(s, i)
	if s[i] == ',' {
		return skipSpace(s, i+1)
	}
	return i
}
