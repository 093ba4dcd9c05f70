// Package binary reads core WebAssembly modules and rewrites them so that a host
// can bound what they do: Instrument meters every path through the code, bounds
// its recursion, its memory and its tables, and exports the globals it changes.
//
// A module is never copied but re-emitted, section by section and instruction by
// instruction, in the one canonical encoding: what is judged here is what the
// engine compiles, even where an engine would read the original bytes otherwise.
//
// It reads WebAssembly 2.0 with tail calls and extended constant expressions and
// refuses the other proposals by name. It checks structure and every index, not
// types: those the engine checks when it compiles, and what is added to a module
// doesn't depend on them.
package binary

import (
	"fmt"
	"strings"
)

// ValueType is the type of a value, in its binary encoding.
type ValueType byte

// The value types of WebAssembly 2.0.
const (
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
)

// String returns the type's name in the text format.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	}
	return fmt.Sprintf("type %#x", byte(t))
}

// FuncType is what a function takes and returns.
type FuncType struct{ Params, Results []ValueType }

// String returns the type as in "(i32, i32) -> (i64)".
func (t FuncType) String() string {
	list := func(types []ValueType) string {
		names := make([]string, len(types))
		for i, v := range types {
			names[i] = v.String()
		}
		return "(" + strings.Join(names, ", ") + ")"
	}
	return list(t.Params) + " -> " + list(t.Results)
}

// Kind says what is imported or exported, in its binary encoding.
type Kind byte

// The kinds of imports and exports.
const (
	KindFunc Kind = iota
	KindTable
	KindMemory
	KindGlobal
)

var kindNames = [...]string{"function", "table", "memory", "global"}

// String returns the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Import is something a module wants from its host.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         FuncType // of a function, else empty
}

// Export is something a module offers by name.
type Export struct {
	Name string
	Kind Kind
	Type FuncType // of a function, else empty
}

// Module is a module that has been read. It refers to the bytes that were given
// to Parse and is safe for concurrent use as long as nobody changes them.
type Module struct {
	src      []byte
	sections [len(sectionNames)]span // by id, with what stands before their content
	types    []FuncType
	imports  []imported
	count    [4]int   // imports and definitions by Kind
	foreign  [4]int   // imports by Kind
	funcs    []uint32 // types of all functions, the imported first
	tables   []table
	memory   *limits // defined
	globals  []global
	exports  []exported
	start    int // function index, or -1
	elems    []segment
	datas    []segment
	counted  bool // has a data count section
	bodies   []body
	customs  []custom
}

type limits struct {
	min, max uint32
	bounded  bool
}

type imported struct {
	module, name string
	kind         Kind
	typ          uint32 // of a function
	ref          ValueType
	mutable      bool
	limits       limits
}

type table struct {
	ref    ValueType
	limits limits
}

// span is a part of the module's bytes.
type span struct{ from, to int }

type global struct {
	typ     ValueType
	mutable bool
	init    span
}

type exported struct {
	name  string
	kind  Kind
	index uint32
}

// The modes of segments.
const (
	active = iota
	passive
	declarative // elements only
)

// segment is an element or data segment.
type segment struct {
	mode   int
	table  uint32
	offset span // constant expression, of an active segment
	ref    ValueType
	exprs  bool // elements are constant expressions, not function indices
	n      int  // elements
	items  span // elements as they stand, or bytes
}

type body struct {
	at     int    // where its size stands
	groups span   // declarations of locals, after their count
	n      int    // groups
	locals uint32 // declared ones, without parameters
	code   span
}

type custom struct {
	name string
	data []byte
	all  span // with the name
}

// Imports returns what the module imports, in order.
func (m *Module) Imports() []Import {
	list := make([]Import, len(m.imports))
	for i, imp := range m.imports {
		list[i] = Import{Module: imp.module, Name: imp.name, Kind: imp.kind}
		if imp.kind == KindFunc {
			list[i].Type = m.types[imp.typ]
		}
	}
	return list
}

// Exports returns what the module exports, in order.
func (m *Module) Exports() []Export {
	list := make([]Export, len(m.exports))
	for i, e := range m.exports {
		list[i] = Export{Name: e.name, Kind: e.kind}
		if e.kind == KindFunc {
			list[i].Type = m.funcType(e.index)
		}
	}
	return list
}

// FuncType returns the type of an exported function.
func (m *Module) FuncType(export string) (FuncType, bool) {
	for _, e := range m.exports {
		if e.name == export && e.kind == KindFunc {
			return m.funcType(e.index), true
		}
	}
	return FuncType{}, false
}

// Custom returns the content of the first custom section of a name. It aliases
// the module.
func (m *Module) Custom(name string) ([]byte, bool) {
	for _, c := range m.customs {
		if c.name == name {
			return c.data, true
		}
	}
	return nil, false
}

// Memory returns the limits of the module's memory, its own or imported, in pages
// of 64 KiB; ok is false when it has none.
func (m *Module) Memory() (minPages, maxPages uint32, hasMax, ok bool) {
	if m.memory != nil {
		return m.memory.min, m.memory.max, m.memory.bounded, true
	}
	for _, imp := range m.imports {
		if imp.kind == KindMemory {
			return imp.limits.min, imp.limits.max, imp.limits.bounded, true
		}
	}
	return 0, 0, false, false
}

// funcType returns the type of a function by its index.
func (m *Module) funcType(index uint32) FuncType {
	return m.types[m.funcs[index]]
}

// own returns the index of the i-th function that isn't imported.
func (m *Module) own(i int) uint32 { return uint32(m.foreign[KindFunc] + i) }
