package binary

import (
	"context"
	"fmt"
	"testing"

	"github.com/tetratelabs/wazero"
	"pgregory.net/rapid"
)

// writing is a module whose function f runs code with two locals: an i32, and one of a type that is its parameter. Its memory holds a byte other
// than any that is written.
func writing(t ValueType, code []byte) *asm {
	return &asm{
		types: []FuncType{{Params: []ValueType{I32, t}}}, funcs: []asmFunc{fn(0, 0, code)}, exports: []exported{exportFunc("f", 0), {"memory", KindMemory, 0}},
		memory: b(0, 1), counted: true, datas: [][]byte{b(1, name("\x11\x22\x33"))},
	}
}

// TestEveryInstructionThatWritesIsNoted runs each instruction that has a place in memory, at the ends of a block, and has the engine say whether
// it writes there.
func TestEveryInstructionThatWritesIsNoted(t *testing.T) {
	wrote := 0
	for _, c := range placed() {
		for _, loops := range []bool{false, true} {
			for at := testBlock - 20; at < testBlock+4; at++ {
				n := checkPlaced(t, c, at, loops)
				wrote = max(wrote, n)
				if (n > 0) != (effectOf(c) == -2) {
					t.Errorf("%x writes %d bytes", c, n)
				}
			}
		}
	}
	if wrote != 16 {
		t.Errorf("the widest write has %d bytes, which Options.Block says are 16", wrote)
	}
}

// placed are the opcodes of the instructions with an alignment and an offset.
func placed() [][]byte {
	var list [][]byte
	for op, letter := range []byte(immediates) {
		if letter == 'm' {
			list = append(list, b(op))
		}
	}
	for sub, letter := range []byte(vectors) {
		if letter == 'm' || letter == 'k' {
			list = append(list, b(opVector, u(uint32(sub))))
		}
	}
	return list
}

func decode(op []byte) (in instr) {
	r := reader{b: b(op, 0, 0, 0), stop: len(op) + 3}
	r.instr(&in)
	return in
}

func effectOf(op []byte) int {
	in := decode(op)
	return in.effect()
}

// checkPlaced runs an instruction at an address, by way of its offset, and returns how many bytes it has written.
func checkPlaced(t *testing.T, op []byte, at int, loops bool) int {
	t.Helper()
	in := decode(op)
	ones := map[ValueType][]byte{
		I32: b(opI32Const, s(-1)), I64: b(opI64Const, s(-1)), F32: b(opF32Const, "\xff\xff\xff\xff"), F64: b(opF64Const, "\xff\xff\xff\xff\xff\xff\xff\xff"),
		V128: b(opVector, vecConst, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	}
	const base = 5
	code := b(opI32Const, base)
	if typ, ok := in.writes(); ok {
		code = b(code, ones[typ])
	} else if in.effect() == -1 { // a load of one lane
		code = b(code, ones[V128])
	}
	code = b(code, op, 0, u(uint32(at-base)))
	if in.letter == 'k' {
		code = b(code, 0)
	}
	if in.effect() > -2 {
		code = b(code, 0x1a)
	}
	if loops {
		code = b(opLoop, 0x40, code, opEnd)
	}
	return noted(t, writing(I32, code).bytes())
}

// noted runs f, and returns how many bytes it has written, all of which must be noted.
func noted(t *testing.T, code []byte) int {
	t.Helper()
	res := mustInstrument(t, code, Options{Block: testBlock})
	mod := instantiate(t, newRuntime(t, ample(), 2), res.Code)
	defer func() { _ = mod.Close(context.Background()) }()
	before := memoryOf(mod)
	call(t, mod, "f", 0, 0)
	after, blocks := memoryOf(mod), mod.ExportedGlobal(res.Written).Get()
	if at := unnoted(before, after, blocks, testBlock); at >= 0 {
		t.Errorf("%x has written at %d, and noted %#x", code, at, blocks)
	}
	n := 0
	for at := range before {
		n += int(flag(before[at] != after[at]))
	}
	if n == 0 && blocks != 0 {
		t.Errorf("%x has written nothing, and noted %#x", code, blocks)
	}
	return n
}

// TestRangesAreNotedToTheByte draws bulk operations: exactly the blocks that they write to are noted.
func TestRangesAreNotedToTheByte(t *testing.T) {
	codes := map[string][]byte{}
	for name, op := range map[string][]byte{"fill": b(miscMemoryFill, 0), "copy": b(miscMemoryCopy, 0, 0), "init": b(miscMemoryInit, 0, 0)} {
		code := b(opLocalGet, 0, opI32Const, 0, opLocalGet, 1, opMisc, op)
		codes[name] = writing(I32, code).bytes()
		codes[name+" in a loop"] = writing(I32, b(opLoop, 0x40, code, opEnd)).bytes()
	}
	r := newRuntime(t, ample(), 2)
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom([]string{"fill", "copy", "init", "fill in a loop", "copy in a loop", "init in a loop"}).Draw(rt, "operation")
		most := 1 << 16
		if name == "init" || name == "init in a loop" {
			most = 3
		}
		n := rapid.OneOf(rapid.IntRange(0, min(most, 200)), rapid.IntRange(0, most)).Draw(rt, "n")
		at := rapid.OneOf(rapid.IntRange(0, min(1<<16-n, 300)), rapid.IntRange(0, 1<<16-n)).Draw(rt, "at")
		res := mustInstrument(t, codes[name], Options{Block: testBlock})
		compiled, err := r.compile(res.Code)
		if err != nil {
			rt.Fatal(err)
		}
		mod, err := r.InstantiateModule(context.Background(), compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = mod.Close(context.Background()) }()
		call(t, mod, "f", uint64(at), uint64(n))
		want := uint64(0)
		for k := at / testBlock; n > 0 && k <= (at+n-1)/testBlock; k++ {
			want |= 1 << (k % 64)
		}
		got := mod.ExportedGlobal(res.Written).Get()
		if n == 0 { // whether nothing is written somewhere makes no difference
			want = got & (1 << (at / testBlock % 64))
		}
		if got != want {
			rt.Fatalf("%s of %d bytes at %d notes %#x, want %#x", name, n, at, got, want)
		}
	})
}

