package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

// server answers each call with what reply makes of its number (from 1) and id;
// "" answers nothing and hangs up.
type server struct {
	url   string
	calls atomic.Int64
}

var idOf = regexp.MustCompile(`"id":(\d+)`)

func serve(t *testing.T, reply func(n int64, id string) string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &server{url: "http://" + l.Addr().String() + "/mcp"}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.answer(c, reply)
		}
	}()
	return s
}

func (s *server) answer(c net.Conn, reply func(n int64, id string) string) {
	defer c.Close()
	br := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		out := reply(s.calls.Add(1), idOf.FindStringSubmatch(string(body))[1])
		if out == "" {
			return
		}
		if _, err := io.WriteString(c, out); err != nil {
			return
		}
	}
}

func response(status, kind, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", status, kind, len(body), body)
}

func right(id string) string {
	return string(workload.AppendAnswer(nil, workload.EraModern, []byte(id)))
}

func ok(body string) string { return response("200 OK", "application/json", body) }

func run(t *testing.T, s *server, conns int, d time.Duration, rate float64) *Result {
	t.Helper()
	p, err := Open(Options{URL: s.url, Era: workload.EraModern, Size: 1024, Conns: conns, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	return p.Run(d, rate)
}

// Every third answer is bad in one way; the others are right.
func TestEveryBadAnswerIsCountedByItsKind(t *testing.T) {
	tests := []struct {
		name  string
		bad   func(id string) string
		kinds string // how the report begins, after the count
	}{
		{"drops", func(string) string { return "" }, "hung up"},
		{"answers with half a body", func(id string) string { return strings.TrimSuffix(ok(right(id)), "}}")[:200] }, "timeout"},
		{"answers twice", func(id string) string { return ok(right(id)) + ok(right(id)) }, "unasked"},
		{"answers another's call", func(string) string { return ok(right("1999999999")) }, "wrong id"},
		{"changes the id's type", func(id string) string { return ok(right(`"` + id + `"`)) }, "garbled"},
		{"changes one byte", func(id string) string { return ok(strings.Replace(right(id), "alice", "alicf", 1)) }, "garbled"},
		{"cuts the result short", func(id string) string { return ok(strings.Replace(right(id), "owner=alice", "", 1)) }, "garbled"},
		{"refuses", func(id string) string {
			return ok(`{"jsonrpc":"2.0","id":` + id + `,"error":{"code":40301,"message":"no"}}`)
		}, "JSON-RPC error"},
		{"fails", func(string) string { return response("502 Bad Gateway", "text/plain", "upstream") }, "status 502"},
		{"accepts instead of answering", func(string) string { return response("202 Accepted", "text/plain", "") }, "status 202"},
		{"says another type", func(id string) string { return response("200 OK", "text/html", right(id)) }, "content type"},
		{"isn't HTTP", func(string) string { return "hello there, client\r\n\r\n" }, "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(n int64, id string) string {
				if n%3 == 0 {
					return tt.bad(id)
				}
				return ok(right(id))
			})
			r := run(t, s, 1, 50*time.Millisecond, 0)
			sent := uint64(s.calls.Load())
			if r.Errors.Count() == 0 || !strings.Contains(r.Errors.String(), " x "+tt.kinds) || strings.Contains(r.Errors.String(), ";") {
				t.Errorf("errors: %v", r.Errors)
			}
			if tt.kinds == "unasked" {
				return // found when the next request is due, which then isn't sent
			}
			if r.Latency.Count()+r.Errors.Count() != sent || r.Errors.Count() != sent/3 {
				t.Errorf("%d requests got %d right answers and %d errors (%v)", sent, r.Latency.Count(), r.Errors.Count(), r.Errors)
			}
		})
	}
}

func TestRightAnswersAreNoErrors(t *testing.T) {
	event := func(id string) string {
		body := ": hello\n\nid: 1\ndata: \n\nevent: message\ndata: " + right(id) + "\n\n"
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	}
	for name, reply := range map[string]func(string) string{"JSON": func(id string) string { return ok(right(id)) }, "event stream": event} {
		s := serve(t, func(_ int64, id string) string { return reply(id) })
		r := run(t, s, 4, 50*time.Millisecond, 0)
		if r.Errors.Count() != 0 || r.Latency.Count() == 0 || r.Latency.Count() != uint64(s.calls.Load()) {
			t.Errorf("%s: %d answers to %d requests, errors %v", name, r.Latency.Count(), s.calls.Load(), r.Errors)
		}
	}
}

