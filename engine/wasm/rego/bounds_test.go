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
