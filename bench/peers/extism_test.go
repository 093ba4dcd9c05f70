package peers

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// maskModule is mask.c, compiled with clang-19 as engine/wasm/testdata/c/build compiles.
//
//go:embed testdata/mask.wasm
var maskModule []byte

// The messages are calls of about a kibibyte.
var (
	filler = strings.Repeat(" The quick brown fox jumps over the lazy dog while the gateway checks every argument.", 9)
	clean  = `{"to":"jane","subject":"Invoice 2026-11","body":"Hi, please confirm order 88213.` + filler + `"}`
	dirty  = `{"to":"jane.doe@example.com","subject":"Invoice 2026-11","body":"Hi, please charge card 4111 1111 1111 1111 for order 88213.` + filler + `"}`
	masked = `{"to":"***","subject":"Invoice 2026-11","body":"Hi, please charge card *** for order 88213.` + filler + `"}`
)

// newExtism loads the plugin. Extism stops a guest that runs too long only if a timeout is set.
func newExtism(t testing.TB, timeout time.Duration) *extism.Plugin {
	t.Helper()
	manifest := extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: maskModule}}, Timeout: uint64(timeout.Milliseconds())}
	config := extism.PluginConfig{RuntimeConfig: wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(timeout > 0)}
	p, err := extism.NewPlugin(context.Background(), manifest, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// sallyport is the same policy as a plugin of ours: metered, bounded, with a deadline, in an instance that is reset after each call.
type sallyport struct {
	plugin  *wasm.Plugin
	doc     jsonscan.Doc
	message wasm.Message
	result  wasm.Result
}

func newSallyport(t testing.TB) *sallyport {
	t.Helper()
	module, err := os.ReadFile("../../engine/wasm/testdata/c/scan.wasm")
	if err != nil {
		t.Fatal(err)
	}
	h, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Load(context.Background(), module, wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		_ = h.Close()
	})
	return &sallyport{plugin: p}
}

// call reads the message from its bytes, as it must, and asks the plugin.
func (s *sallyport) call(t testing.TB, arguments []byte) hostapi.Verdict {
	if err := s.doc.Scan(arguments, jsonscan.Options{Fold: true}); err != nil {
		t.Fatal(err)
	}
	s.message.Reset()
	s.message.Method, s.message.Server, s.message.Tool, s.message.Params = "tools/call", "mail", "send", s.doc.Root()
	s.plugin.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: &s.message}, &s.result)
	return s.result.Verdict()
}

func params(arguments string) []byte { return []byte(`{"name":"send","arguments":` + arguments + `}`) }

// What is compared does the same.
func TestBothMaskTheSame(t *testing.T) {
	e, s := newExtism(t, 0), newSallyport(t)
	for in, want := range map[string]string{clean: "", dirty: masked} {
		code, out, err := e.Call("mask", []byte(in))
		if err != nil || code != 0 || string(out) != want {
			t.Errorf("Extism: %d %q, %v", code, out, err)
		}
		verdict := hostapi.VerdictPass
		if want != "" {
			verdict = hostapi.VerdictMutate
		}
		if got := s.call(t, params(in)); got != verdict {
			t.Errorf("Sallyport: %v, want %v", got, verdict)
		}
	}
	var texts []string
	s.call(t, params(dirty))
	for _, x := range s.result.Edits {
		texts = append(texts, string(x.Path)+"="+string(x.JSON))
	}
	if len(texts) != 2 || !strings.HasSuffix(texts[0], `"***"`) || !strings.Contains(texts[1], "card *** for") {
		t.Errorf("Sallyport's edits: %q", texts)
	}
}

func TestModuleIsTheOneThatWasBuilt(t *testing.T) {
	var all bytes.Buffer
	for _, name := range []string{"mask.c", "../../../engine/wasm/testdata/c/mask.h", "mask.wasm"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		all.WriteString(hex.EncodeToString(sum[:]) + "  " + name + "\n")
	}
	want, err := os.ReadFile("testdata/digests")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, all.Bytes()) {
		t.Errorf("a source has changed: build mask.wasm, and write digests:\n%s", all.String())
	}
}

func BenchmarkMask(b *testing.B) {
	for name, in := range map[string]string{"clean": clean, "dirty": dirty} {
		b.Run(name+"/sallyport", func(b *testing.B) {
			s, message := newSallyport(b), params(in)
			sample(b, func() { s.call(b, message) })
		})
		for kind, timeout := range map[string]time.Duration{"extism": 0, "extism-timeout": 50 * time.Millisecond} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				e, message := newExtism(b, timeout), []byte(in)
				sample(b, func() {
					if _, _, err := e.Call("mask", message); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

// sample measures f eight at a time, and reports the least and the median: a machine that does other things too has a mean that says
// little.
func sample(b *testing.B, f func()) {
	const batch = 8
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		for range batch {
			f()
		}
		took = append(took, time.Since(begin)/batch)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[0]), "min-ns")
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
}
