package stdio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// answering is a server that a function is.
type answering struct {
	do func(c *upstream.Call) error

	mu   sync.Mutex
	seen []string
}

func (s *answering) Do(c *upstream.Call) error {
	s.mu.Lock()
	said := fmt.Sprintf("%d %d %s session=%s version=%s", c.Verb, c.Kind, c.Body, c.Session, c.Version)
	for _, h := range c.Header {
		said += " " + h.Name + "=" + h.Value
	}
	s.seen = append(s.seen, said)
	s.mu.Unlock()
	return s.do(c)
}

func (*answering) Close() error            { return nil }
func (*answering) Status() upstream.Status { return upstream.Status{} }

// replies answers every request with a text.
func replies(text string) func(*upstream.Call) error {
	return func(c *upstream.Call) error {
		c.Reply, c.ReplyBody = upstream.JSON, []byte(text)
		return nil
	}
}

func request(id int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`, id)
}

// served is what a client reads that has written in.
func served(t *testing.T, s *answering, in string, o Options) (out string, err error) {
	t.Helper()
	var b bytes.Buffer
	err = Serve(t.Context(), s, strings.NewReader(in), &b, o)
	return b.String(), err
}

func TestLines(t *testing.T) {
	line := request(1)
	for name, c := range map[string]struct {
		in    string
		o     Options
		lines int
		err   error
	}{
		"one":                  {line + "\n", Options{}, 1, nil},
		"none":                 {"", Options{}, 0, nil},
		"without an end":       {line, Options{}, 1, nil},
		"blank lines":          {"\n  \r\n" + line + "\r\n\n", Options{}, 1, nil},
		"as long as may be":    {line + "\n", Options{MaxLine: len(line)}, 1, nil},
		"longer":               {line + "\n", Options{MaxLine: len(line) - 1}, 0, ErrLongLine},
		"longer, without end":  {strings.Repeat("x", 200<<10), Options{MaxLine: 100 << 10}, 0, ErrLongLine},
		"longer than a buffer": {line[:len(line)-1] + strings.Repeat(" ", 200<<10) + "}\n", Options{}, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := served(t, &answering{do: replies(`{"jsonrpc":"2.0","id":1,"result":{}}`)}, c.in, c.o)
			if got := strings.Count(out, `{"jsonrpc":"2.0","id":1,"result":{}}`+"\n"); got != c.lines || !errors.Is(err, c.err) {
				t.Errorf("%d lines and %v, want %d and %v: %q", got, err, c.lines, c.err, out)
			}
		})
	}
}

// Every request has one line as its answer, whatever becomes of it; nothing else has any.
func TestAnswers(t *testing.T) {
	const failed = `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error: the request could not be carried out"}}` + "\n"
	fails := func(code upstream.ErrorCode) func(*upstream.Call) error {
		return func(*upstream.Call) error { return &upstream.Error{Code: code, Server: "a", Err: errors.New("s3cret")} }
	}
	for name, c := range map[string]struct {
		in   string
		do   func(*upstream.Call) error
		want string
	}{
		"an answer of many lines":   {request(1), replies("{\n  \"id\": 1\n}"), `{"id":1}` + "\n"},
		"a server that fails":       {request(1), fails(upstream.Unavailable), failed},
		"a request that is ended":   {request(1), fails(upstream.Canceled), ""},
		"nothing":                   {request(1), func(*upstream.Call) error { return nil }, failed},
		"a notification":            {`{"jsonrpc":"2.0","method":"notifications/x"}`, replies(`{}`), ""},
		"a notification that fails": {`{"jsonrpc":"2.0","method":"notifications/x"}`, fails(upstream.Unavailable), ""},
		"a response":                {`{"jsonrpc":"2.0","id":1,"result":{}}`, replies(`{}`), ""},
		"no message":                {`{"jsonrpc":`, replies(`{"error":"said by the server"}`), `{"error":"said by the server"}` + "\n"},
		"no message, no server":     {`{"jsonrpc":`, fails(upstream.Unavailable), ""},
		"a cancellation of nothing": {`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`, replies(`{}`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &answering{do: c.do}
			out, err := served(t, s, c.in+"\n", Options{})
			if diff := cmp.Diff(c.want, out); diff != "" || err != nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
			if len(s.seen) != 1 {
				t.Errorf("the server was asked %q", s.seen)
			}
		})
	}
}

