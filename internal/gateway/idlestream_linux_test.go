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
	conn  net.Conn
	lines *bufio.Reader
	resp  *http.Response
	news  chan string   // what the server says; "" ends its stream, "cut" the connection
	ended chan struct{} // the server's stream
}

const listChanged = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`

// watchNews opens a stream, and waits until it is parked.
func watchNews(t *testing.T, policy string, options ...option) *watched {
	t.Helper()
	s := openNews(t, policy, options...)
	s.hears(listChanged)
	s.parks()
	return s
}

func openNews(t *testing.T, policy string, options ...option) *watched {
	t.Helper()
	s := &watched{news: make(chan string, 8), ended: make(chan struct{})}
	_, served := newPeer(t, func(w http.ResponseWriter, r *http.Request, _ string) {
		if r.Method != http.MethodGet {
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
					return
				case "cut":
					panic(http.ErrAbortHandler)
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
	var err error
	if s.conn, err = net.Dial("tcp", s.onTCP()); err != nil {
		t.Fatal(err)
	}
	_ = s.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(s.conn, "GET /mcp/files HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\nX-Team: red\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if s.resp, err = http.ReadResponse(bufio.NewReader(s.conn), nil); err != nil {
		t.Fatal(err)
	}
	s.lines = bufio.NewReader(s.resp.Body)
	return s
}

// hears waits for an event.
func (s *watched) hears(data string) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.t.Fatalf("waiting for %q: %v", data, err)
		}
		if got, ok := strings.CutPrefix(line, "data: "); ok {
			if strings.TrimSpace(got) != data {
				s.t.Fatalf("heard %q, not %q", got, data)
			}
			return
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
	if left != 0 {
		s.t.Errorf("%d streams are left", left)
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
	s := watchNews(t, `
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
	s.news <- ""
	if rest, err := io.ReadAll(s.lines); err != nil || strings.Contains(string(rest), "data") {
		t.Errorf("the end: %q, %v", rest, err)
	}
	if r := s.over(7); r.Kind != audit.Outcome || r.Status != 200 || r.ResponseBytes < int64(5*len(log("info"))) {
		t.Errorf("recorded %+v", r)
	}
}

// A candidate is tried on what comes on a stream, when the request that has opened it is long gone.
func TestCandidateIsTriedOnWhatComesOnAParkedStream(t *testing.T) {
	var snap *Snapshot
	s := watchNews(t, activeRules, func(_ *Options, s *Snapshot) { snap = s })
	next := snapCopy(snap)
	next.Candidate = &Candidate{Policy: compile(t, triedRules)}
	next.Candidate.Trial = trial.New(trial.Options{
		Active: next.Policy, Candidate: next.Candidate.Policy, Metrics: s.Metrics, Show: s.ShowExample,
		Scan: jsonscan.Options{Depth: s.Limits.Depth, Values: s.Limits.Values}, Head: s.head,
	})
	t.Cleanup(func() {
		next.Candidate.Trial.Close()
		<-next.Candidate.Trial.Done()
	})
	s.Swap(next)
	for range 2 {
		s.news <- listChanged
		s.hears(listChanged)
		s.parks()
	}
	s.found(next.Candidate, 2)
}

// While a stream is parked its client sees that it lives.
func TestParkedStreamsAreKeptAlive(t *testing.T) {
	s := watchNews(t, allowAll, func(o *Options, _ *Snapshot) { o.Limits.KeepAlive = time.Millisecond })
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
	tests := []struct {
		name string
		do   func(s *watched)
		cut  bool // the client's stream has no end
	}{
		{"the client leaves", func(s *watched) { _ = s.conn.Close() }, true},
		{"the server ends", func(s *watched) { s.news <- "" }, false},
		{"the server is gone", func(s *watched) { s.news <- "cut" }, false},
		{"the gateway ends it", func(s *watched) { s.Gateway.news.end(func(hearer) bool { return true }, true) }, false},
		{"the server's address changes", func(s *watched) {
			next := s.snapshot(allowAll)
			s.Swap(next)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := watchNews(t, allowAll)
			tt.do(s)
			if _, err := io.ReadAll(s.lines); (err != nil) != tt.cut && !errors.Is(err, net.ErrClosed) {
				t.Errorf("the client's end: %v", err)
			}
			if r := s.over(2); r.Kind != audit.Outcome || r.Status != 200 {
				t.Errorf("recorded %+v", r)
			}
		})
	}
}

// What a client sends on its stream is no request. The stream ends as if it had not come.
func TestWhatIsSentOnAStreamDoesNotCutItsEnd(t *testing.T) {
	s := watchNews(t, allowAll)
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
	if rest, err := io.ReadAll(s.lines); err != nil || strings.Contains(string(rest), "data") {
		t.Errorf("the end: %q, %v", rest, err)
	}
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
	s := openNews(t, allowAll, func(o *Options, _ *Snapshot) { o.Limits.StreamTimeout = time.Second })
	if _, err := io.ReadAll(s.lines); err != nil {
		t.Errorf("the client's end: %v", err)
	}
	if r := s.over(2); r.Kind != audit.Outcome || r.Status != 200 || r.Total < time.Second {
		t.Errorf("recorded %+v", r)
	}
}

// A connection that is closed before the stream has taken it leaves nothing behind.
func TestStreamWithoutAConnection(t *testing.T) {
	s := watchNews(t, allowAll)
	v := s.stream()
	if !v.stream.Unpark() {
		t.Fatal("it was to be parked")
	}
	v.unpark() // as when it begins
	v.client.successor.Store(v)
	_ = v.client.Close()
	v.begin(nil) // too late
	s.over(2)
}
