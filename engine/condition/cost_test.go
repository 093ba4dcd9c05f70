package condition

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// What goes over much of what the caller sends is counted so, though only the values say what it is.
func TestMeter_countsWhatIsGoneOver(t *testing.T) {
	const n = 1000
	env := newEnv(t, Options{CostLimit: 1 << 40})
	in := Input{Method: "tools/call", Arguments: scan(t, fmt.Sprintf(`{"list":[%s1],"text":%q,"words":[%s"z"]}`,
		strings.Repeat("0,", n), strings.Repeat("x", 10*n), strings.Repeat(`"word",`, n)))}
	for _, expression := range []string{
		`args.list.reverse()[0] == 1`, `args.list.slice(1, 2)[0] == 0`, `args.list.sort()[0] == 0`, `args.words.sort()[0] == "word"`,
		`size(args.text) > 0`, `args.text.size() > 0`, `args.text + "a" != ""`, `!(5 in args.list)`, `args.words.join("") != ""`, `math.greatest(args.list) == 1`,
		`"%s".format([args.list]) != ""`, `args.text.reverse() != ""`,
		`timestamp(args.text) > now || true`, `duration(args.text) > duration("1s") || true`, `int(args.text) > 0 || true`, `double(args.text) > 0.0 || true`,
		`args.list.transformMap(i, v, v).size() > 0`,
	} {
		c := compile(t, env, expression, Bool, false)
		checked, ds := env.check(c.text, Bool, c.variables)
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		program, err := env.phase(false).PlanProgram(checked.NativeRep(), env.limited()...)
		if err != nil {
			t.Fatal(err)
		}
		v, details, err := program.ContextEval(t.Context(), interpreter.Activation(open(t, env, in, false)))
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if cost := *details.ActualCost(); v.Value() != true || cost < n/5 {
			t.Errorf("%s is %v and costs %d", expression, v, cost)
		}
	}
}

// What would compare too many pairs is refused before it begins; what doesn't is what it was.
func TestPairwiseFunctionsAreBounded(t *testing.T) {
	env := newEnv(t, Options{CostLimit: 1000})
	list := func(n int) string { return "[" + strings.Repeat("0,", n-1) + "1]" }
	for _, tt := range []struct{ expression, want string }{
		{`args.a.distinct() == [0, 1]`, "true"},
		{`args.a.hasAny(args.b)`, "true"},
		{`args.a.hasAll(args.b)`, "true"},
		{`args.a.hasOnly(args.b)`, "true"},
		{`args.a.hasExactly(args.b)`, "true"},
		{`sets.contains(args.a, args.b)`, "true"},
		{`sets.equivalent(args.a, args.b)`, "true"},
		{`sets.intersects(args.a, args.b)`, "true"},
	} {
		c := compile(t, env, tt.expression, Bool, false)
		small := open(t, env, Input{Method: "tools/call", Arguments: scan(t, `{"a":`+list(4)+`,"b":`+list(3)+`}`)}, false)
		if got := outcomeOf(c, small); got != tt.want {
			t.Errorf("%s of little: %s", tt.expression, got)
		}
		large := open(t, env, Input{Method: "tools/call", Arguments: scan(t, `{"a":`+list(200)+`,"b":`+list(200)+`}`)}, false)
		if _, err := c.Test(large); !errors.Is(err, ErrCost) {
			t.Errorf("%s of much: %v", tt.expression, err)
		}
	}
	for _, p := range pairwise {
		op, err := implementation(env.phase(false), p[0], p[1])
		if err != nil {
			t.Fatal(err)
		}
		big := &jsonArray{v: scan(t, list(200))}
		big.limit = 1 << 20
		var got error
		if op.Unary != nil {
			got, _ = op.Unary(big).(error)
		} else {
			got, _ = op.Binary(big, big).(error)
		}
		if !errors.Is(got, ErrCost) {
			t.Errorf("%s of much begins: %v", p[0], got)
		}
	}
}

// What a loop reads is one value however often it is read, by index, by name or in turn: what it remembers of itself is not found out anew.
func TestJSONValues_rememberTheirParts(t *testing.T) {
	r := reader{limit: 1 << 20}
	a := &jsonArray{reader: r, v: scan(t, `[[1],{"a":[2]},[3]]`)}
	same := func(what string, x, y any) {
		if x == nil || x != y {
			t.Errorf("%s: %v and %v", what, x, y)
		}
	}
	same("the first", a.at(0), a.at(0))
	it := a.Iterator()
	for i := range int64(3) {
		same(fmt.Sprint("element ", i), a.at(i), it.Next())
	}
	a.Size()
	if _, ok := a.list(); !ok || a.native == nil || a.size != 4 {
		t.Errorf("size %d, list %v", a.size, a.native)
	}
	var members []string
	for i := range 3 * indexAfter {
		members = append(members, fmt.Sprintf(`"k%d":[%d]`, i, i))
	}
	o := &jsonObject{reader: r, v: scan(t, "{"+strings.Join(members, ",")+"}")}
	for i := range 3 * indexAfter {
		name := fmt.Sprintf("k%d", i)
		same(name, o.find(name), o.find(name))
		same(name, o.find(name), o.loop(types.String(name), o.v.Get(name)))
	}
	if o.find("k") != nil {
		t.Error("k is there")
	}
}

