package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

const (
	pluginIn  = "  - { name: in, plugin: tck }\n"
	pluginOut = "  - { name: out, phase: response, plugin: tck }\n"
)

// plugged serves with the conformance kit's plugin, which does what params._meta.tck of a message says.
func plugged(t *testing.T, rules string) option {
	t.Helper()
	module, err := os.ReadFile("../../hostapi/tck/testdata/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	host, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.FS(fstest.MapFS{"guest.wasm": {Data: module}, "p.yaml": {Data: []byte(`
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
rules:
  - { name: all, effect: allow }
  - { name: no-c, effect: deny, when: 'has(mcp.tool) && mcp.tool.name == "c"' }
` + rules)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(context.Background(), b, engine.Options{Plugins: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(_ *Options, snap *Snapshot) { snap.Policy = s }
}

func tckCall(do, args string, headers ...string) string {
	body := `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"read_file","arguments":` + args +
		`,"_meta":{"tck":` + do + `,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	return post(body, append([]string{"MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: read_file"}, headers...)...)
}

const tckMutate = `{"do":"patch","path":"args.object.a","json":"1","verdict":2}`

// What a plugin makes of a call is what the server gets, written anew like everything else, and the record says how it came about.
func TestPluginChangesACall(t *testing.T) {
	p, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"jsonrpc":"2.0","id":"a","result":{"content":[]}}`)
	})
	w := newWorld(t, allowAll, plugged(t, pluginIn), served)
	if r := w.raw(tckCall(tckMutate, `{ "object": {"z":1.0}, "b" : 2 }`)); r.status != 200 || !strings.Contains(r.body, `"content":[]`) {
		t.Fatalf("client got %+v", r)
	}
	got := p.requests()[0]
	if !strings.Contains(got.body, `"arguments":{"object":{"z":1.0,"a":1},"b":2},"_meta":{"tck":`) || got.header.Get("Mcp-Name") != "read_file" {
		t.Errorf("server got %s", got.body)
	}
	records := w.recorded(2)
	asked := records[0].Plugins
	if len(asked) != 1 || asked[0].Name != "tck" || asked[0].Verdict != "mutate" || asked[0].Rule != "in" || asked[0].Hook != "request" ||
		asked[0].Fuel == 0 || !strings.HasPrefix(asked[0].Module, "sha256:") {
		t.Fatalf("recorded %+v", asked)
	}
	if patch := asked[0].Patch; len(patch) != 1 || patch[0].Op != "add" || patch[0].Path != "args.object.a" || string(patch[0].JSON) != "1" {
		t.Errorf("recorded patch %+v", patch)
	}
	if out := records[1]; out.Kind != audit.Outcome || len(out.Plugins) != 0 {
		t.Errorf("recorded outcome %+v", out)
	}
}

// A header that mirrors an argument says what the plugin has made of it.
func TestPluginChangesWhatAHeaderMirrors(t *testing.T) {
	p, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, body string) {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(body, "tools/list") {
			io.WriteString(w, `{"jsonrpc":"2.0","id":"a","result":{"tools":[{"name":"read_file","inputSchema":{"type":"object","properties":{"object":{"type":"object","properties":{"a":{"type":"integer","x-mcp-header":"A"}}}}}}]}}`)
			return
		}
		io.WriteString(w, `{"jsonrpc":"2.0","id":"a","result":{}}`)
	})
	w := newWorld(t, allowAll, plugged(t, pluginIn), served)
	w.raw(modern("tools/list", "", ""))
	if r := w.raw(tckCall(tckMutate, `{"object":{"a":7}}`, "Mcp-Param-A: 7")); !strings.Contains(r.body, `"result":{}`) {
		t.Fatalf("client got %+v", r)
	}
	if got := p.requests()[1]; got.header.Get("Mcp-Param-A") != "1" || !strings.Contains(got.body, `{"a":1}`) {
		t.Errorf("server got %+v", got)
	}
}

// So is what a plugin makes of a result, in an answer of its own and in a stream.
func TestPluginChangesAResult(t *testing.T) {
	const result = `{"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"card"},{"type":"text","text":"x"}],"cacheScope":"public"}}`
	for kind, say := range map[string]func(w http.ResponseWriter){
		"application/json":  func(w http.ResponseWriter) { io.WriteString(w, result) },
		"text/event-stream": func(w http.ResponseWriter) { io.WriteString(w, "event: message\ndata: "+result+"\n\n") },
	} {
		_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("Content-Type", kind)
			say(w)
		})
		w := newWorld(t, allowAll, plugged(t, pluginIn+pluginOut), served)
		r := w.raw(tckCall(`{"do":"replace_all","key":"card","text":"***"}`, `{}`))
		if want := `{"content":[{"type":"text","text":"***"},{"type":"text","text":"x"}],"cacheScope":"private"}`; !strings.Contains(r.body, want) {
			t.Errorf("%s: client got %s", kind, r.body)
		}
		if out := w.recorded(2)[1]; out.Phase != "response" || out.Effect != "allow" || len(out.Plugins) != 1 || out.Plugins[0].Hook != "response" || out.Plugins[0].Verdict != "mutate" || len(out.Plugins[0].Patch) != 1 {
			t.Errorf("%s: recorded %+v", kind, out)
		}
	}
}

// An error is an answer too: plugins see it where they would see a result, and what they make of it is what the client gets.
func TestPluginChangesAnError(t *testing.T) {
	for kind, want := range map[string]string{"application/json": "", "text/event-stream": "data: "} {
		_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
			answerAs(w, kind, `{"jsonrpc":"2.0","id":"a","error":{"code":-32603,"message":"card","data":{"n":1.0}}}`)
		})
		w := newWorld(t, allowAll, plugged(t, pluginOut), served)
		r := w.raw(tckCall(`{"do":"patch","path":"mcp.result.structuredContent","json":"1","verdict":2}`, `{}`))
		if !strings.Contains(r.body, want+`{"jsonrpc":"2.0","id":"a","error":{"code":-32603,"message":"card","data":{"n":1.0},"structuredContent":1}}`) {
			t.Errorf("%s: client got %s", kind, r.body)
		}
		out := w.recorded(2)[1]
		if out.Phase != "response" || out.Effect != "allow" || len(out.Plugins) != 1 || out.Plugins[0].Verdict != "mutate" || len(out.Plugins[0].Patch) != 1 {
			t.Errorf("%s: recorded %+v", kind, out)
		}
	}
}

