package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rawServer hands each connection to serve, which answers as it likes.
func rawServer(t *testing.T, serve func(c net.Conn, requests *bufio.Reader)) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c, bufio.NewReader(c))
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

// readRequest returns one request as it came.
func readRequest(r *bufio.Reader) (string, error) {
	var text strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		text.WriteString(line)
		_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return text.String() + string(body), err
}

func newHTTP(t *testing.T, o HTTPOptions) *HTTP {
	t.Helper()
	o.Now = time.Now
	h, err := NewHTTP("web", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func TestRequestsHoldWhatWeWriteAndNothingElse(t *testing.T) {
	got := make(chan string, 1)
	url := rawServer(t, func(c net.Conn, r *bufio.Reader) {
		request, _ := readRequest(r)
		got <- request
		_, _ = io.WriteString(c, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	})
	h := newHTTP(t, HTTPOptions{
		URL:    url + "/a/../%2fmcp//x?q=a%20b&q=",
		Header: []Field{{"Authorization", "Bearer own"}, {"Host", "mcp.example"}},
	})
	for verb, want := range map[Verb]string{
		Post: "POST /a/../%2fmcp//x?q=a%20b&q= HTTP/1.1\r\nHost: mcp.example\r\nUser-Agent: sallyport\r\nAccept-Encoding: identity\r\n" +
			"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nAuthorization: Bearer own\r\n" +
			"MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: s1\r\nMcp-Method: ping\r\nContent-Length: 2\r\n\r\n{}",
		Get: "GET /a/../%2fmcp//x?q=a%20b&q= HTTP/1.1\r\nHost: mcp.example\r\nUser-Agent: sallyport\r\nAccept-Encoding: identity\r\n" +
			"Accept: text/event-stream\r\nAuthorization: Bearer own\r\n" +
			"MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: s1\r\nMcp-Method: ping\r\n\r\n",
		Delete: "DELETE /a/../%2fmcp//x?q=a%20b&q= HTTP/1.1\r\nHost: mcp.example\r\nUser-Agent: sallyport\r\nAccept-Encoding: identity\r\n" +
			"Authorization: Bearer own\r\nMCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: s1\r\nMcp-Method: ping\r\n\r\n",
	} {
		c := &Call{Verb: verb, Version: "2025-11-25", Session: "s1", Header: []Field{{"Mcp-Method", "ping"}}}
		if verb == Post {
			c.Body = []byte("{}")
		}
		if _, err := run(t, h, c); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, <-got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestFieldsThatWouldBreakTheRequestAreNotSent(t *testing.T) {
	var requests atomic.Int32
	url := rawServer(t, func(net.Conn, *bufio.Reader) { requests.Add(1) })
	h := newHTTP(t, HTTPOptions{URL: url})
	for _, c := range []*Call{
		{Session: "a\r\nX: y"}, {Version: "a\nb"}, {Header: []Field{{"Mcp-Name", "a\x00"}}},
	} {
		_, err := run(t, h, c)
		var e *Error
		if !errors.As(err, &e) || e.Code != Unavailable || !errors.Is(err, errBadField) {
			t.Errorf("got %v", err)
		}
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	for _, c := range []struct {
		o    HTTPOptions
		want string
	}{
		{HTTPOptions{URL: "ftp://a/"}, `url "ftp://a/": scheme is not http or https`},
		{HTTPOptions{URL: "http:///x"}, `url "http:///x": no host`},
		{HTTPOptions{URL: "http://u:p@a/"}, `url "http://u:xxxxx@a/": credentials belong in a header`},
		{HTTPOptions{URL: "http://a/b c"}, `url "http://a/b c": byte 2 of the path must be percent-encoded`},
		{HTTPOptions{URL: "http://a", Header: []Field{{"Content-Length", "1"}}}, `header "Content-Length": the gateway sets it`},
		{HTTPOptions{URL: "http://a", Header: []Field{{"A b", "1"}}}, `header "A b": not a name`},
		{HTTPOptions{URL: "http://a", Header: []Field{{"A", "1\r\n"}}}, `header "A": control character in its value`},
		{HTTPOptions{URL: "https://a", CAFile: "http_test.go"}, `http_test.go: no certificate in it`},
	} {
		if _, err := NewHTTP("x", c.o); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

const good = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

// Each answer is given to a first call. A second must get a clean one.
func TestBadAnswersAreRefusedAndTheirConnectionIsDiscarded(t *testing.T) {
	const sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, c := range map[string]struct {
		answer string
		code   ErrorCode
		text   string
	}{
		"both lengths":      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Protocol, "both Content-Length and Transfer-Encoding"},
		"two lengths":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n{}", Protocol, `header "content-length" twice`},
		"two sessions":      {"HTTP/1.1 200 OK\r\nMcp-Session-Id: a\r\nMcp-Session-Id: b\r\nContent-Length: 0\r\n\r\n", Protocol, `header "Mcp-Session-Id" twice`},
		"folded line":       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n X: y\r\n\r\n{}", Protocol, "a malformed line in the head"},
		"blank before :":    {"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}", Protocol, "a malformed line in the head"},
		"bare line feed":    {"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n{}", Protocol, "a bare line feed in the head"},
		"compressed":        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", Protocol, `content encoding "gzip" was not asked for`},
		"redirect":          {"HTTP/1.1 307 Away\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n", Protocol, "http status 307: redirects are not followed"},
		"upgrade":           {"HTTP/1.1 101 Other\r\nUpgrade: x\r\n\r\n", Protocol, "the server switches protocols"},
		"no length":         {"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}", Protocol, `content length "+2"`},
		"lengths in a list": {"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}", Protocol, `content length "2, 2"`},
		"endless length":    {"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n{}", Protocol, `content length "9999999999999999999"`},
		"no status":         {"HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\n{}", Protocol, `http status "OK"`},
		"long status":       {"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}", Protocol, `http status "2000"`},
		"low status":        {"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\n{}", Protocol, `http status "099"`},
		"not http":          {"SSH-2.0-OpenSSH\r\n\r\n", Protocol, "not an http/1 answer"},
		"endless interim":   {strings.Repeat("HTTP/1.1 103 Early\r\n\r\n", 20), Protocol, "too many interim answers"},
		"bad chunk":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n", Protocol, "empty hex number"},
		"large head":        {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 20<<10), TooLarge, "the answer is too large: its head has more than 16384 bytes"},
		"large body":        {"HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n", TooLarge, "body size exceeds the given limit"},
		"large chunks":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + strings.Repeat("x", 1024) + "\r\n1\r\n", TooLarge, "body size exceeds the given limit"},
		"large until close": {"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 1025), TooLarge, "body size exceeds the given limit"},
		"large event":       {sse + "800\r\ndata: " + strings.Repeat("x", 2042) + "\r\n", TooLarge, "the answer is too large: an event has more than 1024 bytes"},
		"short body":        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", Closed, "unexpected EOF"},
		"short head":        {"HTTP/1.1 200 OK\r\nContent-", Closed, "EOF"},
		"no answer":         {"", Closed, "the connection ended before the answer began: EOF"},
		"short chunks":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", Closed, "EOF"},
		"short stream":      {sse + "9\r\ndata: 1\n\n\r\n", Closed, "unexpected EOF"},
		"short event":       {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n", Closed, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			var conns atomic.Int32
			h := newHTTP(t, HTTPOptions{MaxBody: 1024, MaxEvent: 1024, URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
				answer := c.answer
				if conns.Add(1) > 1 {
					answer = good
				}
				_, _ = readRequest(r)
				_, _ = io.WriteString(nc, answer)
			})})
			_, err := run(t, h, &Call{Body: []byte("{}"), Method: "tools/call"})
			var e *Error
			if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Error(), c.text) {
				t.Errorf("got %v", err)
			}
			if got, err := run(t, h, &Call{Body: []byte("{}")}); err != nil || cmp.Diff([]string{"{}"}, got) != "" {
				t.Errorf("the next call got %q, %v", got, err)
			}
		})
	}
}

func TestUnusualButLegalAnswersAreTaken(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		status int
		reply  Reply
		lines  []string
	}{
		"interim":     {"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + good, 200, JSON, []string{"{}"}},
		"until close": {"HTTP/1.0 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\n\r\n{}", 200, JSON, []string{"{}"}},
		"no content":  {"HTTP/1.1 204 No Content\r\n\r\n", 204, Empty, []string{""}},
		"error page":  {"HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nbad", 400, Other, []string{"bad"}},
		"trailers":    {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nMcp-Session-Id: x\r\n\r\n", 200, JSON, []string{"{}"}},
		"stream":      {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\ndata: a\n\ndata: b\n\n", 200, Stream, []string{"a", "b"}},
		"error event": {"HTTP/1.1 404 No\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\ndata: 1\n\n", 404, Other, []string{"data: 1\n\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHTTP(t, HTTPOptions{URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
				_, _ = readRequest(r)
				_, _ = io.WriteString(nc, c.answer)
			})})
			call := &Call{Body: []byte("{}")}
			lines, err := run(t, h, call)
			if diff := cmp.Diff(c.lines, lines); err != nil || diff != "" || call.Status != c.status || call.Reply != c.reply || call.ReplySession != "" {
				t.Errorf("error %v, status %d, reply %d, session %q:\n%s", err, call.Status, call.Reply, call.ReplySession, diff)
			}
		})
	}
}

