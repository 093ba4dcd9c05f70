package gateway

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// fanned is a client's stream for news of two servers as one, and the servers' ends of it.
type fanned struct {
	*watched
	files, mail *teller
	snap        *Snapshot
	released    chan struct{} // snap is used no more
}

const fanPolicy = listenPolicy + `---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: log }
match: { methods: [notifications/message] }
rules:
  - { name: debug, when: 'params.level == "debug" && request.headers["x-team"] == "red"', effect: deny, reason: no_debug }
  - { name: others, effect: allow }
`

const (
	fanEnd     = `{"jsonrpc":"2.0","id":"a","result":{"resultType":"complete",` + tag + `}}`
	fanChanged = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{` + tag + `}}`
)

// logged is a message of a server's log.
func logged(level string) string {
	return `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"` + level + `","data":"x"}}`
}

// eachFan runs a test of a stream of several servers, however it is opened.
func eachFan(t *testing.T, test func(t *testing.T, path, era string)) {
	t.Helper()
	for _, path := range []string{"/mcp", "/mcp/support"} {
		for _, era := range []string{"listen", "GET"} {
			t.Run(era+" "+path, func(t *testing.T) { test(t, path, era) })
		}
	}
}

// newFanned is a gateway before two servers that tell.
func newFanned(t *testing.T, options ...option) *fanned {
	t.Helper()
	s := &fanned{watched: &watched{}, files: newTeller(t), mail: newTeller(t), released: make(chan struct{})}
	s.world = newWorld(t, fanPolicy, append([]option{tellers(t, s.files.server, s.mail.server), func(_ *Options, snap *Snapshot) {
		s.snap = snap
		snap.Views["support"] = view(t, federation.Options{Name: "support", Servers: map[string]federation.Selection{"files": {All: true}, "mail": {All: true}}})
		snap.Release = func() { close(s.released) }
	}}, options...)...)
	return s
}

// open opens the stream, and waits until it is parked.
func (s *fanned) open(path, era string) {
	s.t.Helper()
	var err error
	if s.conn, err = net.Dial("tcp", s.onTCP()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.conn.Close() })
	s.ask(s.how(path, era))
	wait(s.t, s.files.opened)
	wait(s.t, s.mail.opened)
	s.parks()
}

func (s *fanned) how(path, era string) opener {
	if era == "listen" {
		return opener{request: modernAt(path, "subscriptions/listen", "", `"notifications":{"toolsListChanged":true}`, "X-Team: red"), end: fanEnd}
	}
	session := s.joined(path, "{}")
	return opener{request: "GET " + path + " HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\nX-Team: red\r\n" + session + "\r\n\r\n"}
}

// fan is the stream that is open; nil if none is.
func (s *fanned) fan() (f *fan) {
	n := &s.Gateway.news
	n.mu.Lock()
	defer n.mu.Unlock()
	for h := range n.streams {
		f = h.(*fan)
	}
	return f
}

// parks waits until neither the client's side nor a server's has a goroutine or an exchange.
func (s *fanned) parks() {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); !s.parked(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("it isn't parked")
		}
	}
}

func (s *fanned) parked() bool {
	f := s.fan()
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.parts {
		if f.parts[i].stream == nil {
			return false
		}
	}
	return f.x == nil && !f.busy
}

// ends checks the last that the client gets, comments and what it was told at first apart.
func (s *fanned) ends() {
	s.t.Helper()
	rest, err := io.ReadAll(s.lines)
	got := dataOf(string(rest))
	if s.end != "" && len(got) > 0 && strings.Contains(got[0], acknowledgement) {
		got = got[1:]
	}
	if last := strings.Join(got, "\n"); err != nil || last != s.end {
		s.t.Errorf("the last that the client got is %q, %v, want %q", last, err, s.end)
	}
}

// isOver waits until nothing of the stream is left.
func (s *fanned) isOver() {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); s.fan() != nil || s.watch.open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("the stream, or its connection, is still there")
		}
	}
	if used := s.bodies.used.Load(); used != 0 {
		s.t.Errorf("%d bytes of requests are left", used)
	}
	b := httptest.NewRecorder()
	s.Metrics.Handler().ServeHTTP(b, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(b.Body.String(), "sallyport_active_streams 0\n") {
		s.t.Error("it still counts as open")
	}
}

// outcomes waits until the stream is over, and gives the outcomes of its parts. There are n, if that is known.
func (s *fanned) outcomes(n int) []audit.Record {
	s.t.Helper()
	s.isOver()
	var out []audit.Record
	waitUntil(s.t, func() bool { out = s.ended(); return len(out) >= n })
	if n > 0 && len(out) != n {
		s.t.Errorf("there are %d outcomes, want %d: %+v", len(out), n, out)
	}
	return out
}

// ended gives the outcomes of the parts that have ended, each with its server.
func (s *fanned) ended() (out []audit.Record) {
	parts := map[audit.ID]string{}
	for _, r := range s.recorded(1) {
		switch {
		case r.Kind == audit.Decision && (r.Method == "subscriptions/listen" || r.HTTPMethod == http.MethodGet):
			parts[r.DecisionID] = r.Server
		case r.Kind == audit.Outcome && parts[r.DecisionID] != "":
			r.Server = parts[r.DecisionID]
			out = append(out, r)
		}
	}
	return out
}

// However a parked stream of several servers ends, its client and the servers hear of it, and each server's part is recorded.
func TestParkedFanEnds(t *testing.T) {
	tests := []struct {
		name   string
		do     func(s *fanned)
		gone   bool // the client
		reason string
	}{
		{"the client leaves", func(s *fanned) { _ = s.conn.Close() }, true, "cancelled"},
		{"the client says no more", func(s *fanned) { _ = s.conn.(*net.TCPConn).CloseWrite() }, true, "cancelled"},
		{"the gateway is drained", func(s *fanned) { s.Gateway.news.end(func(hearer) bool { return true }, true) }, false, "cancelled"},
		{"identities change", func(s *fanned) {
			next := s.next()
			next.Identity = &identity.Resolver{}
			s.Swap(next)
		}, false, "cancelled"},
		{"a server changes", func(s *fanned) {
			next := s.next()
			next.Servers = map[string]upstream.Server{"files": s.files.server, "mail": newTeller(s.t).server}
			s.Swap(next)
		}, false, "cancelled"},
		{"what is shown changes", func(s *fanned) {
			next, none := s.next(), view(s.t, federation.Options{Servers: map[string]federation.Selection{"files": {All: true}}})
			next.Views = map[string]*federation.View{"": none, "support": none}
			s.Swap(next)
		}, false, "cancelled"},
		{"its time is up", func(s *fanned) {
			f := s.fan()
			f.mu.Lock()
			f.until = time.Now().Add(-time.Second)
			f.mu.Unlock()
			f.tend(0, 1, time.Now())
		}, false, "upstream_timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			eachFan(t, func(t *testing.T, path, era string) {
				s := newFanned(t)
				s.open(path, era)
				tt.do(s)
				wait(t, s.files.closed)
				wait(t, s.mail.closed)
				if !tt.gone {
					s.ends()
				} else if _, err := io.ReadAll(s.lines); err == nil {
					t.Error("the stream of a client that has gone has an end")
				}
				for _, r := range s.outcomes(2) {
					if r.Status != 200 || r.Reason != tt.reason {
						t.Errorf("recorded %+v", r)
					}
				}
			})
		})
	}
}

// next is another snapshot that shows the same.
func (s *fanned) next() *Snapshot {
	next := snapCopy(s.snap)
	next.Views = s.snap.Views
	return next
}

// What comes on a parked part is judged by the policies that have let it in, and by the head that the client has sent; it passes under the names
// that the client knows.
func TestWhatComesOnAParkedFanIsJudged(t *testing.T) {
	eachFan(t, func(t *testing.T, path, era string) {
		s := newFanned(t)
		s.open(path, era)
		if era == "listen" {
			s.hears(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{` + tag + `,"notifications":{"toolsListChanged":true}}}`)
		}
		next := s.next()
		next.Policy = compile(t, strings.Replace(fanPolicy, "debug", "info", 1))
		s.Swap(next)
		const updated = `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{` + tag + `,"uri":"`
		for range 3 {
			s.files.say <- logged("debug")
			s.files.say <- updated + `file:///etc/x"}}` // nobody here may read it
			s.files.say <- updated + `file:///docs/a"}}`
			s.hears(updated + `files+file:///docs/a"}}`)
			s.mail.say <- logged("info")
			s.hears(logged("info"))
			s.parks()
		}
		select {
		case <-s.released:
			t.Error("the snapshot is released while its policies decide")
		default:
		}
		_ = s.conn.Close()
		s.outcomes(2)
		<-s.released
		refused := map[string]int{}
		for _, r := range s.recorded(10) {
			if r.Kind == audit.Refusal && r.Server == "files" {
				refused[r.Method+" "+r.Reason]++
			}
		}
		if len(refused) != 2 || refused["notifications/message no_debug"] != 3 || refused["notifications/resources/updated no_rule_matched"] != 3 {
			t.Errorf("refused: %v", refused)
		}
	})
}

