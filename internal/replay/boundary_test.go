package replay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine"
)

// policyWith is a policy about one tool.
func policyWith(t testing.TB, match string, all ...string) *engine.Snapshot {
	t.Helper()
	return compile(t, map[string]string{"p.yaml": "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\n" + match + "rules:\n  - " + strings.Join(all, "\n  - ") + "\n"})
}

func TestBoundaryCasesFindWhatChanged(t *testing.T) {
	const tool = "match: { methods: [tools/call], tools: [t] }\n"
	rule := func(effect, when string) string {
		return fmt.Sprintf("{ name: r, effect: %s, when: '%s' }", effect, when)
	}
	for _, tt := range []struct{ name, match, old, now, want string }{
		{"a number moved by one", tool, rule("allow", "args.n < 10"), rule("allow", "args.n <= 10"), "deny allow args.n=10"},
		{"a fraction", tool, rule("allow", "args.n < 1.5"), rule("allow", "args.n <= 1.5"), "deny allow args.n=1.5"},
		{"a size", tool, rule("allow", "size(args.s) < 3"), rule("allow", "size(args.s) < 4"), `deny allow args.s="xxx"`},
		{"a directory", tool, rule("allow", `args.p.startsWith("/srv/a/")`), rule("allow", `args.p.startsWith("/srv/a")`), `deny allow args.p="/srv/a"`},
		{"a path that leaves it", tool, rule("allow", `path.within(path.clean(args.p), "/srv")`), rule("allow", `args.p.startsWith("/srv/")`), `deny allow args.p="/srv/../x"`},
		{"a part inside a directory", tool, rule("allow", `args.p.startsWith("/srv/") && !args.p.contains("/.")`), rule("allow", `args.p.startsWith("/srv/")`), `deny allow args.p="/srv/.x"`},
		{"a suffix inside a directory", tool, rule("allow", `args.p.startsWith("/srv/") && !args.p.endsWith(".key")`), rule("allow", `args.p.startsWith("/srv/")`), `deny allow args.p="/srv/x.key"`},
		{"a member of a set", tool, rule("allow", `args.m in ["a", "b"]`), rule("allow", `args.m in ["a"]`), `allow deny args.m="b"`},
		{"a group", tool, rule("allow", `"ops" in principal.groups`), rule("allow", `"dev" in principal.groups`), `deny allow principal.groups=["dev"]`},
		{"an element", tool, rule("allow", `args.l.exists(x, x == "a")`), rule("allow", `args.l.all(x, x == "a")`), `deny allow args.l=[]`},
		{"an absence", tool, rule("allow", `!has(args.f)`), rule("allow", `!has(args.f) || args.f == false`), `deny allow args.f=false`},
		{"the hour", tool, rule("allow", `now.getHours() < 18`), rule("allow", `now.getHours() <= 18`), `deny allow now=2026-11-23T18:00:00Z`},
		{"the day", tool, rule("allow", `now.getDayOfWeek() > 0`), rule("allow", `now.getDayOfWeek() >= 0`), `deny allow now=2026-11-29T12:00:00Z`},
		{"a moment", tool, rule("allow", `now < timestamp("2026-01-01T00:00:00Z")`), rule("allow", `now <= timestamp("2026-01-01T00:00:00Z")`), `deny allow now=2026-01-01T00:00:00Z`},
		{"a header", tool, rule("allow", `request.headers["x-a"] == "1"`), rule("allow", `request.headers["x-a"] == "2"`), `deny allow request.headers["x-a"]="2"`},
		{"the caller", tool, rule("allow", `principal.id == "bob"`), rule("allow", `principal.id.startsWith("bob")`), `deny allow principal.id=bobx`},
		{"a key's claims", tool, rule("allow", `apiKey.claims.team == "a"`), rule("allow", `apiKey.claims.team == "b"`), `deny allow jwt.team="b" principal.type=api_key`},
		{"the tool", "match: { methods: [tools/call] }\n", rule("allow", `mcp.tool.name == "a"`), rule("allow", `mcp.tool.name.startsWith("a")`), `deny allow `},
		{"a resource", "", rule("allow", `mcp.resource.uri.startsWith("file:///a/")`), rule("allow", `mcp.resource.uri.startsWith("file:///")`), `deny allow `},
		{"an annotation", tool, rule("allow", `mcp.tool.annotations.readOnlyHint == true`), rule("allow", `has(mcp.tool.annotations.readOnlyHint)`), `deny allow mcp.tool.annotations.readOnlyHint=false`},
		{"two fields at once", tool, rule("allow", `args.a == "x" && args.b > 3`), rule("allow", `args.a == "x" && args.b > 4`), `allow deny args.a="x" args.b=4`},
		{
			"many fields", tool, rule("allow", `args.a == "x" && args.b == "x" && args.c == "x" && args.d == "x" && args.e == "x" && args.f == "x" && args.n < 5`),
			rule("allow", `args.a == "x" && args.b == "x" && args.c == "x" && args.d == "x" && args.e == "x" && args.f == "x" && args.n < 6`), `deny allow args.a="x" args.b="x" args.c="x" args.d="x" args.e="x" args.f="x" args.n=5`,
		},
		{"nothing", tool, rule("allow", `args.n < 10`), rule("allow", `!(args.n >= 10)`), ""},
		{"an error", "", "{ name: r, phase: response, effect: deny, when: 'mcp.error.message == \"a\"' }", "{ name: r, phase: response, effect: deny, when: 'mcp.error.message == \"b\"' }", `deny allow mcp.error.message="a"`},
		{"a result", tool, "{ name: r, phase: response, effect: deny, when: 'mcp.tool.result.n == 1' }", "{ name: r, phase: response, effect: deny, when: 'mcp.tool.result.n == 2' }", `deny allow mcp.tool.result.n=1`},
	} {
		r, err := Boundary(t.Context(), policyWith(t, tt.match, tt.old), policyWith(t, tt.match, tt.now))
		if err != nil {
			t.Fatal(err)
		}
		if r.Decisions == 0 {
			t.Errorf("%s: no cases", tt.name)
		}
		found := tt.want == "" && len(r.Flips) == 0
		for _, f := range r.Flips {
			found = found || f.Was+" "+f.Is+" " == tt.want && f.Examples == nil || slices.ContainsFunc(f.Examples, func(x string) bool { return f.Was+" "+f.Is+" "+x == tt.want })
		}
		if !found {
			t.Errorf("%s: %d cases, no %s in %+v", tt.name, r.Decisions, tt.want, r.Flips)
		}
	}
}

