package bridge

import (
	"fmt"
	"hash/maphash"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

func TestTheLatestRequestWithAnIDIsCancelled(t *testing.T) {
	s := running{seed: maphash.MakeSeed()}
	begin := func(session, id string) *rounds {
		r := &rounds{cl: &client{ID: session}, id: []byte(id), wake: make(chan struct{}, 1)}
		s.put(r)
		return r
	}
	first, second, other := begin("a", "7"), begin("a", "7"), begin("a7", "")
	s.cancel("a", []byte("8"))
	s.cancel("b", []byte("7"))
	if first.stopped || second.stopped || other.stopped {
		t.Error("one is cancelled that nobody has named")
	}
	s.cancel("a", []byte("7"))
	if first.stopped || !second.stopped || other.stopped {
		t.Error("another one is cancelled")
	}
	s.drop(second)
	s.cancel("a", []byte("7"))
	if !first.stopped || other.stopped {
		t.Error("the one before is not found")
	}
	second = begin("a", "7")
	for _, r := range []*rounds{first, second, other, other} { // in the other order; and one that is not there
		s.drop(r)
	}
	if n := s.len(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// Memory of requests is used again. What is done to one must not reach the next.
func TestACancelledRequestIsNoOther(t *testing.T) {
	onBoth(t, mcp.Modern, func(t *testing.T, f *fake, a *Adapter) {
		cancelled, going := joined(t, a, `{}`), joined(t, a, `{}`)
		run := func(session, body string) (string, error) {
			c := legacyCall(session, body)
			defer c.Close()
			err := a.Do(c)
			return string(c.ReplyBody), err
		}
		const calls = 300
		var all sync.WaitGroup
		all.Go(func() {
			for range calls {
				_, _ = run(cancelled, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{}}}`)
			}
		})
		all.Go(func() {
			for range calls {
				_, _ = run(cancelled, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
			}
		})
		for i := range calls {
			body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"n":%d}}}`, i, i)
			answer, err := run(going, body)
			if want := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,`, i); err != nil || len(answer) < len(want) || answer[:len(want)] != want {
				t.Fatalf("%v %s", err, answer)
			}
		}
		all.Wait()
		if n := a.running.len(); n != 0 {
			t.Errorf("%d requests are under way", n)
		}
	})
}

// An answer that was read for the gateway is what it would be if the gateway had to read it.
func TestAnAnswerIsReadWhereItIsWanted(t *testing.T) {
	onBoth(t, mcp.Modern, func(t *testing.T, _ *fake, a *Adapter) {
		session := joined(t, a, `{}`)
		for _, c := range []struct {
			method, params string
			read           bool
		}{
			{"tools/call", `"name":"echo","arguments":{"a":[1,"x"]},"_meta":{"progressToken":"p"}`, true},
			{"tools/call", `"name":"nothing"`, true},
			{"tools/list", "", false},
		} {
			want := do(t, a, legacyRequest(session, c.method, c.params))
			call := legacyRequest(session, c.method, c.params)
			var sent mcp.Message
			g := &readHere{}
			if r := sent.Decode(call.Body, g.Options); r != nil {
				t.Fatal(r)
			}
			g.Message, g.Edits = &g.message, &g.edits
			call.Message, call.Reading = &sent, &g.Reading
			if err := a.Do(call); err != nil || call.Status != want.status || g.Done != c.read {
				t.Fatalf("%s: %v, status %d, read: %v", c.method, err, call.Status, g.Done)
			}
			got := string(call.ReplyBody)
			if c.read {
				got = string(g.message.AppendEdited(nil, &g.edits))
			}
			if got != want.answer {
				t.Errorf("%s: %s\nwant %s", c.method, got, want.answer)
			}
			call.Close()
		}
	})
}

type readHere struct {
	upstream.Reading
	message mcp.Message
	edits   jsonscan.Edits
}
