package bridge

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// next gives the next message of a stream.
func next(t *testing.T, c *upstream.Call) string {
	t.Helper()
	for {
		e, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Data) > 0 {
			return string(e.Data)
		}
	}
}

func open(t *testing.T, a *Adapter, c *upstream.Call) {
	t.Helper()
	if err := a.Do(c); err != nil || c.Reply != upstream.Stream {
		t.Fatalf("%v, status %d, %s", err, c.Status, c.ReplyBody)
	}
}

func TestAListeningClientHearsWhatItAskedFor(t *testing.T) {
	onBoth(t, mcp.Legacy, func(t *testing.T, f *fake, a *Adapter) {
		listen := modernCall("ann", "subscriptions/listen", `"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["a:b"]}`, "")
		defer listen.Close()
		open(t, a, listen)
		if got := next(t, listen); got != `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"me"},"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}}}` {
			t.Fatalf("acknowledged: %s", got)
		}
		if !slices.Contains(f.seen(), "resources/subscribe") {
			t.Error("the server was not subscribed to")
		}
		if g := do(t, a, modernCall("ann", "tools/call", `"name":"change"`, "")); len(g.events) != 0 {
			t.Errorf("the call got %q", g.events)
		}
		for _, want := range []string{
			`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"me"}}}`,
			`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b","_meta":{"io.modelcontextprotocol/subscriptionId":"me"}}}`,
		} {
			if got := next(t, listen); got != want {
				t.Errorf("heard %s\nwant %s", got, want)
			}
		}
		listen.Cancel()
		var e *upstream.Error
		if _, err := listen.Next(); !errors.As(err, &e) || e.Code != upstream.Canceled {
			t.Errorf("%v", err)
		}
		listen.Close()
		eventually(t, "the server is unsubscribed from", func() bool { return slices.Contains(f.seen(), "resources/unsubscribe") })
	})
}

func TestResourcesAreSubscribedToOnceForAllWhoListen(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", nil)
	var all []*upstream.Call
	for range 3 {
		c := modernCall("ann", "subscriptions/listen", `"notifications":{"resourceSubscriptions":["a:b"]}`, "")
		open(t, a, c)
		next(t, c)
		all = append(all, c)
	}
	subscribed := func(method string) (n int) {
		for _, m := range f.seen() {
			if m == method {
				n++
			}
		}
		return n
	}
	for i, c := range all {
		if subscribed("resources/subscribe") != 1 || subscribed("resources/unsubscribe") != 0 {
			t.Errorf("before client %d leaves: %q", i, f.seen())
		}
		c.Close()
	}
	if subscribed("resources/unsubscribe") != 1 {
		t.Errorf("after all have left: %q", f.seen())
	}
}

func TestNewsOfTheGETStreamAreHeardAndItsEndIsNotTheEnd(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", nil)
	c := modernCall("ann", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`, "")
	defer c.Close()
	open(t, a, c)
	next(t, c)
	f.mu.Lock()
	s := f.sessions["session-1"]
	f.mu.Unlock()
	s.news <- `{"jsonrpc":"2.0","id":"p","method":"ping"}`
	s.news <- `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"x":1}}}`
	if got := next(t, c); got != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"x":1,"io.modelcontextprotocol/subscriptionId":"me"}}}` {
		t.Errorf("heard %s", got)
	}
}

func TestAListenerIsToldWhenItsSessionEnds(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", func(o *Options) { o.Pinned = true })
	c := modernCall("ann", "subscriptions/listen", `"notifications":{"toolsListChanged":true}`, "")
	defer c.Close()
	open(t, a, c)
	next(t, c)
	f.mu.Lock()
	f.forget = true
	f.mu.Unlock()
	do(t, a, modernCall("ann", "tools/call", `"name":"echo","arguments":{}`, ""))
	if got := next(t, c); got != `{"jsonrpc":"2.0","id":"me","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"me"}}}` {
		t.Errorf("heard %s", got)
	}
	if _, err := c.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("and then %v", err)
	}
}

func TestASubscriptionCoversAResourceAndItsParts(t *testing.T) {
	for _, c := range []struct {
		resource, uri string
		want          bool
	}{
		{"a:b", "a:b", true},
		{"a:b", "a:b/c", true},
		{"a:b", "a:b#c", true},
		{"a:b/", "a:b/c", true},
		{"a:b", "a:bc", false},
		{"a:b/c", "a:b", false},
		{"a:b", "x:a:b", false},
	} {
		if got := covers(c.resource, c.uri); got != c.want {
			t.Errorf("%q covers %q: %v", c.resource, c.uri, got)
		}
	}
}
