package gateway

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

const listenPolicy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: listen }
match: { methods: [subscriptions/listen] }
rules:
  - { name: all, effect: allow }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: docs }
match: { methods: [resources/read] }
rules:
  - { name: docs, when: '!mcp.resource.uri.startsWith("file:///etc")', effect: allow }
`

// teller is a server that acknowledges what it is asked to tell of, and says what the test says.
type teller struct {
	*peer
	say    chan string   // closed: it ends its streams with their result
	opened chan struct{} // a stream has been acknowledged
	closed chan struct{} // one whose reader has gone
	server upstream.Server
	over   atomic.Bool   // its streams have ended, and it opens no other
	hold   chan struct{} // if set: closed when it is to acknowledge
}

const tag = `"_meta":{"io.modelcontextprotocol/subscriptionId":"a"}`

func newTeller(t *testing.T) *teller {
	t.Helper()
	s := &teller{say: make(chan string), opened: make(chan struct{}, 8), closed: make(chan struct{}, 8)}
	p, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if r.Method == http.MethodDelete {
			return
		}
		var d jsonscan.Doc
		if r.Method == http.MethodGet {
			body = `{"params":{"notifications":{"toolsListChanged":true}}}`
		}
		if err := d.Scan([]byte(body), jsonscan.Options{}); err != nil {
			t.Error(err)
		}
		if d.Root().Get("method").TextIs("server/discover") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":` + string(d.Root().Get("id").Raw()) + `,"result":` + discovered + `}`))
			return
		}
		if s.hold != nil {
			<-s.hold
		}
		if s.over.Load() {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":"a","error":{"code":-32603,"message":"over"}}`))
			return
		}
		events(w, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{`+tag+`,"notifications":`+string(d.Root().Path("params", "notifications").Raw())+`}}`)
		s.opened <- struct{}{}
		for {
			select {
			case text, open := <-s.say:
				if !open {
					s.over.Store(true)
					events(w, `{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete",`+tag+`}}`)
					return
				}
				if text == "cut" {
					panic(http.ErrAbortHandler)
				}
				events(w, text)
			case <-r.Context().Done():
				s.closed <- struct{}{}
				return
			}
		}
	})
	snap := &Snapshot{}
	served(nil, snap)
	s.peer, s.server = p, snap.Servers["files"]
	return s
}

// filter is what the server was asked to tell of.
func (s *teller) filter(t *testing.T) string {
	t.Helper()
	seen := s.requests()
	var d jsonscan.Doc
	if len(seen) == 0 || d.Scan([]byte(seen[0].body), jsonscan.Options{}) != nil {
		t.Fatalf("the server got %+v", seen)
	}
	return string(d.Root().Path("params", "notifications").AppendTo(nil))
}

func tellers(t *testing.T, files, mail upstream.Server) option {
	t.Helper()
	return twoServers(t, &script{}, func(_ *Options, s *Snapshot) { s.Servers["files"], s.Servers["mail"] = files, mail })
}

func wait(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing has come")
	}
}

const listenTo = `"notifications":{"toolsListChanged":true,"taskIds":["1"],"resourceSubscriptions":["files+file:///docs/a","mail+mail:1","nope+x:y","files+file:///etc/x"]}`

