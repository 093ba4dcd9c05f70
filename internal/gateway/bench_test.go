package gateway

import (
	"bufio"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	id, _, err := g.sealer.seal(nil, sessionOwner(nil, identity.PrincipalKey(principal(tb, who)), "files"), "", "0123456789abcdef")
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

// BenchmarkHandleBesideCandidate is BenchmarkHandle with and without another policy that is asked as well, turn by turn so that both meet
// the same machine. All processors are busy: what the candidate takes is missing elsewhere. The budget is that of a config that says none. Its
// clock is the time that the processors have spent here, in the turns with the candidate, as if nobody else used the machine.
func BenchmarkHandleBesideCandidate(b *testing.B) {
	for name, percent := range map[string]float64{"everything": 0, "budget=2%": 2} {
		b.Run(name, func(b *testing.B) {
			g, first := inProcess(b, 1000)
			alone := snapCopy(g.current.p.Load())
			beside := snapCopy(alone)
			beside.Candidate = &Candidate{Policy: compile(b, rulesFor(1001))}
			var stopped, without atomic.Int64 // when the clock was stopped, and for how long it was in all
			clock := func() int64 { return int64(processorTime(b)) / int64(runtime.GOMAXPROCS(0)) }
			tried := trial.New(trial.Options{
				Active: beside.Policy, Candidate: beside.Candidate.Policy, Metrics: g.Metrics, Show: g.ShowExample,
				Budget: percent / 100 * float64(runtime.GOMAXPROCS(0)), Now: func() time.Time {
					if at := stopped.Load(); at > 0 {
						return time.Unix(0, at)
					}
					return time.Unix(0, clock()-without.Load())
				},
			})
			beside.Candidate.Trial = tried
			defer func() { tried.Close(); <-tried.Done() }()
			var costs [2][]float64 // of a call in each turn, in nanoseconds of a processor
			calls := 0
			for i := 0; b.Loop(); i++ {
				s, which := alone, i%2
				if which == 1 {
					s = beside
				}
				g.Swap(snapCopy(s))
				before, at := processorTime(b), clock()
				if which == 0 {
					stopped.Store(at - without.Load())
				}
				n := handleFor(b, g, first, 100*time.Millisecond)
				costs[which] = append(costs[which], float64(processorTime(b)-before)/float64(n))
				if which == 0 {
					without.Add(clock() - at)
					stopped.Store(0)
					continue
				}
				calls += n
			}
			if calls == 0 {
				b.Skip("nothing to compare with in one turn: -benchtime 200x")
			}
			was, is := median(costs[0]), median(costs[1])
			b.ReportMetric(was, "cpu-ns/call-alone")
			b.ReportMetric(is, "cpu-ns/call-beside")
			b.ReportMetric(100*(1-was/is), "%throughput-lost")
			r := tried.Report()
			b.ReportMetric(100*float64(r.Calls)/float64(calls), "%compared")
			b.ReportMetric(0, "ns/op")
			if r.Same != r.Calls {
				b.Errorf("%+v", r)
			}
		})
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// handleFor has every processor handle calls for a time, and gives how many there were.
func handleFor(b *testing.B, g *Gateway, first *fasthttp.RequestCtx, d time.Duration) int {
	b.Helper()
	var callers sync.WaitGroup
	var calls atomic.Int64
	until := time.Now().Add(d)
	for range runtime.GOMAXPROCS(0) {
		callers.Go(func() {
			ctx := &fasthttp.RequestCtx{}
			ctx.Init(&fasthttp.Request{}, nil, nil)
			first.Request.CopyTo(&ctx.Request)
			n := int64(0)
			for ; n%64 != 0 || time.Now().Before(until); n++ {
				g.handle(ctx)
			}
			calls.Add(n)
			if ctx.Response.StatusCode() != 200 {
				b.Error(ctx.Response.String())
			}
		})
	}
	callers.Wait()
	return int(calls.Load())
}
