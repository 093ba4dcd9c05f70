package overload

import (
	"context"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// Of every method of the protocol it is known what it is, and only what ends something, or has no answer, is always let through.
func TestKindsOfMethods(t *testing.T) {
	want := map[string]Kind{
		"subscriptions/listen": Stream, "resources/subscribe": Stream,
		"initialize": List, "server/discover": List, "completion/complete": List, "tools/list": List, "resources/templates/list": List,
		"ping": Exempt, "tasks/cancel": Exempt, "resources/unsubscribe": Exempt, "notifications/cancelled": Exempt,
		"tools/call": Call, "resources/read": Call, "prompts/get": Call, "tasks/get": Call, "logging/setLevel": Call, "x/unheard-of": Call,
	}
	for method, kind := range want {
		if got := KindOf(method); got != kind {
			t.Errorf("%s is %d, want %d", method, got, kind)
		}
	}
	for _, method := range mcp.Methods() {
		m := mcp.LookupMethod(method)
		if got := KindOf(method); m.Notification != (got == Exempt) && want[method] != Exempt || m.List != "" && got != List {
			t.Errorf("%s is %d", method, got)
		}
	}
}

// Without a config streams are refused first, then lists, and what somebody waits for never.
func TestPrioritiesOfKinds(t *testing.T) {
	var s *Set
	for _, c := range []struct {
		level  Level
		sheds  []Kind
		passes []Kind
	}{
		{799, nil, []Kind{Stream, List, Call, Exempt}},
		{800, []Kind{Stream}, []Kind{List, Call, Exempt}},
		{899, []Kind{Stream}, []Kind{List, Call, Exempt}},
		{900, []Kind{Stream, List}, []Kind{Call, Exempt}},
		{Full, []Kind{Stream, List}, []Kind{Call, Exempt}},
	} {
		for _, k := range c.sheds {
			if !s.Of(context.Background(), nil, k).Sheds(c.level) {
				t.Errorf("at %d: %d passes", c.level, k)
			}
		}
		for _, k := range c.passes {
			if s.Of(context.Background(), nil, k).Sheds(c.level) {
				t.Errorf("at %d: %d is refused", c.level, k)
			}
		}
	}
	if s.Lowest() != 800 || !s.Early() {
		t.Errorf("lowest %d, early %v", s.Lowest(), s.Early())
	}
}

func spec(name, when string, percent int) Spec {
	return Spec{Name: name, When: source.NewText(when), At: Percent(percent)}
}

func compiled(t *testing.T, specs ...Spec) *Set {
	t.Helper()
	s, ds := Compile(specs)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	return s
}

func value(t *testing.T, text string) jsonscan.Value {
	t.Helper()
	d := new(jsonscan.Doc)
	if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	return d.Root()
}

// The first priority that holds decides. One that is about something else is passed over, one that fails makes the request the lowest, and
// nothing makes an exempt one less.
func TestFirstPriorityThatHoldsDecides(t *testing.T) {
	s := compiled(t,
		spec("oncall", `"oncall" in principal.groups`, 0),
		spec("payments", `mcp.tool.name == "pay"`, 98),
		spec("tenants", `principal.claims.tier == "free"`, 60),
		spec("rest", `mcp.method == "tools/call"`, 95),
	)
	who := func(groups []string, claims string) *engine.Principal {
		return &engine.Principal{Kind: engine.KindJWT, Groups: groups, Claims: value(t, claims)}
	}
	free, paid, bare := who(nil, `{"tier":"free"}`), who(nil, `{"tier":"paid"}`), who(nil, `{}`)
	for _, c := range []struct {
		name  string
		r     engine.Request
		kind  Kind
		want  string
		at    Level
		fails bool
	}{
		{"the first", engine.Request{Method: "tools/list", Principal: who([]string{"oncall"}, `{}`)}, List, "oncall", 0, false},
		{"the second, of a tool", engine.Request{Method: "tools/call", Tool: "pay", Principal: free}, Call, "payments", 980, false},
		{"the third", engine.Request{Method: "tools/call", Tool: "x", Principal: free}, Call, "tenants", 600, false},
		{"what is about no tool", engine.Request{Method: "tools/list", Principal: free}, List, "tenants", 600, false},
		{"the last", engine.Request{Method: "tools/call", Tool: "x", Principal: paid}, Call, "rest", 950, false},
		{"none: the kind", engine.Request{Method: "tools/list", Principal: paid}, List, "lists", 900, false},
		{"none: a stream", engine.Request{Principal: paid}, Stream, "streams", 800, false},
		{"one that fails", engine.Request{Method: "tools/call", Tool: "x", Principal: bare}, Call, "unknown", 600, true},
		{"one that would fail behind one that holds", engine.Request{Method: "tools/call", Tool: "pay", Principal: bare}, Call, "payments", 980, false},
		{"an exempt one", engine.Request{Method: "ping", Principal: bare}, Exempt, "exempt", 0, false},
	} {
		p := s.Of(context.Background(), &c.r, c.kind)
		if p.Name != c.want || p.At != c.at || (p.Cause != nil) != c.fails {
			t.Errorf("%s: %+v, want %s at %d", c.name, p, c.want, c.at)
		}
		if c.fails && !strings.Contains(p.Cause.Error(), "priority tenants: ") {
			t.Errorf("%s: the cause is %v", c.name, p.Cause)
		}
	}
	if s.Lowest() != 600 {
		t.Errorf("lowest %d", s.Lowest())
	}
}

// A priority that never refuses, or only later than streams are, leaves the level from which on priorities are looked at where it is.
func TestLowestIsAtMostThatOfStreams(t *testing.T) {
	if s := compiled(t, spec("a", "true", 0), spec("b", "false", 95)); s.Lowest() != 800 {
		t.Errorf("lowest %d", s.Lowest())
	}
}

// Only where no condition reads what stands in the body does the head tell the priority.
func TestHeadTellsThePriority(t *testing.T) {
	for when, want := range map[string]bool{
		`mcp.method == "tools/call"`:                                  true,
		`"batch" in principal.groups`:                                 true,
		`principal.id == "x" || source.address == "10.0.0.1"`:         true,
		`jwt.tier == "free"`:                                          true,
		`apiKey.id == "a" && now > timestamp("2026-01-01T00:00:00Z")`: true,
		`request.headers["x-batch"] == "1"`:                           true,
		`mcp.tool.name == "a"`:                                        false,
		`args.a == 1`:                                                 false,
		`params.a == 1`:                                               false,
		`request.mcp.backend == "files"`:                              false,
		`mcp.method == "tools/call" && mcp.tool.name == "a"`:          false,
	} {
		first, last := compiled(t, spec("b", when, 90), spec("a", "true", 90)), compiled(t, spec("a", "true", 90), spec("b", when, 90))
		if first.Early() != want || last.Early() != want {
			t.Errorf("%s: %v as the first and %v as the last, want %v", when, first.Early(), last.Early(), want)
		}
	}
}

func TestConditionsThatDontCompileAreToldApart(t *testing.T) {
	s, ds := Compile([]Spec{spec("a", `principal.id ==`, 90), spec("b", "true", 90), spec("c", `mcp.method`, 90)})
	if s != nil || len(ds) != 2 || ds[0].Code != "SP2001" {
		t.Errorf("%v, %v", s, ds)
	}
	if s, ds := Compile(nil); s != nil || ds != nil {
		t.Errorf("of nothing: %v, %v", s, ds)
	}
}
