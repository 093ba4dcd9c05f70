package upstream

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/budget"
)

func TestWaitingMessagesAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{MaxLine: 1000})
		session, p := openScripted(t, l, peers)
		g := &Call{Verb: Get, Session: session}
		defer g.Close()
		if err := l.Do(g); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			p.send(`{"jsonrpc":"2.0","method":"` + strings.Repeat("m", 900) + `"}`)
		}
		synctest.Wait()
		if n := l.Status().Dropped; n != 16 {
			t.Errorf("%d dropped", n)
		}
	})
}

func TestCanceledStreamDeliversNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		session, p := openScripted(t, l, peers)
		g := &Call{Verb: Get, Session: session}
		defer g.Close()
		if err := l.Do(g); err != nil {
			t.Fatal(err)
		}
		p.send(`{"jsonrpc":"2.0","method":"m"}`)
		synctest.Wait()
		g.Cancel()
		if e, err := g.Next(); !errors.Is(err, ErrCanceled) {
			t.Errorf("got %s, %v", e.Data, err)
		}
	})
}

// Ids of different clients mean nothing to each other.
func TestNobodyCancelsOnTheSharedPeerByID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		c := ask("", `1`, "x", "")
		defer c.Close()
		done := start(l, c)
		p := <-peers
		p.expect(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}`)
		n := &Call{
			Kind: Notification, Method: "notifications/cancelled", Modern: true,
			Body: []byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`),
		}
		if err := l.Do(n); err != nil || n.Status != 202 {
			t.Errorf("status %d, %v", n.Status, err)
		}
		n.Method, n.Body = "notifications/other", []byte(`{"jsonrpc":"2.0","method":"notifications/other"}`)
		if err := l.Do(n); err != nil || n.Status != 202 {
			t.Errorf("status %d, %v", n.Status, err)
		}
		p.expect(`{"jsonrpc":"2.0","method":"notifications/other"}`)
		p.send(`{"jsonrpc":"2.0","id":1,"result":{}}`)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A program that is gone before initialize could be handed to it has not lost a session: there was none.
func TestInitializeOfADeadPeerIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{})
		s, err := l.openSession()
		if err != nil {
			t.Fatal(err)
		}
		(<-peers).end()
		synctest.Wait()
		for method, want := range map[string]string{"initialize": "unavailable", "ping": "<nil>"} {
			c := &Call{Body: []byte(`{"jsonrpc":"2.0","id":"i","method":"` + method + `"}`), Method: method}
			if err := l.post(c, s.p, s); codeOf(err) != want || err == nil && c.Status != 404 {
				t.Errorf("%s: status %d, %v", method, c.Status, err)
			}
			c.Close()
		}
	})
}

// A program that dies before it has said anything is not started at will.
func TestSessionsAreStartedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peers := scripted(t, LineOptions{BackoffMin: time.Second})
		c := &Call{Body: []byte(`{"jsonrpc":"2.0","id":"i","method":"initialize","params":{}}`), Method: "initialize"}
		done := start(l, c)
		(<-peers).end()
		if err := <-done; err == nil {
			t.Error("no error")
		}
		c.Close()
		if err := l.Do(c); codeOf(err) != "unavailable" || !strings.Contains(err.Error(), "it failed 1 times in a row") {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(time.Second)
		openScripted(t, l, peers)
	})
}

// What waits for its reader is counted, what finds no room is left out or fails its call, and nothing is held when all have ended.
func TestMessagesOfLinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 100 << 10
		memory := budget.New(250 << 10)
		l, peers := scripted(t, LineOptions{Memory: memory})
		session, p := openScripted(t, l, peers)
		text := strings.Repeat("x", size)
		for range 3 { // nobody reads them yet, and there is room for two
			p.send(`{"jsonrpc":"2.0","method":"m","params":{"data":"` + text + `"}}`)
		}
		synctest.Wait()
		if n, lost := memory.Used(), l.Status().Dropped; n < 2*size || lost != 1 {
			t.Errorf("%d bytes are held, %d messages lost", n, lost)
		}
		c := ask(session, `1`, "x", "")
		defer c.Close()
		done := start(l, c)
		p.expect(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}`)
		p.send(`{"jsonrpc":"2.0","id":2,"result":{"text":"` + text + `"}}`)
		if err := <-done; codeOf(err) != "no_memory" {
			t.Errorf("an answer beside them: %v", err)
		}
		g := &Call{Verb: Get, Session: session}
		defer g.Close()
		if err := l.Do(g); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if e, err := g.Next(); err != nil || len(e.Data) < size {
				t.Fatalf("%d bytes, %v", len(e.Data), err)
			}
		}
		if n := memory.Used(); n < size || n > 2*size {
			t.Errorf("%d bytes are held while one of two is read", n)
		}
		p.send(`{"jsonrpc":"2.0","method":"m","params":{"data":"` + text + `"}}`)
		synctest.Wait()
		g.Close()
		if n := memory.Used(); n != 0 {
			t.Errorf("%d bytes are held when the stream is closed", n)
		}
		p.send(`{"jsonrpc":"2.0","method":"m","params":{"data":"` + text + `"}}`)
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if n := memory.Used(); n != 0 {
			t.Errorf("%d bytes are held in the end", n)
		}
	})
}