// A server whose stream breaks off while it is parked is asked again, and the client hears that it may have missed something; one that ends its
// streams adds nothing more, and with the last of them the client's ends.
func TestParkedFanAsksAgain(t *testing.T) {
	eachFan(t, func(t *testing.T, path, era string) {
		s := newFanned(t)
		s.open(path, era)
		if era == "listen" {
			s.line()
			s.line()
		}
		for range 2 {
			s.files.say <- "cut"
			wait(t, s.files.opened)
			s.hears(fanChanged)
			s.parks()
		}
		s.files.say <- fanChanged
		s.hears(fanChanged)
		close(s.mail.say)
		if era == "listen" {
			waitUntil(t, func() bool { return len(s.ended()) >= 4 }) // both of mail's, and two of files'
		}
		close(s.files.say)
		s.ends()
		n := 0 // it is asked more than once whether there is a stream for a GET
		if era == "listen" {
			n = 6
		}
		reasons := map[string]int{}
		for _, r := range s.outcomes(n) {
			reasons[r.Server+" "+r.Reason]++
		}
		if reasons["files upstream_closed"] != 2 || era == "listen" && (reasons["files upstream_error"] != 1 || reasons["mail upstream_error"] != 1) {
			t.Errorf("outcomes: %v", reasons)
		}
	})
}

