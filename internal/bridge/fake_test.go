package bridge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// fake is an MCP server of one era, over HTTP and over lines.
type fake struct {
	era mcp.Era

	mu        sync.Mutex
	sessions  map[string]*fakeSession
	opened    int
	runs      map[string]int // calls of tools that were carried out
	cancelled []string       // ids of requests that were
	methods   []string       // of all messages, in order
	last      string         // the latest request as it came
	header    http.Header    // and its headers
	forget    bool           // the next request finds its session gone
	gone      int            // the status for that; 0: 404
	schema    string         // of the tool echo
	listening map[chan string]bool
	input     string // that its task has been given
}

func newFake(era mcp.Era) *fake {
	return &fake{era: era, sessions: map[string]*fakeSession{}, runs: map[string]int{}, listening: map[chan string]bool{}, schema: `{"type":"object"}`}
}

// fakeSession is a legacy session, a connection of lines, or one modern HTTP request.
type fakeSession struct {
	f       *fake
	id      string
	asks    atomic.Int64
	mu      sync.Mutex
	answers map[string]chan string // by id of the server's request
	cancels map[string]chan struct{}
	news    chan string
	parts   []string // of a stream that has to be fetched
	tasks   []string // the ids of those that were begun
}

func (f *fake) session() *fakeSession {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	s := &fakeSession{f: f, id: fmt.Sprintf("session-%d", f.opened), answers: map[string]chan string{}, cancels: map[string]chan struct{}{}, news: make(chan string, 16)}
	f.sessions[s.id] = s
	return s
}

// turn is one request under way.
type turn struct {
	s      *fakeSession
	id     string
	params jsonscan.Value
	send   func(string)
	done   <-chan struct{} // the client has gone or cancelled
}

// ask asks the client and gives the whole response, "" if the client has gone.
func (t *turn) ask(method, params string) string { return <-t.asks(method, params) }

func (t *turn) asks(method, params string) <-chan string {
	id := fmt.Sprintf(`"ask-%d"`, t.s.asks.Add(1))
	got, out := make(chan string, 1), make(chan string, 1)
	t.s.mu.Lock()
	t.s.answers[id] = got
	t.s.mu.Unlock()
	t.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, params))
	go func() {
		select {
		case a := <-got:
			out <- a
		case <-t.done:
			out <- ""
		}
	}()
	return out
}

// take handles one message. wait is closed when the client has gone.
func (s *fakeSession) take(data []byte, wait <-chan struct{}, send func(string)) {
	var doc jsonscan.Doc
	if err := doc.Scan(data, jsonscan.Options{}); err != nil {
		panic(err)
	}
	root := doc.Root()
	method, id := root.Get("method").Text(), string(root.Get("id").Raw())
	f := s.f
	f.mu.Lock()
	if method != "" {
		f.methods = append(f.methods, method)
	}
	if id != "" && method != "" {
		f.last = string(data)
	}
	f.mu.Unlock()
	switch {
	case method == "notifications/cancelled":
		at := string(root.Path("params", "requestId").Raw())
		f.mu.Lock()
		f.cancelled = append(f.cancelled, at)
		f.mu.Unlock()
		s.mu.Lock()
		if c := s.cancels[at]; c != nil {
			close(c)
			delete(s.cancels, at)
		}
		s.mu.Unlock()
		return
	case method == "":
		s.mu.Lock()
		got := s.answers[id]
		delete(s.answers, id)
		s.mu.Unlock()
		if got != nil {
			got <- string(data)
		}
		return
	case id == "":
		return
	}
	cancelled, done := make(chan struct{}), make(chan struct{})
	s.mu.Lock()
	s.cancels[id] = cancelled
	s.mu.Unlock()
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		case <-cancelled:
			close(done)
		case <-wait:
			close(done)
		case <-finished:
		}
	}()
	t := &turn{s: s, id: id, params: root.Get("params"), send: send, done: done}
	body := f.answer(t, method)
	s.mu.Lock()
	delete(s.cancels, id)
	s.mu.Unlock()
	if body != "" {
		send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, id, body))
	}
}

func (f *fake) answer(t *turn, method string) string {
	if f.era == mcp.Modern {
		return f.modern(t, method)
	}
	return f.legacy(t, method)
}

const unknown = `"error":{"code":-32601,"message":"unknown method"}`

func (f *fake) legacy(t *turn, method string) string {
	switch method {
	case "initialize":
		return `"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{},"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}},"serverInfo":{"name":"old","version":"1"},"instructions":"be kind"}`
	case "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe":
		return `"result":{}`
	case "tools/list":
		return fmt.Sprintf(`"result":{"tools":[{"name":"echo","inputSchema":%s}],"nextCursor":""}`, f.schema)
	case "resources/read":
		return `"error":{"code":-32002,"message":"no such resource","data":{"uri":"a:b"}}`
	case "tools/call":
		return f.tool(t)
	case "tasks/get", "tasks/list", "tasks/cancel", "tasks/result":
		return t.tasks25(method)
	}
	return unknown
}

