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
	"sync/atomic"
	"testing"
)

// Of the descriptors of TestDescriptorsAreLeft the gateway leaves 64 to files, listeners and operators, and half of the rest to clients. Each
// client makes it ask all servers at once, which takes more than there are.
const (
	fewDescriptors = 160
	roomForServers = (fewDescriptors - 64) - (fewDescriptors-64)/2
	greedyClients  = 30
	manyServers    = 5
)

// Servers that keep connections busy, more of them for each client than a client has, take no descriptor from what must go on: records are
// written, operators are answered, policies are read. What finds no room for a connection to its server is told so, and recorded.
func TestDescriptorsAreLeft(t *testing.T) {
	r := newRestarts(t, "drainTimeout: 5s")
	var called atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var m struct {
			ID     json.RawMessage
			Method string
		}
		_ = json.NewDecoder(req.Body).Decode(&m)
		switch m.Method {
		case "subscriptions/listen":
			r.waiting.Add(1)
			select {
			case <-r.release:
			case <-req.Context().Done():
			}
		case "tools/call":
			called.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[],"tools":[]}}`, m.ID)
	}))
	t.Cleanup(server.Close)
	conf, servers := r.read("c.yaml"), ""
	for i := range manyServers {
		servers += fmt.Sprintf("%c: { url: %s/mcp, era: modern, timeout: 60s }, ", 's'+i, server.URL)
	}
	r.put("c.yaml", strings.Replace(conf, fmt.Sprintf("{ s: { url: %s/mcp } }", r.server.URL), "{ "+servers+"}", 1))
	const policy = "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: %s, effect: allow }\n"
	r.put("p/p.yaml", fmt.Sprintf(policy, "first"))
	cmd := r.begin(exec.Command("sh", "-c", fmt.Sprintf("ulimit -n %d && exec sallyport serve -c c.yaml", fewDescriptors)))
	var clients sync.WaitGroup
	for range greedyClients {
		clients.Go(r.listenToAll)
	}
	polls := 0
	r.until("servers have as many connections as there is room for", func() bool {
		if polls++; polls%400 == 0 && polls <= 2000 { // what else the gateway has asked them may have had the last place for a moment
			clients.Go(r.listenToAll)
		}
		return r.waiting.Load() >= roomForServers
	})
	answer, err := r.call(1)
	if err != nil || !strings.Contains(answer, `"code":50301`) {
		t.Errorf("a call without room: %s %v", answer, err)
	}
	r.until("the call is recorded", func() bool {
		return strings.Contains(r.read("audit.jsonl"), `as many connections to servers as the file descriptors of this process allow for`)
	})
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid))
	if err != nil || len(open) > fewDescriptors-32 {
		t.Errorf("%d of %d descriptors are open (%v)", len(open), fewDescriptors, err)
	}
	before := r.revision()
	r.put("p/p.yaml", fmt.Sprintf(policy, "second"))
	r.until("the policies have been read again", func() bool { return r.revision() != before })
	if r.ready() != http.StatusOK || called.Load() != 0 || r.waiting.Load() > roomForServers {
		t.Errorf("ready: %d; %d calls have reached the server, %d streams", r.ready(), called.Load(), r.waiting.Load())
	}
	close(r.release)
	clients.Wait()
	r.end(cmd)
	r.wait(cmd)
}

// listenToAll asks for the news of all servers, and reads them until they end.
func (r *restarts) listenToAll() {
	const body = `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	req, err := http.NewRequest(http.MethodPost, strings.TrimSuffix(r.url, "/s"), strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen",
	} {
		req.Header.Set(k, v)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return // the gateway has ended
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// revision is that of the policies that decide.
func (r *restarts) revision() string {
	resp, err := r.http.Get(r.adm + "/admin/v1/status")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var s struct{ Revision string }
	if json.NewDecoder(resp.Body).Decode(&s) != nil {
		return ""
	}
	return s.Revision
}

func (r *restarts) read(name string) string {
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

func (r *restarts) put(name, text string) {
	r.t.Helper()
	name = filepath.Join(r.dir, name)
	if err := os.WriteFile(name+"~", []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(name+"~", name); err != nil {
		r.t.Fatal(err)
	}
}