func TestAServerThatIsGoneIsAnError(t *testing.T) {
	s := serve(t, func(int64, string) string { return "" })
	p, err := Open(Options{URL: s.url, Era: workload.EraModern, Size: 1024, Conns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.workers[0].hangUp()
	p.workers[0].url.Host = "127.0.0.1:1"
	if r := p.Run(20*time.Millisecond, 0); r.Latency.Count() != 0 || !strings.Contains(r.Errors.String(), " x connect") {
		t.Errorf("%d answers, errors %v", r.Latency.Count(), r.Errors)
	}
}

func TestAnOpenLoopSendsEveryRequestThatWasDue(t *testing.T) {
	s := serve(t, func(_ int64, id string) string { return ok(right(id)) })
	if r := run(t, s, 2, 200*time.Millisecond, 100); r.Latency.Count() != 20 || s.calls.Load() != 20 {
		t.Errorf("%d answers to %d requests, errors %v; want 20", r.Latency.Count(), s.calls.Load(), r.Errors)
	}
}

// A generator that waits for the answer and only then looks at the clock would
// report one slow answer and hide the requests that had to wait behind it.
func TestAnOpenLoopCountsTheWaitBehindASlowAnswer(t *testing.T) {
	const stall = 100 * time.Millisecond
	s := serve(t, func(n int64, id string) string {
		if n == 1 {
			time.Sleep(stall)
		}
		return ok(right(id))
	})
	r := run(t, s, 1, 200*time.Millisecond, 100)
	if r.Latency.Count() != 20 {
		t.Errorf("%d answers, errors %v; want 20", r.Latency.Count(), r.Errors)
	}
	// Due at 0, 10, ... 50 ms and not answered before 100 ms: six of twenty.
	if got := time.Duration(r.Latency.Quantile(0.75)); got < stall/2*99/100 {
		t.Errorf("a quarter of the requests waited at least %v, the histogram says %v", stall/2, got)
	}
}

func TestALegacyConnectionHasASession(t *testing.T) {
	answers := []string{
		"HTTP/1.1 200 OK\r\nMcp-Session-Id: s-1\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sessions := make(chan string, 3)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		br := bufio.NewReader(c)
		for _, a := range append(answers, "") {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			sessions <- req.Header.Get("Mcp-Session-Id")
			io.WriteString(c, a)
		}
	}()
	p, err := Open(Options{URL: "http://" + l.Addr().String() + "/mcp", Era: workload.EraLegacy, Size: 1024, Conns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.workers[0].once()
	if a, b, c := <-sessions, <-sessions, <-sessions; a != "" || b != "s-1" || c != "s-1" {
		t.Errorf("sessions sent: %q, %q, %q", a, b, c)
	}
}

// rewritten says what right does, with the members in another order and the
// default left out.
func rewritten(id string) string {
	result, _, _ := strings.Cut(strings.TrimPrefix(right(id), `{"jsonrpc":"2.0","id":`+id+`,"result":{`), `,"isError":false`)
	return `{ "result":{"resultType":"complete",` + result + `},"id":` + id + `,"jsonrpc":"2.0"}`
}

func TestAnAnswerMayBeRewrittenOnlyWhereThatIsSaidAndAlwaysTheSameWay(t *testing.T) {
	changed := func(id string) string { return strings.Replace(rewritten(id), "alice", "alicf", 1) }
	another := func(string) string { return rewritten("1999999999") }
	tests := []struct {
		name    string
		allowed bool
		replies []func(id string) string
		want    []string
	}{
		{"not allowed", false, []func(string) string{rewritten, right}, []string{"garbled", ""}},
		{"allowed", true, []func(string) string{rewritten, rewritten, another, rewritten}, []string{"", "", "wrong id", ""}},
		{"allowed and not made use of", true, []func(string) string{right, right}, []string{"", ""}},
		{"another way each time", true, []func(string) string{rewritten, right, rewritten}, []string{"", "garbled", ""}},
		{"says something else", true, []func(string) string{changed, rewritten, changed}, []string{"garbled", "", "garbled"}},
		{"another's first", true, []func(string) string{another, rewritten}, []string{"garbled", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(n int64, id string) string { return ok(tt.replies[n-1](id)) })
			p, err := Open(Options{URL: s.url, Era: workload.EraModern, Size: 1024, Conns: 1, Rewritten: tt.allowed})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			for i, want := range tt.want {
				if f := p.workers[0].once(); f.kind != want {
					t.Errorf("answer %d: %q (%s), want %q", i, f.kind, f.detail, want)
				}
			}
		})
	}
}

// What is recorded is every call, with when it was due.
func TestRecordKeepsEveryCall(t *testing.T) {
	for _, rate := range []float64{0, 1000} {
		enough := make(chan struct{})
		s := serve(t, func(n int64, id string) string {
			if n == 50 {
				close(enough)
			}
			return ok(right(id))
		})
		p, err := Open(Options{URL: s.url, Era: workload.EraModern, Size: 1 << 10, Conns: 4})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		calls, wrong := p.Record(enough, rate)
		p.Close()
		if int64(len(calls)) != s.calls.Load() || len(calls) < 50 || wrong.Count() != 0 {
			t.Errorf("rate %v: %d calls recorded, %d answered, errors %v", rate, len(calls), s.calls.Load(), wrong)
		}
		for _, c := range calls {
			if c.Due.Before(began) || c.Took < 0 || c.End().After(time.Now()) {
				t.Fatalf("rate %v: %+v", rate, c)
			}
		}
	}
}

// An idle process is woken in time, and not with its poller's next millisecond.
func TestAlarmIsInTime(t *testing.T) {
	a := newAlarm()
	defer a.close()
	const want = 300 * time.Microsecond
	best := time.Hour
	for range 50 {
		start := time.Now()
		a.sleep(want)
		best = min(best, time.Since(start))
	}
	if best < want || best > want+500*time.Microsecond && runtime.GOOS == "linux" {
		t.Errorf("slept %v, want %v", best, want)
	}
}
