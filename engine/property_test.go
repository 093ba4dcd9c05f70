package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// TestIndex_prefixes: every glob that matches is found, however long what it begins with is.
func TestIndex_prefixes(t *testing.T) {
	b := &bundle.Bundle{}
	for _, glob := range []string{"read_file", "read_*", "r*", "*", "re?d_file", "*_file", "read_files*", "x*", "read_file*"} {
		b.Policies = append(b.Policies, &policy.Policy{
			Name: glob, Match: policy.Match{Servers: []string{"a"}, Methods: []string{"tools/call"}, Tools: []string{glob}},
			Rules: []policy.Rule{{Name: "r", Effect: Allow, Shadow: true}},
		})
	}
	s, err := Compile(context.Background(), b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for tool, want := range map[string]string{
		"read_file":  "* *_file r* re?d_file read_* read_file read_file*",
		"read_files": "* r* read_* read_file* read_files*",
		"rx":         "* r*", "xx": "* x*", "": "*",
	} {
		d := s.Decide(context.Background(), &Request{Method: "tools/call", Server: "a", Tool: tool})
		var got []string
		for _, o := range d.Shadow {
			got = append(got, o.Rule.Policy)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %s, want %s", tool, got, want)
		}
	}
}

// some draws a list of globs, or nil.
func some(t *rapid.T, label string, of ...string) []string {
	if rapid.IntRange(0, 2).Draw(t, label) == 0 {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 1, 2, rapid.ID[string]).Draw(t, label+"s")
}

var whens = []string{
	"", "true", "false", `args.x == 1`, `args.x > 1`, `has(args.x)`, `!has(args.x)`, `mcp.tool.name == "read"`, `has(mcp.tool)`,
	`mcp.resource.uri.startsWith("a:")`, `mcp.prompt.name == "p"`, `jwt.role == "dev"`, `"dev" in principal.groups`,
	`mcp.method == "ping" || args.x == 1`, `args.list.exists(i, i == args.x)`, `variables.v == 1`, `variables.w && args.x == 1`, `now.getHours() == 12`,
	`mcp.tool.name == "read" && args.x == 1`, `!(args.x == 1)`, `args.x == 1 || jwt.role == "dev"`, `mcp.tool.annotations.readOnlyHint`,
}

var responseWhens = []string{"", "false", `mcp.tool.result.x == 1`, `has(mcp.tool.result.x)`, `mcp.error.code == 1`, `has(mcp.error)`, `mcp.error.data.x == 1`, `args.x == 1`, `jwt.role == "dev"`, `variables.v == 1`}

func policies() *rapid.Generator[[]*policy.Policy] {
	return rapid.Custom(func(t *rapid.T) []*policy.Policy {
		var out []*policy.Policy
		for i := range rapid.IntRange(0, 5).Draw(t, "policies") {
			p := &policy.Policy{
				Name: fmt.Sprintf("p%d", i), File: fmt.Sprintf("%c.yaml", 'z'-i),
				Match: policy.Match{
					Servers: some(t, "server", "a", "b", "a*", "*"), Methods: some(t, "method", "tools/call", "tools/*", "resources/read", "prompts/get", "ping", "*"),
				},
				Variables: []policy.Variable{
					{Name: "v", Expression: source.NewText("args.x")}, {Name: "w", Expression: source.NewText(`jwt.role == "dev"`)},
				},
			}
			switch rapid.IntRange(0, 6).Draw(t, "names") {
			case 0, 1:
				p.Match.Tools = some(t, "tool", "read", "write", "r*", "re*", "?ead", "*", "*d")
			case 4: // no file may say so, but a program can
				p.Match.Tools, p.Match.Prompts = []string{"read"}, []string{"p"}
			case 2:
				p.Match.Resources = some(t, "resource", "a:b", "a:*", "**", "a:*/c")
			case 3:
				p.Match.Prompts = some(t, "prompt", "p", "*")
			}
			for j := range rapid.IntRange(1, 4).Draw(t, "rules") {
				r := policy.Rule{
					Name: fmt.Sprintf("r%d", j), Effect: rapid.SampledFrom([]Effect{Deny, Approve, Allow, Allow}).Draw(t, "effect"),
					Shadow: rapid.IntRange(0, 4).Draw(t, "shadow") == 0, Reason: rapid.SampledFrom([]string{"", "x"}).Draw(t, "reason"),
				}
				expressions := whens
				if rapid.IntRange(0, 4).Draw(t, "phase") == 0 {
					r.Phase, r.Effect, expressions = PhaseResponse, Deny, responseWhens
				}
				if e := rapid.SampledFrom(expressions).Draw(t, "when"); e != "" {
					r.When = source.NewText(e)
				}
				p.Rules = append(p.Rules, r)
			}
			out = append(out, p)
		}
		return out
	})
}

var argumentTexts = []string{"", `{}`, `{"x":1}`, `{"x":2,"list":[2]}`, `{"x":"a","list":[]}`, `{"x":1,"list":[3]}`, `{"x":1.0,"list":[1]}`, `[1]`}

func requests() *rapid.Generator[*Request] {
	return rapid.Custom(func(t *rapid.T) *Request {
		r := &Request{
			Method: rapid.SampledFrom([]string{"tools/call", "tools/call", "resources/read", "prompts/get", "ping", "tools/list"}).Draw(t, "method"),
			Server: rapid.SampledFrom([]string{"a", "ab", "b", "c"}).Draw(t, "server"),
			Time:   time.Date(2026, 11, 22, rapid.IntRange(11, 12).Draw(t, "hour"), 0, 0, 0, time.UTC),
		}
		switch r.Method {
		case "tools/call":
			r.Tool = rapid.SampledFrom([]string{"read", "write", "dead", ""}).Draw(t, "tool")
		case "resources/read":
			r.Resource = rapid.SampledFrom([]string{"a:b", "a:b/c", "b:c", ""}).Draw(t, "resource")
		case "prompts/get":
			r.Prompt = rapid.SampledFrom([]string{"p", "q"}).Draw(t, "prompt")
		}
		r.DefaultAllow = r.Method == "ping" || r.Method == "tools/list"
		r.Arguments = scanned(t, rapid.SampledFrom(argumentTexts).Draw(t, "args"))
		r.Annotations = scanned(t, rapid.SampledFrom([]string{"", `{"readOnlyHint":true}`}).Draw(t, "annotations"))
		r.Principal = &Principal{
			Kind: KindJWT, Groups: []string{rapid.SampledFrom([]string{"dev", "ops"}).Draw(t, "group")},
			Claims: scanned(t, rapid.SampledFrom([]string{`{}`, `{"role":"dev"}`, `{"role":"ops"}`}).Draw(t, "claims")),
		}
		if rapid.IntRange(0, 4).Draw(t, "phase") == 0 {
			r.Phase = PhaseResponse
			if r.Error = scanned(t, rapid.SampledFrom([]string{"", "", `{"code":1,"message":"m"}`, `{"code":2,"data":{"x":1}}`}).Draw(t, "error")); !r.Error.Exists() {
				r.Result = scanned(t, rapid.SampledFrom([]string{"", `{}`, `{"x":1}`, `7`}).Draw(t, "result"))
			}
		}
		return r
	})
}

func scanned(t interface{ Fatal(...any) }, text string) jsonscan.Value {
	if text == "" {
		return jsonscan.Value{}
	}
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

// compiled returns a snapshot of policies with all its rules. Rules that can never apply are
// left out: they are errors.
func compiled(t *rapid.T, ps []*policy.Policy) (*Snapshot, []*rule) {
	b := &bundle.Bundle{Policies: ps, Revision: "r"}
	s, err := Compile(context.Background(), b, Options{})
	if err != nil {
		t.Skip(err)
	}
	c := &compiler{env: s.env}
	for _, p := range inOrder(ps) {
		c.policy(p)
	}
	return s, slices.Concat(c.rules[0], c.rules[1])
}

// naive decides as the documentation says, one rule after the other, by nothing but globs and
// conditions.
func naive(env *condition.Env, rules []*rule, phase func(*rule) Phase, r *Request) (effect Effect, ruleID, reason string, shadow []string) {
	winner := map[Effect]string{}
	reasons := map[Effect]string{}
	slices.SortFunc(rules, byOrder)
	for _, rule := range rules {
		if phase(rule) != r.Phase || !naiveMatch(rule, r) {
			continue
		}
		about := condition.SubjectsOf(r.Method) | condition.Success
		if r.Error.Exists() {
			about = condition.SubjectsOf(r.Method) | condition.Failure
		}
		if rule.when != nil && rule.when.Subjects()&^about != 0 {
			continue // it could not hold of such a message
		}
		truth, err := naiveTest(env, rule, r)
		effect, reason := rule.effect, rule.outcome()
		if err != nil {
			var absent *condition.AbsentError
			if errors.As(err, &absent) || rule.effect == Allow && !rule.shadow {
				continue
			}
			truth, effect, reason = condition.True, Deny, ReasonEvaluationError
		}
		switch {
		case truth != condition.True:
		case rule.shadow:
			shadow = append(shadow, rule.ID()+" "+effect.String())
		case winner[effect] == "":
			winner[effect], reasons[effect] = rule.ID(), reason
		}
	}
	for _, e := range []Effect{Deny, Approve, Allow} {
		if winner[e] != "" {
			return e, winner[e], reasons[e], shadow
		}
	}
	if r.DefaultAllow || r.Phase == PhaseResponse {
		return Allow, "", "", shadow
	}
	return Deny, "", ReasonNoRuleMatched, shadow
}

func naiveMatch(rule *rule, r *Request) bool {
	is := func(gs globs, name string, has bool) bool {
		if gs == nil {
			return true
		}
		for _, g := range gs {
			if has && g.Match(name) {
				return true
			}
		}
		return false
	}
	m := rule.match
	return is(m.methods, r.Method, true) && is(m.servers, r.Server, true) && is(m.tools, r.Tool, r.Method == "tools/call") &&
		is(m.prompts, r.Prompt, r.Method == "prompts/get") && is(m.resources, r.Resource, r.Method == "resources/read")
}

func naiveTest(env *condition.Env, rule *rule, r *Request) (condition.Truth, error) {
	if rule.when == nil {
		return condition.True, nil
	}
	f := env.NewFrame()
	defer f.Close()
	r.fill(&f.Input)
	f.Open(context.Background())
	f.SetVariables(rule.variables)
	return rule.when.Test(f)
}

func phasesOf(ps []*policy.Policy) func(*rule) Phase {
	phases := map[string]Phase{}
	for _, p := range ps {
		for i := range p.Rules {
			phases[p.ID(&p.Rules[i])] = p.Rules[i].Phase
		}
	}
	return func(r *rule) Phase { return phases[r.ID()] }
}

func brief(d Decision) string {
	id := ""
	if d.Rule != nil {
		id = d.Rule.ID()
	}
	var shadow []string
	for _, o := range d.Shadow {
		shadow = append(shadow, o.Rule.ID()+" "+o.Effect.String())
	}
	return fmt.Sprintf("%s %q %q %q", d.Effect, id, d.Reason, shadow)
}

// The index changes nothing but the time it takes.
func TestDecide_isANaiveLoop(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ps := policies().Draw(rt, "policies")
		s, rules := compiled(rt, ps)
		for i := range 8 {
			r := requests().Draw(rt, fmt.Sprint("request", i))
			effect, id, reason, shadow := naive(s.env, rules, phasesOf(ps), r)
			d := s.Decide(context.Background(), r)
			want := fmt.Sprintf("%s %q %q %q", effect, id, reason, shadow)
			if effect == Allow { // an allow says its rule's reason, if there is one
				want = fmt.Sprintf("%s %q %q %q", effect, id, d.Reason, shadow)
			}
			if got := brief(d); got != want {
				rt.Fatalf("%+v\n got %s\nwant %s", r, got, want)
			}
		}
	})
}

