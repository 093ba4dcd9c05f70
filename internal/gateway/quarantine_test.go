package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

func waiting(_ *Options, s *Snapshot) { s.Quarantined = map[string]bool{"new_one": true} }

// A server that waits for an operator can't be told from one that isn't there, whatever is asked of it; the record tells them apart.
func TestQuarantinedServersAreNotThere(t *testing.T) {
	const server = "new_one"
	for name, c := range map[string]struct {
		request string // with SERVER for the server
		status  int
		record  audit.Record
		never   string // the reason in the record of one that isn't there
	}{
		"a call":          {postTo("/mcp/SERVER", readAllowed), 404, audit.Record{Server: server, Reason: "server_quarantined"}, "no_route"},
		"a modern call":   {modernAt("/mcp/SERVER", "tools/call", "read_file", `"name":"read_file"`), 404, audit.Record{Server: server, Reason: "server_quarantined"}, "no_route"},
		"a list":          {modernAt("/mcp/SERVER", "tools/list", "", ""), 404, audit.Record{Server: server, Reason: "server_quarantined"}, "no_route"},
		"a stream":        {"GET /mcp/SERVER HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n\r\n", 404, audit.Record{Server: server, Reason: "server_quarantined"}, "no_route"},
		"the end":         {"DELETE /mcp/SERVER HTTP/1.1\r\nHost: gw.test\r\nMcp-Session-Id: x\r\n\r\n", 404, audit.Record{Server: server, Reason: "server_quarantined"}, "no_route"},
		"below it":        {postTo("/mcp/SERVER/x", readAllowed), 404, audit.Record{Reason: "no_route"}, "no_route"},
		"with a query":    {postTo("/mcp/SERVER?a=b", readAllowed), 404, audit.Record{Reason: "no_route"}, "no_route"},
		"a tool of all":   {modernAt("/mcp", "tools/call", "SERVER__x", `"name":"SERVER__x"`), 400, audit.Record{Tool: server + "__x", Reason: "server_quarantined"}, "unknown_name"},
		"a prompt of all": {modernAt("/mcp", "prompts/get", "SERVER__x", `"name":"SERVER__x"`), 400, audit.Record{Prompt: server + "__x", Reason: "server_quarantined"}, "unknown_name"},
		"a tool of a few": {modernAt("/mcp/support", "tools/call", "SERVER__x", `"name":"SERVER__x"`), 400, audit.Record{Tool: server + "__x", Reason: "unknown_name"}, "unknown_name"},
		"a resource of all": {
			strings.ReplaceAll(modernAt("/mcp", "resources/read", "SERVER+file:///x", `"uri":"SERVER+file:///x"`), "SERVER", "SCHEME"),
			400,
			audit.Record{Resource: "new.one+file:///x", Reason: "server_quarantined"},
			"unknown_name",
		},
	} {
		t.Run(name, func(t *testing.T) {
			mail := &script{answer: says(200, okResult)}
			w := newWorld(t, viewPolicy, twoServers(t, mail, waiting))
			send := func(name, scheme string) string { // two names of one length: the request has a length
				r := w.raw(strings.ReplaceAll(strings.ReplaceAll(reframe(c.request, len(name)-len("SERVER"), len(scheme)-len("SCHEME")), "SERVER", name), "SCHEME", scheme))
				r.header.Del("Date")
				if r.status != c.status {
					t.Errorf("%s: %d %s, want %d", name, r.status, r.body, c.status)
				}
				return strings.ReplaceAll(strings.ReplaceAll(fmt.Sprint(r.header, r.body, r.closed), name, "NAME"), scheme, "NAME")
			}
			if here, never := send(server, "new.one"), send("nowhere", "nowhere"); here != never {
				t.Errorf("told apart:\n%s\n%s", here, never)
			}
			got := w.recorded(2)
			r, want := got[0], c.record
			if r.Kind != audit.Refusal || r.Status != c.status || r.Server != want.Server || r.Tool != want.Tool || r.Prompt != want.Prompt || r.Resource != want.Resource || r.Reason != want.Reason {
				t.Errorf("record %+v\nwant   %+v", r, want)
			}
			if got[1].Reason != c.never || got[1].Server != "" {
				t.Errorf("the record of one that isn't there: %+v", got[1])
			}
			if n := len(w.server.received()) + len(mail.received()); n != 0 {
				t.Errorf("%d messages have reached a server", n)
			}
		})
	}
}

// reframe adjusts the length of a body in which names grow.
func reframe(request string, grows, schemes int) string {
	head, body, _ := strings.Cut(request, "\r\n\r\n")
	is := len(body) + strings.Count(body, "SERVER")*grows + strings.Count(body, "SCHEME")*schemes
	return strings.Replace(head, fmt.Sprintf("Content-Length: %d", len(body)), fmt.Sprintf("Content-Length: %d", is), 1) + "\r\n\r\n" + body
}

// Whatever a client calls what a server has, the server is found in the name.
func TestNamesSayWhoseTheyAre(t *testing.T) {
	for _, server := range []string{"a", "new_one", "9lives", "a-b_c"} {
		v := view(t, federation.Options{Servers: map[string]federation.Selection{server: {All: true}}})
		for target, own := range map[mcp.Target]string{mcp.TargetTool: "x__y", mcp.TargetPrompt: "p", mcp.TargetResource: "file:///a+b"} {
			name, ok := v.Public(target, server, own)
			if got := federation.Named(target, name); !ok || got != server {
				t.Errorf("%q is said to be of %q, want %q", name, got, server)
			}
		}
		name, _ := v.Public(mcp.TargetResource, server, "ui://a/b")
		if got := federation.Named(mcp.TargetResource, name); got != server {
			t.Errorf("%q is said to be of %q, want %q", name, got, server)
		}
	}
	for _, name := range []string{"", "x", "file:///a"} {
		if got := federation.Named(mcp.TargetTool, name) + federation.Named(mcp.TargetResource, name); got != "" {
			t.Errorf("%q is said to be of %q", name, got)
		}
	}
}
