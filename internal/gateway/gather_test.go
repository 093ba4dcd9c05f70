package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// Fifty servers that none of them answers before all are asked are answered for: the list takes as long as the slowest.
func TestViewAsksAllAtOnce(t *testing.T) {
	const n = 50
	var asked sync.WaitGroup
	asked.Add(n)
	w := newWorld(t, allowAll, func(_ *Options, s *Snapshot) {
		o := federation.Options{Servers: map[string]federation.Selection{}}
		var names []string
		s.Servers = map[string]upstream.Server{}
		for i := range n {
			name := fmt.Sprintf("s%02d", i)
			names, o.Servers[name] = append(names, name), federation.Selection{All: true}
			s.Servers[name] = &script{answer: func(c *upstream.Call) error {
				asked.Done()
				asked.Wait()
				return says(200, `{"jsonrpc":"2.0","id":$ID,"result":`+tools("x")+`}`)(c)
			}}
		}
		s.Routes, s.Views = route.New(names...), map[string]*federation.View{"": view(t, o)}
	})
	got := w.raw(modernAt("/mcp", "tools/list", "", "")).names(t, "tools", "name")
	if len(got) != n || got[0] != "s00__x" || got[n-1] != "s49__x" {
		t.Errorf("the client got %q", got)
	}
}

// A server that hangs costs its own entries, when the time for lists is up; one whose answer is a stream costs nothing.
func TestViewServerThatHangsOrStreams(t *testing.T) {
	_, hangs := newPeer(t, func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() })
	_, streams := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		events(w, ": so far", `{"jsonrpc":"2.0","id":"a","result":`+tools("send", "purge")+`}`)
	})
	_, ends := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) { events(w, ": so far") })
	_, denies := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		events(w, `{"jsonrpc":"2.0","id":"b","result":`+tools("send")+`}`)
	})
	for name, c := range map[string]struct {
		mail   option
		want   string
		status int
		reason string
	}{
		"hangs":              {hangs, "[files__read_file]", 504, "upstream_timeout"},
		"streams":            {streams, "[files__read_file mail__send]", 200, ""},
		"ends its stream":    {ends, "[files__read_file]", 502, "upstream_protocol"},
		"streams another id": {denies, "[files__read_file]", 502, "upstream_protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, viewPolicy, twoServers(t, &script{}, func(o *Options, s *Snapshot) {
				files := s.Servers["files"]
				c.mail(o, s)
				s.Servers = map[string]upstream.Server{"files": files, "mail": s.Servers["files"]}
				s.Federation.Timeout = 20 * time.Second
				if c.status == 504 {
					s.Federation.Timeout = 50 * time.Millisecond // files is in process, and asks nobody for the time
				}
			}))
			w.server.answer = answers(map[string]string{"tools/list": tools("read_file")})
			r := w.raw(modernAt("/mcp", "tools/list", "", ""))
			if got := fmt.Sprint(r.names(t, "tools", "name")); r.status != 200 || got != c.want {
				t.Errorf("the client got %d %s, want %s", r.status, got, c.want)
			}
			decisions, outcomes := bothKinds(w.recorded(4))
			for id, d := range decisions {
				o := outcomes[id]
				if c.status == 504 && o.Reason == "upstream_unavailable" {
					continue // on a busy machine the time can be up before there is a connection
				}
				if d.Server == "mail" && (o.Status != c.status || o.Reason != c.reason) {
					t.Errorf("the outcome is %+v", o)
				}
			}
		})
	}
}

// A client that leaves while servers are asked cancels what they are asked.
func TestViewClientThatLeaves(t *testing.T) {
	seen, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	_, served := newPeer(t, func(_ http.ResponseWriter, r *http.Request, _ string) {
		seen <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	})
	w := newWorld(t, viewPolicy, twoServers(t, &script{}, func(o *Options, s *Snapshot) {
		files := s.Servers["files"]
		served(o, s)
		s.Servers = map[string]upstream.Server{"files": files, "mail": s.Servers["files"]}
		s.Federation.Timeout = time.Minute
	}))
	w.server.answer = answers(map[string]string{"tools/list": tools("read_file")})
	leave(t, w, modernAt("/mcp", "tools/list", "", ""), seen)
	wait(t, ended)
	for _, r := range w.recorded(4) {
		if r.Kind == audit.Outcome && r.Status != 200 && r.Reason != "cancelled" {
			t.Errorf("recorded %+v", r)
		}
	}
}

// Rules of the response phase judge each server's list by itself, remembered or not.
func TestViewListsAreJudgedOnTheirWayBack(t *testing.T) {
	const back = allowAll + `---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: back }
match: { servers: [SERVER], methods: [tools/list], phase: response }
rules:
  - { name: never, effect: deny, reason: secret }
`
	list := func(name string) func(*upstream.Call) error {
		return answers(map[string]string{"tools/list": strings.Replace(tools(name), `"ttlMs":0`, `"ttlMs":60000`, 1)})
	}
	for server, want := range map[string]string{"other": "[files__a mail__send]", "mail": "[files__a]"} {
		mail := &script{answer: list("send")}
		w := newWorld(t, strings.Replace(back, "SERVER", server, 1), twoServers(t, mail, func(_ *Options, s *Snapshot) { s.Federation.Report = true }))
		w.server.answer = list("a")
		for range 2 { // the second is remembered
			r := w.raw(modernAt("/mcp", "tools/list", "", ""))
			if got := fmt.Sprint(r.names(t, "tools", "name")); got != want || strings.Contains(r.body, "missing") {
				t.Errorf("with a rule for %s: %s, want %s in %s", server, got, want, r.body)
			}
		}
		if f, m := len(w.server.received()), len(mail.received()); f != 1 || m != 1 {
			t.Errorf("files was asked %d times, mail %d", f, m)
		}
		denied := 0
		for _, r := range w.recorded(8) {
			if r.Kind == audit.Outcome && r.Reason == "secret" {
				denied++
			}
		}
		if denied != map[string]int{"other": 0, "mail": 2}[server] {
			t.Errorf("with a rule for %s: %d records of a denial", server, denied)
		}
	}
}

// What a client is capable of, and nobody carries, no server is told.
func TestViewWithholdsWhatNobodyCarries(t *testing.T) {
	w := newWorld(t, viewPolicy, twoServers(t, &script{}))
	w.server.answer = answers(map[string]string{"tools/call": `{"resultType":"complete","content":[]}`})
	request := modernAt("/mcp", "tools/call", "files__read_file", readParams)
	head, body, _ := strings.Cut(request, "\r\n\r\n")
	body = strings.Replace(body, `clientCapabilities":{}`, `clientCapabilities":{"roots":{},"extensions":{"vendor/x":{},"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{}}}`, 1)
	head = head[:strings.LastIndex(head, "Content-Length")] + fmt.Sprintf("Content-Length: %d", len(body))
	if r := w.raw(head + "\r\n\r\n" + body); r.status != 200 {
		t.Fatalf("client got %d %s", r.status, r.body)
	}
	var d jsonscan.Doc
	if err := d.Scan([]byte(w.server.received()[0]), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	got := string(d.Root().Path("params", "_meta", "io.modelcontextprotocol/clientCapabilities").AppendTo(nil))
	if want := `{"roots":{},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{}}}`; got != want || !d.Root().Path("params", "name").TextIs("read_file") {
		t.Errorf("the server got %s, want %s", w.server.received()[0], want)
	}
}
