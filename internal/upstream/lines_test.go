package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scripted is an in-process server whose other end the test plays.
func scripted(t *testing.T, o LineOptions) (*Lines, chan *script) {
	t.Helper()
	peers := make(chan *script, 32)
	o.Now = time.Now
	l := NewInProcess("inside", func() (io.ReadWriteCloser, error) {
		inR, inW := io.Pipe()
		outR, outW := io.Pipe()
		end := func() {
			_, _ = inR.Close(), inW.Close()
			_, _ = outR.Close(), outW.Close()
		}
		peers <- &script{t: t, in: bufio.NewReader(inR), out: outW, end: end}
		return duplex{outR, inW, end}, nil
	}, o)
	t.Cleanup(func() { _ = l.Close() })
	return l, peers
}

type script struct {
	t   *testing.T
	in  *bufio.Reader
	out io.Writer
	end func()
}

// expect reads one line.
func (s *script) expect(want string) {
	s.t.Helper()
	got, err := s.in.ReadString('\n')
	if err != nil || got != want+"\n" {
		s.t.Errorf("the server got %s, %v; want %s", got, err, want)
	}
}

func (s *script) send(line string) { _, _ = io.WriteString(s.out, line+"\n") }

// start begins c and leaves its outcome in the channel.
func start(s Server, c *Call) chan error {
	done := make(chan error, 1)
	go func() { done <- s.Do(c) }()
	return done
}

const initAnswer = `{"jsonrpc":"2.0","id":1,"result":{}}`

func openScripted(t *testing.T, l *Lines, peers chan *script) (string, *script) {
	t.Helper()
	c := &Call{Body: []byte(`{"jsonrpc":"2.0","id":"i","method":"initialize","params":{}}`), Method: "initialize"}
	defer c.Close()
	done := start(l, c)
	p := <-peers
	p.expect(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`)
	p.send(initAnswer)
	if err := <-done; err != nil || c.ReplySession == "" || string(c.ReplyBody) != `{"jsonrpc":"2.0","id":"i","result":{}}` {
		t.Fatalf("error %v, session %q, body %s", err, c.ReplySession, c.ReplyBody)
	}
	return c.ReplySession, p
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code.String()
	}
	return fmt.Sprint(err)
}

func TestSharedPeerKeepsCallersApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		a := ask("", `"same"`, "x", `,"_meta":{"progressToken":"t","traceparent":"00-1"}`)
		b := ask("", `"same"`, "y", `,"_meta":{"progressToken":"t"}`)
		defer a.Close()
		defer b.Close()
		doneA := start(l, a)
		p := <-peers
		p.expect(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"progressToken":1,"traceparent":"00-1"}}}`)
		doneB := start(l, b)
		p.expect(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"y","_meta":{"progressToken":2}}}`)
		p.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"whose?"}}`)
		p.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":2,"progress":1}}`)
		p.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":9}}`)
		p.send(`{"jsonrpc":"2.0","id":"r","method":"roots/list"}`)
		p.expect(`{"jsonrpc":"2.0","id":"r","error":{"code":-32603,"message":"no client is there to ask"}}`)
		p.send(`{"jsonrpc":"2.0","id":1,"result":"for a"}`)
		p.send(`{"jsonrpc":"2.0","id":2,"result":"for b"}`)
		if err := <-doneA; err != nil || string(a.ReplyBody) != `{"jsonrpc":"2.0","id":"same","result":"for a"}` {
			t.Errorf("a: %s, %v", a.ReplyBody, err)
		}
		if err := <-doneB; err != nil || b.Reply != Stream {
			t.Fatalf("b: reply %d, %v", b.Reply, err)
		}
		for _, want := range []string{
			`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}`,
			`{"jsonrpc":"2.0","id":"same","result":"for b"}`,
		} {
			if e, err := b.Next(); err != nil || string(e.Data) != want {
				t.Errorf("b: %s, %v", e.Data, err)
			}
		}
		if n := l.Status().Dropped; n != 2 {
			t.Errorf("%d notifications dropped", n)
		}
	})
}

func TestSubscriptionsCarryTheClientsListenID(t *testing.T) {
	l := inProcess(t, LineOptions{Now: time.Now})
	for _, id := range []string{`4`, `"four"`} {
		c := &Call{Body: []byte(`{"jsonrpc":"2.0","id":` + id + `,"method":"subscriptions/listen","params":{}}`), Method: "subscriptions/listen", Modern: true}
		got, err := run(t, l, c)
		tag := `"_meta":{"io.modelcontextprotocol/subscriptionId":` + id + `}`
		want := []string{
			`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{` + tag + `}}`,
			`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{` + tag + `}}`,
			`{"jsonrpc":"2.0","id":` + id + `,"result":{"resultType":"complete",` + tag + `}}`,
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("error %v:\n%s", err, diff)
		}
	}
}

func TestCancellationNamesThePeersRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		session, p := openScripted(t, l, peers)
		byClient, byGateway, late := ask(session, `"c"`, "x", ""), ask(session, `"g"`, "x", ""), ask(session, `"l"`, "x", "")
		late.Deadline = time.Now().Add(time.Second)
		var ends []chan error
		for i, c := range []*Call{byClient, byGateway, late} {
			defer c.Close()
			ends = append(ends, start(l, c))
			p.expect(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x"}}`, i+2))
		}
		n := &Call{
			Kind: Notification, Method: "notifications/cancelled", Session: session,
			Body: []byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c","reason":"r"}}`),
		}
		if err := l.Do(n); err != nil || n.Status != 202 {
			t.Errorf("status %d, %v", n.Status, err)
		}
		p.expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"r"}}`)
		n.Body = []byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nobody's"}}`)
		if err := l.Do(n); err != nil || n.Status != 202 {
			t.Errorf("status %d, %v", n.Status, err)
		}
		byGateway.Cancel()
		p.expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3,"reason":"canceled"}}`)
		p.expect(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4,"reason":"timeout"}}`)
		p.send(`{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"m"}}`)
		for i, want := range []string{"<nil>", "canceled", "timeout"} {
			if got := codeOf(<-ends[i]); got != want {
				t.Errorf("call %d: %s, want %s", i, got, want)
			}
		}
	})
}

// A client that leaves has not canceled: the peer is not told, goes on, and what it answers reaches nobody.
func TestLeavingIsNotCanceling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		session, p := openScripted(t, l, peers)
		left, stays := ask(session, `"a"`, "x", ""), ask(session, `"a"`, "y", "")
		defer left.Close()
		defer stays.Close()
		ended := start(l, left)
		p.expect(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		left.Leave()
		if got := codeOf(<-ended); got != "canceled" {
			t.Errorf("the call that was left: %s", got)
		}
		ended = start(l, stays)
		p.expect(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"y"}}`) // and no cancellation before it
		p.send(`{"jsonrpc":"2.0","id":2,"result":{"of":"x"}}`)
		p.send(`{"jsonrpc":"2.0","id":3,"result":{"of":"y"}}`)
		if err := <-ended; err != nil || string(stays.ReplyBody) != `{"jsonrpc":"2.0","id":"a","result":{"of":"y"}}` {
			t.Errorf("the next call got %s, %v", stays.ReplyBody, err)
		}
		if n := l.Status().InFlight; n != 0 {
			t.Errorf("%d calls are still in flight", n)
		}
	})
}

func TestGetStreamTakesWhatNoRequestIsTheCauseOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		session, p := openScripted(t, l, peers)
		for i := range maxQueued + 3 {
			p.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/message","params":%d}`, i))
		}
		synctest.Wait()
		g := &Call{Verb: Get, Session: session}
		if err := l.Do(g); err != nil || g.Status != 200 || g.Reply != Stream {
			t.Fatalf("status %d, reply %d, %v", g.Status, g.Reply, err)
		}
		second := &Call{Verb: Get, Session: session}
		if err := l.Do(second); err != nil || second.Status != 409 || second.Reply != Empty {
			t.Errorf("second stream: status %d, %v", second.Status, err)
		}
		p.send(`{"jsonrpc":"2.0","id":7,"method":"ping"}`)
		for i := range maxQueued {
			want := fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/message","params":%d}`, i+3)
			if e, err := g.Next(); err != nil || string(e.Data) != want {
				t.Fatalf("event %d: %s, %v", i, e.Data, err)
			}
		}
		if e, err := g.Next(); err != nil || string(e.Data) != `{"jsonrpc":"2.0","id":7,"method":"ping"}` {
			t.Errorf("got %s, %v", e.Data, err)
		}
		d := &Call{Verb: Delete, Session: session}
		if err := l.Do(d); err != nil || d.Status != 200 {
			t.Errorf("delete: status %d, %v", d.Status, err)
		}
		if _, err := g.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the session: %v", err)
		}
		g.Close()
		if st := l.Status(); st.Dropped != 3 || st.Sessions != 0 || st.InFlight != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestRequestsOfTheServerThatNobodyTakesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		_, p := openScripted(t, l, peers)
		for i := range maxQueued + 1 {
			p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i))
		}
		p.expect(`{"jsonrpc":"2.0","id":0,"error":{"code":-32603,"message":"no client is there to ask"}}`)
	})
}

func TestSlowReaderLosesNotificationsAndKeepsItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		session, p := openScripted(t, l, peers)
		c := ask(session, `1`, "x", "")
		defer c.Close()
		done := start(l, c)
		p.expect(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		for range 2 * maxWaiting {
			p.send(`{"jsonrpc":"2.0","method":"notifications/message"}`)
		}
		p.send(`{"jsonrpc":"2.0","id":2,"result":"kept"}`)
		synctest.Wait()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		last, n := "", 0
		for {
			e, err := c.Next()
			if err != nil {
				break
			}
			last = string(e.Data)
			n++
		}
		if last != `{"jsonrpc":"2.0","id":1,"result":"kept"}` || n > maxWaiting+1 {
			t.Errorf("%d events, the last %s", n, last)
		}
	})
}

func TestSharedPeerIsRestartedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{BackoffMin: time.Second, BackoffMax: 4 * time.Second})
		for i, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
			c := ask("", `1`, "x", "")
			done := start(l, c)
			p := <-peers
			p.expect(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`)
			p.end()
			if got := codeOf(<-done); got != "closed" {
				t.Errorf("crash %d: %s", i, got)
			}
			time.Sleep(wait/2 - time.Millisecond)
			if got := codeOf(l.Do(ask("", `1`, "x", ""))); got != "unavailable" {
				t.Errorf("%d: too early: %s", i, got)
			}
			time.Sleep(wait/2 + 2*time.Millisecond)
		}
		if st := l.Status(); st.Restarts != 3 || st.State != Down || st.LastError != "it has ended its output" {
			t.Errorf("status %+v", st)
		}
	})
}

func TestSessionsEndWhenUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{IdleTimeout: 10 * time.Minute, MaxSessions: 2})
		old, _ := openScripted(t, l, peers)
		held, p := openScripted(t, l, peers)
		full := &Call{Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"initialize"}`), Method: "initialize"}
		if err := l.Do(full); codeOf(err) != "unavailable" || !strings.Contains(err.Error(), "all 2 sessions are in use") {
			t.Errorf("no room: %v", err)
		}
		g := &Call{Verb: Get, Session: held}
		if err := l.Do(g); err != nil {
			t.Fatal(err)
		}
		time.Sleep(evictAfter)
		young, _ := openScripted(t, l, peers) // takes the place of old
		time.Sleep(time.Hour)
		for session, want := range map[string]int{old: 404, young: 404, held: 202} {
			n := &Call{Kind: Notification, Session: session, Body: []byte(`{}`)}
			if err := l.Do(n); err != nil || n.Status != want {
				t.Errorf("status %d, want %d, %v", n.Status, want, err)
			}
		}
		p.expect(`{}`)
		g.Close()
		time.Sleep(10*time.Minute - time.Second)
		if n := l.Status().Sessions; n != 1 {
			t.Errorf("%d sessions", n)
		}
		time.Sleep(2 * time.Second)
		if n := l.Status().Sessions; n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestPeerThatDoesNotReadIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{WriteWait: 5 * time.Second})
		began := time.Now()
		first := start(l, ask("", `1`, "x", ""))
		<-peers
		synctest.Wait()
		second := start(l, ask("", `2`, "x", ""))
		for i, c := range []struct {
			done chan error
			code string
		}{{first, "closed"}, {second, "unavailable"}} { // the second waited behind the first
			if err := <-c.done; codeOf(err) != c.code || !errors.Is(err, errBusyPeer) || time.Since(began) != 5*time.Second {
				t.Errorf("call %d: %v after %s", i+1, err, time.Since(began))
			}
		}
	})
}

// The client may leave at the very moment when its request is on its way.
func TestRequestAbandonedWhileItIsQueuedIsCanceled(t *testing.T) {
	l, _ := scripted(t, LineOptions{})
	p := newPeer(l, nil, nil)
	x := l.newCall(&Call{}, p, nil)
	x.key = 1
	p.addRequest(x)
	x.interrupt(true)
	x.wasQueued()
	select {
	case m := <-p.out:
		if string(m.b) != string(cancelLine(1, "canceled")) {
			t.Errorf("got %s", m.b)
		}
	default:
		t.Error("the peer was not told")
	}
}

func TestRefusedInitializeLeavesNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		c := &Call{Body: []byte(`{"jsonrpc":"2.0","id":"i","method":"initialize"}`), Method: "initialize"}
		defer c.Close()
		done := start(l, c)
		p := <-peers
		p.expect(`{"jsonrpc":"2.0","id":1,"method":"initialize"}`)
		p.send(`{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}`)
		if err := <-done; err != nil || c.ReplySession != "" || c.Status != 200 {
			t.Errorf("error %v, session %q, status %d", err, c.ReplySession, c.Status)
		}
		synctest.Wait()
		if st := l.Status(); st.Sessions != 0 || st.Conns != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestCallsOutsideASession(t *testing.T) {
	l, _ := scripted(t, LineOptions{})
	for _, c := range []struct {
		call *Call
		want int
	}{
		{&Call{Body: []byte(`{}`), Method: "ping"}, 400},
		{&Call{Verb: Get}, 405},
		{&Call{Verb: Delete}, 405},
		{&Call{Verb: Get, Session: "unknown"}, 404},
		{&Call{Body: []byte(`{}`), Session: "unknown"}, 404},
	} {
		if err := l.Do(c.call); err != nil || c.call.Status != c.want || c.call.Reply != Empty {
			t.Errorf("verb %d: status %d, want %d, %v", c.call.Verb, c.call.Status, c.want, err)
		}
	}
}
