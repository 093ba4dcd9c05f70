package bridge_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/bridge"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// three are servers of both eras and transports.
func three(t *testing.T) (fakes map[string]*bridge.Fake, servers map[string]upstream.Server) {
	t.Helper()
	fakes, servers = map[string]*bridge.Fake{}, map[string]upstream.Server{}
	for name, kind := range map[string]struct {
		era       mcp.Era
		transport string
	}{"old": {mcp.Legacy, "http"}, "child": {mcp.Legacy, "lines"}, "new": {mcp.Modern, "http"}} {
		fakes[name] = bridge.NewFake(kind.era)
		servers[name] = fakes[name].Adapter(t, kind.transport)
	}
	return fakes, servers
}

const allowAll = "  - { name: all, effect: allow }\n"

// A client of before 2026-07-28 uses servers of both eras as one, and each can ask it in the middle of a call.
func TestALegacyClientOfSeveralServersIsAskedByEach(t *testing.T) {
	fakes, servers := three(t)
	u := newUser(t, gatewayOf(t, servers, allowAll), mcp.Legacy)
	if got := u.join(); !strings.Contains(got, `"protocolVersion":"2025-11-25"`) || !strings.Contains(got, `"resources":{"listChanged":true,"subscribe":true}`) ||
		!strings.Contains(got, `"logging":{}`) || u.session == "" {
		t.Fatalf("the handshake: %s, session %q", got, u.session)
	}
	if got := u.call("tools/list", "", ""); !strings.Contains(got, `"name":"child__echo"`) || !strings.Contains(got, `"name":"new__echo"`) || !strings.Contains(got, `"name":"old__echo"`) {
		t.Errorf("the list: %s", got)
	}
	for name := range servers {
		before := len(u.asked)
		got := u.call("tools/call", "", `"name":"`+name+`__ask","arguments":{}`)
		if !strings.Contains(got, `"n":1.50`) || strings.Contains(got, "resultType") || !slices.Contains(u.asked[before:], "elicitation/create") {
			t.Errorf("%s: asked %q, answered %s", name, u.asked[before:], got)
		}
		if n := fakes[name].Count("ask"); n != map[string]int{"old": 1, "child": 1, "new": 2}[name] { // of 2026-07-28, each round is a request
			t.Errorf("%s: one call ran %d times", name, n)
		}
		if got := u.call("logging/setLevel", "", `"level":"error"`); !strings.Contains(got, `"result":{}`) {
			t.Errorf("%s: the level: %s", name, got)
		}
	}
	if got := u.call("resources/read", "", `"uri":"old+a:b"`); !strings.Contains(got, `"message":"no such resource","data":{"uri":"old+a:b"}`) {
		t.Errorf("a resource that is not there: %s", got)
	}
}

