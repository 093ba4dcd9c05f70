package rego_test

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
)

// What a builtin is given may be made by whoever sent the message: little of it must not become
// much work or much memory that nothing was charged for.
func TestBuiltinsChargeForWhatTheyMakeOfLittle(t *testing.T) {
	many := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	deep := strings.Repeat(`{"a":`, 900)
	flat := many(2000, "1")
	var copies strings.Builder
	for i := range 60 {
		fmt.Fprintf(&copies, `{"op":"copy","from":"","path":"/%d"},`, i)
	}
	for name, c := range map[string]struct{ builtin, args, want string }{
		"a document copied into itself": {"json.patch", `{"a":1}, [` + strings.TrimSuffix(copies.String(), ",") + `]`, "the result would become too long"},
		"a pattern that looks far ahead, to find": {
			"regex.find_n", `"x.*y|x", "` + strings.Repeat("x", 20_000) + `", -1`, "spent",
		},
		"a pattern that looks far ahead, to split":   {"regex.split", `"x.*y|x", "` + strings.Repeat("x", 20_000) + `"`, "spent"},
		"a pattern that looks far ahead, to replace": {"regex.replace", `"` + strings.Repeat("x", 20_000) + `", "x.*y|x", "z"`, "spent"},
		"a long text in a longer one":                {"indexof_n", `"` + strings.Repeat("a", 60_000) + `", "` + strings.Repeat("a", 30_000) + `"`, "spent"},
		"lists in lists": {
			"object.subset", `[` + many(60, "["+flat+"]") + `], [` + many(20, "["+flat+"]") + `,0]`, "spent",
		},
		"much in the depth": {
			"object.subset", deep + `{"a":[` + flat + `],"z":1}` + strings.Repeat("}", 900) + `,` + deep + `{"a":[` + flat + `],"z":2}` + strings.Repeat("}", 900), "false",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := call(t, c.builtin, c.args, 2_500_000); got != c.want {
				t.Errorf("%.100s, want %s", got, c.want)
			}
		})
	}
}

func TestSprintf_bounds(t *testing.T) {
	text := func(s string, n int) string { return `["` + strings.Repeat(s, n) + `"]` }
	const limit = 2 << 20
	for name, c := range map[string]struct{ format, list string }{
		"quotes":             {strings.Repeat("%[1]q", 10), text(`\u0001`, 60_000)},
		"quotes in ASCII":    {"%+[1]q%+[1]q%+[1]q%+[1]q%+[1]q%+[1]q", text("é", 60_000)},
		"quotes as Go does":  {strings.Repeat("%#[1]v", 10), text(`\u0001`, 60_000)},
		"hexadecimal":        {"%[1]x%[1]x%[1]x", text("a", 400_000)},
		"bytes":              {"%# x", text("a", 450_000)},
		"bytes, large":       {"% #X", text("a", 450_000)},
		"an index":           {"%# [1]x", text("a", 450_000)},
		"large numbers":      {strings.Repeat("%[1]f", 7000), `[1e308]`},
		"large numbers, too": {strings.Repeat("%[1]F", 7000), `[-1e308]`},
		"bits":               {strings.Repeat("%[1]b", 40_000), `[9007199254740993]`},
		"many bits":          {strings.Repeat("%[1]b", 5000), "[" + strings.Repeat("9", 150) + "]"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := call(t, "sprintf", `"`+c.format+`", `+c.list, 1<<40); got != "the result would become too long" {
				t.Errorf("%d bytes, of at most %d: %.60s", len(got), limit, got)
			}
		})
	}
	if got := call(t, "sprintf", `"%p", [`+strings.Repeat("9", 30)+"]", 1<<40); got != `"%!p(string=`+strings.Repeat("9", 30)+`)"` {
		t.Error(got)
	}
	// What is bounded is not much less than what comes of it.
	for format, n := range map[string]int{"%s": 450_000, "%s%[1]s%[1]s": 450_000, "%x": 450_000, "%q": 400_000} {
		if got := call(t, "sprintf", `"`+format+`", `+text("a", n), 1<<40); len(got) < n {
			t.Errorf("%s: %.60s", format, got)
		}
	}
}

// No more comes of a format than is charged for.
func TestSprintf_chargesForAll(t *testing.T) {
	lists := []string{`["\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001\u0001"]`, `["ééééééééééééééééé"]`, `[1e308]`, `[-1.5e-300]`, `[9007199254740993]`, "[" + strings.Repeat("9", 200) + "]", `[]`, `[true, [1], 3]`}
	for _, list := range lists {
		v, err := rego.Parse([]byte(list))
		if err != nil {
			t.Fatal(err)
		}
		for _, flags := range []string{"", "+", "#", " ", "# ", "+#", "[1]", "# [1]", "20", ".3", "[x]", "[1]*", "5+"} {
			for verb := range 128 {
				format, charged := strings.Repeat("%"+flags+string(rune(verb)), 9), 0
				b, _ := rego.Find("sprintf")
				got, err := b.Do(&rego.Call{Charge: func(n int64) { charged += int(n) }}, []rego.Value{format, v})
				if s, ok := got.(string); err == nil && (!ok || len(s) > charged) {
					t.Errorf("%q of %.40s: %d bytes, charged for %d", format, list, len(s), charged)
				}
			}
		}
	}
}

// Numbers are sorted by what they are, exactly; that one has many digits once written out costs
// nothing.
func TestCompare_ordersNumbers(t *testing.T) {
	texts := []string{
		"-1e999999999999999999999", "-1e999999999", "-10", "-9.5", "-1", "-0.5", "-1e-999999999", "0", "1e-999999999999999999999", "2e-999999999", "1e-400", "0.001", "0.01", "0.1", "0.10000000000000000000001", "0.5",
		"1", "1.0000000000000000000000000000000001", "9", "9.99", "10", "99999999999999999999", "100000000000000000000", "1e400", "1e999999999", "1e999999999999999999999",
	}
	for i, a := range texts {
		for k, b := range texts {
			if got := rego.Compare(rego.Number(a), rego.Number(b)); got != cmp.Compare(i, k) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
	for _, same := range [][2]string{{"1", "1.0"}, {"100", "1e2"}, {"0", "-0.0e5"}, {"0.00120", "12E-4"}, {"-1500", "-1.5e+3"}, {"0e99", "0"}} {
		if got := rego.Compare(rego.Number(same[0]), rego.Number(same[1])); got != 0 {
			t.Errorf("%v: %d", same, got)
		}
	}
}

// call calls a builtin with fuel, and says what came of it.
func call(t *testing.T, name, args string, fuel int64) (got string) {
	t.Helper()
	v, err := rego.Parse([]byte("[" + args + "]"))
	list, ok := v.(rego.Array)
	if b, why := rego.Find(name); err != nil || !ok || b == nil {
		t.Fatal(err, why)
	} else {
		spent := errors.New("spent")
		defer func() {
			if r := recover(); r == any(spent) {
				got = "spent"
			} else if r != nil {
				panic(r)
			}
		}()
		c := rego.Call{Cache: &rego.Cache{}, Charge: func(n int64) {
			if fuel -= n; fuel < 0 {
				panic(spent)
			}
		}}
		v, err := b.Do(&c, list)
		if err != nil {
			return err.Error()
		}
		return string(rego.Append(nil, v))
	}
	return ""
}
