package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

const viewPolicy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: files }
match: { servers: [files] }
rules:
  - { name: read, when: 'mcp.tool.name == "read_file" && args.path.startsWith("/srv/") && params.name == "read_file"', effect: allow }
  - { name: prompts, when: 'mcp.prompt.name == "hello"', effect: allow }
  - { name: docs, when: 'mcp.resource.uri.startsWith("file:///docs/")', effect: allow }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: mail }
match: { servers: [mail] }
rules:
  - { name: all, effect: allow }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: purge }
match: { servers: [mail], tools: [purge] }
rules:
  - { name: never, effect: deny, reason: never }
`

// twoServers puts mail beside files, and both at /mcp.
func twoServers(t *testing.T, mail *script, more ...option) option {
	t.Helper()
	return func(o *Options, s *Snapshot) {
		s.Routes = route.New("files", "mail").WithVirtual("support")
		s.Servers["mail"] = mail
		s.Views = map[string]*federation.View{"": view(t, federation.Options{Servers: map[string]federation.Selection{"files": {All: true}, "mail": {All: true}}})}
		s.Views["support"] = view(t, federation.Options{
			Name: "support", Instructions: "Be kind.", Servers: map[string]federation.Selection{"files": {}, "mail": {}},
			Tools: []federation.Tool{{Name: "open", Server: "files", Tool: "read_file", Description: "Opens it."}},
		})
		s.Federation.Version = "1.2.3"
		for _, f := range more {
			f(o, s)
		}
	}
}

func view(t testing.TB, o federation.Options) *federation.View {
	t.Helper()
	v, err := federation.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// modernAt frames a modern message for a path.
func modernAt(path, method, name, params string, headers ...string) string {
	return strings.Replace(modern(method, name, params, headers...), "POST /mcp/files ", "POST "+path+" ", 1)
}

// answers answers by method, and fails for others.
func answers(byMethod map[string]string) func(*upstream.Call) error {
	return func(c *upstream.Call) error {
		if result := byMethod[c.Method]; result != "" {
			return says(200, `{"jsonrpc":"2.0","id":$ID,"result":`+result+`}`)(c)
		}
		return says(404, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32601,"message":"Method not found"}}`)(c)
	}
}

func tools(names ...string) string {
	var items []string
	for _, n := range names {
		items = append(items, `{"name":"`+n+`","inputSchema":{"type":"object"}}`)
	}
	return `{"resultType":"complete","tools":[` + strings.Join(items, ",") + `],"ttlMs":0,"cacheScope":"public"}`
}

// names gives what a list's answer lists, by the member that names its entries.
func (r reply) names(t testing.TB, list, member string) (out []string) {
	t.Helper()
	var m struct{ Result map[string]json.RawMessage }
	var items []map[string]any
	if json.Unmarshal([]byte(r.body), &m) != nil || json.Unmarshal(m.Result[list], &items) != nil {
		t.Fatalf("no %s in %d %s", list, r.status, r.body)
	}
	for _, i := range items {
		out = append(out, fmt.Sprint(i[member]))
	}
	return out
}

const readParams = `"name":"files__read_file","arguments":{"path":"/srv/a"}`

