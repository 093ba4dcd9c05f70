package binary

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// tower is a module of functions, each of a type of its own, that call the next
// several times: there is no recursion, and no end either.
func tower(height int, calls func(next int) []byte) *asm {
	a := &asm{tables: [][]byte{b(FuncRef, 0, u(uint32(height)))}}
	elems := b(0, opI32Const, 0, opEnd, u(uint32(height)))
	for i := range height {
		a.types = append(a.types, FuncType{Results: make([]ValueType, i)})
		code := []byte(nil)
		if i+1 < height {
			code = calls(i + 1)
		}
		for k := range i {
			a.types[i].Results[k] = I32
			code = append(code, b(opI32Const, 0)...)
		}
		if i+1 < height { // what was called left something
			code = b(opBlock, u(uint32(i)), code, opBr, 0, opEnd)
		}
		a.funcs = append(a.funcs, fn(i, 0, code))
		elems = append(elems, u(uint32(i))...)
	}
	a.elems = [][]byte{elems}
	return a
}

// TestEndlessCodeStops has every way to go on for ever without deep recursion.
func TestEndlessCodeStops(t *testing.T) {
	types := []FuncType{ft("", ""), ft("i", ""), ft("", "i"), ft("i", "i"), ft("iiiiii", "")}
	table := func(a *asm) {
		a.tables = [][]byte{b(FuncRef, 0, u(4))}
		a.elems = [][]byte{b(0, opI32Const, 0, opEnd, u(2), 0, 1)}
	}
	for name, a := range map[string]*asm{
		"loop":              {funcs: []asmFunc{fn(0, 0, opLoop, 0x40, opBr, 0, opEnd)}},
		"loop of a value":   {funcs: []asmFunc{fn(2, 0, opLoop, I32, opBr, 0, opEnd)}},
		"loop that takes":   {funcs: []asmFunc{fn(2, 0, opI32Const, 1, opLoop, 3, opBr, 0, opEnd)}},
		"loop in a loop":    {funcs: []asmFunc{fn(0, 1, opLoop, 0x40, opLoop, 0x40, opLocalGet, 0, opBrIf, 0, opEnd, opBr, 0, opEnd)}},
		"br_table":          {funcs: []asmFunc{fn(0, 0, opLoop, 0x40, opBlock, 0x40, opI32Const, 1, opBrTable, 1, 0, 1, opEnd, opEnd)}},
		"tail call":         {funcs: []asmFunc{fn(0, 0, opReturnCall, 0)}},
		"tail calls":        {funcs: []asmFunc{fn(0, 0, opReturnCall, 1), fn(0, 0, opReturnCall, 0)}},
		"indirect":          (&asm{funcs: []asmFunc{fn(0, 0, opI32Const, 0, opReturnCallIndirect, 0, 0)}}).with(table),
		"calls in a loop":   {funcs: []asmFunc{fn(0, 0, opLoop, 0x40, opCall, 1, opBr, 0, opEnd), fn(0, 0)}},
		"fills in a loop":   {memory: b(0, 16), funcs: []asmFunc{fn(0, 0, opLoop, 0x40, opI32Const, 0, opI32Const, 0, opI32Const, s(1<<20), opMisc, miscMemoryFill, 0, opBr, 0, opEnd)}},
		"growing in a loop": {memory: b(0, 0), funcs: []asmFunc{fn(0, 0, opLoop, 0x40, opI32Const, 1, opMemoryGrow, 0, 0x1a, opBr, 0, opEnd)}},
		"start":             {funcs: []asmFunc{fn(0, 0, opLoop, 0x40, opBr, 0, opEnd)}, start: u(0)},
		"tower":             tower(10, func(next int) []byte { return repeat(8, b(opCall, u(uint32(next)))) }),
		"tower by reference": tower(10, func(next int) []byte {
			return repeat(8, b(opI32Const, s(int64(next)), opCallIndirect, u(uint32(next)), 0))
		}),
	} {
		if a.types == nil {
			a.types = types
		}
		a.exports = []exported{exportFunc("f", 0)}
		for i := len(a.funcs); i < 2; i++ {
			a.funcs = append(a.funcs, fn(0, 0))
		}
		res := mustInstrument(t, a.bytes(), Options{})
		tk := &tank{slice: 50_000, left: 1_000_000}
		r := newRuntime(t, tk, 256)
		mod, err := r.Instantiate(context.Background(), res.Code)
		if a.start == nil {
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			_, err = mod.ExportedFunction("f").Call(context.Background())
		}
		if !errors.Is(err, errNoFuel) {
			t.Errorf("%s: ended with %v", name, err)
		}
		if tk.used != 1_000_000 || tk.calls < 21 && !strings.HasPrefix(name, "fill") {
			t.Errorf("%s: the host was asked %d times and gave %d", name, tk.calls, tk.used)
		}
	}
}

