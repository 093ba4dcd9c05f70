package binary

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero/api"
)

// booting is a module that writes to memory when it starts, over its data.
func booting() *asm {
	return &asm{
		types:  []FuncType{ft("", ""), ft("i", "i"), ft("iii", "")},
		memory: b(1, u(1), u(3)), counted: true,
		funcs: []asmFunc{
			fn(0, 0, opI32Const, s(100), opI32Const, s(100), 0x2d, 0, 0, opI32Const, 1, opI32Add, 0x3a, 0, 0, opI32Const, 9, opGlobalSet, 0),
			fn(1, 0, opLocalGet, 0, 0x2d, 0, 0, opGlobalGet, 0, opI32Add),
			fn(2, 0, opLocalGet, 0, opLocalGet, 1, opLocalGet, 2, opMisc, miscMemoryInit, 1, 0),
			fn(2, 0, opLocalGet, 0, opLocalGet, 1, opLocalGet, 2, opMisc, miscMemoryInit, 0, 0),
		},
		globals: [][]byte{b(I32, 1, opI32Const, 1, opEnd)},
		exports: []exported{exportFunc("read", 1), exportFunc("passive", 2), exportFunc("active", 3)},
		start:   u(0),
		datas: [][]byte{
			b(0, opI32Const, s(100), opEnd, name("abc")), b(1, name("passive")),
			b(2, 0, opI32Const, s(70), opI32Const, s(32), opI32Add, opI32Const, 1, opI32Sub, opEnd, name("zz")),
		},
	}
}

func TestLiftTakesOutWhatHappensOnce(t *testing.T) {
	code := mustInstrument(t, booting().bytes(), Options{}).Code
	l, err := Lift(code)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Data{{100, []byte("abc")}, {101, []byte("zz")}}, l.Data); d != "" {
		t.Error(d)
	}
	r := newRuntime(t, ample(), 256)
	whole, lifted := instantiate(t, r, code), instantiate(t, r, l.Code)
	if n := call(t, lifted, "read", 100); n != 1 {
		t.Errorf("before it boots the lifted module reads %d, want nothing but the global's 1", n)
	}
	for _, d := range l.Data {
		lifted.Memory().Write(d.Offset, d.Bytes)
	}
	call(t, lifted, l.Start)
	for at := range uint64(110) {
		if got, want := call(t, lifted, "read", at), call(t, whole, "read", at); got != want {
			t.Errorf("booted by hand, it reads %d at %d, want %d", got, at, want)
		}
	}
}

// TestSegmentsStayUsable: a passive segment is still there, an active one still gone.
func TestSegmentsStayUsable(t *testing.T) {
	l, err := Lift(booting().bytes())
	if err != nil {
		t.Fatal(err)
	}
	mod := instantiate(t, newRuntime(t, ample(), 256), l.Code)
	call(t, mod, "passive", 200, 1, 6)
	if got, _ := mod.Memory().Read(200, 6); string(got) != "assive" {
		t.Errorf("memory.init of a passive segment wrote %q", got)
	}
	call(t, mod, "active", 200, 0, 0)
	_, err = mod.ExportedFunction("active").Call(context.Background(), 200, 0, 1)
	if err == nil || !strings.HasPrefix(err.Error(), "wasm error: out of bounds memory access") {
		t.Errorf("memory.init of an active segment: %v", err)
	}
}

func TestLiftKeepsAndDropsSections(t *testing.T) {
	a := booting().with(func(a *asm) {
		a.counted, a.datas, a.funcs = false, a.datas[:2], a.funcs[:2]
		a.exports = a.exports[:1]
		a.customs = [][2]string{{"sallyport.manifest", "{}"}}
	})
	l, err := Lift(a.bytes())
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(l.Code)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.datas) != 0 || m.start >= 0 {
		t.Errorf("%d data segments that no code can name, start %d", len(m.datas), m.start)
	}
	if manifest, _ := m.Custom("sallyport.manifest"); string(manifest) != "{}" {
		t.Errorf("manifest %q", manifest)
	}
	quiet := small().bytes()
	if l, err := Lift(quiet); err != nil || !bytes.Equal(l.Code, quiet) || l.Start != "" || l.Data != nil {
		t.Errorf("of a module in which nothing happens: %v, %+v", err, l)
	}
}

