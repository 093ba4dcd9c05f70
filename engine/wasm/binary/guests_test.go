package binary

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// compileC compiles testdata/kernels.c, or skips.
func compileC(t testing.TB, flag string) []byte {
	t.Helper()
	clang, err := exec.LookPath("clang-19")
	if err != nil {
		t.Skip("SKIPPED: clang-19 and lld-19 are not installed: apt-get install clang-19 lld-19")
	}
	out := filepath.Join(t.TempDir(), "kernels.wasm")
	args := []string{
		"--target=wasm32", "-nostdlib", flag, "-mbulk-memory", "-mmultivalue", "-Wl,--no-entry", "-Wl,--stack-first",
		"-Wl,-z,stack-size=32768", "-o", out, filepath.Join("testdata", "kernels.c"),
	}
	if text, err := exec.Command(clang, args...).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: clang-19 doesn't compile for wasm32: %v\n%s", err, text)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestCComputesTheSame runs C, compiled several ways, as it is and instrumented.
func TestCComputesTheSame(t *testing.T) {
	for _, flag := range []string{"-O0", "-O2", "-Oz", "-O3"} {
		t.Run(flag, func(t *testing.T) {
			code := compileC(t, flag)
			res := mustInstrument(t, code, Options{MaxPages: 16})
			tk := ample()
			r := newRuntime(t, tk, 16)
			m, err := Parse(code)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range m.Exports() {
				if e.Kind != KindFunc {
					continue
				}
				for _, n := range []uint64{0, 1, 5, 77, 4095, 1 << 31} {
					want, err := run(r, code, e.Name, []uint64{n}, nil)
					if err != nil {
						t.Fatal(err)
					}
					got, err := run(r, res.Code, e.Name, []uint64{n}, tk)
					if err != nil {
						t.Fatal(err)
					}
					if d := differs(want, got); d != "" {
						t.Errorf("%s(%d): -original +instrumented\n%s", e.Name, n, d)
					}
				}
			}
		})
	}
}

// goGuest is a plugin as people write them: it allocates, sorts, formats, panics and
// recovers, decodes and encodes JSON.
const goGuest = `package main

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"unsafe"
)

var in, out []byte

//go:wasmexport sp_alloc
func alloc(n uint32) uint32 {
	in = make([]byte, n)
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(in))))
}

//go:wasmexport decide
func decide() uint64 {
	var v any
	text := "refused"
	func() {
		defer func() {
			if r := recover(); r != nil {
				text = fmt.Sprint("recovered ", r)
			}
		}()
		if json.Unmarshal(in, &v) == nil {
			text = walk(v, 0)
		}
	}()
	out = []byte(strings.ToUpper(text))
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(out))))<<32 | uint64(len(out))
}

func walk(v any, depth int) string {
	switch v := v.(type) {
	case map[string]any:
		var keys []string
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		var b strings.Builder
		for _, k := range keys {
			fmt.Fprintf(&b, "%s@%d=%s;", k, depth, walk(v[k], depth+1))
		}
		return b.String()
	case []any:
		text := ""
		for i := range v {
			text += walk(v[len(v)-1-i], depth+1)
		}
		return text
	case string:
		return v[:3]
	}
	data, _ := json.Marshal(v)
	return string(data)
}

func main() {}
`

// compileGo builds the guest, a module of about 2 MB, or skips.
func compileGo(t testing.TB) []byte {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: -short: a Go guest takes a while to build")
	}
	dir := t.TempDir()
	for file, text := range map[string]string{"main.go": goGuest, "go.mod": "module guest\n\ngo 1.24\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-p", "1", "-buildmode=c-shared", "-ldflags=-s -w", "-o", "guest.wasm", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=-mod=mod", "GOTOOLCHAIN=local")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: Go doesn't build a guest: %v\n%s", err, text)
	}
	code, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// startGo instantiates a Go guest.
func startGo(t testing.TB, r wazero.Runtime, code []byte) api.Module {
	t.Helper()
	ctx := context.Background()
	clock := int64(0)
	cfg := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").
		WithNanotime(func() int64 { clock += 1000; return clock }, 1)
	mod, err := r.InstantiateWithConfig(ctx, code, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return mod
}

// ask writes to a Go guest and returns what it answers.
func ask(t testing.TB, mod api.Module, text string) string {
	t.Helper()
	at := call(t, mod, "sp_alloc", uint64(len(text)))
	mod.Memory().WriteString(uint32(at), text)
	answer := call(t, mod, "decide")
	data, _ := mod.Memory().Read(uint32(answer>>32), uint32(answer))
	return string(data)
}

// TestGoComputesTheSame runs a Go guest as it is, instrumented, and instrumented and
// lifted, and the last two to the same fuel.
func TestGoComputesTheSame(t *testing.T) {
	code := compileGo(t)
	res := mustInstrument(t, code, Options{MaxPages: 1024})
	l, err := Lift(res.Code)
	if err != nil {
		t.Fatal(err)
	}
	plain := newRuntime(t, ample(), 1024)
	wasi_snapshot_preview1.MustInstantiate(context.Background(), plain)
	original := startGo(t, plain, code)
	tk := ample()
	metered := newRuntime(t, tk, 1024)
	wasi_snapshot_preview1.MustInstantiate(context.Background(), metered)
	rewritten := startGo(t, metered, res.Code)
	lk := ample()
	third := newRuntime(t, lk, 1024)
	wasi_snapshot_preview1.MustInstantiate(context.Background(), third)
	lifted := bootLifted(t, third, l)
	for i, text := range []string{
		`{"b":"hello","a":[1,2.5,{"x":null}],"c":{"d":"there"}}`, `{"short":"ab"}`, `not json`, `[` + fmt.Sprint(1<<40) + `]`,
		`{"name":"send_email","arguments":{"to":"jane.doe@example.com","cc":["ops","finance"]}}`,
	} {
		want := ask(t, original, text)
		if got := ask(t, rewritten, text); got != want {
			t.Errorf("%d: instrumented %q, want %q", i, got, want)
		}
		if got := ask(t, lifted, text); got != want {
			t.Errorf("%d: lifted %q, want %q", i, got, want)
		}
		if a, b := tk.spent(rewritten), lk.spent(lifted); a != b || a == 0 {
			t.Errorf("%d: fuel %d, lifted %d", i, a, b)
		}
	}
	if _, err := Parse(res.Code); err != nil || res.Changes != 0 {
		t.Errorf("%v, it changes %q", err, res.Changes)
	}
}

// bootLifted instantiates what was lifted and does by hand what happens once.
func bootLifted(t testing.TB, r wazero.Runtime, l *Lifted) api.Module {
	t.Helper()
	clock := int64(0)
	cfg := wazero.NewModuleConfig().WithName("").WithStartFunctions().
		WithNanotime(func() int64 { clock += 1000; return clock }, 1)
	mod, err := r.InstantiateWithConfig(context.Background(), l.Code, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range l.Data {
		if !mod.Memory().Write(d.Offset, d.Bytes) {
			t.Fatal("a segment doesn't fit")
		}
	}
	if l.Start != "" {
		call(t, mod, l.Start)
	}
	call(t, mod, "_initialize")
	return mod
}
