package gateway

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// joined does the handshake of a client of before 2026-07-28 and gives the header that names its session.
func (w *world) joined(path, capabilities string) string {
	w.t.Helper()
	r := w.raw(earlier(path, "", "initialize", `"protocolVersion":"2025-11-25","capabilities":`+capabilities+`,"clientInfo":{"name":"c","version":"1"}`))
	id := r.header.Get("Mcp-Session-Id")
	if r.status != 200 || id == "" {
		w.t.Fatalf("handshake: %d %v %s", r.status, r.header, r.body)
	}
	return "Mcp-Session-Id: " + id
}

const joinPolicy = viewPolicy + `---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: level }
match: { servers: [files], methods: [logging/setLevel, roots/list, sampling/createMessage, resources/subscribe] }
rules:
  - { name: all, when: 'mcp.method != "logging/setLevel" || params.level != "info"', effect: allow }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: debug }
match: { methods: [logging/setLevel] }
rules:
  - { name: none, when: 'params.level == "debug"', effect: deny }
`

// What a client asks of one server in a session is the request that it would be there, on behalf of the session.
func TestJoinedCallIsTheServersOwn(t *testing.T) {
	mail := &script{answer: answers(map[string]string{"server/discover": discovered})}
	w := newWorld(t, joinPolicy, twoServers(t, mail))
	w.server.answer = mail.answer
	session := w.joined("/mcp", `{"sampling":{}}`)
	w.server.answer = func(c *upstream.Call) error {
		s := c.Client
		if c.Modern || !c.Translate || c.Session != "" || s == nil || string(s.Capabilities.Raw()) != `{"sampling":{}}` || s.Info.Get("name").Text() != "c" {
			t.Errorf("the call is %+v", c)
		}
		return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"resource_link","uri":"file:///docs/a","name":"a"}]}}`)(c)
	}
	r := w.raw(earlier("/mcp", "2025-11-25", "tools/call", readParams+`,"_meta":{"progressToken":7}`, session))
	if want := `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"resource_link","uri":"files+file:///docs/a","name":"a"}]}}`; r.status != 200 || r.body != want {
		t.Errorf("client got %d %s\nwant %s", r.status, r.body, want)
	}
	want := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/srv/a"},"_meta":{"progressToken":7}}}`
	if got := w.server.received(); got[len(got)-1] != want {
		t.Errorf("files got %s\nwant %s", got[len(got)-1], want)
	}
	records := w.recorded(6)
	d, o := records[4], records[5]
	if d.Server != "files" || d.Tool != "read_file" || d.Rule != "read" || d.ProtocolVersion != "2025-11-25" || d.Session.IsZero() || d.Session != records[0].Session || o.Status != 200 {
		t.Errorf("records %+v %+v", d, o)
	}
	if n := w.running.len(); n != 0 {
		t.Errorf("%d requests are still running", n)
	}
}