// A call is judged, recorded and sent as the same call to the one server.
func TestViewCallIsTheServersOwn(t *testing.T) {
	mail := &script{answer: says(200, okResult)}
	w := newWorld(t, viewPolicy, twoServers(t, mail))
	w.server.answer = func(c *upstream.Call) error {
		for _, h := range c.Header {
			if h.Name == "Mcp-Name" && h.Value != "read_file" {
				t.Errorf("the server got Mcp-Name: %s", h.Value)
			}
		}
		return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","content":[{"type":"resource_link","uri":"file:///docs/a","name":"a"}]}}`)(c)
	}
	r := w.raw(modernAt("/mcp", "tools/call", "files__read_file", readParams))
	if want := `{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","content":[{"type":"resource_link","uri":"files+file:///docs/a","name":"a"}]}}`; r.status != 200 || r.body != want {
		t.Errorf("client got %d %s\nwant %s", r.status, r.body, want)
	}
	w.raw(modernAt("/mcp/files", "tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`))
	w.raw(modernAt("/mcp/support", "tools/call", "open", `"name":"open","arguments":{"path":"/srv/a"}`))
	sent := w.server.received()
	if len(sent) != 3 || sent[0] != sent[1] || sent[0] != sent[2] || len(mail.received()) != 0 {
		t.Errorf("files got %q, mail %q", sent, mail.received())
	}
	records := w.recorded(6)
	for i := 0; i < 6; i += 2 {
		d, o := records[i], records[i+1]
		if d.Kind != audit.Decision || d.Server != "files" || d.Tool != "read_file" || d.Policy != "files" || d.Rule != "read" || o.Kind != audit.Outcome || o.Status != 200 {
			t.Errorf("records %d: %+v %+v", i, d, o)
		}
	}
}

// Every way out of the new paths has a status and a record.
func TestViewExits(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		status  int
		body    string
		record  audit.Record
	}{
		"an unknown server": {
			modernAt("/mcp", "tools/call", "nope__x", `"name":"nope__x"`), 400, `"Unknown tool: nope__x"`,
			audit.Record{Kind: audit.Refusal, Tool: "nope__x", Reason: "unknown_name"},
		},
		"a tool that policy hides": {
			modernAt("/mcp", "tools/call", "files__rm", `"name":"files__rm"`), 400, `"Unknown tool: files__rm"`,
			audit.Record{Kind: audit.Refusal, Server: "files", Tool: "rm", Reason: "no_rule_matched"},
		},
		"a call that policy denies": {
			modernAt("/mcp", "tools/call", "files__read_file", `"name":"files__read_file","arguments":{"path":"/etc"}`), 200, `"code":40301`,
			audit.Record{Kind: audit.Refusal, Server: "files", Tool: "read_file", Reason: "no_rule_matched"},
		},
		"a tool that is not selected": {
			modernAt("/mcp/support", "tools/call", "mail__send", `"name":"mail__send"`), 400, `"Unknown tool: mail__send"`,
			audit.Record{Kind: audit.Refusal, Tool: "mail__send", Reason: "unknown_name"},
		},
		"a resource of nobody": {
			modernAt("/mcp", "resources/read", "file:///docs/a", `"uri":"file:///docs/a"`), 400, `"Resource not found","data":{"uri":"file:///docs/a"}`,
			audit.Record{Kind: audit.Refusal, Resource: "file:///docs/a", Reason: "unknown_name"},
		},
		"a header for the server's own name": {
			modernAt("/mcp", "tools/call", "read_file", readParams), 400, `"code":-32020`,
			audit.Record{Kind: audit.Refusal, Tool: "files__read_file", Reason: "header_mismatch"},
		},
		"a method that is not carried": {
			modernAt("/mcp", "skills/list", "", ""), 404, `"code":-32601`,
			audit.Record{Kind: audit.Refusal, Reason: "unknown_method"},
		},
		"a list of tasks, which the revision has not": {
			modernAt("/mcp", "tasks/list", "", ""), 404, `"code":-32601`,
			audit.Record{Kind: audit.Refusal, Reason: "unknown_method"},
		},
		"a task of nobody": {
			modernAt("/mcp", "tasks/get", "files__1", `"taskId":"files__1"`), 400, `"code":-32602,"message":"Unknown task: files__1"`,
			audit.Record{Kind: audit.Refusal, Reason: "unknown_name"},
		},
		"a task without a session": {
			earlier("/mcp", "2025-11-25", "tasks/get", `"taskId":"files__1"`), 200, `"code":-32601`,
			audit.Record{Kind: audit.Refusal, Reason: "unknown_method"},
		},
		"a list of tasks without a session": {
			earlier("/mcp", "2025-11-25", "tasks/list", ""), 200, `"code":-32601`,
			audit.Record{Kind: audit.Refusal, Reason: "unknown_method"},
		},
		"a notification": {
			postTo("/mcp", `{"jsonrpc":"2.0","method":"notifications/x"}`, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: notifications/x"), 400, `names no server`,
			audit.Record{Kind: audit.Refusal, Reason: "no_target"},
		},
		"a stream for news": {
			"GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n\r\n", 405, "", audit.Record{Kind: audit.Refusal, Reason: "method_not_allowed"},
		},
		"a virtual server that isn't": {
			modernAt("/mcp/nope", "tools/list", "", ""), 404, "", audit.Record{Kind: audit.Refusal, Reason: "no_route"},
		},
		"a forged cursor": {
			modernAt("/mcp", "tools/list", "", `"cursor":"AAAA"`), 400, `"code":-32602`,
			audit.Record{Kind: audit.Refusal, Reason: "invalid_cursor"},
		},
		"a cursor that is a number": {
			modernAt("/mcp", "tools/list", "", `"cursor":7`), 400, `"code":-32602`,
			audit.Record{Kind: audit.Refusal, Reason: "invalid_cursor"},
		},
		"a list of what nobody is asked for": {
			modernAt("/mcp/support", "prompts/list", "", ""), 200, `"prompts":[],"ttlMs":0,"cacheScope":"private"`,
			audit.Record{Kind: audit.Decision},
		},
	} {
		t.Run(name, func(t *testing.T) {
			mail := &script{answer: says(200, okResult)}
			w := newWorld(t, viewPolicy, twoServers(t, mail))
			r := w.raw(c.request)
			if r.status != c.status || !strings.Contains(r.body, c.body) {
				t.Errorf("client got %d %s, want %d with %s", r.status, r.body, c.status, c.body)
			}
			got := w.recorded(1)[0]
			if got.Kind != c.record.Kind || got.Server != c.record.Server || got.Tool != c.record.Tool || got.Resource != c.record.Resource || got.Reason != c.record.Reason {
				t.Errorf("record %+v\nwant   %+v", got, c.record)
			}
			if n := len(w.server.received()) + len(mail.received()); n != 0 {
				t.Errorf("%d messages have reached a server", n)
			}
		})
	}
}

// What is hidden at /mcp can't be told from what is not there.
func TestViewHidesAsUnknown(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: says(200, okResult)}))
	var got []string
	for _, tool := range []string{"files__rm", "mail__purge", "files_", "x__rm"} {
		r := w.raw(modernAt("/mcp", "tools/call", tool, `"name":"`+tool+`"`))
		r.header.Del("Date")
		r.header.Del("Content-Length")
		got = append(got, strings.ReplaceAll(fmt.Sprint(r.status, r.header, r.body), tool, "TOOL"))
	}
	for _, g := range got[1:] {
		if g != got[0] {
			t.Errorf("told apart:\n%s\n%s", got[0], g)
		}
	}
}

