package binary

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// FuzzInstrument: Parse, Instrument, Lift and OwnMemory take any bytes. What becomes
// of a module that the engine accepts is accepted too and computes the same; what
// the engine refuses doesn't become valid. Fuel is the same for another grant, unless a
// run traps. Where writes are noted, all are.
func FuzzInstrument(f *testing.F) {
	for _, seed := range fuzzSeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		if len(code) > 8<<10 {
			return
		}
		m, err := Parse(code)
		if err != nil {
			mustBeError(t, err, code)
			return
		}
		_, _ = Lift(code)
		if own, err := OwnMemory(code); err == nil {
			if _, err := Parse(own); err != nil {
				t.Fatalf("what OwnMemory makes isn't read: %v", err)
			}
		}
		block := uint32(len(code)%2) * testBlock
		res, err := m.Instrument(Options{MaxPages: 4, MaxTable: 100, MaxWork: 20_000, Block: block})
		if err != nil {
			mustBeError(t, err, code)
			return
		}
		fuzzRun(t, m, code, res)
	})
}

func mustBeError(t *testing.T, err error, code []byte) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(code) || e.Message == "" {
		t.Fatalf("refused with %#v", err)
	}
}

func fuzzRun(t *testing.T, m *Module, code []byte, res *Result) {
	ctx := context.Background()
	small, large := &tank{slice: 1000, left: 200_000}, &tank{slice: 200_000, left: 200_000}
	r, other := newRuntime(t, small, 4), newRuntime(t, large, 4)
	defer func() { _, _ = r.Close(ctx), other.Close(ctx) }()
	_, wantErr := r.compile(code)
	compiled, err := r.compile(res.Code)
	if wantErr != nil && strings.Contains(wantErr.Error(), "over limit of") {
		return // a maximum that is clamped
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("the engine says %v of the module and %v of what became of it", wantErr, err)
	}
	if err != nil || len(m.Imports()) > 0 || m.start >= 0 {
		return
	}
	l, err := Lift(res.Code)
	if err != nil && !strings.Contains(err.Error(), "can't be computed") {
		t.Fatalf("it can't be lifted: %v", err)
	}
	if err == nil {
		if _, err := r.CompileModule(ctx, l.Code); err != nil {
			t.Fatalf("the engine refuses what was lifted: %v", err)
		}
	}
	for _, def := range compiled.ExportedFunctions() {
		name := def.ExportNames()[0]
		args := make([]uint64, len(def.ParamTypes()))
		for i := range args {
			args[i] = uint64(i) * 0x1_0000_0001
		}
		if strings.Contains(m.mustFuncType(name).String(), "v128") {
			continue
		}
		compare(t, r, other, code, res, name, args, small, large)
	}
}

func (m *Module) mustFuncType(name string) FuncType {
	t, _ := m.FuncType(name)
	return t
}

// compare runs a function in three ways.
func compare(t *testing.T, r, other *oracle, code []byte, res *Result, name string, args []uint64, small, large *tank) {
	small.left, small.used, large.left, large.used = 200_000, 0, 200_000, 0
	got, err := run(r, res.Code, name, args, small)
	if err != nil && strings.Contains(err.Error(), "and noted") {
		t.Fatal(err)
	}
	if err != nil || got.limited {
		return // it can't be instantiated, or the original would perhaps run for ever
	}
	again, err := run(other, res.Code, name, args, large)
	if err != nil {
		t.Fatal(err)
	}
	if again.limited { // with less granted at a time it may owe more at its end
		return
	}
	if got.Trap != "" { // a function with loops had fuel in a local
		got.Fuel = 0
	}
	if d := differs(got, again); d != "" {
		t.Fatalf("%s: -granted by 1000 +granted at once\n%s", name, d)
	}
	if res.Changes&ChangesTables != 0 {
		return // the original's tables grow without bound
	}
	want, err := run(r, code, name, args, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := differs(want, got); d != "" {
		t.Fatalf("%s(%v): -original +instrumented\n%s", name, args, d)
	}
}

// fuzzSeeds has modules drawn and modules made by hand.
func fuzzSeeds() [][]byte {
	seeds := [][]byte{small().bytes(), busy(), booting().bytes(), forgeable(b(opI64Const, s(1), opGlobalSet, 2))}
	for _, a := range deepModules() {
		seeds = append(seeds, a.bytes())
	}
	drawn := rapid.Custom(func(t *rapid.T) []byte { return genModule(t).bytes() })
	for i := range 40 {
		seeds = append(seeds, drawn.Example(i))
	}
	return seeds
}