// What a plugin makes of a message that the server sends of its own accord is recorded, whatever becomes of it.
func TestPluginChangesANotification(t *testing.T) {
	const result = `{"jsonrpc":"2.0","id":"a","result":{"content":[]}}`
	for do, want := range map[string]struct {
		sent, verdict, effect string
		kind                  audit.Kind
	}{
		`{"do":"replace_all","key":"card","text":"***"}`: {`"data":"***"`, "mutate", "allow", audit.Decision},
		`{"verdict":0}`: {`"data":"card"`, "pass", "allow", audit.Decision},
		`{"verdict":1}`: {"", "deny", "deny", audit.Refusal},
	} {
		_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"card","_meta":{"tck":`+do+"}}}\n\n")
			io.WriteString(w, "data: "+result+"\n\n")
		})
		w := newWorld(t, allowAll, plugged(t, pluginIn+pluginOut), served)
		r := w.raw(tckCall(`{"verdict":0}`, `{}`))
		if got := strings.Contains(r.body, "notifications/message"); got != (want.sent != "") || !strings.Contains(r.body, want.sent) || !strings.Contains(r.body, `"result"`) {
			t.Errorf("%s: client got %s", do, r.body)
		}
		got := w.recorded(3)[1]
		if got.Kind != want.kind || got.Method != "notifications/message" || got.Effect != want.effect || len(got.Plugins) != 1 || got.Plugins[0].Verdict != want.verdict {
			t.Errorf("%s: recorded %+v", do, got)
		}
	}
}

// No record, no message: what can't be recorded doesn't pass.
func TestPluginChangesANotification_thatCantBeRecorded(t *testing.T) {
	var w *world
	_, served := newPeer(t, func(rw http.ResponseWriter, _ *http.Request, _ string) {
		w.records.mu.Lock()
		w.records.fail = errors.New("no space left on device")
		w.records.mu.Unlock()
		rw.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(rw, `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"card"}}`+"\n\n")
		io.WriteString(rw, `data: {"jsonrpc":"2.0","id":"a","result":{"content":[]}}`+"\n\n")
	})
	w = newWorld(t, allowAll, plugged(t, pluginIn+pluginOut), served)
	if r := w.raw(tckCall(`{"verdict":0}`, `{}`)); strings.Contains(r.body, "card") || !strings.Contains(r.body, `"result"`) {
		t.Errorf("client got %s", r.body)
	}
}

// A list is filtered before plugins see it, and what they make of it is what the client gets.
func TestPluginChangesAList(t *testing.T) {
	_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","description":"good"},{"name":"b","description":"bad"},{"name":"c","description":"bad"}]}}`)
	})
	w := newWorld(t, allowAll, plugged(t, pluginIn+pluginOut), served)
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"tck":{"do":"replace_all","key":"bad","text":"***"}}}}`
	if r := w.raw(post(body)); !strings.Contains(r.body, `{"tools":[{"name":"a","description":"good"},{"name":"b","description":"***"}]}}`) {
		t.Errorf("client got %+v", r)
	}
}

// What a plugin denies goes no further, and neither does what a plugin fails on.
func TestPluginDenies(t *testing.T) {
	w := newWorld(t, allowAll, plugged(t, pluginIn+pluginOut))
	for do, want := range map[string]string{
		`{"do":"reason","key":"not_here","text":"go away","verdict":1}`: "not_here",
		`{"do":"trap"}`:                "plugin_failed",
		`{"do":"approve","verdict":3}`: "approval_required",
		`{"verdict":9}`:                "plugin_failed",
	} {
		r := w.raw(tckCall(do, `{}`))
		if !strings.Contains(r.body, `"code":40301`) || !strings.Contains(r.body, `"reason":"`+want+`"`) || strings.Contains(r.body, "trap") {
			t.Errorf("%s: client got %+v", do, r)
		}
	}
	for _, r := range w.recorded(4) {
		if r.Kind != audit.Refusal || r.Rule != "in" || len(r.Plugins) != 1 || (r.Plugins[0].Failure != "") != (r.Cause != "") {
			t.Errorf("recorded %+v", r)
		}
	}
	if got := w.server.received(); len(got) > 0 {
		t.Errorf("the server has seen %q", got)
	}
}

// A result that a plugin denies or fails on is withheld.
func TestPluginDeniesAResult(t *testing.T) {
	w := newWorld(t, allowAll, plugged(t, pluginIn+pluginOut))
	w.server.answer = says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"secret"}]}}`)
	// The request hook finds nothing to replace and passes; in the response hook fields of the list hook are asked for, which fails.
	r := w.raw(tckCall(`{"do":"drop_all","key":"secret"}`, `{}`))
	if strings.Contains(r.body, "secret") || !strings.Contains(r.body, `"reason":"plugin_failed"`) {
		t.Errorf("client got %+v", r)
	}
}