// The order of files and policies changes nothing, that of rules only which one is named.
func TestDecide_isIndependentOfOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ps := policies().Draw(rt, "policies")
		s, _ := compiled(rt, ps)
		moved, _ := compiled(rt, rapid.Permutation(ps).Draw(rt, "moved"))
		var turned []*policy.Policy
		for _, p := range ps {
			q := *p
			q.Rules = rapid.Permutation(p.Rules).Draw(rt, "rules")
			turned = append(turned, &q)
		}
		shuffled, _ := compiled(rt, turned)
		for i := range 8 {
			r := requests().Draw(rt, fmt.Sprint("request", i))
			d := s.Decide(context.Background(), r)
			if other := moved.Decide(context.Background(), r); brief(d) != brief(other) {
				rt.Fatalf("%+v\n%s, with policies moved %s", r, brief(d), brief(other))
			}
			if other := shuffled.Decide(context.Background(), r); d.Effect != other.Effect || len(d.Shadow) != len(other.Shadow) {
				rt.Fatalf("%+v\n%s, with rules moved %s", r, brief(d), brief(other))
			}
		}
	})
}

// What is hidden is denied for any arguments, and what is allowed for some is shown.
func TestVisible_agreesWithDecide(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, _ := compiled(rt, policies().Draw(rt, "policies"))
		for i := range 4 {
			r := requests().Draw(rt, fmt.Sprint("request", i))
			r.Phase, r.Result = PhaseRequest, jsonscan.Value{}
			listed := *r
			listed.Arguments = jsonscan.Value{}
			template := r.Method == "resources/read" && rapid.Bool().Draw(rt, "template")
			if template {
				listed.Resource = ""
			}
			v := s.Visible(context.Background(), &listed)
			for _, text := range argumentTexts {
				call := *r
				call.Arguments = scanned(rt, text)
				d := s.Decide(context.Background(), &call)
				if v.Effect == Deny && d.Effect != Deny || d.Allowed() && !v.Allowed() {
					rt.Fatalf("%+v\nwith %s decided %s, listed %s", r, text, brief(d), brief(v))
				}
			}
		}
	})
}

