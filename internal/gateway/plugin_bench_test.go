package gateway

import (
	"os"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// BenchmarkHandlePlugin is a call with and without a plugin that reads three of its fields, turn by turn so that both meet the same machine,
// and what the plugin takes. Nothing is remembered, so that it is asked every time.
func BenchmarkHandlePlugin(b *testing.B) {
	module, err := os.ReadFile("../../engine/wasm/testdata/c/authorise.wasm")
	if err != nil {
		b.Fatal(err)
	}
	files := fstest.MapFS{"p.yaml": {Data: []byte(rulesFor(10))}}
	var compiled [2]*engine.Snapshot
	host, err := wasm.New(wasm.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = host.Close() }()
	for i := range compiled {
		set, err := bundle.FS(files)
		if err != nil {
			b.Fatal(err)
		}
		if compiled[i], err = engine.Compile(b.Context(), set, engine.Options{Plugins: host}); err != nil {
			b.Fatal(err)
		}
		defer compiled[i].Close()
		files["authorise.wasm"] = &fstest.MapFile{Data: module}
		files["q.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: plugin }\nmatch: { methods: [tools/call] }\n" +
			"rules:\n  - { name: authorise, plugin: authorise }\n")}
	}
	g, ctx := inProcess(b, 10)
	without := snapCopy(g.current.p.Load())
	with := snapCopy(without)
	without.Policy, with.Policy = compiled[0], compiled[1]
	var took [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		g.Swap([]*Snapshot{without, with}[i%2])
		begin := time.Now()
		for range 8 {
			g.handle(ctx)
		}
		took[i%2] = append(took[i%2], time.Since(begin)/8)
		if ctx.Response.StatusCode() != 200 {
			b.Fatal(ctx.Response.String())
		}
	}
	for i, name := range []string{"without", "with"} {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][0]), name+"-min-ns")
		b.ReportMetric(float64(took[i][len(took[i])/2]), name+"-p50-ns")
	}
}
