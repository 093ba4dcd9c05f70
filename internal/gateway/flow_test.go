package gateway

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

const listPolicy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: list }
rules:
  - { name: read, when: 'mcp.tool.name == "read_file" && args.path.startsWith("/srv")', effect: allow }
  - { name: prompts, when: 'mcp.prompt.name != "secret"', effect: allow }
  - { name: docs, when: 'mcp.resource.uri.startsWith("doc://")', effect: allow }
  - { name: never, when: 'mcp.tool.name == "write_file"', effect: allow }
  - { name: not-write, when: 'mcp.tool.name == "write_file"', effect: deny }
`

func TestListsShowWhatCouldBeUsed(t *testing.T) {
	for method, c := range map[string]struct{ result, want string }{
		"tools/list": {
			`{"tools":[{"name":"write_file"},{"name":"read_file","inputSchema":{"$schema":"x"}},{"name":"rm"},{"nameless":1},7],"nextCursor":"","_meta":{"n":1.0}}`,
			`{"tools":[{"name":"read_file","inputSchema":{"$schema":"x"}}],"nextCursor":"","_meta":{"n":1.0}}`,
		},
		"prompts/list": {
			`{"prompts":[{"name":"a"},{"name":"secret"}],"cacheScope":"public","ttlMs":5}`,
			`{"prompts":[{"name":"a"}],"cacheScope":"private","ttlMs":5}`,
		},
		"resources/list":           {`{"resources":[{"uri":"file:///etc"},{"uri":"doc://a"}]}`, `{"resources":[{"uri":"doc://a"}]}`},
		"resources/templates/list": {`{"resourceTemplates":[{"uriTemplate":"doc://{x}"}]}`, `{"resourceTemplates":[{"uriTemplate":"doc://{x}"}]}`},
	} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t, listPolicy)
			w.server.answer = says(200, `{"jsonrpc":"2.0","id":$ID,"result":`+c.result+`}`)
			r := w.raw(post(`{"jsonrpc":"2.0","id":1,"method":"` + method + `"}`))
			if want := `{"jsonrpc":"2.0","id":1,"result":` + c.want + `}`; r.body != want {
				t.Errorf("client got  %s\nwant        %s", r.body, want)
			}
		})
	}
}

// What isn't listed can't be called, and is answered as what is not there.
func TestHiddenIsUnknown(t *testing.T) {
	w := newWorld(t, listPolicy)
	var answers []string
	for _, tool := range []string{"write_file", "rm"} {
		r := w.raw(post(call(tool, `{"path":"/srv/a"}`)))
		r.header.Del("Content-Length")
		r.header.Del("Date")
		answers = append(answers, strings.ReplaceAll(fmt.Sprint(r.status, r.header, r.body), tool, "TOOL"))
	}
	if answers[0] != answers[1] {
		t.Errorf("a hidden tool and an unknown one can be told apart:\n%s\n%s", answers[0], answers[1])
	}
	if sent := w.server.received(); len(sent) != 0 {
		t.Errorf("the server has seen %q", sent)
	}
}

func TestInputRequestsArePoliced(t *testing.T) {
	result := `{"resultType":"input_required","inputRequests":{"k":{"method":"sampling/createMessage","params":{}}},"requestState":"s"}`
	for policy, want := range map[string]string{testPolicy: `"code":40301`, allowAll: `"requestState":"s"`} {
		w := newWorld(t, policy)
		w.server.answer = says(200, `{"jsonrpc":"2.0","id":$ID,"result":`+result+`}`)
		if r := w.raw(modern("tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`)); !strings.Contains(r.body, want) {
			t.Errorf("client got %s, want %s", r.body, want)
		}
	}
}

// A session opens for the principal that it was given to, and for nobody else.
func TestSessionsAreBoundToTheirPrincipal(t *testing.T) {
	keys := []identity.APIKey{{ID: "alice", Hash: sum("alice-key")}, {ID: "bob", Hash: sum("bob-key")}}
	who, err := identity.New(identity.Options{Keys: keys, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, allowAll, func(_ *Options, s *Snapshot) { s.Identity = who })
	w.server.answer = func(c *upstream.Call) error {
		c.ReplySession = "upstream-1"
		return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"session":"`+c.Session+`"}}`)(c)
	}
	initialize := post(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`, "Authorization: Bearer alice-key")
	id := w.raw(initialize).header.Get("Mcp-Session-Id")
	if id == "" || strings.Contains(id, "upstream") {
		t.Fatalf("session id %q", id)
	}
	ping := `{"jsonrpc":"2.0","id":2,"method":"ping"}`
	if r := w.raw(post(ping, "Authorization: Bearer alice-key", "Mcp-Session-Id: "+id)); !strings.Contains(r.body, `"session":"upstream-1"`) {
		t.Errorf("alice got %+v", r)
	}
	if r := w.raw(post(ping, "Authorization: Bearer bob-key", "Mcp-Session-Id: "+id)); r.status != 404 {
		t.Errorf("bob got %+v", r)
	}
}

