package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// questioner is a server of 2025-11-25 whose tool asks its client in the middle of a call, and counts what it does.
type questioner struct {
	*httptest.Server
	mu       sync.Mutex
	begun    int // calls of the tool
	answered int // answers that have reached it
	answer   chan string
	hold     chan struct{} // lets it go on with the answer
	ended    chan struct{} // the test has
}

func newQuestioner(t *testing.T) *questioner {
	a := &questioner{answer: make(chan string, 8), hold: make(chan struct{}), ended: make(chan struct{})}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(func() {
		close(a.ended)
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

func (a *questioner) serve(w http.ResponseWriter, req *http.Request) {
	var m struct {
		ID     json.RawMessage
		Method string
		Result json.RawMessage
	}
	if req.Method != http.MethodPost || json.NewDecoder(req.Body).Decode(&m) != nil {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	switch m.Method {
	case "initialize":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Mcp-Session-Id", "s")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"asking","version":"1"}}}`, m.ID)
	case "tools/call":
		a.ask(w, req, m.ID)
	case "":
		a.mu.Lock()
		a.answered++
		a.mu.Unlock()
		a.answer <- string(m.Result)
		w.WriteHeader(http.StatusAccepted)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func (a *questioner) ask(w http.ResponseWriter, req *http.Request, id json.RawMessage) {
	a.mu.Lock()
	a.begun++
	a.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"elicitation/create\",\"params\":{\"message\":\"sure?\",\"requestedSchema\":{\"type\":\"object\",\"properties\":{}}}}\n\n")
	w.(http.Flusher).Flush()
	for _, wait := range []func() bool{
		func() bool {
			select {
			case <-a.answer:
				return true
			case <-a.ended:
			case <-req.Context().Done():
			}
			return false
		},
		func() bool {
			select {
			case <-a.hold:
				return true
			case <-a.ended:
			case <-req.Context().Done():
			}
			return false
		},
	} {
		if !wait() {
			return
		}
	}
	fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"done\"}]}}\n\n", id)
}

// counts gives how many calls were begun, and how many answers have come.
func (a *questioner) counts() (begun, answered int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun, a.answered
}

// gateways are replicas, each a process, before the same server.
type gateways struct {
	t      *testing.T
	dir    string
	server *questioner
	data   []string
	cmds   []*exec.Cmd
	http   *http.Client
}

func newGateways(t *testing.T, n int) *gateways {
	t.Helper()
	if testing.Short() {
		t.Skip("starts gateways")
	}
	g := &gateways{t: t, dir: t.TempDir(), server: newQuestioner(t), http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}}
	g.run("keys", "new", "replicas.key")
	g.write("p/p.yaml", "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: all, effect: allow }\n")
	for i := range n {
		data, adm := fmt.Sprint("127.0.0.1:", freePort(t)), fmt.Sprint("127.0.0.1:", freePort(t))
		g.write(fmt.Sprint(i, ".yaml"), fmt.Sprintf("listen: %s\nadmin: { listen: %s }\nservers: { s: { url: %s/mcp, era: legacy } }\npolicies: ./p\nidentity: { anonymous: allow }\n"+
			"audit: { file: ./%d.jsonl }\nreplicas: { keys: [{ file: replicas.key }], advertise: 'http://%s' }\n", data, adm, g.server.URL, i, data))
		g.data = append(g.data, "http://"+data)
		cmd := exec.Command("sallyport", "serve", "-c", fmt.Sprint(i, ".yaml"))
		cmd.Dir = g.dir
		log := new(safeBuffer)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if t.Failed() {
				t.Logf("gateway %d said:\n%s", i, log)
			}
		})
		g.cmds = append(g.cmds, cmd)
		g.until("the gateway serves", func() bool {
			resp, err := g.http.Get("http://" + adm + "/readyz")
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
	}
	return g
}

func (g *gateways) run(args ...string) {
	g.t.Helper()
	cmd := exec.Command("sallyport", args...)
	cmd.Dir = g.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		g.t.Fatalf("%v: %s", err, out)
	}
}

func (g *gateways) write(name, text string) {
	g.t.Helper()
	name = filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

func (g *gateways) until(what string, done func() bool) {
	g.t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Fatalf("it never comes to be that %s", what)
		}
	}
}

// answerOf is what a gateway answers.
type answerOf struct {
	status int
	body   string
	Result struct {
		ResultType, RequestState string
		InputRequests            map[string]json.RawMessage
	}
	Error struct{ Code int }
}

// call calls the tool at a replica; more are further members of params.
func (g *gateways) call(at int, more string) answerOf {
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}}}`
	req, err := http.NewRequest(http.MethodPost, g.data[at]+"/mcp/s", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{},`+more+meta+`}}`))
	if err != nil {
		return answerOf{body: err.Error()}
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "ask",
	} {
		req.Header.Set(name, value)
	}
	resp, err := g.http.Do(req)
	if err != nil {
		return answerOf{body: err.Error()}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	out := answerOf{status: resp.StatusCode, body: fmt.Sprint(string(body), err)}
	_, data, found := strings.Cut(string(body), "data: ")
	if !found {
		data = string(body)
	}
	_ = json.Unmarshal([]byte(strings.TrimSpace(data)), &out)
	return out
}