// One stream tells what all servers tell, each under policy, under the names that the client knows.
func TestViewListens(t *testing.T) {
	files, mail := newTeller(t), newTeller(t)
	w := newWorld(t, listenPolicy, tellers(t, files.server, mail.server))
	c, answer := dial(t, w.onTCP()), make(chan reply, 1)
	go func() { answer <- w.on(c, modernAt("/mcp", "subscriptions/listen", "", listenTo)) }()
	wait(t, files.opened)
	wait(t, mail.opened)
	const updated = `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{` + tag + `,"uri":"`
	files.say <- updated + `file:///docs/a"}}`
	files.say <- updated + `file:///etc/x"}}` // nobody here may read it
	files.say <- `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{` + tag + `}}`
	mail.say <- updated + `mail:1"}}`
	close(files.say)
	close(mail.say)
	got := dataOf((<-answer).body)
	if len(got) != 5 {
		t.Fatalf("the client got %q", got)
	}
	slices.Sort(got[1:4])
	want := []string{
		`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{` + tag + `,"notifications":{"toolsListChanged":true,"resourceSubscriptions":["files+file:///docs/a","files+file:///etc/x","mail+mail:1"]}}}`,
		updated + `files+file:///docs/a"}}`,
		updated + `mail+mail:1"}}`,
		`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{` + tag + `}}`,
		`{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete",` + tag + `}}`,
	}
	var d jsonscan.Doc // whose subscriptions are named first is a matter of who answers first
	if err := d.Scan([]byte(got[0]), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	if uris := d.Root().Path("params", "notifications", "resourceSubscriptions"); uris.Index(0).TextIs("mail+mail:1") {
		got[0] = strings.Replace(got[0], string(uris.Raw()), `["files+file:///docs/a","files+file:///etc/x","mail+mail:1"]`, 1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if f, m := files.filter(t), mail.filter(t); f != `{"toolsListChanged":true,"resourceSubscriptions":["file:///docs/a","file:///etc/x"]}` || m != `{"toolsListChanged":true,"resourceSubscriptions":["mail:1"]}` {
		t.Errorf("files was asked %s, mail %s", f, m)
	}
	decisions, outcomes := bothKinds(w.recorded(9)) // and the refusal of what nobody may read
	statuses := map[int]int{}
	for id, r := range decisions {
		if r.Method != "subscriptions/listen" || r.Policy != "listen" {
			t.Errorf("the outcome of %+v is %+v", r, outcomes[id])
		}
		statuses[outcomes[id].Status]++
	}
	if len(decisions) != 4 || statuses[200] != 2 || statuses[502] != 2 { // each is asked once more, and refuses
		t.Errorf("%d decisions, outcomes %v", len(decisions), statuses)
	}
}

// A server whose stream ends is asked again, under policy. The client hears that it may have missed something, and remembered lists are forgotten.
func TestViewListensAgain(t *testing.T) {
	files, mail := newTeller(t), newTeller(t)
	var snap *Snapshot
	w := newWorld(t, listenPolicy, tellers(t, files.server, mail.server), func(_ *Options, s *Snapshot) { snap = s })
	c, answer := dial(t, w.onTCP()), make(chan reply, 1)
	epoch := snap.lists.epoch()
	go func() { answer <- w.on(c, modernAt("/mcp", "subscriptions/listen", "", listenTo)) }()
	wait(t, files.opened)
	wait(t, mail.opened)
	files.say <- "cut"
	wait(t, files.opened)
	files.say <- `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{` + tag + `,"uri":"file:///docs/new"}}`
	for end := time.Now().Add(20 * time.Second); snap.lists.epoch() == epoch; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("lists are still remembered")
		}
	}
	close(files.say)
	close(mail.say)
	got := dataOf((<-answer).body)
	const updated = `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{` + tag + `,"uri":"`
	want := []string{
		`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{` + tag + `}}`,
		updated + `files+file:///docs/a"}}`, // and not that of which policy lets nobody hear
		updated + `files+file:///docs/new"}}`,
		`{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete",` + tag + `}}`,
	}
	if diff := cmp.Diff(want, got[min(1, len(got)):]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(files.requests()) != 3 || files.requests()[0].body != files.requests()[1].body {
		t.Errorf("files was asked %+v", files.requests())
	}
	asked := 0
	for _, r := range w.recorded(11) {
		if r.Kind == audit.Decision && r.Server == "files" && r.Rule == "all" {
			asked++
		}
	}
	if asked != 3 {
		t.Errorf("%d decisions about files", asked)
	}
}

// A server that policy lets nobody ask any more is not asked again.
func TestViewListensAgainUnderPolicy(t *testing.T) {
	files, mail := newTeller(t), newTeller(t)
	var snap *Snapshot
	w := newWorld(t, listenPolicy, tellers(t, files.server, mail.server), func(_ *Options, s *Snapshot) { snap = s })
	c, answer := dial(t, w.onTCP()), make(chan reply, 1)
	go func() { answer <- w.on(c, modernAt("/mcp", "subscriptions/listen", "", listenTo)) }()
	wait(t, files.opened)
	wait(t, mail.opened)
	next := snapCopy(snap)
	next.Policy, next.Views = compile(t, strings.Replace(listenPolicy, "allow }", "deny }", 1)), snap.Views
	w.Swap(next)
	files.say <- "cut"
	mail.say <- "cut"
	if got := dataOf((<-answer).body); len(got) != 2 || !strings.Contains(got[1], `"resultType":"complete"`) {
		t.Errorf("the client got %q", got)
	}
	if len(files.requests()) != 1 || len(mail.requests()) != 1 {
		t.Errorf("files was asked %d times, mail %d", len(files.requests()), len(mail.requests()))
	}
	denied := 0
	for _, r := range w.recorded(6) {
		if r.Kind == audit.Refusal && r.Method == "subscriptions/listen" && r.Rule == "all" {
			denied++
		}
	}
	if denied != 2 {
		t.Errorf("%d refusals", denied)
	}
}

// A server that can't tell costs its own news. Where nobody can, the client is told.
func TestViewListenExits(t *testing.T) {
	refuses := &script{answer: says(200, `{"jsonrpc":"2.0","id":$ID,"error":{"code":-32603,"message":"x"}}`)}
	down := &script{answer: func(*upstream.Call) error {
		return &upstream.Error{Code: upstream.Unavailable, Server: "mail", Err: errNoList}
	}}
	for name, c := range map[string]struct {
		policy, params string
		status         int
		body           string
		kind           audit.Kind
		reason         string
	}{
		"nobody can":           {listenPolicy, listenTo, 502, `"error"`, audit.Outcome, "upstream_error"},
		"policy denies":        {viewPolicy[:strings.Index(viewPolicy, "---")], listenTo, 200, `"code":40301`, audit.Refusal, "no_rule_matched"},
		"no filter":            {listenPolicy, ``, 400, `"code":-32602`, audit.Refusal, "invalid_params"},
		"a filter of a number": {listenPolicy, `"notifications":{"resourceSubscriptions":[7]}`, 400, `"code":-32602`, audit.Refusal, "invalid_params"},
		"nothing is wanted":    {listenPolicy, `"notifications":{}`, 200, `"resultType":"complete"`, audit.Decision, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.policy, tellers(t, refuses, down))
			r := w.raw(modernAt("/mcp", "subscriptions/listen", "", c.params))
			if r.status != c.status || !strings.Contains(r.body, c.body) {
				t.Errorf("client got %d %s", r.status, r.body)
			}
			found := false
			for _, rec := range w.recorded(1) {
				found = found || rec.Kind == c.kind && rec.Reason == c.reason
			}
			for end := time.Now().Add(20 * time.Second); !found && time.Now().Before(end); time.Sleep(time.Millisecond) {
				for _, rec := range w.recorded(1) {
					found = found || rec.Kind == c.kind && rec.Reason == c.reason
				}
			}
			if !found {
				t.Errorf("records %+v", w.recorded(1))
			}
		})
	}
	files := newTeller(t)
	w := newWorld(t, listenPolicy, tellers(t, files.server, down))
	c, answer := dial(t, w.onTCP()), make(chan reply, 1)
	go func() { answer <- w.on(c, modernAt("/mcp", "subscriptions/listen", "", listenTo)) }()
	wait(t, files.opened)
	close(files.say)
	if got := dataOf((<-answer).body); len(got) != 2 || !strings.Contains(got[0], `"resourceSubscriptions":["files+file:///docs/a","files+file:///etc/x"]`) {
		t.Errorf("with one of two the client got %q", got)
	}
}

