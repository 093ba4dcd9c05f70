package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/budget"
	"github.com/sallyport-dev/sallyport/internal/federation"
	"github.com/sallyport-dev/sallyport/internal/identity"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/trial"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// audienceWorld is a gateway with servers whose lists hold for long, and callers of several kinds.
type audienceWorld struct {
	*world
	who     *identity.Resolver
	skipped atomic.Int64 // by how much its clock is ahead
}

var callers = []identity.APIKey{
	{ID: "alice", Hash: sum("alice-key"), Claims: []byte(`{"groups":["dev"],"team":"a"}`)},
	{ID: "bob", Hash: sum("bob-key"), Claims: []byte(`{"groups":["dev"],"team":"b"}`)},
	{ID: "carol", Hash: sum("carol-key"), Claims: []byte(`{"groups":["ops","dev"]}`)},
	{ID: "dave", Hash: sum("dave-key")},
}

func newAudience(t *testing.T) *audienceWorld {
	t.Helper()
	who, err := identity.New(identity.Options{Keys: callers, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	a := &audienceWorld{who: who}
	a.world = newWorld(t, allowAll, func(o *Options, _ *Snapshot) { o.Now = a.now })
	return a
}

func (a *audienceWorld) now() time.Time { return time.Now().Add(time.Duration(a.skipped.Load())) }

// serve makes a snapshot of policies and servers, by name, current.
func (a *audienceWorld) serve(policy *engine.Snapshot, servers map[string]*catalogue) {
	o := federation.Options{Servers: map[string]federation.Selection{}}
	s := &Snapshot{Policy: policy, Identity: a.who, Names: Names{Hosts: []string{"gw.test"}}, Servers: map[string]upstream.Server{}}
	names := make([]string, 0, len(servers))
	for name, c := range servers {
		s.Servers[name], o.Servers[name], names = &script{answer: c.answer}, federation.Selection{All: true}, append(names, name)
	}
	s.Routes, s.Views = route.New(names...), map[string]*federation.View{"": view(a.t, o)}
	a.Swap(s)
}

// change has a server list something else, and tell of it.
func (a *audienceWorld) change(server string, c *catalogue, tools []listedTool) {
	c.tools.Store(&tools)
	s := a.current.acquire()
	s.lists.drop(server)
	s.release()
}

// list lists all tools as a caller sees them.
func (a *audienceWorld) list(key, tenant string) []string {
	r := a.raw(modernAt("/mcp", "tools/list", "", "", "Authorization: Bearer "+key, "X-Tenant: "+tenant))
	if r.status != 200 {
		a.t.Errorf("the client got %d %s", r.status, r.body)
		return nil
	}
	return r.names(a.t, "tools", "name")
}

// visible is what the policies say that a caller sees of a server's tools.
func (a *audienceWorld) visible(policy *engine.Snapshot, server string, tools []listedTool, key, tenant string, now time.Time) (names []string) {
	who, err := a.who.Resolve([]byte("Bearer "+key), nil)
	if err != nil {
		a.t.Error(err)
	}
	for _, tool := range tools {
		var d jsonscan.Doc
		if err := d.Scan([]byte(tool.annotations), jsonscan.Options{}); err != nil {
			a.t.Error(err)
		}
		v := policy.Visible(context.Background(), &engine.Request{
			Method: "tools/call", Server: server, Tool: tool.name, Annotations: d.Root(), Principal: who, Time: now,
			Header: func(name string) string { return map[string]string{"x-tenant": tenant}[name] },
		})
		if v.Allowed() {
			names = append(names, server+"__"+tool.name)
		}
	}
	return names
}

type listedTool struct{ name, annotations string }

// catalogue is what a server lists at the moment.
type catalogue struct{ tools atomic.Pointer[[]listedTool] }

func newCatalogue(tools []listedTool) *catalogue {
	c := new(catalogue)
	c.tools.Store(&tools)
	return c
}

func (c *catalogue) answer(call *upstream.Call) error {
	var items []string
	for _, tool := range *c.tools.Load() {
		items = append(items, `{"name":"`+tool.name+`","inputSchema":{"type":"object"},"annotations":`+tool.annotations+`}`)
	}
	return answers(map[string]string{
		"tools/list": `{"resultType":"complete","tools":[` + strings.Join(items, ",") + `],"ttlMs":3600000,"cacheScope":"public"}`,
		"tools/call": `{"resultType":"complete","content":[]}`,
	})(call)
}

// sightRules are conditions on all that a list can depend on.
var sightRules = []string{
	`true`, `"dev" in principal.groups`, `"ops" in principal.groups && args.x == 1`, `principal.id == "alice"`, `jwt.team == "a"`, `apiKey.claims.team == "a"`,
	`request.headers["x-tenant"] == "t1"`, `mcp.tool.annotations.readOnlyHint == true`, `mcp.tool.name == "a"`, `mcp.tool.name.startsWith("b") && args.x == 1`,
	`now.getMinutes() / 10 % 2 == 0`, `args.list.exists(i, i == principal.id)`, `principal.groups.size() > 1 || mcp.tool.name == "c"`,
}

func sightPolicy(rt *rapid.T) string {
	var b strings.Builder
	for i := range rapid.IntRange(1, 4).Draw(rt, "policies") {
		if i > 0 {
			b.WriteString("---\n")
		}
		fmt.Fprintf(&b, "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p%d }\nmatch: { methods: [tools/call], servers: [%s] }\nrules:\n",
			i, rapid.SampledFrom([]string{`"*"`, "files", "mail"}).Draw(rt, "server"))
		for j := range rapid.IntRange(1, 3).Draw(rt, "rules") {
			fmt.Fprintf(&b, "  - { name: r%d, when: '%s', effect: %s }\n", j, rapid.SampledFrom(sightRules).Draw(rt, "when"),
				rapid.SampledFrom([]string{"allow", "allow", "deny", "approve"}).Draw(rt, "effect"))
		}
	}
	return b.String()
}

func sightTools(rt *rapid.T) []listedTool {
	var out []listedTool
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "bb", "c"}), 0, 4, rapid.ID[string]).Draw(rt, "tools") {
		out = append(out, listedTool{name, rapid.SampledFrom([]string{`{}`, `{"readOnlyHint":true}`, `{"readOnlyHint":false}`}).Draw(rt, "annotations")})
	}
	return out
}

