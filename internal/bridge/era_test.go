package bridge

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// scripted is a server that answers as its function says.
type scripted struct {
	do       func(c *upstream.Call) error
	asked    atomic.Int64
	headless bool
	ended    atomic.Int64
}

func (s *scripted) Do(c *upstream.Call) error {
	s.asked.Add(1)
	return s.do(c)
}
func (s *scripted) Close() error            { return nil }
func (s *scripted) Status() upstream.Status { return upstream.Status{Transport: "fake"} }
func (s *scripted) Headless() bool          { return s.headless }
func (s *scripted) EndShared()              { s.ended.Add(1) }

func says(status int, body string) func(*upstream.Call) error {
	return func(c *upstream.Call) error {
		c.Status, c.Reply, c.ReplyBody = status, upstream.JSON, []byte(body)
		return nil
	}
}

func failing(code upstream.ErrorCode) func(*upstream.Call) error {
	return func(*upstream.Call) error {
		return &upstream.Error{Code: code, Server: "s", Err: errors.New("no")}
	}
}

const discovered = `{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{}}}`

func TestTheEraOfAServerIsWhatItSaysToDiscover(t *testing.T) {
	for _, c := range []struct {
		name     string
		do       func(*upstream.Call) error
		headless bool
		era      mcp.Era
		unknown  bool
	}{
		{name: "a modern version among the supported", do: says(200, discovered), era: mcp.Modern},
		{name: "success without a modern version", do: says(200, `{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2025-11-25"]}}`)},
		{name: "success that says nothing", do: says(200, `{"jsonrpc":"2.0","id":1,"result":{}}`)},
		{name: "another modern version wanted", do: says(400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no","data":{"supported":["2027-01-01"]}}}`), era: mcp.Modern},
		{name: "a legacy version wanted", do: says(400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"no","data":{"supported":["2025-11-25"]}}}`)},
		{name: "method not found", do: says(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}`)},
		{name: "no session", do: says(400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no","data":{"supported":["2026-07-28"]}}}`)},
		{name: "a header mismatch", do: says(400, `{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"no"}}`)},
		{name: "a page", do: says(404, `not here`)},
		{name: "unauthorized", do: says(401, `{}`), unknown: true},
		{name: "forbidden", do: says(403, `{}`), unknown: true},
		{name: "busy", do: says(429, `{}`), unknown: true},
		{name: "ill", do: says(502, `{}`), unknown: true},
		{name: "no network", do: failing(upstream.Unavailable), unknown: true},
		{name: "silence over HTTP", do: failing(upstream.Timeout), unknown: true},
		{name: "silence of a command", do: failing(upstream.Timeout), headless: true},
		{name: "the end of a command", do: failing(upstream.Closed), headless: true},
		{name: "a command that does not start", do: failing(upstream.Unavailable), headless: true, unknown: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scripted{do: c.do, headless: c.headless}
			a, err := New(s, Options{Name: "s", Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			era, err := a.Era(&upstream.Call{})
			var e *upstream.Error
			if c.unknown {
				if !errors.As(err, &e) || e.Code != upstream.Unavailable || !errors.Is(err, errNoEra) {
					t.Fatalf("error %v, want that the era is not known and nothing was sent", err)
				}
				return
			}
			if err != nil || era != c.era {
				t.Fatalf("era %v (%v), want %v", era, err, c.era)
			}
			silent := strings.Contains(c.name, "of a command")
			if gone := s.ended.Load() == 1; gone != (c.era == mcp.Legacy && !silent) {
				t.Errorf("the process that was asked was ended: %v", gone)
			}
		})
	}
}

func TestAnEraIsAskedForAgainWhenItsTimeIsOver(t *testing.T) {
	now := time.Unix(1000, 0)
	s := &scripted{do: says(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}`)}
	a, err := New(s, Options{Name: "s", EraTTL: time.Minute, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	want := func(era mcp.Era, asked int64) {
		t.Helper()
		if got, err := a.Era(&upstream.Call{Start: now}); err != nil || got != era || s.asked.Load() != asked {
			t.Fatalf("%v (%v) after %d questions, want %v after %d", got, err, s.asked.Load(), era, asked)
		}
	}
	want(mcp.Legacy, 1)
	s.do = says(200, discovered)
	want(mcp.Legacy, 1)
	now = now.Add(time.Minute)
	want(mcp.Modern, 2)
	s.do = says(503, "")
	now = now.Add(time.Minute)
	want(mcp.Modern, 3) // what could not be asked is what it was
	want(mcp.Modern, 3)
	now = now.Add(doubtful)
	want(mcp.Modern, 4)
}

func TestACommandThatIsSilentTwiceIsTakenForWhatItSeems(t *testing.T) {
	now := time.Unix(1000, 0)
	s := &scripted{do: failing(upstream.Timeout), headless: true}
	a, err := New(s, Options{Name: "s", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		after        time.Duration
		asked, ended int64
	}{{0, 1, 0}, {doubtful - 1, 1, 0}, {1, 2, 1}, {9 * time.Minute, 2, 1}} {
		now = now.Add(c.after)
		if era, err := a.Era(&upstream.Call{Start: now}); err != nil || era != mcp.Legacy || s.asked.Load() != c.asked || s.ended.Load() != c.ended {
			t.Errorf("%d: %v (%v), asked %d times, ended %d times", i, era, err, s.asked.Load(), s.ended.Load())
		}
	}
}

func TestOnDemandOnlyWhatAsksForItIsTranslated(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", func(o *Options) { o.OnDemand = true })
	c := modernCall("ann", "tools/list", "", "")
	if g := do(t, a, c); g.status != 400 || len(f.seen()) != 0 {
		t.Errorf("untouched: %d %s, %q", g.status, g.answer, f.seen())
	}
	c = modernCall("ann", "tools/list", "", "")
	c.Translate = true
	if g := do(t, a, c); g.status != 200 {
		t.Errorf("translated: %d %s", g.status, g.answer)
	}
}

func TestAPinnedServerIsNotAsked(t *testing.T) {
	s := &scripted{do: says(200, `{"jsonrpc":"2.0","id":7,"result":{}}`)}
	a, err := New(s, Options{Name: "s", Pinned: true, Era: mcp.Modern, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c := &upstream.Call{Modern: true, Method: "tools/list", ID: []byte("7")}
	if err := a.Do(c); err != nil || s.asked.Load() != 1 || string(c.ReplyBody) != `{"jsonrpc":"2.0","id":7,"result":{}}` {
		t.Errorf("%v, %d calls, %s", err, s.asked.Load(), c.ReplyBody)
	}
}

// Where there is no room here for what has to be asked first, of the era or for a session, the server is not called ill: who asks is told to come
// again, and no breaker counts it.
func TestNoRoomForAQuestionIsNotTheServersFault(t *testing.T) {
	for name, pinned := range map[string]bool{"the era": false, "a session": true} {
		for _, want := range []upstream.Error{{Code: upstream.Overloaded, Wait: time.Second}, {Code: upstream.NoMemory}, {Code: upstream.Unavailable}} {
			s := &scripted{do: func(*upstream.Call) error {
				return &upstream.Error{Code: want.Code, Server: "s", Err: errors.New("no"), Wait: want.Wait}
			}}
			a, err := New(s, Options{Name: "s", Pinned: pinned, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			c := modernCall("alice", "tools/call", `"name":"slow"`, "")
			var e *upstream.Error
			if err := a.Do(c); !errors.As(err, &e) || e.Code != want.Code || e.Wait != want.Wait {
				t.Errorf("%s: %#v, want %v after %v", name, err, want.Code, want.Wait)
			}
			c.Close()
			_ = a.Close()
		}
	}
}