func TestViewListsAreMergedAndFiltered(t *testing.T) {
	mail := &script{answer: answers(map[string]string{
		"tools/list": tools("send", "purge"), "resources/templates/list": `{"resourceTemplates":[{"uriTemplate":"mail://{id}","name":"m"}],"ttlMs":9}`,
	})}
	w := newWorld(t, viewPolicy, twoServers(t, mail))
	w.server.answer = answers(map[string]string{
		"tools/list":               tools("write_file", "read_file"),
		"prompts/list":             `{"prompts":[{"name":"hello"},{"name":"other"}],"ttlMs":9}`,
		"resources/list":           `{"resources":[{"uri":"file:///docs/a","name":"a"},{"uri":"file:///etc","name":"e"}],"ttlMs":9}`,
		"resources/templates/list": `{"resourceTemplates":[{"uriTemplate":"file:///docs/{x}","name":"a"}],"ttlMs":9}`,
	})
	for _, c := range []struct{ path, method, list, member, want string }{
		{"/mcp", "tools/list", "tools", "name", "[files__read_file mail__send]"},
		{"/mcp/support", "tools/list", "tools", "name", "[open]"},
		{"/mcp", "prompts/list", "prompts", "name", "[files__hello]"},
		{"/mcp", "resources/list", "resources", "uri", "[files+file:///docs/a]"},
		{"/mcp", "resources/templates/list", "resourceTemplates", "uriTemplate", "[files+file:///docs/{x} mail+mail://{id}]"},
	} {
		r := w.raw(modernAt(c.path, c.method, "", ""))
		if got := fmt.Sprint(r.names(t, c.list, c.member)); got != c.want || !strings.Contains(r.body, `"cacheScope":"private"`) {
			t.Errorf("%s at %s: %s, want %s in %s", c.method, c.path, got, c.want, r.body)
		}
	}
	seen := map[string]int{}
	decisions, outcomes := bothKinds(w.recorded(18))
	for id, r := range decisions {
		seen[r.Server+" "+r.Method]++
		if outcomes[id].Status != 200 {
			t.Errorf("the outcome of %+v is %+v", r, outcomes[id])
		}
	}
	if seen["files tools/list"] != 2 || seen["mail tools/list"] != 1 || seen["mail resources/list"] != 1 {
		t.Errorf("records: %v", seen)
	}
}

