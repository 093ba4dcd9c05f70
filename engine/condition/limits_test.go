package condition

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func TestCheap(t *testing.T) {
	env := newEnv(t, Options{})
	for expression, cheap := range map[string]bool{
		`args.path.startsWith("/srv") && args.limit < 10`:               true,
		`"a" in principal.groups || args.path.contains("x")`:            true,
		`args.path.matches("^/srv/[a-z]+$")`:                            true,
		`path.within(args.path, "/srv/project")`:                        true,
		`path.clean(args.path) == "/srv" || glob(args.path, "*.txt")`:   true,
		`principal.groups.exists(g, g.startsWith("dev"))`:               true,
		`host.isPublic(url(args.url).getHostname())`:                    true,
		`request.headers["x-tenant"] == "a" && jwt.sub == principal.id`: true,
		`args.tags.exists(t, t == "a")`:                                 false,
		`args.exists(k, v, v == "a")`:                                   false,
		`args.a.map(x, x).size() > 1`:                                   false,
		`path.match(args.path, args.pattern)`:                           false,
		`args.a.all(x, args.b.all(y, x == y))`:                          false,
		`args.text.split("\n").exists(l, l.contains("x"))`:              false,
	} {
		if got := compile(t, env, expression, Bool, false).Cheap(); got != cheap {
			t.Errorf("%s: cheap is %v", expression, got)
		}
	}
}

// What is not provably cheap stops at the limit, as an error, whatever else the expression says.
func TestCostLimit(t *testing.T) {
	env := newEnv(t, Options{CostLimit: 1000})
	big := fmt.Sprintf(`{"a":[%s0],"b":[1]}`, strings.Repeat("1,", 500))
	for _, expression := range []string{
		`args.a.all(x, args.a.all(y, x == y || true))`,
		`args.a.all(x, args.a.all(y, x == y || true)) || true`,
		`args.a.map(x, args.a.map(y, y)).size() > 0`,
	} {
		c := compile(t, env, expression, Bool, false)
		f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, big)}, false)
		if _, err := c.Test(f); !errors.Is(err, ErrCost) {
			t.Errorf("%s: %v", expression, err)
		}
		small := open(t, env, Input{Method: "tools/call", Arguments: scan(t, `{"a":[1],"b":[1]}`)}, false)
		if _, err := c.Test(small); err != nil {
			t.Errorf("%s of little: %v", expression, err)
		}
	}
}

// The bound that analysis gives holds: metered, no cheap condition passes the limit.
func TestCheap_isSound(t *testing.T) {
	env := newEnv(t, Options{})
	long := strings.Repeat("a/", 30<<10)
	in := Input{Method: "tools/call", Arguments: scan(t, fmt.Sprintf(`{"path":%q,"url":"https://a.example/%s","limit":1,"list":[%s1]}`, "/"+long, long, strings.Repeat("1,", 30000)))}
	in.Principal = &Principal{Groups: strings.Split(strings.Repeat("group,", 1000), ",")}
	for _, expression := range []string{
		`args.path.contains("x") && args.path.contains("aaa") || args.path.endsWith("b")`,
		`args.path.matches("^/srv/([a-z]+/)*[a-z]+$")`,
		`path.within(args.path, "/srv/project") || true`,
		`path.clean(args.path) == path.clean(args.url) || true`,
		`principal.groups.exists(g, g.startsWith("dev"))`,
		`glob(args.path, "*b*c") || url(args.url).getEscapedPath() == args.path`,
		`args.path + args.url == args.url + args.path`,
		`args.path.lowerAscii() == args.url.upperAscii()`,
		`args.path.split("/").exists(l, l.contains("x"))`,
		`args.path.contains(args.url)`,
		`path.match(args.path, args.url)`,
		`args.list.all(x, x == 1)`,
		`args.list.all(x, x == 1 && args.list.exists(y, y == x))`,
	} {
		c := compile(t, env, expression, Bool, false)
		if !c.cheap {
			continue
		}
		checked, ds := env.check(c.text, Bool, c.variables)
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		program, err := env.phase(false).PlanProgram(checked.NativeRep(), env.limited()...)
		if err != nil {
			t.Fatal(err)
		}
		metered := &Condition{env: env, text: c.text, variables: c.variables, program: program}
		if _, err := metered.Test(open(t, env, in, false)); errors.Is(err, ErrCost) {
			t.Errorf("%s passes the limit, but is held to be cheap", expression)
		}
	}
}

func TestInterrupt(t *testing.T) {
	env := newEnv(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f := env.NewFrame()
	f.Input = Input{Method: "tools/call", Arguments: scan(t, fmt.Sprintf(`{"a":[%s0]}`, strings.Repeat("1,", 500)))}
	f.Open(ctx)
	defer f.Close()
	c := compile(t, env, `args.a.all(x, x >= 0)`, Bool, false)
	if _, err := c.Test(f); !errors.Is(err, ErrInterrupted) {
		t.Error(err)
	}
}

// A panic below CEL is an error of the evaluation.
func TestPanic_isAnError(t *testing.T) {
	env := newEnv(t, Options{})
	f := open(t, env, Input{Method: "ping", Header: func(string) string { panic("boom") }}, false)
	if got := outcomeOf(compile(t, env, `request.headers["a"] == "b"`, Bool, false), f); got != "error: internal error: boom" {
		t.Error(got)
	}
}

func TestListLimit(t *testing.T) {
	env := newEnv(t, Options{})
	for _, groups := range [][]string{make([]string, maxListed+1), {strings.Repeat("x", maxListedText+1)}} {
		f := open(t, env, Input{Method: "ping", Principal: &Principal{Groups: groups}}, false)
		if _, err := compile(t, env, `"a" in principal.groups`, Bool, false).Test(f); !errors.Is(err, ErrInputTooLarge) {
			t.Error(err)
		}
	}
}

// A Frame that is closed twice is not handed out to two callers.
func TestFrame_isHandedOutOnce(t *testing.T) {
	env := newEnv(t, Options{})
	f := env.NewFrame()
	for range 2 {
		f.Open(context.Background())
		f.Close()
	}
	first, second := env.NewFrame(), env.NewFrame()
	if first == second {
		t.Error("two callers have the same frame")
	}
	first.Close()
	second.Close()
}

// A Frame that was used shows nothing of it to the next.
func TestFrame_isClean(t *testing.T) {
	env := newEnv(t, Options{})
	vs := env.NewVariables(false)
	if ds := vs.Add("v", source.NewText(`args.path`)); len(ds) > 0 {
		t.Fatal(ds)
	}
	reads, ds := env.Compile(source.NewText(`variables.v == "" || principal.id == "" || mcp.tool.name == "" || jwt.sub == "" || "g" in principal.groups`), Bool, vs)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	f := env.NewFrame()
	f.Input = toolCall(t, `{"path":"/x"}`)
	f.Blank = true
	f.Open(context.Background())
	f.SetVariables(vs)
	_, _ = reads.Test(f)
	f.Close()
	if f.exec != nil || f.variables != nil || len(f.memo) != 0 || f.subjects != 0 || f.Blank || f.ctx != nil || f.Input.Principal != nil {
		t.Errorf("%+v", f)
	}
	for s, v := range f.vals {
		if v != nil {
			t.Errorf("slot %d holds %v", s, v)
		}
	}
	for i := range f.json {
		if f.json[i].v.Exists() || len(f.json[i].asked) != 0 || f.json[i].index != nil {
			t.Errorf("object %d holds something", i)
		}
	}
}
