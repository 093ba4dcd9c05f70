package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// request is a Request as the cases write it.
type request struct {
	Response, DefaultAllow, Visible bool
	Method, Server, Tool, Prompt    string
	Resource                        string
	Args, Params, Result            json.RawMessage
	Annotations, Claims             json.RawMessage
	As                              string
	Kind                            string
	Groups, Roles                   []string
	Headers                         map[string]string
	Now                             time.Time
}

func (r request) engine(t testing.TB) *engine.Request {
	t.Helper()
	out := &engine.Request{
		DefaultAllow: r.DefaultAllow, Method: r.Method, Server: r.Server, Tool: r.Tool, Prompt: r.Prompt, Resource: r.Resource,
		Arguments: scan(t, r.Args), Params: scan(t, r.Params), Result: scan(t, r.Result), Annotations: scan(t, r.Annotations),
		Source: netip.MustParseAddr("192.0.2.1"), Time: r.Now, Header: func(name string) string { return r.Headers[name] },
		Principal: &engine.Principal{ID: r.As, Kind: r.Kind, Groups: r.Groups, Roles: r.Roles, Claims: scan(t, r.Claims)},
	}
	if r.Response {
		out.Phase = engine.PhaseResponse
	}
	return out
}

func scan(t testing.TB, text []byte) jsonscan.Value {
	t.Helper()
	if len(text) == 0 {
		return jsonscan.Value{}
	}
	var doc jsonscan.Doc
	if err := doc.Scan(text, jsonscan.Options{}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc.Root()
}

// TestDecide runs testdata/*/cases.txt on the policies beside it. A case is a request in JSON
// and, after "=>" on the next line, what is decided: effect, rule or -, reason or -, and, after
// bars, message, cause, shadow outcomes and what the decision reads.
func TestDecide(t *testing.T) {
	files, err := filepath.Glob("testdata/*/cases.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			b, err := bundle.Dir(filepath.Dir(file))
			if err != nil {
				t.Fatal(err)
			}
			s, err := engine.Compile(t.Context(), b, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runCases(t, s, string(data))
		})
	}
}

func runCases(t *testing.T, s *engine.Snapshot, text string) {
	t.Helper()
	name, input := "", ""
	for line := range strings.SplitSeq(text, "\n") {
		want, isWant := strings.CutPrefix(line, "=> ")
		switch {
		case strings.HasPrefix(line, "# "):
			name = line[2:]
		case !isWant:
			input += line
		default:
			var r request
			d := json.NewDecoder(strings.NewReader(input))
			d.DisallowUnknownFields()
			if err := d.Decode(&r); err != nil {
				t.Fatalf("%s: %s: %v", name, input, err)
			}
			decide := s.Decide
			if r.Visible {
				decide = s.Visible
			}
			if got := describe(decide(t.Context(), r.engine(t))); got != strings.TrimSpace(want) {
				t.Errorf("%s\n%s\n got %s\nwant %s", name, input, got, want)
			}
			input = ""
		}
	}
}

// describe writes a decision as the cases do.
func describe(d engine.Decision) string {
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	rule := ""
	if d.Rule != nil {
		rule = d.Rule.ID()
	}
	parts := []string{fmt.Sprintf("%s %s %s", d.Effect, dash(rule), dash(d.Reason))}
	if d.Message != "" {
		parts = append(parts, "says "+d.Message)
	}
	if d.Cause != nil {
		parts = append(parts, "because "+d.Cause.Error())
	}
	for _, o := range d.Shadow {
		s := fmt.Sprintf("shadow %s %s %s", o.Effect, o.Rule.ID(), dash(o.Reason))
		if o.Cause != nil {
			s += " because " + o.Cause.Error()
		}
		parts = append(parts, s)
	}
	if reads := d.Reads(); len(reads) > 0 {
		parts = append(parts, "reads "+strings.Join(reads, " "))
	}
	return strings.Join(parts, " | ")
}

