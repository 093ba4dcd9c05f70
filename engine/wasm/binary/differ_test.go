package binary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"pgregory.net/rapid"
)

// outcome is what can be seen of a run: what was returned or why it ended, and what
// memory and globals held then.
type outcome struct {
	Results []uint64
	Trap    string
	Globals []uint64
	Memory  []byte
	Fuel    int64 // of an instrumented module
	limited bool  // it was ended by fuel or depth
}

// run calls a function of a fresh instance.
func run(r *oracle, code []byte, f string, args []uint64, tk *tank) (outcome, error) {
	ctx := context.Background()
	compiled, err := r.compile(code)
	if err != nil {
		return outcome{}, err
	}
	mod, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return outcome{}, err
	}
	defer func() { _ = mod.Close(ctx) }()
	fn := mod.ExportedFunction(f)
	var o outcome
	before := memoryOf(mod)
	o.Results, err = fn.Call(ctx, args...)
	if err != nil {
		o.Trap, _, _ = strings.Cut(err.Error(), "\n")
		o.limited = errors.Is(err, errNoFuel) || strings.Contains(o.Trap, "stack overflow")
	}
	for i, t := range fn.Definition().ResultTypes() {
		if err == nil {
			o.Results[i] = canonical(t, o.Results[i])
		}
	}
	for i := range genGlobals {
		if g := mod.ExportedGlobal(fmt.Sprint("g", i)); g != nil {
			o.Globals = append(o.Globals, canonical(g.Type(), g.Get()))
		}
	}
	o.Memory = memoryOf(mod)
	if g := mod.ExportedGlobal(WrittenExport); g != nil && o.Trap == "" {
		if at := unnoted(before, o.Memory, g.Get(), testBlock); at >= 0 {
			return o, fmt.Errorf("%s has written at %d, and noted %#x", f, at, g.Get())
		}
	}
	if mod.ExportedGlobal(FuelExport) != nil {
		o.Fuel = tk.spent(mod)
		o.limited = o.limited || int64(mod.ExportedGlobal(DepthExport).Get()) < 0
	}
	return o, nil
}

// testBlock is the size of the blocks that tests have noted.
const testBlock = 64

// memoryOf returns what a memory holds, nil if there is none.
func memoryOf(mod api.Module) []byte {
	mem := mod.Memory()
	if reflect.ValueOf(mem).IsNil() { // it isn't nil, but what is in it
		return nil
	}
	view, _ := mem.Read(0, mem.Size())
	return bytes.Clone(view)
}

// unnoted returns a place that was written and is neither in a block that was noted nor among the first 15 bytes behind one; -1 is none. What has
// grown needs no note.
func unnoted(before, after []byte, blocks uint64, size int) int {
	noted := func(at int) bool { return blocks>>(at/size%64)&1 == 1 }
	for at := range before {
		if before[at] != after[at] && !noted(at) && !noted(max(at-15, 0)) {
			return at
		}
	}
	return -1
}

// differs says in what outcomes differ, but for the fuel if want has none.
func differs(want, got outcome) string {
	if want.Fuel == 0 {
		got.Fuel = 0
	}
	for i := range min(len(want.Memory), len(got.Memory)) {
		if want.Memory[i] != got.Memory[i] {
			return fmt.Sprintf("memory at %d: %#x, want %#x", i, got.Memory[i], want.Memory[i])
		}
	}
	if len(want.Memory) != len(got.Memory) {
		return fmt.Sprintf("%d bytes of memory, want %d", len(got.Memory), len(want.Memory))
	}
	want.Memory, got.Memory = nil, nil
	return cmp.Diff(want, got, cmp.AllowUnexported(outcome{}))
}

// canonical makes one of all that is the same: any NaN, and what the engine leaves
// above 32 bits.
func canonical(t api.ValueType, v uint64) uint64 {
	switch t {
	case api.ValueTypeI32:
		return uint64(uint32(v))
	case api.ValueTypeF32:
		if f := api.DecodeF32(v); f != f {
			return uint64(math.Float32bits(float32(math.NaN())))
		}
		return uint64(uint32(v))
	case api.ValueTypeF64:
		if f := api.DecodeF64(v); f != f {
			return math.Float64bits(math.NaN())
		}
	}
	return v
}

