package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// local is a server whose sessions live in this process.
type local struct{ *script }

func (local) Keeps(string) bool { return true }

// replica is a gateway that others reach.
type replica struct {
	*world
	home string
}

// newReplica makes one whose server is s, seen through as: itself, or local.
func newReplica(t *testing.T, keys *carry.Keys, as func(*script) upstream.Server, more ...option) *replica {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait) // after the world's own
	r := &replica{home: "http://" + l.Addr().String()}
	alice := identity.Options{Keys: []identity.APIKey{{ID: "alice", Hash: sum("alice-key"), Claims: []byte(`{"groups":["staff"],"tenant":"a"}`)}, {ID: "bob", Hash: sum("bob-key")}}, Now: time.Now}
	options := append([]option{func(o *Options, s *Snapshot) {
		o.Keys, o.Replicas = keys, &Replicas{Home: r.home}
		who, err := identity.New(alice)
		if err != nil {
			t.Fatal(err)
		}
		s.Identity = who
		s.Servers["files"] = as(s.Servers["files"].(*script))
	}}, more...)
	r.world = newWorld(t, staffOnly, options...)
	serving.Go(func() { _ = r.Serve(r.Listen(l)) })
	return r
}

// staffOnly reads what only whoever has verified the credential knows, and what only the client has sent.
const staffOnly = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: staff }
match: { methods: [tools/call] }
rules:
  - name: staff
    when: '"staff" in principal.groups && principal.claims.tenant == "a" && request.headers["x-team"] == "red"'
    effect: allow
`

func itself(s *script) upstream.Server  { return s }
func asLocal(s *script) upstream.Server { return local{s} }

func testKeys(t testing.TB) *carry.Keys { return keysOf(t, bytes.Repeat([]byte{1}, 32)) }

// begins has a replica's server begin a session under an id, and answer with what has served it.
func (r *replica) begins(name, session string) {
	r.server.answer = func(c *upstream.Call) error {
		if c.Method == "initialize" {
			c.ReplySession = session
		}
		return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"by":"`+name+`","session":"`+c.Session+`"}}`)(c)
	}
}

const (
	aliceKey = "Authorization: Bearer alice-key"
	bobKey   = "Authorization: Bearer bob-key"
	red      = "X-Team: red"
)

func initialization(capabilities string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":` + capabilities + `}}`
}

func (r *replica) initialize(capabilities string) string {
	r.t.Helper()
	id := r.raw(post(initialization(capabilities), aliceKey)).header.Get("Mcp-Session-Id")
	if id == "" {
		r.t.Fatal("no session was begun")
	}
	return id
}

// A session of a process of one replica is served by that one, whichever the client asks; decided and recorded there, once, by what the
// client is and has sent.
func TestSessionsAreServedByTheReplicaThatHasThem(t *testing.T) {
	keys := testKeys(t)
	a, b, c := newReplica(t, keys, asLocal), newReplica(t, keys, asLocal), newReplica(t, keys, asLocal)
	a.begins("a", "child-1")
	b.begins("b", "child-2")
	c.begins("c", "child-3")
	id := a.initialize("{}")
	for _, r := range []*replica{b, c, a, b} {
		got := r.raw(post(call("x", `{"path":"/"}`), aliceKey, red, "Mcp-Session-Id: "+id))
		if got.status != 200 || !strings.Contains(got.body, `"by":"a","session":"child-1"`) || got.header.Get(passageHeader) != "" {
			t.Errorf("%+v", got)
		}
	}
	if got := b.raw(post(call("x", "{}"), aliceKey, "Mcp-Session-Id: "+id)); got.status != 200 || !strings.Contains(got.body, "Unknown tool: x") {
		t.Errorf("what policy denies got %+v", got)
	}
	if got := b.raw(post(call("x", "{}"), bobKey, red, "Mcp-Session-Id: "+id)); got.status != 404 {
		t.Errorf("another's session got %+v", got)
	}
	kinds := map[string]int{}
	for _, rec := range a.recorded(11) {
		kinds[fmt.Sprint(rec.Kind, " ", rec.Method, " ", rec.PrincipalID, " ", rec.Effect)]++
		if rec.Kind == audit.Decision && rec.Method == "tools/call" && (rec.Session == audit.SessionHash{}) {
			t.Errorf("a record without its session: %+v", rec)
		}
	}
	if kinds["decision tools/call alice allow"] != 4 || kinds["refusal tools/call alice deny"] != 1 {
		t.Errorf("records of the one that has it: %v", kinds)
	}
	if got := b.recorded(1); len(got) != 1 || got[0].Reason != "no_session" {
		t.Errorf("records of the one that passes on: %+v", got)
	}
	if len(b.server.received())+len(c.server.received()) > 0 {
		t.Error("another replica's server was asked")
	}
}