// A session is good for its principal and for the servers that it was given for.
func TestJoinedExits(t *testing.T) {
	mail := &script{answer: answers(map[string]string{"server/discover": discovered})}
	w := newWorld(t, joinPolicy, twoServers(t, mail))
	w.server.answer = answers(map[string]string{"server/discover": discovered, "logging/setLevel": "{}", "resources/subscribe": "{}", "tools/list": tools("read_file")})
	session := w.joined("/mcp", "{}")
	get := "GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n"
	for name, c := range map[string]struct {
		request string
		status  int
		body    string
	}{
		"a list":                     {earlier("/mcp", "2025-11-25", "tools/list", "", session), 200, `"name":"files__read_file"`},
		"at other servers":           {earlier("/mcp/support", "2025-11-25", "tools/list", "", session), 404, `"code":40401`},
		"at one server":              {earlier("/mcp/files", "2025-11-25", "tools/list", "", session), 404, `"code":40401`},
		"a forged one":               {earlier("/mcp", "2025-11-25", "tools/list", "", session[:len(session)-2]+"AA"), 404, `"code":40401`},
		"a stream of a forged one":   {get + session[:len(session)-2] + "AA\r\n\r\n", 404, `"code":40401`},
		"a stream of 2026-07-28":     {get + session + "\r\nMCP-Protocol-Version: 2026-07-28\r\n\r\n", 405, ""},
		"a level that some may have": {earlier("/mcp", "2025-11-25", "logging/setLevel", `"level":"info"`, session), 200, `"result":{}`},
		"a level that nobody has":    {earlier("/mcp", "2025-11-25", "logging/setLevel", `"level":"debug"`, session), 200, `"error"`},
		"a subscription":             {earlier("/mcp", "2025-11-25", "resources/subscribe", `"uri":"files+file:///docs/a"`, session), 200, `"result":{}`},
		"one of nobody's resource":   {earlier("/mcp", "2025-11-25", "resources/subscribe", `"uri":"nope+file:///docs/a"`, session), 200, `"code":-32002`},
		"an answer to nothing":       {postTo("/mcp", `{"jsonrpc":"2.0","id":"files/x","result":{}}`, "MCP-Protocol-Version: 2025-11-25", session), 400, "nobody waits"},
		"an answer to nobody":        {postTo("/mcp", `{"jsonrpc":"2.0","id":"x","result":{}}`, "MCP-Protocol-Version: 2025-11-25", session), 400, "nobody waits"},
		"the end of what is over":    {postTo("/mcp", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`, session), 202, ""},
		"a batch": {
			postTo("/mcp", `[{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"files+file:///docs/a"}},{"jsonrpc":"2.0","id":2,"method":"ping"}]`, session), 200,
			`[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"result":{}}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			mail.answer = w.server.answer
			if r := w.raw(c.request); r.status != c.status || !strings.Contains(r.body, c.body) {
				t.Errorf("client got %d %s", r.status, r.body)
			}
		})
	}
	if r := w.raw("DELETE /mcp HTTP/1.1\r\nHost: gw.test\r\n" + session + "\r\n\r\n"); r.status != 200 {
		t.Fatalf("DELETE: %d %s", r.status, r.body)
	}
	for _, s := range []*script{w.server, mail} {
		if got := s.received(); got[len(got)-1] != "" {
			t.Errorf("a server got %s last", got[len(got)-1])
		}
	}
	if r := w.raw(earlier("/mcp", "2025-11-25", "ping", "", session)); r.status != 404 {
		t.Errorf("afterwards: %d %s", r.status, r.body)
	}
	big := strings.Repeat("x", 1000)
	if r := w.raw(earlier("/mcp", "", "initialize", `"protocolVersion":"2025-11-25","capabilities":{"experimental":{"`+big+`":{}}},"clientInfo":{"name":"c","version":"1"}`)); !strings.Contains(r.body, `"code":-32602`) {
		t.Errorf("capabilities that are too much: %d %s", r.status, r.body)
	}
}

// The answer to a question goes to the server that has asked it, from the session that was asked, and with its own URIs in it.
func TestJoinedQuestionsFindTheirWayBack(t *testing.T) {
	answered := make(chan struct{})
	p, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		switch {
		case strings.Contains(body, "server/discover"):
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":`+discovered+`}`)
		case strings.Contains(body, "tools/call"):
			events(w, `{"jsonrpc":"2.0","id":"q/1","method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"resource_link","uri":"file:///docs/a","name":"a"}}]}}`)
			<-answered
			events(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)
		default:
			w.WriteHeader(202)
		}
	})
	mail := &script{answer: answers(map[string]string{"server/discover": discovered})}
	w := newWorld(t, joinPolicy, twoServers(t, mail, served, func(_ *Options, s *Snapshot) { s.Servers["mail"] = mail }))
	session, other := w.joined("/mcp", `{"sampling":{}}`), w.joined("/mcp", `{"sampling":{}}`)
	c := dial(t, w.onTCP())
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte(earlier("/mcp", "2025-11-25", "tools/call", readParams, session))); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	until := func(part string) {
		t.Helper()
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("waiting for %s: %v", part, err)
			}
			if strings.Contains(line, part) {
				return
			}
		}
	}
	until(`{"jsonrpc":"2.0","id":"files/q/1","method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"resource_link","uri":"files+file:///docs/a","name":"a"}}]}}`)
	answer := func(id, session string) int {
		return w.raw(postTo("/mcp", `{"jsonrpc":"2.0","id":"`+id+`","result":{"role":"assistant","content":[{"type":"tool_result","content":[{"type":"resource_link","uri":"files+file:///docs/a"},`+
			`{"type":"resource","resource":{"uri":"mail+mail:1"}}]},{"type":"text","text":"files+file:///docs/a"}]}}`, "MCP-Protocol-Version: 2025-11-25", session)).status
	}
	for what, got := range map[string]int{
		"another server": answer("mail/q/1", session), "another session": answer("files/q/1", other), "another id": answer("files/q", session), "no session": answer("files/q/1", "X-None: 1"),
	} {
		if got != 400 {
			t.Errorf("%s: %d", what, got)
		}
	}
	if got := answer("files/q/1", session); got != 202 {
		t.Errorf("the answer: %d", got)
	}
	if got := answer("files/q/1", session); got != 400 {
		t.Errorf("once more: %d", got)
	}
	close(answered)
	until(`{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`)
	want := `{"jsonrpc":"2.0","id":"q/1","result":{"role":"assistant","content":[{"type":"tool_result","content":[{"type":"resource_link","uri":"file:///docs/a"},` +
		`{"type":"resource","resource":{"uri":"mail+mail:1"}}]},{"type":"text","text":"files+file:///docs/a"}]}}`
	seen := p.requests()
	if got := seen[len(seen)-1].body; got != want {
		t.Errorf("files got %s\nwant %s", got, want)
	}
	for _, got := range mail.received() {
		if !strings.Contains(got, "server/discover") {
			t.Errorf("mail got %s", got)
		}
	}
	asked := 0
	for _, r := range w.recorded(12) {
		if r.Method == "sampling/createMessage" && r.Server == "files" && r.Kind == audit.Decision {
			asked++
		}
	}
	if asked != 2 { // the question, and its answer
		t.Errorf("%d decisions", asked)
	}
}

