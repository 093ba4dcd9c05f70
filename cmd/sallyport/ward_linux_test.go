package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// patient is a server that counts the calls that it carries out.
type patient struct {
	addr     string
	listener net.Listener
	answer   atomic.Pointer[func(*net.TCPConn, int)]
	mu       sync.Mutex
	carried  map[int]int // by id
	conns    map[*net.TCPConn]struct{}
	serving  sync.WaitGroup
}

// newPatient takes an address, for as long as the test runs, and refuses connections to it.
func newPatient(t *testing.T) *patient {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil { // up listens on the same port
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	p := &patient{addr: fmt.Sprint("127.0.0.1:", at.(*syscall.SockaddrInet4).Port), carried: map[int]int{}, conns: map[*net.TCPConn]struct{}{}}
	p.does(whole(goodAnswer))
	t.Cleanup(p.down)
	return p
}

func (p *patient) does(answer func(*net.TCPConn, int)) { p.answer.Store(&answer) }

func (p *patient) up(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns[c.(*net.TCPConn)] = struct{}{}
			p.mu.Unlock()
			p.serving.Go(func() { p.serve(c.(*net.TCPConn)) })
		}
	})
}

// cut ends the server, and resets its connections.
func (p *patient) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
	}
	for c := range p.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
}

func (p *patient) down() {
	p.cut()
	p.serving.Wait()
}

func (p *patient) serve(c *net.TCPConn) {
	defer func() {
		_ = c.Close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
	for in := bufio.NewReader(c); ; {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		var m struct {
			ID     int
			Method string
		}
		if json.NewDecoder(req.Body).Decode(&m) != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		if m.Method == "tools/call" {
			p.mu.Lock()
			p.carried[m.ID]++
			p.mu.Unlock()
		}
		(*p.answer.Load())(c, m.ID)
	}
}

func (p *patient) times(id int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.carried[id]
}

func (p *patient) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// ward is a gateway with servers of which some are ill.
type ward struct {
	t       *testing.T
	dir     string
	servers map[string]*patient
	program *program
	stop    func()
	ended   chan error
	before  goleak.Option
	http    *http.Client
}

// lingering are goroutines that outlive what they are for by some seconds: fasthttp's, which wait for another connection.
var lingering = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).workerFunc"),
	goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
}

// newWard starts a gateway. Servers are named with how long they may take; they are up.
func newWard(t *testing.T, timeouts map[string]string) *ward {
	t.Helper()
	w := &ward{
		t: t, dir: t.TempDir(), servers: map[string]*patient{}, ended: make(chan error, 1), before: goleak.IgnoreCurrent(),
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second},
	}
	conf := "policies: ./p.yaml\nidentity: { anonymous: allow }\naudit: { file: ./audit.jsonl }\nlimits: { responseBody: 64KiB, event: 64KiB, callTimeout: " + soon +
		" }\nfederation: { timeout: 8s, report: true }\nservers:\n"
	for name, timeout := range timeouts {
		p := newPatient(t)
		w.servers[name] = p
		conf += fmt.Sprintf("  %s: { url: \"http://%s/mcp\", era: modern, timeout: %s }\n", name, p.addr, timeout)
	}
	for name, text := range map[string]string{
		"c.yaml": conf,
		"p.yaml": "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: all, effect: allow } ]\n",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o, err := serveCommand{Config: filepath.Join(w.dir, "c.yaml"), Listen: "127.0.0.1:0", Admin: "127.0.0.1:0"}.origin()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.program, err = start(process{ctx: ctx, stdout: io.Discard, stderr: io.Discard, getenv: os.LookupEnv, now: time.Now, hangup: make(chan os.Signal)}, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { w.ended <- w.program.run() }()
	return w
}

func (w *ward) until(what string, done func() bool) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("it never comes to be that %s", what)
		}
	}
}

// got is what a client gets.
type got struct {
	Status int
	ID     int
	Error  struct{ Code int64 }
	Result struct {
		Tools []struct{ Name string }
		Meta  struct {
			Missing []struct{ Server, Reason string } `json:"dev.sallyport/missing"`
		} `json:"_meta"`
	}
}

// ask makes a request at /mcp and what is added to that. Those that name no tool are for the list.
func (w *ward) ask(path, tool string, id int) (out got) {
	method, body := "tools/call", modernCall(id, tool)
	if tool == "" {
		method = "tools/list"
		body = strings.Replace(strings.Replace(body, "tools/call", method, 1), fmt.Sprintf(`,"name":"","arguments":{"n":%d}`, id), "", 1)
	}
	req, err := http.NewRequest(http.MethodPost, fmt.Sprint("http://", w.program.data.Addr(), "/mcp", path), strings.NewReader(body))
	if err != nil {
		w.t.Error(err)
		return out
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": tool,
	} {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Errorf("%s %s: %v", path, tool, err)
		return out
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	text := string(data)
	if _, after, ok := strings.Cut(text, "\ndata: "); ok { // of a stream the message
		text = after
	}
	if err == nil {
		err = json.NewDecoder(strings.NewReader(text)).Decode(&out)
	}
	if err != nil || out.ID != id {
		w.t.Errorf("%s %s: %v, %q", path, tool, err, data)
	}
	out.Status = resp.StatusCode
	return out
}

// ok makes a call that has to be carried out, once.
func (w *ward) ok(server, path, tool string, id int) {
	if a := w.ask(path, tool, id); a.Status != 200 || a.Error.Code != 0 || w.servers[server].times(id) != 1 {
		w.t.Errorf("%s at /mcp%s: %+v, carried out %d times", server, path, a, w.servers[server].times(id))
	}
}

// rests waits until a server has nothing to do, and, if it keeps none, no connection.
func (w *ward) rests(name string, keeps bool) {
	w.t.Helper()
	w.until(name+" is left alone", func() bool {
		s := w.program.state.build().servers[name].Status()
		return s.InFlight == 0 && s.Conns == w.servers[name].open() && (keeps || s.Conns == 0)
	})
}

// noMore fails if there are goroutines that were not there before.
func (w *ward) noMore(before goleak.Option, but ...goleak.Option) {
	w.t.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if err = goleak.Find(append(append([]goleak.Option{before}, lingering...), but...)...); err == nil {
			return
		}
	}
	w.t.Error(err)
}

// end ends the gateway, and gives the last record of each message: of which server, by its id.
func (w *ward) end() map[string]audit.Record {
	w.t.Helper()
	w.stop()
	if err := <-w.ended; err != nil {
		w.t.Error(err)
	}
	for _, p := range w.servers {
		p.down()
	}
	w.noMore(w.before)
	data, err := os.ReadFile(filepath.Join(w.dir, "audit.jsonl"))
	if err != nil {
		w.t.Fatal(err)
	}
	if report, err := audit.Verify(bytes.NewReader(data)); err != nil || report.Open != 0 || report.Refusals != 0 || report.Decisions != report.Outcomes {
		w.t.Errorf("the records: %+v, %v", report, err)
	}
	decided, out := map[audit.ID]string{}, map[string]audit.Record{}
	for line := range bytes.Lines(data) {
		e, err := audit.Read(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			w.t.Fatal(err)
		}
		switch r := e.Record; r.Kind {
		case audit.Decision:
			decided[r.DecisionID] = fmt.Sprint(r.Server, " ", string(r.RequestID))
			if r.Effect != "allow" {
				w.t.Errorf("%s is decided %s", decided[r.DecisionID], r.Effect)
			}
		case audit.Outcome:
			out[decided[r.DecisionID]] = r
		case audit.Refusal, audit.Lifecycle:
		}
	}
	return out
}
