package bridge

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// legacyCall is a call as the gateway makes it of a message of before 2026-07-28.
func legacyCall(session, body string) *upstream.Call {
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(body), jsonscan.Options{}); err != nil {
		panic(err)
	}
	root := doc.Root()
	c := &upstream.Call{
		Body: []byte(body), Method: strings.Clone(root.Get("method").Text()), ID: root.Get("id").Raw(), Session: session, Version: "2025-11-25", Start: time.Now(),
		Header: []upstream.Field{{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
	}
	switch {
	case c.Method == "":
		c.Kind = upstream.Response
	case c.ID == nil:
		c.Kind = upstream.Notification
	}
	return c
}

func legacyRequest(session, method, params string) *upstream.Call {
	if params != "" {
		params = `,"params":{` + params + `}`
	}
	return legacyCall(session, fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q%s}`, method, params))
}

// joined does the handshake and gives the session.
func joined(t *testing.T, a *Adapter, capabilities string) string {
	t.Helper()
	g := do(t, a, legacyRequest("", "initialize", `"protocolVersion":"2025-11-25","capabilities":`+capabilities+`,"clientInfo":{"name":"c","version":"2","icons":[]}`))
	if g.session == "" {
		t.Fatalf("no session: %s", g.answer)
	}
	if g := do(t, a, legacyCall(g.session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)); g.status != 202 {
		t.Fatalf("initialized: %d", g.status)
	}
	return g.session
}

const canBeAsked = `{"elicitation":{"url":{}},"roots":{"listChanged":true},"tasks":{}}`

const sentMeta = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}},"roots":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"2","icons":[]},"io.modelcontextprotocol/logLevel":"info"`

func TestTheHandshakeIsAnsweredFromWhatTheServerSaysOfItself(t *testing.T) {
	onBoth(t, mcp.Modern, func(t *testing.T, f *fake, a *Adapter) {
		for asked, given := range map[string]string{"2025-03-26": "2025-03-26", "2025-11-25": "2025-11-25", "2026-07-28": "2025-11-25", "2031-01-01": "2025-11-25"} {
			g := do(t, a, legacyRequest("", "initialize", `"protocolVersion":"`+asked+`","capabilities":{},"clientInfo":{"name":"c","version":"2"}`))
			want := `{"jsonrpc":"2.0","id":7,"result":{"protocolVersion":"` + given + `","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"extensions":{"vendor/x":{}}},"serverInfo":{"name":"new","version":"3"},"instructions":"be kind"}}`
			if g.status != 200 || g.answer != want || g.session == "" || len(g.session) > 1000 {
				t.Errorf("%s: %d %s, session of %d bytes\nwant %s", asked, g.status, g.answer, len(g.session), want)
			}
		}
	})
}

func TestAHandshakeThatIsTooLongIsCutOrRefused(t *testing.T) {
	a := newFake(mcp.Modern).adapter(t, "http", nil)
	long := strings.Repeat("x", 2000)
	for _, c := range []struct {
		capabilities, info string
		kept               string
	}{
		{`{}`, `{"name":"c","version":"2","title":"` + long + `"}`, `"info":{"name":"c","version":"2"}}`},
		{`{}`, `{"name":"` + long + `","version":"2"}`, `"info":` + ownInfo + `}`},
		{`{"experimental":{"` + long + `":{}}}`, `{"name":"c","version":"2"}`, ""},
	} {
		g := do(t, a, legacyRequest("", "initialize", `"protocolVersion":"2025-11-25","capabilities":`+c.capabilities+`,"clientInfo":`+c.info))
		if c.kept == "" && (g.session != "" || !strings.Contains(g.answer, `"code":-32602`)) || c.kept != "" && !strings.HasSuffix(g.session, c.kept) {
			t.Errorf("%.40s: %s %s", c.info, g.session, g.answer)
		}
	}
}

func TestALegacyRequestIsTranslatedForAModernServer(t *testing.T) {
	onBoth(t, mcp.Modern, func(t *testing.T, f *fake, a *Adapter) {
		session := joined(t, a, canBeAsked)
		for _, c := range []struct {
			method, params string
			sent           string // without the id, which is ours
			answer         string
		}{
			{method: "ping", answer: `{"jsonrpc":"2.0","id":7,"result":{}}`},
			{method: "tasks/list", answer: `{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Method not found: tasks/list"}}`},
			{
				method: "vendor/thing", sent: `"method":"vendor/thing","params":{"_meta":{` + sentMeta + `}}`,
				answer: `{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"unknown method"}}`,
			},
			{
				method: "tools/call", params: `"name":"echo","arguments":{"n":12345678901234567890.10},"inputResponses":{},"x":[],"_meta":{"vendor/x":1e3,"progressToken":"t"}`,
				answer: `{"jsonrpc":"2.0","id":7,"result":{"content":[],"structuredContent":{"n":12345678901234567890.10},"_meta":{"vendor/x":1}}}`,
			},
			{
				method: "resources/read", params: `"uri":"a:b"`, sent: `"method":"resources/read","params":{"uri":"a:b","_meta":{` + sentMeta + `}}`,
				answer: `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no such resource"}}`,
			},
		} {
			g := do(t, a, legacyRequest(session, c.method, c.params))
			if g.status != 200 || g.answer != c.answer {
				t.Errorf("%s: %d %s\nwant %s", c.method, g.status, g.answer, c.answer)
			}
			if _, rest, _ := strings.Cut(f.latest(), ","); c.sent != "" && !strings.HasSuffix(rest, c.sent+"}") {
				t.Errorf("%s: the server got %s\nwant the end %s", c.method, f.latest(), c.sent)
			}
		}
	})
}

func TestAModernServerGetsTheHeadersOfItsEra(t *testing.T) {
	f := newFake(mcp.Modern)
	f.schema = `{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`
	a := f.adapter(t, "http", nil)
	session := joined(t, a, canBeAsked)
	call := func() {
		t.Helper()
		g := do(t, a, legacyRequest(session, "tools/call", `"name":"echo","arguments":{"region":"eu"}`))
		if !strings.Contains(g.answer, `"structuredContent":{"region":"eu"}`) {
			t.Fatal(g.answer)
		}
	}
	call() // which finds out what headers the tool has
	call()
	if f.count("echo") != 2 {
		t.Errorf("2 calls ran %d times", f.count("echo"))
	}
	for name, value := range map[string]string{
		"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "echo", "Mcp-Param-Region": "eu", "Mcp-Session-Id": "",
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		if got := f.header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	lists := 0
	for _, m := range f.seen() {
		if m == "tools/list" {
			lists++
		}
	}
	if lists != 1 {
		t.Errorf("the tools were listed %d times", lists)
	}
}

func TestAToolWhoseHeadersAreWrongIsNotListedOverHTTP(t *testing.T) {
	onBoth(t, mcp.Modern, func(t *testing.T, f *fake, a *Adapter) {
		g := do(t, a, legacyRequest(joined(t, a, `{}`), "tools/list", ""))
		want := `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}}`
		if a.headless {
			want = strings.Replace(want, `}}]`, `}},{"name":"bad","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}}]`, 1)
		}
		if g.answer != want {
			t.Errorf("%s\nwant %s", g.answer, want)
		}
	})
}

func TestTheLevelOfALegacyClientIsSaidWithEachRequest(t *testing.T) {
	onBoth(t, mcp.Modern, func(t *testing.T, _ *fake, a *Adapter) {
		session := joined(t, a, `{}`)
		chat := func(want string) {
			t.Helper()
			g := do(t, a, legacyRequest(session, "tools/call", `"name":"chatty","_meta":{"progressToken":15}`))
			events := []string{
				`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":15,"progress":1}}`,
				`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"` + want + `","data":"x"}}`,
			}
			if d := cmp.Diff(events, g.events); d != "" {
				t.Error(d)
			}
		}
		chat("info")
		if g := do(t, a, legacyRequest(session, "logging/setLevel", `"level":"error"`)); g.answer != `{"jsonrpc":"2.0","id":7,"result":{}}` {
			t.Error(g.answer)
		}
		chat("error")
		if g := do(t, a, legacyRequest(session, "logging/setLevel", `"level":"loud"`)); !strings.Contains(g.answer, `"code":-32602`) {
			t.Error(g.answer)
		}
	})
}

// conversation reads a call's stream and answers what is asked on it.
func conversation(t *testing.T, a *Adapter, session, params string, answer func(q jsonscan.Value) string) (asked []string, last string) {
	t.Helper()
	c := legacyRequest(session, "tools/call", params)
	defer c.Close()
	if err := a.Do(c); err != nil {
		t.Fatal(err)
	}
	if c.Reply != upstream.Stream {
		return nil, string(c.ReplyBody)
	}
	for {
		data := []byte(next(t, c))
		if isResponse(data) {
			return asked, string(data)
		}
		var doc jsonscan.Doc
		if err := doc.Scan(data, jsonscan.Options{}); err != nil {
			t.Fatal(err)
		}
		asked = append(asked, string(data))
		if g := do(t, a, legacyCall(session, `{"jsonrpc":"2.0","id":`+string(doc.Root().Get("id").Raw())+`,`+answer(doc.Root())+`}`)); g.status != 202 {
			t.Errorf("the answer: %d", g.status)
		}
	}
}

func TestInputThatIsRequiredIsAskedForOnTheStreamOfTheCall(t *testing.T) {
	onBoth(t, mcp.Modern, func(t *testing.T, f *fake, a *Adapter) {
		session := joined(t, a, canBeAsked)
		asked, last := conversation(t, a, session, `"name":"ask"`, func(q jsonscan.Value) string {
			return `"result":{"to":` + string(q.Get("method").Raw()) + `,"n":1.50}`
		})
		if len(asked) != 2 || !strings.Contains(asked[0], `"params":{"mode":"url","url":"https://x.example/","message":"who?","elicitationId":"sallyport-`) || !strings.Contains(asked[1], `"method":"roots/list"}`) {
			t.Errorf("asked %q", asked)
		}
		want := `{"jsonrpc":"2.0","id":7,"result":{"content":[],"structuredContent":{"state":"st\"ate","responses":{"who":{"to":"elicitation/create","n":1.50},"where":{"to":"roots/list","n":1.50}}}}}`
		if last != want {
			t.Errorf("%s\nwant %s", last, want)
		}
		if len(a.memory.clients) != 0 {
			t.Errorf("%d clients are remembered for nothing", len(a.memory.clients))
		}
	})
}

func TestInputThatCannotBeHadEndsTheCall(t *testing.T) {
	a := newFake(mcp.Modern).adapter(t, "http", nil)
	session := joined(t, a, canBeAsked)
	for _, c := range []struct{ name, params, why string }{
		{"an error", `"name":"ask"`, "could not give the input"},
		{"what was not declared", `"name":"sample"`, "has not said it can give"},
		{"no end", `"name":"endless"`, "again and again"},
	} {
		asked, last := conversation(t, a, session, c.params, func(jsonscan.Value) string {
			if c.name == "no end" {
				return `"result":{"roots":[]}`
			}
			return `"error":{"code":1,"message":"no"}`
		})
		if c.name == "no end" && len(asked) != maxRounds {
			t.Errorf("asked %d times", len(asked))
		}
		if !strings.HasPrefix(last, `{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"`) || !strings.Contains(last, c.why) || !strings.HasSuffix(last, `"isError":true}}`) {
			t.Errorf("%s: %s", c.name, last)
		}
	}
}

func TestOnlyTheClientThatWasAskedAnswers(t *testing.T) {
	f := newFake(mcp.Modern)
	a := f.adapter(t, "http", nil)
	ann, bob := joined(t, a, canBeAsked), joined(t, a, canBeAsked)
	asked := 0
	_, last := conversation(t, a, ann, `"name":"ask"`, func(q jsonscan.Value) string {
		id := string(q.Get("id").Raw())
		do(t, a, legacyCall(bob, `{"jsonrpc":"2.0","id":`+id+`,"result":{"of":"bob"}}`))
		asked++
		return `"result":{"of":"ann"}`
	})
	if asked != 2 || strings.Contains(last, "bob") || strings.Count(last, `{"of":"ann"}`) != 2 {
		t.Errorf("after %d questions: %s", asked, last)
	}
}

func TestALegacyClientThatCancelsEndsTheCallAndOneThatLeavesDoesNot(t *testing.T) {
	onBoth(t, mcp.Modern, func(t *testing.T, f *fake, a *Adapter) {
		session := joined(t, a, `{}`)
		run := func(n int) (*upstream.Call, chan error) {
			c := legacyRequest(session, "tools/call", `"name":"slow"`)
			ended := make(chan error, 1)
			go func() { ended <- a.Do(c) }()
			eventually(t, "the call runs", func() bool { return f.count("slow") == n })
			return c, ended
		}
		cancelled := func() int {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.cancelled)
		}
		canceled := func(err error) {
			t.Helper()
			var e *upstream.Error
			if !errors.As(err, &e) || e.Code != upstream.Canceled {
				t.Errorf("%v", err)
			}
		}
		c, ended := run(1)
		c.Leave()
		canceled(<-ended)
		c.Close()
		for range 20 { // whatever it would be told has time to arrive
			do(t, a, legacyRequest(session, "tools/call", `"name":"echo","arguments":{}`))
		}
		if cancelled() != 0 {
			t.Error("the call of a client that has left was cancelled")
		}
		c, ended = run(2)
		do(t, a, legacyCall(session, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`))
		canceled(<-ended)
		c.Close()
		eventually(t, "the server hears of it", func() bool { return cancelled() >= 1 })
	})
}

func TestASessionThatIsNotOnIsNoSession(t *testing.T) {
	a := newFake(mcp.Modern).adapter(t, "http", nil)
	session := joined(t, a, `{}`)
	for name, c := range map[string]struct {
		session string
		status  int
	}{"none": {"", 400}, "another's": {"session-1", 404}, "half": {session[:20], 404}, "broken": {session[:len(session)-1], 404}} {
		if g := do(t, a, legacyRequest(c.session, "ping", "")); g.status != c.status || g.answer != "" {
			t.Errorf("%s: %d %s", name, g.status, g.answer)
		}
	}
	if g := do(t, a, &upstream.Call{Verb: upstream.Delete, Session: session}); g.status != 200 {
		t.Errorf("its end: %d", g.status)
	}
	if g := do(t, a, legacyRequest(session, "ping", "")); g.status != 404 {
		t.Errorf("after its end: %d", g.status)
	}
}

func TestMemoryOfClientsIsBounded(t *testing.T) {
	m := memory{clients: map[string]*remembered{}}
	now := time.Unix(0, 0)
	for i := range maxClients + 100 {
		m.with(fmt.Sprint(i), now.Add(time.Duration(i)), func(r *remembered) { r.level = "info" })
	}
	if len(m.clients) != maxClients {
		t.Errorf("%d clients are remembered", len(m.clients))
	}
	for i := range maxClients + 100 {
		m.with(fmt.Sprint(i), now, func(r *remembered) { r.level = "" })
	}
	if len(m.clients) != 0 {
		t.Errorf("%d clients are remembered for nothing", len(m.clients))
	}
}
