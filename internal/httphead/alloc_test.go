//go:build !race

package httphead

import "testing"

const typical = "POST /mcp/files HTTP/1.1\r\n" +
	"Host: gateway.example:8080\r\n" +
	"User-Agent: example-client/1.0 (node 22)\r\n" +
	"Accept: application/json, text/event-stream\r\n" +
	"Content-Type: application/json\r\n" +
	"Content-Length: 412\r\n" +
	"Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln\r\n" +
	"Mcp-Protocol-Version: 2026-07-28\r\n" +
	"Mcp-Method: tools/call\r\n" +
	"Mcp-Name: read_file\r\n" +
	"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"

func TestReadAllocatesNothing(t *testing.T) {
	method, target, proto, raw, _ := request([]byte(typical))
	var h Head
	n := testing.AllocsPerRun(100, func() {
		if err := h.Read(method, target, proto, raw, Limits{}); err != nil {
			t.Fatal(err)
		}
		if json, sse := h.Accepts(); !json || !sse {
			t.Fatal("not accepted")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRead(b *testing.B) {
	method, target, proto, raw, _ := request([]byte(typical))
	var h Head
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Read(method, target, proto, raw, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