// tool carries out a call of the legacy server.
func (f *fake) tool(t *turn) string {
	name := t.params.Get("name").Text()
	f.mu.Lock()
	f.runs[name]++
	f.mu.Unlock()
	switch name {
	case "echo":
		return `"result":{"content":[],"structuredContent":` + string(t.params.Get("arguments").Raw()) + `}`
	case "ask":
		return `"result":{"content":[],"structuredContent":` + strings.TrimSpace(t.ask("elicitation/create", `{"message":"who?","elicitationId":"e1","requestedSchema":{"type":"object","properties":{}}}`)+` `) + `}`
	case "askTwo":
		a, b := t.asks("elicitation/create", `{"message":"one","requestedSchema":{}}`), t.asks("roots/list", `{}`)
		return fmt.Sprintf(`"result":{"content":[],"structuredContent":[%s,%s]}`, <-a, <-b)
	case "url":
		return `"error":{"code":-32042,"message":"go there","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"https://x.example/","message":"log in"}]}}`
	case "chatty":
		token := string(t.params.Path("_meta", "progressToken").Raw())
		if token != "" {
			t.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + token + `,"progress":1}}`)
		}
		t.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"low"}}`)
		t.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"high"}}`)
		return `"result":{"content":[]}`
	case "change":
		t.send(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`)
		t.send(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}`)
		return `"result":{"content":[]}`
	case "job":
		return t.job()
	case "slow":
		<-t.done
		return ""
	case "crash":
		t.send("")
		return ""
	case "poll":
		if name := t.params.Path("arguments", "ask"); name.Exists() {
			t.ask("elicitation/create", `{"message":"who?"}`)
		}
		t.poll()
		return ""
	}
	return `"error":{"code":-32602,"message":"unknown tool"}`
}

// over makes the fake a server of the gateway.
func (f *fake) over(t *testing.T, transport string) upstream.Server {
	t.Helper()
	if transport == "lines" {
		var all sync.WaitGroup
		t.Cleanup(all.Wait)
		return upstream.NewInProcess("s", func() (io.ReadWriteCloser, error) {
			here, there := net.Pipe()
			all.Go(func() { f.serveLines(there) })
			return here, nil
		}, upstream.LineOptions{Now: time.Now, Timeout: bound})
	}
	web := httptest.NewServer(f)
	t.Cleanup(web.Close)
	h, err := upstream.NewHTTP("s", upstream.HTTPOptions{URL: web.URL, Timeout: bound, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// bound is how long anything may take in a test.
const bound = 20 * time.Second

// adapter puts an Adapter on top of the fake.
func (f *fake) adapter(t *testing.T, transport string, change func(*Options)) *Adapter {
	t.Helper()
	o := Options{Name: "s", Timeout: bound, Now: time.Now}
	if change != nil {
		change(&o)
	}
	inner := f.over(t, transport)
	a, err := New(inner, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func (f *fake) count(tool string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.runs[tool]
}

func (f *fake) latest() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// got is the answer to a call, as its client gets it.
type got struct {
	status  int
	events  []string // what came before the answer
	answer  string
	session string
}

// do sends a call to its end.
func do(t *testing.T, a *Adapter, c *upstream.Call) got {
	t.Helper()
	defer c.Close()
	if err := a.Do(c); err != nil {
		t.Fatalf("%s: %v", c.Method, err)
	}
	g := got{status: c.Status, session: c.ReplySession}
	if c.Reply != upstream.Stream {
		g.answer = string(c.ReplyBody)
		return g
	}
	for {
		e, err := c.Next()
		if err != nil {
			t.Fatalf("%s: after %q: %v", c.Method, g.events, err)
		}
		if isResponse(e.Data) {
			g.answer = string(e.Data)
			return g
		}
		g.events = append(g.events, string(e.Data))
	}
}

// modernCall is a call as the gateway makes it of a client's request of 2026-07-28.
func modernCall(owner, method, params, meta string) *upstream.Call {
	if params != "" {
		params += ","
	}
	if meta != "" {
		meta = "," + meta
	}
	if !strings.Contains(meta, metaCapabilities) {
		meta += `,"` + metaCapabilities + `":{"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}}`
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":"me","method":%q,"params":{%s"_meta":{"%s":"2026-07-28"%s}}}`, method, params, metaVersion, meta)
	return &upstream.Call{
		Body: []byte(body), Method: method, ID: []byte(`"me"`), Modern: true, Start: time.Now(), Owner: func() []byte { return []byte(owner) },
		Header: []upstream.Field{{Name: headerVersion, Value: "2026-07-28"}, {Name: headerMethod, Value: method}, {Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
	}
}

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.methods...)
}
