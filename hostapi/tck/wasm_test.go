package tck_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
	"github.com/sallyport-dev/sallyport/hostapi/tck"
)

// engine runs the kit on engine/wasm.
type engine struct{ host *wasm.Host }

func newEngine(t *testing.T) engine {
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
	return engine{h}
}

func TestEngine(t *testing.T) { tck.Run(t, newEngine(t)) }

// TestOtherGuest runs the kit with the guest of an SDK, the file that SALLYPORT_TCK_GUEST names.
func TestOtherGuest(t *testing.T) {
	name := os.Getenv("SALLYPORT_TCK_GUEST")
	if name == "" {
		t.Skip("no SALLYPORT_TCK_GUEST")
	}
	module, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tck.RunGuest(t, newEngine(t), module)
}

func TestModule_saysWhichStepWentWrong(t *testing.T) {
	e := newEngine(t)
	for want, step := range map[string]string{
		"sp_on_request, step 1: not 2":          `{"call": "feature", "args": [1], "gives": 2}`,
		"sp_on_request, step 1: not NaN":        `{"call": "field_num", "args": [0], "gives": "nan"}`,
		"sp_on_request, step 1: not 3":          `{"call": "field_num", "args": [0], "gives": 3}`,
		"sp_on_request, step 1: not 5":          `{"call": "now_ms", "args": [], "gives": 5}`,
		"sp_on_request, step 1: the byte at 17": `{"call": "feature", "args": [1], "memory": [{"at": 16, "text": "ax"}]}`,
		"sp_on_request, step 1: not 0":          `{"grow": 0, "gives": 0}`,
	} {
		var m tck.Module
		text := `{"manifest": {"reads": {"request": ["args.n"]}}, "data": [{"at": 16, "text": "ab"}], "exports": {"sp_on_request": [{"call": "feature", "args": [1], "gives": 1}, ` + step + `]}}`
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		module, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		g, err := e.Load(tck.Plugin{Module: module})
		if err != nil {
			t.Fatal(err)
		}
		o := g.Call(hostapi.HookRequest, &tck.Message{
			Method: "tools/call", Tool: "x", Source: "192.0.2.7", Params: json.RawMessage(`{"arguments":{"n":2}}`), Time: 7,
		})
		g.Close()
		if o.Failure != hostapi.FailureTrap || o.Notes["wrong"] != want {
			t.Errorf("%s: %q, notes %q", step, o.Failure, o.Notes)
		}
	}
}

type guest struct{ plugin *wasm.Plugin }

func (g guest) Close() { g.plugin.Close() }

func (e engine) Load(p tck.Plugin) (tck.Guest, error) {
	c := wasm.Config{
		Settings: p.Settings, CheckSettings: func(_, _ []byte) error { return nil },
		Matchers: map[string]wasm.Matcher{}, MaxInstances: 2,
	}
	var err error
	if c.Grant, err = grant(p.Grant); err != nil {
		return nil, err
	}
	for name, rules := range p.Detectors {
		c.Matchers[name] = matcher(rules)
	}
	tables := wasm.Tables{}
	for name, entries := range p.Tables {
		if tables[name], err = table(entries); err != nil {
			return nil, err
		}
	}
	c.Tables = func() wasm.Tables { return tables }
	plugin, err := e.host.Load(context.Background(), p.Module, c)
	if err != nil {
		return nil, err
	}
	return guest{plugin}, nil
}

func grant(g tck.Grant) (out wasm.Grant, err error) {
	for _, l := range []struct {
		from []string
		to   *[]hostapi.Path
	}{{g.Reads, &out.Reads}, {g.Strings, &out.Strings}, {g.Writes, &out.Writes}} {
		if l.from == nil {
			continue
		}
		*l.to = []hostapi.Path{}
		for _, text := range l.from {
			p, err := hostapi.ParsePath(text)
			if err != nil {
				return out, err
			}
			*l.to = append(*l.to, p)
		}
	}
	if g.Verdicts != nil {
		out.Verdicts = []hostapi.Verdict{}
	}
	for _, name := range g.Verdicts {
		v, _ := hostapi.ParseVerdict(name)
		out.Verdicts = append(out.Verdicts, v)
	}
	for _, name := range g.Capabilities {
		c, err := hostapi.ParseCapability(name)
		if err != nil {
			return out, err
		}
		out.Capabilities = append(out.Capabilities, c)
	}
	return out, nil
}

func matcher(rules []tck.Detector) wasm.Matcher {
	var m wasm.Matcher
	var forms []*regexp.Regexp
	for _, r := range rules {
		m.Rules = append(m.Rules, r.Name)
		forms = append(forms, regexp.MustCompile(r.Regexp))
	}
	m.Find = func(dst []wasm.Match, text []byte, _ func() bool) ([]wasm.Match, bool) {
		for i, f := range forms {
			for _, at := range f.FindAllIndex(text, -1) {
				dst = append(dst, wasm.Match{Start: at[0], End: at[1], Rule: i})
			}
		}
		return dst, true
	}
	return m
}

func table(entries map[string]json.RawMessage) (wasm.Table, error) {
	values := map[string]jsonscan.Value{}
	for key, raw := range entries {
		v, err := read(raw)
		if err != nil {
			return nil, err
		}
		values[key] = v
	}
	return func(key string) jsonscan.Value { return values[key] }, nil
}

