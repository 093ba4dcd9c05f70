package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/source"
)

func split(t testing.TB, spec Spec) *Split {
	t.Helper()
	spec.Server = "files"
	all, ds := Compile([]Spec{spec})
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	return all["files"]
}

func rules(whenTo ...string) (out []Rule) {
	for i := 0; i < len(whenTo); i += 2 {
		out = append(out, Rule{When: source.NewText(whenTo[i]), Version: whenTo[i+1]})
	}
	return out
}

var anonymous = &engine.Principal{Kind: engine.KindAnonymous}

var shares = []Version{{"stable", 95}, {"canary", 5}, {"staging", 0}}

func TestChoose_followsTheFirstRuleThatHolds(t *testing.T) {
	s := split(t, Spec{Versions: []Version{{"stable", 100}, {"canary", 0}, {"staging", 0}}, Rules: rules(
		`"platform" in principal.groups`, "staging",
		`mcp.tool.name.startsWith("new_")`, "canary",
		`request.headers["x-version"] == "next"`, "canary",
	)})
	header := func(value string) func(string) string {
		return func(name string) string {
			if name == "x-version" {
				return value
			}
			return ""
		}
	}
	for _, c := range []struct {
		name string
		r    engine.Request
		want string
	}{
		{"a member of the group", engine.Request{Method: "tools/list", Principal: &engine.Principal{Kind: "apikey", ID: "a", Groups: []string{"platform"}}, Header: header("x")}, "staging"},
		{"a tool of the next version", engine.Request{Method: "tools/call", Tool: "new_search", Header: header("x")}, "canary"},
		{"another tool, with the header", engine.Request{Method: "tools/call", Tool: "search", Header: header("next")}, "canary"},
		{"a list, which is about no tool, with the header", engine.Request{Method: "tools/list", Header: header("next")}, "canary"},
		{"nothing that a rule wants", engine.Request{Method: "tools/list", Header: header("x")}, "stable"},
		{"the group before the tool", engine.Request{Method: "tools/call", Tool: "new_search", Principal: &engine.Principal{Kind: "apikey", ID: "a", Groups: []string{"platform"}}}, "staging"},
	} {
		if c.r.Principal == nil {
			c.r.Principal = anonymous
		}
		if got, err := s.Choose(context.Background(), &c.r, []byte("key")); got != c.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	got, err := s.Choose(context.Background(), &engine.Request{Method: "tools/list", Principal: anonymous}, []byte("key"))
	if got != "" || err == nil || !strings.HasPrefix(err.Error(), "route 3 of server files: ") {
		t.Errorf("a header that isn't there: %q, %v", got, err)
	}
}

func TestChoose_sharesCallersByWeight(t *testing.T) {
	s, r := split(t, Spec{Versions: shares}), engine.Request{Method: "tools/list"}
	other, ds := Compile([]Spec{{Server: "mail", Versions: shares}})
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	count, both := map[string]int{}, 0
	for i := range 10_000 { // the keys are always the same, and so is what becomes of them
		key := fmt.Appendf(nil, "caller-%d", i)
		got, err := s.Choose(context.Background(), &r, key)
		if again, _ := s.Choose(context.Background(), &r, key); again != got || err != nil {
			t.Fatalf("caller %d comes to %q and %q, %v", i, got, again, err)
		}
		count[got]++
		if elsewhere, _ := other["mail"].Choose(context.Background(), &r, key); got == "canary" && elsewhere == "canary" {
			both++
		}
	}
	if count["canary"] < 400 || count["canary"] > 600 || count["canary"]+count["stable"] != 10_000 {
		t.Errorf("5 %% and 95 %% of 10000 callers are %v", count)
	}
	if both > 100 {
		t.Errorf("%d callers of two servers come to the canary of both", both)
	}
}

// A version that gets more callers takes them from others, and gives none away.
func TestChoose_movesAsFewCallersAsItMust(t *testing.T) {
	small := split(t, Spec{Versions: []Version{{"canary", 5}, {"stable", 95}}})
	large := split(t, Spec{Versions: []Version{{"canary", 20}, {"stable", 80}}})
	r := engine.Request{Method: "tools/list"}
	for i := range 2000 {
		key := fmt.Appendf(nil, "caller-%d", i)
		was, _ := small.Choose(context.Background(), &r, key)
		is, _ := large.Choose(context.Background(), &r, key)
		if was == "canary" && is != "canary" {
			t.Fatalf("caller %d has left the canary, which has grown", i)
		}
	}
}

func TestChoose_refusesWithoutWeights(t *testing.T) {
	s := split(t, Spec{Versions: []Version{{"a", 0}}, Rules: rules("false", "a")})
	if got, err := s.Choose(context.Background(), &engine.Request{}, nil); got != "" || !errors.Is(err, ErrNoVersion) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCompile_reportsWhatCannotChoose(t *testing.T) {
	for name, c := range map[string]struct {
		when string
		want []string
	}{
		"a caller":        {`principal.id == "a"`, nil},
		"the time":        {`now.getHours() < 6`, []string{"SP1302: the route depends on more than the call and its caller: `now`"}},
		"annotations":     {`mcp.tool.annotations.readOnlyHint`, []string{"SP1302: the route reads `mcp.tool.annotations.readOnlyHint`, which a version says of its own tools"}},
		"the answer":      {`mcp.tool.result == "x"`, []string{"SP2009: `mcp.tool.result` is not there yet in the request phase"}},
		"no condition":    {`principal.id`, []string{"SP2004: a condition must be a bool, but this expression is a string"}},
		"an unknown name": {`team == "a"`, []string{"SP2002: unknown name `team`"}},
	} {
		_, ds := Compile([]Spec{{Server: "files", Versions: shares, Rules: rules(c.when, "stable")}})
		var got []string
		for _, d := range ds {
			got = append(got, d.Code+": "+d.Message)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if all, ds := Compile(nil); all != nil || ds != nil {
		t.Error("no versions make a split")
	}
}

// The page of SP1302 shows what Compile reports, and what it does not.
func TestPageShowsTheMistakeAndItsFix(t *testing.T) {
	page, ok := source.Page(codeRoute)
	if !ok {
		t.Fatal("no page")
	}
	for _, c := range []struct {
		when string
		want bool
	}{{"now.getHours() < 6", true}, {`"platform" in principal.groups`, false}} {
		if !strings.Contains(page, c.when) {
			t.Errorf("the page doesn't show %s", c.when)
		}
		if _, ds := Compile([]Spec{{Server: "files", Versions: shares, Rules: rules(c.when, "staging")}}); ds.HasErrors() != c.want {
			t.Errorf("%s: %v", c.when, ds)
		}
	}
}
