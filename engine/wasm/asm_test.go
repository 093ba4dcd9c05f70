package wasm_test

import (
	"encoding/binary"
	"math"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// module assembles a guest by hand, so that tests need no toolchain. Imports go before
// functions.
type module struct {
	types   [][]byte
	imports [][]byte
	funcs   []fn
	tables  [][]byte
	memory  []byte
	globals [][]byte
	exports [][]byte
	start   *uint32
	elems   [][]byte
	datas   [][]byte
	customs [][]byte
	last    []byte // a custom section behind the others
	kind    uint32 // the host function field_kind, for attack
}

type fn struct {
	typ    uint32
	locals []byte
	code   []byte
}

// Types of values, as signatures spell them: "ii:i" takes two i32 and gives one.
var valueTypes = map[rune]byte{'i': 0x7f, 'I': 0x7e, 'f': 0x7d, 'F': 0x7c, 'v': 0x7b, 'r': 0x70, 'e': 0x6f}

func leb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func sleb(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func sized(b []byte) []byte        { return cat(leb(uint64(len(b))), b) }
func named(s string) []byte        { return sized([]byte(s)) }
func vec(items [][]byte) []byte    { return cat(leb(uint64(len(items))), cat(items...)) }
func raw(b ...byte) []byte         { return b }
func op(c byte, n uint32) []byte   { return cat(raw(c), leb(uint64(n))) }
func i32(v int32) []byte           { return cat(raw(0x41), sleb(int64(v))) }
func i64(v int64) []byte           { return cat(raw(0x42), sleb(v)) }
func call(f uint32) []byte         { return op(0x10, f) }
func local(n uint32) []byte        { return op(0x20, n) }
func getGlobal(n uint32) []byte    { return op(0x23, n) }
func setGlobal(n uint32) []byte    { return op(0x24, n) }
func load32(offset uint32) []byte  { return cat(raw(0x28, 2), leb(uint64(offset))) }
func load8(offset uint32) []byte   { return cat(raw(0x2d, 0), leb(uint64(offset))) }
func store32(offset uint32) []byte { return cat(raw(0x36, 2), leb(uint64(offset))) }
func store8(offset uint32) []byte  { return cat(raw(0x3a, 0), leb(uint64(offset))) }

func f64(v float64) []byte {
	return binary.LittleEndian.AppendUint64(raw(0x44), math.Float64bits(v))
}

// loop runs its body for ever.
func loop(body ...[]byte) []byte { return cat(raw(0x03, 0x40), cat(body...), raw(0x0c, 0, 0x0b)) }
func when(body ...[]byte) []byte { return cat(raw(0x04, 0x40), cat(body...), raw(0x0b)) }

var (
	add         = raw(0x6a)
	sub         = raw(0x6b)
	ne          = raw(0x47)
	lts         = raw(0x48)
	and         = raw(0x71)
	drop        = raw(0x1a)
	unreachable = raw(0x00)
	growMemory  = raw(0x40, 0)
	sizeMemory  = raw(0x3f, 0)
)

func (m *module) typ(signature string) uint32 {
	var params, results []byte
	into := &params
	for _, c := range signature {
		if c == ':' {
			into = &results
			continue
		}
		*into = append(*into, valueTypes[c])
	}
	t := cat(raw(0x60), sized(params), sized(results))
	for i, other := range m.types {
		if string(other) == string(t) {
			return uint32(i)
		}
	}
	m.types = append(m.types, t)
	return uint32(len(m.types) - 1)
}

// imp imports a function and returns its index.
func (m *module) imp(mod, name, signature string) uint32 {
	m.imports = append(m.imports, cat(named(mod), named(name), raw(0), leb(uint64(m.typ(signature)))))
	return uint32(len(m.imports) - 1)
}

// host imports a host function of the ABI.
func (m *module) host(name string) uint32 {
	for _, f := range hostapi.Functions() {
		if f.Name != name {
			continue
		}
		sig := ""
		letter := map[hostapi.ValueType]string{hostapi.I32: "i", hostapi.I64: "I", hostapi.F64: "F"}
		for _, p := range f.Params {
			sig += letter[p.Type]
		}
		sig += ":"
		for _, r := range f.Results {
			sig += letter[r]
		}
		return m.imp(hostapi.Module, name, sig)
	}
	panic("no host function " + name)
}

// fun defines a function, exported unless its name is empty, and returns its index. locals are
// spelled as in a signature.
func (m *module) fun(name, signature, locals string, code ...[]byte) uint32 {
	f := fn{typ: m.typ(signature), code: cat(code...)}
	for _, c := range locals {
		f.locals = append(f.locals, valueTypes[c])
	}
	m.funcs = append(m.funcs, f)
	index := uint32(len(m.imports) + len(m.funcs) - 1)
	if name != "" {
		m.exp(name, 0, index)
	}
	return index
}

func (m *module) exp(name string, kind byte, index uint32) {
	m.exports = append(m.exports, cat(named(name), raw(kind), leb(uint64(index))))
}

// mem gives the module its memory, exported. limit 0 is none.
func (m *module) mem(pages, limit uint32) {
	m.memory = cat(raw(0), leb(uint64(pages)))
	if limit > 0 {
		m.memory = cat(raw(1), leb(uint64(pages)), leb(uint64(limit)))
	}
	m.exp(hostapi.MemoryExport, 2, 0)
}

func (m *module) data(at int32, text string) {
	m.datas = append(m.datas, cat(raw(0), i32(at), raw(0x0b), named(text)))
}

// glob defines a mutable global and returns its index.
func (m *module) glob(t rune, init []byte) uint32 {
	m.globals = append(m.globals, cat(raw(valueTypes[t], 1), init, raw(0x0b)))
	return uint32(len(m.globals) - 1)
}

func (m *module) custom(name, text string) {
	m.customs = append(m.customs, cat(named(name), []byte(text)))
}

func (m *module) manifest(text string) *module {
	m.custom(hostapi.ManifestSection, text)
	return m
}

// after puts a custom section at the end.
func (m *module) after(name string, content []byte) *module {
	m.last = cat(named(name), content)
	return m
}

func (m *module) bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, content []byte) { out = append(out, cat(raw(id), sized(content))...) }
	list := func(id byte, items [][]byte) {
		if len(items) > 0 {
			section(id, vec(items))
		}
	}
	for _, c := range m.customs {
		section(0, c)
	}
	var funcs, bodies [][]byte
	for _, f := range m.funcs {
		funcs = append(funcs, leb(uint64(f.typ)))
		var locals [][]byte
		for _, t := range f.locals {
			locals = append(locals, raw(1, t))
		}
		bodies = append(bodies, sized(cat(vec(locals), f.code, raw(0x0b))))
	}
	list(1, m.types)
	list(2, m.imports)
	list(3, funcs)
	list(4, m.tables)
	if m.memory != nil {
		section(5, vec([][]byte{m.memory}))
	}
	list(6, m.globals)
	list(7, m.exports)
	if m.start != nil {
		section(8, leb(uint64(*m.start)))
	}
	list(9, m.elems)
	list(10, bodies)
	list(11, m.datas)
	if m.last != nil {
		section(0, m.last)
	}
	return out
}
