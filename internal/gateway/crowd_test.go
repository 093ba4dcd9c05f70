package gateway

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Connections beyond the first few are served as the others are: request after request, streams, slow ones cut off, and all of them ended
// with the gateway.
func TestCrowdIsServed(t *testing.T) {
	w := newWorld(t, testPolicy, func(o *Options, _ *Snapshot) { o.Limits.ReadTimeout = 2 * time.Second })
	addr := w.onTCP()
	open := make([]net.Conn, fewConnections+20)
	for i := range open {
		c := dial(t, addr)
		open[i] = c
		for range 2 {
			if r := w.on(c, post(readAllowed)); r.status != 200 || r.closed {
				t.Fatalf("connection %d got %+v", i, r)
			}
		}
	}
	if n := w.frugal.GetOpenConnectionsCount(); n < 10 {
		t.Fatalf("the frugal server has %d connections", n)
	}
	last := open[len(open)-1]
	whole, chunked, _ := padded(post(readAllowed))
	for _, request := range []string{whole, chunked, post(readAllowed)} {
		if r := w.on(last, request); r.status != 200 || !strings.Contains(r.body, "done") {
			t.Errorf("got %+v", r)
		}
	}
	if r := w.on(last, post(call("read_file", `{"path":"/etc"}`))); !strings.Contains(r.body, "40402") && !strings.Contains(r.body, "40301") {
		t.Errorf("a denied call got %+v", r)
	}
	slow := open[len(open)-2]
	_ = slow.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(slow, "POST /mcp/files HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(slow); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408") {
		t.Errorf("a slow client got %q, %v", answer, err)
	}
	w.holdsNoBody()
}