func TestCanceledCallIsNotSent(t *testing.T) {
	var requests atomic.Int32
	h := newHTTP(t, HTTPOptions{URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			requests.Add(1)
			_, _ = io.WriteString(nc, good)
		}
	})})
	for range 2 { // with a connection at hand the second time
		c := &Call{Body: []byte("{}")}
		c.Cancel()
		if _, err := run(t, h, c); codeOf(err) != "canceled" {
			t.Errorf("got %v", err)
		}
		if _, err := run(t, h, &Call{Body: []byte("{}")}); err != nil {
			t.Error(err)
		}
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// The server ends a connection when the second request on it arrives, as one
// does that restarts. Only what may run twice is sent again.
func TestOnlySafeRequestsAreSentAgain(t *testing.T) {
	for method, want := range map[string]struct {
		requests int32
		fails    bool
	}{
		"tools/call": {2, true}, "initialize": {2, true}, "vendor/thing": {2, true},
		"tools/list": {3, false}, "ping": {3, false}, "resources/read": {3, false},
	} {
		t.Run(method, func(t *testing.T) {
			var requests atomic.Int32
			h := newHTTP(t, HTTPOptions{URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
				if _, err := readRequest(r); err == nil {
					requests.Add(1)
					_, _ = io.WriteString(nc, good)
				}
				if _, err := readRequest(r); err == nil {
					requests.Add(1)
				}
			})})
			if _, err := run(t, h, &Call{Body: []byte("{}"), Method: method}); err != nil {
				t.Fatal(err)
			}
			_, err := run(t, h, &Call{Body: []byte("{}"), Method: method})
			var e *Error
			if errors.As(err, &e) != want.fails || (want.fails && e.Code != Closed) || requests.Load() != want.requests {
				t.Errorf("error %v after %d requests", err, requests.Load())
			}
		})
	}
}

