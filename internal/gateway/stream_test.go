package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// peer is an MCP server over HTTP whose answers a test writes by hand.
type peer struct {
	*httptest.Server
	mu   sync.Mutex
	seen []seen
}

// seen is what reached the server.
type seen struct {
	method string
	header http.Header
	body   string
}

func newPeer(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, body string)) (*peer, option) {
	t.Helper()
	return newPeerWithin(t, budget.New(256<<20), handle)
}

// newPeerWithin is newPeer of which all memory is counted in one budget.
func newPeerWithin(t *testing.T, memory *budget.Budget, handle func(w http.ResponseWriter, r *http.Request, body string)) (*peer, option) {
	t.Helper()
	p := &peer{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.seen = append(p.seen, seen{r.Method, r.Header.Clone(), string(body)})
		p.mu.Unlock()
		handle(w, r, string(body))
	}))
	s, err := upstream.NewHTTP("files", upstream.HTTPOptions{URL: p.URL + "/mcp", Now: time.Now, Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, func(o *Options, snap *Snapshot) {
		snap.Servers = map[string]upstream.Server{"files": s}
		if o != nil {
			o.Memory = memory
		}
	}
}

func (p *peer) requests() []seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]seen(nil), p.seen...)
}

// events answers with a stream of the given events, each with its data alone unless it is written out.
func events(w http.ResponseWriter, all ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range all {
		if strings.HasPrefix(e, "{") {
			e = "data: " + e
		}
		fmt.Fprintf(w, "%s\n\n", e)
		w.(http.Flusher).Flush()
	}
}

const allowAll = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: all }
rules:
  - name: everything
    effect: allow
`

func dataOf(body string) []string {
	var out []string
	for line := range strings.SplitSeq(body, "\n") {
		if d, ok := strings.CutPrefix(line, "data: "); ok {
			out = append(out, d)
		}
	}
	return out
}

func TestStreamIsPolicedEventByEvent(t *testing.T) {
	progress := `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":0.50}}`
	secret := `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}`
	ask := `{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{"messages":[]}}`
	p, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		if strings.Contains(body, `"method"`) {
			events(w, progress, secret, ask, `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"a"}]}}`)
			return
		}
		w.WriteHeader(202)
	})
	w := newWorld(t, `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
match: { methods: [tools/call, notifications/message] }
rules:
  - { name: call, when: 'mcp.method == "tools/call"', effect: allow }
  - { name: no-logs, when: 'mcp.method == "notifications/message"', effect: deny, reason: no_logs }
`, served)
	r := w.raw(post(call("read_file", `{}`)))
	got := dataOf(r.body)
	if r.status != 200 || len(got) != 2 || got[0] != progress || !strings.Contains(got[1], `"id":7,"result"`) {
		t.Errorf("client got %d %q", r.status, got)
	}
	// The server's question was not allowed: it is answered, so that the server does not wait.
	reqs := p.requests()
	if len(reqs) != 2 || !strings.Contains(reqs[1].body, `"id":"s1","error":{"code":40301`) {
		t.Errorf("server got %+v", reqs)
	}
	var reasons []string
	for _, rec := range w.recorded(4) {
		reasons = append(reasons, rec.Kind.String()+" "+rec.Method+" "+rec.Reason)
	}
	want := "decision tools/call ,refusal notifications/message no_logs,refusal sampling/createMessage no_rule_matched,outcome  "
	if strings.Join(reasons, ",") != want {
		t.Errorf("records: %q", reasons)
	}
}

func TestStreamedResultIsDeniedLikeAPlainOne(t *testing.T) {
	_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		events(w, `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"SECRET"}]}}`)
	})
	w := newWorld(t, responsePolicy, served)
	r := w.raw(post(call("read_file", `{"path":"x"}`)))
	if strings.Contains(r.body, "SECRET") || !strings.Contains(r.body, `"reason":"secret_in_result"`) {
		t.Errorf("client got %s", r.body)
	}
	records := w.recorded(2)
	if last := records[1]; last.Kind != audit.Outcome || last.Reason != "secret_in_result" || last.Rule != "no-secrets" {
		t.Errorf("last record: %+v", last)
	}
}