func TestBoundaryOfTheSame(t *testing.T) {
	s := rules(t, `{ name: a, effect: allow, when: 'args.path.startsWith("/srv") && now.getHours() < 3' }`)
	r, err := Boundary(t.Context(), s, s)
	if err != nil || r.Decisions == 0 || len(r.Flips) > 0 || r.OtherRule > 0 {
		t.Errorf("%+v %v", r, err)
	}
	if r, err = Boundary(t.Context(), nil, s); err != nil || r.NewAllows == 0 {
		t.Errorf("without policies before: %+v %v", r, err)
	}
}

func TestCombinations(t *testing.T) {
	count := func(sizes ...int) int {
		n, seen := 0, map[string]bool{}
		for pick := range combinations(sizes) {
			n++
			seen[fmt.Sprint(pick)] = true
		}
		if n <= maxProduct && n != len(seen) {
			t.Errorf("%v: %d of %d are twice", sizes, n-len(seen), n)
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("of nothing: %d", n)
	}
	if n := count(3, 4, 5); n != 60 {
		t.Errorf("of few: %d", n)
	}
	if n := count(30, 30, 30); n != 3*3*900 {
		t.Errorf("of many: %d", n)
	}
}

func TestCasesAreBounded(t *testing.T) {
	var all []string
	for i := range 4 {
		var when []string
		for j := range 12 {
			when = append(when, fmt.Sprintf(`args.f%d in ["a%d", "b", "c"]`, j, i))
		}
		all = append(all, fmt.Sprintf("{ name: r%d, effect: deny, when: '%s' }", i, strings.Join(when, " || ")))
	}
	for i := range 40 {
		all = append(all, fmt.Sprintf("{ name: t%d, effect: allow, when: 'mcp.tool.name == \"t%d\"' }", i, i))
	}
	s := rules(t, all...)
	const most = 5000
	r, err := boundaryOf(t.Context(), s, s, most)
	if err != nil || !r.Untried || r.Decisions > most || r.Decisions < most/2 || len(r.Flips) > 0 {
		t.Errorf("%+v %v", r, err)
	}
}
