package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// earlier frames a request of a client of before 2026-07-28.
func earlier(path, version, method, params string, headers ...string) string {
	if params != "" {
		params = `,"params":{` + params + `}`
	}
	if version != "" {
		headers = append(headers, "MCP-Protocol-Version: "+version)
	}
	return postTo(path, `{"jsonrpc":"2.0","id":1,"method":"`+method+`"`+params+`}`, headers...)
}

const discovered = `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"logging":{},` +
	`"resources":{"subscribe":true},"extensions":{"io.modelcontextprotocol/ui":{}}},"ttlMs":5,"cacheScope":"public"}`

// versions are what earlier clients say that they speak; "" is a client that says nothing, and so speaks 2025-03-26.
var versions = []string{"2025-11-25", "2025-06-18", "2025-03-26", ""}

// The handshake is answered with what all servers say of themselves, less what can't be carried to such a client.
func TestEarlierInitialize(t *testing.T) {
	for asked, spoken := range map[string]string{
		"2025-11-25": "2025-11-25", "2025-06-18": "2025-06-18", "2025-03-26": "2025-03-26", "2024-11-05": "2024-11-05", "1999-01-01": "2025-11-25",
	} {
		mail := &script{answer: answers(map[string]string{"server/discover": discovered})}
		w := newWorld(t, viewPolicy, twoServers(t, mail))
		w.server.answer = mail.answer
		r := w.raw(earlier("/mcp/support", "", "initialize", `"protocolVersion":"`+asked+`","capabilities":{"sampling":{},"tasks":{},"extensions":{"vendor/x":{}}},"clientInfo":{"name":"c","version":"1"}`))
		want := `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"` + spoken + `","capabilities":{"tools":{"listChanged":true},"logging":{},"extensions":{"io.modelcontextprotocol/ui":{}}},` +
			`"serverInfo":{"name":"support","version":"1.2.3"},"instructions":"Be kind."}}`
		if r.status != 200 || r.body != want || r.header.Get("Mcp-Session-Id") == "" {
			t.Errorf("client got %d %v %s\nwant %s", r.status, r.header, r.body, want)
		}
		sent := `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{},"extensions":{}},` +
			`"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}}}`
		if got := w.server.received(); len(got) != 1 || got[0] != sent {
			t.Errorf("files got %q", got)
		}
		decisions, outcomes := bothKinds(w.recorded(4))
		if len(decisions) != 2 || len(outcomes) != 2 {
			t.Fatalf("%d decisions, %d outcomes", len(decisions), len(outcomes))
		}
		for id, d := range decisions {
			if d.Method != "server/discover" || d.ProtocolVersion != spoken || d.Server == "" || d.Session.IsZero() || outcomes[id].Status != 200 {
				t.Errorf("records %+v %+v", d, outcomes[id])
			}
		}
	}
}

