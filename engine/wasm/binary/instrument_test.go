package binary

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"pgregory.net/rapid"
)

func TestInstrumentRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		a    *asm
		want string
	}{
		{"an export that is named like the fuel", small().with(func(a *asm) { a.exports[0].name = "sp_fuel" }), `export section at offset 0x13: "sp_fuel": the name is reserved`},
		{"an export that is named like what is added", small().with(func(a *asm) { a.exports[0].name = "sp_internal_g7" }), `export section at offset 0x13: "sp_internal_g7": the name is reserved`},
		{"an import of the hook", small().with(func(a *asm) { a.imports = [][]byte{importFunc(HookModule, HookName, 0)} }), "import section at offset 0xf: sallyport_v1_internal.refuel: the module's name is reserved"},
		{"an import from the hook's module", small().with(func(a *asm) { a.imports = [][]byte{importFunc(HookModule, "x", 0)} }), "import section at offset 0xf: sallyport_v1_internal.x: the module's name is reserved"},
		{"an imported memory", small().with(func(a *asm) { a.imports = [][]byte{b(name("env"), name("memory"), 2, 0, 1)} }), "import section at offset 0xf: env.memory: a memory is imported; see OwnMemory"},
		{"an imported table", small().with(func(a *asm) { a.imports = [][]byte{b(name("env"), name("t"), 1, FuncRef, 0, 1)} }), "import section at offset 0xf: env.t: a table is imported; only functions can be"},
		{"an imported global", small().with(func(a *asm) { a.imports = [][]byte{b(name("env"), name("g"), 3, I32, 1)} }), "import section at offset 0xf: env.g: a global is imported; only functions can be"},
		{"too much memory", small().with(func(a *asm) { a.memory = b(0, u(257)) }), "memory section at offset 0x13: 257 pages, 256 are allowed"},
		{"tables too large", small().with(func(a *asm) { a.tables = [][]byte{b(FuncRef, 0, u(65_000)), b(FuncRef, 0, u(1000))} }), "table section at offset 0x13: 66000 elements, 65536 are allowed"},
		{"too many mutable globals", small().with(func(a *asm) {
			for range 1025 {
				a.globals = append(a.globals, b(I32, 1, opI32Const, 0, opEnd))
			}
		}), "global section at offset 0x13: 1025 mutable globals, 1024 are allowed"},
		{"too many functions", small().with(func(a *asm) { a.funcs = make([]asmFunc, 50_001) }), "function section at offset 0xf: 50001 functions, 50000 are allowed"},
		{"too many locals in all", small().with(func(a *asm) {
			for range 21 {
				a.funcs = append(a.funcs, fn(0, 50_000, opI32Const, 0))
			}
		}), "code section at offset 0x2f: more than 1000000 locals and parameters"},
		{"too many parameters in all", small().with(func(a *asm) {
			a.types[0].Params = make([]ValueType, 1000)
			for i := range a.types[0].Params {
				a.types[0].Params[i] = I32
			}
			a.funcs = make([]asmFunc, 1001)
		}), "code section at offset 0x7ee: more than 1000000 locals and parameters"},
		{"too many elements in all", small().with(func(a *asm) {
			for range 2 {
				a.elems = append(a.elems, b(1, 0, u(40_000), repeat(40_000, b(0))))
			}
		}), "element section at offset 0x1a: 80000 elements, 65536 are allowed"},
		{"too many ways for too many locals", hard(720, 700), "code section at offset 0x1e: function 0 is too much work to compile: 509004, 500000 is allowed"},
		{"too many hard functions", small().with(func(a *asm) {
			for range 60 {
				a.funcs = append(a.funcs, hard(400, 400).funcs...)
			}
		}), "code section at offset 0x29b3c: the functions up to 50 are too much work to compile: 8140202, 8000000 is allowed"},
		{"loops too deep for many locals", small(repeat(100, b(opLoop, 0x40)), hard(200, 0).funcs[0].code, repeat(100, b(opEnd)), opI32Const, 0).with(func(a *asm) {
			a.funcs[0].groups, a.funcs[0].locals = 1, b(u(200), I32)
		}), "code section at offset 0x1e: function 0 is too much work to compile: 1131205, 500000 is allowed"},
		{"blocks too deep", small(repeat(maxNesting, b(opBlock, 0x40))), "code section at offset 0x10021: more than 32768 blocks in each other"},
		{"code behind the end", small(opI32Const, 0, opEnd), "code section at offset 0x22: code behind the end of function 0"},
		{"code without end", small(opBlock, 0x40), "code section at offset 0x22: unexpected end"},
		{"else without if", small(opBlock, 0x40, opElse, opEnd), "code section at offset 0x21: else without if"},
		{"two elses", small(opI32Const, 0, opIf, 0x40, opElse, opElse, opEnd), "code section at offset 0x24: else without if"},
		{"an instruction of no kind", small(0x27), "code section at offset 0x1f: instruction 0x27 is unknown"},
		{"a vector instruction of no kind", small(opVector, u(0x9a)), "code section at offset 0x1f: instruction 0xfd 0x9a is unknown"},
		{"a block of no type", small(opBlock, 0x41), "code section at offset 0x20: block type -63 is unknown"},
		{"an alignment of no size", small(opI32Const, 0, 0x28, 40, 0), "code section at offset 0x22: alignment 2^40"},
		{"data that isn't counted", small(opMisc, miscDataDrop, 0).with(func(a *asm) { a.datas = [][]byte{b(1, 0)} }), "code section at offset 0x1f: data segments are used without a data count section"},
	} {
		m, err := Parse(c.a.bytes())
		if err == nil {
			_, err = m.Instrument(Options{})
		}
		if got := strings.TrimPrefix(fmt.Sprint(err), "wasm: "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// hard is a module of a function in which locals are assigned and branches meet.
func hard(locals, branches int) *asm {
	a := small(opBlock, 0x40)
	f := &a.funcs[0]
	f.groups, f.locals = 1, b(u(uint32(locals)), I32)
	for i := range locals {
		f.code = append(f.code, b(opI32Const, 1, opLocalSet, u(uint32(i)))...)
	}
	f.code = b(f.code, repeat(branches, b(opI32Const, 0, opBrIf, 0)), opEnd, opI32Const, 0)
	return a
}

// forgeable is a module with two of everything and a function for forged code.
func forgeable(code []byte) []byte {
	a := &asm{
		types:   []FuncType{ft("", ""), ft("i", "")},
		imports: [][]byte{importFunc("env", "a", 0), importFunc("env", "b", 0)},
		funcs:   []asmFunc{fn(1, 1, code)},
		memory:  b(0, 1), counted: true,
		tables:  [][]byte{b(FuncRef, 0, 1), b(FuncRef, 0, 1)},
		globals: [][]byte{b(I64, 1, opI64Const, 0, opEnd), b(I64, 1, opI64Const, 0, opEnd)},
		exports: []exported{exportFunc("f", 2)},
		elems:   [][]byte{b(1, 0, 1, 0), b(1, 0, 1, 1)},
		datas:   [][]byte{b(1, 0), b(1, 0)},
	}
	return a.bytes()
}

// TestForgedIndicesAreRefused: an index that names nothing in the module might name
// the fuel, the depth, the hook or a local or label that is added. It is refused,
// whatever the instruction and however the number is written.
func TestForgedIndicesAreRefused(t *testing.T) {
	type place struct {
		what          string
		there         uint32 // how many there are
		before, after []byte
	}
	places := []place{
		{"local", 2, b(opLocalGet), b(0x1a)},
		{"local", 2, b(opI64Const, 0, opLocalSet), nil},
		{"local", 2, b(opI32Const, 0, opLocalTee), b(0x1a)},
		{"global", 2, b(opGlobalGet), b(0x1a)},
		{"global", 2, b(opI64Const, s(math.MaxInt64), opGlobalSet), nil},
		{"function", 3, b(opCall), nil},
		{"function", 3, b(opReturnCall), nil},
		{"function", 3, b(opRefFunc), b(0x1a)},
		{"type", 2, b(opI32Const, 0, opCallIndirect), u(0)},
		{"table", 2, b(opI32Const, 0, opCallIndirect, 0), nil},
		{"type", 2, b(opI32Const, 0, opReturnCallIndirect), u(0)},
		{"type", 2, b(opBlock), b(opEnd)},
		{"type", 2, b(opLoop), b(opEnd)},
		{"type", 2, b(opI32Const, 0, opIf), b(opEnd)},
		{"label", 2, b(opBlock, 0x40, opBr), b(opEnd)},
		{"label", 3, b(opBlock, 0x40, opLoop, 0x40, opI32Const, 0, opBrIf), b(opEnd, opEnd)},
		{"label", 1, b(opI32Const, 0, opBrTable, 0), nil},
		{"label", 1, b(opI32Const, 0, opBrTable, 1), u(0)},
		{"table", 2, b(opI32Const, 0, opTableGet), b(0x1a)},
		{"table", 2, b(opI32Const, 0, opRefNull, FuncRef, opTableSet), nil},
		{"table", 2, b(opMisc, miscTableSize), b(0x1a)},
		{"table", 2, b(opMisc, miscTableCopy), u(0)},
		{"table", 2, b(opMisc, miscTableCopy, 0), nil},
		{"table", 2, b(opMisc, miscTableInit, 0), nil},
		{"element segment", 2, b(opMisc, miscTableInit), u(0)},
		{"element segment", 2, b(opMisc, miscElemDrop), nil},
		{"data segment", 2, b(opMisc, miscDataDrop), nil},
		{"data segment", 2, b(opMisc, miscMemoryInit), u(0)},
	}
	for _, p := range places {
		rapid.Check(t, func(rt *rapid.T) {
			index := p.there + rapid.OneOf(rapid.Uint32Range(0, 9), rapid.Uint32Max(math.MaxUint32-p.there)).Draw(rt, "beyond")
			number := u(index)
			if pad := rapid.IntRange(0, 5-len(number)).Draw(rt, "padding"); pad > 0 && p.what != "type" {
				number[len(number)-1] |= 0x80
				number = append(number, bytes.Repeat([]byte{0x80}, pad-1)...)
				number = append(number, 0)
			} else if p.what == "type" {
				number = s(int64(index))
			}
			m, err := Parse(forgeable(b(p.before, number, p.after)))
			if err != nil {
				rt.Fatal(err)
			}
			_, err = m.Instrument(Options{})
			want := fmt.Sprintf("%s %d doesn't exist: there are %d", p.what, index, p.there)
			if err == nil || !strings.HasSuffix(err.Error(), want) {
				rt.Fatalf("%x: %v, want %s", p.before, err, want)
			}
		})
	}
}

// TestTheFuelIsNotWhereAGuestReaches is what the forged indices are for: the guest
// fills its own fuel.
func TestTheFuelIsNotWhereAGuestReaches(t *testing.T) {
	spin := b(opLoop, 0x40, opI64Const, s(1<<62), opGlobalSet, u(2), opBr, 0, opEnd)
	m, err := Parse(forgeable(spin))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Instrument(Options{}); err == nil {
		t.Fatal("a guest can fill its own fuel")
	}
}

// TestInstructionsAreReadAsTheEngineReadsThem has an opcode that the specification
// reads as v128.const, whose sixteen bytes are data, and the engine as another
// instruction, behind which the bytes are code.
func TestInstructionsAreReadAsTheEngineReadsThem(t *testing.T) {
	hidden := b(0x00, opI64Const, s(1<<40), opGlobalSet, 2, 0x01, 0x01, 0x01, 0x01, 0x01)
	code := b(opVector, 0x8c, 0x00, hidden, repeat(16-len(hidden), b(0x01)), 0x1a)
	res := mustInstrument(t, forgeable(code), Options{})
	if want := b(opVector, vecConst, hidden, repeat(16-len(hidden), b(0x01))); !bytes.Contains(res.Code, want) {
		t.Errorf("%x has no v128.const as the specification writes it", res.Code)
	}
	if bytes.Contains(res.Code, b(opVector, 0x8c, 0x00)) {
		t.Error("the opcode is still as it was")
	}
}

func TestMemoryAndTablesAreClamped(t *testing.T) {
	a := small()
	a.types = []FuncType{ft("i", "i"), ft("", "i")}
	a.memory = b(0, 1)
	a.tables = [][]byte{b(FuncRef, 0, u(10)), b(ExternRef, 1, u(1), u(20))}
	a.funcs = []asmFunc{
		fn(0, 0, opLocalGet, 0, opMemoryGrow, 0),
		fn(0, 0, opRefNull, FuncRef, opLocalGet, 0, opMisc, miscTableGrow, 0),
		fn(0, 0, opRefNull, ExternRef, opLocalGet, 0, opMisc, miscTableGrow, 1),
	}
	a.exports = []exported{exportFunc("memory.grow", 0), exportFunc("grow", 1), exportFunc("grow other", 2)}
	res := mustInstrument(t, a.bytes(), Options{MaxPages: 4, MaxTable: 200})
	tk := ample()
	mod := instantiate(t, newRuntime(t, tk, 65536), res.Code)
	for _, c := range []struct {
		f       string
		n, want uint32
	}{
		{"memory.grow", 4, math.MaxUint32},
		{"memory.grow", math.MaxUint32, math.MaxUint32},
		{"memory.grow", 3, 1},
		{"memory.grow", 1, math.MaxUint32},
		{"grow", 91, math.MaxUint32},
		{"grow", 1 << 30, math.MaxUint32},
		{"grow", 90, 10},
		{"grow other", 20, math.MaxUint32},
		{"grow other", 19, 1},
	} {
		before := tk.spent(mod)
		if got := uint32(call(t, mod, c.f, uint64(c.n))); got != c.want {
			t.Errorf("%s(%d) = %d, want %d", c.f, c.n, int32(got), int32(c.want))
		}
		if fuel := tk.spent(mod) - before; fuel > 4*8192+300 {
			t.Errorf("%s(%d) cost %d", c.f, c.n, fuel)
		}
	}
	if res.Changes != ChangesTables {
		t.Errorf("it changes %s, want tables", res.Changes)
	}
}

func TestMemoryKeepsItsMaximumOrNot(t *testing.T) {
	for _, c := range []struct {
		own  []byte
		full bool
		want uint32
	}{
		{b(1, u(1), u(3)), false, 3},
		{b(1, u(1), u(3)), true, 8},
		{b(1, u(1), u(30)), false, 8},
		{b(0, u(1)), false, 8},
		{b(0, u(1)), true, 8},
	} {
		code := small().with(func(a *asm) { a.memory = c.own }).bytes()
		m, err := Parse(mustInstrument(t, code, Options{MaxPages: 8, FullMemory: c.full}).Code)
		if err != nil {
			t.Fatal(err)
		}
		if least, most, has, ok := m.Memory(); least != 1 || most != c.want || !has || !ok {
			t.Errorf("%x, full %t: %d to %d pages, want 1 to %d", c.own, c.full, least, most, c.want)
		}
	}
}

func TestResultSaysWhatAResetRestores(t *testing.T) {
	a := small()
	a.counted, a.datas = true, [][]byte{b(1, 0)}
	a.funcs = append(a.funcs, fn(0, 0, opMisc, miscDataDrop, 0, opI32Const, 0))
	vector := b(V128, 1, opVector, vecConst, strings.Repeat("\x00", 16), opEnd)
	a.globals = [][]byte{
		b(I32, 1, opI32Const, 1, opEnd), b(I32, 0, opI32Const, 2, opEnd), b(F64, 1, opF64Const, strings.Repeat("\x00", 8), opEnd),
		vector, b(FuncRef, 1, opRefNull, FuncRef, opEnd),
	}
	res := mustInstrument(t, a.bytes(), Options{Stack: 1 << 16})
	want := []Global{{DepthExport, I64}, {"sp_internal_g0", I32}, {"sp_internal_g2", F64}}
	if fmt.Sprint(res.Globals) != fmt.Sprint(want) {
		t.Errorf("globals %v, want %v", res.Globals, want)
	}
	if got := res.Changes.String(); got != "segments, globals" {
		t.Errorf("it changes %q", got)
	}
	mod := instantiate(t, newRuntime(t, ample(), 256), res.Code)
	for name, value := range map[string]uint64{DepthExport: 1 << 16, "sp_internal_g0": 1, "sp_internal_g2": 0, res.Fuel: 0} {
		if got := mod.ExportedGlobal(name).Get(); got != value {
			t.Errorf("%s is %d, want %d", name, got, value)
		}
	}
	if res.Cost != CostVersion {
		t.Errorf("cost model %d", res.Cost)
	}
}

// TestWhatALoopBecomes spells out the code of a function with a loop. The call of the
// hook stands outside of the loop, for speed, and the charge behind the test.
func TestWhatALoopBecomes(t *testing.T) {
	a := &asm{
		types: []FuncType{ft("", "")}, exports: []exported{exportFunc("f", 0)},
		funcs: []asmFunc{fn(0, 0, opLoop, 0x40, opI32Const, 7, opBrIf, 0, opEnd)},
	}
	const hook, fuelGlobal, fuel = 0, 0, 0 // function, global, local
	ask := b(opLocalGet, fuel, opI64Const, 0, opI64LtS, opIf, 0x40,
		opLocalGet, fuel, opGlobalSet, fuelGlobal, opCall, hook, opGlobalGet, fuelGlobal, opLocalSet, fuel, opEnd)
	want := b(1, 1, I64,
		opGlobalGet, fuelGlobal, opLocalSet, fuel, opBlock, 0x40,
		opBlock, 0x40, opLoop, 0x40, ask, opBlock, 0x40,
		opLoop, 0x40, opLocalGet, fuel, opI64Const, 0, opI64LtS, opBrIf, 1,
		opLocalGet, fuel, opI64Const, 2, opI64Sub, opLocalSet, fuel,
		opI32Const, 7, opBrIf, 0, opEnd, opBr, 2, opEnd, opBr, 0, opEnd, opEnd,
		opEnd, opLocalGet, fuel, opGlobalSet, fuelGlobal, opEnd)
	m, err := Parse(mustInstrument(t, a.bytes(), Options{}).Code)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.src[m.bodies[0].at+1 : m.bodies[0].code.to]; !bytes.Equal(got, want) {
		t.Errorf("a loop becomes\n%x, want\n%x", got, want)
	}
}

// TestChangesNamesWhatCantBeRestored has each instruction that changes what a host
// can't restore, and some that don't.
func TestChangesNamesWhatCantBeRestored(t *testing.T) {
	zero := b(opI32Const, 0)
	for _, c := range []struct {
		code []byte
		want Changes
	}{
		{b(zero, opTableGet, 0, 0x1a), 0},
		{b(opMisc, miscTableSize, 0, 0x1a), 0},
		{b(zero, zero, zero, opMisc, miscMemoryInit, 0, 0), 0},
		{b(zero, zero, zero, opMisc, miscMemoryCopy, 0, 0), 0},
		{b(zero, opMemoryGrow, 0, 0x1a), 0},
		{b(zero, opRefNull, FuncRef, opTableSet, 0), ChangesTables},
		{b(opRefNull, FuncRef, zero, opMisc, miscTableGrow, 0, 0x1a), ChangesTables},
		{b(zero, opRefNull, FuncRef, zero, opMisc, miscTableFill, 0), ChangesTables},
		{b(zero, zero, zero, opMisc, miscTableCopy, 0, 0), ChangesTables},
		{b(zero, zero, zero, opMisc, miscTableInit, 0, 0), ChangesTables},
		{b(opMisc, miscDataDrop, 0), ChangesSegments},
		{b(opMisc, miscElemDrop, 0), ChangesSegments},
	} {
		a := small(c.code, opI32Const, 1).with(func(a *asm) {
			a.memory, a.counted, a.datas = b(0, 1), true, [][]byte{b(1, 0)}
			a.tables, a.elems = [][]byte{b(FuncRef, 0, 1)}, [][]byte{b(1, 0, 0)}
		})
		if got := mustInstrument(t, a.bytes(), Options{}).Changes; got != c.want {
			t.Errorf("%x changes %q, want %q", c.code, got, c.want)
		}
	}
}

// TestATrapSaysWhereItWas: functions move, and so do their names.
func TestATrapSaysWhereItWas(t *testing.T) {
	names := b(0, u(2), name("m"), 1, u(18), 3, 0, name("host"), 1, name("bad"), 2, name("good"), 2, u(1), 0)
	a := small()
	a.types = append(a.types, ft("", ""))
	a.imports = [][]byte{importFunc("env", "host", 1)}
	a.funcs = []asmFunc{fn(0, 0, opUnreachable), fn(0, 0, opLoop, 0x40, opEnd, opCall, 1)}
	a.exports = []exported{exportFunc("f", 2)}
	a.customs = [][2]string{{"name", string(names)}, {"producers", "x"}}
	res := mustInstrument(t, a.bytes(), Options{})
	r := newRuntime(t, ample(), 256)
	if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() {}).Export("host").Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, err := instantiate(t, r, res.Code).ExportedFunction("f").Call(context.Background())
	if want := "wasm error: unreachable\nwasm stack trace:\n\tm.bad() i32\n\tm.good() i32"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if m, err := Parse(res.Code); err != nil || len(m.customs) != 1 {
		t.Errorf("%v, want the name section alone", err)
	}
	// A name section that can't be read is left out: the engine would refuse it.
	for _, broken := range [][]byte{names[:9], b(1, u(3), 1, 9, 0), b(1, u(3), 9, 0, 0), b(1, u(4), 1, 0, u(1), 0xff)} {
		a.customs[0][1] = string(broken)
		m, err := Parse(mustInstrument(t, a.bytes(), Options{}).Code)
		if err != nil || len(m.customs) != 0 {
			t.Errorf("%x: %v, %d custom sections", broken, err, len(m.customs))
		}
	}
}

func instantiate(t testing.TB, r wazero.Runtime, code []byte) api.Module {
	t.Helper()
	mod, err := r.InstantiateWithConfig(context.Background(), code, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	return mod
}

func call(t testing.TB, mod api.Module, f string, args ...uint64) uint64 {
	t.Helper()
	out, err := mod.ExportedFunction(f).Call(context.Background(), args...)
	if err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	if len(out) == 0 {
		return 0
	}
	return out[0]
}