// What a client refuses to answer, a server of before 2026-07-28 hears of, and goes on.
func TestALegacyServerAmongSeveralHearsOfRefusals(t *testing.T) {
	_, servers := three(t)
	u := newUser(t, gatewayOf(t, servers, allowAll), mcp.Legacy)
	u.refuses = true
	u.join()
	for name, want := range map[string]string{"old": `"code":-1`, "child": `"code":-1`, "new": `"isError":true`} {
		if got := u.call("tools/call", "", `"name":"`+name+`__ask","arguments":{}`); !strings.Contains(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// news opens the stream of a client of before 2026-07-28, and gives what comes on it.
func (u *user) news() <-chan string {
	u.t.Helper()
	req, err := http.NewRequest(http.MethodGet, u.url, nil)
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2025-11-25")
	req.Header.Set("Mcp-Session-Id", u.session)
	return u.hears(req)
}

// listens opens the stream of a client of 2026-07-28.
func (u *user) listens(to string) <-chan string {
	u.t.Helper()
	body := `{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{"notifications":{` + to + `},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientCapabilities":` + u.declared() + `}}}`
	req, err := http.NewRequest(http.MethodPost, u.url, strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2026-07-28")
	req.Header.Set("Mcp-Method", "subscriptions/listen")
	return u.hears(req)
}

// hears gives what comes in answer to req.
func (u *user) hears(req *http.Request) <-chan string {
	u.t.Helper()
	resp, err := u.web.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		b, _ := io.ReadAll(resp.Body)
		u.t.Fatalf("%s: %d %s", req.Method, resp.StatusCode, b)
	}
	out := make(chan string, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(out)
		events := mcp.NewEventReader(resp.Body, 1<<20)
		for e, err := events.Next(); err == nil; e, err = events.Next() {
			if len(e.Data) > 0 {
				out <- string(e.Data)
			}
		}
	}()
	u.t.Cleanup(func() {
		_ = resp.Body.Close()
		<-done
	})
	return out
}

// heard waits for a message with this in it; "" waits for the end.
func heard(t *testing.T, news <-chan string, part string) {
	t.Helper()
	late := time.After(bridge.Bound)
	for {
		select {
		case got, open := <-news:
			if !open && part == "" || open && part != "" && strings.Contains(got, part) {
				return
			}
			if !open {
				t.Fatalf("the stream has ended without %s", part)
			}
		case <-late:
			t.Fatalf("not in time: %q", part)
		}
	}
}

// One stream tells of all servers, under the names that the client knows; of a resource, only what policy lets it read.
func TestALegacyClientHearsTheNewsOfSeveralServers(t *testing.T) {
	fakes, servers := three(t)
	u := newUser(t, gatewayOf(t, servers, "  - { name: all, when: 'mcp.method != \"resources/read\" || !mcp.resource.uri.startsWith(\"secret:\")', effect: allow }\n"), mcp.Legacy)
	u.join()
	if got := u.call("resources/subscribe", "", `"uri":"new+a:b"`); !strings.Contains(got, `"result":{}`) {
		t.Fatalf("subscribe: %s", got)
	}
	news := u.news()
	for _, uri := range []string{"old+a:b", "new+secret:x"} { // while the stream is open
		if got := u.call("resources/subscribe", "", `"uri":"`+uri+`"`); !strings.Contains(got, `"result":{}`) {
			t.Fatalf("subscribe: %s", got)
		}
	}
	fakes["new"].Change("secret:x")
	fakes["new"].Change("a:b")
	heard(t, news, `"params":{"uri":"new+a:b"}`)
	if got := u.call("tools/call", "", `"name":"old__change","arguments":{}`); !strings.Contains(got, `"result"`) {
		t.Fatalf("the call: %s", got)
	}
	heard(t, news, `"params":{"uri":"old+a:b"}`)
	fakes["new"].Change("")
	heard(t, news, `notifications/tools/list_changed`)
	if got := u.call("resources/unsubscribe", "", `"uri":"new+a:b"`); !strings.Contains(got, `"result":{}`) {
		t.Fatalf("unsubscribe: %s", got)
	}
	fakes["new"].Change("a:b")
	fakes["new"].Change("") // comes after it
	for got := range news {
		if strings.Contains(got, "new+a:b") || strings.Contains(got, "secret") {
			t.Fatalf("heard %s", got)
		}
		if strings.Contains(got, "list_changed") {
			break
		}
	}
}

// A session that its client has ended is over, at the gateway and at the servers.
func TestALegacyClientOfSeveralServersEndsItsSession(t *testing.T) {
	fakes, servers := three(t)
	u := newUser(t, gatewayOf(t, servers, allowAll), mcp.Legacy)
	u.join()
	u.call("tools/call", "", `"name":"old__echo","arguments":{}`)
	news := u.news()
	session := u.session
	if got := u.send(http.MethodDelete, session); got != 200 {
		t.Fatalf("DELETE: %d", got)
	}
	heard(t, news, "")
	for what, got := range map[string]int{"DELETE": u.send(http.MethodDelete, session), "GET": u.send(http.MethodGet, session), "a call": u.send(http.MethodPost, session)} {
		if got != 404 {
			t.Errorf("%s afterwards: %d", what, got)
		}
	}
	for end := time.Now().Add(bridge.Bound); fakes["new"].Listeners() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server still tells its news")
		}
	}
	before := len(slices.DeleteFunc(fakes["old"].Seen(), func(m string) bool { return m != "initialize" }))
	u.session = ""
	u.join()
	u.call("tools/call", "", `"name":"old__echo","arguments":{}`)
	if after := len(slices.DeleteFunc(fakes["old"].Seen(), func(m string) bool { return m != "initialize" })); after <= before {
		t.Error("the new session has been given the old one's at the server")
	}
}

// send sends a request without waiting for more than the head of its answer.
func (u *user) send(method, session string) int {
	u.t.Helper()
	body := ""
	if method == http.MethodPost {
		body = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	}
	req, err := http.NewRequest(method, u.url, strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	if method != http.MethodPost {
		req.Body = nil
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("MCP-Protocol-Version", "2025-11-25")
	req.Header.Set("Mcp-Session-Id", session)
	resp, err := u.web.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// A cancelled call ends at the server that it was for.
func TestALegacyClientCancelsACallToOneOfSeveral(t *testing.T) {
	fakes, servers := three(t)
	u := newUser(t, gatewayOf(t, servers, allowAll), mcp.Legacy)
	u.join()
	for name := range servers {
		answer := make(chan struct{})
		u.ids = 700
		go func() {
			defer close(answer)
			req, _ := http.NewRequest(http.MethodPost, u.url, strings.NewReader(`{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"`+name+`__slow","arguments":{}}}`))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", "application/json, text/event-stream")
			req.Header.Set("MCP-Protocol-Version", "2025-11-25")
			req.Header.Set("Mcp-Session-Id", u.session)
			if resp, err := u.web.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}()
		for end := time.Now().Add(bridge.Bound); fakes[name].Count("slow") == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("not in time: the call")
			}
		}
		u.post("", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}`, "")
		select {
		case <-answer:
		case <-time.After(bridge.Bound):
			t.Fatalf("%s: the call goes on", name)
		}
	}
}
