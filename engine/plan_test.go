package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// formulas evaluates formulas as the CEL expressions that they print.
type formulas struct {
	env   *condition.Env
	known map[string]*condition.Condition
}

func newFormulas(s *Snapshot) *formulas { return &formulas{s.env, map[string]*condition.Condition{}} }

type fatal interface{ Fatalf(string, ...any) }

// holds says whether a formula is true of a message.
func (x *formulas) holds(t fatal, f Formula, r *Request) bool {
	text := f.String()
	c := x.known[text]
	if c == nil {
		var ds source.Diagnostics
		if c, ds = x.env.Compile(source.NewText(text), condition.Bool, x.env.NewVariables(r.Phase == PhaseResponse)); c == nil {
			t.Fatalf("%s: %v", f, ds)
		}
		x.known[text] = c
	}
	frame := x.env.NewFrame()
	defer frame.Close()
	r.fill(&frame.Input)
	frame.Open(context.Background())
	is, err := c.Test(frame)
	return err == nil && is == condition.True
}

// differs says where a plan and a decision differ, "" if they don't.
func (x *formulas) differs(t fatal, p *Plan, d Decision, r *Request) string {
	want := Deny
	if x.holds(t, p.Approve, r) {
		want = Approve
	}
	if x.holds(t, p.Allow, r) {
		want = Allow
	}
	if d.Effect == want {
		return ""
	}
	return fmt.Sprintf("planned %s (allow: %s; approve: %s), decided %s", want, p.Allow, p.Approve, brief(d))
}

// What is left of the rules, asked about the arguments, is what Decide says of them. What a list shows is what the plan allows for some.
func TestPlan_agreesWithDecide(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, _ := compiled(rt, policies().Draw(rt, "policies"))
		x := newFormulas(s)
		for i := range 4 {
			r := requests().Draw(rt, fmt.Sprint("request", i))
			unknown := UnknownFields{"args", "params"}
			if !r.Annotations.Exists() && r.Phase == PhaseRequest && rapid.Bool().Draw(rt, "blank") {
				unknown = append(unknown, "mcp.tool.annotations")
			}
			listed := *r
			listed.Arguments = jsonscan.Value{}
			p := s.Plan(context.Background(), &listed, unknown, nil)
			for _, text := range argumentTexts {
				call := *r
				call.Arguments = scanned(rt, text)
				if diff := x.differs(rt, &p, s.Decide(context.Background(), &call), &call); diff != "" {
					rt.Fatalf("%+v\nwith %s %s", r, text, diff)
				}
			}
			if r.Phase != PhaseRequest || r.Method == "resources/read" && r.Resource == "" {
				continue // a list doesn't know these names either
			}
			if !r.Annotations.Exists() {
				p = s.Plan(context.Background(), &listed, append(unknown, "mcp.tool.annotations"), nil)
			}
			if diff := shows(p.Verdict(), s.Visible(context.Background(), &listed)); diff != "" {
				rt.Fatalf("%+v\n%s", r, diff)
			}
		}
	})
}

// uris are those that a template may come to, with what they begin with.
var uris = []string{"a:b", "a:b/c", "a:x/c", "a:b/d/c", "b:c", "", "a:b\n/c"}

// A plan of a resource template says of each URI what Decide says of it, whether or not its beginning is known.
func TestPlan_agreesWithDecideOnTemplates(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, _ := compiled(rt, policies().Draw(rt, "policies"))
		x := newFormulas(s)
		r := requests().Draw(rt, "request")
		r.Method, r.Tool, r.Prompt, r.Phase, r.Result, r.Error = "resources/read", "", "", PhaseRequest, jsonscan.Value{}, jsonscan.Value{}
		for _, beginning := range []string{"", "a:", "a:b/", "b:c"} {
			template := *r
			template.Resource = beginning
			p := s.Plan(context.Background(), &template, UnknownFields{"mcp.resource.uri"}, nil)
			for _, uri := range uris {
				if !strings.HasPrefix(uri, beginning) {
					continue
				}
				read := *r
				read.Resource = uri
				if diff := x.differs(rt, &p, s.Decide(context.Background(), &read), &read); diff != "" {
					rt.Fatalf("%q of %q %s", uri, beginning, diff)
				}
			}
			if template.Resource = ""; beginning != "" {
				continue
			}
			if diff := shows(p.Verdict(), s.Visible(context.Background(), &template)); diff != "" {
				rt.Fatalf("%+v\n%s", r, diff)
			}
		}
	})
}

// What is known of a URI is put into the globs of a match.
func TestPlan_templates(t *testing.T) {
	s := planned(t, `match: { methods: [resources/read], resources: ["file:///srv/**", "db://users", "db://*/rows?"] }
rules:
  - { name: all, effect: allow }
  - { name: no-keys, effect: deny, when: 'mcp.resource.uri.endsWith(".key")' }
`)
	for beginning, want := range map[string]string{
		"":                  `(mcp.resource.uri.startsWith("file:///srv/") || mcp.resource.uri == "db://users" || mcp.resource.uri.matches("^db://[^/]*/rows[^/]$")) && !mcp.resource.uri.endsWith(".key")`,
		"file:///srv/docs/": `!mcp.resource.uri.endsWith(".key")`,
		"file:///s":         `mcp.resource.uri.startsWith("file:///srv/") && !mcp.resource.uri.endsWith(".key")`,
		"file:///etc/":      `false`,
		"db://x":            `mcp.resource.uri.matches("^db://[^/]*/rows[^/]$") && !mcp.resource.uri.endsWith(".key")`,
	} {
		p := s.Plan(t.Context(), &Request{Method: "resources/read", Server: "s", Resource: beginning}, UnknownFields{"mcp.resource.uri"}, nil)
		if got := p.Allow.String(); got != want {
			t.Errorf("%q: %s, want %s", beginning, got, want)
		}
	}
}

// planned compiles one policy.
func planned(t *testing.T, text string) *Snapshot {
	t.Helper()
	b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\n" + text)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Compile(t.Context(), b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shows says where a list differs from a plan of the same: it hides nothing that some call is allowed of, or is with approval. It may
// show what rules that contradict each other forbid: it asks each by itself.
func shows(v Verdict, listed Decision) string {
	want := map[Verdict][]Effect{
		VerdictAlways: {Allow}, VerdictIf: {Allow, Approve}, VerdictApproval: {Allow, Approve}, VerdictNever: {Allow, Approve, Deny},
	}[v]
	if !slices.Contains(want, listed.Effect) || v == VerdictNever && listed.Effect != Deny && listed.Rule == nil {
		return fmt.Sprintf("planned %s, listed %s", v, brief(listed))
	}
	return ""
}