// A client that leaves ends every server's stream; so does a reload that changes a server, or what the view shows, with a result.
func TestViewListenEnds(t *testing.T) {
	for _, why := range []string{"client", "server", "view"} {
		t.Run(why, func(t *testing.T) {
			files, mail := newTeller(t), newTeller(t)
			var snap *Snapshot
			w := newWorld(t, listenPolicy, tellers(t, files.server, mail.server), func(_ *Options, s *Snapshot) { snap = s })
			c, answer := dial(t, w.onTCP()), make(chan reply, 1)
			if why == "client" {
				go func() { _, _ = c.Write([]byte(modernAt("/mcp", "subscriptions/listen", "", listenTo))) }()
			} else {
				go func() { answer <- w.on(c, modernAt("/mcp", "subscriptions/listen", "", listenTo)) }()
			}
			wait(t, files.opened)
			wait(t, mail.opened)
			next := snapCopy(snap)
			next.Views = snap.Views
			switch why {
			case "client":
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			case "server":
				next.Servers = map[string]upstream.Server{"files": files.server, "mail": newTeller(t).server}
				w.Swap(next)
			case "view":
				next.Views = map[string]*federation.View{"": view(t, federation.Options{Servers: map[string]federation.Selection{"files": {All: true}}})}
				w.Swap(next)
			}
			wait(t, files.closed)
			wait(t, mail.closed)
			if why != "client" {
				if got := dataOf((<-answer).body); len(got) < 1 || !strings.Contains(got[len(got)-1], `"resultType":"complete"`) {
					t.Errorf("the stream ended with %q", got)
				}
			}
		})
	}
}
