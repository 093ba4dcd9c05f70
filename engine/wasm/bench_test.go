package wasm_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// BenchmarkCall is a call in an instance that is reset after it, on a metered guest, with a
// deadline. "index" has the strings of the message enumerated anew for each, and a scan of it.
func BenchmarkCall(b *testing.B) {
	ops, dev := []string{"dev", "ops"}, []string{"dev"}
	for _, c := range []struct {
		name      string
		guest     string
		config    wasm.Config
		arguments string
		groups    []string
		want      hostapi.Verdict
	}{
		{"authorise/pass", "authorise", wasm.Config{}, `{"path":"/srv/a/b/c.txt","limit":10}`, ops, hostapi.VerdictPass},
		{"authorise/deny", "authorise", wasm.Config{}, `{"path":"/etc/passwd","limit":10}`, dev, hostapi.VerdictDeny},
		{"redact/clean", "redact", withPII(), clean, ops, hostapi.VerdictPass},
		{"redact/dirty", "redact", withPII(), dirty, ops, hostapi.VerdictMutate},
		{"scan/clean", "scan", wasm.Config{}, clean, ops, hostapi.VerdictPass},
		{"scan/dirty", "scan", wasm.Config{}, dirty, ops, hostapi.VerdictMutate},
	} {
		p := load(b, newHost(b, wasm.Options{}), cGuest(b, c.guest), c.config)
		for _, indexed := range []bool{true, false} {
			name := c.name
			if !indexed {
				name += "/index"
			}
			b.Run(name, func(b *testing.B) {
				m := message(b, c.arguments)
				m.Principal.Groups = c.groups
				bench(b, p, m, indexed, c.want)
			})
		}
	}
}

// BenchmarkCall_unreset is the call of BenchmarkCall, index built, without the reset of the instance: what of a call is left if that were
// done behind the answer.
func BenchmarkCall_unreset(b *testing.B) {
	p := load(b, newHost(b, wasm.Options{}), cGuest(b, "authorise"), wasm.Config{})
	m := message(b, `{"path":"/srv/a/b/c.txt","limit":10}`)
	m.Principal.Groups = []string{"dev", "ops"}
	call := &wasm.Call{Hook: hostapi.HookRequest, Message: m}
	var r wasm.Result
	b.ReportAllocs()
	sample(b, func() { p.CallUnreset(context.Background(), call, &r) })
	if r.Verdict() != hostapi.VerdictPass {
		b.Fatal(sum(&r))
	}
}

func bench(b *testing.B, p *wasm.Plugin, m *wasm.Message, indexed bool, want hostapi.Verdict) {
	call := &wasm.Call{Hook: hostapi.HookRequest, Message: m}
	var r wasm.Result
	p.Call(context.Background(), call, &r)
	if r.Verdict() != want {
		b.Fatal(sum(&r))
	}
	var d jsonscan.Doc
	src := m.Params.AppendTo(nil)
	header := wasm.Message{Method: m.Method, Server: m.Server, Tool: m.Tool, Principal: m.Principal, Source: m.Source, Time: m.Time}
	b.ReportAllocs()
	sample(b, func() {
		if !indexed {
			if err := d.Scan(src, jsonscan.Options{Fold: true}); err != nil {
				b.Fatal(err)
			}
			m.Reset()
			m.Method, m.Server, m.Tool, m.Principal, m.Source, m.Time = header.Method, header.Server, header.Tool, header.Principal, header.Source, header.Time
			m.Params = d.Root()
		}
		p.Call(context.Background(), call, &r)
	})
	b.ReportMetric(float64(r.Fuel), "fuel")
}

// sample measures f eight at a time, and reports the least and the median: a machine that does
// other things too has a mean that says little.
func sample(b *testing.B, f func()) {
	const batch = 8
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		for range batch {
			f()
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[0])/batch, "min-ns")
	b.ReportMetric(float64(took[len(took)/2])/batch, "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100])/batch, "p99-ns")
}