// Whatever a decision read is what it says it could read: a message that has the same values
// there is decided alike.
func TestReads_areEnough(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, _ := compiled(rt, policies().Draw(rt, "policies"))
		r := requests().Draw(rt, "request")
		d := s.Decide(context.Background(), r)
		reads := d.Reads()
		has := func(path string) bool {
			return slices.ContainsFunc(reads, func(p string) bool { return p == path || within(p, path) })
		}
		other := *r
		if !has("args") && r.Arguments.Kind() != jsonscan.Array {
			other.Arguments = jsonscan.Value{}
		}
		if !has("jwt") && !has("principal") {
			other.Principal = nil
		}
		if !has("now") {
			other.Time = time.Time{}
		}
		if !has("mcp.tool.annotations") {
			other.Annotations = jsonscan.Value{} // a rule that reads them would fail
		}
		if !has("mcp.tool.result") {
			other.Result = jsonscan.Value{}
		}
		if got := s.Decide(context.Background(), &other); brief(got) != brief(d) {
			rt.Fatalf("%+v reads %v\n%s, without the rest %s", r, reads, brief(d), brief(got))
		}
	})
}

// Every method that a match may name is one whose subjects are known.
func TestMethods_areKnown(t *testing.T) {
	for _, m := range policy.Methods() {
		if condition.MaySubjects(m) == condition.Tool|condition.Resource|condition.Prompt {
			t.Errorf("%s may be about anything", m)
		}
	}
}