// A call is the same at the server, whatever the revision of the client; its answer has nothing that its client doesn't know.
func TestEarlierCallIsTheServersOwn(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: says(200, okResult)}))
	headers := map[string]string{}
	w.server.answer = func(c *upstream.Call) error {
		for _, h := range c.Header {
			headers[h.Name] = h.Value
		}
		if !c.Modern {
			t.Error("the server is asked as one of before 2026-07-28")
		}
		return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","content":[{"type":"resource_link","uri":"file:///docs/a","name":"a"}]}}`)(c)
	}
	for i, version := range versions {
		clear(headers)
		r := w.raw(earlier("/mcp", version, "tools/call", readParams+`,"requestState":"x","inputResponses":{},"_meta":{"progressToken":7,"io.modelcontextprotocol/logLevel":"debug","mine":1}`, "Mcp-Param-Region: x", "Mcp-Name: other"))
		if want := `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"resource_link","uri":"files+file:///docs/a","name":"a"}]}}`; r.status != 200 || r.body != want {
			t.Errorf("client got %d %s\nwant %s", r.status, r.body, want)
		}
		want := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/srv/a"},"_meta":{"progressToken":7,"mine":1,` +
			`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
		if got := w.server.received()[i]; got != want {
			t.Errorf("files got %s\nwant %s", got, want)
		}
		if headers["Mcp-Method"] != "tools/call" || headers["Mcp-Name"] != "read_file" || headers["Mcp-Protocol-Version"] != "2026-07-28" || headers["Mcp-Param-Region"] != "" {
			t.Errorf("files got %v", headers)
		}
		if version == "" {
			version = "2025-03-26"
		}
		records := w.recorded(2 * (i + 1))[2*i:]
		d, o := records[0], records[1]
		if d.Kind != audit.Decision || d.Server != "files" || d.Tool != "read_file" || d.Rule != "read" || d.ProtocolVersion != version || o.Kind != audit.Outcome || o.Status != 200 {
			t.Errorf("records %+v %+v", d, o)
		}
	}
}

func TestEarlierLists(t *testing.T) {
	mail := &script{answer: answers(map[string]string{"tools/list": tools("send", "purge")})}
	w := newWorld(t, viewPolicy, twoServers(t, mail))
	w.server.answer = answers(map[string]string{"tools/list": tools("write_file", "read_file")})
	for _, version := range versions {
		r := w.raw(earlier("/mcp", version, "tools/list", ""))
		want := `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"files__read_file","inputSchema":{"type":"object"}},{"name":"mail__send","inputSchema":{"type":"object"}}]}}`
		if r.status != 200 || r.body != want {
			t.Errorf("client got %d %s\nwant %s", r.status, r.body, want)
		}
	}
	if got := len(w.recorded(16)); got != 16 {
		t.Errorf("%d records", got)
	}
}

// What is read has no hints for caches, also if rules judge the answer.
func TestEarlierRead(t *testing.T) {
	for name, policy := range map[string]string{"": viewPolicy, "with rules for answers": viewPolicy + "  - { name: out, phase: response, when: 'false', effect: deny }\n"} {
		w := newWorld(t, policy, twoServers(t, &script{answer: says(200, okResult)}))
		w.server.answer = answers(map[string]string{"resources/read": `{"resultType":"complete","contents":[{"uri":"file:///docs/a","text":"x"}],"ttlMs":9,"cacheScope":"public"}`})
		r := w.raw(earlier("/mcp", "2025-06-18", "resources/read", `"uri":"files+file:///docs/a"`))
		if want := `{"jsonrpc":"2.0","id":1,"result":{"contents":[{"uri":"files+file:///docs/a","text":"x"}]}}`; r.status != 200 || r.body != want {
			t.Errorf("%s: client got %d %s\nwant %s", name, r.status, r.body, want)
		}
	}
}

// A stream is a stream, without the ids of events that nobody could fetch again; a question on it is answered in the client's place.
func TestEarlierStream(t *testing.T) {
	_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		if !strings.Contains(body, "tools/call") {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":7,\"progress\":1}}\n\n"+
			"data: {\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"roots/list\"}\n\n"+
			"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":\"complete\",\"content\":[]}}\n\n")
	})
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: says(200, okResult)}, served))
	r := w.raw(earlier("/mcp", "2025-11-25", "tools/call", readParams))
	if r.status != 200 || strings.Contains(r.body, "id: 1") || strings.Contains(r.body, "roots/list") || !strings.Contains(r.body, `"progressToken":7`) ||
		!strings.Contains(r.body, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`) {
		t.Errorf("client got %d %s", r.status, r.body)
	}
	var refused int
	for _, got := range w.recorded(3) {
		if got.Kind == audit.Refusal && got.Method == "roots/list" && got.Reason == "input_required" {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d records of the question", refused)
	}
}

// A batch of 2025-03-26 is its messages, each with records of its own.
func TestEarlierBatch(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: answers(map[string]string{"tools/list": tools("send")})}))
	w.server.answer = answers(map[string]string{"tools/list": tools("read_file"), "tools/call": `{"resultType":"complete","content":[]}`})
	r := w.raw(postTo("/mcp", `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":2,"method":"tools/list"},`+
		`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{`+readParams+`}},{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"nope__x"}}]`))
	want := `[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"files__read_file","inputSchema":{"type":"object"}},{"name":"mail__send","inputSchema":{"type":"object"}}]}},` +
		`{"jsonrpc":"2.0","id":3,"result":{"content":[]}},{"jsonrpc":"2.0","id":4,"error":{"code":-32602,"message":"Unknown tool: nope__x"}}]`
	if r.status != 200 || r.body != want {
		t.Errorf("client got %d %s\nwant %s", r.status, r.body, want)
	}
	if got := w.recorded(11); len(got) != 11 {
		t.Errorf("%d records", len(got))
	}
}

