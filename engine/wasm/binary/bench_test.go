package binary

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// BenchmarkInstrument reads and rewrites a Go guest.
func BenchmarkInstrument(b *testing.B) {
	code := compileGo(b)
	b.SetBytes(int64(len(code)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := Parse(code)
		if err != nil {
			b.Fatal(err)
		}
		res, err := m.Instrument(Options{MaxPages: 1024})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(res.Code))/float64(len(code)), "size-ratio")
	}
}

func BenchmarkLift(b *testing.B) {
	code := mustInstrument(b, compileGo(b), Options{MaxPages: 1024}).Code
	b.SetBytes(int64(len(code)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Lift(code); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFuel runs guests as they are and instrumented: the ratio of the two is
// what metering costs.
func BenchmarkFuel(b *testing.B) {
	for _, flag := range []string{"-O2", "-Oz"} {
		b.Run("C"+flag, func(b *testing.B) {
			code := compileC(b, flag)
			for _, f := range []string{"crc", "scan", "fib", "sort", "indirect", "bulk", "floats"} {
				b.Run(f, func(b *testing.B) { benchmarkFuel(b, code, f) })
			}
		})
	}
	b.Run("Go", func(b *testing.B) {
		code := compileGo(b)
		b.Run("plain", func(b *testing.B) { benchmarkGo(b, code) })
		b.Run("metered", func(b *testing.B) { benchmarkGo(b, mustInstrument(b, code, Options{MaxPages: 1024}).Code) })
	})
}

func benchmarkFuel(b *testing.B, code []byte, f string) {
	metered := mustInstrument(b, code, Options{}).Code
	for i, code := range [][]byte{code, metered} {
		b.Run([]string{"plain", "metered"}[i], func(b *testing.B) {
			tk := &tank{slice: 500_000, left: 1 << 60}
			mod := instantiate(b, newRuntime(b, tk, 256).Runtime, code)
			fn := mod.ExportedFunction(f)
			stack := make([]uint64, 1)
			ctx := context.Background()
			for b.Loop() {
				stack[0] = 4095
				if err := fn.CallWithStack(ctx, stack); err != nil {
					b.Fatal(err)
				}
			}
			reportFuel(b, tk, mod)
		})
	}
}

func benchmarkGo(b *testing.B, code []byte) {
	tk := &tank{slice: 500_000, left: 1 << 60}
	r := newRuntime(b, tk, 1024)
	wasi_snapshot_preview1.MustInstantiate(context.Background(), r)
	mod := startGo(b, r, code)
	for b.Loop() {
		ask(b, mod, `{"name":"send_email","arguments":{"to":"jane.doe@example.com","cc":["ops","finance"]}}`)
	}
	reportFuel(b, tk, mod)
}

func reportFuel(b *testing.B, tk *tank, mod api.Module) {
	if mod.ExportedGlobal(FuelExport) != nil {
		b.ReportMetric(float64(tk.spent(mod))/float64(b.N), "fuel/op")
	}
}
