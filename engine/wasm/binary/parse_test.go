package binary

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// small is a module with one function of type () -> i32, exported as f.
func small(code ...any) *asm {
	if len(code) == 0 {
		code = []any{opI32Const, 42}
	}
	return &asm{types: []FuncType{ft("", "i")}, funcs: []asmFunc{fn(0, 0, code...)}, exports: []exported{exportFunc("f", 0)}}
}

// with changes a module.
func (a *asm) with(change func(a *asm)) *asm {
	change(a)
	return a
}

func TestParseSaysWhatAModuleHas(t *testing.T) {
	a := &asm{
		types: []FuncType{ft("ilfdv", "rx"), ft("", "")},
		imports: [][]byte{
			importFunc("env", "one", 0), b(name("env"), name("two"), 1, ExternRef, 0, u(3)),
			b(name("env"), name("three"), 3, I64, 0), importFunc("sallyport_v1", "four", 1),
		},
		funcs:   []asmFunc{fn(1, 0)},
		memory:  b(1, u(2), u(9)),
		exports: []exported{exportFunc("f", 2), {"mem", KindMemory, 0}, exportFunc("again", 1)},
		customs: [][2]string{{"sallyport.manifest", "{}"}, {"other", "first"}, {"other", "second"}},
	}
	m, err := Parse(a.bytes())
	if err != nil {
		t.Fatal(err)
	}
	imports := []Import{
		{"env", "one", KindFunc, ft("ilfdv", "rx")},
		{Module: "env", Name: "two", Kind: KindTable},
		{Module: "env", Name: "three", Kind: KindGlobal},
		{"sallyport_v1", "four", KindFunc, ft("", "")},
	}
	if d := cmp.Diff(imports, m.Imports(), cmp.Comparer(sameType)); d != "" {
		t.Error(d)
	}
	exports := []Export{{"f", KindFunc, ft("", "")}, {Name: "mem", Kind: KindMemory}, {"again", KindFunc, ft("", "")}}
	if d := cmp.Diff(exports, m.Exports(), cmp.Comparer(sameType)); d != "" {
		t.Error(d)
	}
	if minimum, maximum, has, ok := m.Memory(); minimum != 2 || maximum != 9 || !has || !ok {
		t.Error(minimum, maximum, has, ok)
	}
	if data, ok := m.Custom("other"); string(data) != "first" || !ok {
		t.Errorf("custom section: %q, %t", data, ok)
	}
	if _, ok := m.Custom("none"); ok {
		t.Error("a custom section that isn't there")
	}
	if typ, ok := m.FuncType("f"); typ.String() != "() -> ()" || !ok {
		t.Error(typ, ok)
	}
	if _, ok := m.FuncType("mem"); ok {
		t.Error("a memory has a function type")
	}
	if got, want := m.Imports()[0].Type.String(), "(i32, i64, f32, f64, v128) -> (funcref, externref)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func sameType(a, b FuncType) bool { return a.String() == b.String() }

// raw is a module of one section that is given as it stands.
func raw(id byte, content ...any) []byte {
	return appendSection([]byte(header), id, b(content...))
}

func TestParseRefuses(t *testing.T) {
	empty := small().bytes()
	for _, c := range []struct {
		name   string
		module []byte
		want   string
	}{
		{"nothing", nil, "module section at offset 0x0: not WebAssembly: it doesn't begin with \\0asm"},
		{"text", []byte("(module)"), "module section at offset 0x0: not WebAssembly: it doesn't begin with \\0asm"},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), "module section at offset 0x4: binary version 02 00 00 00 is not supported"},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), "module section at offset 0x4: the component model is not supported: a core module is needed"},
		{"half a section", empty[:len(empty)-1], "module section at offset 0x1c: 6 bytes wanted, 5 left"},
		{"a section of no kind", raw(14, 0), "module section at offset 0x8: section 14 is unknown"},
		{"sections out of order", append(raw(secMemory, 1, 0, 1), appendSection(nil, secTable, b(0))...), "module section at offset 0xd: the table section is out of order or there twice"},
		{"two type sections", append(raw(secType, 0), appendSection(nil, secType, b(0))...), "module section at offset 0xb: the type section is out of order or there twice"},
		{"a section too long", raw(secType, 0, 0), "type section at offset 0xb: 1 bytes too many"},
		{"a number too long", raw(secType, "\x80\x80\x80\x80\x10"), "type section at offset 0xa: a number needs more than 32 bits"},
		{"a number without end", raw(secType, "\x80\x80\x80\x80\x80\x00"), "type section at offset 0xa: a number needs more than 32 bits"},
		{"a count that is forged", raw(secFunction, "\xff\xff\x03"), "function section at offset 0xa: 65535 functions don't fit into 0 bytes"},
		{"a count beyond the bound", raw(secFunction, "\xff\xff\xff\xff\x0f"), "function section at offset 0xa: 4294967295 functions, at most 131072 are read"},
		{"a name of no length", raw(secImport, 1, "\xff\xff\xff\xff\x0f"), "import section at offset 0x10: 4294967295 bytes wanted, 0 left"},
		{"a name that isn't UTF-8", raw(secImport, 1, 1, "\xff"), "import section at offset 0xb: a name is not UTF-8"},
		{"a type of no form", raw(secType, 1, 0x61), "type section at offset 0xb: type form 0x61 is unknown"},
		{"a value of no type", raw(secType, 1, 0x60, 1, 0x40, 0), "type section at offset 0xd: value type 0x40 is unknown"},
		{"an import of no type", raw(secImport, 1, 0, 0, 0, 0), "import section at offset 0xe: type 0 doesn't exist: there are 0"},
		{"an import of no kind", raw(secImport, 1, 0, 0, 5), "import section at offset 0xd: import of kind 5 is unknown"},
		{"a function of no type", raw(secFunction, 1, 3), "function section at offset 0xb: type 3 doesn't exist: there are 0"},
		{"a table of numbers", raw(secTable, 1, I32, 0, 0), "table section at offset 0xb: i32 is not a reference type"},
		{"limits upside down", raw(secMemory, 1, 1, 3, 2), "memory section at offset 0xb: the minimum 3 is above the maximum 2"},
		{"a memory above 4 GiB", raw(secMemory, 1, 0, u(65537)), "memory section at offset 0xb: limits above 65536"},
		{"limits of no kind", raw(secMemory, 1, 0x10, 1), "memory section at offset 0xb: limits of kind 0x10 are unknown"},
		{"a global half mutable", raw(secGlobal, 1, I32, 4), "global section at offset 0xc: mutability 0x4 is unknown"},
		{"a global that adds at run time", raw(secGlobal, 1, I32, 0, opI32Const, 0, opLocalGet, 0, opEnd), "global section at offset 0xf: instruction 0x20 in a constant expression"},
		{"a global from its own", raw(secGlobal, 1, I32, 0, opGlobalGet, 0, opEnd), "global section at offset 0xd: global 0 in a constant expression is not an imported one"},
		{"a global from a function that isn't there", raw(secGlobal, 1, FuncRef, 0, opRefFunc, 0, opEnd), "global section at offset 0xd: function 0 doesn't exist: there are 0"},
		{"a constant without end", raw(secGlobal, 1, I32, 0, opI32Const, 0), "global section at offset 0xf: unexpected end"},
		{"an export that isn't there", raw(secExport, 1, name("f"), 0, 0), "export section at offset 0xe: function 0 doesn't exist: there are 0"},
		{"an export of no kind", raw(secExport, 1, name("f"), 5, 0), "export section at offset 0xd: export of kind 5 is unknown"},
		{"two exports of one name", small().with(func(a *asm) { a.exports = append(a.exports, exportFunc("f", 0)) }).bytes(), "export section at offset 0x1a: \"f\" is exported twice"},
		{"a start that isn't there", raw(secStart, 0), "start section at offset 0xa: function 0 doesn't exist: there are 0"},
		{"elements of no table", raw(secElement, 1, 0, opI32Const, 0, opEnd, 0), "element section at offset 0xb: table 0 doesn't exist: there are 0"},
		{"an element that isn't there", raw(secElement, 1, 1, 0, 1, 9), "element section at offset 0xe: function 9 doesn't exist: there are 0"},
		{"elements of no kind", raw(secElement, 1, 1, 1, 0), "element section at offset 0xc: element kind 0x1 is unknown"},
		{"elements in no form", raw(secElement, 1, 8), "element section at offset 0xb: element segment of kind 8 is unknown"},
		{"data of no memory", raw(secData, 1, 0, opI32Const, 0, opEnd, 0), "data section at offset 0xb: memory 0 doesn't exist: there are 0"},
		{"data in no form", raw(secData, 1, 3), "data section at offset 0xb: data segment of kind 3 is unknown"},
		{"data counted wrong", raw(secDataCount, 1), "module section at offset 0x8: 1 data segments are declared and 0 are there"},
		{"a function without code", append(raw(secType, 1, 0x60, 0, 0), appendSection(nil, secFunction, b(1, 0))...), "module section at offset 0x0: 1 functions are declared and 0 have code"},
		{"code without a function", raw(secCode, 1, 2, 0, opEnd), "module section at offset 0x8: 0 functions are declared and 1 have code"},
		{"more locals than can be", raw(secCode, 1, 6, 1, u(60_000), I32, opEnd), "code section at offset 0xb: 60000 locals, at most 50000 are read"},
		{"locals that overflow", raw(secCode, 1, 16, 2, "\xff\xff\xff\xff\x0f", I32, "\xff\xff\xff\xff\x0f", I32, 0, 0, opEnd), "code section at offset 0xb: 8589934590 locals, at most 50000 are read"},
		{"two manifests", small().with(func(a *asm) { a.customs = [][2]string{{"sallyport.manifest", "a"}, {"sallyport.manifest", "b"}} }).bytes(), "custom section at offset 0x3a: \"sallyport.manifest\" is there twice"},
	} {
		_, err := Parse(c.module)
		got := ""
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%s: %T", c.name, err)
			}
			got = strings.TrimPrefix(err.Error(), "wasm: ")
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestProposalsAreRefusedByName has something of each proposal that isn't read.
func TestProposalsAreRefusedByName(t *testing.T) {
	code := func(parts ...any) []byte { return small(append(parts, opI32Const, 0)...).bytes() }
	memory := func(flags int) []byte { return raw(secMemory, 1, flags, 1, 1) }
	for want, modules := range map[string][][]byte{
		threads:    {memory(3), code(0xfe, 0x03, 0), raw(secGlobal, 1, I32, 2), raw(secImport, 1, 0, 0, 2, 3, 1, 1)},
		exceptions: {raw(secTag, 0), code(0x08, 0), code(0x0a), code(0x1f, 0x40, 0), code(0x06, 0x40), raw(secImport, 1, 0, 0, 4, 0, 0), raw(secExport, 1, 0, 4, 0), raw(secType, 1, 0x60, 1, 0x69, 0), code(opBlock, 0x69)},
		typedRefs:  {code(0x14, 0), code(0x15, 0), code(0xd4), code(0xd5, 0), raw(secType, 1, 0x60, 1, 0x64, 0x70, 0), raw(secTable, 1, 0x40, 0, FuncRef, 0, 0), code(opRefNull, 0x63)},
		gc:         {raw(secType, 1, 0x4e, 0), raw(secType, 1, 0x5f, 0), raw(secType, 1, 0x60, 1, 0x6e, 0), code(0xfb, 0), code(0xd3)},
		memory64:   {memory(5), memory(4), raw(secTable, 1, FuncRef, 4, 0)},
		multiMemory: {
			raw(secMemory, 2, 0, 1, 0, 1), code(0x3f, 1), code(opMemoryGrow, 1), code(0x28, 0x42, 1, 0),
			code(opMisc, miscMemoryFill, 1), code(opMisc, miscMemoryCopy, 0, 1), raw(secData, 1, 2, 1, opI32Const, 0, opEnd, 0),
			append(raw(secImport, 1, 0, 0, 2, 0, 1), appendSection(nil, secMemory, b(1, 0, 1))...),
		},
		pageSizes:   {memory(8)},
		relaxedSIMD: {code(opVector, u(0x100))},
		wideMath:    {code(opMisc, 19)},
		switching:   {code(0xe2, 0), raw(secType, 1, 0x5d, 0)},
	} {
		for _, module := range modules {
			m, err := Parse(module)
			if err == nil {
				_, err = m.Instrument(Options{})
			}
			if err == nil || !strings.HasSuffix(err.Error(), ": "+want+" is not supported") {
				t.Errorf("%x: %v, want %s", module, err, want)
			}
		}
	}
}