// What a connection remembers of a session is no way around what binds it.
func TestSessionsAreBoundOnOneConnection(t *testing.T) {
	keys := []identity.APIKey{{ID: "alice", Hash: sum("alice-key")}, {ID: "bob", Hash: sum("bob-key")}}
	who, err := identity.New(identity.Options{Keys: keys, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, allowAll, func(_ *Options, s *Snapshot) {
		s.Identity, s.Routes = who, route.New("files", "mail")
		s.Servers["mail"] = s.Servers["files"]
	})
	w.server.answer = func(c *upstream.Call) error {
		c.ReplySession = "upstream-1"
		return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"session":"`+c.Session+`"}}`)(c)
	}
	initialize := post(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`, "Authorization: Bearer alice-key")
	id := w.raw(initialize).header.Get("Mcp-Session-Id")
	c, err := w.listener.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const ping = `{"jsonrpc":"2.0","id":2,"method":"ping"}`
	for _, step := range []struct {
		name, target, key, id string
		status                int
	}{
		{"its owner", "/mcp/files", "alice-key", id, 200},
		{"its owner again", "/mcp/files", "alice-key", id, 200},
		{"another principal", "/mcp/files", "bob-key", id, 404},
		{"its owner on another server", "/mcp/mail", "alice-key", id, 404},
		{"a part of the id", "/mcp/files", "alice-key", id[:len(id)-1], 404},
		{"its owner once more", "/mcp/files", "alice-key", id, 200},
	} {
		r := w.on(c, postTo(step.target, ping, "Authorization: Bearer "+step.key, "Mcp-Session-Id: "+step.id))
		if r.status != step.status || step.status == 200 && !strings.Contains(r.body, `"session":"upstream-1"`) {
			t.Errorf("%s got %+v, want %d", step.name, r, step.status)
		}
	}
	sessions := map[audit.SessionHash]int{}
	for _, r := range w.recorded(11) { // initialize and three pings with their outcomes, three refusals
		if r.Kind == audit.Decision && r.Method == "ping" {
			sessions[r.Session]++
		}
	}
	if len(sessions) != 1 || sessions[audit.SessionHash{}] > 0 {
		t.Errorf("pings of one session were recorded under %v", sessions)
	}
}

func TestBatchIsPolicedByElement(t *testing.T) {
	w := newWorld(t, testPolicy)
	w.server.answer = func(c *upstream.Call) error {
		if c.Kind == upstream.Notification {
			c.Status, c.Reply = 202, upstream.Empty
			return nil
		}
		return says(200, okResult)(c)
	}
	batch := `[` + strings.Replace(readAllowed, `"id":7`, `"id":1`, 1) + `,{"jsonrpc":"2.0","method":"notifications/initialized"},` +
		strings.Replace(call("rm", `{}`), `"id":7`, `"id":2`, 1) + `,{"jsonrpc":"2.0","id":3,"method":"ping"}]`
	r := w.raw(post(batch))
	want := `[{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}},` +
		`{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown tool: rm"}},` +
		`{"jsonrpc":"2.0","id":3,"result":{"content":[{"type":"text","text":"done"}]}}]`
	if r.status != 200 || r.body != want {
		t.Errorf("client got %d %s", r.status, r.body)
	}
	if got := w.server.received(); len(got) != 3 {
		t.Errorf("the server has seen %d messages, want 3: %q", len(got), got)
	}
	if n := len(w.recorded(7)); n != 7 {
		t.Errorf("%d records, want 7: three decisions with outcomes and a refusal", n)
	}
	if r := w.raw(post(batch, "MCP-Protocol-Version: 2025-06-18")); r.status != 400 {
		t.Errorf("a batch in a revision without batches got %+v", r)
	}
	if r := w.raw(post(`[{"jsonrpc":"2.0","method":"notifications/initialized"}]`)); r.status != 202 || r.body != "" {
		t.Errorf("a batch of notifications got %+v", r)
	}
}

// An exchange is used again and again: nothing of one request shows in the record of another, whoever's it was.
func TestNothingIsLeftOfAnEarlierRequest(t *testing.T) {
	w := newWorld(t, testPolicy)
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	secret := post(call("read_file", `{"path":"/srv/secret-plan"}`), "Traceparent: "+trace, "X-Api-Key: nope", "User-Agent: somebody")
	for range 5 {
		w.raw(secret)
		w.raw("\x16\x03\x01 garbage\r\n\r\n")
	}
	for _, r := range w.recorded(10) {
		if r.Reason == "malformed_http" && (r.TraceID != "" || r.Method != "" || r.HTTPMethod != "" || r.Tool != "" || len(r.Inputs) > 0 || r.RequestID != nil) {
			t.Errorf("a request that was not read has a record of %+v", r)
		}
	}
}

// The messages of a batch share its head; when they are done, its memory must not be in two hands.
func TestBatchesInParallel(t *testing.T) {
	w := newWorld(t, allowAll)
	batch := post(`[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]`, "X-A: 1", "X-B: 2")
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 20 {
				if r := w.raw(batch); r.status != 200 {
					t.Errorf("got %+v", r)
				}
				if r := w.raw(post(readAllowed, "X-C: 3")); r.status != 200 {
					t.Errorf("got %+v", r)
				}
			}
		})
	}
	clients.Wait()
}

// A panic on the way of a batch is a refusal with a record, like any other.
func TestPanicInABatchIsRecorded(t *testing.T) {
	w := newWorld(t, allowAll)
	w.server.answer = func(*upstream.Call) error { panic("boom") }
	r := w.raw(post(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`))
	if r.status != 500 || !r.closed {
		t.Errorf("got %+v", r)
	}
	records := w.recorded(3)
	if last := records[len(records)-1]; len(records) != 3 || last.Reason != "internal_error" {
		t.Errorf("records: %+v", records)
	}
	w.server.answer = says(200, okResult)
	if r := w.raw(post(readAllowed)); r.status != 200 {
		t.Errorf("after it: %+v", r)
	}
}
