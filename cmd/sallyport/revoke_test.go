package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/discovery"
)

// say has an operator say something of a server.
func (w *gatewayAt) say(action, name string) error {
	w.t.Helper()
	c := admin.ServerChange{Action: action, Name: name, By: "alice"}
	if e, ok := w.g.state.build().found.Entry(name); ok {
		c.Digest = e.Digest
	}
	_, err := w.g.changeServer(w.t.Context(), c)
	return err
}

// A call that is under way when its server's approval is taken back has its answer; no other reaches the server, whose connections are closed.
func TestRevoking_endsWhatIsUnderWay(t *testing.T) {
	came, answer := make(chan bool, 10), make(chan bool)
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"cursor":"mine"`) {
			came <- true
			<-answer
		}
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, `{"jsonrpc":"2.0","id":7,"result":{"tools":[]}}`)
	}))
	t.Cleanup(web.Close)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "p.yaml"), []byte(versioned(1)))
	put(t, filepath.Join(dir, "d", "notes.yaml"), fmt.Appendf(nil, "{ url: %q, era: legacy }", web.URL+"/mcp"))
	w := begin(t, dir, place{policies: "p.yaml\ndiscovery: { directory: d, state: kept.json, networks: [127.0.0.1], probe: { every: 1h } }", bundle: "unsigned: true"})
	post := func() (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.g.data.Addr().String()+"/mcp/notes", strings.NewReader(`{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"cursor":"mine"}}`))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer got.Body.Close()
		text, _ := io.ReadAll(got.Body)
		return got.StatusCode, string(text)
	}
	w.becomes("notes", string(discovery.Quarantined)+"  directory")
	if err := w.say(admin.ApproveServer, "notes"); err != nil {
		t.Fatal(err)
	}
	served := w.g.state.build().servers["notes"]
	done := make(chan string)
	go func() {
		status, text := post()
		done <- fmt.Sprint(status, " ", text)
	}()
	<-came
	if err := w.say(admin.RevokeServer, "notes"); err != nil {
		t.Fatal(err)
	}
	if status, text := post(); status != http.StatusNotFound {
		t.Errorf("after it: %d %s", status, text)
	}
	if served.users.Load() == 0 {
		t.Error("the server is closed under the call")
	}
	close(answer)
	if got := <-done; !strings.HasPrefix(got, "200 ") || !strings.Contains(got, `"tools":[]`) {
		t.Errorf("the call under way: %s", got)
	}
	w.until("its connections are closed", func() bool { return served.users.Load() == 0 })
	if len(came) > 0 {
		t.Error("another call has reached the server")
	}
}