// askers notes on whose behalf a server is asked for its stream.
type askers struct {
	upstream.Server
	sync.Mutex
	of []string
}

func (s *askers) Do(c *upstream.Call) error {
	s.Lock()
	who := "nobody"
	if c.Client != nil {
		who = c.Client.ID
	}
	s.of = append(s.of, who)
	s.Unlock()
	return s.Server.Do(c)
}

// A server that is asked again is asked in the client's session.
func TestParkedFanAsksAgainInItsSession(t *testing.T) {
	var files *askers
	s := newFanned(t, func(_ *Options, snap *Snapshot) {
		files = &askers{Server: snap.Servers["files"]}
		snap.Servers["files"] = files
	})
	s.open("/mcp", "GET")
	for range 2 {
		s.files.say <- "cut"
		wait(t, s.files.opened)
		s.hears(fanChanged)
		s.parks()
	}
	files.Lock()
	of := files.of[max(0, len(files.of)-3):]
	files.Unlock()
	if len(of) != 3 || of[0] == "nobody" || of[1] != of[0] || of[2] != of[0] {
		t.Errorf("asked on behalf of %q", of)
	}
	_ = s.conn.Close()
	s.isOver()
}

func waitUntil(t *testing.T, what func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it hasn't come")
		}
	}
}

// Comments and events don't mix, though all may begin at once.
func TestCommentsAndEventsOfAParkedFanDoNotMix(t *testing.T) {
	eachFan(t, func(t *testing.T, path, era string) {
		s := newFanned(t)
		s.open(path, era)
		if era == "listen" {
			s.line()
			s.line()
		}
		f := s.fan()
		for range 50 {
			s.files.say <- logged("info")
			f.tend(later, 1, time.Time{})
			s.mail.say <- logged("info")
			f.tend(later, 1, time.Time{})
			s.hears(logged("info"))
			s.hears(logged("info"))
		}
		_ = s.conn.Close()
		s.outcomes(2)
	})
}

// While a stream is parked its client sees that it lives.
func TestParkedFansAreKeptAlive(t *testing.T) {
	eachFan(t, func(t *testing.T, path, era string) {
		s := newFanned(t, func(o *Options, _ *Snapshot) { o.Limits.KeepAlive = time.Millisecond })
		s.open(path, era)
		for comments := 0; comments < 3; {
			line, err := s.lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line == ":\n" {
				comments++
			}
		}
	})
}

