package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

func TestAGETStreamIsASubscription(t *testing.T) {
	onBoth(t, mcp.Modern, func(t *testing.T, f *fake, a *Adapter) {
		session := joined(t, a, `{}`)
		c := &upstream.Call{Verb: upstream.Get, Session: session}
		defer c.Close()
		open(t, a, c)
		f.change("")
		if got := next(t, c); got != `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}` {
			t.Errorf("heard %s", got)
		}
		do(t, a, legacyRequest(session, "resources/subscribe", `"uri":"a:b"`))
		f.change("a:b")
		if got := next(t, c); got != `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}` {
			t.Errorf("heard %s", got)
		}
		do(t, a, legacyRequest(session, "resources/unsubscribe", `"uri":"a:b"`))
		eventually(t, "one subscription is left", func() bool { return f.listeners() == 1 })
		f.change("a:b")
		f.change("")
		if got := next(t, c); !strings.Contains(got, "tools/list_changed") {
			t.Errorf("heard %s", got)
		}
		c.Close()
		eventually(t, "no subscription is left", func() bool { return f.listeners() == 0 })
	})
}

func TestNothingIsLostWhenASubscriptionIsReplaced(t *testing.T) {
	f := newFake(mcp.Modern)
	a := f.adapter(t, "http", nil)
	session := joined(t, a, `{}`)
	c := &upstream.Call{Verb: upstream.Get, Session: session}
	defer c.Close()
	open(t, a, c)
	var x *radio
	a.memory.with(session, time.Now(), func(r *remembered) { x = r.radio })
	f.change("")
	eventually(t, "the news has come", func() bool { return len(x.p.out) == 1 })
	do(t, a, legacyRequest(session, "resources/subscribe", `"uri":"a:b"`))
	if got := next(t, c); !strings.Contains(got, "tools/list_changed") {
		t.Errorf("heard %s", got)
	}
}

func TestTheNewerOfTwoGETStreamsHears(t *testing.T) {
	f := newFake(mcp.Modern)
	a := f.adapter(t, "http", nil)
	session := joined(t, a, `{}`)
	older, newer := &upstream.Call{Verb: upstream.Get, Session: session}, &upstream.Call{Verb: upstream.Get, Session: session}
	defer older.Close()
	defer newer.Close()
	open(t, a, older)
	open(t, a, newer)
	if _, err := older.Next(); err == nil {
		t.Error("the older goes on")
	}
	older.Close()
	f.change("")
	if got := next(t, newer); !strings.Contains(got, "tools/list_changed") {
		t.Errorf("heard %s", got)
	}
}