func TestStreamThatEndsWithoutAnAnswerIsAnError(t *testing.T) {
	for name, handle := range map[string]func(http.ResponseWriter){
		"at its end":         func(w http.ResponseWriter) { events(w) },
		"with a broken line": func(w http.ResponseWriter) { events(w, `data: {"jsonrpc":`) },
		"with another's":     func(w http.ResponseWriter) { events(w, `{"jsonrpc":"2.0","id":8,"result":{}}`) },
		"cut off": func(w http.ResponseWriter) {
			events(w, ": working")
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) { handle(w) })
			w := newWorld(t, allowAll, served)
			r := w.raw(post(call("read_file", `{}`)))
			if got := dataOf(r.body); len(got) != 1 || !strings.Contains(got[0], `"id":7,"error":{"code":50201`) {
				t.Errorf("client got %q", r.body)
			}
			if last := w.recorded(2)[1]; !strings.HasPrefix(last.Reason, "upstream_") || last.Cause == "" {
				t.Errorf("last record: %+v", last)
			}
		})
	}
}

// A client's answer reaches the server only if the server has asked that client, and only once.
func TestServerAsksClient(t *testing.T) {
	answers := make(chan string, 1)
	ask := `{"jsonrpc":"2.0","id":5,"method":"elicitation/create","params":{"message":"name?"}}`
	_, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, body string) {
		w.Header().Set("Mcp-Session-Id", "upstream-1")
		if !strings.Contains(body, `"method"`) {
			answers <- body
			w.WriteHeader(202)
			return
		}
		events(w, ask)
		select {
		case a := <-answers:
			events(w, `{"jsonrpc":"2.0","id":7,"result":{"got":`+a+`}}`)
		case <-r.Context().Done():
		}
	})
	w := newWorld(t, allowAll, served)
	c, err := w.listener.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, post(call("read_file", `{}`)))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if d, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return d
			}
		}
		return ""
	}
	if got := next(); got != ask {
		t.Fatalf("client got %q", got)
	}
	session := "Mcp-Session-Id: " + resp.Header.Get("Mcp-Session-Id")
	if strings.Contains(session, "upstream") {
		t.Errorf("the client sees the server's own session id: %s", session)
	}
	answer := `{"jsonrpc":"2.0","id":5,"result":{"action":"accept"}}`
	if r := w.raw(post(answer)); r.status != 400 {
		t.Errorf("an answer from outside the session was taken: %+v", r)
	}
	if r := w.raw(post(strings.Replace(answer, "5", `"5"`, 1), session)); r.status != 400 {
		t.Errorf("an answer with an id of another type was taken: %+v", r)
	}
	if r := w.raw(post(answer, session)); r.status != 202 {
		t.Errorf("the answer was not taken: %+v", r)
	}
	if got := next(); got != `{"jsonrpc":"2.0","id":7,"result":{"got":`+answer+`}}` {
		t.Errorf("client got %q", got)
	}
	if r := w.raw(post(answer, session)); r.status != 400 {
		t.Errorf("the answer was taken twice: %+v", r)
	}
	answered := func(r audit.Record) bool {
		return r.Kind == audit.Decision && r.Method == "elicitation/create" && r.Phase == "response"
	}
	if all := w.recorded(8); !slices.ContainsFunc(all, answered) {
		t.Errorf("no record says that the client's answer was let through: %+v", all)
	}
}

// What reaches a server is what was judged, under headers of the gateway's own.
func TestWhatTheServerSees(t *testing.T) {
	p, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"jsonrpc":"2.0","id":"a","result":{}}`)
	})
	w := newWorld(t, allowAll, served)
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	request := modern("tools/call", "read_file", `"name":"r\u0065ad_file",  "arguments":{"n":12345678901234567890, "f":1.0, "u":"\u00e9\/"},"x-vendor":null`,
		"Cookie: c=1", "X-Forwarded-User: root", "User-Agent: evil", "Traceparent: "+trace, "Mcp-Param-Region: eu", "Mcp-Session-Id: x", "Accept-Encoding: gzip")
	if r := w.raw(request); r.status != 200 || r.body != `{"jsonrpc":"2.0","id":"a","result":{}}` {
		t.Fatalf("client got %+v", r)
	}
	got := p.requests()[0]
	want := `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"read_file","arguments":{"n":12345678901234567890,"f":1.0,"u":"` + "\u00e9" + `/"},` +
		`"x-vendor":null,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	if got.body != want {
		t.Errorf("server got %s\nwant       %s", got.body, want)
	}
	for name, want := range map[string]string{
		"Mcp-Method": "tools/call", "Mcp-Name": "read_file", "Mcp-Protocol-Version": "2026-07-28", "Traceparent": trace, "Mcp-Param-Region": "eu",
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Cookie": "", "X-Forwarded-User": "", "Authorization": "", "Mcp-Session-Id": "", "Origin": "",
	} {
		if v := got.header.Get(name); v != want {
			t.Errorf("server got %s: %q, want %q", name, v, want)
		}
	}
}