// parked makes a call at a replica that waits for its client, and gives what goes on with it.
func (g *gateways) parked(at int) (more string) {
	g.t.Helper()
	a := g.call(at, "")
	if a.Result.ResultType != "input_required" {
		g.t.Fatalf("%d: %s", a.status, a.body)
	}
	for key := range a.Result.InputRequests {
		return fmt.Sprintf(`"inputResponses":{%q:{"action":"accept","content":{}}},"requestState":%q,`, key, a.Result.RequestState)
	}
	g.t.Fatal("nothing is asked")
	return ""
}

func (g *gateways) kill(i int) {
	_ = g.cmds[i].Process.Kill()
	_ = g.cmds[i].Wait()
}

// carried checks how often calls were begun, and answers taken.
func (g *gateways) carried(begun, answered int) {
	g.t.Helper()
	if b, a := g.server.counts(); b != begun || a != answered {
		g.t.Errorf("%d calls were begun and %d answers taken; want %d and %d", b, a, begun, answered)
	}
}

// reasons gives those of a gateway's refusals.
func (g *gateways) reasons(i int) (out []string) {
	data, err := os.ReadFile(filepath.Join(g.dir, fmt.Sprint(i, ".jsonl")))
	if err != nil {
		g.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if e, err := audit.Read([]byte(strings.TrimSuffix(line, "\n"))); err == nil && e.Record.Kind == audit.Refusal {
			out = append(out, e.Record.Reason)
		}
	}
	return out
}

func (g *gateways) refused(i int, reason string) {
	g.t.Helper()
	g.until("the refusal is recorded: "+reason, func() bool { return strings.Join(g.reasons(i), " ") == reason })
}

// A call that waits for its client goes on through another replica, once.
func TestCallsGoOnThroughAnotherReplica(t *testing.T) {
	g := newGateways(t, 2)
	more := g.parked(0)
	close(g.server.hold)
	if a := g.call(1, more); a.status != 200 || !strings.Contains(a.body, `"text":"done"`) {
		t.Errorf("%d: %s", a.status, a.body)
	}
	if a := g.call(1, more); a.status != 200 || a.Error.Code != -32602 { // it has been answered
		t.Errorf("again: %d: %s", a.status, a.body)
	}
	g.carried(1, 1)
}

// A replica that is killed while a call waits there costs that call, and nothing is done twice: its client is told to start it again.
func TestReplicaKilledWhileACallWaits(t *testing.T) {
	g := newGateways(t, 2)
	more := g.parked(0)
	g.kill(0)
	for range 2 {
		if a := g.call(1, more); a.status != 200 || a.Error.Code != -32602 || !strings.Contains(a.body, "started again") {
			t.Errorf("%d: %s", a.status, a.body)
		}
	}
	g.carried(1, 0)
	g.refused(1, "replica_unreachable replica_unreachable")
	close(g.server.hold)
	if a := g.call(1, g.parked(1)); a.status != 200 || !strings.Contains(a.body, `"text":"done"`) {
		t.Errorf("started again: %d: %s", a.status, a.body)
	}
	g.carried(2, 1)
}

// A replica that is killed in the middle of a call that was passed on to it costs that call too: nobody knows what has become of it, so
// it isn't made again.
func TestReplicaKilledInTheMiddleOfACall(t *testing.T) {
	g := newGateways(t, 2)
	more := g.parked(0)
	got := make(chan answerOf, 1)
	go func() { got <- g.call(1, more) }()
	g.until("the server has the answer", func() bool {
		_, answered := g.server.counts()
		return answered == 1
	})
	g.kill(0)
	if a := <-got; a.Error.Code != 50201 || a.status != 200 && a.status != 502 {
		t.Errorf("%d: %s", a.status, a.body)
	}
	if a := g.call(1, more); a.status != 200 || a.Error.Code != -32602 {
		t.Errorf("again: %d: %s", a.status, a.body)
	}
	g.carried(1, 1)
	g.refused(1, "replica_lost replica_unreachable")
}