// TestStraightCodeAsksInTime: code without a loop asks for fuel too. The first call
// after an import says how much was spent unasked.
func TestStraightCodeAsksInTime(t *testing.T) {
	step := b(opLocalGet, 0, opI32Const, 3, 0x6e, 0x1a)
	dear := repeat(25, b(opI32Const, 0, opMemoryGrow, 0, 0x1a)) // too much to go unasked
	for name, code := range map[string][]byte{
		"one line":           repeat(40_000, step),
		"conditionals":       repeat(600, b(opLocalGet, 0, opIf, 0x40, repeat(10, step), opElse, repeat(10, step), opEnd)),
		"arms passed by":     repeat(600, b(repeat(10, step), opLocalGet, 0, 0x45, opIf, 0x40, repeat(100, step), opEnd)),
		"blocks left behind": repeat(600, b(opBlock, 0x40, repeat(10, step), opLocalGet, 0, opBrIf, 0, repeat(10, step), opEnd)),
		"dear arms":          repeat(250, b(repeat(10, step), opLocalGet, 0, 0x45, opIf, 0x40, dear, opEnd)),
		"dear other arms":    repeat(250, b(repeat(10, step), opLocalGet, 0, opIf, 0x40, opElse, dear, opEnd)),
		"dear blocks":        repeat(250, b(opBlock, 0x40, repeat(10, step), opLocalGet, 0, opBrIf, 0, dear, opEnd)),
		"traps passed by":    repeat(250, b(repeat(10, step), opLocalGet, 0, 0x45, opIf, 0x40, opUnreachable, opEnd)),
		"traps jumped over":  repeat(250, b(opBlock, 0x40, repeat(10, step), opLocalGet, 0, opBrIf, 0, opUnreachable, opEnd)),
		"calls":              repeat(600, b(repeat(10, step), opCall, 1)),
	} {
		a := small(code, opI32Const, 1)
		a.types, a.memory = []FuncType{ft("i", "i"), ft("", "")}, b(0, 0)
		a.funcs = append(a.funcs, fn(1, 1, repeat(20, step)))
		res := mustInstrument(t, a.bytes(), Options{})
		tk := &tank{slice: 1, left: 1 << 60}
		mod := instantiate(t, newRuntime(t, tk, 256), res.Code)
		call(t, mod, "f", 1)
		spent := tk.spent(mod)
		if most := spent/500 + 5; int64(tk.calls) < spent/6_000 || int64(tk.calls) > most {
			t.Errorf("%s: asked %d times for a fuel of %d", name, tk.calls, spent)
		}
	}
}

