package bridge_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/bridge"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

const policyHead = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
rules:
`

// behindGateway serves s under policy and gives the URL.
func behindGateway(t *testing.T, s upstream.Server, rules string) string {
	t.Helper()
	return gatewayOf(t, map[string]upstream.Server{"s": s}, rules) + "/s"
}

// gatewayOf serves servers under policy, by themselves and as one, and gives the URL of all.
func gatewayOf(t *testing.T, servers map[string]upstream.Server, rules string) string {
	t.Helper()
	return behind(t, listen(t), gateway.Options{}, servers, rules, io.Discard)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// behind serves them at l, and writes the records.
func behind(t *testing.T, l net.Listener, o gateway.Options, servers map[string]upstream.Server, rules string, records io.Writer) string {
	t.Helper()
	b, err := bundle.FS(fstest.MapFS{"policy.yaml": {Data: []byte(policyHead + rules)}})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := engine.Compile(context.Background(), b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(audit.Options{Writer: records, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	who, err := identity.New(identity.Options{AnonymousAllow: true, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	o.Audit, o.Metrics, o.Now = log, telemetry.New(telemetry.Options{}), time.Now
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]federation.Selection{}
	for name := range servers {
		all[name] = federation.Selection{All: true}
	}
	view, err := federation.New(federation.Options{Servers: all})
	if err != nil {
		t.Fatal(err)
	}
	g.Swap(&gateway.Snapshot{
		Policy: policy, Identity: who, Routes: route.New(slices.Collect(maps.Keys(servers))...), Servers: servers,
		Views: map[string]*federation.View{"": view},
	})
	url := "http://" + l.Addr().String() + "/mcp"
	done := make(chan error, 1)
	go func() { done <- g.Serve(g.Listen(l)) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bridge.Bound)
		defer cancel()
		if err := g.Shutdown(ctx); err != nil {
			t.Error("shutdown:", err)
		}
		<-done
		_ = log.Close()
	})
	return url
}

// user is a client of one era.
type user struct {
	t       *testing.T
	web     *http.Client
	url     string
	era     mcp.Era
	session string
	ids     int
	asked   []string
	refuses bool     // to answer
	others  []string // URLs that take turns with url
	sent    int      // calls of tools
	can     string   // what it declares; "" is capabilities
}

func newUser(t *testing.T, url string, era mcp.Era) *user {
	u := &user{t: t, url: url, era: era, web: &http.Client{Transport: &http.Transport{}, Timeout: bridge.Bound}}
	t.Cleanup(u.web.CloseIdleConnections)
	return u
}

const capabilities = `{"elicitation":{"form":{},"url":{}},"roots":{}}`

// post sends a message and gives the response to it, if it is a request. Questions on the way are answered.
func (u *user) post(method, body, name string) string {
	u.t.Helper()
	if len(u.others) > 0 {
		u.url, u.others = u.others[0], append(u.others[1:], u.url)
	}
	if method == "tools/call" {
		u.sent++
	}
	req, err := http.NewRequest(http.MethodPost, u.url, strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if u.era == mcp.Modern {
		req.Header.Set("MCP-Protocol-Version", "2026-07-28")
		req.Header.Set("Mcp-Method", method)
		if name != "" {
			req.Header.Set("Mcp-Name", name)
		}
	} else if u.session != "" {
		req.Header.Set("MCP-Protocol-Version", "2025-11-25")
		req.Header.Set("Mcp-Session-Id", u.session)
	}
	resp, err := u.web.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	if s := resp.Header.Get("Mcp-Session-Id"); s != "" {
		u.session = s
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	return u.read(mcp.NewEventReader(resp.Body, 1<<20))
}

func (u *user) read(events *mcp.EventReader) string {
	u.t.Helper()
	for {
		e, err := events.Next()
		if err != nil {
			u.t.Fatal(err)
		}
		var doc jsonscan.Doc
		if len(e.Data) == 0 || doc.Scan(bytes.Clone(e.Data), jsonscan.Options{}) != nil {
			continue
		}
		root := doc.Root()
		switch {
		case !root.Get("method").Exists():
			return string(root.Raw())
		case root.Get("id").Exists():
			u.asked = append(u.asked, root.Get("method").Text())
			answer := `"result":{"action":"accept","content":{"n":1.50}}`
			if u.refuses {
				answer = `"error":{"code":-1,"message":"no"}`
			}
			u.post("", `{"jsonrpc":"2.0","id":`+string(root.Get("id").Raw())+`,`+answer+`}`, "")
		}
	}
}

// call sends a request, in as many rounds as it takes.
func (u *user) call(method, name, params string) string {
	u.t.Helper()
	more := ""
	for range 10 {
		u.ids++
		all := params + more
		if u.era == mcp.Modern {
			if all != "" {
				all += ","
			}
			all += `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":` + u.declared() + `}`
		}
		answer := u.post(method, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s}}`, u.ids, method, all), name)
		var doc jsonscan.Doc
		if err := doc.Scan([]byte(answer), jsonscan.Options{}); err != nil {
			u.t.Fatalf("%s: %q: %v", method, answer, err)
		}
		result := doc.Root().Get("result")
		if id := string(doc.Root().Get("id").Raw()); id != fmt.Sprint(u.ids) {
			u.t.Errorf("%s: the answer to %s", method, id)
		}
		if !mcp.InputRequired(result) || method == "tasks/get" { // which another request answers
			return answer
		}
		var answers []string
		for in := range mcp.InputRequests(result) {
			u.asked = append(u.asked, in.Method)
			answers = append(answers, string(in.Key.Raw())+`:{"action":"accept","content":{"n":1.50}}`)
		}
		more = `,"inputResponses":{` + strings.Join(answers, ",") + `},"requestState":` + string(result.Get("requestState").Raw())
	}
	u.t.Fatal("no end of rounds")
	return ""
}

func (u *user) declared() string {
	if u.can != "" {
		return u.can
	}
	return capabilities
}

// join does the handshake of the client's era.
func (u *user) join() string {
	if u.era == mcp.Modern {
		return u.call("server/discover", "", "")
	}
	answer := u.call("initialize", "", `"protocolVersion":"2025-11-25","capabilities":`+capabilities+`,"clientInfo":{"name":"u","version":"1"}`)
	u.post("", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "")
	return answer
}

// matrix runs a test for clients of both eras on servers of both, over both transports.
func matrix(t *testing.T, rules string, test func(t *testing.T, u *user, f *bridge.Fake)) {
	for _, client := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		for _, server := range []mcp.Era{mcp.Legacy, mcp.Modern} {
			for _, transport := range bridge.Transports {
				t.Run(fmt.Sprintf("%v client, %v server, %s", client, server, transport), func(t *testing.T) {
					f := bridge.NewFake(server)
					u := newUser(t, behindGateway(t, f.Adapter(t, transport), rules), client)
					test(t, u, f)
				})
			}
		}
	}
}

func TestEveryClientCanUseEveryServer(t *testing.T) {
	matrix(t, "  - { name: all, effect: allow }\n", func(t *testing.T, u *user, f *bridge.Fake) {
		for _, c := range []struct{ what, answer, has string }{
			{"the handshake", u.join(), `"instructions":"be kind"`},
			{"a list", u.call("tools/list", "", ""), `"tools":[{"name":"echo"`},
			{"a call", u.call("tools/call", "echo", `"name":"echo","arguments":{"n":12345678901234567890.10}`), `"structuredContent":{"n":12345678901234567890.10}`},
			{"a call with a question", u.call("tools/call", "ask", `"name":"ask","arguments":{}`), `"n":1.50`},
			{"a resource that is not there", u.call("resources/read", "a:b", `"uri":"a:b"`), `"message":"no such resource"`},
			{"an unknown tool", u.call("tools/call", "nope", `"name":"nope","arguments":{}`), `"code":-32602`},
			{"an unknown method", u.call("vendor/thing", "", ""), `"code":-32601`},
		} {
			if !strings.Contains(c.answer, c.has) {
				t.Errorf("%s: %s", c.what, c.answer)
			}
			if modern := strings.Contains(c.answer, `"resultType":"complete"`); strings.Contains(c.answer, `"result":`) && modern != (u.era == mcp.Modern) {
				t.Errorf("%s: not of its era: %s", c.what, c.answer)
			}
		}
		if len(u.asked) == 0 || u.asked[0] != "elicitation/create" {
			t.Errorf("asked %q", u.asked)
		}
		if f.Count("echo") != 1 {
			t.Errorf("one call ran %d times", f.Count("echo"))
		}
	})
}

func TestPolicyJudgesWhatServersAskInEveryCell(t *testing.T) {
	matrix(t, "  - { name: all, when: 'mcp.method != \"elicitation/create\"', effect: allow }\n", func(t *testing.T, u *user, _ *bridge.Fake) {
		u.join()
		answer := u.call("tools/call", "ask", `"name":"ask","arguments":{}`)
		for _, m := range u.asked {
			if m == "elicitation/create" {
				t.Errorf("the client was asked what policy denies: %q", u.asked)
			}
		}
		if strings.Contains(answer, "1.50") {
			t.Errorf("and has answered: %s", answer)
		}
	})
}
