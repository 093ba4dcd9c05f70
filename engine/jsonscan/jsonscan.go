// Package jsonscan reads one JSON text strictly, once, into a compact tape over
// the received bytes, and writes it again token by token.
//
// It exists so that policy judges exactly what is sent on: what two parsers could
// read in two ways is refused, and what is accepted is re-emitted losslessly
// (member order, the text of numbers and unknown members survive) in a form that
// every parser reads alike.
package jsonscan

import (
	"hash/maphash"
	"math"
)

// Kind is the type of a JSON value. The zero Kind is Invalid: there is no value.
type Kind uint8

// The kinds of JSON values.
const (
	Invalid Kind = iota
	Null
	False
	True
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"invalid", "null", "false", "true", "number", "string", "array", "object"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Invalid]
}

// Defaults of Options.
const (
	DefaultDepth  = 128
	DefaultValues = 1 << 20
	DefaultNumber = 1024
)

// Options bound what Scan accepts. The zero Options are the defaults.
type Options struct {
	// Depth is the deepest nesting of arrays and objects; 0 is DefaultDepth.
	Depth int
	// Values is the most values in the text, containers included and member names
	// not; 0 is DefaultValues.
	Values int
	// Number is the longest number literal in bytes; 0 is DefaultNumber. Parsers
	// with arbitrary precision take time quadratic in the length of a literal or
	// raise what their callers do not catch (CPython, at 4300 digits), and a
	// float64 is decided by its first 767 significant digits.
	Number int
	// Fold also refuses names of one object that are equal under Unicode simple
	// case folding. encoding/json v1 and its like match a member to a field so,
	// therefore requests set it.
	Fold bool
}

func (o Options) withDefaults() Options {
	if o.Depth <= 0 {
		o.Depth = DefaultDepth
	}
	if o.Values <= 0 {
		o.Values = DefaultValues
	}
	if o.Number <= 0 {
		o.Number = DefaultNumber
	}
	return o
}

// node is one token of the tape: a value, or the name of a member, whose value is
// the node after it. The nodes of a container's content follow the container.
//
// While a container is open, next holds its parent and end the height of the
// stack of names at which its own begin.
type node struct {
	start, end uint32 // its span in src; a string's quotes belong to it
	next       uint32 // the node after this one and all its content
	kind       Kind
	flags      uint8
}

const (
	flagName    = 1 << iota // the name of a member
	flagPlain               // its span is what AppendTo would write
	flagEscaped             // a string with escapes
	flagHigh                // a string with bytes above 0x7f
	flagInteger             // a number without fraction and exponent
	flagIndexed             // an object whose names are in the table
)

// Doc is the tape of one JSON text. The zero Doc is ready to use; reusing one costs
// no allocation once it has grown to the size of the traffic.
//
// A Doc that has been scanned is safe for concurrent reading. Scan and Reset must
// not run beside anything else; a Value of an earlier Scan is absent after them.
type Doc struct {
	src   []byte
	nodes []node
	names nameIndex
	// generation tells Values of this scan from those of earlier ones.
	generation uint32
}

// Scan reads src, which must be exactly one JSON text (RFC 8259), and refuses with
// an *Error what is malformed, ambiguous or beyond the options' bounds. The Doc
// aliases src until the next Scan or Reset: src must not change meanwhile. After an
// error the Doc is empty.
func (d *Doc) Scan(src []byte, o Options) error {
	d.clear()
	if uint64(len(src)) >= math.MaxUint32 {
		return &Error{Code: CodeSize, Offset: math.MaxUint32}
	}
	if d.names.seed == (maphash.Seed{}) {
		d.names.seed = maphash.MakeSeed()
	}
	s := scanner{Options: o.withDefaults(), src: src, nodes: d.nodes, names: &d.names, open: noNode}
	ok := s.text()
	d.nodes = s.nodes
	if !ok {
		d.clear()
		return &Error{Code: s.err.Code, Offset: s.err.Offset}
	}
	d.src = src
	return nil
}

// keepNodes is the largest tape that Reset keeps (256 KiB): one huge message must
// not stay in a pool for ever.
const keepNodes = 1 << 14

// Reset empties the Doc, lets go of the scanned bytes, and frees buffers that an
// unusually large message has grown.
func (d *Doc) Reset() {
	d.clear()
	if cap(d.nodes) > keepNodes {
		d.nodes = nil
	}
	d.names.shrink()
}

func (d *Doc) clear() {
	d.src = nil
	d.nodes = d.nodes[:0]
	d.generation++
	d.names.clear()
}

// Root returns the scanned value, or the absent Value when nothing was accepted.
func (d *Doc) Root() Value {
	if d == nil || len(d.nodes) == 0 {
		return Value{}
	}
	return Value{doc: d, generation: d.generation}
}