// bothKinds gives decisions and outcomes by decision id.
func bothKinds(records []audit.Record) (decisions, outcomes map[audit.ID]audit.Record) {
	decisions, outcomes = map[audit.ID]audit.Record{}, map[audit.ID]audit.Record{}
	for _, r := range records {
		if r.Kind == audit.Decision {
			decisions[r.DecisionID] = r
		} else {
			outcomes[r.DecisionID] = r
		}
	}
	return decisions, outcomes
}

// A server that fails costs its own entries, and nobody else's.
func TestViewServerThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*upstream.Call) error
		reason string
	}{
		"is down": {func(*upstream.Call) error {
			return &upstream.Error{Code: upstream.Unavailable, Server: "mail", Err: errors.New("refused")}
		}, "upstream_unavailable"},
		"hangs": {func(*upstream.Call) error {
			return &upstream.Error{Code: upstream.Timeout, Server: "mail", Err: errors.New("late")}
		}, "upstream_timeout"},
		"answers another id": {says(200, `{"jsonrpc":"2.0","id":"z","result":{"tools":[]}}`), "upstream_protocol"},
		"lists nothing":      {says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"tools":{}}}`), "upstream_protocol"},
		"says garbage":       {says(200, `{"jsonrpc":`), "upstream_protocol"},
		"says an error":      {says(200, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32603,"message":"x"}}`), "upstream_error"},
		"panics":             {func(*upstream.Call) error { panic("boom") }, "internal_error"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, viewPolicy, twoServers(t, &script{answer: c.answer}, func(_ *Options, s *Snapshot) { s.Federation.Report = true }))
			w.server.answer = answers(map[string]string{"tools/list": tools("read_file")})
			r := w.raw(modernAt("/mcp", "tools/list", "", ""))
			if got := fmt.Sprint(r.names(t, "tools", "name")); r.status != 200 || got != "[files__read_file]" {
				t.Errorf("client got %d %s", r.status, r.body)
			}
			if want := `"_meta":{"dev.sallyport/missing":[{"server":"mail","reason":"` + c.reason + `"}]}`; !strings.Contains(r.body, want) || !strings.Contains(r.body, `"ttlMs":0`) {
				t.Errorf("client got %s, want %s", r.body, want)
			}
			decisions, outcomes := bothKinds(w.recorded(4))
			for id, d := range decisions {
				if o := outcomes[id]; d.Server == "mail" && (o.Reason != c.reason || o.Status < 400) || d.Server == "files" && o.Status != 200 {
					t.Errorf("the outcome of %+v is %+v", d, o)
				}
			}
			w.server.answer = c.answer
			r = w.raw(modernAt("/mcp", "tools/list", "", ""))
			if r.status < 500 || !strings.Contains(r.body, `"error"`) {
				t.Errorf("with nobody there: %d %s", r.status, r.body)
			}
		})
	}
}

