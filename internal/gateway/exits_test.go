package gateway

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// exit is one way out of the request path: what is sent, what the client gets, and what the record says.
type exit struct {
	name    string
	request string
	options []option
	answer  func(*upstream.Call) error
	policy  string

	status int
	body   string // contained in the answer
	header string // "Name: value" that the answer has
	closed bool

	kind     audit.Kind // of the last record
	reason   string
	rule     string
	reaches  int // messages that the server saw
	failsLog bool
}

func upstreamError(code upstream.ErrorCode) func(*upstream.Call) error {
	return func(*upstream.Call) error {
		return &upstream.Error{Code: code, Server: "files", Err: errors.New("10.0.0.7: secret cause")}
	}
}

func waits(code upstream.ErrorCode, wait time.Duration) func(*upstream.Call) error {
	return func(*upstream.Call) error {
		return &upstream.Error{Code: code, Server: "files", Err: errors.New("secret cause"), Wait: wait}
	}
}

func replies(status int, r upstream.Reply, body string) func(*upstream.Call) error {
	return func(c *upstream.Call) error {
		c.Status, c.Reply, c.ReplyBody = status, r, []byte(strings.ReplaceAll(body, "$ID", string(c.ID)))
		return nil
	}
}

func denyAnonymous(o *Options, s *Snapshot) {
	s.Identity, _ = identity.New(identity.Options{Now: time.Now})
	s.Issuers = []string{"https://idp.example"}
}

func resultStyle(_ *Options, s *Snapshot) { s.Denials.Result = true }
func noDetail(_ *Options, s *Snapshot)    { s.Denials.Detail = DetailNone }
func noPolicy(_ *Options, s *Snapshot)    { s.Policy = nil }

const responsePolicy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: all }
rules:
  - name: everything
    effect: allow
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: out }
match: { methods: [tools/call] }
rules:
  - name: no-secrets
    phase: response
    when: 'mcp.tool.result.content.exists(c, c.text.contains("SECRET"))'
    effect: deny
    reason: secret_in_result
  - name: sampling
    when: 'args.path == "ask"'
    effect: approve
