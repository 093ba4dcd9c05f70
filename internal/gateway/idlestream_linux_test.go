package gateway

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/trial"
)

// watched is a client's stream for news, and the server's end of it.
type watched struct {
	*world
	opener
	conn  net.Conn
	lines *bufio.Reader
	resp  *http.Response
	news  chan string   // what the server says, after partly as it is; "" ends its stream in good order, "cut" the connection
	ended chan struct{} // the server's stream
}

const partly = "part:"

const listChanged = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`

// opener is how clients open such a stream, and what they get at its end in good order.
type opener struct{ name, request, end string }

var openers = []opener{
	{"GET", "GET /mcp/files HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\nX-Team: red\r\n\r\n", ""},
	{
		"listen", modern("subscriptions/listen", "", `"notifications":{"toolsListChanged":true}`, "X-Team: red"),
		`{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"a"}}}`,
	},
}

// eachOpener runs a test of a stream however it is opened.
func eachOpener(t *testing.T, test func(t *testing.T, how opener)) {
	t.Helper()
	for _, how := range openers {
		t.Run(how.name, func(t *testing.T) { test(t, how) })
	}
}

// watchNews opens a stream, and waits until it is parked.
func watchNews(t *testing.T, how opener, policy string, options ...option) *watched {
	t.Helper()
	s := worldOfNews(t, policy, options...)
	s.open(how)
	s.hears(listChanged)
	s.parks()
	return s
}

// worldOfNews is a gateway before a server that has news.
func worldOfNews(t *testing.T, policy string, options ...option) *watched {
	t.Helper()
	s := &watched{news: make(chan string, 8), ended: make(chan struct{})}
	_, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, body string) {
		if r.Method != http.MethodGet && !strings.Contains(body, "subscriptions/listen") {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		defer close(s.ended)
		events(w, listChanged)
		for {
			select {
			case text := <-s.news:
				switch text {
				case "":
					if s.end != "" {
						events(w, s.end)
					}
					return
				case "cut":
					panic(http.ErrAbortHandler)
				}
				if part, ok := strings.CutPrefix(text, partly); ok {
					_, _ = io.WriteString(w, part)
					w.(http.Flusher).Flush()
					continue
				}
				events(w, text)
			case <-r.Context().Done():
				return
			}
		}
	})
	t.Cleanup(func() { // when the gateway has shut down, with the stream parked
		if s.conn != nil {
			_ = s.conn.Close()
		}
	})
	s.world = newWorld(t, policy, append([]option{served}, options...)...)
	return s
}

// open opens the stream.
func (s *watched) open(how opener) {
	s.t.Helper()
	var err error
	if s.conn, err = net.Dial("tcp", s.onTCP()); err != nil {
		s.t.Fatal(err)
	}
	s.ask(how)
}

// ask opens the stream on a connection.
func (s *watched) ask(how opener) {
	s.t.Helper()
	s.opener = how
	var err error
	_ = s.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(s.conn, how.request); err != nil {
		s.t.Fatal(err)
	}
	if s.resp, err = http.ReadResponse(bufio.NewReader(s.conn), nil); err != nil {
		s.t.Fatal(err)
	}
	s.lines = bufio.NewReader(s.resp.Body)
}

// ends checks what the client gets until the end, comments apart: the last of the stream.
func (s *watched) ends(want string) {
	s.t.Helper()
	rest, err := io.ReadAll(s.lines)
	if err != nil {
		s.t.Errorf("the client's end: %v", err)
	}
	if got := strings.Join(dataOf(string(rest)), "\n"); got != want {
		s.t.Errorf("the last that the client got is %q, want %q", got, want)
	}
}

// hears waits for an event.
func (s *watched) hears(data string) {
	s.t.Helper()
	for {
		got, said := strings.CutPrefix(s.line(), "data: ")
		switch {
		case !said:
		case got != data:
			s.t.Fatalf("heard %q, not %q", got, data)
		default:
			return
		}
	}
}

// line waits for a line that is neither empty nor a comment.
func (s *watched) line() string {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.t.Fatalf("waiting for a line: %v", err)
		}
		if line = strings.TrimSuffix(line, "\n"); line != "" && line != ":" {
			return line
		}
	}
}

// parks waits until the stream has neither goroutine nor exchange.
func (s *watched) parks() {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !s.parked(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("it isn't parked")
		}
	}
}

func (s *watched) parked() bool {
	n := &s.Gateway.news
	n.mu.Lock()
	defer n.mu.Unlock()
	for h := range n.streams {
		v := h.(*idleStream)
		v.mu.Lock()
		parked := v.x == nil && !v.busy && !v.over
		v.mu.Unlock()
		return parked
	}
	return false
}

// stream is the one that is open.
func (s *watched) stream() (v *idleStream) {
	n := &s.Gateway.news
	n.mu.Lock()
	defer n.mu.Unlock()
	for h := range n.streams {
		v = h.(*idleStream)
	}
	return v
}

// over waits until nothing of the stream is left, and gives the record of how it ended, the last of so many.
func (s *watched) over(all int) audit.Record {
	s.t.Helper()
	<-s.ended
	for end := time.Now().Add(20 * time.Second); s.watch.open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("the connection is still open")
		}
	}
	n := &s.Gateway.news
	n.mu.Lock()
	left := len(n.streams)
	n.mu.Unlock()
	if used := s.bodies.used.Load(); left != 0 || used != 0 {
		s.t.Errorf("%d streams are left, and %d bytes of requests", left, used)
	}
	b := httptest.NewRecorder()
	s.Metrics.Handler().ServeHTTP(b, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(b.Body.String(), "sallyport_active_streams 0\n") {
		s.t.Error("it still counts as open")
	}
	records := s.recorded(all)
	return records[len(records)-1]
}

// What comes on a parked stream is judged as what comes at any time: by the policy of that moment, and by the head that the client has sent.
func TestWhatComesOnAParkedStreamIsJudged(t *testing.T) {
	log := func(level string) string {
		return `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"` + level + `","data":"x"}}`
	}
	eachOpener(t, func(t *testing.T, how opener) { testNewsAreJudged(t, how, log) })
}

func testNewsAreJudged(t *testing.T, how opener, log func(level string) string) {
	s := watchNews(t, how, listenPolicy+`---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
