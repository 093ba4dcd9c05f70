//go:build !race

package mcp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/httphead"
)

// kilobyte is a modern tools/call of 1 KiB, and the head it comes under.
func kilobyte(t testing.TB) ([]byte, *httphead.Head) {
	body := `{"jsonrpc":"2.0","id":1234,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/srv/project/README.md","encoding":"utf-8",` +
		`"options":{"limit":1000,"offset":0,"follow":false},"fill":""},"_meta":{"progressToken":"p-1","io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"example","version":"1.0.0"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"sampling":{}}}}}`
	body = strings.Replace(body, `"fill":""`, `"fill":"`+strings.Repeat("x", 1024-len(body))+`"`, 1)
	h := new(httphead.Head)
	raw := "Host: a\r\nContent-Type: application/json\r\nMcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: read_file\r\nMcp-Param-Region: eu\r\n"
	if err := h.Read([]byte("POST"), []byte("/mcp"), []byte("HTTP/1.1"), []byte(raw), httphead.Limits{}); err != nil {
		t.Fatal(err)
	}
	return []byte(body), h
}

func TestDecodeAndCheckAllocateNothing(t *testing.T) {
	body, h := kilobyte(t)
	var m Message
	var headers []Header
	out := make([]byte, 0, 2048)
	n := testing.AllocsPerRun(100, func() {
		if r := m.Decode(body, jsonscan.Options{}); r != nil {
			t.Fatal(r)
		}
		if r := m.Check(h); r != nil {
			t.Fatal(r)
		}
		headers = m.AppendHeaders(headers[:0])
		out = m.AppendTo(out[:0])
	})
	if n != 0 || len(headers) != 3 || !bytes.Equal(out, body) {
		t.Errorf("%v allocations, %d headers, %s", n, len(headers), out)
	}
}

func TestEventReaderAllocatesNothing(t *testing.T) {
	stream := "event: message\nid: 1\ndata: " + strings.Repeat("x", 1000) + "\n\n"
	src := strings.NewReader("")
	r := NewEventReader(src, 0)
	n := testing.AllocsPerRun(100, func() {
		src.Reset(stream)
		r.Reset(src, 0)
		if e, err := r.Next(); err != nil || len(e.Data) != 1000 {
			t.Fatal(err)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	body, h := kilobyte(b)
	var m Message
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if m.Decode(body, jsonscan.Options{}) != nil || m.Check(h) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkScanAlone(b *testing.B) {
	body, _ := kilobyte(b)
	var d jsonscan.Doc
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if d.Scan(body, jsonscan.Options{Fold: true}) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkEventReader(b *testing.B) {
	stream := []byte(strings.Repeat("event: message\nid: 1\ndata: "+strings.Repeat("x", 1000)+"\n\n", 64))
	src := bytes.NewReader(stream)
	r := NewEventReader(src, 0)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(stream)
		r.Reset(src, 0)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}
