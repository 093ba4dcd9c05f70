package rawhttp

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadTakesOneResponse(t *testing.T) {
	tests := []struct {
		name, in, body, rest string
		status               int
		close                bool
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcX", "abc", "X", 200, false},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nA: b\r\n\r\nX", "abc", "X", 200, false},
		{"to the end", "HTTP/1.1 200 OK\r\n\r\nabc", "abc", "", 200, true},
		{"close", "HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", "", "", 202, true},
		{"continue first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nX", "", "X", 204, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Response
			br := bufio.NewReader(strings.NewReader(tt.in))
			if err := r.Read(br); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(br)
			if string(r.Body) != tt.body || string(rest) != tt.rest || r.Status != tt.status || r.Close != tt.close {
				t.Errorf("got %d %q, close %v, rest %q", r.Status, r.Body, r.Close, rest)
			}
		})
	}
}

func TestReadRefusesWhatIsNotAWholeResponse(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"nothing", "", io.EOF},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-Le", io.ErrUnexpectedEOF},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", io.ErrUnexpectedEOF},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", io.ErrUnexpectedEOF},
		{"no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", io.ErrUnexpectedEOF},
		{"not HTTP", "SSH-2.0-OpenSSH_9.9\r\n", ErrMalformed},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", ErrMalformed},
		{"a length that is no number", "HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\nabc", ErrMalformed},
		{"a header without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Response
			if err := r.Read(bufio.NewReader(strings.NewReader(tt.in))); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReadForgetsTheResponseBefore(t *testing.T) {
	var r Response
	br := bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nMcp-Session-Id: s\r\nContent-Length: 1\r\n\r\na" +
		"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"))
	for range 2 {
		if err := r.Read(br); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.Type)+len(r.Session)+len(r.Body) != 0 || r.Status != 202 {
		t.Errorf("second response: %d, type %q, session %q, body %q", r.Status, r.Type, r.Session, r.Body)
	}
}