// deepModules recurse without end, with frames small and large.
func deepModules() map[string]*asm {
	adds := func(locals int) (set, use []byte) {
		for i := range locals {
			l := u(uint32(i + 1))
			set = append(set, b(opLocalGet, l, opI32Const, 1, opI32Add, opLocalSet, l)...)
			use = append(use, b(opLocalGet, l, opI32Add)...)
		}
		return set, use
	}
	set, use := adds(100)
	loops := func(n int) []byte {
		return b(repeat(n, b(opLoop, 0x40)), set, repeat(n, b(opLocalGet, 0, 0x45, opBrIf, 0, opEnd)))
	}
	blocks := func(n int) []byte {
		return b(repeat(n, b(opBlock, 0x40, opLocalGet, 0, 0x45, opBrIf, 0)), set, repeat(n, b(opEnd, opCall, 1, 0x1a)))
	}
	again := b(opLocalGet, 0, opCall, 0)
	many, manyUse := adds(1000)
	list := map[string]*asm{
		"itself":       {funcs: []asmFunc{fn(0, 0, again, opI32Const, 1, opI32Add)}},
		"each other":   {funcs: []asmFunc{fn(0, 0, opCall, 1, 0x1a, opLocalGet, 0), fn(1, 0, opI32Const, 1, opCall, 0)}},
		"by reference": {funcs: []asmFunc{fn(0, 0, opLocalGet, 0, opI32Const, 0, opCallIndirect, 0, 0, opI32Const, 1, opI32Add)}},
		"by tail":      {funcs: []asmFunc{fn(0, 0, opReturnCall, 1), fn(1, 0, opI32Const, 1, opCall, 0)}},
		"false tails":  {funcs: []asmFunc{fn(0, 0, repeat(12, b(opLocalGet, 0)), opReturnCall, 1), fn(2, 0, repeat(12, b(opLocalGet, 0)), opReturnCall, 1)}},
		"locals":       {funcs: []asmFunc{fn(0, 1000, many, again, manyUse)}},
		"operands":     {funcs: []asmFunc{fn(0, 0, repeat(1000, b(opLocalGet, 0, 0x28, 2, 0)), again, repeat(1000, b(opI32Add)))}},
		"loops":        {funcs: []asmFunc{fn(0, 100, loops(48), again, use)}},
		"blocks":       {funcs: []asmFunc{fn(0, 100, blocks(64), again, use)}},
		"vectors":      {funcs: []asmFunc{fn(0, 0, repeat(500, b(opLocalGet, 0, opVector, 0, 4, 0)), again, 0x1a, repeat(499, b(opVector, 78)), opVector, 0x1b, 0)}},
		"one big call": {funcs: []asmFunc{fn(0, 0, opCall, 1, 0x1a, again), fn(1, 2000, many, opI32Const, 1, manyUse)}},
	}
	for _, a := range list {
		a.types = []FuncType{ft("i", "i"), ft("", "i"), ft("iiiiiiiiiiii", "i")}
		a.memory = b(0, 1)
		a.exports = []exported{exportFunc("f", 0)}
		a.tables = [][]byte{b(FuncRef, 0, 1)}
		a.elems = [][]byte{b(0, opI32Const, 0, opEnd, u(1), 0)}
		if len(a.funcs) == 1 {
			a.funcs = append(a.funcs, fn(1, 0, opLoop, 0x40, opEnd, opI32Const, 1))
		}
	}
	return list
}

// TestDeepRecursionStops: it ends as a trap that can be told from others, within
// memory that the engine would go far beyond, and leaves an instance that works
// once its depth is restored.
func TestDeepRecursionStops(t *testing.T) {
	for name, a := range deepModules() {
		res := mustInstrument(t, a.bytes(), Options{})
		tk := ample()
		mod := instantiate(t, newRuntime(t, tk, 256), res.Code)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := mod.ExportedFunction("f").Call(context.Background(), 1)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.HasPrefix(err.Error(), "wasm error: unreachable") {
			t.Errorf("%s: ended with %v", name, err)
		}
		depth := mod.ExportedGlobal(DepthExport)
		if int64(depth.Get()) >= 0 {
			t.Errorf("%s: the depth left is %d", name, int64(depth.Get()))
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("%s took %d MiB", name, took>>20)
		}
	}
}

// TestStackIsCountedWithoutRecursion: functions that call each other in a line take
// stack too, if there are many or they take much.
func TestStackIsCountedWithoutRecursion(t *testing.T) {
	a := &asm{types: []FuncType{ft("", "")}, exports: []exported{exportFunc("f", 0)}}
	for i := range 40 {
		a.funcs = append(a.funcs, fn(0, 1000, opCall, u(uint32(i+1))))
	}
	a.funcs = append(a.funcs, fn(0, 0, opLoop, 0x40, opEnd))
	for stack, trap := range map[uint32]bool{100_000: true, 1_000_000: false} {
		mod := instantiate(t, newRuntime(t, ample(), 256), mustInstrument(t, a.bytes(), Options{Stack: stack}).Code)
		if _, err := mod.ExportedFunction("f").Call(context.Background()); (err != nil) != trap {
			t.Errorf("with %d bytes: %v", stack, err)
		}
	}
}

