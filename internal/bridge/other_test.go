package bridge

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// told is a stream of events that a server has made up before.
type told []string

func (s *told) Next() (upstream.Event, error) {
	if len(*s) == 0 {
		return upstream.Event{}, io.EOF
	}
	e := upstream.Event{Data: []byte((*s)[0])}
	*s = (*s)[1:]
	return e, nil
}

func (s *told) End()             {}
func (s *told) Interrupt(bool)   {}
func (s *told) Extend(time.Time) {}

// answering is a server of either era that does the handshake, and answers calls with a status and messages in which ID is that of the
// request; several are a stream.
func answering(status int, messages ...string) streaming {
	return func(c *upstream.Call) error {
		switch {
		case c.Verb != upstream.Post || c.Kind != upstream.Request:
			c.Status, c.Reply = 202, upstream.Empty
			return nil
		case c.Method == "initialize":
			return reply(c, 200, []byte(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`))
		}
		events := make(told, len(messages))
		for i, m := range messages {
			events[i] = strings.ReplaceAll(m, "ID", string(c.ID))
		}
		if len(events) == 1 {
			return reply(c, status, []byte(events[0]))
		}
		c.Status = status
		c.Attach(&events)
		c.Stream(&events)
		c.Status = status
		return nil
	}
}

const progressed = `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"nobody's","progress":1}}`

// Nobody is given an answer that a server has given to another request, or under a status that denies it. The other way around: an error of
// a server that could not read a request is its answer, though it names none.
func TestWhatAnswersAnotherRequestIsNoAnswer(t *testing.T) {
	const result, failure = `{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}`, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"no"}}`
	of := func(message, id string) string { return fmt.Sprintf(message, id) }
	for _, c := range []struct {
		name     string
		status   int
		messages []string
		passes   bool
	}{
		{"a result", 200, []string{of(result, "ID")}, true},
		{"an error", 200, []string{of(failure, "ID")}, true},
		{"an error that says so", 400, []string{of(failure, "ID")}, true},
		{"an error of no request", 400, []string{of(failure, "null")}, true},
		{"a stream", 200, []string{progressed, of(result, "ID")}, true},
		{"a result of another request", 200, []string{of(result, "4711")}, false},
		{"a result of a text that reads as the id", 200, []string{of(result, `"ID"`)}, false},
		{"an error of another request", 400, []string{of(failure, "4711")}, false},
		{"another result in a stream", 200, []string{progressed, of(result, "4711"), of(result, "ID")}, false},
		{"a result of no request", 200, []string{of(result, "null")}, false},
		{"a result that is refused", 400, []string{of(result, "ID")}, false},
		{"a result of a server that failed", 500, []string{of(result, "ID")}, false},
		{"an error of a server that failed", 502, []string{of(failure, "ID")}, false},
		{"a stream of a server that failed", 500, []string{progressed, of(result, "ID")}, false},
		{"a notification", 200, []string{progressed}, false},
		{"a notification for the client", 200, []string{`{"jsonrpc":"2.0","method":"vendor/news"}`}, false},
		{"a request", 200, []string{`{"jsonrpc":"2.0","id":1,"method":"roots/list"}`}, false},
	} {
		for era, call := range map[mcp.Era]func() *upstream.Call{
			mcp.Modern: func() *upstream.Call { return legacyCall(testSession, toCall) },
			mcp.Legacy: func() *upstream.Call { return modernCall("o", "tools/call", `"name":"echo","arguments":{}`, "") },
		} {
			t.Run(fmt.Sprintf("%s, server %v", c.name, era), func(t *testing.T) {
				a, err := New(answering(c.status, c.messages...), Options{Name: "s", Pinned: true, Era: era, Timeout: bound, Now: time.Now})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = a.Close() }()
				call := call()
				defer call.Close()
				answer, err := finish(a, call)
				var e *upstream.Error
				switch {
				case c.passes && (err != nil || !strings.Contains(answer, string(call.ID))):
					t.Errorf("got %s, %v", answer, err)
				case !c.passes && (!errors.As(err, &e) || e.Code != upstream.Protocol):
					t.Errorf("got %s, %v", answer, err)
				}
			})
		}
	}
}

// finish makes a call and gives its answer.
func finish(a *Adapter, c *upstream.Call) (string, error) {
	if err := a.Do(c); err != nil || c.Reply != upstream.Stream {
		return string(c.ReplyBody), err
	}
	for range 10 {
		e, err := c.Next()
		if err != nil || isResponse(e.Data) {
			return string(e.Data), err
		}
	}
	return "", errors.New("no end")
}

// What is asked of a server by itself has no other answer either.
func TestTheHandshakeHasOneAnswer(t *testing.T) {
	const discovered = `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{}}}`
	for body, passes := range map[string]bool{fmt.Sprintf(discovered, "ID"): true, fmt.Sprintf(discovered, "4711"): false, progressed: false} {
		a := streaming(func(c *upstream.Call) error {
			return reply(c, 200, []byte(strings.ReplaceAll(body, "ID", string(c.ID))))
		}).adapter(t)
		c := legacyRequest("", "initialize", `"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"2"}`)
		err := a.Do(c)
		if (err == nil) != passes || passes != (c.ReplySession != "") {
			t.Errorf("%s: %v, session %q", body, err, c.ReplySession)
		}
		c.Close()
	}
	for id, passes := range map[string]bool{"1": true, "2": false} {
		server := streaming(func(c *upstream.Call) error {
			if c.Method == "initialize" {
				return reply(c, 200, []byte(`{"jsonrpc":"2.0","id":`+id+`,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`))
			}
			return answering(200, `{"jsonrpc":"2.0","id":ID,"result":{"content":[]}}`)(c)
		})
		a, err := New(server, Options{Name: "s", Pinned: true, Era: mcp.Legacy, Timeout: bound, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		c := modernCall("o", "tools/call", `"name":"echo","arguments":{}`, "")
		if err := a.Do(c); (err == nil) != passes {
			t.Errorf("initialize answered with id %s: %v", id, err)
		}
		c.Close()
		_ = a.Close()
	}
}
