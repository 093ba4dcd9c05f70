package condition

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// jsonTexts generates JSON objects of few names and values, so that comparisons often hold.
func jsonTexts() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var build func(depth int) string
		build = func(depth int) string {
			kind := rapid.IntRange(0, 7).Draw(t, "kind")
			switch {
			case depth > 0 && kind == 0:
				return "[" + strings.Join(rapid.SliceOfN(rapid.Custom(func(*rapid.T) string { return build(depth - 1) }), 0, 4).Draw(t, "list"), ",") + "]"
			case depth > 0 && kind <= 2:
				var members []string
				for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d e", "\\u00e9"}), 0, 4, rapid.ID[string]).Draw(t, "names") {
					members = append(members, fmt.Sprintf("%q:%s", strings.ReplaceAll(name, `\u00e9`, "\u00e9"), build(depth-1)))
				}
				return "{" + strings.Join(members, ",") + "}"
			}
			return rapid.SampledFrom([]string{
				`1`, `1.0`, `-1`, `0`, `2.5`, `1e2`, `"a"`, `"b"`, `""`, `"x\ny"`, `"\u00e9"`, `true`, `false`, `null`,
				`9223372036854775807`, `-9223372036854775808`, `9007199254740993`,
			}).Draw(t, "scalar")
		}
		return fmt.Sprintf(`{"a":%s,"b":%s}`, build(3), build(3))
	})
}

// native decodes JSON as a careful host would for CEL.
func native(text string) map[string]any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	m, _ := numbers(v).(map[string]any)
	return m
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	}
	return v
}

// What a condition sees of scanned bytes is what it would see of the decoded message.
func TestValues_equalDecodedOnes(t *testing.T) {
	env := newEnv(t, Options{})
	var conditions []*Condition
	for _, e := range []string{
		`args.a == args.b`, `args.b == args.a`, `args == {"a": args.a, "b": args.b}`, `{"a": args.a, "b": args.b} == args`,
		`args.a in [args.b]`, `args.a in args.b`, `args.a.a == args.b.a`, `has(args.a.b)`, `args.a.size() == args.b.size()`, `size(args.a) > 1`,
		`args.a[0] == args.b[0]`, `args.a[1] == args.b`, `args.a["d e"] == 1`, `args.a.all(x, x == args.b)`, `args.a.exists(x, args.b == x)`,
		`args.a.map(x, x).size() == args.b.map(x, x).size()`, `args.a.filter(x, x == 1).size() == 1`, `args.a.all(k, v, v == 1)`, `args.a.transformMap(k, v, v) == args.a`,
		`args.a.transformList(i, v, v) == args.a`, `args.a + args.b == args.b + args.a`, `args.a < args.b`, `args.a + 1 == 2`,
		`type(args.a) == type(args.b)`, `string(args.a) == args.b`, `args.a.b.a == 1`, `args.?a.?b.orValue(0) == 0`, `args.a[?0].hasValue()`,
		`args.a == 1 || args.a == "a" || args.a == [] || args.a == {}`, `args.a != args.b`, `dyn(args.a) == dyn(1.0)`,
		`[args.a].exists(x, x == args.b)`, `args.a in {"a": 1}`, `args.a.startsWith("a")`, `optional.ofNonZeroValue(args.a).hasValue()`,
		`"a" in args.a`, `1 in args.a`, `args.a[args.b] == 1`, `args.a.exists_one(x, x == 1)`, `args.a.sort() == args.b`, `args.a.slice(0, 1) == args.b`,
		`args.a.distinct() == args.a`, `args.a.flatten() == args.a`, `args.a.reverse() == args.b`, `sets.equivalent(args.a, args.b)`,
		`"%s".format([args.a]) == "%s".format([args.b])`, `"%s".format([args.a]).size() > 3`, `args.a.join() == "ab"`,
	} {
		conditions = append(conditions, compile(t, env, e, Bool, false))
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := jsonTexts().Draw(rt, "json")
		f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, text)}, false)
		for _, c := range conditions {
			want := decodedOutcome(t, c, native(text))
			if got := outcomeClass(c.value(f)); got != want {
				rt.Fatalf("%s on %s\n got %s\nwant %s", c.text.Value, text, got, want)
			}
		}
	})
}

