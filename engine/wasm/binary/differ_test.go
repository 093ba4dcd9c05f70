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
	if mem := mod.Memory(); !reflect.ValueOf(mem).IsNil() { // it isn't nil, but what is in it
		view, _ := mem.Read(0, mem.Size())
		o.Memory = bytes.Clone(view)
	}
	if mod.ExportedGlobal(FuelExport) != nil {
		o.Fuel = tk.spent(mod)
		o.limited = o.limited || int64(mod.ExportedGlobal(DepthExport).Get()) < 0
	}
	return o, nil
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
		res := mustInstrument(t, code, Options{MaxPages: 2, MaxTable: genTable})
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
	if ended < 30 || trapped < 3 {
		t.Errorf("%d runs ended and %d trapped: too few say something", ended, trapped)
	}
}

// TestFuelIsWhatRan compares the fuel of a run with that of the same module where
// each instruction is charged by itself, just before it. Without allowance for code
// that is perhaps not run they are equal; with it fuel is no less.
func TestFuelIsWhatRan(t *testing.T) {
	same := 0
	rapid.Check(t, func(rt *rapid.T) {
		a := genModule(rt)
		code := a.bytes()
		f, args := drawCall(rt, a)
		fuel := func(code []byte) (outcome, bool) {
			tk := &tank{slice: 1_000_000, left: 1_000_000}
			r := newRuntime(t, tk, 256)
			defer func() { _ = r.Close(context.Background()) }()
			o, err := run(r, code, f, args, tk)
			if err != nil {
				rt.Fatal(err)
			}
			return o, o.limited || o.Trap != ""
		}
		each, stop := fuel(tuned(t, code, tuning{}))
		if stop {
			return // what was charged for what the trap kept from running differs
		}
		exact, _ := fuel(tuned(t, code, tuning{unchecked: 4096}))
		some, _ := fuel(tuned(t, code, tuning{unchecked: 50}))
		coarse, _ := fuel(tuned(t, code, normal()))
		if exact.Fuel != each.Fuel || some.Fuel != each.Fuel || coarse.Fuel < each.Fuel {
			rt.Fatalf("%s(%v): %d by instruction, %d and %d by segment, %d with allowance\n%x",
				f, args, each.Fuel, exact.Fuel, some.Fuel, coarse.Fuel, code)
		}
		if each.Fuel > 0 {
			same++
		}
	})
	if same < 30 {
		t.Errorf("%d runs say something, too few", same)
	}
}
