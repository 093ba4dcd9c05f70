package condition

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// edges are where doubles, ints and uints end to tell integers apart.
var edges = []string{"9007199254740992", "10000000000000000", "1000000000000000000", "9223372036854775808", "18446744073709551615"}

// integers draws one near an edge.
func integers() *rapid.Generator[*big.Int] {
	return rapid.Custom(func(t *rapid.T) *big.Int {
		n, _ := new(big.Int).SetString(rapid.SampledFrom(edges).Draw(t, "edge"), 10)
		n.Add(n, big.NewInt(rapid.Int64Range(-3, 3).Draw(t, "beside")))
		if rapid.Bool().Draw(t, "negative") {
			n.Neg(n)
		}
		return n
	})
}

// spelled draws a way to write an integer in a message.
func spelled(t *rapid.T, n *big.Int) string {
	text := n.String()
	switch rapid.IntRange(0, 3).Draw(t, "spelling") {
	case 0:
		return text + ".0"
	case 1:
		return text + "00e-2"
	case 2:
		sign := text[:len(text)-len(strings.TrimPrefix(text, "-"))]
		return fmt.Sprintf("%s0.%se%d", sign, text[len(sign):], len(text)-len(sign))
	}
	return text
}

// comparisons are ways to compare the argument, which is also the first element of a list and a member of a map, with an integer. Each
// means the sign of their difference.
var comparisons = []struct {
	text  string
	holds func(sign int) bool
}{
	{`args.n == %s`, func(sign int) bool { return sign == 0 }},
	{`%s != args.n`, func(sign int) bool { return sign != 0 }},
	{`args.n < %s`, func(sign int) bool { return sign < 0 }},
	{`%s <= args.n`, func(sign int) bool { return sign >= 0 }},
	{`args.?n == optional.of(%s)`, func(sign int) bool { return sign == 0 }},
	{`args.?n != optional.of(%s)`, func(sign int) bool { return sign != 0 }},
	{`optional.of(%s) == args.?o.n`, func(sign int) bool { return sign == 0 }},
	{`args[?"n"] in [optional.of(%s)]`, func(sign int) bool { return sign == 0 }},
	{`args.l[?0].optMap(x, x > %s).value()`, func(sign int) bool { return sign > 0 }},
	{`args.?n.orValue(0) >= %s`, func(sign int) bool { return sign >= 0 }},
	{`[args.n] == [%s]`, func(sign int) bool { return sign == 0 }},
	{`[?args.?n] != [%s]`, func(sign int) bool { return sign != 0 }},
	{`args.n in [%s]`, func(sign int) bool { return sign == 0 }},
	{`%s in args.l`, func(sign int) bool { return sign == 0 }},
	{`args.l == [%s]`, func(sign int) bool { return sign == 0 }},
	{`[%s] != args.l`, func(sign int) bool { return sign != 0 }},
	{`args.l.exists(x, x == %s)`, func(sign int) bool { return sign == 0 }},
	{`{"n": args.n} == {"n": %s}`, func(sign int) bool { return sign == 0 }},
	{`{?"n": args.?n} != args.o || args.n != %s`, func(sign int) bool { return sign != 0 }},
	{`args.o == {"n": %s}`, func(sign int) bool { return sign == 0 }},
	{`{"n": %s} != args.o`, func(sign int) bool { return sign != 0 }},
}

// A comparison of an integer of a message with one of a policy is exact or an error, however and wherever they stand; it is an error only if
// the message has no integer that CEL has, or writes it as a double that isn't it.
func TestIntegersCompareExactly(t *testing.T) {
	env := newEnv(t, Options{})
	rapid.Check(t, func(rt *rapid.T) {
		n, limit := integers().Draw(rt, "n"), integers().Draw(rt, "limit")
		if rapid.Bool().Draw(rt, "near") {
			limit = new(big.Int).Add(n, big.NewInt(rapid.Int64Range(-2, 2).Draw(rt, "difference")))
		}
		literal := limit.String()
		switch {
		case limit.IsInt64():
		case limit.IsUint64():
			literal += "u"
		default: // there is no such literal
			limit = new(big.Int).SetUint64(math.MaxUint64)
			literal = limit.String() + "u"
		}
		message := spelled(rt, n)
		plain := !strings.ContainsAny(message, ".e")
		_, exactly := new(big.Float).SetInt(n).Float64()
		readable := (n.IsInt64() || n.IsUint64()) && (plain || exactly == big.Exact)
		f := open(t, env, Input{Method: "tools/call", Arguments: scan(t, fmt.Sprintf(`{"n":%[1]s,"l":[%[1]s],"o":{"n":%[1]s}}`, message))}, false)
		for _, c := range comparisons {
			text := fmt.Sprintf(c.text, literal)
			want := fmt.Sprint(c.holds(n.Cmp(limit)))
			got := outcomeClass(compile(t, env, text, Bool, false).value(f))
			if got != want && (readable || got != "error") {
				rt.Errorf("%s of %s: got %s, want %s", text, message, got, want)
			}
		}
	})
}