// Every way out has a status and a record. An error is no HTTP error: 404 would say that a session is gone.
func TestEarlierExits(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		answer  string // of the server; "" is not to be asked
		status  int
		body    string
		record  audit.Record // the last one
	}{
		"a ping": {earlier("/mcp", "2025-11-25", "ping", ""), "", 200, `{"jsonrpc":"2.0","id":1,"result":{}}`, audit.Record{Kind: audit.Outcome, Status: 200}},
		"the end of the handshake": {
			postTo("/mcp", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "MCP-Protocol-Version: 2025-06-18"), "", 202, "",
			audit.Record{Kind: audit.Outcome, Status: 202},
		},
		"another notification": {
			postTo("/mcp", `{"jsonrpc":"2.0","method":"notifications/x"}`), "", 400, "names no server", audit.Record{Kind: audit.Refusal, Reason: "no_target", Status: 400},
		},
		"a response": {
			postTo("/mcp", `{"jsonrpc":"2.0","id":1,"result":{}}`), "", 400, "nobody waits", audit.Record{Kind: audit.Refusal, Reason: "response_not_expected", Status: 400},
		},
		"a session": {
			earlier("/mcp", "2025-11-25", "tools/list", "", "Mcp-Session-Id: abc"), "", 404, `"code":40401`, audit.Record{Kind: audit.Refusal, Reason: "no_session", Status: 404},
		},
		"a version that is not served": {
			earlier("/mcp", "2025-01-01", "tools/list", ""), "", 400, "unsupported", audit.Record{Kind: audit.Refusal, Reason: "unsupported_version", Status: 400},
		},
		"a batch of a revision that has none": {
			postTo("/mcp", `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, "MCP-Protocol-Version: 2025-11-25"), "", 400, "no batches",
			audit.Record{Kind: audit.Refusal, Reason: "batch_not_allowed", Status: 400},
		},
		"a method that is not promised": {
			earlier("/mcp", "2025-11-25", "resources/subscribe", `"uri":"files+file:///docs/a"`), "", 200, `"code":-32601`,
			audit.Record{Kind: audit.Refusal, Resource: "files+file:///docs/a", Reason: "unknown_method", Status: 200},
		},
		"a method of 2026-07-28": {
			earlier("/mcp", "2025-11-25", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`), "", 200, `"code":-32601`,
			audit.Record{Kind: audit.Refusal, Reason: "unknown_method", Status: 200},
		},
		"an unknown server": {
			earlier("/mcp", "2025-11-25", "tools/call", `"name":"nope__x"`), "", 200, `"Unknown tool: nope__x"`,
			audit.Record{Kind: audit.Refusal, Tool: "nope__x", Reason: "unknown_name", Status: 200},
		},
		"a tool that policy hides": {
			earlier("/mcp", "2025-11-25", "tools/call", `"name":"files__rm"`), "", 200, `"Unknown tool: files__rm"`,
			audit.Record{Kind: audit.Refusal, Server: "files", Tool: "rm", Reason: "no_rule_matched", Status: 200},
		},
		"a resource that policy hides": {
			earlier("/mcp", "2025-11-25", "resources/read", `"uri":"files+file:///etc"`), "", 200, `"code":-32002`,
			audit.Record{Kind: audit.Refusal, Server: "files", Resource: "file:///etc", Reason: "no_rule_matched", Status: 200},
		},
		"a call that policy denies": {
			earlier("/mcp", "2025-11-25", "tools/call", `"name":"files__read_file","arguments":{"path":"/etc"}`), "", 200, `"code":40301`,
			audit.Record{Kind: audit.Refusal, Server: "files", Tool: "read_file", Reason: "no_rule_matched", Status: 200},
		},
		"a call without a name": {
			earlier("/mcp", "2025-11-25", "tools/call", ""), "", 200, `"code":-32602`, audit.Record{Kind: audit.Refusal, Reason: "invalid_params", Status: 200},
		},
		"a forged cursor": {
			earlier("/mcp", "2025-11-25", "tools/list", `"cursor":"AAAA"`), "", 200, `"code":-32602`, audit.Record{Kind: audit.Refusal, Reason: "invalid_cursor", Status: 200},
		},
		"an error of the server": {
			earlier("/mcp", "2025-11-25", "tools/call", readParams), `"error":{"code":-32601,"message":"no"}`, 200, `"error":{"code":-32601,"message":"no"}`,
			audit.Record{Kind: audit.Outcome, Status: 200},
		},
		"a server that asks": {
			earlier("/mcp", "2025-11-25", "tools/call", readParams), `"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}`, 200,
			`"code":-32603,"message":"Internal error: the server asks for input`,
			audit.Record{Kind: audit.Outcome, Reason: "input_required", Status: 200},
		},
		"a server that puts off": {
			earlier("/mcp", "2025-11-25", "tools/call", readParams), `"result":{"resultType":"input_required","requestState":"x"}`, 200,
			`"code":-32603`,
			audit.Record{Kind: audit.Outcome, Reason: "input_required", Status: 200},
		},
		"a result of another kind": {
			earlier("/mcp", "2025-11-25", "tools/call", readParams), `"result":{"resultType":"task","task":{}}`, 502, `"code":50201`,
			audit.Record{Kind: audit.Outcome, Reason: "upstream_protocol", Status: 502},
		},
		"a stream for news": {
			"GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n\r\n", "", 405, "", audit.Record{Kind: audit.Refusal, Reason: "method_not_allowed", Status: 405},
		},
		"the end of a session": {
			"DELETE /mcp HTTP/1.1\r\nHost: gw.test\r\n\r\n", "", 405, "", audit.Record{Kind: audit.Refusal, Reason: "method_not_allowed", Status: 405},
		},
	} {
		t.Run(name, func(t *testing.T) {
			mail := &script{answer: says(200, okResult)}
			w := newWorld(t, viewPolicy, twoServers(t, mail))
			status, asked := 200, 1
			if strings.Contains(c.answer, `"error"`) {
				status = 404
			}
			w.server.answer = says(status, `{"jsonrpc":"2.0","id":$ID,`+c.answer+`}`)
			r := w.raw(c.request)
			if r.status != c.status || !strings.Contains(r.body, c.body) {
				t.Errorf("client got %d %s, want %d with %s", r.status, r.body, c.status, c.body)
			}
			n := 1
			if c.record.Kind == audit.Outcome {
				n = 2
			}
			records := w.recorded(n)
			got := records[len(records)-1]
			if len(records) != n || got.Kind != c.record.Kind || got.Server != c.record.Server || got.Tool != c.record.Tool || got.Resource != c.record.Resource ||
				got.Reason != c.record.Reason || got.Status != c.record.Status {
				t.Errorf("record %+v\nwant   %+v", got, c.record)
			}
			if c.answer == "" {
				asked = 0
			}
			if n := len(w.server.received()) + len(mail.received()); n != asked {
				t.Errorf("%d messages have reached a server, want %d", n, asked)
			}
		})
	}
}