func TestDeadIdleConnectionIsNotUsed(t *testing.T) {
	h := newHTTP(t, HTTPOptions{URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
		_, _ = readRequest(r)
		_, _ = io.WriteString(nc, good)
	})})
	for range 3 {
		if _, err := run(t, h, &Call{Body: []byte("{}"), Method: "tools/call"}); err != nil {
			t.Fatal(err)
		}
		waitSpoken(t, h)
	}
}

func TestUnreachableServerIsUnavailable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	h := newHTTP(t, HTTPOptions{URL: "http://" + ln.Addr().String()})
	_, err = run(t, h, &Call{Body: []byte("{}")})
	var e *Error
	if !errors.As(err, &e) || e.Code != Unavailable || h.Status().State != Down || h.Status().LastError == "" {
		t.Errorf("got %v, status %+v", err, h.Status())
	}
}

// A connection that is put back between the look for one and the place in the queue is taken: nobody else would hand it over.
func TestPool_nobodyWaitsWhileOneIsIdle(t *testing.T) {
	p := &pool{max: 1, idleFor: time.Minute, now: time.Now, all: map[*conn]struct{}{}}
	k := &conn{}
	p.open, p.idle = 1, []*conn{k}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, used, err := p.getSlow(ctx)
	if err != nil || got != k || !used {
		t.Errorf("got %p (%v), %v; want %p, which was put back", got, used, err, k)
	}
}