// A session that is the server's own, of a client that can't be asked, is served by any replica without the others.
func TestSessionsOfServersAreServedAnywhere(t *testing.T) {
	keys := testKeys(t)
	a, b := newReplica(t, keys, itself), newReplica(t, keys, itself)
	a.begins("a", "up-1")
	b.begins("b", "up-2")
	id := a.initialize("{}")
	if got := b.raw(post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)); !strings.Contains(got.body, `"by":"b","session":"up-1"`) {
		t.Errorf("%+v", got)
	}
	// One that can be asked is served where it was asked, and anywhere if that has gone.
	id = a.initialize(`{"elicitation":{}}`)
	if got := b.raw(post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)); !strings.Contains(got.body, `"by":"a","session":"up-1"`) {
		t.Errorf("%+v", got)
	}
	gone := newReplica(t, keys, itself, func(o *Options, _ *Snapshot) { o.Replicas.Home = nobody(t) })
	gone.begins("gone", "up-3")
	id = gone.initialize(`{"elicitation":{}}`)
	if got := b.raw(post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)); !strings.Contains(got.body, `"by":"b","session":"up-3"`) {
		t.Errorf("%+v", got)
	}
	batch := "[" + call("x", "{}") + "," + strings.Replace(call("x", "{}"), `"id":7`, `"id":8`, 1) + "]"
	if got := b.raw(post(batch, aliceKey, red, "Mcp-Session-Id: "+id, "MCP-Protocol-Version: 2025-03-26")); strings.Count(got.body, `"by":"b","session":"up-3"`) != 2 {
		t.Errorf("%+v", got)
	}
}

// nobody is an address at which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// What can't be passed on is refused so that the client begins anew, and recorded. It is not served by another.
func TestSessionsOfReplicasThatHaveGone(t *testing.T) {
	keys := testKeys(t)
	b := newReplica(t, keys, asLocal)
	for name, home := range map[string]string{
		"nobody listens":     nobody(t),
		"it isn't there now": "http://127.0.0.1:1",
	} {
		a := newReplica(t, keys, asLocal, func(o *Options, _ *Snapshot) { o.Replicas.Home = home })
		a.begins("a", "child-1")
		id := a.initialize("{}")
		for _, request := range []string{
			post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id),
			"GET /mcp/files HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n" + aliceKey + "\r\nMcp-Session-Id: " + id + "\r\n\r\n",
			"DELETE /mcp/files HTTP/1.1\r\nHost: gw.test\r\n" + aliceKey + "\r\nMcp-Session-Id: " + id + "\r\n\r\n",
		} {
			if got := b.raw(request); got.status != 404 || !strings.Contains(got.body, `"code":40401`) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
	for _, rec := range b.recorded(6) {
		if rec.Kind != audit.Refusal || rec.Reason != "replica_unreachable" || rec.Cause == "" || rec.PrincipalID != "alice" {
			t.Errorf("%+v", rec)
		}
	}
	if len(b.server.received()) > 0 {
		t.Error("its server was asked")
	}
}

// Nothing goes where no peer is, and what was passed on isn't passed on again.
func TestRequestsGoToPeersOnlyAndOnce(t *testing.T) {
	keys := testKeys(t)
	a := newReplica(t, keys, asLocal)
	a.begins("a", "child-1")
	id := a.initialize("{}")
	b := newReplica(t, keys, asLocal, func(o *Options, _ *Snapshot) { o.Replicas.Peers = []string{o.Replicas.Home} })
	if got := b.raw(post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)); got.status != 404 {
		t.Errorf("%+v", got)
	}
	// c says of itself that it is at an address where somebody else is, who passes on nothing that was passed on.
	c := newReplica(t, keys, asLocal)
	other := a.replicas.home
	a.replicas.home = c.home + "0" // no longer at home where its sessions say
	defer func() { a.replicas.home = other }()
	if got := c.raw(post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)); got.status != 404 {
		t.Errorf("%+v", got)
	}
	if n := len(a.server.received()); n != 1 { // initialize
		t.Errorf("its server was asked %d times", n)
	}
}

