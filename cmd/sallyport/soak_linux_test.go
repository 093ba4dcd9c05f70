package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// soakVariable says that figures are to be measured, by make soak: ten thousand connections, a hundred thousand sessions. Without it a few
// hundred show that nothing is left behind.
const soakVariable = "SALLYPORT_SOAK"

func soaking() bool { return os.Getenv(soakVariable) != "" }

// taken is what a process has of the system.
type taken struct{ memory, files, goroutines int }

// newSoak is a gateway in a process of its own, before a server in this one, which it may know by more names than s.
func newSoak(t *testing.T, answer http.HandlerFunc, more ...string) (*restarts, *exec.Cmd) {
	t.Helper()
	r := newRestarts(t, "connections: 10000, idleTimeout: 10m")
	r.server.Config.Handler = answer
	path := filepath.Join(r.dir, "c.yaml")
	settings, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	one := fmt.Sprintf("s: { url: %s/mcp }", r.server.URL)
	all := one
	for _, name := range more {
		all += ", " + name + strings.TrimPrefix(one, "s")
	}
	if err := os.WriteFile(path, bytes.Replace(settings, []byte(one), []byte(all), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	listen := "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: l }\nmatch: { methods: [subscriptions/listen] }\nrules:\n  - { name: all, effect: allow }\n"
	if err := os.WriteFile(filepath.Join(r.dir, "p", "l.yaml"), []byte(listen), 0o600); err != nil {
		t.Fatal(err)
	}
	return r, r.start()
}

var goroutinesLine = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)

func (r *restarts) taken(cmd *exec.Cmd) (out taken) {
	r.t.Helper()
	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			out.memory, _ = strconv.Atoi(strings.Fields(kib)[0])
		}
	}
	files, err := os.ReadDir(proc + "fd")
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := r.http.Get(r.adm + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	out.files = len(files)
	out.goroutines, _ = strconv.Atoi(string(goroutinesLine.FindSubmatch(text)[1]))
	return out
}

// settled waits until nothing more is taken than before, a few files and goroutines apart that come and go.
func (r *restarts) settled(cmd *exec.Cmd, before taken) taken {
	r.t.Helper()
	var now taken
	r.until("files and goroutines are given back", func() bool {
		now = r.taken(cmd)
		return now.files <= before.files+10 && now.goroutines <= before.goroutines+10
	})
	return now
}

// rest lets the gateway collect its garbage and give memory back, and says what it has then: the least of ten seconds.
func (r *restarts) rest(cmd *exec.Cmd) taken {
	least := r.taken(cmd)
	for range 20 {
		time.Sleep(500 * time.Millisecond)
		if now := r.taken(cmd); now.memory < least.memory {
			least = now
		}
	}
	return least
}

// open opens n connections, four at a time, and has use do something on each. They stay open until the test ends.
func (r *restarts) open(n int, use func(i int, c net.Conn) error) {
	r.t.Helper()
	addr := strings.TrimSuffix(strings.TrimPrefix(r.url, "http://"), "/mcp/s")
	var next atomic.Int64
	var all sync.WaitGroup
	var mu sync.Mutex
	for range 4 {
		all.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				c, err := net.Dial("tcp", addr)
				if err == nil {
					mu.Lock()
					r.t.Cleanup(func() { c.Close() })
					mu.Unlock()
					_ = c.SetDeadline(time.Now().Add(30 * time.Second))
					err = use(int(i), c)
				}
				if err != nil {
					r.t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	if r.t.Failed() {
		r.t.FailNow()
	}
}

// saysUntil writes a request and reads until what it waits for has come.
func saysUntil(c net.Conn, request, awaited string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	var got []byte
	for b := make([]byte, 4<<10); !bytes.Contains(got, []byte(awaited)); {
		n, err := c.Read(b)
		if got = append(got, b[:n]...); err != nil {
			return fmt.Errorf("%w after %q", err, got)
		}
	}
	return nil
}

func framed(verb, body string, headers ...string) string {
	return framedAt("/mcp/s", verb, body, headers...)
}

func framedAt(path, verb, body string, headers ...string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n%sContent-Length: %d\r\n\r\n%s",
		verb, path, strings.Join(append(headers, ""), "\r\n"), len(body), body)
}

// affordableConnections is how many connections n may be if the gateway and this process need so many descriptors for each.
func affordableConnections(t *testing.T, n, each int) int {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	return min(n, (int(min(l.Cur, 1<<20))-200)/each)
}

// Sessions that were opened and dropped leave nothing behind: not those that their clients have ended, and not those they have left.
func TestSoakSessions(t *testing.T) {
	sessions, each := 500, 50
	if soaking() {
		sessions, each = 100_000, 500
	}
	var given, ended atomic.Int64
	r, cmd := newSoak(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case req.Method == http.MethodDelete:
			ended.Add(1)
		case strings.Contains(string(body), `"initialize"`):
			w.Header().Set("Mcp-Session-Id", fmt.Sprint("session-", given.Add(1)))
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}`)
		default:
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":2,"result":{"content":[]}}`)
		}
	})
	churn := func(n int) {
		r.open((n+each-1)/each, func(i int, c net.Conn) error {
			defer c.Close()
			for s := range each {
				if err := session(c, s%2 == 0); err != nil {
					return err
				}
			}
			return nil
		})
	}
	churn(sessions / 5)
	r.settled(cmd, taken{files: 30, goroutines: 60})
	before := r.taken(cmd)
	if soaking() {
		before = r.rest(cmd)
	}
	churn(sessions)
	r.settled(cmd, before)
	if got, want := given.Load(), int64(sessions+sessions/5); got != want || ended.Load() != want/2 {
		t.Errorf("%d sessions were given and %d ended, want %d and half of it", got, ended.Load(), want)
	}
	if !soaking() {
		return
	}
	after := r.rest(cmd)
	t.Logf("%d sessions: before %+v, after %+v (KiB)", sessions, before, after)
	if after.memory > before.memory+8<<10 {
		t.Errorf("%d KiB more are resident", after.memory-before.memory)
	}
}