func decodedOutcome(t testing.TB, c *Condition, args map[string]any) string {
	program, err := c.env.phase(false).PlanProgram(c.tracing().ast, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := program.Eval(map[string]any{"args": args})
	return outcomeClass(v, err)
}

// outcomeClass leaves out the words of an error: they name Go types.
func outcomeClass(v ref.Val, err error) string {
	if err != nil {
		return "error"
	}
	return fmt.Sprint(v)
}

// TestValues_traits covers what expressions reach only through odd paths.
func TestValues_traits(t *testing.T) {
	r := reader{limit: 1 << 10}
	o := r.value(scan(t, `{"a":1,"b":[true,null,"x"]}`))
	l := r.value(scan(t, `[1,2.5,"x",[],{}]`))
	if got := o.Value(); !reflect.DeepEqual(got, map[string]any{"a": int64(1), "b": []any{true, nil, "x"}}) {
		t.Errorf("%#v", got)
	}
	if got := l.Value(); !reflect.DeepEqual(got, []any{int64(1), 2.5, "x", []any{}, map[string]any{}}) {
		t.Errorf("%#v", got)
	}
	for _, c := range []struct {
		v    ref.Val
		t    ref.Type
		want ref.Val
	}{{o, types.MapType, o}, {o, types.TypeType, types.MapType}, {l, types.ListType, l}, {l, types.TypeType, types.ListType}} {
		if got := c.v.ConvertToType(c.t); got != c.want {
			t.Errorf("%v to %v: %v", c.v, c.t, got)
		}
	}
	for _, v := range []ref.Val{o, l} {
		if !types.IsError(v.ConvertToType(types.IntType)) {
			t.Errorf("%v converts to int", v)
		}
	}
	if got, err := l.ConvertToNative(reflect.TypeFor[[]string]()); err == nil {
		t.Errorf("a mixed list converts to %#v", got)
	}
	if got, err := r.value(scan(t, `{"a":"b"}`)).ConvertToNative(reflect.TypeFor[map[string]string]()); err != nil || fmt.Sprint(got) != "map[a:b]" {
		t.Error(got, err)
	}
}

// A value beyond the input limit cannot be looked into, whatever else the expression says,
// and what only lies beside it can.
func TestInputLimit(t *testing.T) {
	env := newEnv(t, Options{InputLimit: 64})
	long := strings.Repeat("x", 100)
	args := fmt.Sprintf(`{"text":%q,"list":[%s1],"deep":{"a":%q},"ok":"y"}`, long, strings.Repeat(`"abcdefgh",`, 10), long)
	for _, c := range []struct {
		expression string
		tooLarge   bool
	}{
		{`args.ok == "y"`, false},
		{`has(args.text) && has(args.deep.a)`, false},
		{`args.list[0] == "abcdefgh"`, false},
		{`args.text == "x"`, true},
		{`args.text.contains("x")`, true},
		{`args.deep.a == "x"`, true},
		{`args.list.exists(x, x == 1)`, true},
		{`args.list.all(x, true)`, true},
		{`size(args.list) > 1`, true},
		{`size(args) > 1`, true},
		{`args == {}`, true},
		{`{} == args`, true},
		{`args.deep == {}`, true},
		{`"a" in args.list`, true},
		{`args.list + [] == []`, true},
		{`args.exists(k, k == "ok")`, true},
		{`json.encode(args) == ""`, true},
		{`[args.deep] == [{}]`, true},
	} {
		f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, args)}, false)
		_, err := compile(t, env, c.expression, Bool, false).Test(f)
		if errors.Is(err, ErrInputTooLarge) != c.tooLarge {
			t.Errorf("%s: %v", c.expression, err)
		}
	}
	// What is iterated cannot be skipped by what stands beside it.
	f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, args)}, false)
	if _, err := compile(t, env, `args.list.all(x, true) || true`, Bool, false).Test(f); !errors.Is(err, ErrInputTooLarge) {
		t.Error(err)
	}
}

