package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// failure is a way in which a server fails, and what comes of it for a call that the server has got, or not.
type failure struct {
	name, timeout string
	answer        func(c *net.TCPConn, id int) // what it does instead of answering; nil: it refuses connections
	status        int
	code          int64
	reason        string // also of its part of a list
	keeps         bool   // what it says is HTTP: its connections are used again
}

const (
	soon       = "3s"
	answerHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)

var failures = []failure{
	{name: "refuses", status: 502, code: 50301, reason: "upstream_unavailable"},
	{name: "hangs", timeout: soon, answer: says(""), status: 504, code: 50401, reason: "upstream_timeout"},
	{name: "trickles", timeout: soon, answer: trickle, status: 504, code: 50401, reason: "upstream_timeout"},
	{name: "half-closes", answer: halfCloses(""), status: 502, code: 50201, reason: "upstream_closed"},
	{name: "half-closes-in-head", answer: halfCloses("HTTP/1.1 200 OK\r\nContent-"), status: 502, code: 50201, reason: "upstream_closed"},
	{name: "half-closes-in-body", answer: halfCloses(answerHead + "Content-Length: 100\r\n\r\n{"), status: 502, code: 50201, reason: "upstream_closed"},
	{name: "says-no-http", answer: says("\x00\xff garbage\r\n\r\n"), status: 502, code: 50201, reason: "upstream_protocol"},
	{name: "says-no-json", answer: whole("<html>"), status: 502, code: 50201, reason: "upstream_protocol", keeps: true},
	{name: "says-no-message", answer: whole(`{"jsonrpc":"2.0","id":%d}`), status: 502, code: 50201, reason: "upstream_protocol", keeps: true},
	{name: "mistakes-ids", answer: whole(`{"jsonrpc":"2.0","id":1%d,"result":{"resultType":"complete","content":[],"tools":[]}}`), status: 502, code: 50201, reason: "upstream_protocol", keeps: true},
	{name: "announces-too-much", answer: says(answerHead + "Content-Length: 1073741824\r\n\r\n"), status: 502, code: 50201, reason: "upstream_too_large"},
	{name: "says-too-much", answer: floods(answerHead + "Transfer-Encoding: chunked\r\n\r\n"), status: 502, code: 50201, reason: "upstream_too_large"},
	{name: "has-no-end-of-head", answer: floods("HTTP/1.1 200 OK\r\nX: "), status: 502, code: 50201, reason: "upstream_too_large"},
	{name: "falls-silent-in-a-stream", timeout: soon, answer: says(streamHead + "3\r\n:\n\n\r\n"), status: 200, code: 50401, reason: "upstream_timeout"},
	{name: "half-closes-in-a-stream", answer: halfCloses(streamHead + "3\r\n:\n\n\r\n"), status: 200, code: 50201, reason: "upstream_closed"},
	{name: "ends-a-stream-early", answer: says(streamHead + "3\r\n:\n\n\r\n0\r\n\r\n"), status: 200, code: 50201, reason: "upstream_protocol", keeps: true},
	{name: "has-no-end-of-event", answer: floods(streamHead), status: 200, code: 50201, reason: "upstream_too_large"},
}

func says(text string) func(*net.TCPConn, int) {
	return func(c *net.TCPConn, _ int) { _, _ = io.WriteString(c, text) }
}

func halfCloses(text string) func(*net.TCPConn, int) {
	return func(c *net.TCPConn, id int) {
		says(text)(c, id)
		_ = c.CloseWrite()
	}
}

// whole answers with a body that may have a place for the id.
func whole(body string) func(*net.TCPConn, int) {
	return func(c *net.TCPConn, id int) {
		b := body
		if strings.Contains(b, "%d") {
			b = fmt.Sprintf(b, id)
		}
		fmt.Fprintf(c, answerHead+"Content-Length: %d\r\n\r\n%s", len(b), b)
	}
}

func trickle(c *net.TCPConn, _ int) {
	for _, err := io.WriteString(c, answerHead+"Content-Length: 60000\r\n\r\n"); err == nil; _, err = io.WriteString(c, " ") {
		time.Sleep(20 * time.Millisecond)
	}
}

// floods says more and more, until nobody listens. In chunks or not, it never comes to an end.
func floods(head string) func(*net.TCPConn, int) {
	more := strings.Repeat("x", 1<<12)
	if strings.HasSuffix(head, "\r\n\r\n") {
		more = "1000\r\n" + more + "\r\n"
	}
	return func(c *net.TCPConn, _ int) {
		for _, err := io.WriteString(c, head); err == nil; _, err = io.WriteString(c, more) {
		}
	}
}

const goodAnswer = `{"jsonrpc":"2.0","id":%d,"result":{"resultType":"complete","content":[],"tools":[{"name":"count","inputSchema":{"type":"object"}}]}}`

// Ids of requests: those of one failure, or of one list, are beyond these by its number.
const (
	warming = 1000 * (iota + 1)
	directly
	federated
	listing
	meanwhile
)