// session opens a session, makes a call in it, and ends it or leaves it.
func session(c net.Conn, end bool) error {
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, framed("POST", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`)); err != nil {
		return err
	}
	b := make([]byte, 4<<10)
	n, err := c.Read(b)
	if err != nil {
		return err
	}
	_, id, ok := strings.Cut(string(b[:n]), "Mcp-Session-Id: ")
	if id, _, _ = strings.Cut(id, "\r\n"); !ok {
		return fmt.Errorf("no session in %q", b[:n])
	}
	h := []string{"Mcp-Session-Id: " + id, "Mcp-Protocol-Version: 2025-11-25"}
	if err := saysUntil(c, framed("POST", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"count","arguments":{"n":1}}}`, h...), `"content":[]}}`); err != nil || !end {
		return err
	}
	return saysUntil(c, framed("DELETE", "", h...), "HTTP/1.1 200")
}

// Connections between two requests, and what is left when they have gone.
func TestSoakIdleConnections(t *testing.T) {
	n := 400
	if soaking() {
		n = affordableConnections(t, 10_000, 2)
	}
	r, cmd := newSoak(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":2,"result":{"content":[]}}`)
	})
	use := func(_ int, c net.Conn) error {
		return saysUntil(c, framed("POST", `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"count","arguments":{"n":1}}}`), `"content":[]}}`)
	}
	r.measure(cmd, n, 12, n+20, use)
}

// Streams on which nothing comes, of legacy clients and of modern ones. Each has a stream of its own from each server, and none has a goroutine.
func TestSoakIdleStreams(t *testing.T) {
	const hello = `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"hello"}}`
	get := framed("GET", "", "Mcp-Protocol-Version: 2025-11-25")
	tests := []struct {
		name, request, says string
		most                int // KiB
		more                []string
	}{
		{"GET", get, hello, 4, nil},
		{"listen", listenAt("/mcp/s"), acknowledged, 4, nil},
		{"listen to one server at mcp", listenAt("/mcp"), acknowledged, 4, nil},
		{"listen to three servers at mcp", listenAt("/mcp"), acknowledged, 6, []string{"t", "u"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 200
			if soaking() {
				n = affordableConnections(t, 10_000, 4+2*len(tt.more))
			}
			r, cmd := newSoak(t, newsOf(tt.says), tt.more...)
			r.measure(cmd, n, tt.most, 20, func(_ int, c net.Conn) error { return saysUntil(c, tt.request, tt.says) })
		})
	}
}

// acknowledged is what a server says at first, and a client hears.
const acknowledged = `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"notifications":{"toolsListChanged":true}}}`

// listenAt asks for a stream.
func listenAt(path string) string {
	return framedAt(path, "POST", `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true,`+
		`"resourceSubscriptions":["file:///srv/readme.md"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},`+
		`"io.modelcontextprotocol/clientInfo":{"name":"soak","version":"1.0.0"}}}}`, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: subscriptions/listen")
}

// newsOf is a server whose streams begin so, and say no more.
func newsOf(says string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if body, _ := io.ReadAll(req.Body); bytes.Contains(body, []byte("server/discover")) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{},"ttlMs":0,"cacheScope":"private"}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: %s\n\n", says)
		w.(http.Flusher).Flush()
		<-req.Context().Done()
	}
}

// measure opens n connections and, where figures are measured, says what each takes: at most so many KiB, and
// all of them so many goroutines.
func (r *restarts) measure(cmd *exec.Cmd, n, most, goroutines int, use func(int, net.Conn) error) {
	r.t.Helper()
	r.open(8, func(i int, c net.Conn) error {
		defer c.Close()
		return use(i, c)
	})
	before := r.settled(cmd, taken{files: 30, goroutines: 60})
	if soaking() {
		before = r.rest(cmd)
	}
	var mu sync.Mutex
	var open []net.Conn
	r.open(n, func(i int, c net.Conn) error {
		mu.Lock()
		open = append(open, c)
		mu.Unlock()
		return use(i, c)
	})
	r.until("what is idle has no goroutine", func() bool { return r.taken(cmd).goroutines <= before.goroutines+goroutines })
	if soaking() {
		after := r.rest(cmd)
		each := float64(after.memory-before.memory) / float64(n)
		r.t.Logf("%d: before %+v, after %+v (KiB): %.1f KiB each", n, before, after, each)
		if each > float64(most) {
			r.t.Errorf("%.1f KiB each, want at most %d", each, most)
		}
	}
	for _, c := range open {
		c.Close()
	}
	r.settled(cmd, before)
}