func mustInstrument(t testing.TB, code []byte, o Options) *Result {
	t.Helper()
	m, err := Parse(code)
	if err != nil {
		t.Fatal(err)
	}
	res, err := m.Instrument(o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// tuned is Instrument with another meter.
func tuned(t testing.TB, code []byte, tn tuning) []byte {
	t.Helper()
	m, err := Parse(code)
	if err != nil {
		t.Fatal(err)
	}
	res, err := m.instrument(Options{}.withDefaults(), tn)
	if err != nil {
		t.Fatal(err)
	}
	return res.Code
}

// drawCall draws a function of the module and arguments.
func drawCall(t *rapid.T, a *asm) (f string, args []uint64) {
	i := rapid.IntRange(0, len(a.funcs)-1).Draw(t, "function")
	for range a.types[i].Params {
		args = append(args, rapid.Uint64().Draw(t, "argument"))
	}
	return fmt.Sprint("f", i), args
}

// TestInstrumentedModulesComputeTheSame draws modules and calls and compares the
// module with what becomes of it: results, traps, memory and globals.
func TestInstrumentedModulesComputeTheSame(t *testing.T) {
	ended, trapped := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		a := genModule(rt)
		code := a.bytes()
		block := rapid.SampledFrom([]uint32{0, testBlock}).Draw(rt, "block")
		res := mustInstrument(t, code, Options{MaxPages: 2, MaxTable: 2 * genTable, Block: block})
		tk := &tank{slice: 10_000, left: 1_000_000}
		r := newRuntime(t, tk, 2)
		defer func() { _ = r.Close(context.Background()) }()
		f, args := drawCall(rt, a)
		got, err := run(r, res.Code, f, args, tk)
		if err != nil {
			rt.Fatalf("the instrumented module: %v\n%x", err, code)
		}
		if got.limited {
			return // the original would perhaps run for ever
		}
		want, err := run(r, code, f, args, nil)
		if err != nil {
			rt.Fatalf("the module: %v\n%x", err, code)
		}
		if want.Trap != "" {
			trapped++
		} else {
			ended++
		}
		if d := differs(want, got); d != "" {
			rt.Fatalf("%s(%v): -original +instrumented\n%s\n%x", f, args, d, code)
		}
	})
	t.Logf("%d ended, %d trapped", ended, trapped)
	if !testing.Short() && ended < 30 {
		t.Errorf("%d runs ended: too few say something", ended)
	}
}

// fuels returns the fuel of a run with several meters: one that charges each
// instruction by itself, just before it, two without allowance for code that is
// perhaps not run, and the normal one; false if the first run was ended or trapped,
// so that what was charged for what it didn't run differs.
func fuels(t testing.TB, code []byte, f string, args []uint64) (each, exact, some, coarse int64, ok bool) {
	var list [4]int64
	for i, tn := range []tuning{{}, {unchecked: 4096}, {unchecked: 50}, normal()} {
		tk := &tank{slice: 1_000_000, left: 1_000_000}
		r := newRuntime(t, tk, 256)
		o, err := run(r, tuned(t, code, tn), f, args, tk)
		_ = r.Close(context.Background())
		if err != nil {
			t.Fatalf("%v\n%x", err, code)
		}
		if o.limited || o.Trap != "" {
			return 0, 0, 0, 0, false
		}
		list[i] = o.Fuel
	}
	return list[0], list[1], list[2], list[3], true
}

// TestFuelIsWhatRan compares meters on modules that are drawn. Without allowance
// they agree; with it fuel is no less.
func TestFuelIsWhatRan(t *testing.T) {
	same := 0
	rapid.Check(t, func(rt *rapid.T) {
		a := genModule(rt)
		f, args := drawCall(rt, a)
		each, exact, some, coarse, ok := fuels(t, a.bytes(), f, args)
		if !ok {
			return
		}
		if exact != each || some != each || coarse < each {
			rt.Fatalf("%s(%v): %d by instruction, %d and %d by segment, %d with allowance\n%x",
				f, args, each, exact, some, coarse, a.bytes())
		}
		if each > 0 {
			same++
		}
	})
	if !testing.Short() && same < 30 {
		t.Errorf("%d runs say something, too few", same)
	}
}