// A client that reads nothing is cut off, though parked parts and comments wait to write to it.
func TestParkedFanOfASlowClient(t *testing.T) {
	eachFan(t, func(t *testing.T, path, era string) {
		s := newFanned(t, func(o *Options, _ *Snapshot) { o.Limits.WriteTimeout = time.Second })
		s.open(path, era)
		f, before := s.fan(), s.Memory.Used()
		big := strings.Replace(logged("info"), `"x"`, `"`+strings.Repeat("x", 512<<10)+`"`, 1)
		for _, from := range []*teller{s.files, s.mail} {
			go func() {
				for {
					select {
					case from.say <- big:
					case <-time.After(5 * time.Second):
						return
					}
				}
			}()
		}
		waitUntil(t, func() bool { return f.conn.client.writes.Load() > 0 })
		f.tend(later, 1, time.Time{})
		for _, r := range s.outcomes(2) {
			if r.Status != 200 || r.Reason != "" && r.Reason != "cancelled" { // as it was about to write, or waited
				t.Errorf("recorded %+v", r)
			}
		}
		if used := s.Memory.Used(); used != before {
			t.Errorf("%d bytes of memory are held", used-before)
		}
	})
}

// Whatever comes at once, a stream ends once, and all that it has is given back once.
func TestParkedFanEndsOnce(t *testing.T) {
	eachFan(t, func(t *testing.T, path, era string) {
		s := newFanned(t)
		s.open(path, era)
		f, next := s.fan(), s.next()
		next.Identity = &identity.Resolver{}
		var all sync.WaitGroup
		for _, do := range []func(){
			f.leave, f.endNews,
			func() { trySay(s.files, fanChanged) },
			func() { trySay(s.mail, "cut") },
			func() { f.tend(later, 1, time.Time{}) },
			func() { f.tend(later, 1, time.Now().Add(1000*time.Hour)) },
			func() { s.Swap(next) },
			func() { _ = s.conn.Close() },
		} {
			all.Go(do)
		}
		all.Wait()
		s.outcomes(2)
		<-s.released
	})
}

// trySay has a server say something, if its stream has not ended.
func trySay(s *teller, text string) {
	select {
	case s.say <- text:
	case <-time.After(100 * time.Millisecond):
	}
}

// A connection that is closed after its stream was to take it, and before it has, ends the stream.
func TestFanThatIsAbandoned(t *testing.T) {
	s := newFanned(t)
	ours, theirs := net.Pipe()
	defer theirs.Close()
	l := &listener{watch: s.watch}
	client := l.wrap(ours)
	s.watch.add(client)
	s.snap.refs.Add(1)
	f := &fan{
		g: s.Gateway, x: newExchange(s.Gateway), conn: &takenConn{client: client, out: client}, snap: s.snap,
		begun: make(chan struct{}), quit: make(chan struct{}),
	}
	f.out = f.conn
	f.going.Store(1)
	s.Metrics.Streams.Inc()
	abandoned := f.abandon
	client.successor.Store(&abandoned)
	_ = client.Close()
	if f.conn.mine() {
		t.Error("it would begin")
	}
	s.isOver()
	s.Swap(s.next())
	<-s.released
}

// A client that has gone before the answer begins ends what its servers have begun.
func TestFanWithoutAConnection(t *testing.T) {
	s := newFanned(t)
	c, err := net.Dial("tcp", s.onTCP())
	if err != nil {
		t.Fatal(err)
	}
	s.files.hold, s.mail.hold = make(chan struct{}), make(chan struct{})
	if _, err := io.WriteString(c, s.how("/mcp", "listen").request); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, func() bool { return len(s.files.requests())+len(s.mail.requests()) == 2 })
	f := s.fan()
	_ = f.x.client.Close()
	close(s.files.hold)
	close(s.mail.hold)
	for _, r := range s.outcomes(2) {
		if r.Status != 200 || r.Reason != "" && r.Reason != "cancelled" {
			t.Errorf("recorded %+v", r)
		}
	}
	_ = c.Close()
}

