//go:build !race

package upstream

import (
	"bufio"
	"net"
	"testing"
)

func TestBufferedExchangeAllocatesNothing(t *testing.T) {
	h := newHTTP(t, HTTPOptions{URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
		answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: s\r\nContent-Length: 2\r\n\r\n{}")
		request := make([]byte, 4<<10)
		for { // a request comes in one piece, and reading it so allocates nothing
			if _, err := r.Read(request); err != nil {
				return
			}
			_, _ = nc.Write(answer)
		}
	})})
	c := &Call{}
	body := []byte(`{}`)
	once := func() {
		c.Reset()
		c.Body, c.Session, c.Version = body, "s", "2025-11-25"
		c.Header = append(c.Header, Field{"Mcp-Method", "tools/call"})
		if err := h.Do(c); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	once()
	if n := testing.AllocsPerRun(500, once); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