// What is remembered of a list shows each caller what the policies say now: after lists of others, other policies, other tools, other times.
func TestSightsAreWhatPoliciesSay(t *testing.T) {
	a := newAudience(t)
	rapid.Check(t, func(rt *rapid.T) {
		policy := compile(t, sightPolicy(rt))
		servers := map[string]*catalogue{"files": newCatalogue(sightTools(rt)), "mail": newCatalogue(sightTools(rt))}
		a.serve(policy, servers)
		for range 8 {
			switch rapid.IntRange(0, 9).Draw(rt, "then") {
			case 0:
				name := rapid.SampledFrom([]string{"files", "mail"}).Draw(rt, "changes")
				a.change(name, servers[name], sightTools(rt))
			case 1:
				policy = compile(t, sightPolicy(rt))
				a.serve(policy, servers)
			case 2:
				a.skipped.Add(int64(10 * time.Minute))
			}
			key, tenant := rapid.SampledFrom(callers).Draw(rt, "caller").ID+"-key", rapid.SampledFrom([]string{"t1", "t2"}).Draw(rt, "tenant")
			want := func() (all []string) {
				for _, name := range []string{"files", "mail"} {
					all = append(all, a.visible(policy, name, *servers[name].tools.Load(), key, tenant, a.now())...)
				}
				return all
			}
			before := want()
			got := a.list(key, tenant)
			if !slices.Equal(got, before) && !slices.Equal(got, want()) { // time passes
				rt.Fatalf("%s of %s sees %q, want %q", key, tenant, got, before)
			}
		}
	})
}