// TestParseTakesMemoryInProportion gives Parse counts that are forged, and modules
// of the entries that cost it most for their size.
func TestParseTakesMemoryInProportion(t *testing.T) {
	const n = 60_000
	huge := "\xff\xff\xff\xff\x0f"
	modules := map[string][]byte{
		"types": raw(secType, u(n), repeat(n, b(0x60, 0, 0))), "exports": raw(secExport, u(n), repeat(n, b(0, 0, 0))),
		"segments": raw(secElement, u(n), repeat(n, b(1, 0, 0))), "bodies": raw(secCode, u(n), repeat(n, b(2, 0, opEnd))),
		"customs": repeat(n, b(0, 1, 0)), "globals": raw(secGlobal, u(n), repeat(n, b(I32, 0, opI32Const, 0, opEnd))),
		"data": append(raw(secMemory, 1, 0, 1), appendSection(nil, secData, b(u(n), repeat(n, b(1, 0))))...),
	}
	for id := byte(1); id < secTag; id++ {
		modules["forged "+sectionNames[id]] = raw(id, huge)
		modules["forged within "+sectionNames[id]] = raw(id, 1, huge, huge, huge, huge)
	}
	for name, module := range modules {
		if strings.HasPrefix(name, "customs") {
			module = append([]byte(header), module...)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Parse(module)
		runtime.ReadMemStats(&after)
		if took, most := after.TotalAlloc-before.TotalAlloc, uint64(128*len(module)+4096); took > most {
			t.Errorf("%s: %d bytes for a module of %d", name, took, len(module))
		}
	}
}