func BenchmarkCallGo(b *testing.B) {
	p := loadGo(b, newHost(b, wasm.Options{CacheDir: sharedCache}))
	for _, c := range []struct{ name, arguments string }{{"hello", `{"do":"hello"}`}, {"absent", `{}`}} {
		b.Run(c.name, func(b *testing.B) {
			m := message(b, c.arguments)
			want := hostapi.VerdictDeny
			if c.name == "absent" {
				want = hostapi.VerdictPass
			}
			bench(b, p, m, true, want)
		})
	}
	b.Log("resets by", p.Info().Reset, "an image of", p.Info().ImageBytes>>10, "KiB")
}

func BenchmarkParallel(b *testing.B) {
	p := load(b, newHost(b, wasm.Options{}), cGuest(b, "redact"), withPII())
	b.RunParallel(func(pb *testing.PB) {
		m := message(b, dirty)
		call := &wasm.Call{Hook: hostapi.HookRequest, Message: m}
		var r wasm.Result
		for pb.Next() {
			p.Call(context.Background(), call, &r)
			if r.Verdict() != hostapi.VerdictMutate {
				b.Error(sum(&r))
				return
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	small := cGuest(b, "authorise")
	large, err := goGuest()
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		module []byte
		config wasm.Config
	}{{"c", small, wasm.Config{}}, {"go", large, settings(`{}`)}} {
		for _, cached := range []bool{false, true} {
			name, o := c.name+"/compiled", wasm.Options{}
			if cached {
				name, o = c.name+"/cached", wasm.Options{CacheDir: sharedCache}
			}
			b.Run(name, func(b *testing.B) {
				load(b, newHost(b, o), c.module, c.config).Close()
				for b.Loop() {
					h, err := wasm.New(o)
					if err != nil {
						b.Fatal(err)
					}
					p, err := h.Load(context.Background(), c.module, c.config)
					if err != nil {
						b.Fatal(err)
					}
					p.Close()
					if err := h.Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkNewHost(b *testing.B) {
	for b.Loop() {
		h, err := wasm.New(wasm.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoopEnds is how long after its deadline of 50 ms a guest that loops has ended.
func BenchmarkLoopEnds(b *testing.B) {
	const deadline = 50 * time.Millisecond
	p := load(b, newHost(b, wasm.Options{EjectFailures: -1}), spin(deadline).bytes(), wasm.Config{})
	call := &wasm.Call{Hook: hostapi.HookRequest, Message: message(b, harm)}
	var r wasm.Result
	var over []time.Duration
	for b.Loop() {
		p.Call(context.Background(), call, &r)
		if r.Failure.Type != hostapi.FailureDeadline {
			b.Fatal(sum(&r))
		}
		over = append(over, r.Time-deadline)
	}
	slices.Sort(over)
	b.ReportMetric(float64(over[len(over)/2].Microseconds()), "p50-us-over")
	b.ReportMetric(float64(over[len(over)*99/100].Microseconds()), "p99-us-over")
}

// BenchmarkBesideLoops is a call beside a guest that loops all the time.
func BenchmarkBesideLoops(b *testing.B) {
	for _, loops := range []bool{false, true} {
		b.Run(fmt.Sprintf("loops=%v", loops), func(b *testing.B) {
			h := newHost(b, wasm.Options{EjectFailures: -1})
			bad := load(b, h, spin(50*time.Millisecond).bytes(), wasm.Config{})
			good := load(b, h, cGuest(b, "redact"), withPII())
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				var r wasm.Result
				m := message(b, harm)
				for loops && ctx.Err() == nil {
					bad.Call(ctx, &wasm.Call{Hook: hostapi.HookRequest, Message: m}, &r)
				}
			}()
			m := message(b, dirty)
			var r wasm.Result
			sample(b, func() {
				good.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: m}, &r)
			})
			cancel()
			<-done
		})
	}
}
