package engine

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
)

func fullNames() names {
	return names{method: "tools/call", server: "s", tool: "t", prompt: "p", resource: "r", about: condition.Tool, door: fromServer}
}

// A route is another's if anything that the index goes by is: hashes are not believed.
func TestRoutes_compareEveryName(t *testing.T) {
	ts := routes{seed: maphash.MakeSeed()}
	there := &route{names: fullNames()}
	for i := range ts.known {
		ts.known[i].Store(there)
	}
	same := fullNames()
	if ts.find(&same) != there {
		t.Error("the same names are not found")
	}
	for i, change := range []func(n *names){
		func(n *names) { n.method = "tools/calL" }, func(n *names) { n.server = "" }, func(n *names) { n.tool = "T" },
		func(n *names) { n.prompt = "p\x00" }, func(n *names) { n.resource = "" }, func(n *names) { n.about = condition.Prompt },
		func(n *names) { n.door = atResponse }, func(n *names) { n.server, n.tool = n.tool, n.server },
	} {
		n := fullNames()
		if change(&n); ts.find(&n) != nil {
			t.Errorf("%d: %+v is taken for %+v", i, n, fullNames())
		}
	}
}

// What is kept is kept the second time in a row, within bounds, and is nobody else's memory.
func TestRoutes_keepCopiesOfWhatRepeats(t *testing.T) {
	ts := routes{seed: maphash.MakeSeed()}
	count := func() (n int) {
		for i := range ts.known {
			if ts.known[i].Load() != nil {
				n++
			}
		}
		return n
	}
	for i := range 10 * routePlaces {
		ts.learn(&route{names: names{tool: fmt.Sprint(i)}})
	}
	if n := count(); n != 0 {
		t.Errorf("%d routes of messages that came once", n)
	}
	long := &route{names: names{tool: strings.Repeat("x", maxRouteText), server: "s"}}
	ts.learn(long)
	if ts.learn(long); count() != 0 {
		t.Error("a long name is kept")
	}

	name, room := []byte("tool"), []*rule{{order: 1}, {order: 2}}
	first := &route{names: names{tool: unsafe.String(&name[0], len(name))}, rules: room}
	ts.learn(first)
	ts.learn(first)
	found := ts.find(&names{tool: "tool"})
	if found == nil || count() != 1 {
		t.Fatal("not kept")
	}
	copy(name, "XXXX")
	clear(room)
	if found.tool != "tool" || !slices.EqualFunc(found.rules, []int{1, 2}, func(r *rule, order int) bool { return r != nil && r.order == order }) {
		t.Errorf("%q and %v changed with the message", found.tool, found.rules)
	}
}

// Messages of one route have one list of rules, and each its own decision.
func TestRoutes_decideEachMessage(t *testing.T) {
	policies := []*policy.Policy{
		{Name: "a", Match: policy.Match{Tools: []string{"t*"}}, Rules: []policy.Rule{rule1("small", Allow, `args.n < 10`)}},
		{Name: "b", Match: policy.Match{Tools: []string{"*ool"}}, Rules: []policy.Rule{rule1("odd", Deny, `args.n % 2 == 1`)}},
	}
	plain, err := Compile(t.Context(), &bundle.Bundle{Policies: policies}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := remembering(t, policies)
	defer s.Close()
	for n := range 12 {
		r := &Request{Method: "tools/call", Server: "s", Tool: "tool", Arguments: scanned(t, fmt.Sprintf(`{"n":%d}`, n))}
		if diff := cmp.Diff(brief(plain.Decide(t.Context(), r)), brief(s.Decide(t.Context(), r))); diff != "" {
			t.Errorf("%d (-want +got)\n%s", n, diff)
		}
	}
	n := names{method: "tools/call", server: "s", tool: "tool", about: condition.Tool | condition.Success}
	if s.memory.routes.find(&n) == nil {
		t.Error("the route is not known")
	}
}