// TestDepthIsGivenBack: calls that return cost no depth, however they return.
func TestDepthIsGivenBack(t *testing.T) {
	a := &asm{
		types: []FuncType{ft("i", "ii"), ft("i", "i")},
		funcs: []asmFunc{
			fn(0, 0, opLocalGet, 0, 0x45, opIf, 0x40, opI32Const, 5, opI32Const, 6, opReturn, opEnd,
				opLocalGet, 0, opI32Const, 1, 0x71, opIf, 0x40, opI32Const, 7, opLocalGet, 0, opI32Const, 1, opI32Sub, opCall, 0, 0x1a, opBr, 1, opEnd,
				opLocalGet, 0, opI32Const, 2, 0x71, opIf, 0x40, opLocalGet, 0, opI32Const, 1, opI32Sub, opReturnCall, 0, opEnd,
				opLocalGet, 0, opI32Const, 1, opI32Sub, opCall, 0),
			fn(1, 0, opLocalGet, 0, opCall, 0, 0x1a),
		},
		exports: []exported{exportFunc("f", 1)},
	}
	mod := instantiate(t, newRuntime(t, ample(), 256), mustInstrument(t, a.bytes(), Options{Stack: 100_000}).Code)
	for n := range uint64(50) {
		call(t, mod, "f", n)
		if left := mod.ExportedGlobal(DepthExport).Get(); left != 100_000 {
			t.Fatalf("after f(%d) the depth left is %d", n, left)
		}
	}
}

// TestBulkOperationsCostTheirLength compares a length with another.
func TestBulkOperationsCostTheirLength(t *testing.T) {
	a := &asm{
		types: []FuncType{ft("i", "")}, memory: b(0, u(20)), counted: true,
		tables: [][]byte{b(FuncRef, 0, u(9000))},
		datas:  [][]byte{b(1, name(strings.Repeat("x", 9000)))},
		elems:  [][]byte{b(1, 0, u(9000), repeat(9000, b(0)))},
	}
	zero := b(opI32Const, 0)
	bodies := []struct {
		name string
		code []byte
		per  int64 // fuel of 8000
	}{
		{"memory.fill", b(zero, zero, opLocalGet, 0, opMisc, miscMemoryFill, 0), 1000},
		{"memory.copy", b(zero, zero, opLocalGet, 0, opMisc, miscMemoryCopy, 0, 0), 1000},
		{"memory.init", b(zero, zero, opLocalGet, 0, opMisc, miscMemoryInit, 0, 0), 1000},
		{"table.fill", b(zero, opRefNull, FuncRef, opLocalGet, 0, opMisc, miscTableFill, 0), 8000},
		{"table.copy", b(zero, zero, opLocalGet, 0, opMisc, miscTableCopy, 0, 0), 8000},
		{"table.init", b(zero, zero, opLocalGet, 0, opMisc, miscTableInit, 0, 0), 8000},
		{"table.grow", b(opRefNull, FuncRef, opLocalGet, 0, opMisc, miscTableGrow, 0, 0x1a), 8000},
		{"memory.fill in a loop", b(opLoop, 0x40, zero, zero, opLocalGet, 0, opMisc, miscMemoryFill, 0, opEnd), 1000},
	}
	for i, c := range bodies {
		a.funcs = append(a.funcs, fn(0, 0, c.code))
		a.exports = append(a.exports, exportFunc(c.name, uint32(i)))
	}
	a.funcs = append(a.funcs, fn(0, 0, opLocalGet, 0, opMemoryGrow, 0, 0x1a))
	a.exports = append(a.exports, exportFunc("memory.grow", uint32(len(bodies))))
	tk := ample()
	mod := instantiate(t, newRuntime(t, tk, 256), mustInstrument(t, a.bytes(), Options{}).Code)
	fuel := func(f string, n uint64) int64 {
		before := tk.spent(mod)
		call(t, mod, f, n)
		return tk.spent(mod) - before
	}
	for _, c := range bodies {
		if got := fuel(c.name, 8000) - fuel(c.name, 0); got != c.per {
			t.Errorf("%s: 8000 cost %d more than none, want %d", c.name, got, c.per)
		}
	}
	if got := fuel("memory.grow", 3) - fuel("memory.grow", 0); got != 3*8192 {
		t.Errorf("memory.grow: three pages cost %d", got)
	}
}

