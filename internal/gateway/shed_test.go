package gateway

import (
	"bytes"
	"io"
	"maps"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/overload"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// pressed makes a world of whose budget of memory so much is in use from the beginning, in thousandths.
func pressed(thousandths int64) option {
	return func(o *Options, s *Snapshot) {
		o.Memory = budget.New(1000)
		o.Memory.Owe(thousandths)
		s.Identity, _ = identity.New(identity.Options{AnonymousAllow: true, Now: o.Now, Keys: []identity.APIKey{
			{ID: "batch", Hash: sum("batch"), Claims: []byte(`{"groups":["batch"],"tier":"free"}`)},
			{ID: "oncall", Hash: sum("oncall"), Claims: []byte(`{"groups":["oncall"],"tier":"paid"}`)},
		}})
	}
}

const (
	batchKey  = "Authorization: Bearer batch"
	oncallKey = "Authorization: Bearer oncall"
)

func priorities(specs ...overload.Spec) *overload.Set {
	s, ds := overload.Compile(specs)
	if len(ds) > 0 {
		panic(ds)
	}
	return s
}

// prioritized has those in the group batch refused from half on, and those in oncall never.
func prioritized(_ *Options, s *Snapshot) {
	s.Priorities = priorities(
		overload.Spec{Name: "batch", When: source.NewText(`"batch" in principal.groups`), At: 500},
		overload.Spec{Name: "oncall", When: source.NewText(`"oncall" in principal.groups`)},
	)
}

// byBody is priorities of which the head doesn't tell.
func byBody(_ *Options, s *Snapshot) {
	s.Priorities = priorities(
		overload.Spec{Name: "dear", When: source.NewText(`mcp.tool.name == "read_file" && args.path == "/srv/dear"`)},
		overload.Spec{Name: "free", When: source.NewText(`principal.claims.tier == "free"`), At: 600},
	)
}

const (
	streamGET  = "GET /mcp/files HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n"
	listTools  = `{"jsonrpc":"2.0","id":7,"method":"tools/list"}`
	waitToRead = `"error":{"code":50301,"message":"The gateway has more to do than it can, and this is to wait; try again later","data":{"decisionId":"`
)

var modernRead = []string{"tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/a"}`}

// shedExits are requests to a gateway that is short of memory.
var shedExits = []struct {
	name    string
	options []option
	request string
	answer  func(*upstream.Call) error
	status  int    // of one that passes
	as      string // the priority of one that is refused; "": it passes
	wait    string // Retry-After
	body    string // of one that is refused, contained
	cause   string // contained
}{
	{name: "a stream", options: []option{pressed(800)}, request: streamGET + "\r\n", as: "streams", wait: "2", body: `{"jsonrpc":"2.0","error":`},
	{name: "a stream, with room left", options: []option{pressed(799)}, request: streamGET + "\r\n", answer: replies(405, upstream.Empty, ""), status: 405},
	{name: "a stream that would fetch an answer, of no session", options: []option{pressed(1000)}, request: streamGET + "Last-Event-ID: 1\r\n\r\n", as: "streams", wait: "4", body: `{"jsonrpc":"2.0","error":`},
	{name: "the end of a session", options: []option{pressed(1000)}, request: strings.Replace(streamGET, "GET", "DELETE", 1) + "\r\n", answer: replies(200, upstream.Empty, ""), status: 200},
	{name: "a modern stream", options: []option{pressed(1000)}, request: modern("subscriptions/listen", "", `"notifications":{}`), as: "streams", wait: "4", body: `{"jsonrpc":"2.0","error":`},
	{name: "a list", options: []option{pressed(900)}, request: post(listTools), as: "lists", wait: "2", body: `"id":7,` + waitToRead},
	{name: "a list, with room left", options: []option{pressed(899)}, request: post(listTools), answer: says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"tools":[]}}`), status: 200},
	{name: "a modern list", options: []option{pressed(900)}, request: modern("tools/list", "", ""), as: "lists", wait: "2", body: waitToRead},
	{name: "a handshake", options: []option{pressed(950)}, request: post(initialize), as: "lists", wait: "2", body: waitToRead},
	{name: "a call", options: []option{pressed(1000)}, request: post(readAllowed), status: 200},
	{name: "a modern call", options: []option{pressed(1000)}, request: modern(modernRead[0], modernRead[1], modernRead[2]), status: 200},
	{name: "a notification", options: []option{pressed(1000), prioritized}, request: post(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, batchKey), answer: replies(202, upstream.Empty, ""), status: 202},
	{name: "a ping", options: []option{pressed(1000), prioritized}, request: post(`{"jsonrpc":"2.0","id":7,"method":"ping"}`, batchKey), answer: says(200, `{"jsonrpc":"2.0","id":$ID,"result":{}}`), status: 200},

	{name: "a call of a low priority", options: []option{pressed(500), prioritized}, request: post(readAllowed, batchKey), as: "batch", wait: "2", body: `"id":7,` + waitToRead},
	{name: "a call of a low priority, with room left", options: []option{pressed(499), prioritized}, request: post(readAllowed, batchKey), status: 200},
	{name: "a modern call of a low priority, known by its head", options: []option{pressed(500), prioritized}, request: modern(modernRead[0], modernRead[1], modernRead[2], batchKey), as: "batch", wait: "2", body: `{"jsonrpc":"2.0","error":`},
	{name: "a call of nobody in particular", options: []option{pressed(999), prioritized}, request: post(readAllowed), status: 200},
	{name: "a list of a high priority", options: []option{pressed(1000), prioritized}, request: post(listTools, oncallKey), answer: says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"tools":[]}}`), status: 200},
	{name: "a modern list of a high priority", options: []option{pressed(1000), prioritized}, request: modern("tools/list", "", "", oncallKey), answer: says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"resultType":"complete","tools":[],"ttlMs":0,"cacheScope":"private"}}`), status: 200},
	{name: "a list of nobody in particular", options: []option{pressed(1000), prioritized}, request: post(listTools), as: "lists", wait: "3", body: `"id":7,` + waitToRead},

	{name: "a call that is dear", options: []option{pressed(1000), byBody}, request: post(call("read_file", `{"path":"/srv/dear"}`), batchKey), status: 200},
	{name: "a modern call that is dear", options: []option{pressed(1000), byBody}, request: modern("tools/call", "read_file", `"name":"read_file","arguments":{"path":"/srv/dear"}`, batchKey), status: 200},
	{name: "one that is not", options: []option{pressed(600), byBody}, request: post(readAllowed, batchKey), as: "free", wait: "2", body: `"id":7,` + waitToRead},
	{name: "a modern one that is not, known by its body", options: []option{pressed(600), byBody}, request: modern(modernRead[0], modernRead[1], modernRead[2], batchKey), as: "free", wait: "2", body: `"id":"a",` + waitToRead},
	{name: "one of which it can't be told", options: []option{pressed(600), byBody}, request: post(readAllowed), as: "unknown", wait: "2", body: `"id":7,` + waitToRead, cause: "priority free: "},
	{name: "the same without detail", options: []option{pressed(600), byBody, noDetail}, request: post(readAllowed), as: "unknown", wait: "2", body: `"reason":"load_shed","retryAfterMs":2000}}`, cause: "priority free: "},
	{name: "the same, with room left", options: []option{pressed(599), byBody}, request: post(readAllowed), status: 200},
}