match: { methods: [notifications/message] }
rules:
  - { name: not-red, when: 'request.headers["x-team"] != "red"', effect: deny }
  - { name: debug, when: 'params.level == "debug"', effect: deny, reason: no_debug }
`)
	for range 5 {
		s.news <- log("debug")
		s.news <- log("info")
		s.hears(log("info"))
		s.parks()
	}
	s.news <- ": a comment"
	s.news <- listChanged
	s.hears(listChanged)
	refused := 0
	for _, r := range s.recorded(6) {
		if r.Reason == "no_debug" {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d refusals are recorded", refused)
	}
	s.parks()
	if used, want := s.bodies.used.Load(), int64(len(how.request)-strings.Index(how.request, "\r\n\r\n")-4); used != want {
		t.Errorf("%d bytes of requests are counted, want %d", used, want)
	}
	s.news <- ""
	s.ends(how.end)
	if r := s.over(7); r.Kind != audit.Outcome || r.Status != 200 || r.ResponseBytes < int64(5*len(log("info"))) {
		t.Errorf("recorded %+v", r)
	}
}

// A candidate is tried on what comes on a stream, when the request that has opened it is long gone.
func TestCandidateIsTriedOnWhatComesOnAParkedStream(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		var snap *Snapshot
		s := watchNews(t, how, activeRules, func(_ *Options, s *Snapshot) { snap = s })
		next := s.try(snap, triedRules, nil, trial.Bounds{})
		for range 2 {
			s.news <- listChanged
			s.hears(listChanged)
			s.parks()
		}
		s.found(next.Candidate, 2)
	})
}

// try has a candidate tried beside the policies of a snapshot.
func (s *watched) try(snap *Snapshot, policy string, canary *Canary, bounds trial.Bounds) *Snapshot {
	s.t.Helper()
	next := snapCopy(snap)
	next.Candidate = &Candidate{Policy: compile(s.t, policy), Canary: canary}
	next.Candidate.Trial = trial.New(trial.Options{
		Active: next.Policy, Candidate: next.Candidate.Policy, Metrics: s.Metrics, Show: s.ShowExample, Bounds: bounds,
		Scan: jsonscan.Options{Depth: s.Limits.Depth, Values: s.Limits.Values}, Head: s.head,
	})
	s.t.Cleanup(func() {
		next.Candidate.Trial.Close()
		<-next.Candidate.Trial.Done()
	})
	s.Swap(next)
	return next
}

const endDenied = `  - name: end
    phase: response
    when: 'mcp.method == "subscriptions/listen" && params.notifications.toolsListChanged && request.headers["x-team"] == "red"'
    effect: deny
    reason: no_end