// What a plugin makes of a call is still the call of an earlier client.
func TestEarlierPluginChangesACall(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: says(200, okResult)}, plugged(t, pluginIn)))
	w.server.answer = answers(map[string]string{"tools/call": `{"resultType":"complete","content":[]}`})
	r := w.raw(earlier("/mcp", "2025-11-25", "tools/call", `"name":"files__read_file","arguments":{"object":{}},"_meta":{"tck":`+tckMutate+`}`))
	if want := `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`; r.status != 200 || r.body != want {
		t.Errorf("client got %d %s\nwant %s", r.status, r.body, want)
	}
	if got := w.server.received(); len(got) != 1 || !strings.Contains(got[0], `"name":"read_file","arguments":{"object":{"a":1}}`) {
		t.Errorf("files got %q", got)
	}
	if got := w.recorded(2); got[0].ProtocolVersion != "2025-11-25" || got[1].Status != 200 {
		t.Errorf("records %+v", got)
	}
}

// Nor does it matter that the headers of one of today name what only several servers as one know.
func TestViewPluginChangesACall(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: says(200, okResult)}, plugged(t, pluginIn)))
	w.server.answer = answers(map[string]string{"tools/call": `{"resultType":"complete","content":[]}`})
	r := w.raw(postTo("/mcp", `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"files__read_file","arguments":{"object":{}},"_meta":{"tck":`+tckMutate+
		`,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		"MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: files__read_file"))
	if r.status != 200 || !strings.Contains(r.body, `"content":[]`) {
		t.Errorf("client got %d %s", r.status, r.body)
	}
	if got := w.server.received(); len(got) != 1 || !strings.Contains(got[0], `"name":"read_file","arguments":{"object":{"a":1}}`) {
		t.Errorf("files got %q", got)
	}
	if got := w.recorded(2); got[0].Tool != "read_file" || got[0].Reason != "" || got[1].Status != 200 {
		t.Errorf("records %+v", got)
	}
}

// A header that mirrors an argument is written for clients that know of none.
func TestEarlierMirrorsArguments(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{answer: answers(nil)}))
	var region string
	w.server.answer = func(c *upstream.Call) error {
		for _, h := range c.Header {
			if h.Name == "Mcp-Param-Region" {
				region = h.Value
			}
		}
		return answers(map[string]string{
			"tools/list": `{"tools":[{"name":"read_file","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}],"ttlMs":0}`,
			"tools/call": `{"resultType":"complete","content":[]}`,
		})(c)
	}
	w.raw(earlier("/mcp", "2025-11-25", "tools/list", ""))
	r := w.raw(earlier("/mcp", "2025-11-25", "tools/call", `"name":"files__read_file","arguments":{"path":"/srv/a","region":"eu"}`))
	if r.status != 200 || !strings.Contains(r.body, `"content":[]`) || region != "eu" {
		t.Errorf("client got %d %s, the server %q", r.status, r.body, region)
	}
}