const initialize = `{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`

// While the gateway is short of something, what is of a low priority is refused with when to come again, has a record and a count, and no server
// hears of it; what is not passes.
func TestShedExits(t *testing.T) {
	for _, e := range shedExits {
		t.Run(e.name, func(t *testing.T) {
			w := newWorld(t, testPolicy, e.options...)
			if e.answer != nil {
				w.server.answer = e.answer
			}
			r := w.raw(e.request)
			if e.as == "" {
				if r.status != e.status || r.header.Get("Retry-After") != "" || len(w.server.received()) != 1 {
					t.Errorf("answer %d %v %s after %q; want %d", r.status, r.header, r.body, w.server.received(), e.status)
				}
				w.counts("")
				return
			}
			w.sheds(r, e.as, e.wait)
			if !strings.Contains(r.body, e.body) || strings.Contains(r.body, e.as) && e.name == "the same without detail" {
				t.Errorf("answer %s, want %q", r.body, e.body)
			}
			if got := w.recorded(1)[0].Cause; e.cause == "" && !strings.HasSuffix(got, e.as) || !strings.Contains(got, e.cause) {
				t.Errorf("the cause is %q, want %q", got, e.cause)
			}
		})
	}
}

// sheds checks a refusal for want of resources, and that it is all that there is of the request.
func (w *world) sheds(r reply, as, wait string) {
	w.t.Helper()
	if r.status != 503 || r.header.Get("Retry-After") != wait || r.closed || !strings.Contains(r.body, `"retryAfterMs":`+wait+`000}`) {
		w.t.Errorf("answer %d %v %s, want 503 and a wait of %s", r.status, r.header, r.body, wait)
	}
	if got := w.server.received(); len(got) > 0 {
		w.t.Errorf("the server has seen %q", got)
	}
	all := w.recorded(1)
	got := all[len(all)-1]
	if len(all) != 1 || got.Kind != audit.Refusal || got.Effect != "deny" || got.Reason != "load_shed" || got.NotReplayable != "load_shed" || got.Status != 503 || got.ErrorCode != 50301 ||
		!strings.Contains(got.Cause, " % of memory in use, and the priority is "+as) || !strings.Contains(r.body, `"decisionId":"`+got.DecisionID.String()) {
		w.t.Errorf("recorded %+v", all)
	}
	w.counts(as)
}