// Whoever lists while policies and tools change sees what one set of policies says of one set of each server's tools.
func TestSightsWhileEverythingChanges(t *testing.T) {
	a := newAudience(t)
	const sets, perSet = 12, 3
	policies := make([]*engine.Snapshot, sets)
	tools := func(set, version int) []listedTool { // their names say which they are
		tag := fmt.Sprintf("_%d_%d", set, version)
		return []listedTool{{"all" + tag, `{}`}, {"mine" + tag, `{}`}, {"read" + tag, fmt.Sprintf(`{"readOnlyHint":%v}`, (set+version)%2 == 0)}}
	}
	for i := range policies {
		policies[i] = compile(t, fmt.Sprintf(`apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
match: { methods: [tools/call] }
rules:
  - { name: all, when: 'mcp.tool.name.startsWith("all")', effect: allow }
  - { name: mine, when: 'mcp.tool.name.startsWith("mine") && principal.id == %q', effect: allow }
  - { name: read, when: 'mcp.tool.annotations.readOnlyHint && "dev" in principal.groups && args.x == 1', effect: allow }
`, callers[i%len(callers)].ID))
	}
	check := func(key string, got []string) {
		for _, server := range []string{"files", "mail"} {
			var own []string
			set, version := -1, -1
			for _, name := range got {
				if rest, ok := strings.CutPrefix(name, server+"__"); ok {
					own = append(own, name)
					if _, err := fmt.Sscanf(rest, "all_%d_%d", &set, &version); err != nil && len(own) == 1 {
						t.Errorf("%s sees %q", key, got)
						return
					}
				}
			}
			if set < 0 || set >= sets {
				t.Errorf("%s sees %q", key, got)
				return
			}
			if want := a.visible(policies[set], server, tools(set, version), key, "", time.Time{}); !slices.Equal(own, want) {
				t.Errorf("%s sees %q, want %q", key, own, want)
			}
		}
	}
	serve := func(set int) map[string]*catalogue {
		servers := map[string]*catalogue{"files": newCatalogue(tools(set, 0)), "mail": newCatalogue(tools(set, 0))}
		a.serve(policies[set], servers)
		return servers
	}
	serve(0)
	var listing sync.WaitGroup
	done := make(chan struct{})
	for _, c := range callers {
		listing.Go(func() {
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				check(c.ID+"-key", a.list(c.ID+"-key", ""))
			}
		})
	}
	for set := range sets {
		servers := serve(set)
		for version := range perSet {
			a.change("files", servers["files"], tools(set, version))
			check("alice-key", a.list("alice-key", ""))
		}
	}
	close(done)
	listing.Wait()
}

const byGroup = `apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
match: { methods: [tools/call], servers: [files] }
rules:
  - { name: dev, when: '"dev" in principal.groups && mcp.tool.annotations.readOnlyHint && args.x == 1', effect: allow }
  - { name: plain, when: '"dev" in principal.groups && mcp.tool.annotations.readOnlyHint', effect: allow }
`

// sightsOf counts what is remembered of a server's tools.
func (a *audienceWorld) sightsOf(server string) int {
	s := a.current.acquire()
	defer s.release()
	s.lists.mu.RLock()
	defer s.lists.mu.RUnlock()
	for k, r := range s.lists.entries {
		if k.server == server {
			return len(r.sights)
		}
	}
	return -1
}

// Callers of whom the rules read the same share what is remembered.
func TestSightsAreShared(t *testing.T) {
	a := newAudience(t)
	a.serve(compile(t, byGroup), map[string]*catalogue{"files": newCatalogue([]listedTool{{"a", `{"readOnlyHint":true}`}}), "mail": newCatalogue(nil)})
	for _, step := range []struct {
		key, want string
		sights    int
	}{
		{"alice-key", "[files__a]", 0}, // the server is asked
		{"alice-key", "[files__a]", 1},
		{"bob-key", "[files__a]", 1},
		{"dave-key", "[]", 2},
		{"carol-key", "[files__a]", 3},
		{"alice-key", "[files__a]", 3},
	} {
		if got := fmt.Sprint(a.list(step.key, "")); got != step.want {
			t.Errorf("%s sees %s, want %s", step.key, got, step.want)
		}
		if got := a.sightsOf("files"); got != step.sights {
			t.Errorf("after %s: %d sights, want %d", step.key, got, step.sights)
		}
	}
}

// A list that is remembered still teaches what was forgotten meanwhile.
func TestSightsDontKeepFromLearning(t *testing.T) {
	a := newAudience(t)
	a.serve(compile(t, byGroup), map[string]*catalogue{"files": newCatalogue([]listedTool{{"a", `{"readOnlyHint":true}`}}), "mail": newCatalogue(nil)})
	call := func() int {
		r := a.raw(modernAt("/mcp", "tools/call", "files__a", `"name":"files__a","arguments":{}`, "Authorization: Bearer alice-key"))
		return strings.Count(r.body, `"resultType":"complete"`)
	}
	for range 3 {
		a.list("alice-key", "")
	}
	if call() != 1 {
		t.Error("the call is denied")
	}
	a.Forget("files")
	if call() != 0 {
		t.Error("the call is allowed, and nothing is known of the tool")
	}
	a.list("alice-key", "")
	if call() != 1 {
		t.Error("the call is denied, and the tool has been listed")
	}
}