// A long text may have escapes: whatever goes over it again and again decodes it once.
func TestJSONValues_rememberLongTexts(t *testing.T) {
	text := strings.Repeat(`\u0041`, long)
	array := func() *jsonArray {
		return &jsonArray{reader: reader{limit: 1 << 20}, v: scan(t, fmt.Sprintf(`["%s","%s","x"]`, text, text))}
	}
	for what, look := range map[string]func(a *jsonArray){
		"in":     func(a *jsonArray) { a.Contains(types.String("q")) },
		"==":     func(a *jsonArray) { a.Equal(array()) },
		"a loop": func(a *jsonArray) { folded(a) },
	} {
		a := array()
		look(a)
		if want := types.String(strings.Repeat("A", long)); a.first != want || len(a.elems) != 3 || a.elems[1].val != want || a.elems[2].val != nil {
			t.Errorf("%s remembers %v and %v", what, a.first, a.elems)
		}
	}
	object := func() *jsonObject {
		return &jsonObject{reader: reader{limit: 1 << 20}, v: scan(t, fmt.Sprintf(`{"x":1,"%s":"%s"}`, text, text))}
	}
	for what, look := range map[string]func(o *jsonObject){
		"==":     func(o *jsonObject) { o.Equal(object()) },
		"a loop": func(o *jsonObject) { folded(o) },
	} {
		o := object()
		look(o)
		if want := strings.Repeat("A", long); len(o.names) != 1 || o.names[1] != types.String(want) || len(o.asked) != 1 || o.asked[0].name != want || o.asked[0].val != types.String(want) {
			t.Errorf("%s remembers %v and %v", what, o.names, o.asked)
		}
	}
	o := object()
	for it := o.Iterator(); it.HasNext() == types.True; {
		it.Next()
	}
	if len(o.names) != 1 {
		t.Errorf("going over names remembers %v", o.names)
	}
	if o.reset(o.reader, o.v); o.names != nil {
		t.Error("names of another message are remembered")
	}
}

// folded goes over all of a value.
func folded(v traits.Foldable) { v.Fold(everything{}) }

type everything struct{}

func (everything) FoldEntry(any, any) bool { return true }

// outermost tells cel-go nothing of what a value that may be a list has in it, so that it asks.
type outermost struct{ sizes }

func (o outermost) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	found := o.sizes.EstimateSize(n)
	if found != nil {
		found.Elem = nil
	}
	return found
}

// What is said of nested values at once is what cel-go would find out by asking for each.
func TestSizes_nestedAreThoseThatAreAskedFor(t *testing.T) {
	env := newEnv(t, Options{CostLimit: 1 << 40})
	expressions := []string{
		`args.limit <= 5 && args.path.startsWith("/srv/")`, `args == {"a": [1]}`, `args.a.b.c.d == "x"`, `args.list[0][1][2] == "x"`, `args.list == args.other`,
		`args.list.all(x, x == "a")`, `args.list.all(x, x.all(y, y == "a"))`, `args.list.exists(x, x.exists(y, y.exists(z, z.contains("a"))))`,
		`args.list.map(x, x.name).exists(n, n.startsWith("a"))`, `args.list.filter(x, x.size() > 2).size() == 1`, `(args.list + args.other).all(x, x.matches("a+"))`,
		`[args.a, args.b].all(x, x.contains(args.c))`, `{"a": args.a}["a"].contains("b")`, `(args.a ? args.b : args.c).contains("x")`,
		`args.list.all(i, v, v.contains(string(i)))`, `args.all(k, args[k].contains(k))`, `args.list.transformMap(i, v, v).all(k, v, v.contains("a"))`,
		`args.list.join(",").contains("a")`, `"%s".format([args.list]).contains("a")`, `json.encode(args.list).contains("a")`, `args.text.split(",").all(x, x.contains("a"))`,
		`args.list.sort()[0].contains("a")`, `args.list.slice(0, 2).all(x, x.contains("a"))`, `args.list.distinct().all(x, x.contains("a"))`, `args.list.hasAny(args.other)`,
		`principal.groups.exists(g, g == args.group)`, `principal.groups.all(g, g.contains("a"))`, `"a" in principal.roles`, `args.group in principal.groups`,
		`principal.type == "jwt"`, `source.address.startsWith("10.")`, `jwt.list.all(x, x.all(y, y.contains("a")))`,
		`cel.bind(v, args.list, v.all(x, x.all(y, y == v)))`, `args.?a.orValue("").contains("b")`, `args.?list.orValue([]).all(x, x.contains("a"))`,
		`args.list.all(x, [x, x].all(y, y.all(z, z.contains("a"))))`, `args` + strings.Repeat(`.a`, 40) + `.all(x, x.contains("b"))`,
	}
	for _, expression := range expressions {
		c := compile(t, env, expression, Bool, false)
		checked, ds := env.check(c.text, Bool, c.variables)
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		ours := sizes{limit: uint64(env.inputLimit)}
		got, err := env.phase(false).EstimateCost(checked, ours)
		if err != nil {
			t.Fatal(err)
		}
		want, err := env.phase(false).EstimateCost(checked, outermost{ours})
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: %v, and %v if all is asked for", expression, got, want)
		}
	}
}