// again is a proxy between two replicas that sends what it gets a second time, as some do when they have lost an answer.
type again struct{ http.RoundTripper }

func (a again) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	first := r.Clone(r.Context())
	first.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := a.RoundTripper.RoundTrip(first)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	second := r.Clone(r.Context())
	second.Body = io.NopCloser(bytes.NewReader(body))
	return a.RoundTripper.RoundTrip(second)
}

// What a replica refuses because it may have been taken before isn't made again, though any replica could serve its session.
func TestWhatMayHaveBeenTakenIsNotServedElsewhere(t *testing.T) {
	keys := testKeys(t)
	clock := newClock()
	a, b := newReplica(t, keys, itself, clock.option), newReplica(t, keys, itself, clock.option)
	a.begins("a", "up-1")
	b.begins("b", "up-2")
	id := a.initialize(`{"elicitation":{}}`)
	request := post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)
	refused := func(name string, calls int) {
		t.Helper()
		if got := b.raw(request); got.status != 502 || !strings.Contains(got.body, `"code":50201`) {
			t.Errorf("%s: %+v", name, got)
		}
		if at, by := len(a.server.received()), len(b.server.received()); at != 1+calls || by != 0 { // 1: initialize
			t.Errorf("%s: the servers were asked %d and %d times", name, at, by)
		}
	}
	whole := b.replicas.client.Transport
	b.replicas.client.Transport = again{whole}
	refused("sent twice", 1)
	b.replicas.client.Transport = whole
	a.replicas.since = clock.now().Add(time.Millisecond)
	refused("of before it has started", 1)
}

// What keys have opened that were replaced meanwhile is not remembered as if the new ones had.
func TestConnectionsForgetWhatKeysOfOldHaveOpened(t *testing.T) {
	a := newReplica(t, testKeys(t), itself)
	x := newExchange(a.Gateway)
	x.snap, x.serverName = a.current.p.Load(), "files"
	x.head.SessionID = []byte("id")
	c := new(conn)
	c.remember(x, a.Keys.Version())
	if !c.recalls(x) {
		t.Error("it is not remembered")
	}
	old := a.Keys.Version()
	if err := a.Keys.Replace(carry.Random()); err != nil {
		t.Fatal(err)
	}
	c.remember(x, old)
	if c.recalls(x) {
		t.Error("it is remembered")
	}
}

// The body that is passed on is the whole batch's, so one message of it is not passed on by itself.
func TestNoPartOfABatchIsPassedOn(t *testing.T) {
	keys := testKeys(t)
	a, b := newReplica(t, keys, itself), newReplica(t, keys, itself)
	x := newExchange(b.Gateway)
	x.element, x.home, x.ctx = true, a.home, new(fasthttp.RequestCtx)
	x.ctx.Request.SetBodyString("[]")
	if _, _, err := x.hand(); !errors.Is(err, errPart) {
		t.Error(err)
	}
}

