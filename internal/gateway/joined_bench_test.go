package gateway

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/bridge"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// dual answers calls of either era with a result of that era, under their id.
type dual struct {
	*script
	results map[bool]string
	room    []byte
}

func (d *dual) Do(c *upstream.Call) error {
	d.room = append(append(append(d.room[:0], `{"jsonrpc":"2.0","id":`...), c.ID...), `,"result":`...)
	d.room = append(append(d.room, d.results[c.Modern]...), '}')
	c.Status, c.Reply, c.ReplyBody = 200, upstream.JSON, d.room
	return nil
}

// BenchmarkHandleJoined is a call in a session of 2025-11-25 with several servers as one beside the same call in a session with its server, which
// speaks both revisions.
func BenchmarkHandleJoined(b *testing.B) {
	g, who := measured(b)
	content := `"content":[{"type":"text","text":"` + strings.Repeat("Result row: id=42 score=0.93. ", 18) + `"}],"isError":false}`
	server := &dual{&script{}, map[bool]string{false: `{` + content, true: `{"resultType":"complete",` + content}, nil}
	adapter, err := bridge.New(server, bridge.Options{Name: "files", Pinned: true, Era: mcp.Modern, OnDemand: true, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	g.Swap(&Snapshot{
		Policy: compile(b, rulesFor(10)), Identity: who, Routes: route.New("files", "mail"), Names: Names{Hosts: []string{"gw.test"}},
		Servers: map[string]upstream.Server{"files": adapter, "mail": adapter},
		Views:   map[string]*federation.View{"": view(b, federation.Options{Servers: map[string]federation.Selection{"files": {All: true}, "mail": {All: true}}})},
	})
	key := identity.PrincipalKey(principal(b, who))
	var info jsonscan.Doc
	if err := info.Scan([]byte(`{"name":"c","version":"1"}`), jsonscan.Options{}); err != nil {
		b.Fatal(err)
	}
	client := mcp.NewSession("2025-11-25", []byte("{}"), info.Root())
	in := fasthttputil.NewInmemoryListener()
	b.Cleanup(func() { in.Close() })
	listener := g.Listen(in)
	for _, c := range []struct{ name, path, tool, owner, session string }{
		{"one", "/mcp/files", "tool_00", "files", "0123456789abcdef"},
		{"several", "/mcp", "files__tool_00", "/", client},
	} {
		b.Run(c.name, func(b *testing.B) {
			id, _, err := g.sealer.seal(nil, sessionOwner(nil, key, c.owner), "", c.session)
			if err != nil {
				b.Fatal(err)
			}
			raw := postTo(c.path, strings.Replace(oneKiB(), "tool_00", c.tool, 1), "Authorization: Bearer key", "Mcp-Session-Id: "+string(id),
				"MCP-Protocol-Version: 2025-11-25", "User-Agent: bench")
			go in.Dial()
			own, err := listener.Accept() // what is remembered of a session is remembered with its connection
			if err != nil {
				b.Fatal(err)
			}
			ctx := &fasthttp.RequestCtx{}
			ctx.Init2(own, nil, false)
			if err := ctx.Request.Read(bufio.NewReader(strings.NewReader(raw))); err != nil {
				b.Fatal(err)
			}
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