// Once a list has said which arguments headers mirror, the headers must say the same, and are written anew.
func TestHeadersThatMirrorArguments(t *testing.T) {
	p, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(body, "tools/list") {
			io.WriteString(w, `{"jsonrpc":"2.0","id":"a","result":{"tools":[{"name":"read_file","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]}}`)
			return
		}
		io.WriteString(w, `{"jsonrpc":"2.0","id":"a","result":{}}`)
	})
	w := newWorld(t, allowAll, served)
	if r := w.raw(modern("tools/list", "", "")); r.status != 200 {
		t.Fatalf("client got %+v", r)
	}
	call := func(args string, headers ...string) reply {
		return w.raw(modern("tools/call", "read_file", `"name":"read_file","arguments":`+args, headers...))
	}
	for _, headers := range [][]string{nil, {"Mcp-Param-Region: us"}} {
		if r := call(`{"region":"eu"}`, headers...); r.status != 400 || !strings.Contains(r.body, "-32020") {
			t.Errorf("with %q client got %+v", headers, r)
		}
	}
	if r := call(`{"region":"eu"}`, "mcp-param-region: =?base64?ZXU=?=", "Mcp-Param-Other: x"); r.status != 200 {
		t.Errorf("client got %+v", r)
	}
	got := p.requests()
	if len(got) != 2 || got[1].header.Get("Mcp-Param-Region") != "eu" || len(got[1].header["Mcp-Param-Region"]) != 1 || got[1].header.Get("Mcp-Param-Other") != "x" {
		t.Errorf("server got %+v", got)
	}
	records := w.recorded(6)
	if r := records[2]; r.Kind != audit.Refusal || r.Reason != mcp.ReasonHeaderMismatch || r.Status != 400 || r.Tool != "read_file" {
		t.Errorf("recorded %+v", r)
	}
}

// leave connects over TCP, sends a request and goes away when the server has seen it.
func leave(t *testing.T, w *world, request string, seen <-chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go w.server2(l)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	<-seen
	c.Close()
}

func (w *world) server2(l net.Listener) { _ = w.Gateway.server.Serve(&crowd{w.Listen(l), w.Gateway}) }

// In the modern era a client that goes away cancels its call at the server; in the legacy era it does not.
func TestClientThatLeaves(t *testing.T) {
	for _, era := range []string{"modern", "legacy"} {
		t.Run(era, func(t *testing.T) {
			seen, cancelled, done := make(chan struct{}), make(chan bool, 1), make(chan struct{})
			_, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
				close(seen)
				select {
				case <-r.Context().Done():
					cancelled <- true
				case <-done:
					cancelled <- false
				}
			})
			w := newWorld(t, allowAll, served)
			request := post(call("read_file", `{}`))
			if era == "modern" {
				request = modern("tools/call", "read_file", `"name":"read_file"`)
			}
			leave(t, w, request, seen)
			if era == "legacy" {
				w.waitTicks(5)
				close(done)
			}
			if got := <-cancelled; got != (era == "modern") {
				t.Errorf("cancelled at the server: %v", got)
			}
		})
	}
}

// waitTicks waits until the watch has looked n times more.
func (w *world) waitTicks(n uint64) {
	for end := w.watch.tick.Load() + n; w.watch.tick.Load() < end; time.Sleep(time.Millisecond) {
	}
}