func TestViewOmitsHostileEntries(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: answers(map[string]string{"tools/list": `{"tools":[{"name":"a\u202eb","inputSchema":{}},7,{"name":"send","inputSchema":{}}],"ttlMs":5}`})}))
	w.server.answer = answers(map[string]string{"tools/list": tools("read_file")})
	if got := fmt.Sprint(w.raw(modernAt("/mcp", "tools/list", "", "")).names(t, "tools", "name")); got != "[files__read_file mail__send]" {
		t.Error(got)
	}
	decisions, outcomes := bothKinds(w.recorded(4))
	for id, d := range decisions {
		if o := outcomes[id]; d.Server == "mail" && (o.Reason != "entries_omitted" || o.Cause != "2 of 3 entries are left out, the first because of bad_name") {
			t.Errorf("the outcome of %+v is %+v", d, o)
		}
	}
}

// Pages of several servers are pages of one list: each entry comes once, and a cursor is its owner's, for its list.
func TestViewPages(t *testing.T) {
	keys := []identity.APIKey{{ID: "alice", Hash: sum("alice-key")}, {ID: "bob", Hash: sum("bob-key")}}
	who, err := identity.New(identity.Options{Keys: keys, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	page := func(c *upstream.Call) error {
		switch body := string(c.Body); {
		case !strings.Contains(body, `"cursor"`):
			return answers(map[string]string{"tools/list": strings.Replace(tools("read_file", "a"), `"ttlMs"`, `"nextCursor":"","ttlMs"`, 1)})(c)
		case strings.Contains(body, `"cursor":""`):
			return answers(map[string]string{"tools/list": tools("b")})(c)
		}
		return errors.New("not a cursor that was given")
	}
	mail := &script{answer: answers(map[string]string{"tools/list": tools("send")})}
	w := newWorld(t, allowAll, twoServers(t, mail, func(_ *Options, s *Snapshot) { s.Identity = who }))
	w.server.answer = page
	const alice, bob = "Authorization: Bearer alice-key", "Authorization: Bearer bob-key"
	one := w.raw(modernAt("/mcp", "tools/list", "", "", alice))
	var m struct{ Result struct{ NextCursor string } }
	if err := json.Unmarshal([]byte(one.body), &m); err != nil || m.Result.NextCursor == "" {
		t.Fatalf("no cursor in %s", one.body)
	}
	params := `"cursor":"` + m.Result.NextCursor + `"`
	two := w.raw(modernAt("/mcp", "tools/list", "", params, alice))
	if got := fmt.Sprint(one.names(t, "tools", "name"), two.names(t, "tools", "name")); got != "[files__read_file files__a mail__send] [files__b]" || strings.Contains(two.body, "nextCursor") {
		t.Errorf("pages %s", got)
	}
	if n := len(mail.received()); n != 1 {
		t.Errorf("mail was asked %d times", n)
	}
	for name, request := range map[string]string{
		"another caller":         modernAt("/mcp", "tools/list", "", params, bob),
		"another list":           modernAt("/mcp", "prompts/list", "", params, alice),
		"another virtual server": modernAt("/mcp/support", "tools/list", "", params, alice),
	} {
		if r := w.raw(request); r.status != 400 || !strings.Contains(r.body, "-32602") {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
}

func TestViewDiscovery(t *testing.T) {
	mail := &script{answer: answers(map[string]string{"server/discover": `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"tasks":{}},"ttlMs":5,"cacheScope":"public"}`})}
	w := newWorld(t, viewPolicy, twoServers(t, mail))
	w.server.answer = answers(map[string]string{"server/discover": `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"prompts":{}},"ttlMs":9,"cacheScope":"private"}`})
	for path, want := range map[string]string{
		"/mcp":         `"capabilities":{"tools":{"listChanged":true},"prompts":{}},"ttlMs":`,
		"/mcp/support": `"instructions":"Be kind.","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"support","version":"1.2.3"}}`,
	} {
		if r := w.raw(modernAt(path, "server/discover", "", "")); r.status != 200 || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s, want %s", path, r.status, r.body, want)
		}
	}
	w.server.answer = answers(map[string]string{"server/discover": `{"supportedVersions":["2025-11-25"],"capabilities":{}}`})
	mail.answer = w.server.answer
	if r := w.raw(modernAt("/mcp", "server/discover", "", "")); r.status != 200 && r.status != 502 {
		t.Errorf("servers of another era: %d %s", r.status, r.body)
	}
}

// What a server lists for everybody is asked for once; what policy makes of it is each caller's own. List news makes it stale.
func TestViewRemembersPublicLists(t *testing.T) {
	keys := []identity.APIKey{{ID: "alice", Hash: sum("alice-key"), Claims: []byte(`{"groups":["a"]}`)}, {ID: "bob", Hash: sum("bob-key")}}
	who, err := identity.New(identity.Options{Keys: keys, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	policy := `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
rules:
  - { name: a, when: 'mcp.tool.name == "a" && "a" in principal.groups', effect: allow }
  - { name: b, when: 'mcp.tool.name == "b"', effect: allow }
`
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	var asked [2]atomic.Int64
	list := func(n *atomic.Int64, scope string) func(*upstream.Call) error {
		return func(c *upstream.Call) error {
			n.Add(1)
			return answers(map[string]string{"tools/list": strings.NewReplacer(`"ttlMs":0`, `"ttlMs":60000`, "public", scope).Replace(tools("a", "b"))})(c)
		}
	}
	w := newWorld(t, policy, twoServers(t, &script{answer: list(&asked[1], "private")}, func(o *Options, s *Snapshot) {
		s.Identity, o.Now = who, func() time.Time { return time.Unix(0, now.Load()) }
	}))
	w.server.answer = list(&asked[0], "public")
	ask := func(key, want string, files, mail int64) {
		t.Helper()
		r := w.raw(modernAt("/mcp", "tools/list", "", "", "Authorization: Bearer "+key))
		if got := fmt.Sprint(r.names(t, "tools", "name")); got != want || asked[0].Load() != files || asked[1].Load() != mail {
			t.Errorf("%s got %s, want %s; files was asked %d times, mail %d, want %d, %d", key, got, want, asked[0].Load(), asked[1].Load(), files, mail)
		}
	}
	ask("alice-key", "[files__a files__b mail__a mail__b]", 1, 1)
	ask("bob-key", "[files__b mail__b]", 1, 2)
	ask("alice-key", "[files__a files__b mail__a mail__b]", 1, 3)
	now.Add(int64(61 * time.Second))
	ask("bob-key", "[files__b mail__b]", 2, 4)
	x := newExchange(w.Gateway)
	x.serverName = "files"
	if r := x.reply.DecodeServer([]byte(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`), x.scanOptions()); r != nil {
		t.Fatal(r)
	}
	w.listChanged(x)
	ask("bob-key", "[files__b mail__b]", 3, 5)
	if n := len(w.recorded(20)); n != 20 {
		t.Errorf("%d records, want a decision and an outcome for each server and request", n)
	}
}

// What a client has answered to a server's questions names the server's URIs as the server knows them.
func TestViewAnswersNameTheServersOwnURIs(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: says(200, okResult)}))
	w.server.answer = says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","content":[]}}`)
	const answer = `,"inputResponses":{"q":{"role":"assistant","content":{"type":"resource_link","uri":"%sfile:///docs/a"}}}`
	w.raw(modernAt("/mcp", "tools/call", "files__read_file", readParams+fmt.Sprintf(answer, "files+")))
	w.raw(modernAt("/mcp/files", "tools/call", "read_file", strings.Replace(readParams, "files__", "", 1)+fmt.Sprintf(answer, "")))
	if got := w.server.received(); len(got) != 2 || got[0] != got[1] || !strings.Contains(got[0], `"uri":"file:///docs/a"`) {
		t.Errorf("files got %q", got)
	}
}