// TestHostCallsCost: a call that leaves the guest costs more than one that doesn't.
func TestHostCallsCost(t *testing.T) {
	a := small(opCall, 0, opI32Const, 1)
	a.types = append(a.types, ft("", ""))
	a.imports = [][]byte{importFunc("env", "host", 1)}
	a.exports = []exported{exportFunc("f", 1)}
	tk := ample()
	r := newRuntime(t, tk, 256)
	if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() {}).Export("host").Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
	mod := instantiate(t, r, mustInstrument(t, a.bytes(), Options{}).Code)
	call(t, mod, "f")
	if got := tk.spent(mod); got != 107 {
		t.Errorf("a call of the host and a constant cost %d, want 107", got)
	}
}

// busy is a module that does a bit of everything.
func busy() []byte {
	a := &asm{
		types: []FuncType{ft("i", "i"), ft("ii", "i")}, memory: b(0, 1),
		funcs: []asmFunc{
			fn(0, 3, opLoop, 0x40, opLocalGet, 1, opLocalGet, 2, opCall, 1, opLocalSet, 1, opLocalGet, 2, opI32Const, 3, 0x71, opIf, 0x40,
				opLocalGet, 1, opI32Const, s(0xfff), 0x71, opLocalGet, 1, 0x36, 2, 0, opElse, opI32Const, 0, opLocalGet, 1, opLocalGet, 1, opI32Const, s(0xff), 0x71, opMisc, miscMemoryFill, 0, opEnd,
				opLocalGet, 2, opI32Const, 1, opI32Add, opLocalTee, 2, opLocalGet, 0, 0x49, opBrIf, 0, opEnd, opLocalGet, 1),
			fn(1, 0, opLocalGet, 1, 0x45, opIf, 0x40, opLocalGet, 0, opReturn, opEnd, opLocalGet, 0, opI32Const, 31, opI32Mul, opLocalGet, 1, opI32Const, 1, 0x76, opCall, 1),
		},
		exports: []exported{exportFunc("f", 0)},
	}
	return a.bytes()
}

func fuelOfBusy(t testing.TB, slice int64) string {
	t.Helper()
	code := mustInstrument(t, busy(), Options{}).Code
	tk := &tank{slice: slice, left: 1 << 60}
	mod := instantiate(t, newRuntime(t, tk, 256), code)
	var fuel []string
	for _, n := range []uint64{0, 10, 1000} {
		fuel = append(fuel, fmt.Sprint(call(t, mod, "f", n), ":", tk.spent(mod)))
	}
	return strings.Join(fuel, " ")
}

// TestFuelDependsOnNothingElse: it is the same in every instance and every process,
// and with every amount that the host grants at a time.
func TestFuelDependsOnNothingElse(t *testing.T) {
	if slice, err := strconv.ParseInt(os.Getenv("SALLYPORT_TEST_SLICE"), 10, 64); err == nil {
		fmt.Println("fuel", fuelOfBusy(t, slice))
		return
	}
	want := fuelOfBusy(t, 100_000)
	for _, slice := range []int64{1, 7, 1000, 1 << 40} {
		if got := fuelOfBusy(t, slice); got != want {
			t.Errorf("granted by %d: %s, want %s", slice, got, want)
		}
	}
	for range 2 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFuelDependsOnNothingElse$")
		cmd.Env = append(os.Environ(), "SALLYPORT_TEST_SLICE=12345")
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), "fuel "+want+"\n") {
			t.Errorf("another process: %v, %s, want %s", err, out, want)
		}
	}
}
