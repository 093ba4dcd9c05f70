package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// measured is a gateway that writes its records, and those who may use it.
func measured(tb testing.TB) (*Gateway, *identity.Resolver) {
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
	return bare(tb, log), who
}

// manyServers is a gateway with n servers of the same tools, each of which answers with the same bytes.
func manyServers(tb testing.TB, n int, policy string, answer []byte) *Gateway {
	tb.Helper()
	g, who := measured(tb)
	o := federation.Options{Servers: map[string]federation.Selection{}}
	servers, names := map[string]upstream.Server{}, []string(nil)
	for i := range n {
		name := fmt.Sprintf("server-%02d", i)
		servers[name], names = fixed{&script{}, answer}, append(names, name)
		o.Servers[name] = federation.Selection{All: true}
	}
	g.Swap(&Snapshot{
		Policy: compile(tb, policy), Identity: who, Routes: route.New(names...), Names: Names{Hosts: []string{"gw.test"}}, Servers: servers,
		Views: map[string]*federation.View{"": view(tb, o)},
	})
	return g
}

func requestOf(tb testing.TB, raw string) *fasthttp.RequestCtx {
	tb.Helper()
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&fasthttp.Request{}, nil, nil)
	if err := ctx.Request.Read(bufio.NewReader(strings.NewReader(raw))); err != nil {
		tb.Fatal(err)
	}
	return ctx
}

// BenchmarkHandleView is a call through /mcp beside the same call to its server.
func BenchmarkHandleView(b *testing.B) {
	arguments := `"arguments":{"limit":10,"path":"/srv/docs/a.md","text":"` + strings.Repeat("The quick brown fox jumps over the lazy dog. ", 18) + `"}`
	answer := []byte(`{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","content":[{"type":"text","text":"` + strings.Repeat("Result row: id=42 score=0.93. ", 18) + `"}],"isError":false}}`)
	for _, c := range []struct{ path, tool string }{{"/mcp/server-01", "tool_00"}, {"/mcp", "server-01__tool_00"}} {
		b.Run("path="+c.path, func(b *testing.B) {
			g := manyServers(b, 2, rulesFor(10), answer)
			ctx := requestOf(b, modernAt(c.path, "tools/call", c.tool, `"name":"`+c.tool+`",`+arguments, "Authorization: Bearer key", "User-Agent: bench"))
			body := bytes.Clone(ctx.Request.Body())
			b.ReportAllocs()
			for b.Loop() {
				copy(ctx.Request.Body(), body) // a request is read into memory of its own
				g.handle(ctx)
			}
			if ctx.Response.StatusCode() != 200 || !strings.Contains(string(ctx.Response.Body()), "Result row") {
				b.Fatal(ctx.Response.String())
			}
		})
	}
}

// BenchmarkViewList is tools/list of 50 servers with 20 tools each, of which rules decide: remembered, and asked for each time.
func BenchmarkViewList(b *testing.B) {
	for _, ttl := range []int{60000, 0} {
		b.Run(fmt.Sprint("ttl=", ttl), func(b *testing.B) {
			g := manyServers(b, 50, rulesFor(100), twentyTools(ttl))
			ctx := requestOf(b, modernAt("/mcp", "tools/list", "", "", "Authorization: Bearer key"))
			b.ReportAllocs()
			for b.Loop() {
				g.handle(ctx)
			}
			if n := bytes.Count(ctx.Response.Body(), []byte(`"name":"server-`)); n != 1000 {
				b.Fatalf("%d tools: %.300s", n, ctx.Response.String())
			}
		})
	}
}

// twentyTools is the list of a server.
func twentyTools(ttl int) []byte {
	var items []string
	for i := range 20 {
		items = append(items, fmt.Sprintf(`{"name":"tool_%02d","description":"%s","inputSchema":{"type":"object","properties":{"path":{"type":"string"},"limit":{"type":"integer"}},"required":["path"]},"annotations":{"readOnlyHint":true}}`,
			i, strings.Repeat("Reads things. ", 8)))
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","tools":[%s],"ttlMs":%d,"cacheScope":"public"}}`, strings.Join(items, ","), ttl)
}

// BenchmarkColdList is tools/list of 50 servers with 20 tools each, of which nothing is remembered, beside the slowest of them alone, turn by turn so
// that both meet the same machine: each takes its own time, up to 20 ms, or all take that and answer at once.
func BenchmarkColdList(b *testing.B) {
	b.Run("staggered", func(b *testing.B) {
		coldList(b, func(i, n int) time.Duration { return 20 * time.Millisecond * time.Duration(i+1) / time.Duration(n) })
	})
	b.Run("at-once", func(b *testing.B) { coldList(b, func(int, int) time.Duration { return 20 * time.Millisecond }) })
}

func coldList(b *testing.B, takes func(i, n int) time.Duration) {
	const n = 50
	g := manyServers(b, n, rulesFor(100), twentyTools(0))
	all := snapCopy(g.current.p.Load())
	for name, s := range all.Servers {
		var i int
		if _, err := fmt.Sscanf(name, "server-%d", &i); err != nil {
			b.Fatal(err)
		}
		all.Servers[name] = slow{s, takes(i, n)}
	}
	all.Views = map[string]*federation.View{"": g.current.p.Load().Views[""]}
	one := snapCopy(all)
	one.Views = map[string]*federation.View{"": view(b, federation.Options{Servers: map[string]federation.Selection{fmt.Sprintf("server-%02d", n-1): {All: true}}})}
	ctx := requestOf(b, modernAt("/mcp", "tools/list", "", "", "Authorization: Bearer key"))
	var took [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		g.Swap([]*Snapshot{one, all}[i%2])
		begin := time.Now()
		g.handle(ctx)
		took[i%2] = append(took[i%2], time.Since(begin))
		if got, want := bytes.Count(ctx.Response.Body(), []byte(`"name":"server-`)), []int{20, 20 * n}[i%2]; got != want {
			b.Fatalf("%d tools, want %d: %.300s", got, want, ctx.Response.String())
		}
	}
	if len(took[1]) == 0 {
		return
	}
	for i := range took {
		slices.Sort(took[i])
	}
	median := func(all []time.Duration) float64 { return float64(all[len(all)/2]) }
	b.ReportMetric(median(took[0])/1e6, "slowest-p50-ms")
	b.ReportMetric(median(took[1])/1e6, "all-p50-ms")
	b.ReportMetric(median(took[1])/median(took[0]), "ratio")
}

// slow is a server that takes its time.
type slow struct {
	upstream.Server
	time.Duration
}

func (s slow) Do(c *upstream.Call) error {
	time.Sleep(s.Duration)
	return s.Server.Do(c)
}
