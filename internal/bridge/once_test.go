package bridge

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// spoken is a server of 2026-07-28 that answers as it is told.
type spoken func(c *upstream.Call) (status int, body string)

func (s spoken) adapter(t *testing.T) *Adapter {
	t.Helper()
	return streaming(func(c *upstream.Call) error {
		status, body := s(c)
		return reply(c, status, []byte(body))
	}).adapter(t)
}

// streaming is one that does what it is told.
type streaming func(c *upstream.Call) error

func (s streaming) Do(c *upstream.Call) error { return s(c) }
func (s streaming) Close() error              { return nil }
func (s streaming) Status() upstream.Status   { return upstream.Status{} }

func (s streaming) adapter(t *testing.T) *Adapter {
	t.Helper()
	a, err := New(s, Options{Name: "s", Pinned: true, Era: mcp.Modern, Timeout: bound, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

const toCall = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"region":"eu"}}}`

var testSession = mcp.NewSession("2025-11-25", []byte("{}"), mcp.Session{}.Info)

// A message that is no answer can't be followed by one where it is all of the body.
func TestAMessageThatAnswersNothingEndsTheCall(t *testing.T) {
	for name, body := range map[string]string{
		"a notification": `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}`,
		"a cancellation": `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`,
		"a request":      `{"jsonrpc":"2.0","id":1,"method":"roots/list"}`,
		"a batch":        `[{"jsonrpc":"2.0","id":1,"result":{}}]`,
		"garbage":        `{"jsonrpc"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := spoken(func(*upstream.Call) (int, string) { return 200, body }).adapter(t)
			c := legacyCall(testSession, toCall)
			err := a.Do(c)
			for err == nil && c.Reply == upstream.Stream {
				_, err = c.Next()
			}
			var e *upstream.Error
			if !errors.As(err, &e) || e.Code != upstream.Protocol {
				t.Errorf("%v, status %d %s", err, c.Status, c.ReplyBody)
			}
			c.Close()
			if n := a.running.len(); n != 0 {
				t.Errorf("%d are under way", n)
			}
		})
	}
}

// What one request has come to know is no business of the next that is in its memory.
func TestARequestKnowsNothingOfTheOneBefore(t *testing.T) {
	var put func() (int, string)
	var bodies []string
	a := spoken(func(c *upstream.Call) (int, string) {
		bodies = append(bodies, string(c.Body))
		return put()
	}).adapter(t)
	put = func() (int, string) {
		return 200, `{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"secret"}}`
	}
	c := legacyCall(testSession, toCall)
	c.Deadline = time.Now().Add(firstWait / 5)
	if err := a.Do(c); err == nil {
		t.Fatal("a request that is put off is answered")
	}
	c.Close()
	put = func() (int, string) {
		return 400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"header mismatch"}}`
	}
	bodies = nil
	c = legacyCall(testSession, toCall)
	if err := a.Do(c); err != nil {
		t.Error(err)
	}
	c.Close()
	if all := strings.Join(bodies, "\n"); len(bodies) != 3 || strings.Contains(all, "secret") {
		t.Errorf("the server got\n%s", all)
	}
}

// A later round may be sent when its client has gone and what it has sent is no more.
func TestALaterRoundIsSentFromMemoryOfItsOwn(t *testing.T) {
	again, sent := make(chan struct{}), make(chan []upstream.Field, 1)
	a := spoken(func(c *upstream.Call) (int, string) {
		switch {
		case c.Method == "tools/list":
			return 200, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]}}`
		case len(c.Header) < 5:
			return 400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"header mismatch"}}`
		}
		again <- struct{}{}
		<-again
		sent <- c.Header
		return 200, `{"jsonrpc":"2.0","id":1,"result":{}}`
	}).adapter(t)
	c, result := legacyCall(testSession, toCall), make(chan error, 1)
	var m mcp.Message
	if r := m.Decode(c.Body, jsonscan.Options{}); r != nil {
		t.Fatal(r)
	}
	c.Message = &m
	go func() {
		defer c.Close()
		result <- a.Do(c)
	}()
	<-again
	c.Leave()
	if err := <-result; err == nil {
		t.Error("the client that left was answered")
	}
	for i := range c.Body {
		c.Body[i] = 'x'
	}
	again <- struct{}{}
	got := map[string]string{}
	for _, f := range <-sent {
		got[f.Name] = f.Value
	}
	if got["Mcp-Name"] != "echo" || got["Mcp-Param-Region"] != "eu" {
		t.Errorf("the server got %v", got)
	}
}

// asking26 is a stream on which a server asks for input, and says nothing then.
type asking26 struct {
	t        *testing.T
	asked    bool
	over     chan struct{}
	returned bool
}

func (s *asking26) Next() (upstream.Event, error) {
	if !s.asked {
		s.asked = true
		return upstream.Event{Data: []byte(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"later"}}`)}, nil
	}
	<-s.over
	s.returned = true
	return upstream.Event{}, upstream.ErrCanceled
}

func (s *asking26) End() {
	if !s.returned {
		s.t.Error("the stream is closed while it is read")
		close(s.over)
	}
}

func (s *asking26) Interrupt(bool)   { close(s.over) }
func (s *asking26) Extend(time.Time) {}

// A call belongs to the goroutine that reads its stream.
func TestAStreamIsClosedByWhoeverReadsIt(t *testing.T) {
	rounds := 0
	a := streaming(func(c *upstream.Call) error {
		if rounds++; rounds > 1 {
			return reply(c, 200, []byte(`{"jsonrpc":"2.0","id":2,"result":{}}`))
		}
		s := &asking26{t: t, over: make(chan struct{})}
		c.Attach(s)
		c.Stream(s)
		return nil
	}).adapter(t)
	if g := do(t, a, legacyCall(testSession, toCall)); g.answer != `{"jsonrpc":"2.0","id":7,"result":{}}` {
		t.Errorf("got %s", g.answer)
	}
	_ = a.Close()
}
