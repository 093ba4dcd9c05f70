package jsonscan

import (
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Value is a value of a scanned text, or the name of a member. The zero Value is
// absent; so is a Value once its Doc was scanned anew or reset. Every method is safe
// on an absent Value. Values are small: pass them by value. They are comparable: two
// are equal if they are the same place of the same scan.
type Value struct {
	doc        *Doc
	index      uint32
	generation uint32
}

// node returns the Value's node, or the absent node.
func (v Value) node() *node {
	if v.doc == nil || v.generation != v.doc.generation {
		return &absent
	}
	return &v.doc.nodes[v.index]
}

// absent is never written.
var absent node

func (v Value) at(index uint32) Value {
	return Value{doc: v.doc, index: index, generation: v.generation}
}

// Kind returns the value's kind, Invalid if it is absent.
func (v Value) Kind() Kind { return v.node().kind }

// Exists says whether there is a value; a null is one.
func (v Value) Exists() bool { return v.node().kind != Invalid }

// Raw returns the value as it was received. It aliases the scanned bytes: it must
// not be changed, and is valid as long as they are. It is nil if the value is absent.
func (v Value) Raw() []byte {
	n := v.node()
	if n.kind == Invalid {
		return nil
	}
	return v.doc.src[n.start:n.end:n.end]
}

// Len returns the number of elements or members, 0 for other kinds. It counts them.
func (v Value) Len() int {
	count := 0
	for c := v.Cursor(); c.Next(); {
		count++
	}
	return count
}

// Get returns the value of an object's member by its exact name.
func (v Value) Get(name string) Value {
	n := v.node()
	if n.kind != Object {
		return Value{}
	}
	nodes := v.doc.nodes[:n.next]
	for i := int(v.index) + 1; i < len(nodes)-1; i = int(nodes[i+1].next) {
		m := &nodes[i]
		if int(m.end-m.start) != len(name)+2 && m.flags&flagEscaped == 0 { // most names are told by their length
			continue
		}
		if v.doc.textIs(m, name) {
			return v.at(uint32(i) + 1)
		}
	}
	return Value{}
}

// GetFold returns the value of the first member whose name is equal to name under
// Unicode simple case folding. A text scanned with Options.Fold has at most one, so
// it is worth asking only where Get finds nothing: a case-insensitive parser then
// reads a member that Get does not.
func (v Value) GetFold(name string) Value {
	if v.Kind() != Object {
		return Value{}
	}
	ascii := isASCII(name)
	for c := v.Cursor(); c.Next(); {
		n := c.Name().node()
		if ascii && n.flags&(flagHigh|flagEscaped) == 0 && int(n.end-n.start) != len(name)+2 {
			continue
		}
		if v.doc.foldIs(n, name) {
			return c.Value()
		}
	}
	return Value{}
}

// Path returns the member that a sequence of exact names leads to.
func (v Value) Path(names ...string) Value {
	for _, name := range names {
		v = v.Get(name)
	}
	return v
}

// Index returns the i-th element of an array, from 0.
func (v Value) Index(i int) Value {
	if i < 0 || v.Kind() != Array {
		return Value{}
	}
	for c := v.Cursor(); c.Next(); i-- {
		if i == 0 {
			return c.Value()
		}
	}
	return Value{}
}

// textIs says whether a string node's decoded text is s.
func (d *Doc) textIs(n *node, s string) bool {
	raw := d.src[n.start+1 : n.end-1]
	if n.flags&flagEscaped != 0 {
		return equalDecoded(raw, s)
	}
	return string(raw) == s
}

// TextIs says whether the value is the string s.
func (v Value) TextIs(s string) bool {
	n := v.node()
	return n.kind == String && v.doc.textIs(n, s)
}

// foldIs says whether a string node's decoded text is fold-equal to s.
func (d *Doc) foldIs(n *node, s string) bool {
	raw := d.src[n.start+1 : n.end-1]
	if n.flags&flagEscaped != 0 {
		var decoded [64]byte
		raw = appendDecoded(decoded[:0], raw)
	}
	return strings.EqualFold(alias(raw), s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Text returns a string's decoded text, "" if the value is not a string. Without
// escapes it aliases the scanned bytes and is valid as long as they are; with
// escapes it is allocated.
func (v Value) Text() string {
	n := v.node()
	if n.kind != String {
		return ""
	}
	raw := v.doc.src[n.start+1 : n.end-1]
	if n.flags&flagEscaped != 0 {
		raw = appendDecoded(make([]byte, 0, len(raw)), raw)
	}
	return alias(raw)
}

// alias returns b as a string without a copy, valid as long as b doesn't change.
func alias(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // the callers keep to it: what was scanned stays until the next Scan
}

// AppendText appends a string's decoded text, nothing if the value is not a string.
func (v Value) AppendText(dst []byte) []byte {
	n := v.node()
	if n.kind != String {
		return dst
	}
	return appendDecoded(dst, v.doc.src[n.start+1:n.end-1])
}

// Bool returns the value of true and false; ok is false for every other kind.
func (v Value) Bool() (b, ok bool) {
	kind := v.Kind()
	return kind == True, kind == True || kind == False
}

// Float64 returns a number rounded to the nearest float64.
func (v Value) Float64() (float64, bool) {
	n := v.node()
	if n.kind != Number {
		return 0, false
	}
	raw := v.doc.src[n.start:n.end]
	f, err := strconv.ParseFloat(alias(raw), 64)
	return f, err == nil
}

// Int64 returns a number that is written without fraction and exponent and fits;
// nothing is rounded.
func (v Value) Int64() (int64, bool) {
	n := v.node()
	if n.kind != Number || n.flags&flagInteger == 0 {
		return 0, false
	}
	raw := v.doc.src[n.start:n.end]
	negative := raw[0] == '-'
	if negative {
		raw = raw[1:]
	}
	if len(raw) > 19 { // 19 digits fit a uint64, and no int64 has more
		return 0, false
	}
	var u uint64
	for _, c := range raw {
		u = u*10 + uint64(c-'0')
	}
	if negative {
		return -int64(u), u <= 1<<63
	}
	return int64(u), u < 1<<63
}