// A request that was passed on and is at home at a third replica is refused there.
func TestNothingIsPassedOnTwice(t *testing.T) {
	keys := testKeys(t)
	a, b := newReplica(t, keys, asLocal), newReplica(t, keys, asLocal)
	a.begins("a", "child-1")
	id := a.initialize("{}")
	got := passTo(t, b, b, post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id), nil)
	if got.status != 404 || got.header.Get(passageHeader) != passageServed {
		t.Errorf("%+v", got)
	}
	if recs := b.recorded(1); len(recs) != 1 || recs[0].Reason != "replica_unreachable" || !strings.Contains(recs[0].Cause, "passed on once") {
		t.Errorf("%+v", recs)
	}
	if n := len(a.server.received()); n != 1 {
		t.Errorf("its server was asked %d times", n)
	}
}

// passTo sends to one replica what another, at its own time, makes of a request. change may alter it.
func passTo(t *testing.T, to, by *replica, request string, change func(box []byte) []byte) reply {
	t.Helper()
	return to.raw(passage(t, to.home, by, request, change))
}

func passage(t *testing.T, home string, by *replica, request string, change func(box []byte) []byte) string {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(request, "\r\n\r\n")
	_, lines, _ := strings.Cut(head, "\r\n")
	x := newExchange(by.Gateway)
	who, err := by.current.p.Load().Identity.Resolve([]byte("Bearer alice-key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	x.who = who
	x.arrived = &envelope{Method: []byte(req.Method), Target: []byte(req.URL.Path), Proto: []byte("HTTP/1.1"), Head: []byte(lines + "\r\n\r\n")}
	box, err := x.sealPassage(home, body)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		box = change(box)
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", passagePath, len(box), box)
}

// What another replica has not sealed, for this one, now and once, is refused, and recorded.
func TestPassagesThatAreNotTaken(t *testing.T) {
	keys := testKeys(t)
	clock := newClock()
	a := newReplica(t, keys, asLocal, clock.option)
	b := newReplica(t, keys, asLocal, clock.option)
	stranger := newReplica(t, keysOf(t, bytes.Repeat([]byte{9}, 32)), asLocal, clock.option)
	a.begins("a", "child-1")
	id := a.initialize("{}")
	request := post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)
	written := 2 // of initialize
	refusedFor := func(name, reason string, got reply) {
		t.Helper()
		want := passageNot
		if reason == "passage_replayed" || reason == "passage_late" {
			want = passageUnsure
		}
		if got.status != 403 || got.header.Get(passageHeader) != want {
			t.Errorf("%s: %+v", name, got)
		}
		written++
		recs := a.recorded(written)
		if last := recs[len(recs)-1]; len(recs) != written || last.Reason != reason || last.Kind != audit.Refusal || last.Status != 403 || last.PrincipalID != "" {
			t.Errorf("%s: %+v", name, last)
		}
	}
	for i, flip := range []int{0, 11, 12, 40, -1} {
		refusedFor(fmt.Sprint("altered ", i), "passage_forged", passTo(t, a, b, request, func(box []byte) []byte {
			box[(flip+len(box))%len(box)] ^= 1
			return box
		}))
	}
	refusedFor("of strangers", "passage_forged", passTo(t, a, stranger, request, nil))
	refusedFor("for another", "passage_forged", a.raw(passage(t, b.home, b, request, nil)))
	refusedFor("nothing", "passage_forged", passTo(t, a, b, request, func([]byte) []byte { return nil }))
	refusedFor("a session id", "passage_forged", passTo(t, a, b, request, func([]byte) []byte { return []byte(id) }))
	twice := passage(t, a.home, b, request, nil)
	if got := a.raw(twice); got.status != 200 || !strings.Contains(got.body, `"by":"a"`) {
		t.Fatalf("%+v", got)
	}
	written += 2
	refusedFor("again", "passage_replayed", a.raw(twice))
	clock.add(passageTime)
	refusedFor("again, as late as can be", "passage_replayed", a.raw(twice))
	clock.add(2 * time.Millisecond)
	refusedFor("again, too late", "passage_late", a.raw(twice))
	late := passage(t, a.home, b, request, nil)
	clock.add(-passageTime - 2*time.Millisecond)
	refusedFor("of a clock that is ahead", "passage_late", a.raw(late))
	a.replicas.since = clock.now().Add(time.Millisecond)
	refusedFor("of before it has started", "passage_late", passTo(t, a, b, request, nil))
	if got := a.raw("GET " + passagePath + " HTTP/1.1\r\nHost: gw.test\r\n\r\n"); got.status != 405 {
		t.Errorf("%+v", got)
	}
	calls := 0
	for _, sent := range a.server.received() {
		calls += strings.Count(sent, "tools/call")
	}
	if calls != 1 {
		t.Errorf("the call was made %d times", calls)
	}
}

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Now().Truncate(time.Millisecond).UnixNano())
	return c
}

