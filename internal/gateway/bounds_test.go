package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// onTCP serves the world on a real connection too, and gives its address.
func (w *world) onTCP() string {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	go w.server2(l)
	return l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Two hundred clients that send one byte and then nothing don't stop an honest one, and are cut off in the end.
func TestSlowClientsDontStopHonestOnes(t *testing.T) {
	w := newWorld(t, testPolicy, func(o *Options, _ *Snapshot) { o.Limits.ReadTimeout = 2 * time.Second })
	addr := w.onTCP()
	slow := make([]net.Conn, 200)
	for i := range slow {
		slow[i] = dial(t, addr)
		if _, err := io.WriteString(slow[i], "P"); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		if r := w.on(dial(t, addr), post(readAllowed)); r.status != 200 {
			t.Fatalf("an honest client got %+v", r)
		}
	}
	for _, c := range slow {
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if answer, err := io.ReadAll(c); err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 408")) {
			t.Fatalf("a slow client got %q, %v", answer, err)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	for name, limits := range map[string]Limits{"in all": {Connections: 3}, "by address": {ConnectionsPerIP: 3}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testPolicy, func(o *Options, _ *Snapshot) { o.Limits = limits })
			addr := w.onTCP()
			var open []net.Conn
			for range 3 {
				c := dial(t, addr)
				if r := w.on(c, post(readAllowed)); r.status != 200 {
					t.Fatalf("got %+v", r)
				}
				open = append(open, c)
			}
			fourth := dial(t, addr)
			fourth.SetReadDeadline(time.Now().Add(20 * time.Second))
			if n, err := fourth.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Error("a fourth connection was served")
			}
			w.turnsAway(1)
			open[0].Close()
			for w.Connections() > 2 {
				time.Sleep(time.Millisecond)
			}
			if r := w.on(dial(t, addr), post(readAllowed)); r.status != 200 {
				t.Errorf("after one has left: %+v", r)
			}
		})
	}
}

// A client that reads nothing holds its stream no longer than the write timeout.
func TestSlowReaderIsCutOff(t *testing.T) {
	event := `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"` + strings.Repeat("x", 64<<10) + `"}}`
	gone := make(chan struct{})
	_, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		defer close(gone)
		for r.Context().Err() == nil {
			events(w, event)
		}
	})
	w := newWorld(t, allowAll, served, func(o *Options, _ *Snapshot) { o.Limits.WriteTimeout = time.Second })
	c := dial(t, w.onTCP())
	if _, err := io.WriteString(c, post(call("read_file", `{}`))); err != nil {
		t.Fatal(err)
	}
	<-gone
}

func TestCatalogIsWhatServersSaid(t *testing.T) {
	w := newWorld(t, `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
rules:
  - { name: read-only, when: 'mcp.tool.annotations.readOnlyHint == true', effect: allow }
`)
	list := `{"jsonrpc":"2.0","id":$ID,"result":{"tools":[` +
		`{"name":"get","annotations":{"readOnlyHint":true},"inputSchema":{"properties":{"path":{},"o":{"properties":{"in":{}}}}}},{"name":"put","annotations":{"readOnlyHint":false}}]}}`
	ask := func(body string) reply { return w.raw(post(body)) }
	if r := ask(call("get", `{}`)); !strings.Contains(r.body, "no_rule_matched") || len(w.server.received()) > 0 {
		t.Errorf("before any list: %s", r.body)
	}
	w.server.answer = says(200, list)
	if r := ask(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`); strings.Contains(r.body, `"put"`) || !strings.Contains(r.body, `"get"`) {
		t.Errorf("list: %s", r.body)
	}
	w.server.answer = says(200, okResult)
	for args, want := range map[string]string{
		`{"path":"a"}`: "done", `{"Path":"a"}`: "differs only by case", `{"o":{"In":1}}`: "differs only by case", `{"pa\u017fh":1}`: "done", `{"other":1}`: "done",
	} {
		if r := ask(call("get", args)); !strings.Contains(r.body, want) {
			t.Errorf("get %s: %s, want %s", args, r.body, want)
		}
	}
	if r := ask(call("put", `{}`)); !strings.Contains(r.body, "Unknown tool") {
		t.Errorf("put: %s", r.body)
	}
}

// Before any list has passed, nothing is known of a tool: a rule that goes by annotations must not be walked around by calling first.
func TestUnknownAnnotationsDeny(t *testing.T) {
	w := newWorld(t, `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
match: { methods: [tools/call] }
rules:
  - { name: all, effect: allow }
  - { name: no-destructive, when: 'mcp.tool.annotations.?destructiveHint.orValue(false)', effect: deny }
`)
	if r := w.raw(post(call("rm", `{}`))); !strings.Contains(r.body, `"reason":"evaluation_error"`) || len(w.server.received()) > 0 {
		t.Errorf("a tool of which nothing is known: %s", r.body)
	}
	w.server.answer = says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"tools":[{"name":"rm","annotations":{"destructiveHint":true}},{"name":"ls"}]}}`)
	if r := w.raw(post(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)); strings.Contains(r.body, `"rm"`) || !strings.Contains(r.body, `"ls"`) {
		t.Errorf("list: %s", r.body)
	}
	w.server.answer = says(200, okResult)
	if r := w.raw(post(call("rm", `{}`))); !strings.Contains(r.body, "Unknown tool") {
		t.Errorf("a destructive tool: %s", r.body)
	}
	if r := w.raw(post(call("ls", `{}`))); !strings.Contains(r.body, "done") {
		t.Errorf("a tool without annotations: %s", r.body)
	}
}

func TestCatalogIsBounded(t *testing.T) {
	c := newCatalog()
	big := strings.Repeat("x", 1<<20)
	for i := range 40 {
		var d jsonscan.Doc
		if err := d.Scan([]byte(fmt.Sprintf(`{"name":"t%d","description":%q}`, i, big)), jsonscan.Options{}); err != nil {
			t.Fatal(err)
		}
		c.learn("s", "", d.Root(), false)
	}
	if c.bytes > maxCatalog || len(c.tools) < 10 {
		t.Errorf("%d bytes of %d tools", c.bytes, len(c.tools))
	}
}

// A server that gets no headers finds the trace context in _meta.
func TestTraceReachesServersWithoutHeaders(t *testing.T) {
	lines := make(chan string, 1)
	ours, theirs := net.Pipe()
	go func() {
		buf := make([]byte, 4096)
		n, _ := theirs.Read(buf)
		lines <- string(buf[:n])
		theirs.Close()
	}()
	s := upstream.NewInProcess("files", func() (io.ReadWriteCloser, error) { return ours, nil }, upstream.LineOptions{Now: time.Now})
	defer s.Close()
	w := newWorld(t, allowAll, func(_ *Options, snap *Snapshot) { snap.Servers = map[string]upstream.Server{"files": s} })
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	w.raw(modern("tools/call", "read_file", `"name":"read_file"`, "Traceparent: "+trace))
	if got := <-lines; !strings.Contains(got, `"traceparent":"`+trace+`"`) {
		t.Errorf("server got %s", got)
	}
	if r := w.recorded(1)[0]; r.TraceID != trace[3:35] {
		t.Errorf("record has trace id %q", r.TraceID)
	}
}
