package engine_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// guest is the plugin of the conformance kit: it does what params._meta.tck of the message says.
func guest(t testing.TB) []byte {
	t.Helper()
	module, err := os.ReadFile("../hostapi/tck/testdata/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func pluginHost(t testing.TB) *wasm.Host {
	t.Helper()
	h, err := wasm.New(wasm.Options{EjectFailures: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func withPlugin(t testing.TB, h *wasm.Host, rules string, previous *engine.Snapshot) (*engine.Snapshot, error) {
	t.Helper()
	files := fstest.MapFS{
		"p.yaml":       {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n" + rules)},
		"x/guest.wasm": {Data: guest(t)},
	}
	b, err := bundle.FS(files)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Compile(t.Context(), b, engine.Options{Plugins: h, Previous: previous})
}

// tckCall is a call of a tool with what the guest is to do.
func tckCall(t testing.TB, do, args string) *engine.Request {
	t.Helper()
	params := scan(t, []byte(`{"name":"t","arguments":`+args+`,"_meta":{"tck":`+do+`}}`))
	return &engine.Request{Method: "tools/call", Server: "s", Tool: "t", Params: params, Arguments: params.Get("arguments"), Time: time.Unix(1, 0)}
}

const plugged = `
  - { name: any, effect: allow, when: 'args.kind != "hidden"' }
  - { name: before, effect: deny, when: 'has(args.object.before)', reason: before }
  - { name: ask, plugin: tck }
  - { name: late, effect: deny, when: 'has(args.object.secret)', reason: secret }
`

func TestPluginDecides(t *testing.T) {
	s, err := withPlugin(t, pluginHost(t), plugged, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const mutate = `{"do":"patch","path":"args.object.%s","json":"1","verdict":2}`
	for _, tt := range []struct {
		name, do, args, want string
	}{
		{"pass", `{}`, `{"kind":"x","object":{}}`, `allow p/any "" asked pass`},
		{"abstain", `{"verdict":4}`, `{"kind":"x","object":{}}`, `allow p/any "" asked abstain`},
		{"deny", `{"do":"reason","key":"not_here","text":"go away","verdict":1}`, `{"kind":"x","object":{}}`, `deny p/ask "not_here" "go away" asked deny`},
		{"deny without a reason", `{"verdict":1}`, `{"kind":"x","object":{}}`, `deny p/ask "denied_by_plugin" asked deny`},
		{"approve", `{"do":"approve","text":"Send it?","verdict":3}`, `{"kind":"x","object":{}}`, `approve p/ask "approval_required" "Send it?" asked approve`},
		{"mutate", fmt.Sprintf(mutate, "a"), `{"kind":"x","object":{}}`, `allow p/any "" asked mutate {"name":"t","arguments":{"kind":"x","object":{"a":1}},`},
		{"mutate into what a later rule denies", fmt.Sprintf(mutate, "secret"), `{"kind":"x","object":{}}`, `deny p/late "secret" asked mutate`},
		{"mutate into what an earlier rule denies", fmt.Sprintf(mutate, "before"), `{"kind":"x","object":{}}`, `allow p/any "" asked mutate {"name"`},
		{"mutate out of what allowed it", `{"do":"patch","path":"args.object","json":"{\"kind\":\"hidden\"}","verdict":2}`, `{"kind":"x","object":{}}`, `allow p/any "" asked mutate {"name"`},
		{"trap", `{"do":"trap"}`, `{"kind":"x","object":{}}`, `deny p/ask "plugin_failed" asked deny failed trap`},
		{"what is denied already is not asked", `{"verdict":0}`, `{"kind":"x","object":{"secret":1}}`, `deny p/late "secret" not asked`},
		{"what nothing allows is not asked", `{"verdict":0}`, `{"kind":"hidden","object":{}}`, `deny  "no_rule_matched" not asked`},
	} {
		d := s.Decide(t.Context(), tckCall(t, tt.do, tt.args))
		if got := pluginDecision(&d); !strings.HasPrefix(got, tt.want) || strings.Contains(got, "{") != strings.Contains(tt.want, "{") {
			t.Errorf("%s: %s, want %s (%v)", tt.name, got, tt.want, d.Cause)
		}
	}
}

// pluginDecision is a decision in a line.
func pluginDecision(d *engine.Decision) string {
	rule := ""
	if d.Rule != nil {
		rule = d.Rule.ID()
	}
	out := fmt.Sprintf("%s %s %q", d.Effect, rule, d.Reason)
	if d.Message != "" {
		out += fmt.Sprintf(" %q", d.Message)
	}
	if len(d.Plugins) == 0 {
		out += " not asked"
	}
	for _, p := range d.Plugins {
		out += " asked " + p.Verdict
		if p.Failure != "" {
			out += " failed " + p.Failure
		}
	}
	if d.Rewritten.Exists() {
		out += " " + string(d.Rewritten.Raw())
	}
	return out
}

func TestPluginInShadow(t *testing.T) {
	s, err := withPlugin(t, pluginHost(t), `
  - { name: any, effect: allow }
  - { name: ask, plugin: tck, enforcement: shadow }
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := s.Decide(t.Context(), tckCall(t, `{"do":"reason","key":"not_here","verdict":1}`, `{}`))
	if !d.Allowed() || len(d.Shadow) != 1 || d.Shadow[0].Effect != engine.Deny || d.Shadow[0].Reason != "not_here" || !d.Plugins[0].Shadow {
		t.Errorf("%+v", d)
	}
	d = s.Decide(t.Context(), tckCall(t, `{"do":"patch","path":"args.object.a","json":"1","verdict":2}`, `{"object":{}}`))
	if !d.Allowed() || d.Rewritten.Exists() || len(d.Shadow) != 0 {
		t.Errorf("%+v", d)
	}
}

// A plugin with a condition is asked when it holds; a condition that fails denies, for the plugin could have.
func TestPluginWithACondition(t *testing.T) {
	s, err := withPlugin(t, pluginHost(t), `
  - { name: any, effect: allow }
  - { name: ask, plugin: tck, when: 'args.ask == true' }
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for args, want := range map[string]string{
		`{"ask":true}`:  `deny p/ask "denied_by_plugin" asked deny`,
		`{"ask":false}`: `allow p/any "" not asked`,
		`{}`:            `deny p/ask "evaluation_error" not asked`,
	} {
		d := s.Decide(t.Context(), tckCall(t, `{"verdict":1}`, args))
		if got := pluginDecision(&d); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}

// In a chain each plugin sees what the one before has made.
func TestPluginChain(t *testing.T) {
	s, err := withPlugin(t, pluginHost(t), `
  - { name: any, effect: allow }
  - { name: first, plugin: tck }
  - { name: second, plugin: tck, when: 'has(args.object.a)' }
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := s.Decide(t.Context(), tckCall(t, `{"do":"patch","path":"args.object.a","json":"1","verdict":2}`, `{"object":{}}`))
	if len(d.Plugins) != 2 || d.Plugins[1].Edits[0].Op != "replace" || d.Plugins[0].Edits[0].Op != "add" || d.Plugins[0].Edits[0].Path != "args.object.a" {
		t.Errorf("%+v", d.Plugins)
	}
}

func TestPluginJudgesResponses(t *testing.T) {
	s, err := withPlugin(t, pluginHost(t), "  - { name: mask, phase: response, plugin: tck }\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := tckCall(t, `{"do":"replace_all","key":"card","text":"***"}`, `{}`)
	r.Phase, r.Result = engine.PhaseResponse, scan(t, []byte(`{"content":[{"type":"text","text":"card"},{"type":"text","text":"x"}]}`))
	d := s.Decide(t.Context(), r)
	if !d.Allowed() || string(d.Rewritten.Raw()) != `{"content":[{"type":"text","text":"***"},{"type":"text","text":"x"}]}` {
		t.Errorf("%+v %s", d, d.Rewritten.Raw())
	}
	list := tckCall(t, `{"do":"replace_all","key":"bad","text":"***"}`, `{}`)
	list.Method, list.Tool = "tools/list", ""
	list.Phase, list.Result = engine.PhaseResponse, scan(t, []byte(`{"tools":[{"name":"a","description":"good"},{"name":"b","description":"bad"}]}`))
	list.ItemsField, list.Items = "tools", list.Result.Get("tools")
	d = s.Decide(t.Context(), list)
	if !d.Allowed() || len(d.Plugins) != 2 || d.Plugins[0].Hook != "list" || d.Plugins[1].Hook != "response" ||
		string(d.Rewritten.Raw()) != `{"tools":[{"name":"a","description":"good"},{"name":"b","description":"***"}]}` {
		t.Errorf("%+v %s", d, d.Rewritten.Raw())
	}
}

// A listing asks no plugin: it can only deny calls, and which is not known yet.
func TestPluginIsNotAskedOfListings(t *testing.T) {
	s, err := withPlugin(t, pluginHost(t), plugged, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := s.Visible(t.Context(), &engine.Request{Method: "tools/call", Server: "s", Tool: "t"})
	if !d.Allowed() || len(d.Plugins) > 0 {
		t.Errorf("%+v", d)
	}
}

func TestPluginMistakes(t *testing.T) {
	h := pluginHost(t)
	for rule, want := range map[string]string{
		"{ name: a, plugin: tkc }":                                                  "p.yaml:5:24: error[SP4001]: no plugin is called `tkc`; did you mean `tck`?",
		"{ name: a, plugin: tck, config: { mode: 1 } }":                             "p.yaml:5:37: error[SP4002]: the settings don't fit the plugin's schema: /properties/mode is of the type",
		"{ name: a, plugin: tck, grant: [match] }":                                  "p.yaml:5:37: error[SP4002]: ",
		`{ name: a, plugin: tck, grant: ["match:pii"] }`:                            "p.yaml:5:37: error[SP6005]: no set of detectors is called `pii`; put it into detectors/pii.toml, or grant one that there is: secrets",
		`{ name: a, plugin: tck, grant: ["match:other"] }`:                          "p.yaml:5:37: error[SP6005]: no set of detectors is called `other`",
		`{ name: a, plugin: tck, config: { mode: x } }`:                             "",
		"{ name: a, plugin: tck, when: 'args.x > 1' }":                              "",
		"{ name: a, plugin: tck, phase: response }\n  - { name: b, effect: allow }": "",
	} {
		s, err := withPlugin(t, h, "  - "+rule+"\n", nil)
		s.Close()
		got := ""
		if ds, ok := errors.AsType[source.Diagnostics](err); ok {
			d := ds[0]
			got = fmt.Sprintf("%s:%d:%d: error[%s]: %s; %s", d.File, d.Line, d.Column, d.Code, d.Message, d.Help)
		}
		if !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %s (%v), want %s", rule, got, err, want)
		}
	}
	if _, err := withPlugin(t, nil, "  - { name: a, plugin: tck }\n", nil); err == nil || !strings.Contains(err.Error(), "plugins are not run here") {
		t.Errorf("without a host: %v", err)
	}
	b, err := bundle.FS(fstest.MapFS{
		"p.yaml": {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: a, plugin: tck } ]\n")},
		"a.wasm": {Data: guest(t)}, "b.wasm": {Data: guest(t)}, "c.wasm": {Data: []byte("no module")},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = engine.Compile(t.Context(), b, engine.Options{Plugins: h})
	if err == nil || !strings.Contains(err.Error(), "b.wasm") || !strings.Contains(err.Error(), "there are two plugins called `tck`") || !strings.Contains(err.Error(), "c.wasm") {
		t.Errorf("two of a name and one that is none: %v", err)
	}
}

// A plugin is carried over while what it was loaded from stays, and closed behind its last snapshot.
func TestPluginIsCarriedOver(t *testing.T) {
	h := pluginHost(t)
	first, err := withPlugin(t, h, "  - { name: a, effect: allow }\n  - { name: ask, plugin: tck }\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	first.Decide(t.Context(), tckCall(t, `{}`, `{}`))
	second, err := withPlugin(t, h, "  - { name: b, effect: allow }\n  - { name: ask, plugin: tck }\n", first)
	if err != nil {
		t.Fatal(err)
	}
	third, err := withPlugin(t, h, "  - { name: b, effect: allow }\n  - { name: ask, plugin: tck, config: { mode: x } }\n", second)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if !second.SharesModules(first) || !third.SharesModules(first) {
		t.Error("a module was read anew")
	}
	first.Close()
	first.Close()
	if d := second.Decide(t.Context(), tckCall(t, `{}`, `{}`)); !d.Allowed() {
		t.Errorf("the plugin went with the first snapshot: %+v", d)
	}
	if n := second.Plugins()[0].Stats.Calls; n != 2 {
		t.Errorf("the plugin has been called %d times, want 2: it was loaded anew", n)
	}
	if n := third.Plugins()[0].Stats.Calls; n != 0 {
		t.Errorf("a plugin with other settings was taken over")
	}
	second.Close()
	if d := second.Decide(t.Context(), tckCall(t, `{}`, `{}`)); d.Allowed() {
		t.Error("a closed plugin was asked, and passed")
	}
}

// What one host runs is no other's, which may have another clock and other bounds: a plugin is loaded anew by it.
func TestPluginIsOfItsHost(t *testing.T) {
	const rules = "  - { name: a, effect: allow }\n  - { name: ask, plugin: tck }\n"
	other, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := withPlugin(t, other, rules, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := withPlugin(t, pluginHost(t), rules, first)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if d := second.Decide(t.Context(), tckCall(t, `{}`, `{}`)); !d.Allowed() {
		t.Errorf("the plugin was the other host's: %+v", d)
	}
	if !second.SharesModules(first) {
		t.Error("a module was read anew")
	}
}

// A plan doesn't ask plugins. It names those that would be asked, and when; one whose own condition fails denies.
func TestPluginIsPlannedFor(t *testing.T) {
	s, err := withPlugin(t, pluginHost(t), `
  - { name: yes, effect: allow, when: 'args.x == 1' }
  - { name: judge, plugin: tck, when: 'args.y == 2' }
  - { name: never-asked, plugin: tck, when: 'mcp.tool.name == "other"' }`, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := s.Plan(t.Context(), tckCall(t, `{"verdict":0}`, `{}`), engine.UnknownFields{"args"}, nil)
	if len(p.Plugins) != 1 || p.Plugins[0].Rule.Name != "judge" || p.Plugins[0].When.String() != "args.y == 2" {
		t.Errorf("plugins: %+v", p.Plugins)
	}
	if got := p.Allow.String(); got != "args.x == 1 && (args.y == 2 || args.y != 2)" { // that it doesn't fail
		t.Errorf("allowed if %s", got)
	}
}