// A server that can't be parked waits in a goroutine, beside others and with the client's side that can.
func TestFanWithAPartThatCannotBeParked(t *testing.T) {
	say, quit := make(chan string), make(chan struct{})
	s := newFanned(t, func(_ *Options, snap *Snapshot) {
		snap.Servers["mail"] = &script{answer: func(c *upstream.Call) error {
			c.Attach(relayOf{say, quit, new(sync.Once)})
			c.Stream(relayOf{say, quit, new(sync.Once)})
			return nil
		}}
	})
	var err error
	if s.conn, err = net.Dial("tcp", s.onTCP()); err != nil {
		t.Fatal(err)
	}
	go func() {
		say <- `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{` + tag + `,"notifications":{"toolsListChanged":true}}}`
	}()
	s.ask(s.how("/mcp", "listen"))
	wait(t, s.files.opened)
	s.line()
	s.line()
	say <- fanChanged
	s.hears(fanChanged)
	waitUntil(t, func() bool {
		f := s.fan()
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.x == nil && f.parts[0].stream != nil && f.parts[1].stream == nil
	})
	s.files.say <- fanChanged
	s.hears(fanChanged)
	s.Gateway.news.end(func(hearer) bool { return true }, true)
	s.ends()
	for _, r := range s.outcomes(2) {
		if r.Status != 200 || r.Reason != "cancelled" {
			t.Errorf("recorded %+v", r)
		}
	}
}

// relayOf is a stream that says what the test says, until it is interrupted.
type relayOf struct {
	say  chan string
	quit chan struct{}
	once *sync.Once
}

func (r relayOf) Interrupt(bool)   { r.once.Do(func() { close(r.quit) }) }
func (r relayOf) Extend(time.Time) {}
func (r relayOf) End()             {}

func (r relayOf) Next() (upstream.Event, error) {
	select {
	case text := <-r.say:
		return upstream.Event{Data: []byte(text)}, nil
	case <-r.quit:
		return upstream.Event{}, &upstream.Error{Code: upstream.Canceled, Server: "mail", Err: upstream.ErrCanceled}
	}
}

// What a client sends on its stream is no request. The stream ends as if it had not come.
func TestWhatIsSentOnAFan(t *testing.T) {
	s := newFanned(t)
	s.open("/mcp", "listen")
	if _, err := io.WriteString(s.conn, "GET /mcp/files HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, func() bool { return readable(s.fan().conn.client.raw) })
	s.Gateway.news.end(func(hearer) bool { return true }, true)
	s.ends()
	s.outcomes(2)
	if n, err := bufio.NewReader(s.conn).ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// What comes on a parked fan is judged with the request that its server got: made anew of the client's, or as plugins have changed it.
func TestParkedPartKnowsItsRequest(t *testing.T) {
	s := newFanned(t)
	s.open("/mcp", "listen")
	f := s.fan()
	again := func(p *part) string {
		f.mu.Lock()
		defer f.mu.Unlock()
		y := f.takeUp(&share{acked: true})
		defer s.putBack(y)
		p.state.restore(y)
		p.readMessage(y)
		if y.request.Method != "subscriptions/listen" || y.request.Server != p.wanted.Server || string(y.request.Params.Raw()) != string(y.msg.Params.Raw()) || y.getField("x-team") != "red" {
			t.Errorf("%s is judged with %+v", p.wanted.Server, y.request)
		}
		return string(y.msg.Root().Raw())
	}
	for i, got := range [][]seen{s.files.requests(), s.mail.requests()} {
		p := &f.parts[i]
		was := got[len(got)-1].body
		if again(p) != was || !strings.Contains(was, `"toolsListChanged":true`) {
			t.Errorf("%s has %s\nand got %s", p.wanted.Server, again(p), was)
		}
		changed := strings.Replace(was, `true`, `false`, 1)
		y := f.takeUp(&share{acked: true})
		p.state.restore(y)
		if r := y.readAgain([]byte(changed)); r != nil {
			t.Fatal(r)
		}
		y.decision.Rewritten = y.msg.Params
		f.mu.Lock()
		kept := p.state
		p.settle(y)
		p.state = kept
		f.mu.Unlock()
		s.putBack(y)
		if again(p) != changed {
			t.Errorf("%s has %s\nwant %s", p.wanted.Server, again(p), changed)
		}
	}
	_ = s.conn.Close()
	s.outcomes(2)
}