func TestConnectionsAreBoundedAndWaitingEnds(t *testing.T) {
	release := make(chan struct{})
	h := newHTTP(t, HTTPOptions{MaxConns: 1, URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
		for {
			if _, err := readRequest(r); err != nil {
				return
			}
			<-release
			_, _ = io.WriteString(nc, good)
		}
	})})
	first := make(chan error, 1)
	go func() {
		_, err := run(t, h, &Call{Body: []byte("{}")})
		first <- err
	}()
	for h.Status().Conns == 0 {
		runtime.Gosched()
	}
	_, err := run(t, h, &Call{Body: []byte("{}"), Deadline: time.Now().Add(20 * time.Millisecond)})
	var e *Error
	if !errors.As(err, &e) || e.Code != Unavailable {
		t.Errorf("at its deadline: %v", err)
	}
	canceled := &Call{Body: []byte("{}")}
	time.AfterFunc(20*time.Millisecond, canceled.Cancel)
	if _, err := run(t, h, canceled); !errors.As(err, &e) || e.Code != Canceled {
		t.Errorf("canceled: %v", err)
	}
	second := make(chan error, 1)
	go func() {
		_, err := run(t, h, &Call{Body: []byte("{}")})
		second <- err
	}()
	close(release)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	if n := h.Status().Conns; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// Until 2025-11-25 a client that goes away has not cancelled anything, and since then the end of the connection does.
func TestACallThatLingersGoesOnWhenItIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		linger time.Duration
		end    func(*Call)
		goesOn bool
	}{
		"left":                {time.Minute, (*Call).Leave, true},
		"left for a while":    {50 * time.Millisecond, (*Call).Leave, false},
		"cancelled":           {time.Minute, (*Call).Cancel, false},
		"left, and no matter": {0, (*Call).Leave, false},
	} {
		for _, begun := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", stream=", begun), func(t *testing.T) {
				got, ended, answer := make(chan struct{}, 1), make(chan error, 1), make(chan struct{})
				h := newHTTP(t, HTTPOptions{URL: rawServer(t, func(nc net.Conn, r *bufio.Reader) {
					_, _ = readRequest(r)
					if begun {
						_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\na\r\ndata: {}\n\n\r\n")
					} else {
						got <- struct{}{}
					}
					go func() {
						_, err := r.ReadByte()
						ended <- err
					}()
					<-answer
				}), Now: time.Now})
				t.Cleanup(func() { close(answer) })
				call, result := &Call{Body: []byte("{}"), Linger: c.linger}, make(chan error, 1)
				go func() {
					defer call.Close()
					err := h.Do(call)
					if err == nil && begun {
						_, err = call.Next()
						got <- struct{}{}
					}
					if err == nil {
						_, err = call.Next()
					}
					result <- err
				}()
				<-got
				c.end(call)
				if err := <-result; codeOf(err) != "canceled" {
					t.Errorf("got %v", err)
				}
				select {
				case <-ended:
					if c.goesOn {
						t.Error("the server is told that the call is over")
					}
				case <-time.After(map[bool]time.Duration{true: 100 * time.Millisecond, false: 10 * time.Second}[c.goesOn]):
					if !c.goesOn {
						t.Error("the server is not told that the call is over")
					}
				}
				_ = h.Close()
				if c.goesOn {
					<-ended
				}
				eventuallyNoConns(t, h)
			})
		}
	}
}

func eventuallyNoConns(t *testing.T, h *HTTP) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); h.pool.size() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are left", h.pool.size())
		}
	}
}