// A session is the server's: what follows initialize names it and its version, and it is ended at the end.
func TestSession(t *testing.T) {
	s := &answering{do: func(c *upstream.Call) error {
		if c.Verb == upstream.Post {
			c.Reply, c.ReplyBody, c.ReplySession = upstream.JSON, []byte(`{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25"}}`), "s1"
		}
		return nil
	}}
	in, w := io.Pipe()
	out, r := newLineReader()
	ended := make(chan error, 1)
	go func() { ended <- Serve(t.Context(), s, in, out, Options{}) }()
	say := func(line string) {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			t.Error(err)
		}
	}
	say(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`)
	<-r
	say(request(2))
	<-r
	if err := errors.Join(w.Close(), <-ended); err != nil {
		t.Fatal(err)
	}
	want := []string{
		fmt.Sprintf(`%d %d {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}} session= version=`, upstream.Post, upstream.Request),
		fmt.Sprintf(`%d %d %s session=s1 version=2025-11-25`, upstream.Post, upstream.Request, request(2)),
		fmt.Sprintf(`%d %d  session=s1 version=2025-11-25`, upstream.Delete, upstream.Request),
	}
	if diff := cmp.Diff(want, s.seen); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// newLineReader is a writer, and what was written to it, one write after another.
func newLineReader() (writer, <-chan string) {
	c := make(chan string, 16)
	return func(p []byte) (int, error) { c <- string(p); return len(p), nil }, c
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// No more requests are under way than may be, and those that are go on beside each other, until the input has ended and they have.
func TestRequestsBesideEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 2
		leave := make(chan struct{})
		s := &answering{do: func(c *upstream.Call) error {
			<-leave
			return replies(`{"id":1}`)(c)
		}}
		ended := make(chan error, 1)
		var out bytes.Buffer
		go func() {
			ended <- Serve(t.Context(), s, strings.NewReader(strings.Repeat(request(1)+"\n", 5)), &out, Options{Calls: most, Drain: time.Hour})
		}()
		synctest.Wait()
		if len(s.seen) != most {
			t.Errorf("%d at a time, want %d", len(s.seen), most)
		}
		close(leave)
		if err := <-ended; err != nil || strings.Count(out.String(), "\n") != 5 {
			t.Errorf("%v; %q", err, &out)
		}
	})
}

// Requests that take too long are given up when the client has ended its input: what becomes of them is nobody's answer.
func TestDrainEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, leave := time.Now(), make(chan struct{})
		s := &answering{do: func(*upstream.Call) error {
			<-leave
			return &upstream.Error{Code: upstream.Unavailable, Err: io.EOF}
		}}
		time.AfterFunc(time.Minute, func() { close(leave) }) // a server ends what was cancelled
		out, err := served(t, s, request(1)+"\n", Options{Drain: time.Second})
		if took := time.Since(begun); out != "" || err != nil || took != time.Minute {
			t.Errorf("%q %v after %s", out, err, took)
		}
	})
}

// A client that can't be written to, and a context that ends, end the server, each with its reason.
func TestServeEnds(t *testing.T) {
	gone := errors.New("gone")
	in, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	go func() { _, _ = io.WriteString(w, request(1)+"\n") }()
	err := Serve(t.Context(), &answering{do: replies(`{}`)}, in, writer(func([]byte) (int, error) { return 0, gone }), Options{})
	if !errors.Is(err, gone) || !strings.HasPrefix(err.Error(), "the client can't be written to") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	silent, other := io.Pipe()
	t.Cleanup(func() { _ = other.Close() })
	if err := Serve(ctx, &answering{do: replies(`{}`)}, silent, io.Discard, Options{}); !errors.Is(err, gone) {
		t.Error(err)
	}
}

// What a tool mirrors in headers is learnt from the list, and sent with its calls.
func TestHeadersOfTools(t *testing.T) {
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`
	s := &answering{do: replies(`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"ship","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]}}`)}
	in, w := io.Pipe()
	out, r := newLineReader()
	ended := make(chan error, 1)
	go func() { ended <- Serve(t.Context(), s, in, out, Options{}) }()
	for _, line := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + meta + `}}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ship","arguments":{"region":"eu"},` + meta + `}}`,
	} {
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			t.Fatal(err)
		}
		<-r
	}
	if err := errors.Join(w.Close(), <-ended); err != nil {
		t.Fatal(err)
	}
	if len(s.seen) != 2 || !slices.ContainsFunc(strings.Fields(s.seen[1]), func(f string) bool { return strings.EqualFold(f, "Mcp-Param-Region=eu") }) || strings.Contains(s.seen[0], "Param") {
		t.Errorf("%q", s.seen)
	}
}