func read(raw json.RawMessage) (jsonscan.Value, error) {
	if raw == nil {
		return jsonscan.Value{}, nil
	}
	d := new(jsonscan.Doc)
	err := d.Scan(raw, jsonscan.Options{})
	return d.Root(), err
}

func mustRead(raw json.RawMessage) jsonscan.Value {
	v, err := read(raw)
	if err != nil {
		panic(err)
	}
	return v
}

func (g guest) Call(h hostapi.Hook, m *tck.Message) tck.Outcome {
	p := m.Principal
	msg := &wasm.Message{
		Method: m.Method, Server: m.Server, Tool: m.Tool, Prompt: m.Prompt, Resource: m.Resource,
		Params: mustRead(m.Params), Result: mustRead(m.Result), Items: mustRead(m.Items), Annotations: mustRead(m.Annotations),
		Principal: &wasm.Principal{
			ID: p.ID, Kind: p.Type, Issuer: p.Issuer, Groups: p.Groups, Roles: p.Roles, Scopes: p.Scopes,
			Claims: mustRead(p.Claims), APIKey: p.APIKey,
		},
		Source: netip.MustParseAddr(m.Source), Header: func(name string) string { return m.Headers[name] }, Time: time.UnixMilli(m.Time),
	}
	var r wasm.Result
	g.plugin.Call(context.Background(), &wasm.Call{Hook: h, Message: msg}, &r)
	out := tck.Outcome{
		Verdict: r.Verdict(), Failure: r.Failure.Type, Explained: r.Failure.Text, Code: r.Code, Text: r.Message, Approval: r.Approval,
		Notes: map[string]string{}, Labels: slices.Clone(r.Labels),
	}
	for _, n := range r.Notes {
		out.Notes[n.Key] = n.Text
	}
	for _, l := range r.Logs {
		out.Logs = append(out.Logs, tck.Line{Level: l.Level, Text: l.Text})
	}
	if r.Verdict() == hostapi.VerdictMutate {
		out.After = edited(h, msg, &r)
	}
	return out
}

// edited applies the edits to what the hook judges.
func edited(h hostapi.Hook, m *wasm.Message, r *wasm.Result) json.RawMessage {
	judged := m.Params
	switch {
	case h == hostapi.HookList:
		judged = m.Items
	case h == hostapi.HookResponse && m.Result.Exists():
		judged = m.Result
	}
	var e jsonscan.Edits
	if !r.Apply(&e) {
		return json.RawMessage(`"the edits don't fit"`)
	}
	return judged.AppendEdited(nil, &e)
}

// headings of ABI.md that tell nobody to do anything.
var idle = []string{"The plugin ABI, version 1", "Examples in bytes", "Why it is so", "A call of `field`", "Host functions"}

// TestVectors_standForTheDocument holds each vector to a heading of ABI.md, and each heading
// to a vector.
func TestVectors_standForTheDocument(t *testing.T) {
	text, err := os.ReadFile("../ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^#+ (.*)$").FindAllStringSubmatch(string(text), -1) {
		headings[m[1]] = 0
	}
	vectors, err := tck.Vectors()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, v := range vectors {
		if _, ok := headings[v.Section]; !ok {
			t.Errorf("%s/%s: ABI.md has no heading %q", v.Topic, v.Name, v.Section)
		}
		headings[v.Section]++
		if names[v.Topic+"/"+v.Name] {
			t.Errorf("%s/%s stands twice", v.Topic, v.Name)
		}
		names[v.Topic+"/"+v.Name] = true
	}
	for _, h := range slices.Sorted(maps.Keys(headings)) {
		if headings[h] == 0 && !slices.Contains(idle, h) {
			t.Errorf("no vector stands for %q", h)
		}
	}
}

// TestVectors_readEveryName looks for names of field paths that the kit's guest can't read.
func TestVectors_readEveryName(t *testing.T) {
	text, err := os.ReadFile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := hostapi.ParseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range hostapi.Names() {
		for _, h := range n.Hooks {
			if h == hostapi.HookList && n.Name != "items" || h == hostapi.HookResponse && slices.Contains(n.Hooks, hostapi.HookRequest) {
				continue // what is the same in all hooks is read in the first
			}
			if !slices.ContainsFunc(m.Reads[h], func(p hostapi.Path) bool { return p.Name().Name == n.Name }) {
				t.Errorf("nothing reads %s in %s", n.Name, h)
			}
		}
	}
}

// TestVectors_leaveNothingOut looks for what the ABI has and no vector asks about.
func TestVectors_leaveNothingOut(t *testing.T) {
	vectors, err := tck.Vectors()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, f := range hostapi.Functions() {
		want["function "+f.Name] = true
	}
	for _, h := range hostapi.Hooks() {
		want["hook "+h.String()] = true
	}
	for v := hostapi.VerdictPass; v <= hostapi.VerdictAbstain; v++ {
		want["verdict "+v.String()] = true
	}
	for _, f := range []hostapi.Failure{hostapi.FailureTrap, hostapi.FailureFuel, hostapi.FailureDeadline, hostapi.FailureABI, hostapi.FailureCapability} {
		want["failure "+string(f)] = true
	}
	for f := hostapi.FeatureStrings; f <= hostapi.FeatureLookup; f++ {
		want["feature "+f.String()] = true
	}
	for _, e := range hostapi.Exports() {
		want["export "+e.Name] = true
	}
	for _, v := range vectors {
		for _, what := range v.Covers() {
			delete(want, what)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(want)) {
		t.Errorf("no vector is about %s", what)
	}
}
