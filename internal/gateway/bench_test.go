package gateway

import (
	"bufio"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/trial"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// rulesFor makes n rules over fifty tools, of which the calls of the benchmark meet some.
func rulesFor(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString("---\n")
		}
		fmt.Fprintf(&b, `apiVersion: sallyport/v1
kind: Policy
metadata: { name: p%d }
match: { methods: [tools/call], tools: [tool_%02d] }
rules:
  - name: allow
    when: '"role_%02d" in principal.groups && args.limit <= %d && args.path.startsWith("/srv/docs/")'
    effect: allow
`, i, i%50, (i/50)%20, 100+i%7)
	}
	return b.String()
}

// oneKiB is a call of about 1 KiB, in a session.
func oneKiB() string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tool_00","arguments":{"limit":10,"path":"/srv/docs/a.md","text":"` +
		strings.Repeat("The quick brown fox jumps over the lazy dog. ", 18) + `"}}}`
}

// inProcess is a gateway whose requests are handed to it directly: what is measured is everything but sockets.
func inProcess(tb testing.TB, rules int) (*Gateway, *fasthttp.RequestCtx) {
	tb.Helper()
	log, err := audit.Open(audit.Options{Path: filepath.Join(tb.TempDir(), "audit.jsonl"), Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { log.Close() })
	keys := []identity.APIKey{{ID: "ci", Hash: sum("key"), Claims: []byte(`{"groups":["role_00","role_01"]}`)}}
	who, err := identity.New(identity.Options{Keys: keys, Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	g, s := bare(tb, log), &script{}
	answer := []byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"` + strings.Repeat("Result row: id=42 score=0.93. ", 18) + `"}],"isError":false}}`)
	snap := &Snapshot{Policy: compile(tb, rulesFor(rules)), Identity: who, Routes: routes(), Names: Names{Hosts: []string{"gw.test"}}}
	snap.Servers = map[string]upstream.Server{"files": fixed{s, answer}}
	g.Swap(snap)
	id, _, err := g.sealer.seal(nil, sessionOwner(nil, identity.PrincipalKey(principal(tb, who)), "files"), "0123456789abcdef")
	if err != nil {
		tb.Fatal(err)
	}
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&fasthttp.Request{}, nil, nil)
	raw := post(oneKiB(), "Authorization: Bearer key", "Mcp-Session-Id: "+string(id), "MCP-Protocol-Version: 2025-11-25", "User-Agent: bench")
	if err := ctx.Request.Read(bufio.NewReader(strings.NewReader(raw))); err != nil {
		tb.Fatal(err)
	}
	return g, ctx
}

// fixed answers every call with the same bytes.
type fixed struct {
	*script
	answer []byte
}

func (f fixed) Do(c *upstream.Call) error {
	c.Status, c.Reply, c.ReplyBody = 200, upstream.JSON, f.answer
	return nil
}

func BenchmarkHandle(b *testing.B) {
	for _, rules := range []int{10, 1000} {
		b.Run(fmt.Sprint("rules=", rules), func(b *testing.B) {
			g, ctx := inProcess(b, rules)
			b.ReportAllocs()
			for b.Loop() {
				g.handle(ctx)
			}
			if ctx.Response.StatusCode() != 200 || !strings.Contains(string(ctx.Response.Body()), "Result row") {
				b.Fatal(ctx.Response.String())
			}
		})
	}
}

// BenchmarkHandleBesideCandidate is BenchmarkHandle with and without another policy that is asked as well. All processors are busy, so
// that what the worker takes is missing elsewhere.
func BenchmarkHandleBesideCandidate(b *testing.B) {
	for _, tried := range []bool{false, true} {
		b.Run(fmt.Sprint("candidate=", tried), func(b *testing.B) {
			g, first := inProcess(b, 1000)
			snap := snapCopy(g.current.p.Load())
			if tried {
				snap.Candidate = &Candidate{Policy: compile(b, rulesFor(1001)), Trial: trial.New(trial.Options{
					Active: snap.Policy, Candidate: compile(b, rulesFor(1001)), Metrics: g.Metrics, Show: g.ShowExample,
				})}
				defer func() { snap.Candidate.Trial.Close(); <-snap.Candidate.Trial.Done() }()
			}
			g.Swap(snap)
			b.ReportAllocs()
			before := processorTime(b)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				ctx := &fasthttp.RequestCtx{}
				ctx.Init(&fasthttp.Request{}, nil, nil)
				first.Request.CopyTo(&ctx.Request)
				for pb.Next() {
					g.handle(ctx)
				}
				if ctx.Response.StatusCode() != 200 {
					b.Error(ctx.Response.String())
				}
			})
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op") // of all goroutines: what is left of it on a busy machine
			if tried {
				r := snap.Candidate.Trial.Report()
				b.ReportMetric(float64(r.Skipped)/float64(b.N), "skipped/op")
				if r.Same != r.Calls {
					b.Errorf("%+v", r)
				}
			}
		})
	}
}

// processorTime is what this process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