// A variable is no larger than an input, because conditions count on it.
func TestInputLimit_variables(t *testing.T) {
	env := newEnv(t, Options{InputLimit: 64})
	for expression, tooLarge := range map[string]bool{
		`args.s + args.s`:              true,
		`[args.s + args.s]`:            true,
		`{"a": [args.s, args.s]}`:      true,
		`optional.of(args.s + args.s)`: true,
		`args.s`:                       false,
		`[args.s]`:                     false,
	} {
		vs := env.NewVariables(false)
		if ds := vs.Add("v", source.NewText(expression)); len(ds) > 0 {
			t.Fatal(ds)
		}
		c, ds := env.Compile(source.NewText(`type(variables.v) != int`), Bool, vs)
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, fmt.Sprintf(`{"s":%q}`, strings.Repeat("x", 50)))}, false)
		f.SetVariables(vs)
		if _, err := c.Test(f); errors.Is(err, ErrInputTooLarge) != tooLarge {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

// Looking up every member of a large object, or every element of a list, takes linear time:
// both are indexed on the way.
func TestLargeObject_isIndexed(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"m":{`)
	for i := range 200 {
		fmt.Fprintf(&b, `"k%d":%d,`, i, i)
	}
	b.WriteString(`"k":0},"l":[0,1,2,3]}`)
	env := newEnv(t, Options{})
	f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, b.String())}, false)
	c := compile(t, env, `args.m.all(k, k == "k" || "k" + string(args.m[k]) == k) && [3, 2, 1, 0].all(i, args.l[i] == i)`, Bool, false)
	if got := outcomeOf(c, f); got != "true" {
		t.Fatal(got)
	}
	m, ok := f.json[jsonArguments].find("m").(*jsonObject)
	if !ok || m.index == nil || len(m.asked) != indexAfter {
		t.Error("the object was not indexed")
	}
}

func TestJSONParse_bounds(t *testing.T) {
	env := newEnv(t, Options{InputLimit: 1 << 20})
	f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, fmt.Sprintf(`{"s":%q}`, strings.Repeat("x", maxJSON+1)))}, false)
	c := compile(t, env, `json.parse(args.s).hasValue()`, Bool, false)
	if got := outcomeOf(c, f); got != "error: json: larger than 64 KiB" {
		t.Error(got)
	}
	if got := outcomeOf(compile(t, env, `json.encode(args.s) == ""`, Bool, false), f); got != "error: json: larger than 64 KiB" {
		t.Error(got)
	}
}

func TestJSONEncode(t *testing.T) {
	env := newEnv(t, Options{})
	f := open(t, env, Input{Method: "ping"}, false)
	for expression, want := range map[string]string{
		`json.encode({"b": dyn(1), "a": dyn([dyn(true), dyn(null), dyn(1.5), dyn(2u), dyn("x\n")])})`: `{"a":[true,null,1.5,2,"x\n"],"b":1}`,
		`json.encode({1: b"hi"})`:      `{"1":"aGk="}`,
		`json.encode(duration("90s"))`: `"90s"`,
		`json.encode(params)`:          `{}`,
	} {
		got, err := compile(t, env, expression, Text, false).Message(f)
		if err != nil || got != want {
			t.Errorf("%s\n got %s, %v\nwant %s", expression, got, err, want)
		}
	}
	if got := outcomeOf(compile(t, env, `json.encode(1.0 / 0.0) == ""`, Bool, false), f); got != "error: json: not a finite number" {
		t.Error(got)
	}
}

// No rule takes a number for an integer that it isn't, however it is written.
func TestValues_areNoOtherIntegers(t *testing.T) {
	env := newEnv(t, Options{})
	for _, tt := range []struct{ expression, n, want string }{
		{`args.n == 9007199254740993`, `9007199254740993`, "true"},
		{`args.n == 9007199254740993`, `9007199254740992.0`, "false"},
		{`args.n != 9007199254740993`, `9007199254740992.0`, "true"},
		{`args.n < 9007199254740993`, `9007199254740992.0`, "true"},
		{`args.n in [9007199254740993]`, `9.007199254740992e15`, "false"},
		{`args.n in {9007199254740993: true}`, `9.007199254740992e15`, "false"},
		{`[args.n] == [9007199254740993]`, `9.007199254740992e15`, "false"},
		{`args.n == -9007199254740993`, `-9007199254740992.0`, "false"},
		{`args.n == 9007199254740993`, `9007199254740993.0`, "error"}, // whoever reads a double reads ...992
		{`args.n < 0`, `9007199254740991.5`, "error"},
		{`args.n < 9007199254740992`, `9007199254740991.0`, "true"},
		{`args.n == 1000000000000000000`, `1e18`, "true"},
		{`args.n == 1000000000000000001`, `1e18`, "false"},
		{`args.n == 1000000000000000000`, `1` + strings.Repeat("0", 1000) + `e-982`, "true"},
		{`args.n == 9223372036854775807`, `9223372036854775808.0`, "false"},
		{`args.n == 9223372036854775808u`, `9223372036854775808.0`, "true"},
		{`args.n == 18446744073709551615u`, `18446744073709549568.0`, "false"},
		{`args.n == 18446744073709551615u`, `18446744073709551616.0`, "error"},
		{`args.n > 18446744073709551615u`, `18446744073709555712.0`, "true"},
		{`args.n < -9223372036854775807 - 1`, `-9223372036854775808.0`, "false"},
		{`args.n < -9223372036854775807 - 1`, `-1e19`, "true"},
		{`args.n > 1000`, `1e300`, "true"},
	} {
		c := compile(t, env, tt.expression, Bool, false)
		f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, `{"n":`+tt.n+`}`)}, false)
		if got := outcomeClass(c.value(f)); got != tt.want {
			t.Errorf("%s of %.30s is %s, want %s", tt.expression, tt.n, got, tt.want)
		}
	}
}

// What can't be read is an error in lists and maps, too, on either side of a comparison: it is no value that is equal to none.
func TestValues_thatCannotBeRead(t *testing.T) {
	env := newEnv(t, Options{})
	for expression, want := range map[string]string{
		`9007199254740992 in args.l`:                                        "error",
		`!(9007199254740993 in args.l)`:                                     "error",
		`1 in args.l`:                                                       "true",
		`2 in args.l`:                                                       "true",
		`"l" in args`:                                                       "true",
		`args.l == [1, 9007199254740992, 2]`:                                "error",
		`args.l != [1, 9007199254740992, 2]`:                                "error",
		`[1, 9007199254740992, 2] == args.l`:                                "error",
		`[1, 9007199254740992, 2] != args.l`:                                "error",
		`[[1, 9007199254740992, 2]] == [args.l]`:                            "error",
		`args.l in [[1, 9007199254740992, 2]]`:                              "error",
		`args.l == [2, 9007199254740992, 2]`:                                "false", // by the element before
		`args.o == {"n": 9007199254740992}`:                                 "error",
		`args.o != {"n": 9007199254740992}`:                                 "error",
		`{"n": 9007199254740992} == args.o`:                                 "error",
		`{"n": 9007199254740992} != args.o`:                                 "error",
		`has(args.o.n) && "n" in args.o`:                                    "true",
		`args.l.exists(x, x == 9007199254740992)`:                           "error",
		`args.o.n == 9007199254740992 || args.l[0] == 1`:                    "true",
		`sets.contains([9007199254740992, 1, 2], args.l)`:                   "error",
		`sets.contains(args.l, [1])`:                                        "error",
		`sets.intersects([9007199254740992], args.l)`:                       "error",
		`sets.equivalent(args.l, [1, 9007199254740992])`:                    "error",
		`sets.contains([args.o.n], [1])`:                                    "error",
		`args.l.distinct().size() == 2`:                                     "error",
		`args.o.?n == optional.of(9007199254740992)`:                        "error",
		`args.o.?n != optional.of(9007199254740992)`:                        "error",
		`optional.of(9007199254740992) == args.?o.n`:                        "error",
		`args.o[?"n"] != optional.none()`:                                   "error",
		`args.?l[?1] != optional.of(9007199254740992)`:                      "error",
		`args.?l[?0] == optional.of(1)`:                                     "true",
		`args.?o.?m == optional.none()`:                                     "true",
		`[?args.o.?n] == [1]`:                                               "error", // true of any number
		`{?"n": args.o.?n} == {"n": 1}`:                                     "error",
		`9007199254740992 in [?args.o.?n]`:                                  "error",
		`args.o.?n in [optional.of(9007199254740992)]`:                      "error",
		`optional.unwrap([args.o.?n]) == [1]`:                               "error",
		`(args.l[0] == 1 ? args.o.?n : args.?x) != optional.of(1)`:          "error",
		`cel.bind(x, args.?o, x.n != optional.of(1))`:                       "error",
		`[args.o].exists(x, x.?n != optional.of(1))`:                        "error",
		`args.?o.orValue({}).?n != optional.of(1)`:                          "error",
		`args.o.?n.hasValue() || args.l[0] == 1`:                            "true",
		`has(args.?o.n)`:                                                    "true",
		`json.parse("9007199254740993.0").hasValue()`:                       "error",
		`json.parse("9007199254740993.0") != optional.of(9007199254740992)`: "error",
	} {
		c := compile(t, env, expression, Bool, false)
		f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, `{"l":[1,9007199254740993.0,2],"o":{"n":9007199254740993.0}}`)}, false)
		if got := outcomeClass(c.value(f)); got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
		if went := c.follow(f); outcomeClass(went.value, went.err) != want {
			t.Errorf("%s is %v (%v) where each part is remembered, want %s", expression, went.value, went.err, want)
		}
	}
}

// A literal is read exactly if arithmetic says so.
func TestExact(t *testing.T) {
	for _, raw := range []string{
		`9007199254740992.0`, `9007199254740992.00`, `9007199254740993.0`, `9007199254740992.1`, `-9.007199254740992e15`, `900719925474099.2e1`,
		`90071992547409920e-1`, `90071992547409921e-1`, `0.9007199254740992E+16`, `0.00009007199254740992e20`, `1e16`, `1.0e18`, `10e17`, `1e19`,
		`12345678901234567e0`, `12345678901234568e0`, `18446744073709551616.0`, `18446744073709549568.0`, `18446744073709551615.0`, `9223372036854775808.0`,
		`9223372036854775807.0`, `1` + strings.Repeat("0", 900) + `e-882`, `1` + strings.Repeat("0", 900) + `1e-883`,
	} {
		f, _ := strconv.ParseFloat(raw, 64)
		r, ok := new(big.Rat).SetString(raw)
		if want := ok && r.Cmp(new(big.Rat).SetFloat64(f)) == 0; exact(f, []byte(raw)) != want {
			t.Errorf("%.40s: want %v", raw, want)
		}
	}
}