// A tool that comes to its end leaves a list that is remembered.
func TestSightsEndWithTools(t *testing.T) {
	a := newAudience(t)
	a.serve(compile(t, allowAll), map[string]*catalogue{"files": newCatalogue([]listedTool{{"a", `{}`}, {"b", `{}`}}), "mail": newCatalogue(nil)})
	s := a.current.acquire()
	defer s.release()
	next := snapCopy(s)
	next.Views, next.Tools = s.Views, map[string]map[string]*ToolEnd{"files": {"a": {Blocked: a.now().Add(30 * time.Minute)}}}
	a.Swap(next)
	for i, want := range []string{"[files__a files__b]", "[files__a files__b]", "[files__b]"} {
		if i == 2 {
			a.skipped.Add(int64(31 * time.Minute))
		}
		if got := fmt.Sprint(a.list("alice-key", "")); got != want {
			t.Errorf("list %d has %s, want %s", i, got, want)
		}
	}
}

// Whoever a candidate decides for sees what it says, whatever is remembered for the others: rules read the same of all of them.
func TestSightsAreOfOnePolicy(t *testing.T) {
	a := newAudience(t)
	a.serve(compile(t, allowAll), map[string]*catalogue{"files": newCatalogue([]listedTool{{"a", `{}`}, {"b", `{}`}}), "mail": newCatalogue(nil)})
	s := a.current.acquire()
	defer s.release()
	next, candidate := snapCopy(s), compile(t, strings.Replace(allowAll, "effect: allow", "when: 'mcp.tool.name == \"a\"'\n    effect: allow", 1))
	tried := trial.New(trial.Options{
		Active: s.Policy, Candidate: candidate, Metrics: a.Metrics, Show: a.ShowExample,
		Scan: jsonscan.Options{Depth: a.Limits.Depth, Values: a.Limits.Values}, Head: a.head,
	})
	t.Cleanup(func() {
		tried.Close()
		<-tried.Done()
	})
	next.Views, next.Candidate = s.Views, &Candidate{Policy: candidate, Trial: tried, Canary: &Canary{Principals: []string{"bob"}}}
	a.Swap(next)
	for range 3 {
		for key, want := range map[string]string{"alice-key": "[files__a files__b]", "bob-key": "[files__a]"} {
			if got := fmt.Sprint(a.list(key, "")); got != want {
				t.Errorf("%s sees %s, want %s", key, got, want)
			}
		}
	}
}

// What is kept of sights is bounded and counted, and given back with its list.
func TestSightsAreBounded(t *testing.T) {
	memory, now := budget.New(1<<20), time.Now()
	l := newLists(memory)
	k := listKey{server: "files", method: "tools/list"}
	r := &remembered{raw: make([]byte, 1000), listing: &federation.Listing{}, expires: now.Add(time.Hour)}
	l.put(k, r, 0, now)
	empty := memory.Used()
	most := int64(0)
	for i := range 2000 {
		key := fmt.Appendf(nil, "caller %d", i)
		for range 2 { // the second takes the place of the first
			l.keepSight(r, key, &sight{shown: make([]bool, 20)})
		}
		if l.sight(r, key) == nil {
			t.Fatalf("sight %d is not kept", i)
		}
		if got := memory.Used() - empty; got != r.sightBytes || got != int64(len(r.sights))*(sightOverhead+20)+keysOfSights(r) {
			t.Fatalf("%d bytes are counted, %d are the list's", got, r.sightBytes)
		}
		most = max(most, r.sightBytes)
	}
	if most > maxSights || most < maxSights/2 {
		t.Errorf("%d bytes are kept, of %d", most, maxSights)
	}
	l.drop("files")
	l.keepSight(r, []byte("late"), &sight{})
	if memory.Used() != 0 || l.bytes != 0 {
		t.Errorf("%d bytes are left, %d in the lists", memory.Used(), l.bytes)
	}
}

func keysOfSights(r *remembered) (n int64) {
	for k := range r.sights {
		n += int64(len(k))
	}
	return n
}