func snapshot(t testing.TB, o engine.Options, policies ...string) *engine.Snapshot {
	t.Helper()
	s, err := engine.Compile(context.Background(), bundleOf(t, policies...), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bundleOf(t testing.TB, policies ...string) *bundle.Bundle {
	t.Helper()
	fsys := fstest.MapFS{}
	for i, p := range policies {
		fsys[fmt.Sprintf("%c.yaml", 'a'+i)] = &fstest.MapFile{Data: []byte(p)}
	}
	b, err := bundle.FS(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func policyText(name, rest string) string {
	return "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: " + name + " }\n" + rest
}

func TestDecide_nothingDenies(t *testing.T) {
	allowAll := snapshot(t, engine.Options{}, policyText("p", "rules: [ { name: r, effect: deny, when: 'false' } ]"))
	var none *engine.Snapshot
	for _, c := range []struct {
		d    engine.Decision
		want string
	}{
		{none.Decide(t.Context(), &engine.Request{DefaultAllow: true}), "deny - no_policy"},
		{none.Visible(t.Context(), &engine.Request{DefaultAllow: true}), "deny - no_policy"},
		{allowAll.Decide(t.Context(), nil), "deny - no_rule_matched"},
		{allowAll.Decide(t.Context(), &engine.Request{}), "deny - no_rule_matched"},
		{allowAll.Decide(t.Context(), &engine.Request{DefaultAllow: true}), "allow - -"},
		{engine.Decision{}, "deny - -"},
		{
			new(engine.Snapshot).Decide(t.Context(), &engine.Request{DefaultAllow: true}),
			"deny - evaluation_error | because internal error: runtime error: invalid memory address or nil pointer dereference",
		},
	} {
		if got := describe(c.d); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	if none.Revision() != "" || none.Rules() != 0 || none.Warnings() != nil || (&engine.Decision{}).Allowed() {
		t.Error("nothing is something")
	}
}

func TestDecide_limits(t *testing.T) {
	s := snapshot(t, engine.Options{CostLimit: 2000, InputLimit: 1000}, policyText("p", `
rules:
  - { name: all, effect: allow }
  - { name: costly, effect: deny, when: 'mcp.tool.name == "costly" && args.a.all(x, args.a.all(y, x == y || true))' }
  - { name: large, effect: deny, when: 'mcp.tool.name == "large" && args.s.contains("a")' }
  - { name: long, effect: deny, when: 'mcp.tool.name == "long" && args.a.exists(x, x == "b")' }
`))
	list := `{"a":[` + strings.Repeat("1,", 200) + `1],"s":"` + strings.Repeat("x", 2000) + `"}`
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx        context.Context
		tool, want string
	}{
		{t.Context(), "other", "allow p/all - | reads args.a args.s mcp.tool.name"},
		{t.Context(), "costly", "deny p/costly cost_exceeded | because p/costly: the condition ran over its cost limit | reads args.a args.s mcp.tool.name"},
		{t.Context(), "large", "deny p/large input_too_large | because p/large: value is larger than the input limit | reads args.a args.s mcp.tool.name"},
		{canceled, "long", "deny p/long interrupted | because p/long: the evaluation was interrupted | reads args.a args.s mcp.tool.name"},
	} {
		r := request{Method: "tools/call", Tool: c.tool, Args: json.RawMessage(list)}.engine(t)
		if got := describe(s.Decide(c.ctx, r)); got != c.want {
			t.Errorf("got %s\nwant %s", got, c.want)
		}
	}
}

// A listing may run into a limit that no call would, because what it doesn't know keeps it
// from stopping earlier. That hides nothing.
func TestVisible_limits(t *testing.T) {
	s := snapshot(t, engine.Options{CostLimit: 500}, policyText("p", `
match: { methods: [tools/call] }
rules:
  - { name: all, effect: allow }
  - { name: costly, effect: deny, when: 'args.x == 1 && mcp.tool.annotations.a.all(x, mcp.tool.annotations.a.all(y, x == y || true))' }
`))
	r := request{Method: "tools/call", Tool: "t", Args: json.RawMessage(`{"x":2}`), Annotations: json.RawMessage(`{"a":[` + strings.Repeat("1,", 200) + `1]}`)}.engine(t)
	if d, v := s.Decide(t.Context(), r), s.Visible(t.Context(), r); !d.Allowed() || !v.Allowed() {
		t.Errorf("decided %s, listed %s", describe(d), describe(v))
	}
}

// A rule about some resources that fails says nothing of a listing, in which another may be meant.
func TestVisible_rulesOfSomeResourcesFail(t *testing.T) {
	s := snapshot(t, engine.Options{}, policyText("p", `
match: { methods: [resources/read], resources: ["db://**"] }
rules:
  - { name: developers, effect: approve, when: 'jwt.role == "dev"' }
`))
	r := &engine.Request{Method: "resources/read", DefaultAllow: true}
	if v := s.Visible(t.Context(), r); !v.Allowed() {
		t.Errorf("listed %s", describe(v))
	}
	r.Resource = "db://users"
	if v, d := s.Visible(t.Context(), r), s.Decide(t.Context(), r); v.Allowed() || d.Reason != engine.ReasonEvaluationError {
		t.Errorf("listed %s, decided %s", describe(v), describe(d))
	}
}

func TestDecide_recordsWhereTheRuleStands(t *testing.T) {
	s := snapshot(t, engine.Options{}, policyText("p", "rules:\n  - { name: a, effect: allow }\n  - name: b\n    effect: deny\n"))
	d := s.Decide(t.Context(), &engine.Request{Method: "tools/call", Tool: "x"})
	if d.Rule == nil || *d.Rule != (engine.Rule{Policy: "p", Name: "b", File: "a.yaml", Line: 6}) {
		t.Errorf("%+v", d.Rule)
	}
	if d.Revision != s.Revision() || !strings.HasPrefix(d.Revision, "sha256:") || len(d.Revision) != 71 {
		t.Errorf("revision %q", d.Revision)
	}
}

func TestDecide_causeUnwraps(t *testing.T) {
	s := snapshot(t, engine.Options{}, policyText("p", "rules: [ { name: a, effect: deny, when: 'args.x == 1' } ]"))
	d := s.Decide(t.Context(), &engine.Request{Method: "tools/call", Tool: "x"})
	var cause *engine.RuleError
	if !errors.As(d.Cause, &cause) || cause.Rule.ID() != "p/a" || cause.Unwrap().Error() != "no such key: x" {
		t.Errorf("%v", d.Cause)
	}
}

var update = flag.Bool("update", false, "write the golden files")

// TestCompile_diagnostics compiles testdata/invalid/*.yaml; beside each is what is said of it.
func TestCompile_diagnostics(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		b, err := bundle.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := engine.Compile(t.Context(), b, engine.Options{Servers: []string{"files", "mail"}})
		found := s.Warnings()
		if err != nil && !errors.As(err, &found) {
			t.Fatal(err)
		}
		var out strings.Builder
		found.WriteText(&out, b.Source, false, 100)
		golden := strings.TrimSuffix(file, "yaml") + "txt"
		if *update {
			if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if out.String() != string(want) {
			t.Errorf("%s differs:\n%s", golden, out.String())
		}
	}
}

func TestCompile_refuses(t *testing.T) {
	if _, err := engine.Compile(t.Context(), nil, engine.Options{}); err == nil {
		t.Error("a nil bundle compiles")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := bundleOf(t, policyText("p", "rules: [ { name: a, effect: allow } ]"))
	if _, err := engine.Compile(ctx, b, engine.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// scanAny returns the scanned text, or nothing if it is not JSON.
func scanAny(text []byte) jsonscan.Value {
	var doc jsonscan.Doc
	if err := doc.Scan(text, jsonscan.Options{}); err != nil {
		return jsonscan.Value{}
	}
	return doc.Root()
}

func TestExplain(t *testing.T) {
	b, err := bundle.Dir("testdata/files")
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), b, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := request{Method: "tools/call", Server: "files", Tool: "read_file", Args: json.RawMessage(`{"path":"/srv/project/.env"}`)}.engine(t)
	const want = `deny by fs-guard/no-dotfiles: dotfile

fs-guard/inside-project (allow) matched
  path.within(variables.path, "/srv/project")
       |                |
       |                "(masked)"
       true
  where variables.path is
  path.clean(args.path)
       |          |
       |          "(masked)"
       "(masked)"

fs-guard/no-dotfiles (deny) matched
  variables.path.contains("/.")
            |    |
            |    true
            "(masked)"
  where variables.path is
  path.clean(args.path)
       |          |
       |          "(masked)"
       "(masked)"
`
	x := s.Explain(t.Context(), r, func(_, value string) string { return strings.ReplaceAll(value, "/srv/project/.env", "(masked)") })
	if got := x.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := json.Marshal(x); err != nil {
		t.Error(err)
	}
	outside := snapshot(t, engine.Options{}, policyText("p", `rules:
  - { name: a, effect: deny, when: 'mcp.method == "x" || args.a == 1' }
  - { name: b, effect: deny, when: 'jwt.a == 1' }
  - { name: c, effect: allow, enforcement: shadow }
`)).Explain(t.Context(), &engine.Request{Method: "ping"}, nil)
	var got []string
	for _, rule := range outside.Rules() {
		got = append(got, fmt.Sprintf("%s outside=%v matched=%v shadow=%v %s", rule.Rule.Name, rule.Outside, rule.Matched, rule.Shadow, rule.Error))
	}
	if want := []string{
		"a outside=true matched=false shadow=false args is absent: the message is not about a tool",
		"b outside=false matched=false shadow=false no such key: a", "c outside=false matched=true shadow=true ",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	var none *engine.Snapshot
	if x := none.Explain(t.Context(), r, nil); x.Text() != "deny: no_policy\n" {
		t.Errorf("%q", x.Text())
	}
}

func TestHasRules(t *testing.T) {
	for text, want := range map[string][2]bool{
		"rules: [ { name: a, effect: allow } ]":                                                                  {true, false},
		"rules: [ { name: a, phase: response, effect: deny } ]":                                                  {false, true},
		"rules: [ { name: a, effect: allow }, { name: b, phase: response, effect: deny, enforcement: shadow } ]": {true, true},
	} {
		b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\n" + text + "\n")}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := engine.Compile(t.Context(), b, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{s.HasRules(engine.PhaseRequest), s.HasRules(engine.PhaseResponse)}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if none := (*engine.Snapshot)(nil); !none.HasRules(engine.PhaseRequest) || !none.HasRules(engine.PhaseResponse) {
		t.Error("a nil Snapshot has nothing to decide by, and so could be passed over")
	}
}

// A rule is considered once, however often its match says the same.
func TestRepeatedNamesInAMatch(t *testing.T) {
	for _, match := range []string{"{ tools: [a, a] }", "{ methods: [tools/call, tools/call] }", `{ tools: ["a*", "a*"] }`, `{ tools: [a, "a*"] }`, "{ servers: [s, s] }"} {
		b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nmatch: " + match +
			"\nrules: [ { name: a, effect: deny, enforcement: shadow } ]\n")}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := engine.Compile(t.Context(), b, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d := s.Decide(t.Context(), &engine.Request{Method: "tools/call", Server: "s", Tool: "a"})
		if len(d.Shadow) != 1 {
			t.Errorf("%s: the rule was considered %d times", match, len(d.Shadow))
		}
	}
}

func TestFieldPath(t *testing.T) {
	for field, want := range map[string]string{
		"args":                              "args true",
		"args.path":                         "args|path true",
		`args["odd key"].x["a\"]b"].y`:      `args|odd key|x|a"]b|y true`,
		`request.headers["x-tenant"]`:       "request|headers|x-tenant true",
		"request.headers[*]":                "request|headers false",
		"mcp.tool.annotations.readOnlyHint": "mcp|tool|annotations|readOnlyHint true",
	} {
		steps, known := engine.FieldPath(field)
		if got := fmt.Sprint(strings.Join(steps, "|"), " ", known); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
}