// Streams that wait for news don't hold up a shutdown: a GET ends, and subscriptions/listen ends with its result.
func TestShutdownEndsStreamsThatWaitForNews(t *testing.T) {
	opened := make(chan struct{}, 2)
	_, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		events(w, `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		opened <- struct{}{}
		<-r.Context().Done()
	})
	w := newWorld(t, allowAll, served)
	addr := w.onTCP()
	answers := make(chan reply, 2)
	for _, request := range []string{
		"GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n\r\n", modern("subscriptions/listen", "", `"notifications":{}`),
	} {
		c := dial(t, addr)
		go func() { answers <- w.on(c, request) }()
		<-opened
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	w.news.end(func(hearer) bool { return true }, true)
	var bodies []string
	for range 2 {
		select {
		case r := <-answers:
			bodies = append(bodies, r.body)
		case <-ctx.Done():
			t.Fatal("a stream has not ended")
		}
	}
	slices.SortFunc(bodies, func(a, b string) int { return len(a) - len(b) })
	want := `{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"a"}}}`
	if got := dataOf(bodies[1]); len(dataOf(bodies[0])) != 1 || len(got) != 2 || got[1] != want {
		t.Errorf("streams: %q", bodies)
	}
}

// A reload that takes a server away, or changes who may call, ends the streams that wait for its news; one that changes policy does not.
func TestSwapEndsNewsOfChangedServers(t *testing.T) {
	opened := make(chan struct{}, 1)
	_, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		events(w, ": hello")
		opened <- struct{}{}
		<-r.Context().Done()
	})
	var snap *Snapshot
	w := newWorld(t, allowAll, served, func(_ *Options, s *Snapshot) { snap = s })
	c, answer := dial(t, w.onTCP()), make(chan reply, 1)
	go func() { answer <- w.on(c, "GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n\r\n") }()
	<-opened
	next := snapCopy(snap)
	next.Policy = compile(t, testPolicy)
	w.Swap(next)
	w.waitTicks(2)
	select {
	case r := <-answer:
		t.Fatalf("a change of policy has ended the stream: %+v", r)
	default:
	}
	other := w.snapshot(allowAll)
	other.Servers = snap.Servers
	w.Swap(other) // with another resolver of identities
	if r := <-answer; r.status != 200 {
		t.Errorf("got %+v", r)
	}
}

// A server's own timeout counts, whatever the gateway's limit for streams is.
func TestTimeoutOfTheServerCounts(t *testing.T) {
	hang := make(chan struct{})
	p, _ := newPeer(t, func(http.ResponseWriter, *http.Request, string) { <-hang })
	defer close(hang)
	s, err := upstream.NewHTTP("files", upstream.HTTPOptions{URL: p.URL, Timeout: 50 * time.Millisecond, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := newWorld(t, allowAll, func(_ *Options, snap *Snapshot) { snap.Servers = map[string]upstream.Server{"files": s} })
	if r := w.raw(post(call("read_file", `{}`))); r.status != 504 {
		t.Errorf("got %+v", r)
	}
	if last := w.recorded(2)[1]; last.Reason != "upstream_timeout" {
		t.Errorf("last record: %+v", last)
	}
}

// A call whose stream broke off is answered on the stream by which its client catches up, and judged there as it would have been.
func TestResumedAnswerIsJudged(t *testing.T) {
	for text, want := range map[string]string{"SECRET": `"reason":"secret_in_result"`, "fine": `"text":"fine"`} {
		t.Run(text, func(t *testing.T) {
			p, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
				w.Header().Set("Mcp-Session-Id", "upstream-1")
				if r.Method == http.MethodGet {
					events(w, "id: 2\n"+`data: {"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"`+text+`"}]}}`,
						"id: 3\n"+`data: {"jsonrpc":"2.0","id":8,"result":{"content":[{"type":"text","text":"nobody asked"}]}}`, "id: 4\ndata: {")
					return
				}
				events(w, "id: 1\ndata: ")
			})
			w := newWorld(t, responsePolicy, served)
			first := w.raw(post(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`))
			session := "Mcp-Session-Id: " + first.header.Get("Mcp-Session-Id")
			if r := w.raw(post(call("read_file", `{"path":"x"}`), session)); len(dataOf(r.body)) != 1 || r.status != 200 {
				t.Fatalf("the stream that breaks off: %+v", r)
			}
			r := w.raw("GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\nLast-Event-ID: 1\r\n" + session + "\r\n\r\n")
			if !strings.Contains(r.body, want) || strings.Contains(r.body, "SECRET") || strings.Contains(r.body, "nobody asked") {
				t.Errorf("client got %q", r.body)
			}
			if got := p.requests()[2].header.Get("Last-Event-Id"); got != "1" {
				t.Errorf("server got Last-Event-ID %q", got)
			}
			var reasons []string
			for _, rec := range w.recorded(9) {
				reasons = append(reasons, rec.Kind.String()+" "+rec.Reason)
			}
			for _, want := range []string{"refusal response_not_expected", "refusal upstream_protocol"} {
				if !slices.Contains(reasons, want) {
					t.Errorf("no record says %s: %q", want, reasons)
				}
			}
			if text == "SECRET" && !slices.Contains(reasons, "outcome secret_in_result") {
				t.Errorf("no record says why the answer was denied: %q", reasons)
			}
		})
	}
}
