package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// mirroredTo has all calls of files copied to next, to which the header x-next leads, too.
func mirroredTo(next upstream.Server) option {
	return func(o *Options, s *Snapshot) {
		versioned(next)(o, s)
		s.Versions["files"].Mirror = &Mirror{To: "next", Share: 100}
	}
}

func hinted(tool string, readOnly bool) string {
	return fmt.Sprintf(`{"name":%q,"annotations":{"readOnlyHint":%t},"inputSchema":{"type":"object"}}`, tool, readOnly)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func TestMirrorCopiesCallsThatChangeNothing(t *testing.T) {
	next := &script{answer: answers(map[string]string{
		"tools/list": `{"tools":[` + hinted("moved", false) + `]}`, "tools/call": `{"content":[{"type":"text","text":"next"}]}`,
	})}
	w := newWorld(t, allowAll, mirroredTo(next))
	w.server.answer = func(c *upstream.Call) error {
		c.ReplySession = "upstream-1"
		return answers(map[string]string{
			"initialize": `{"protocolVersion":"2025-11-25"}`, "tools/call": `{"content":[{"type":"text","text":"stable"}]}`,
			"tools/list": `{"tools":[` + strings.Join([]string{hinted("get", true), hinted("put", false), hinted("moved", true)}, ",") + `]}`,
		})(c)
	}
	callOf := func(tool, more string, headers ...string) string {
		return modern("tools/call", tool, `"name":"`+tool+`","arguments":{"a":1.50}`+more, headers...)
	}
	initialize := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}`
	session := "Mcp-Session-Id: " + w.raw(post(initialize)).header.Get("Mcp-Session-Id")
	w.raw(callOf("get", "")) // nothing has been said of the tool
	w.raw(modern("tools/list", "", ""))
	w.raw(modern("tools/list", "", "", "X-Next: 1"))
	for _, request := range []string{
		callOf("put", ""), callOf("moved", ""), callOf("none", ""), post(call("get", `{}`), session), callOf("get", `,"requestState":"s"`),
		callOf("get", `,"inputResponses":{}`), callOf("get", `,"task":{}`),
	} {
		w.raw(request)
	}
	if r := w.raw(callOf("get", "", "X-Next: 1")); !strings.Contains(r.body, `"text":"next"`) {
		t.Errorf("a call of next itself: %s", r.body)
	}
	w.raw(post(call("get", `{"a":[2]}`))) // outside of any session
	if r := w.raw(callOf("get", "")); !strings.Contains(r.body, `"text":"stable"`) {
		t.Errorf("a call that is copied: %s", r.body)
	}
	eventually(t, "the copies are not counted", func() bool {
		return strings.Contains(scraped(t, w.Metrics), `sallyport_mirrored_calls_total{result="answered",server="files",version="next"} 2`)
	})
	calls := func(s *script) (out []string) {
		for _, m := range s.received() {
			if strings.Contains(m, "tools/call") {
				out = append(out, m)
			}
		}
		return out
	}
	stable, copies := calls(w.server), calls(next)
	if len(copies) != 3 || len(stable) != 10 {
		t.Fatalf("stable has got %d calls, next %q", len(stable), copies)
	}
	want := map[string]int{stable[8]: 1, stable[9]: 2} // the copies, in any order, and the call of next itself, which reads as the last
	for _, c := range copies {
		want[c]--
	}
	for m, n := range want {
		if n != 0 {
			t.Errorf("%d of %s", n, m)
		}
	}
	var mirrored []string
	for _, r := range w.recorded(28) {
		if r.Kind == audit.Decision && r.Mirror != "" {
			mirrored = append(mirrored, r.Tool+" "+r.Version+" "+r.Mirror)
		}
	}
	if diff := cmp.Diff([]string{"get stable next", "get stable next"}, mirrored); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// A mirror that doesn't answer slows nobody down: there is room for some copies, and the rest are counted. They end with the gateway.
func TestMirrorThatHangs(t *testing.T) {
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is it seen that the client leaves
		<-r.Context().Done()
	}))
	t.Cleanup(hangs.Close)
	next, err := upstream.NewHTTP("next", upstream.HTTPOptions{URL: hangs.URL, Timeout: time.Hour, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	var w *world
	t.Cleanup(func() {
		if text := scraped(t, w.Metrics); !strings.Contains(text, fmt.Sprintf(`sallyport_mirrored_calls_total{result="failed",server="files",version="next"} %d`, maxMirrored)) {
			t.Error("the copies have not ended with the gateway:", regexp.MustCompile(`sallyport_mirrored.*`).FindAllString(text, -1))
		}
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	})
	w = newWorld(t, allowAll, mirroredTo(next))
	w.server.answer = answers(map[string]string{"tools/list": `{"tools":[` + hinted("get", true) + `]}`, "tools/call": `{"content":[]}`})
	w.raw(modern("tools/list", "", ""))
	for range maxMirrored + 3 {
		if r := w.raw(modern("tools/call", "get", `"name":"get","arguments":{}`)); r.status != 200 || !strings.Contains(r.body, `"content":[]`) {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if text := scraped(t, w.Metrics); !strings.Contains(text, `sallyport_mirrored_calls_total{result="dropped",server="files",version="next"} 3`) {
		t.Error("what found no room was not counted")
	}
}

// What fails, answers with another status or panics costs nothing but the copy, and gives its place back.
func TestMirrorThatFails(t *testing.T) {
	for name, answer := range map[string]func(*upstream.Call) error{
		"an error": func(*upstream.Call) error {
			return &upstream.Error{Code: upstream.Unavailable, Server: "next", Err: errMirror}
		},
		"a refusal": says(500, `{}`),
		"a panic":   func(*upstream.Call) error { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allowAll, mirroredTo(&script{answer: answer}))
			w.server.answer = answers(map[string]string{"tools/list": `{"tools":[` + hinted("get", true) + `]}`, "tools/call": `{"content":[]}`})
			w.raw(modern("tools/list", "", ""))
			for i := range maxMirrored + 1 {
				if r := w.raw(modern("tools/call", "get", `"name":"get","arguments":{}`)); r.status != 200 {
					t.Fatalf("%d %s", r.status, r.body)
				}
				eventually(t, "a copy has not ended", func() bool {
					return strings.Contains(scraped(t, w.Metrics), fmt.Sprintf(`sallyport_mirrored_calls_total{result="failed",server="files",version="next"} %d`, i+1))
				})
			}
		})
	}
}

// A call that is refused after it has a place for a copy gives it back, and no copy is sent.
func TestMirrorOfARefusedCall(t *testing.T) {
	next := &script{answer: says(200, okResult)}
	w := newWorld(t, allowAll, mirroredTo(next))
	w.server.answer = answers(map[string]string{"tools/list": `{"tools":[` + hinted("get", true) + `]}`})
	w.raw(modern("tools/list", "", ""))
	w.records.mu.Lock()
	w.records.fail = errMirror
	w.records.mu.Unlock()
	for range maxMirrored + 1 {
		w.raw(modern("tools/call", "get", `"name":"get","arguments":{}`))
	}
	eventually(t, "places are lost", func() bool {
		w.mirrors.mu.Lock()
		defer w.mirrors.mu.Unlock()
		return w.mirrors.taken == 0 && w.mirrors.bytes == 0
	})
	if strings.Contains(scraped(t, w.Metrics), `result="dropped"`) {
		t.Error("a place was not given back in time")
	}
}