`

var readAllowed = call("read_file", `{"path":"/srv/a"}`)

var exits = []exit{
	{name: "an allowed call", request: post(readAllowed), status: 200, body: `{"jsonrpc":"2.0","id":7,"result":{"content"`, kind: audit.Outcome, reaches: 1},
	{name: "an allowed modern call", request: modern("tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`), status: 200, body: `"id":"a","result"`, kind: audit.Outcome, reaches: 1},
	{
		name: "a call that a rule denies", request: post(call("read_file", `{"path":"/srv/.env"}`)), status: 200,
		body: `"code":40301,"message":"Denied by policy: /srv/.env is hidden","data":{"decisionId":"`, kind: audit.Refusal, reason: "dotfile", rule: "files/hidden",
	},
	{
		name: "a denial in the style of a result", request: post(call("read_file", `{"path":"/srv/.env"}`)), options: []option{resultStyle}, status: 200,
		body: `"isError":true,"_meta":{"dev.sallyport/decision":`, kind: audit.Refusal, reason: "dotfile", rule: "files/hidden",
	},
	{
		name: "a denial without detail", request: post(call("read_file", `{"path":"/srv/.env"}`)), options: []option{noDetail}, status: 200,
		body: `"message":"Denied by policy: denied_by_policy"`, kind: audit.Refusal, reason: "dotfile", rule: "files/hidden",
	},
	{name: "a call that no rule allows", request: post(call("read_file", `{"path":"/etc/passwd"}`)), status: 200, body: `"code":40301`, kind: audit.Refusal, reason: "no_rule_matched"},
	{name: "a tool that no call of could be allowed", request: post(call("rm", `{}`)), status: 200, body: `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"Unknown tool: rm"}}`, kind: audit.Refusal, reason: "no_rule_matched"},
	{name: "a rule that fails", request: post(call("read_file", `{}`)), status: 200, body: `"code":40301`, kind: audit.Refusal, reason: "evaluation_error", rule: "files/hidden"},
	{name: "a call that needs approval", policy: responsePolicy, request: post(call("read_file", `{"path":"ask"}`)), status: 200, body: `"reason":"approval_required"`, kind: audit.Refusal, reason: "approval_required", rule: "out/sampling"},
	{name: "no policy", options: []option{noPolicy}, request: post(readAllowed), status: 200, body: `Unknown tool`, kind: audit.Refusal, reason: "no_policy"},
	{name: "a result that policy denies", policy: responsePolicy, request: post(call("read_file", `{"path":"x"}`)), answer: says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"SECRET"}]}}`), status: 200, body: `"reason":"secret_in_result"`, kind: audit.Outcome, reason: "secret_in_result", rule: "out/no-secrets", reaches: 1},

	{name: "no credential", options: []option{denyAnonymous}, request: post(readAllowed), status: 401, body: "Unauthorized", header: `WWW-Authenticate: Bearer resource_metadata="http://gw.test/.well-known/oauth-protected-resource/mcp/files"`, kind: audit.Refusal, reason: "no_credential"},
	{name: "a wrong credential where none is needed", request: post(readAllowed, "Authorization: Bearer nope"), status: 401, body: "Unauthorized", kind: audit.Refusal, reason: "bad_credential"},
	{name: "two credentials", request: post(readAllowed, "Authorization: Bearer a", "X-Api-Key: b"), status: 400, body: "Unauthorized", kind: audit.Refusal, reason: "ambiguous_credential"},

	{name: "another host", request: strings.Replace(post(readAllowed), "gw.test", "evil.test", 1), status: 403, body: "Forbidden", closed: true, kind: audit.Refusal, reason: "host_not_allowed"},
	{name: "another origin", request: post(readAllowed, "Origin: https://evil.test"), status: 403, body: "Forbidden", closed: true, kind: audit.Refusal, reason: "origin_not_allowed"},
	{name: "no such path", request: postTo("/other", readAllowed), status: 404, body: "Not found", kind: audit.Refusal, reason: "no_route"},
	{name: "no such server", request: postTo("/mcp/other", readAllowed), status: 404, body: "Not found", kind: audit.Refusal, reason: "no_route"},
	{name: "a path that needs normalising", request: postTo("/mcp//files", readAllowed), status: 404, body: "Not found", kind: audit.Refusal, reason: "no_route"},
	{name: "an HTTP method that MCP has no use for", request: "OPTIONS /mcp HTTP/1.1\r\nHost: gw.test\r\n\r\n", status: 405, header: "Allow: POST, GET, DELETE", kind: audit.Refusal, reason: "method_not_allowed"},
	{name: "an HTTP method that nobody knows", request: "BREW /mcp HTTP/1.1\r\nHost: gw.test\r\n\r\n", status: 501, closed: true, kind: audit.Refusal, reason: "method_unknown"},
	{name: "an Accept that leaves out streams", request: strings.Replace(post(readAllowed), ", text/event-stream", "", 1), status: 406, kind: audit.Refusal, reason: "not_acceptable"},
	{name: "a body that is not JSON by its type", request: strings.Replace(post(readAllowed), "application/json\r\n", "text/plain\r\n", 1), status: 415, closed: true, kind: audit.Refusal, reason: "content_type"},
	{name: "both framings", request: post(readAllowed, "Transfer-Encoding: chunked"), status: 400, closed: true, kind: audit.Refusal, reason: "malformed_http"},
	{name: "both framings, in the order that fasthttp takes", request: strings.Replace(post(""), "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1), status: 400, closed: true, kind: audit.Refusal, reason: "ambiguous_framing"},
	{name: "a folded header", request: post(readAllowed, "X-A: b\r\n c"), status: 400, closed: true, kind: audit.Refusal, reason: "folded_header"},
	{name: "a bare line feed", request: post(readAllowed, "X-A: b\nX-B: c"), status: 400, closed: true, kind: audit.Refusal, reason: "line_ending"},
	{name: "a trailer", request: strings.Replace(strings.Replace(post(""), "Content-Length: 0", "Transfer-Encoding: chunked\r\nTrailer: X-Api-Key", 1), "\r\n\r\n", "\r\n\r\n0\r\nX-Api-Key: k\r\n\r\n", 1), status: 400, closed: true, kind: audit.Refusal, reason: "trailer"},
	{name: "an undeclared trailer does not count", options: []option{denyAnonymous}, request: strings.Replace(strings.Replace(post(""), "Content-Length: 0", "Transfer-Encoding: chunked", 1), "\r\n\r\n", "\r\n\r\n2\r\n{}\r\n0\r\nX-Api-Key: k\r\n\r\n", 1), status: 401, header: `WWW-Authenticate: Bearer resource_metadata="http://gw.test/.well-known/oauth-protected-resource/mcp/files"`, kind: audit.Refusal, reason: "no_credential"},
	{name: "a doubled control header", request: post(readAllowed, "Mcp-Method: a", "Mcp-Method: b"), status: 400, closed: true, kind: audit.Refusal, reason: "duplicate_header"},
	{name: "an underscore twin", request: post(readAllowed, "Mcp_Name: a"), status: 400, closed: true, kind: audit.Refusal, reason: "underscore"},
	{name: "an absolute target", request: strings.Replace(post(readAllowed), "POST /mcp/files", "POST http://gw.test/mcp/files", 1), status: 400, closed: true, kind: audit.Refusal, reason: "target"},
	{name: "an older HTTP", request: strings.Replace(post(readAllowed), "HTTP/1.1", "HTTP/1.0", 1), status: 505, closed: true, kind: audit.Refusal, reason: "http_version"},
	{name: "an expectation", request: post(readAllowed, "Expect: 100-continue"), status: 417, closed: true, kind: audit.Refusal, reason: "expectation"},
	{name: "a head beyond the limit", request: post(readAllowed, "X-Long: "+strings.Repeat("x", 30<<10)), status: 431, closed: true, kind: audit.Refusal, reason: "headers_too_large"},
	{name: "a body beyond the limit", request: post(`{"a":"` + strings.Repeat("x", 5<<20) + `"}`), status: 413, closed: true, kind: audit.Refusal, reason: "body_too_large"},
	{name: "bytes that are not HTTP", request: "\x16\x03\x01\x02\x00 garbage\r\n\r\n", status: 400, closed: true, kind: audit.Refusal, reason: "malformed_http"},

	{name: "a text that is not JSON", request: post(`{"jsonrpc":`), status: 400, body: `"code":-32700`, kind: audit.Refusal, reason: "parse_error"},
	{name: "a duplicate name", request: post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","name":"rm"}}`), status: 400, body: "two members of one name", kind: audit.Refusal, reason: "duplicate_name"},
	{name: "names that differ by case", request: post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","Name":"rm"}}`), status: 400, body: "differ only by case", kind: audit.Refusal, reason: "folded_name"},
	{name: "headers that contradict the body", request: modern("tools/call", "other", `"name":"read_file","arguments":{"path":"/srv/a"}`), status: 400, body: `"code":-32020`, kind: audit.Refusal, reason: "header_mismatch"},
	{name: "a method of the other direction", request: post(`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}`), status: 200, body: `"code":-32601`, kind: audit.Refusal, reason: "unknown_method"},
	{name: "a session that is not ours", request: post(readAllowed, "Mcp-Session-Id: 0123456789"), status: 404, body: "Session not found", kind: audit.Refusal, reason: "no_session"},
	{name: "a response that nobody waits for", request: post(`{"jsonrpc":"2.0","id":1,"result":{}}`), status: 400, body: "nobody waits", kind: audit.Refusal, reason: "response_not_expected"},

	{name: "a record that can't be written", failsLog: true, request: post(readAllowed), status: 503, body: "can't be recorded"},
	{name: "a server that is not there", answer: upstreamError(upstream.Unavailable), request: post(readAllowed), status: 502, body: `"id":7,"error":{"code":50301`, kind: audit.Outcome, reason: "upstream_unavailable", reaches: 1},
	{
		name: "a server that has as many calls as it takes", answer: waits(upstream.Overloaded, time.Second), request: post(readAllowed), status: 503, header: "Retry-After: 1",
		body: `"id":7,"error":{"code":50301,"message":"The server has as many calls as it takes; try again later"}`, kind: audit.Outcome, reason: "overloaded", reaches: 1,
	},
	{
		name: "a server that is left alone", answer: waits(upstream.Ejected, 29500*time.Millisecond), request: post(readAllowed), status: 503, header: "Retry-After: 30",
		body: `"id":7,"error":{"code":50301,"message":"The server has failed too often`, kind: audit.Outcome, reason: "upstream_ejected", reaches: 1,
	},
	{name: "a server that hangs", answer: upstreamError(upstream.Timeout), request: post(readAllowed), status: 504, body: `"code":50401`, kind: audit.Outcome, reason: "upstream_timeout", reaches: 1},
	{name: "a server that hangs up", answer: upstreamError(upstream.Closed), request: post(readAllowed), status: 502, body: `"code":50201`, kind: audit.Outcome, reason: "upstream_closed", reaches: 1},
	{name: "a server that says too much", answer: upstreamError(upstream.TooLarge), request: post(readAllowed), status: 502, body: `"code":50201`, kind: audit.Outcome, reason: "upstream_too_large", reaches: 1},
	{name: "a server that answers another request", answer: says(200, `{"jsonrpc":"2.0","id":8,"result":{}}`), request: post(readAllowed), status: 502, kind: audit.Outcome, reason: "upstream_protocol", reaches: 1},
	{name: "a server that answers twice in one", answer: says(200, `{"jsonrpc":"2.0","id":7,"result":{},"result":{}}`), request: post(readAllowed), status: 502, kind: audit.Outcome, reason: "upstream_protocol", reaches: 1},
	{name: "a server that answers with a page", answer: replies(200, upstream.Other, "<html>"), request: post(readAllowed), status: 502, kind: audit.Outcome, reason: "upstream_protocol", reaches: 1},
	{name: "a server that wants other credentials", answer: replies(401, upstream.Empty, ""), request: post(readAllowed), status: 502, kind: audit.Outcome, reason: "upstream_protocol", reaches: 1},
	{name: "a server that panics the gateway", answer: func(*upstream.Call) error { panic("boom") }, request: post(readAllowed), status: 500, body: "Internal error", closed: true, kind: audit.Outcome, reason: "internal_error", reaches: 1},
	{name: "an error of the server", answer: says(200, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32602,"message":"no","data":{"x":1.0}}}`), request: post(readAllowed), status: 200, body: `"error":{"code":-32602,"message":"no","data":{"x":1.0}}`, kind: audit.Outcome, reaches: 1},
	{name: "a modern error of the server", answer: says(404, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32601,"message":"no"}}`), request: modern("tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`), status: 404, body: `-32601`, kind: audit.Outcome, reaches: 1},
	{name: "a notification", answer: replies(202, upstream.Empty, ""), request: post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`), status: 202, kind: audit.Outcome, reaches: 1},
	{name: "a GET that the server does not offer", answer: replies(405, upstream.Empty, ""), request: "GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n\r\n", status: 405, header: "Allow: POST", kind: audit.Outcome, reason: "method_not_allowed", reaches: 1},
	{name: "a GET of the modern era", request: "GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\r\n", status: 405, header: "Allow: POST", kind: audit.Refusal, reason: "method_not_allowed"},
	{name: "a GET of no version that we know", request: "GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\nMCP-Protocol-Version: 1999-01-01\r\n\r\n", status: 400, kind: audit.Refusal, reason: "unsupported_version"},
	{name: "the end of a session", answer: replies(200, upstream.Empty, ""), request: "DELETE /mcp HTTP/1.1\r\nHost: gw.test\r\n\r\n", status: 200, kind: audit.Outcome, reaches: 1},
	{name: "metadata without issuers", request: "GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: gw.test\r\n\r\n", status: 404, kind: audit.Refusal, reason: "no_route"},
	{name: "metadata", options: []option{denyAnonymous}, request: "GET /.well-known/oauth-protected-resource/mcp/files HTTP/1.1\r\nHost: gw.test\r\n\r\n", status: 200, body: `{"resource":"http://gw.test/mcp/files","authorization_servers":["https://idp.example"],"bearer_methods_supported":["header"]}`, kind: audit.Refusal, reason: "metadata"},
}

// Every way out of the request path has one answer, one last record, and has shown the server what it should have seen.
func TestExits(t *testing.T) {
	for _, e := range exits {
		t.Run(e.name, func(t *testing.T) { e.run(t) })
	}
}

func (e exit) run(t *testing.T) {
	policy := e.policy
	if policy == "" {
		policy = testPolicy
	}
	w := newWorld(t, policy, e.options...)
	if e.answer != nil {
		w.server.answer = e.answer
	}
	if e.failsLog {
		w.records.fail = errors.New("no space left on device")
	}
	r := w.raw(e.request)
	e.check(t, r)
	w.holdsNoBody()
	if got := len(w.server.received()); got != e.reaches {
		t.Errorf("the server has seen %d messages, want %d: %q", got, e.reaches, w.server.received())
	}
	if e.failsLog {
		return
	}
	n := 1
	if e.kind == audit.Outcome {
		n = 2
	}
	records := w.recorded(n)
	last := records[len(records)-1]
	if len(records) != n || last.Kind != e.kind {
		t.Fatalf("%d records, the last is %v; want %d and %v", len(records), last.Kind, n, e.kind)
	}
	rule := ""
	if last.Rule != "" {
		rule = last.Policy + "/" + last.Rule
	}
	if last.Reason != e.reason || rule != e.rule || last.Status != r.status {
		t.Errorf("record says reason %q, rule %q, status %d; want %q, %q, %d", last.Reason, rule, last.Status, e.reason, e.rule, r.status)
	}
	if strings.HasPrefix(e.request, "GET ") && last.Kind == audit.Refusal && last.HTTPMethod != "GET" {
		t.Errorf("the record does not say that it was a GET: %+v", last)
	}
	if n == 2 && records[0].Revision == "" {
		t.Error("the first record doesn't say by which policies it was decided")
	}
	if n == 2 && (records[0].Kind != audit.Decision || records[0].Effect != "allow" || records[0].DecisionID != last.DecisionID) {
		t.Errorf("the first record is %v with effect %q", records[0].Kind, records[0].Effect)
	}
}

func (e exit) check(t *testing.T, r reply) {
	t.Helper()
	if r.status != e.status || !strings.Contains(r.body, e.body) {
		t.Errorf("answer %d %s; want %d and %q", r.status, r.body, e.status, e.body)
	}
	if r.closed != e.closed {
		t.Errorf("connection closed: %v, want %v", r.closed, e.closed)
	}
	if name, value, ok := strings.Cut(e.header, ": "); ok && r.header.Get(name) != value {
		t.Errorf("header %s: %q, want %q", name, r.header.Get(name), value)
	}
	for _, secret := range []string{"10.0.0.7", "secret cause", "boom"} {
		if strings.Contains(r.body+fmt.Sprint(r.header), secret) {
			t.Errorf("the client has been told the cause: %s", r.body)
		}
	}
}