// counts checks the metrics of one request, which was refused as one of a priority, or not.
func (w *world) counts(as string) {
	w.t.Helper()
	shown := httptest.NewRecorder()
	w.Metrics.Handler().ServeHTTP(shown, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{`sallyport_shed_total{priority="` + as + `"} 1`, `sallyport_refusals_total{reason="load_shed"} 1`} {
		if strings.Contains(shown.Body.String(), line) != (as != "") {
			w.t.Errorf("%s: in the metrics, or not, of a request refused as %q", line, as)
		}
	}
}

// Where several servers are one, a list is refused as a whole and a call by the name that its server has for the tool.
func TestShedOfSeveralServers(t *testing.T) {
	byName := func(_ *Options, s *Snapshot) {
		s.Priorities = priorities(overload.Spec{Name: "reads", When: source.NewText(`mcp.tool.name == "read_file" && mcp.tool.target == "files"`), At: 700})
	}
	for name, c := range map[string]struct {
		request, as, wait string
	}{
		"a modern list":      {strings.Replace(modern("tools/list", "", ""), "/mcp/files", "/mcp", 1), "lists", "2"},
		"a list":             {earlier("/mcp", "2025-11-25", "tools/list", ""), "lists", "2"},
		"a handshake":        {strings.Replace(post(initialize), "/mcp/files", "/mcp", 1), "lists", "2"},
		"a modern stream":    {strings.Replace(modern("subscriptions/listen", "", `"notifications":{"toolsListChanged":true}`), "/mcp/files", "/mcp", 1), "streams", "3"},
		"a call by its name": {earlier("/mcp", "2025-11-25", "tools/call", `"name":"files__read_file","arguments":{"path":"/srv/a"}`), "reads", "4"},
	} {
		t.Run(name, func(t *testing.T) {
			mail := &script{answer: func(*upstream.Call) error { t.Error("mail was asked"); return io.ErrUnexpectedEOF }}
			w := newWorld(t, viewPolicy, twoServers(t, mail, pressed(900), byName))
			w.sheds(w.raw(c.request), c.as, c.wait)
		})
	}
}

// The rest of an answer is fetched while streams are refused. Only a session with one server has one.
func TestShedLeavesTheRestOfAnAnswer(t *testing.T) {
	mail := &script{answer: answers(map[string]string{"server/discover": discovered})}
	w := newWorld(t, joinPolicy, twoServers(t, mail, pressed(0)))
	w.server.answer = mail.answer
	several := w.joined("/mcp", `{}`)
	w.server.answer = func(c *upstream.Call) error {
		c.ReplySession = "upstream-1"
		return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`)(c)
	}
	one := w.joined("/mcp/files", `{}`)
	w.server.answer = replies(405, upstream.Empty, "")
	w.Memory.Owe(900)
	if !comesTrue(func() bool { return w.pressure.Level() >= 900 }) {
		t.Fatalf("the level is %d", w.pressure.Level())
	}
	for _, c := range []struct {
		path, session, last string
		status              int
	}{
		{"/mcp/files", one, "Last-Event-ID: 1\r\n", 405},
		{"/mcp/files", one, "Last-Event-ID:\r\n", 503},
		{"/mcp/files", one, "", 503},
		{"/mcp", several, "Last-Event-ID: 1\r\n", 503},
	} {
		if r := w.raw(strings.Replace(streamGET, "/mcp/files", c.path, 1) + c.last + c.session + "\r\n\r\n"); r.status != c.status {
			t.Errorf("%s with %q: got %d %s, want %d", c.path, c.last, r.status, r.body, c.status)
		}
	}
}

// A client in a session with several servers keeps the stream that it has while it is refused a newer one.
func TestShedStreamLeavesTheOneThatIs(t *testing.T) {
	mail := &script{answer: answers(map[string]string{"server/discover": discovered})}
	w := newWorld(t, joinPolicy, twoServers(t, mail, pressed(0)))
	w.server.answer = mail.answer
	session := w.joined("/mcp", `{}`)
	before := len(w.recorded(4))
	w.Memory.Owe(900)
	if !comesTrue(func() bool { return w.pressure.Level() >= 900 }) {
		t.Fatalf("the level is %d", w.pressure.Level())
	}
	r := w.raw(strings.Replace(streamGET, "/mcp/files", "/mcp", 1) + session + "\r\n\r\n")
	all := w.recorded(before + 1)
	if got := all[len(all)-1]; r.status != 503 || r.header.Get("Retry-After") != "3" || len(all) != before+1 || got.Reason != "load_shed" || got.Session.IsZero() || got.HTTPMethod != "GET" {
		t.Errorf("got %+v, recorded %+v", r, all[before:])
	}
}

// Of a batch each message is weighed for itself.
func TestShedInABatch(t *testing.T) {
	w := newWorld(t, testPolicy, pressed(900))
	r := w.raw(post(`[`+listTools+`,`+strings.Replace(readAllowed, `"id":7`, `"id":8`, 1)+`]`, "MCP-Protocol-Version: 2025-03-26"))
	if r.status != 200 || !strings.Contains(r.body, `"id":7,`+waitToRead) || !strings.Contains(r.body, `"id":8,"result":{"content"`) {
		t.Errorf("got %d %s", r.status, r.body)
	}
	reasons := map[string]int{}
	for _, got := range w.recorded(3) {
		reasons[got.Reason]++
	}
	if reasons["load_shed"] != 1 || reasons[""] != 2 {
		t.Errorf("recorded %v", reasons)
	}
}

// Over real connections: while most of them wait for a server, calls of a high priority go through and those of a low one are refused; when
// the others have ended all go through again.
func TestHighPrioritiesPassWhileLowOnesAreShed(t *testing.T) {
	w := newWorld(t, allowAll, pressed(0), prioritized, func(o *Options, _ *Snapshot) { o.Limits.Connections = 10 })
	finish, answer := make(chan struct{}), says(200, okResult)
	end := sync.OnceFunc(func() { close(finish) })
	t.Cleanup(end)
	w.server.answer = func(c *upstream.Call) error {
		if bytes.Contains(c.Body, []byte("wait")) {
			<-finish
		}
		return answer(c)
	}
	addr := w.onTCP()
	low, high := dial(t, addr), dial(t, addr)
	if r := w.on(low, post(readAllowed, batchKey)); r.status != 200 {
		t.Fatalf("with nothing under way: %+v", r)
	}
	held := make(chan reply)
	for range 7 {
		c := dial(t, addr)
		go func() { held <- w.on(c, post(call("wait", `{}`), oncallKey)) }() // which is not refused for those before it
	}
	if !comesTrue(func() bool { return w.pressure.Level() >= 600 && len(w.server.received()) == 8 }) {
		t.Fatalf("the level is %d while 7 of 10 connections are in use", w.pressure.Level())
	}
	reached := len(w.server.received())
	for range 20 {
		if r := w.on(low, post(readAllowed, batchKey)); r.status != 503 || r.header.Get("Retry-After") == "" || !strings.Contains(r.body, `"priority":"batch"`) {
			t.Errorf("a low priority got %+v", r)
		}
		if r := w.on(high, post(readAllowed, oncallKey)); r.status != 200 {
			t.Errorf("a high priority got %+v", r)
		}
	}
	if got := len(w.server.received()) - reached; got != 20 {
		t.Errorf("the server has seen %d calls, want those of the high priority", got)
	}
	end()
	for range 7 {
		if r := <-held; r.status != 200 {
			t.Errorf("a call that was let in got %+v", r)
		}
	}
	if !comesTrue(func() bool { return w.on(low, post(readAllowed, batchKey)).status == 200 }) {
		t.Error("a low priority is refused for good")
	}
}

// What the gateway shows of its resources is what they are.
func TestPressureOfEachResource(t *testing.T) {
	w := newWorld(t, allowAll, pressed(250), func(o *Options, _ *Snapshot) { o.Limits.Bodies = 64 << 20 })
	w.bodies.used.Add(32 << 20)
	defer w.bodies.used.Add(-32 << 20)
	var got map[string]float64
	if !comesTrue(func() bool {
		got = maps.Collect(w.Pressure)
		return got["bodies"] > 0
	}) || len(got) != 4 || got["memory"] != 0.25 || got["bodies"] != 0.5 || got["requests"] != 0 || got["descriptors"] >= 1 {
		t.Errorf("%v", got)
	}
}
