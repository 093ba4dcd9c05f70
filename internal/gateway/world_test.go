package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/valyala/fasthttp/fasthttputil"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// world is a gateway with a scripted server, an in-memory listener and the records that it writes.
type world struct {
	*Gateway
	t        *testing.T
	server   *script
	records  *recorder
	listener *fasthttputil.InmemoryListener
}

// recorder takes audit lines, and can fail.
type recorder struct {
	mu    sync.Mutex
	lines bytes.Buffer
	fail  error
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return 0, r.fail
	}
	return r.lines.Write(b)
}

// script is an upstream.Server that answers from a function and remembers what it was sent.
type script struct {
	mu     sync.Mutex
	sent   []string
	answer func(c *upstream.Call) error
}

func (s *script) Do(c *upstream.Call) error {
	s.mu.Lock()
	s.sent = append(s.sent, string(c.Body))
	s.mu.Unlock()
	return s.answer(c)
}

func (s *script) Close() error            { return nil }
func (s *script) Status() upstream.Status { return upstream.Status{} }

func (s *script) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.sent...)
}

// says answers every call with the same JSON body; "$ID" in it stands for the request's id.
func says(status int, body string) func(*upstream.Call) error {
	return func(c *upstream.Call) error {
		c.Status, c.Reply = status, upstream.Empty
		if body != "" {
			c.Reply, c.ReplyBody = upstream.JSON, []byte(strings.ReplaceAll(body, "$ID", string(c.ID)))
		}
		return nil
	}
}

const okResult = `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"done"}]}}`

const testPolicy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: files }
match: { methods: [tools/call], tools: [read_file] }
rules:
  - name: inside
    when: 'args.path.startsWith("/srv/")'
    effect: allow
  - name: hidden
    when: 'args.path.contains("/.")'
    effect: deny
    reason: dotfile
    message: '"%s is hidden".format([args.path])'
`

type option func(*Options, *Snapshot)

func newWorld(t *testing.T, policy string, options ...option) *world {
	t.Helper()
	w := &world{t: t, server: &script{answer: says(200, okResult)}, records: &recorder{}, listener: fasthttputil.NewInmemoryListener()}
	log, err := audit.Open(audit.Options{Writer: w.records, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Audit: log, Metrics: telemetry.New(telemetry.Options{}), Now: time.Now, RecordInputs: true, Keys: keysOf(t, bytes.Repeat([]byte{1}, 32)),
		Warn: func(msg string, err error) { t.Log(msg, err) }, Memory: budget.New(256 << 20),
	}
	s := w.snapshot(policy)
	for _, f := range options {
		f(&o, s)
	}
	if w.Gateway, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.reask = time.Millisecond
	w.Swap(s)
	done := make(chan error, 1)
	go func() { done <- w.Serve(w.Listen(w.listener)) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := w.Shutdown(ctx); err != nil {
			t.Error("shutdown:", err)
		}
		<-done
		if err := log.Close(); err != nil && w.records.fail == nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) snapshot(policy string) *Snapshot {
	w.t.Helper()
	who, err := identity.New(identity.Options{AnonymousAllow: true, Now: time.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	return &Snapshot{
		Policy: compile(w.t, policy), Identity: who, Routes: route.New("files"), Servers: map[string]upstream.Server{"files": w.server},
		Names: Names{Hosts: []string{"gw.test"}}, Denials: Denials{Detail: DetailMessage},
	}
}

func compile(t testing.TB, policy string) *engine.Snapshot {
	t.Helper()
	b, err := bundle.FS(fstest.MapFS{"policy.yaml": {Data: []byte(policy)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(context.Background(), b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reply is an answer as a client sees it.
type reply struct {
	status int
	header http.Header
	body   string
	closed bool
}

// raw sends bytes on a connection of their own and reads one answer.
func (w *world) raw(request string) reply {
	w.t.Helper()
	c, err := w.listener.Dial()
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	return w.on(c, request)
}

func (w *world) on(c net.Conn, request string) reply {
	w.t.Helper()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		w.t.Fatal(err)
	}
	go io.WriteString(c, request)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		w.t.Fatalf("no answer to %q: %v", request, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("answer to %q was cut: %v", request, err)
	}
	return reply{resp.StatusCode, resp.Header, string(body), resp.Close}
}

// post frames a legacy message; headers are further header lines.
func post(body string, headers ...string) string {
	return postTo("/mcp/files", body, headers...)
}

func postTo(target, body string, headers ...string) string {
	head := "POST " + target + " HTTP/1.1\r\nHost: gw.test\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
	for _, h := range headers {
		head += h + "\r\n"
	}
	return head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

func call(tool, args string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + tool + `","arguments":` + args + `}}`
}

// modern frames a message of 2026-07-28 with the headers that mirror it. params are the members of params but for _meta.
func modern(method, name, params string, headers ...string) string {
	if params != "" {
		params += ","
	}
	body := `{"jsonrpc":"2.0","id":"a","method":"` + method + `","params":{` + params +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	h := []string{"MCP-Protocol-Version: 2026-07-28", "Mcp-Method: " + method}
	if name != "" {
		h = append(h, "Mcp-Name: "+name)
	}
	return post(body, append(h, headers...)...)
}

// recorded waits for n records and gives those about requests.
func (w *world) recorded(n int) []audit.Record {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		w.records.mu.Lock()
		lines := strings.Split(strings.TrimSuffix(w.records.lines.String(), "\n"), "\n")
		w.records.mu.Unlock()
		if lines[0] != "" && len(lines) >= n || time.Now().After(deadline) {
			return readRecords(w.t, lines)
		}
	}
}

func readRecords(t *testing.T, lines []string) []audit.Record {
	t.Helper()
	var out []audit.Record
	for _, l := range lines {
		e, err := audit.Read([]byte(l))
		if err != nil {
			t.Fatalf("record %q: %v", l, err)
		}
		out = append(out, e.Record)
	}
	return out
}

func snapCopy(s *Snapshot) *Snapshot {
	return &Snapshot{Policy: s.Policy, Identity: s.Identity, Routes: s.Routes, Servers: s.Servers, Names: s.Names, Denials: s.Denials, Limits: s.Limits, Candidate: s.Candidate}
}

func sum(key string) [32]byte { return sha256.Sum256([]byte(key)) }

func bare(tb testing.TB, log *audit.Log) *Gateway {
	tb.Helper()
	g, err := New(Options{
		Audit: log, Metrics: telemetry.New(telemetry.Options{}), Now: time.Now, RecordInputs: true,
		Warn: func(msg string, err error) { tb.Log(msg, err) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func keysOf(tb testing.TB, keys ...[]byte) *carry.Keys {
	tb.Helper()
	k, err := carry.New(keys...)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func routes() route.Table { return route.New("files") }

func principal(tb testing.TB, r *identity.Resolver) *engine.Principal {
	tb.Helper()
	p, err := r.Resolve([]byte("Bearer key"), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}