// TestNotesOfAllFunctionsOfACallAreThere: one that gathers them in a local, and calls another that does, and ends in each way there is.
func TestNotesOfAllFunctionsOfACallAreThere(t *testing.T) {
	store := func(at int32) []byte { return b(opI32Const, s(int64(at)), opI32Const, 7, 0x3a, 0, 0) }
	loop := b(opLoop, 0x40, opEnd)
	for end, code := range map[string][]byte{
		"its end":       b(store(3000)),
		"a return":      b(store(3000), opReturn),
		"a branch":      b(store(3000), opBr, 0),
		"a tail call":   b(store(3000), opReturnCall, 2),
		"a tail call 2": b(store(3000), opI32Const, 0, opReturnCallIndirect, 1, 0),
	} {
		a := writing(I32, b(loop, store(0), opCall, 1, store(1000), code))
		a.types = append(a.types, ft("", ""))
		a.funcs = append(a.funcs, fn(1, 0, store(2000), loop), fn(1, 0, store(2500)))
		a.tables, a.elems = [][]byte{b(FuncRef, 0, 1)}, [][]byte{b(0, opI32Const, 0, opEnd, u(1), 2)}
		if got := noted(t, a.bytes()); got < 4 {
			t.Errorf("%s: %d bytes are written", end, got)
		}
	}
}

// TestWithoutBlocksNothingIsNoted: a module whose writes aren't noted is what it was.
func TestWithoutBlocksNothingIsNoted(t *testing.T) {
	code := writing(I32, b(opI32Const, 0, opI32Const, 7, opI32Store, 0, 0)).bytes()
	plain, with := mustInstrument(t, code, Options{}), mustInstrument(t, code, Options{Block: testBlock})
	if plain.Written != "" || with.Written != WrittenExport || len(plain.Code) >= len(with.Code) {
		t.Errorf("%q, %q, %d and %d bytes", plain.Written, with.Written, len(plain.Code), len(with.Code))
	}
	if fmt.Sprint(plain.Globals) != fmt.Sprint(with.Globals) {
		t.Errorf("%v, with notes %v", plain.Globals, with.Globals)
	}
}

// TestNotesCostNothing draws modules: what notes its writes takes the same fuel, and ends where the other does.
func TestNotesCostNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := genModule(rt)
		f, args := drawCall(rt, a)
		var list [2]outcome
		for i, block := range []uint32{0, testBlock} {
			tk := &tank{slice: 10_000, left: 1_000_000}
			r := newRuntime(t, tk, 2)
			o, err := run(r, mustInstrument(t, a.bytes(), Options{MaxPages: 2, MaxTable: 2 * genTable, Block: block}).Code, f, args, tk)
			_ = r.Close(context.Background())
			if err != nil {
				rt.Fatalf("%v\n%x", err, a.bytes())
			}
			list[i] = o
		}
		if d := differs(list[0], list[1]); d != "" {
			rt.Fatalf("%s(%v): -without +with notes\n%s\n%x", f, args, d, a.bytes())
		}
	})
}