func (c *clock) now() time.Time                 { return time.Unix(0, c.at.Load()) }
func (c *clock) add(d time.Duration)            { c.at.Add(int64(d)) }
func (c *clock) option(o *Options, _ *Snapshot) { o.Now = c.now }

// Without replicas there is nowhere to pass on to.
func TestNoPassagesWithoutReplicas(t *testing.T) {
	w := newWorld(t, allowAll)
	if got := w.raw("POST " + passagePath + " HTTP/1.1\r\nHost: gw.test\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\nx"); got.status != 404 || got.header.Get(passageHeader) != "" {
		t.Errorf("%+v", got)
	}
}

// What is remembered of passages is bounded, and beyond the bound nothing is taken.
func TestPassagesAreRememberedForTheirTime(t *testing.T) {
	o, at := once{}, time.Unix(1000, 0)
	nonce := func(i int) (n [nonceSize]byte) {
		copy(n[:], fmt.Sprintf("%012d", i))
		return n
	}
	for i := range maxPassed {
		if err := o.take(nonce(i), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.take(nonce(maxPassed), at.Add(2*passageTime)); err != errCrowded { //nolint:errorlint // it is not wrapped
		t.Errorf("one too many: %v", err)
	}
	if err := o.take(nonce(7), at.Add(2*passageTime)); err != errReplayed { //nolint:errorlint // likewise
		t.Errorf("again: %v", err)
	}
	if err := o.take(nonce(maxPassed), at.Add(2*passageTime+1)); err != nil || len(o.known) != 1 || len(o.order) != 1 {
		t.Errorf("after its time: %v, %d and %d are known", err, len(o.known), len(o.order))
	}
}

// A stream comes through as it is, event by event; and who goes away is gone for all.
func TestStreamsArePassedOn(t *testing.T) {
	keys := testKeys(t)
	a, b := newReplica(t, keys, asLocal), newReplica(t, keys, asLocal)
	events, left := make(chan string, 8), make(chan struct{})
	a.server.answer = func(c *upstream.Call) error {
		if c.Method == "initialize" {
			c.ReplySession = "child-1"
			return says(200, `{"jsonrpc":"2.0","id":$ID,"result":{}}`)(c)
		}
		s := &channel{events: events, stopped: left}
		c.Attach(s)
		c.Stream(s)
		return nil
	}
	id := a.initialize("{}")
	open := func(r *replica, request string) (*bufio.Reader, net.Conn) {
		t.Helper()
		c, err := net.Dial("tcp", strings.TrimPrefix(r.home, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return bufio.NewReader(c), c
	}
	request := post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)
	var said [2]string
	for i, r := range []*replica{a, b} {
		in, c := open(r, request)
		readHead(t, in)
		for _, e := range []string{`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}`, `{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`} {
			events <- e
			said[i] += readEvent(t, in)
		}
		_ = c.Close()
	}
	if said[0] != said[1] || !strings.Contains(said[1], `"result"`) {
		t.Errorf("the stream is\n%s\nand passed on\n%s", said[0], said[1])
	}
	in, c := open(b, "GET /mcp/files HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n"+aliceKey+"\r\nMcp-Session-Id: "+id+"\r\n\r\n")
	readHead(t, in)
	events <- `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	if e := readEvent(t, in); !strings.Contains(e, "list_changed") {
		t.Errorf("%q", e)
	}
	_ = c.Close()
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Error("the stream has not ended with its client")
	}
}

// channel is a stream of events that a test sends.
type channel struct {
	events  chan string
	stopped chan struct{}
	once    sync.Once
}

func (s *channel) Next() (upstream.Event, error) {
	select {
	case e := <-s.events:
		return upstream.Event{Data: []byte(e)}, nil
	case <-s.stopped:
		return upstream.Event{}, io.EOF
	}
}

func (s *channel) End()             {}
func (s *channel) Interrupt(bool)   { s.once.Do(func() { close(s.stopped) }) }
func (s *channel) Extend(time.Time) {}

func readHead(t *testing.T, in *bufio.Reader) {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "HTTP/") && !strings.HasPrefix(line, "HTTP/1.1 200 ") {
			t.Fatal(line)
		}
		if line == "\r\n" {
			return
		}
	}
}

// readEvent reads the lines of one event, out of the chunks that they come in.
func readEvent(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	var out strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case line == "\n":
			return out.String() + line
		case !strings.HasSuffix(line, "\r\n"): // the lines of chunks do
			out.WriteString(line)
		}
	}
}

// Keys are replaced on one replica after the other, while clients go on: none of them notices.
func TestKeysAreReplacedUnderTraffic(t *testing.T) {
	old, fresh := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	ka, kb := keysOf(t, old), keysOf(t, old)
	a, b := newReplica(t, ka, asLocal), newReplica(t, kb, asLocal)
	a.begins("a", "child-1")
	b.begins("b", "child-2")
	stop := make(chan struct{})
	var rounds atomic.Int64
	var clients sync.WaitGroup
	client := func(at, other *replica) {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			id := at.raw(post(initialization("{}"), aliceKey)).header.Get("Mcp-Session-Id")
			for _, r := range []*replica{at, other} {
				if got := r.raw(post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)); got.status != 200 || !strings.Contains(got.body, `"by"`) {
					t.Errorf("round %d: %+v", n, got)
					return
				}
			}
			rounds.Add(1)
		}
	}
	clients.Go(func() { client(a, b) })
	clients.Go(func() { client(b, a) })
	longest := a.initialize("{}")
	steps := [][][]byte{{old}, {old, fresh}, {fresh, old}}
	for _, step := range steps {
		for _, k := range []*carry.Keys{ka, kb} {
			if err := k.Replace(step...); err != nil {
				t.Fatal(err)
			}
			for was, deadline := rounds.Load(), time.Now().Add(20*time.Second); rounds.Load() < was+2 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
		}
	}
	close(stop)
	clients.Wait()
	if rounds.Load() < 10 {
		t.Errorf("%d rounds", rounds.Load())
	}
	on, err := b.listener.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	request := post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+longest)
	if got := b.on(on, request); got.status != 200 {
		t.Errorf("before the old key is dropped: %+v", got)
	}
	for _, k := range []*carry.Keys{ka, kb} {
		if err := k.Replace(fresh); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.on(on, request); got.status != 404 {
		t.Errorf("after it is: %+v", got)
	}
}

// Who is passed on is who was verified, in all that rules can read.
func TestTravellersAreWhoTheyWere(t *testing.T) {
	var claims jsonscan.Doc
	if err := claims.Scan([]byte(`{"sub":"i","n":1e300,"a":[{"b":null}]}`), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	p := &engine.Principal{
		ID: "i", Kind: engine.KindJWT, Issuer: "https://idp", Groups: []string{"g"}, Roles: []string{"r"}, Scopes: []string{"s"}, APIKey: "k",
		Claims: claims.Root(),
	}
	got, err := travellerOf(p).principal()
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Claims.AppendTo(nil)) != string(p.Claims.AppendTo(nil)) || identity.PrincipalKey(got) != identity.PrincipalKey(p) {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(got.Groups, p.Groups) || !slices.Equal(got.Roles, p.Roles) || !slices.Equal(got.Scopes, p.Scopes) || got.APIKey != p.APIKey || got.Kind != p.Kind {
		t.Errorf("%+v", got)
	}
	if p, err := travellerOf(nil).principal(); p != nil || err != nil {
		t.Errorf("nobody is %+v, %v", p, err)
	}
}