// TestChargesAreFew: what is run whenever something before it is run is charged
// there, and little that may not be run, too.
func TestChargesAreFew(t *testing.T) {
	x, large, little := b(opLocalGet, 0), repeat(20, b(opLocalGet, 0, opI32Const, 1, 0x6a, 0x1a)), b(opLocalGet, 0, 0x1a)
	for _, c := range []struct {
		name string
		code []byte
		want int
	}{
		{"a line", large, 1},
		{"a block", b(large, opBlock, 0x40, large, opEnd, large), 1},
		{"an arm", b(x, opIf, 0x40, large, opEnd, large), 2},
		{"a little arm", b(x, opIf, 0x40, little, opEnd, large), 1},
		{"two arms", b(x, opIf, 0x40, large, opElse, large, opEnd, large), 3},
		{"many little arms", b(repeat(40, b(x, opIf, 0x40, little, little, opEnd)), large), 25},
		{"a branch", b(opBlock, 0x40, x, opBrIf, 0, large, opEnd, large), 2},
		{"a far branch", b(opBlock, 0x40, opBlock, 0x40, x, opBrIf, 1, large, opEnd, large, opEnd, large), 3},
		{"branches into one place", b(opBlock, 0x40, repeat(9, b(x, opBrIf, 0, little)), opEnd, large), 1},
		{"a return", b(x, opIf, 0x40, opReturn, opEnd, large), 2},
		{"a loop", b(large, opLoop, 0x40, large, x, opBrIf, 0, opEnd, large), 2},
		{"a loop that is left", b(large, opBlock, 0x40, opLoop, 0x40, x, opBrIf, 1, large, opBr, 0, opEnd, opEnd, large), 3},
		{"a trap", b(x, opIf, 0x40, opUnreachable, opEnd, large), 1},
	} {
		a := &asm{types: []FuncType{ft("i", "")}, funcs: []asmFunc{fn(0, 0, c.code)}, exports: []exported{exportFunc("f", 0)}}
		m, err := Parse(a.bytes())
		if err != nil {
			t.Fatal(err)
		}
		w := &rewriter{m: m, p: m.plan(Options{}.withDefaults(), normal())}
		w.body(0)
		got := 0
		for _, mk := range w.marks {
			got += int(flag(mk.cost > 0))
		}
		if got != c.want || w.r.err != nil {
			t.Errorf("%s has %d charges, want %d: %v", c.name, got, c.want, w.r.err)
		}
	}
}