// Whatever a server does, its callers are told in time, and in the same words as the record; nothing is carried out twice; nobody else notices;
// and nothing is left of it.
func TestFailuresAreTheirServersOwn(t *testing.T) {
	timeouts := map[string]string{"well": "20s"}
	for _, f := range failures {
		timeouts[f.name] = cmp.Or(f.timeout, "20s")
	}
	w := newWard(t, timeouts)
	w.servers["well"].up(t)
	w.ok("well", "/well", "count", warming+len(failures))
	for i, f := range failures {
		if p := w.servers[f.name]; f.answer != nil {
			p.up(t)
			w.ok(f.name, "/"+f.name, "count", warming+i) // so there is a connection that has been of use
			p.does(f.answer)
		}
	}
	before := goleak.IgnoreCurrent()
	gotDirect, gotMerged, gotList := make([]got, len(failures)), make([]got, len(failures)), got{}
	var asked sync.WaitGroup
	asked.Go(func() { gotList = w.ask("", "", listing) })
	for i, f := range failures {
		asked.Go(func() { gotDirect[i] = w.ask("/"+f.name, "count", directly+i) })
		asked.Go(func() { gotMerged[i] = w.ask("", f.name+"__count", federated+i) })
	}
	for i := range 10 { // meanwhile
		w.ok("well", "/well", "count", meanwhile+2*i)
		w.ok("well", "", "well__count", meanwhile+2*i+1)
	}
	asked.Wait()
	for _, f := range failures {
		w.rests(f.name, f.keeps)
	}
	w.rests("well", true)
	w.noMore(before, goleak.IgnoreAnyFunction("github.com/sallyport-dev/sallyport/cmd/sallyport.(*patient).serve"))
	records := w.end()
	missing := map[string]string{}
	for _, m := range gotList.Result.Meta.Missing {
		missing[m.Server] = m.Reason
	}
	if len(gotList.Result.Tools) != 1 || gotList.Result.Tools[0].Name != "well__count" || len(missing) != len(failures) {
		t.Errorf("the list: %+v", gotList)
	}
	for i, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			f.check(t, gotDirect[i], records[fmt.Sprint(f.name, " ", directly+i)])
			f.check(t, gotMerged[i], records[fmt.Sprint(f.name, " ", federated+i)])
			if part := records[fmt.Sprint(f.name, " ", listing)]; missing[f.name] != f.reason || part.Reason != f.reason {
				t.Errorf("in the list: %q; its record: %+v", missing[f.name], part)
			}
			w.servers[f.name].checkOnce(t, f.answer != nil, directly+i, federated+i)
		})
	}
}

func (f *failure) check(t *testing.T, a got, r audit.Record) {
	t.Helper()
	if a.Status != f.status || a.Error.Code != f.code || r.Status != f.status || r.ErrorCode != f.code || r.Reason != f.reason {
		t.Errorf("answer %d with code %d, record %d with code %d and reason %q; want %d, %d, %q",
			a.Status, a.Error.Code, r.Status, r.ErrorCode, r.Reason, f.status, f.code, f.reason)
	}
}

// checkOnce checks that calls have been carried out if the server was there, and none twice.
func (p *patient) checkOnce(t *testing.T, there bool, ids ...int) {
	t.Helper()
	for _, id := range ids {
		if (p.times(id) == 1) != there {
			t.Errorf("call %d was carried out %d times", id, p.times(id))
		}
	}
	for id, n := range p.carried {
		if n > 1 {
			t.Errorf("call %d was carried out %d times", id, n)
		}
	}
}

// A server that starts again and again costs the call that it was carrying out, and those made while it is not there: none is made twice, and
// the first one after that is answered, though all connections that the gateway had are gone.
func TestServerThatRestartsOverAndOver(t *testing.T) {
	w := newWard(t, map[string]string{"well": "20s", "ill": "20s"})
	p := w.servers["ill"]
	w.servers["well"].up(t)
	lost, gone := failure{status: 502, code: 50201, reason: "upstream_closed"}, failure{status: 502, code: 50301, reason: "upstream_unavailable"}
	type call struct {
		got
		failure
	}
	calls, id := map[int]call{}, 0
	for _, at := range []struct{ path, prefix string }{{"/ill", ""}, {"", "ill__"}, {"/ill", ""}, {"", "ill__"}} {
		ask := func(f failure) {
			id++
			calls[id] = call{w.ask(at.path, at.prefix+"count", id), f}
			w.ok("well", "", "well__count", meanwhile+id)
		}
		p.does(whole(goodAnswer))
		p.up(t)
		ask(failure{status: 200})
		p.does(func(c *net.TCPConn, _ int) { _ = c.Close() }) // it is lost on a connection that has been of use, and the server could be asked again
		ask(lost)
		p.does(whole(goodAnswer))
		ask(failure{status: 200})
		p.does(func(*net.TCPConn, int) { p.cut() })
		ask(lost)
		ask(gone)
		if a := w.ask("", "", listing+id); len(a.Result.Tools) != 1 || len(a.Result.Meta.Missing) != 1 {
			t.Errorf("the list: %+v", a)
		}
	}
	w.rests("ill", false)
	records := w.end()
	for id, c := range calls {
		c.check(t, c.got, records[fmt.Sprint("ill ", id)])
		p.checkOnce(t, c.reason != gone.reason, id)
	}
}
