package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// guards has a rule for each plugin that comes with the gateway. No call of the benchmark runs one.
const guards = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: guards }
match: { methods: [tools/call], tools: [guarded] }
rules:
  - { name: paths, plugin: path-guard, config: { roots: [/srv/project] } }
  - { name: tenants, plugin: tenant-map, grant: ["lookup:tenants"], config: { key: id, tools: { guarded: { path: { begins: root } } } } }
  - { name: secrets, plugin: redact-secrets, grant: ["match:secrets"], config: { deny: ["*"] } }
  - { name: personal, plugin: redact-pii, config: { action: deny, kinds: [card, ssn] } }
  - { name: injections, phase: response, plugin: injection-guard, config: { instructions: deny } }
  - { name: sql, plugin: sql-guard, config: { dialect: postgresql, arguments: [sql] } }
`

// thousandRules is a bundle of a thousand rules, no two of them alike, and six plugins. Of another round no condition is the same.
func thousandRules(b *testing.B, round int) *bundle.Bundle {
	b.Helper()
	files := fstest.MapFS{"guards.yaml": {Data: []byte(guards)}, "tables/tenants.json": {Data: []byte(`{"marks":{}}`)}}
	for _, name := range []string{"path-guard", "tenant-map", "redact-secrets", "redact-pii", "injection-guard", "sql-guard"} {
		module, err := os.ReadFile(filepath.Join("..", "..", "plugins", name, name+".wasm"))
		if err != nil {
			b.Fatal(err)
		}
		files["plugins/"+name+".wasm"] = &fstest.MapFile{Data: module}
	}
	for i := range 200 {
		var p strings.Builder
		fmt.Fprintf(&p, "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p%03d }\nmatch: { servers: [files], methods: [tools/call], tools: [tool_%02d] }\nrules:\n", i, i%50)
		for j := range 5 {
			fmt.Fprintf(&p, "  - { name: r%d, effect: allow, when: '\"role_%02d\" in principal.groups && args.limit <= %d && args.path.startsWith(\"/srv/docs/\")' }\n",
				j, (i/50)%20, 100+1000*round+5*i+j)
		}
		files[fmt.Sprintf("p%03d.yaml", i)] = &fstest.MapFile{Data: []byte(p.String())}
	}
	set, err := bundle.FS(files)
	if err != nil {
		b.Fatal(err)
	}
	return set
}

// timed are the latencies of calls, apart for those that were under way while policies were compiled.
type timed struct {
	compiling atomic.Bool
	stop      atomic.Bool
	mu        sync.Mutex
	took      [2][]time.Duration
}

// call calls on a connection of its own, one call after the other.
func (m *timed) call(b *testing.B, address, request string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Error(err)
		return
	}
	defer c.Close()
	r, raw := bufio.NewReader(c), []byte(request)
	var took [2][]time.Duration
	for !m.stop.Load() {
		which := 0
		began, beside := time.Now(), m.compiling.Load()
		if _, err := c.Write(raw); err != nil {
			b.Error(err)
			return
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Error(err)
			return
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
			b.Error(resp.StatusCode, err)
			return
		}
		if beside || m.compiling.Load() {
			which = 1
		}
		took[which] = append(took[which], time.Since(began))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range took {
		m.took[i] = append(m.took[i], took[i]...)
	}
}

func quantile(sorted []time.Duration, q float64) float64 {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Seconds() * 1e6
}

// BenchmarkActivate compiles a thousand rules and six plugins, and swaps them in, while sixteen clients call on a socket; then it waits as
// long as that took, and so on in turn. Compiled code is in the cache on the disk; every condition is new.
func BenchmarkActivate(b *testing.B) {
	g, ctx := inProcess(b, 1)
	cache := filepath.Join(b.TempDir(), "cache")
	base := g.current.p.Load()
	compileRound := func(round int) (s *engine.Snapshot, host *wasm.Host, took time.Duration) {
		set := thousandRules(b, round)
		began := time.Now()
		host, err := wasm.New(wasm.Options{CacheDir: cache})
		if err != nil {
			b.Fatal(err)
		}
		if s, err = engine.Compile(b.Context(), set, engine.Options{Plugins: host, Servers: []string{"files"}}); err != nil {
			b.Fatal(err)
		}
		return s, host, time.Since(began)
	}
	swap := func(s *engine.Snapshot, host *wasm.Host) {
		next := snapCopy(base)
		next.Policy, next.Release = s, func() { s.Close(); host.Close() }
		g.Swap(next)
	}
	s, host, took := compileRound(0) // fills the cache
	swap(s, host)
	b.Cleanup(func() { g.Swap(nil) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = g.Serve(g.Listen(l)) }() // Shutdown ends it
	b.Cleanup(func() { _ = g.Shutdown(b.Context()) })
	request := string(append(ctx.Request.Header.Header(), ctx.Request.Body()...))
	var m timed
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() { m.call(b, l.Addr().String(), request) })
	}
	var compiles []time.Duration
	round := 0
	for b.Loop() {
		time.Sleep(max(took, 200*time.Millisecond))
		round++
		m.compiling.Store(true)
		s, host, took = compileRound(round)
		swap(s, host)
		m.compiling.Store(false)
		compiles = append(compiles, took)
	}
	m.stop.Store(true)
	clients.Wait()
	slices.Sort(compiles)
	for i := range m.took {
		slices.Sort(m.took[i])
		if len(m.took[i]) == 0 {
			b.Skip("no calls")
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(compiles[len(compiles)/2].Seconds()*1e3, "ms/compile")
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		alone, beside := quantile(m.took[0], q.q), quantile(m.took[1], q.q)
		b.ReportMetric(alone, q.name+"-us-alone")
		b.ReportMetric(beside, q.name+"-us-beside")
		b.ReportMetric(beside/alone, q.name+"-ratio")
	}
}