// TestFuelOfEachShape does the same with each way that control goes.
func TestFuelOfEachShape(t *testing.T) {
	x, work := b(opLocalGet, 0), b(opLocalGet, 0, opLocalGet, 0, 0x6a, 0x1a)
	odd := b(x, opI32Const, 1, 0x71)
	less := b(x, opI32Const, 1, opI32Sub, opLocalTee, 0)
	for name, code := range map[string][]byte{
		"line":                          work,
		"arms":                          b(odd, opIf, 0x40, work, opElse, work, work, opEnd, work),
		"arm":                           b(odd, opIf, 0x40, work, opEnd, work),
		"arm that is left":              b(opBlock, 0x40, odd, opIf, 0x40, work, opBr, 1, opEnd, work, opEnd, work),
		"arm that is left far":          b(opBlock, 0x40, opBlock, 0x40, odd, opIf, 0x40, work, opBr, 2, opEnd, work, opEnd, work, opEnd, work),
		"other arm that is left":        b(opBlock, 0x40, odd, opIf, 0x40, work, opElse, work, opBr, 1, opEnd, work, opEnd, work),
		"arm that returns":              b(odd, opIf, 0x40, work, opReturn, opEnd, work),
		"arm that calls and returns":    b(odd, opIf, 0x40, opReturnCall, 1, opEnd, work),
		"arm that calls by reference":   b(odd, opIf, 0x40, opI32Const, 0, opReturnCallIndirect, 1, 0, opEnd, work),
		"arm within an arm":             b(odd, opIf, 0x40, x, opIf, 0x40, work, opEnd, work, opElse, x, opIf, 0x40, work, opEnd, opEnd, work),
		"branch":                        b(opBlock, 0x40, odd, opBrIf, 0, work, opEnd, work),
		"branch out of blocks":          b(opBlock, 0x40, opBlock, 0x40, work, odd, opBrIf, 1, work, opEnd, work, opEnd, work),
		"branch behind a block":         b(opBlock, 0x40, odd, opBrIf, 0, opBlock, 0x40, work, opEnd, work, opEnd, work),
		"branch behind an arm":          b(opBlock, 0x40, x, opIf, 0x40, odd, opBrIf, 1, work, opEnd, work, opEnd, work),
		"return within a block":         b(opBlock, 0x40, odd, opBrIf, 1, work, opEnd, work),
		"what isn't reached":            b(opBlock, 0x40, opBr, 0, work, opBlock, 0x40, work, opEnd, opLoop, 0x40, work, opEnd, opEnd, work),
		"switch":                        b(opBlock, 0x40, opBlock, 0x40, opBlock, 0x40, x, opBrTable, 2, 0, 1, 2, opEnd, work, opEnd, work, work, opEnd, work),
		"switch out of the function":    b(opBlock, 0x40, opBlock, 0x40, x, opBrTable, 2, 0, 1, 2, opEnd, work, opEnd, work),
		"loop":                          b(opLoop, 0x40, work, less, opI32Const, 0, 0x4a, opBrIf, 0, opEnd, work),
		"loop that is tested first":     b(opBlock, 0x40, opLoop, 0x40, less, opI32Const, 0, 0x4c, opBrIf, 1, work, opBr, 0, opEnd, opEnd, work),
		"loop with an arm":              b(opLoop, 0x40, odd, opIf, 0x40, work, opEnd, work, less, opI32Const, 0, 0x4a, opBrIf, 0, opEnd, work),
		"loop that goes on from an arm": b(opLoop, 0x40, less, opI32Const, 1, 0x4a, opIf, 0x40, work, opBr, 1, opEnd, work, opEnd, work),
		"loop in a loop": b(opLoop, 0x40, work, x, opLocalSet, 1, opLoop, 0x40, work, opLocalGet, 1, opI32Const, 1, opI32Sub, opLocalTee, 1,
			opI32Const, 0, 0x4a, opBrIf, 0, opEnd, less, opI32Const, 0, 0x4a, opBrIf, 0, opEnd, work),
		"loop left from within": b(opBlock, 0x40, opLoop, 0x40, opLoop, 0x40, work, less, 0x45, opBrIf, 2, x, opI32Const, 3, 0x4a, opBrIf, 1,
			work, x, opI32Const, 1, 0x4a, opBrIf, 0, opEnd, work, opEnd, work, opEnd, work),
		"loop that takes":   b(x, opLoop, 2, opI32Const, 1, opI32Sub, opLocalTee, 0, x, opI32Const, 0, 0x4a, opBrIf, 0, opEnd, 0x1a, work),
		"calls":             b(opCall, 1, work, opCall, 2, opI32Const, 0, opCallIndirect, 1, 0),
		"calls in a loop":   b(opLoop, 0x40, opCall, 1, opCall, 2, less, opI32Const, 0, 0x4a, opBrIf, 0, opEnd, work),
		"calls of little":   b(repeat(50, b(opCall, 3)), opLoop, 0x40, repeat(20, b(opCall, 3)), less, opI32Const, 0, 0x4a, opBrIf, 0, opEnd),
		"a long line":       repeat(100, work),
		"a call far behind": b(repeat(60, work), opCall, 1, repeat(30, work), opCall, 1, opCall, 1, opCall, 1, repeat(20, work), opCall, 1),
	} {
		a := &asm{
			types: []FuncType{ft("i", ""), ft("", ""), ft("i", "i")},
			funcs: []asmFunc{
				fn(0, 1, code), fn(1, 1, repeat(20, work), opLocalGet, 0, opIf, 0x40, opCall, 1, opEnd), fn(1, 0, opI32Const, 1, 0x1a),
				fn(1, 1, repeat(6, work)),
			},
			exports: []exported{exportFunc("f", 0)},
			tables:  [][]byte{b(FuncRef, 0, 1)},
			elems:   [][]byte{b(0, opI32Const, 0, opEnd, u(1), 1)},
		}
		for n := range uint64(5) {
			each, exact, some, coarse, ok := fuels(t, a.bytes(), "f", []uint64{n})
			if !ok {
				t.Fatalf("%s: f(%d) is ended", name, n)
			}
			if exact != each || some != each || coarse < each {
				t.Errorf("%s: f(%d) costs %d by instruction, %d and %d by segment, %d with allowance", name, n, each, exact, some, coarse)
			}
		}
	}
}
