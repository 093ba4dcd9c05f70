package upstream

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestParseHead(t *testing.T) {
	for head, want := range map[string]answerHead{
		"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Type: application/json; charset=utf-8\r\n\r\n": {status: 200, length: 7, kind: jsonType},
		"HTTP/1.1 200\r\ncontent-length:7 \r\nCONTENT-TYPE: Text/Event-Stream ;x=y\r\n\r\n":             {status: 200, length: 7, kind: streamType},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: Identity\r\n\r\n":           {status: 200, length: -1, chunks: true},
		"HTTP/1.1 404 Not Found\r\nConnection: keep-alive, Close\r\nMcp-Session-Id: abc\r\n\r\n":        {status: 404, length: -1, last: true, session: []byte("abc")},
		"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n":                        {status: 200, length: -1, last: true},
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n":                                             {status: 200, length: -1, last: true},
		"HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Encoding: br\r\n\r\n":                         {status: 200, length: -1, coding: "br"},
	} {
		got, err := parseHead([]byte(head))
		if err != nil || got.status != want.status || got.length != want.length || got.chunks != want.chunks || got.kind != want.kind ||
			got.last != want.last || got.coding != want.coding || !bytes.Equal(got.session, want.session) {
			t.Errorf("%q: %+v, %v", head, got, err)
		}
	}
}

// What is read here, fasthttp reads the same: it reads the bodies that are not plain, and so the heads of them.
func FuzzParseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Type: application/json\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 302 Found\r\nMcp-Session-Id: x\r\nConnection: a, close\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		end := bytes.Index(head, []byte("\r\n\r\n"))
		if end < 0 {
			return
		}
		head = head[:end+4]
		got, err := parseHead(head)
		if err != nil {
			return
		}
		var theirs fasthttp.ResponseHeader
		if theirs.Read(bufio.NewReader(bytes.NewReader(head))) != nil {
			return
		}
		if theirs.StatusCode() != got.status {
			t.Errorf("%q: status %d, fasthttp %d", head, got.status, theirs.StatusCode())
		}
		if got.plain() && !theirs.ConnectionClose() && int64(theirs.ContentLength()) != got.length {
			t.Errorf("%q: length %d, fasthttp %d", head, got.length, theirs.ContentLength())
		}
		if got.plain() && !got.last && theirs.ConnectionClose() {
			t.Errorf("%q: fasthttp closes the connection, and this would not", head)
		}
		if (got.kind == streamType) != (mediaTypeOf(theirs.ContentType()) == streamType) {
			t.Errorf("%q: type %d, fasthttp %q", head, got.kind, theirs.ContentType())
		}
	})
}