func TestLiftRefuses(t *testing.T) {
	for want, a := range map[string]*asm{
		"wasm: module section at offset 0x0: not WebAssembly: it doesn't begin with \\0asm": nil,
		"wasm: export section at offset 0x2e: \"sp_internal_start\": the name is reserved":  booting().with(func(a *asm) { a.exports[0].name = StartExport }),
		"wasm: data section at offset 0x2b: a segment's offset can't be computed":           small().with(func(a *asm) { a.memory, a.datas = b(0, 1), [][]byte{b(0, opI64Const, 0, opEnd, 0)} }),
		"wasm: data section at offset 0x2f: a segment's offset can't be computed":           small().with(func(a *asm) { a.memory, a.datas = b(0, 1), [][]byte{b(0, opI32Const, 0, opI32Const, 0, opEnd, 0)} }),
		"wasm: data section at offset 0x2d: a segment's offset can't be computed":           small().with(func(a *asm) { a.memory, a.datas = b(0, 1), [][]byte{b(0, opI32Const, 0, opI32Add, opEnd, 0)} }),
	} {
		var code []byte
		if a != nil {
			code = a.bytes()
		}
		if _, err := Lift(code); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestOwnMemoryReplacesTheImported(t *testing.T) {
	a := &asm{
		types: []FuncType{ft("", "i"), ft("", "")},
		imports: [][]byte{
			importFunc("env", "before", 1), b(name("env"), name("memory"), 2, 1, u(2), u(5)), importFunc("env", "after", 1),
		},
		funcs:   []asmFunc{fn(0, 0, opCall, 0, opCall, 1, 0x3f, 0, opI32Const, 5, 0x2d, 0, 0, opI32Add)},
		exports: []exported{exportFunc("f", 2)},
		datas:   [][]byte{b(0, opI32Const, 5, opEnd, name("\x28"))},
		customs: [][2]string{{"sallyport.manifest", "{}"}},
	}
	own, err := OwnMemory(a.bytes())
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(own)
	if err != nil {
		t.Fatal(err)
	}
	if low, high, has, ok := m.Memory(); low != 2 || high != 5 || !has || !ok || m.foreign[KindMemory] != 0 {
		t.Error(low, high, has, ok)
	}
	if manifest, ok := m.Custom("sallyport.manifest"); !ok || string(manifest) != "{}" {
		t.Error("the manifest is lost")
	}
	r := newRuntime(t, ample(), 256)
	hosts := r.NewHostModuleBuilder("env")
	for _, f := range []string{"before", "after"} {
		hosts = hosts.NewFunctionBuilder().WithFunc(func(context.Context, api.Module) {}).Export(f)
	}
	if _, err := hosts.Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
	res, err := m.Instrument(Options{})
	if err != nil {
		t.Fatal(err)
	}
	mod := instantiate(t, r, res.Code)
	if got := call(t, mod, "f"); got != 42 {
		t.Errorf("f() = %d, want 42", got)
	}
	if mod.ExportedMemory("memory") == nil {
		t.Error("the memory isn't exported")
	}
	if same, err := OwnMemory(own); err != nil || !bytes.Equal(same, own) {
		t.Errorf("a module with a memory of its own: %v", err)
	}
}

// TestOwnMemoryKeepsTheOtherImports, those of which are refused later, and exports
// that are there.
func TestOwnMemoryKeepsTheOtherImports(t *testing.T) {
	a := &asm{
		types: []FuncType{ft("", "")},
		imports: [][]byte{
			b(name("env"), name("t"), 1, FuncRef, 1, 1, 2), b(name("env"), name("memory"), 2, 0, u(2)),
			b(name("env"), name("g"), 3, I64, 1), importFunc("env", "f", 0),
		},
		exports: []exported{{"mem", KindMemory, 0}},
	}
	own, err := OwnMemory(a.bytes())
	if err != nil {
		t.Fatal(err)
	}
	a.memory, a.imports = b(0, u(2)), [][]byte{a.imports[0], a.imports[2], a.imports[3]}
	if want := a.bytes(); !bytes.Equal(own, want) {
		t.Errorf("%x, want\n%x", own, want)
	}
	if _, err := OwnMemory([]byte("x")); err == nil {
		t.Error("what isn't a module is taken")
	}
}