`

// The answer to a request that is long gone is judged with it.
func TestEndOfAParkedStreamIsJudged(t *testing.T) {
	s := watchNews(t, openers[1], activeRules+endDenied)
	s.news <- ""
	rest, err := io.ReadAll(s.lines)
	if got := dataOf(string(rest)); err != nil || len(got) != 1 || !strings.Contains(got[0], `"reason":"no_end"`) || !strings.HasPrefix(got[0], `{"jsonrpc":"2.0","id":"a","error":`) {
		t.Errorf("the client got %q, %v", got, err)
	}
	if r := s.over(2); r.Kind != audit.Outcome || r.Reason != "no_end" || r.Method != "subscriptions/listen" {
		t.Errorf("recorded %+v", r)
	}
}

// What has decided the request decides its answer, whatever has become of it meanwhile.
func TestCanaryDecidesTheEndOfAParkedStream(t *testing.T) {
	var snap *Snapshot
	s := worldOfNews(t, activeRules, func(_ *Options, s *Snapshot) { snap = s })
	next := s.try(snap, triedRules+endDenied, &Canary{Share: wholeShare}, trial.Bounds{After: 1, Denials: 1})
	s.open(openers[1])
	s.hears(listChanged)
	s.parks()
	if r := s.raw(post(call("shell", `{}`))); !strings.Contains(r.body, "shell") {
		t.Fatalf("%+v", r)
	}
	if found := s.found(next.Candidate, 3); !next.Candidate.Trial.HasPassed() {
		t.Fatalf("%+v", found)
	}
	s.news <- ""
	if rest, err := io.ReadAll(s.lines); err != nil || !strings.Contains(string(rest), "no_end") {
		t.Errorf("the client got %q, %v", rest, err)
	}
}

// While a stream is parked its client sees that it lives.
func TestParkedStreamsAreKeptAlive(t *testing.T) {
	eachOpener(t, testKeptAlive)
}

func testKeptAlive(t *testing.T, how opener) {
	s := watchNews(t, how, allowAll, func(o *Options, _ *Snapshot) { o.Limits.KeepAlive = time.Millisecond })
	for comments := 0; comments < 3; {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == ":\n" {
			comments++
		}
	}
	s.news <- listChanged
	s.hears(listChanged)
	s.parks()
}

// Parking ends with whatever ends the stream, for both sides.
func TestParkingEnds(t *testing.T) {
	const gone, good = "cut", "good order"
	tests := []struct {
		name string
		do   func(s *watched)
		end  string // of a client that listens; gone: its stream has none
	}{
		{"the client leaves", func(s *watched) { _ = s.conn.Close() }, gone},
		{"the server ends", func(s *watched) { s.news <- "" }, good},
		{"the server is gone", func(s *watched) { s.news <- "cut" }, "50201"},
		{"the gateway ends it", func(s *watched) { s.Gateway.news.end(func(hearer) bool { return true }, true) }, good},
		{"the server's address changes", func(s *watched) { s.Swap(s.snapshot(allowAll)) }, good},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eachOpener(t, func(t *testing.T, how opener) {
				s := watchNews(t, how, allowAll)
				tt.do(s)
				switch {
				case tt.end == gone:
					if _, err := io.ReadAll(s.lines); err == nil {
						t.Error("the stream of a client that has gone has an end")
					}
				case tt.end == good || how.end == "":
					s.ends(how.end)
				default:
					rest, err := io.ReadAll(s.lines)
					if got := dataOf(string(rest)); err != nil || len(got) != 1 || !strings.Contains(got[0], tt.end) {
						t.Errorf("the client got %q, %v", got, err)
					}
				}
				if r := s.over(2); r.Kind != audit.Outcome || r.Status != 200 || tt.end == gone && how.end != "" && r.Reason != "cancelled" {
					t.Errorf("recorded %+v", r)
				}
			})
		})
	}
}

// A client that listens outside of a session may come to another version when the split changes. One that GETs its stream has it of the version
// that has it.
func TestParkedStreamEndsWhenItsSplitChanges(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		var snap *Snapshot
		s := watchNews(t, how, allowAll, versioned(&script{}), func(_ *Options, s *Snapshot) { snap = s })
		next := snapCopy(snap)
		next.Versions = map[string]*Versions{"files": {Split: splitBy(1, 99), Servers: snap.Versions["files"].Servers}}
		s.Swap(next)
		if how.end == "" {
			s.news <- listChanged
			s.hears(listChanged)
			return
		}
		s.ends(how.end)
		s.over(2)
	})
}

// What a client sends on its stream is no request. The stream ends as if it had not come.
func TestWhatIsSentOnAStreamDoesNotCutItsEnd(t *testing.T) {
	eachOpener(t, testSentOnAStream)
}

func testSentOnAStream(t *testing.T, how opener) {
	s := watchNews(t, how, allowAll)
	if _, err := io.WriteString(s.conn, "GET /mcp/files HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	client := s.stream().client
	for end := time.Now().Add(20 * time.Second); !readable(client.raw); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing arrives")
		}
	}
	s.news <- listChanged
	s.news <- ""
	if r := s.over(2); r.Kind != audit.Outcome || r.Status != 200 {
		t.Errorf("recorded %+v", r)
	}
	s.hears(listChanged)
	s.ends(how.end)
	if n, err := s.conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %d bytes, %v", n, err)
	}
}

// readable says whether there is something that nobody has read.
func readable(raw syscall.RawConn) bool {
	n := 0
	err := raw.Control(func(fd uintptr) {
		n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	return err == nil && n > 0
}

// A stream whose time is up ends, also if it is parked.
func TestParkedStreamEndsInTime(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		s := worldOfNews(t, allowAll, func(o *Options, _ *Snapshot) { o.Limits.StreamTimeout = time.Second })
		s.open(how)
		if _, err := io.ReadAll(s.lines); err != nil {
			t.Errorf("the client's end: %v", err)
		}
		if r := s.over(2); r.Kind != audit.Outcome || r.Status != 200 || r.Total < time.Second {
			t.Errorf("recorded %+v", r)
		}
	})
}

// A connection that is closed before the stream has taken it leaves nothing behind.
func TestStreamWithoutAConnection(t *testing.T) {
	eachOpener(t, func(t *testing.T, how opener) {
		s := watchNews(t, how, allowAll)
		v := s.stream()
		if !v.stream.Unpark() {
			t.Fatal("it was to be parked")
		}
		v.unpark() // as when it begins
		abandoned := v.abandoned
		v.client.successor.Store(&abandoned)
		_ = v.client.Close()
		if v.mine() {
			t.Error("it would begin")
		}
		s.over(2)
	})
}
