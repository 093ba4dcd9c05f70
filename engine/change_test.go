package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// ruled compiles rules, each "effect: condition", of one policy on tools/call.
func ruled(t testing.TB, rules ...string) *Snapshot {
	t.Helper()
	p := &policy.Policy{
		Name: "p", File: "p.yaml", Match: policy.Match{Methods: []string{"tools/call"}},
		Variables: []policy.Variable{{Name: "path", Expression: source.NewText("path.clean(args.path)")}},
	}
	for i, text := range rules {
		effect, when, _ := strings.Cut(text, ":")
		r := policy.Rule{Name: fmt.Sprint("r", i), Effect: map[string]Effect{"allow": Allow, "approve": Approve, "deny": Deny}[effect]}
		if when != "" {
			r.When = source.NewText(strings.TrimSpace(when))
		}
		p.Rules = append(p.Rules, r)
	}
	s, err := Compile(context.Background(), &bundle.Bundle{Policies: []*policy.Policy{p}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// aCall is a tools/call by alice of the group dev.
func aCall(t testing.TB, args string) *Request {
	return &Request{
		Method: "tools/call", Server: "a", Tool: "read", Arguments: scanned(t, args),
		Principal: &Principal{ID: "alice", Kind: KindJWT, Groups: []string{"dev"}, Claims: scanned(t, `{"sub":"alice","groups":["dev"],"secret":"s3cret"}`)},
	}
}

func TestChanges(t *testing.T) {
	for _, c := range []struct {
		rules []string
		args  string
		want  []string
	}{
		{
			[]string{`allow: path.within(variables.path, "/srv/project")`, `deny: variables.path.contains("/.")`},
			`{"path":"/etc/passwd"}`,
			[]string{`args.path: path.within(path.clean(args.path), "/srv/project") && !path.clean(args.path).contains("/.")`},
		},
		{ // the simplest first
			[]string{`allow: "ops" in principal.groups && args.x == 2`, `allow: "dev" in principal.groups && args.x in [3, 4, 5] && args.y == 1`},
			`{"x":2,"y":1}`,
			[]string{`args.x: args.x in [3, 4, 5]`, `principal.groups: "ops" in principal.groups`},
		},
		{ // neither field alone would do
			[]string{`allow: args.x == 1 && args.y == 1`},
			`{"x":2,"y":2}`,
			[]string{`args.x, args.y: args.x == 1 && args.y == 1`},
		},
		{
			[]string{`allow: args.x == 1 && "ops" in principal.groups`},
			`{"x":2}`,
			[]string{`args.x, principal.groups: args.x == 1 && "ops" in principal.groups`},
		},
		{[]string{`deny:`, `allow: args.x == 1`}, `{"x":2}`, nil}, // nothing would do
		{[]string{`allow: args.x == 1`}, `{"x":1}`, nil},          // it is allowed
		{[]string{`allow: mcp.tool.name == "write"`}, `{}`, nil},  // it would be another call
		{[]string{`allow:`, `approve: args.x > 5`}, `{"x":9}`, []string{`args.x: args.x <= 5`}},
		{[]string{`allow: args.token == jwt.secret`}, `{"token":"x"}`, []string{`jwt.secret: "x" == jwt.secret`, `args.token: args.token == jwt.secret`}},
	} {
		var got []string
		mask := func(_, value string) string { return strings.ReplaceAll(value, "s3cret", "[redacted]") }
		for _, x := range ruled(t, c.rules...).Changes(context.Background(), aCall(t, c.args), mask) {
			got = append(got, strings.Join(x.Fields, ", ")+": "+x.When.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q\n got %q\nwant %q", c.rules, got, c.want)
		}
	}
}

// A message to which a change is made is allowed where the change says so. That it is denied everywhere else is not promised: of two
// failures in one condition, the one that is named decides whether the rule is about the message.
func TestChanges_allow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, _ := compiled(rt, policies().Draw(rt, "policies"))
		x := newFormulas(s)
		for i := range 4 {
			r := requests().Draw(rt, fmt.Sprint("request", i))
			for _, c := range s.Changes(context.Background(), r, nil) {
				for _, other := range variants(rt, r, c.Fields) {
					d := s.Decide(context.Background(), other)
					if x.holds(rt, c.When, other) && !d.Allowed() {
						rt.Fatalf("%+v\nwould be allowed if %s (%s), which is so, but is %s", r, c.When, c.Fields, brief(d))
					}
				}
			}
		}
	})
}

// variants are messages that differ from one in the fields alone.
func variants(t interface{ Fatal(...any) }, r *Request, fields []string) []*Request {
	out := []*Request{r}
	vary := func(field string, change func(*Request, int), n int) {
		if !slices.ContainsFunc(fields, func(f string) bool { return within(f, field) }) {
			return
		}
		for _, before := range slices.Clone(out) {
			for i := range n {
				other := *before
				change(&other, i)
				out = append(out, &other)
			}
		}
	}
	with := func(v jsonscan.Value, name string, text string) jsonscan.Value {
		if v.Kind() != jsonscan.Object {
			v = scanned(t, "{}")
		}
		var e jsonscan.Edits
		if text == "" {
			e.Remove(v.Get(name))
		} else {
			e.Set(v, name, []byte(text))
		}
		return scanned(t, string(v.AppendEdited(nil, &e)))
	}
	xs, lists := []string{"1", "2", `"a"`, ""}, []string{"[]", "[1]", "[2,3]", "7", ""}
	vary("args.x", func(r *Request, i int) { r.Arguments = with(r.Arguments, "x", xs[i]) }, len(xs))
	vary("args.list", func(r *Request, i int) { r.Arguments = with(r.Arguments, "list", lists[i]) }, len(lists))
	claims := []string{`{}`, `{"role":"dev"}`, `{"role":"ops"}`}
	caller := func(r *Request, change func(*Principal)) {
		p := *r.Principal
		change(&p)
		r.Principal = &p
	}
	vary("jwt.role", func(r *Request, i int) { caller(r, func(p *Principal) { p.Claims = scanned(t, claims[i]) }) }, len(claims))
	groups := [][]string{{"dev"}, {"ops"}, {"ops", "dev"}, nil}
	vary("principal.groups", func(r *Request, i int) { caller(r, func(p *Principal) { p.Groups = groups[i] }) }, len(groups))
	return out
}

// Both outcomes, of every pair of conditions and whatever is not known.
func TestPlan_ofEveryPair(t *testing.T) {
	conditions := []string{
		`args.x == 1`, `has(args.x)`, `"dev" in principal.groups`, `args.list.exists(i, i == args.x)`, `!(args.x == 1) || "ops" in principal.groups`,
		`args.group in principal.groups`, `principal.groups.all(g, g != args.group)`, `args.x == 1 ? args.group == "dev" : principal.id == "bob"`,
	}
	var calls []*Request
	for _, args := range append(argumentTexts, `{"x":1,"group":"dev"}`, `{"x":2,"group":"ops","list":[2]}`) {
		for _, p := range []*Principal{{ID: "alice", Groups: []string{"dev"}}, {ID: "bob", Groups: []string{"ops", "dev"}}, {ID: "carol"}} {
			calls = append(calls, &Request{Method: "tools/call", Server: "a", Tool: "read", Arguments: scanned(t, args), Principal: p})
		}
	}
	outcomes, x := map[Effect]int{}, newFormulas(ruled(t))
	for _, allow := range conditions {
		for _, other := range conditions {
			s := ruled(t, "allow: "+allow, "deny: "+other)
			x.env = s.env
			for _, r := range calls {
				d := s.Decide(context.Background(), r)
				for _, unknown := range []UnknownFields{{"args"}, {"principal"}, {"args", "principal"}, {"args.x"}} {
					p := s.Plan(context.Background(), r, unknown, nil)
					if diff := x.differs(t, &p, d, r); diff != "" {
						t.Fatalf("allow if %s, deny if %s: of %s by %s, without %v: %s", allow, other, r.Arguments.Raw(), r.Principal.ID, unknown, diff)
					}
				}
				outcomes[d.Effect]++
			}
		}
	}
	if outcomes[Allow] < 100 || outcomes[Deny] < 100 {
		t.Errorf("seen %v", outcomes)
	}
}

func TestPlan_ofWhatCannotBe(t *testing.T) {
	r := aCall(t, `{}`)
	r.Principal = &Principal{ID: "nobody"}
	p := ruled(t, "allow: args.group in principal.groups").Plan(context.Background(), r, UnknownFields{"args"}, nil)
	if p.Verdict() != VerdictNever || p.Reason != ReasonNoRuleMatched {
		t.Errorf("in no groups: %s: %s", p.Verdict(), p.Reason)
	}
	// A deny that fails because the message is about something else says nothing.
	p = ruled(t, "allow:", `deny: mcp.prompt.name == "p" || args.x == 1`).Plan(context.Background(), r, UnknownFields{"args"}, nil)
	if got := p.Allow.String(); got != "args.x != 1" {
		t.Errorf("about no prompt: allowed if %s", got)
	}
	// One that fails by itself denies.
	p = ruled(t, "allow:", `deny: principal.claims.missing == args.x`).Plan(context.Background(), r, UnknownFields{"args"}, nil)
	if p.Verdict() != VerdictNever || p.Reason != ReasonEvaluationError || p.Rule == nil || p.Rule.Name != "r1" || p.Cause == nil {
		t.Errorf("failing: %s: %s by %v: %v", p.Verdict(), p.Reason, p.Rule, p.Cause)
	}
}
