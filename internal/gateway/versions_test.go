package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// versioned gives files two versions: who has the header x-next comes to next, all others to stable.
func versioned(next upstream.Server) option {
	return func(_ *Options, s *Snapshot) {
		s.Versions = map[string]*Versions{"files": {
			Split: splitBy(100, 0, `request.headers[?"x-next"].hasValue()`), Servers: map[string]upstream.Server{"stable": s.Servers["files"], "next": next},
		}}
	}
}

func splitBy(stable, next int, when ...string) *route.Split {
	spec := route.Spec{Server: "files", Versions: []route.Version{{Name: "stable", Weight: stable}, {Name: "next", Weight: next}}}
	for _, w := range when {
		spec.Rules = append(spec.Rules, route.Rule{When: source.NewText(w), Version: "next"})
	}
	all, ds := route.Compile([]route.Spec{spec})
	if len(ds) > 0 {
		panic(ds)
	}
	return all["files"]
}

func known(t *testing.T, names ...string) option {
	t.Helper()
	var keys []identity.APIKey
	for _, n := range names {
		keys = append(keys, identity.APIKey{ID: n, Hash: sum(n + "-key")})
	}
	who, err := identity.New(identity.Options{Keys: keys, AnonymousAllow: true, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return func(_ *Options, s *Snapshot) { s.Identity = who }
}

const nextResult = `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"done by next"}]}}`

func TestVersionsAreChosenByRule(t *testing.T) {
	next := &script{answer: says(200, nextResult)}
	w := newWorld(t, testPolicy, versioned(next))
	readModern := func(headers ...string) string {
		return modern("tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`, headers...)
	}
	var got []string
	for _, request := range []string{readModern(), readModern("X-Next: 1"), post(readAllowed), post(readAllowed, "X-Next: 1")} {
		got = append(got, fmt.Sprint(strings.Contains(w.raw(request).body, "done by next")))
	}
	for _, r := range w.recorded(8) {
		if r.Kind == audit.Decision {
			got = append(got, r.Server+"@"+r.Version)
		}
	}
	want := []string{"false", "true", "false", "true", "files@stable", "files@next", "files@stable", "files@next"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(w.server.received()) != 2 || len(next.received()) != 2 {
		t.Errorf("stable was sent %q, next %q", w.server.received(), next.received())
	}
	text := scraped(t, w.Metrics)
	for _, line := range []string{
		`sallyport_upstream_version_duration_seconds_count{error_type="",server="files",version="next"} 2`,
		`sallyport_upstream_version_duration_seconds_count{error_type="",server="files",version="stable"} 2`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %s", line)
		}
	}
}

// Which version takes a call is known before the call is decided: what one version says of a tool says nothing of the other's.
func TestVersionsDescribeTheirOwnTools(t *testing.T) {
	const policy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: files }
rules:
  - { name: reads, when: 'mcp.tool.annotations.readOnlyHint', effect: allow }
`
	list := func(hint string) func(*upstream.Call) error {
		return answers(map[string]string{
			"tools/list": `{"tools":[{"name":"get","annotations":{"readOnlyHint":` + hint + `},"inputSchema":{"type":"object"}}]}`,
			"tools/call": `{"content":[]}`,
		})
	}
	next := &script{answer: list("false")}
	w := newWorld(t, policy, versioned(next))
	w.server.answer = list("true")
	w.raw(modern("tools/list", "", ""))
	w.raw(modern("tools/list", "", "", "X-Next: 1"))
	if r := w.raw(modern("tools/call", "get", `"name":"get","arguments":{}`)); !strings.Contains(r.body, `"content"`) {
		t.Errorf("stable: %s", r.body)
	}
	if r := w.raw(modern("tools/call", "get", `"name":"get","arguments":{}`, "X-Next: 1")); strings.Contains(r.body, `"content"`) {
		t.Errorf("next says that its tool writes, and it was called: %s", r.body)
	}
}

func TestVersionsThatCannotBeToldRefuse(t *testing.T) {
	w := newWorld(t, testPolicy, func(_ *Options, s *Snapshot) {
		s.Versions = map[string]*Versions{"files": {
			Split: splitBy(100, 0, `request.headers["x-next"] == "1"`), Servers: map[string]upstream.Server{"stable": s.Servers["files"], "next": s.Servers["files"]},
		}}
	})
	if r := w.raw(post(readAllowed)); r.status != 200 || !strings.Contains(r.body, `"code":40301,"message":"Denied by policy: it can't be told which version of the server takes the call"`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	r := w.recorded(1)[0]
	if r.Kind != audit.Refusal || r.Reason != "route_not_computed" || r.NotReplayable != "route_not_computed" || !strings.HasPrefix(r.Cause, "route 1 of server files: ") || r.Version != "" {
		t.Errorf("%+v", r)
	}
	if sent := w.server.received(); len(sent) != 0 {
		t.Errorf("the server has seen %q", sent)
	}
}

// A session is served by the version on which it began, whatever rules and weights say since; it ends with that version.
func TestVersionsKeepTheirSessions(t *testing.T) {
	session := func(name string) *script {
		return &script{answer: func(c *upstream.Call) error {
			c.ReplySession = "upstream-1" // the same for both: only what is sealed tells them apart
			return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"by":"`+name+` `+c.Session+`"}}`)(c)
		}}
	}
	next := session("next")
	w := newWorld(t, allowAll, versioned(next), known(t, "alice", "bob"))
	w.server.answer = session("stable").answer
	const (
		alice      = "Authorization: Bearer alice-key"
		ping       = `{"jsonrpc":"2.0","id":2,"method":"ping"}`
		initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`
	)
	onNext := w.raw(post(initialize, alice, "X-Next: 1")).header.Get("Mcp-Session-Id")
	onStable := w.raw(post(initialize, alice)).header.Get("Mcp-Session-Id")
	c, err := w.listener.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	check := func(name string, status int, by string, headers ...string) {
		t.Helper()
		r := w.on(c, post(ping, headers...))
		if r.status != status || by != "" && !strings.Contains(r.body, `"by":"`+by+` upstream-1"`) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	check("a session of next without the header", 200, "next", alice, "Mcp-Session-Id: "+onNext)
	check("it again", 200, "next", alice, "Mcp-Session-Id: "+onNext)
	check("a session of stable with the header", 200, "stable", alice, "Mcp-Session-Id: "+onStable, "X-Next: 1")
	check("another principal", 404, "", "Authorization: Bearer bob-key", "Mcp-Session-Id: "+onNext)

	moved := snapCopy(w.current.p.Load())
	moved.Versions = map[string]*Versions{"files": {Split: splitBy(0, 100), Servers: map[string]upstream.Server{"stable": w.server, "next": next}}}
	w.Swap(moved)
	check("a session of stable when next has all the weight", 200, "stable", alice, "Mcp-Session-Id: "+onStable)

	gone := snapCopy(moved)
	gone.Versions = map[string]*Versions{"files": {Split: splitBy(0, 100), Servers: map[string]upstream.Server{"next": next}}}
	w.Swap(gone)
	check("a session of a version that is gone", 404, "", alice, "Mcp-Session-Id: "+onStable)
	check("a session of the one that is left", 200, "next", alice, "Mcp-Session-Id: "+onNext)

	w.Swap(snapCopy(gone)) // files has no versions any more
	check("a session of a version of a server that has none", 404, "", alice, "Mcp-Session-Id: "+onNext)
	plain := w.raw(post(initialize, alice)).header.Get("Mcp-Session-Id")
	check("a session of a server without versions", 200, "stable", alice, "Mcp-Session-Id: "+plain)
	again := snapCopy(gone)
	again.Versions = moved.Versions
	w.Swap(again)
	check("it, when the server has versions", 404, "", alice, "Mcp-Session-Id: "+plain)
}

// Where several servers are one, the version is chosen for each, and lists of one version are not remembered for the other.
func TestVersionsInViews(t *testing.T) {
	list := func(names string) string {
		return strings.Replace(tools(strings.Fields(names)...), `"ttlMs":0`, `"ttlMs":60000`, 1)
	}
	next := &script{answer: answers(map[string]string{"tools/list": list("read_file"), "tools/call": `{"content":[{"type":"text","text":"next"}]}`})}
	mail := &script{answer: answers(map[string]string{"tools/list": list("send")})}
	w := newWorld(t, allowAll, twoServers(t, mail, versioned(next)))
	w.server.answer = answers(map[string]string{"tools/list": list("read_file old"), "tools/call": `{"content":[{"type":"text","text":"stable"}]}`})
	for range 2 {
		for _, c := range []struct{ header, want string }{
			{"X-Other: 1", "files__read_file files__old mail__send"},
			{"X-Next: 1", "files__read_file mail__send"},
		} {
			if got := strings.Join(w.raw(modernAt("/mcp", "tools/list", "", "", c.header)).names(t, "tools", "name"), " "); got != c.want {
				t.Errorf("with %s: %s", c.header, got)
			}
		}
	}
	if n := len(w.server.received()) + len(next.received()); n != 2 {
		t.Errorf("lists were asked for %d times", n)
	}
	for header, want := range map[string]string{"X-Other: 1": "stable", "X-Next: 1": "next"} {
		r := w.raw(modernAt("/mcp", "tools/call", "files__read_file", readParams, header))
		if !strings.Contains(r.body, `"text":"`+want+`"`) {
			t.Errorf("with %s: %s", header, r.body)
		}
	}
}

// A caller comes to the same version each time: by who it is, or, if it is anonymous, by its address.
func TestCallerKey(t *testing.T) {
	w := newWorld(t, allowAll, known(t, "alice", "bob"))
	key := func(who, method string) string {
		x := newExchange(w.Gateway)
		x.snap = w.current.p.Load()
		credential := []byte("Bearer " + who + "-key")
		if who == "" {
			credential = nil
		}
		var err error
		if x.who, err = x.snap.Identity.Resolve(credential, nil); err != nil {
			t.Fatal(err)
		}
		x.msg.Method, x.start = method, time.Now()
		return string(x.callerKey())
	}
	first, second := key("", "initialize"), key("", "initialize")
	switch {
	case key("alice", "tools/list") != key("alice", "tools/call") || key("alice", "initialize") != key("alice", "tools/call"):
		t.Error("the same caller has two keys")
	case key("alice", "tools/list") == key("bob", "tools/list"):
		t.Error("two callers have one key")
	case key("", "tools/list") != key("", "tools/call"):
		t.Error("an anonymous caller has two keys")
	case first == second:
		t.Error("two sessions of anonymous callers have one key")
	}
}

// scraped is what metrics show.
func scraped(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "/metrics", nil))
	return w.Body.String()
}
