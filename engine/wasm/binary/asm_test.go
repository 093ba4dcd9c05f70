package binary

import "fmt"

// asm is a module to be assembled. Indices are the module's; what is empty has no
// section.
type asm struct {
	types   []FuncType
	imports [][]byte // as they stand
	funcs   []asmFunc
	tables  [][]byte // reference type and limits
	memory  []byte   // limits
	globals [][]byte // type, mutability and initial value
	exports []exported
	start   []byte // function
	elems   [][]byte
	counted bool
	datas   [][]byte
	customs [][2]string
}

type asmFunc struct {
	typ    int
	locals []byte // groups after their count; see local
	groups int
	code   []byte // without the last end
}

// b joins opcodes, given as numbers, and immediates, given as u or s make them.
func b(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			out = append(out, byte(p))
		case byte:
			out = append(out, p)
		case ValueType:
			out = append(out, byte(p))
		case string:
			out = append(out, p...)
		case []byte:
			out = append(out, p...)
		default:
			panic(fmt.Sprintf("%T", p))
		}
	}
	return out
}

func u(v uint32) []byte { return appendU32(nil, v) }

func s(v int64) []byte { return appendS64(nil, v) }

func name(s string) []byte { return appendName(nil, s) }

// repeat repeats code.
func repeat(n int, code []byte) []byte {
	var out []byte
	for range n {
		out = append(out, code...)
	}
	return out
}

// fn types a function: ft("ii", "l") takes two i32 and returns an i64.
func ft(params, results string) FuncType {
	list := func(s string) []ValueType {
		var types []ValueType
		for _, c := range s {
			types = append(types, map[rune]ValueType{
				'i': I32, 'l': I64, 'f': F32, 'd': F64, 'v': V128, 'r': FuncRef, 'x': ExternRef,
			}[c])
		}
		return types
	}
	return FuncType{list(params), list(results)}
}

// fn is a function with some locals of type i32.
func fn(typ, locals int, parts ...any) asmFunc {
	f := asmFunc{typ: typ, code: b(parts...)}
	if locals > 0 {
		f.groups, f.locals = 1, b(u(uint32(locals)), I32)
	}
	return f
}

func exportFunc(name string, index uint32) exported { return exported{name, KindFunc, index} }

func importFunc(module, field string, typ uint32) []byte {
	return b(name(module), name(field), 0, u(typ))
}

func section(out []byte, id byte, n int, items [][]byte) []byte {
	if n == 0 {
		return out
	}
	content := u(uint32(n))
	for _, i := range items {
		content = append(content, i...)
	}
	return appendSection(out, id, content)
}

// bytes assembles the module.
func (a *asm) bytes() []byte {
	out := []byte(header)
	var types, funcs, exports, bodies [][]byte
	for _, t := range a.types {
		types = append(types, appendValues(appendValues([]byte{0x60}, t.Params), t.Results))
	}
	for _, f := range a.funcs {
		funcs = append(funcs, u(uint32(f.typ)))
		code := b(u(uint32(f.groups)), f.locals, f.code, opEnd)
		bodies = append(bodies, b(u(uint32(len(code))), code))
	}
	for _, e := range a.exports {
		exports = append(exports, appendExport(nil, e))
	}
	out = section(out, secType, len(types), types)
	out = section(out, secImport, len(a.imports), a.imports)
	out = section(out, secFunction, len(funcs), funcs)
	out = section(out, secTable, len(a.tables), a.tables)
	if a.memory != nil {
		out = section(out, secMemory, 1, [][]byte{a.memory})
	}
	out = section(out, secGlobal, len(a.globals), a.globals)
	out = section(out, secExport, len(exports), exports)
	out = appendSection(out, secStart, a.start)
	out = section(out, secElement, len(a.elems), a.elems)
	if a.counted {
		out = appendSection(out, secDataCount, u(uint32(len(a.datas))))
	}
	out = section(out, secCode, len(bodies), bodies)
	out = section(out, secData, len(a.datas), a.datas)
	for _, c := range a.customs {
		out = appendSection(out, secCustom, b(name(c[0]), c[1]))
	}
	return out
}
