package upstream

import (
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// The two benchmarks do the same exchange, so their ratio is what this
// package's buffered path costs or saves against fasthttp's own client.

func benchServer(b *testing.B) string {
	b.Helper()
	answer := append([]byte(`{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"`), make([]byte, 0, 700)...)
	for len(answer) < 600 {
		answer = append(answer, 'x')
	}
	answer = append(answer, `"}]}}`...)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetContentType("application/json")
		ctx.SetBody(answer)
	}}
	go func() { _ = s.Serve(ln) }()
	b.Cleanup(func() { _ = s.Shutdown() })
	return ln.Addr().String()
}

func benchBody() []byte {
	body := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"`)
	for len(body) < 1000 {
		body = append(body, 'y')
	}
	return append(body, `"}}}`...)
}

func BenchmarkBufferedDo(b *testing.B) {
	h, err := NewHTTP("bench", HTTPOptions{URL: "http://" + benchServer(b) + "/mcp", Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	body := benchBody()
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var c Call
		for pb.Next() {
			c.Reset()
			c.Body, c.Method, c.Version = body, "tools/call", "2026-07-28"
			c.Header = append(c.Header, Field{"Mcp-Method", "tools/call"}, Field{"Mcp-Name", "echo"})
			if err := h.Do(&c); err != nil || c.Status != 200 {
				b.Error(err, c.Status)
				return
			}
			c.Close()
		}
	})
}

func BenchmarkHostClientDo(b *testing.B) {
	addr := benchServer(b)
	hc := &fasthttp.HostClient{Addr: addr, Name: "sallyport", MaxConns: 512, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, DisablePathNormalizing: true}
	defer hc.CloseIdleConnections()
	body := benchBody()
	b.SetParallelism(8)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			req.Header.SetMethod("POST")
			req.SetRequestURI("http://" + addr + "/mcp")
			req.Header.SetContentType("application/json")
			req.Header.Set("Accept", "application/json, text/event-stream")
			req.Header.Set("Accept-Encoding", "identity")
			req.Header.Set("MCP-Protocol-Version", "2026-07-28")
			req.Header.Set("Mcp-Method", "tools/call")
			req.Header.Set("Mcp-Name", "echo")
			req.SetBodyRaw(body)
			if err := hc.Do(req, resp); err != nil || resp.StatusCode() != 200 {
				b.Error(err, resp.StatusCode())
				return
			}
			fasthttp.ReleaseRequest(req)
			fasthttp.ReleaseResponse(resp)
		}
	})
}