// The newer of two streams of a session hears; a reload that changes what there is to hear ends it.
func TestJoinedStreamEnds(t *testing.T) {
	files, mail := newTeller(t), newTeller(t)
	var snap *Snapshot
	w := newWorld(t, joinPolicy, tellers(t, files.server, mail.server), func(_ *Options, s *Snapshot) { snap = s })
	sealed, _, err := w.sealer.seal(nil, sessionOwner(nil, anonymous(t, snap), "/"), "", mcp.NewSession("2025-11-25", []byte("{}"), emptyObject))
	if err != nil {
		t.Fatal(err)
	}
	get := "GET /mcp HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\nMcp-Session-Id: " + string(sealed) + "\r\n\r\n"
	addr := w.onTCP()
	listen := func() *bufio.Reader {
		c := dial(t, addr)
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(get)); err != nil {
			t.Fatal(err)
		}
		wait(t, files.opened)
		wait(t, mail.opened)
		return bufio.NewReader(c)
	}
	lines := func(in *bufio.Reader, until string) (data []string) {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("after %q: %v", data, err)
			}
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "data: ") {
				data = append(data, line)
			}
			if line == until {
				return data
			}
		}
	}
	older := listen()
	newer := listen()
	if got := lines(older, "0"); len(got) != 0 { // the last chunk
		t.Errorf("the older got %q", got)
	}
	wait(t, files.closed)
	wait(t, mail.closed)
	other, _, err := w.sealer.seal(nil, sessionOwner(nil, anonymous(t, snap), "/"), "", mcp.NewSession("2025-11-25", []byte("{}"), emptyObject))
	if err != nil {
		t.Fatal(err)
	}
	if r := w.on(dial(t, addr), "DELETE /mcp HTTP/1.1\r\nHost: gw.test\r\nMcp-Session-Id: "+string(other)+"\r\n\r\n"); r.status != 200 { // another's
		t.Fatalf("DELETE: %d %s", r.status, r.body)
	}
	files.say <- `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	files.say <- `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///docs/a"}}`
	files.say <- `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///etc/a"}}`
	const changed, updated = `data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`, `data: {"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"files+file:///docs/a"}}`
	if got := lines(newer, updated); len(got) != 2 || got[0] != changed {
		t.Errorf("the newer got %q", got)
	}
	next := snapCopy(snap)
	next.Views = map[string]*federation.View{"": view(t, federation.Options{Servers: map[string]federation.Selection{"files": {All: true}}})}
	w.Swap(next)
	if got := lines(newer, "0"); len(got) != 0 { // neither what nobody here may read nor a result
		t.Errorf("the newer got %q", got)
	}
}

func anonymous(t *testing.T, s *Snapshot) [32]byte {
	t.Helper()
	who, err := s.Identity.Resolve(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return identity.PrincipalKey(who)
}

// A request in a session goes to the version that it is led to, and the end of the session to all.
func TestJoinedVersions(t *testing.T) {
	mail := &script{answer: answers(map[string]string{"server/discover": discovered})}
	next := &script{answer: mail.answer}
	w := newWorld(t, joinPolicy, twoServers(t, mail, versioned(next)))
	w.server.answer = mail.answer
	session := w.joined("/mcp", "{}")
	next.answer = says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"next"}]}}`)
	if r := w.raw(earlier("/mcp", "2025-11-25", "tools/call", readParams, session, "X-Next: 1")); !strings.Contains(r.body, `"text":"next"`) {
		t.Errorf("client got %d %s", r.status, r.body)
	}
	if r := w.raw("DELETE /mcp HTTP/1.1\r\nHost: gw.test\r\n" + session + "\r\n\r\n"); r.status != 200 {
		t.Fatalf("DELETE: %d %s", r.status, r.body)
	}
	for what, s := range map[string]*script{"stable": w.server, "next": next, "mail": mail} {
		if got := s.received(); len(got) == 0 || got[len(got)-1] != "" {
			t.Errorf("%s got %q", what, got)
		}
	}
}
