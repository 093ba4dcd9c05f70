package jsonscan

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unicode/utf16"
)

// generator makes messages that are mostly accepted and always near the edge of what
// parsers agree on.
type generator struct {
	rand *rand.Rand
	out  []byte
}

var (
	genNames = []string{
		"jsonrpc", "id", "method", "params", "name", "arguments", "_meta", "result", "error",
		"Method", "NAME", "param\u017f", "\u212aind", "Arguments", "METHOD ", "", "a", "b", "path",
		"__proto__", "constructor", "toJSON", "10", "9", "é", "É", "e\u0301", "😀", "a\"b", "a\\b", "\n",
		"a-name-longer-than-thirty-two-bytes-a", "A-Name-Longer-Than-Thirty-Two-Bytes-A",
	}
	genTexts = []string{
		"tools/call", "tools/list", "echo", "delete_everything", "", "/srv/../etc", "é", "😀\u2028",
		"\x00\x01\x1f\x7f", "\"\\/\b\f\n\r\t", "</script>", "\ufeff\uffff", "long text without any need for escapes",
	}
	genNumbers = []string{
		"0", "-0", "1", "-1", "9007199254740993", "18446744073709551616", "1.5", "1e5", "1E-5", "-0.0",
		"1.7976931348623157e308", "5e-324", "1e-400", "0.1000000000000000055511151231257827", "1e400",
	}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (g *generator) space() {
	if g.rand.IntN(8) == 0 {
		g.out = append(g.out, pick(g.rand, []string{" ", "\n", "\t\r\n", "  "})...)
	}
}

func (g *generator) text(s string) {
	g.out = append(g.out, '"')
	for _, r := range s {
		switch {
		case g.rand.IntN(10) > 0 && r >= ' ' && r != '"' && r != '\\':
			g.out = append(g.out, string(r)...)
		case r > 0xffff:
			a, b := utf16.EncodeRune(r)
			g.out = fmt.Appendf(g.out, "\\u%04x\\u%04X", a, b)
		case r == '/' || r == '"' || r == '\\':
			g.out = append(g.out, '\\', byte(r))
		default:
			g.out = fmt.Appendf(g.out, pick(g.rand, []string{"\\u%04x", "\\u%04X"}), r)
		}
	}
	g.out = append(g.out, '"')
}

func (g *generator) value(depth int) {
	g.space()
	k := g.rand.IntN(10)
	switch {
	case k < 2 && depth > 0:
		g.list('[', ']', g.rand.IntN(4), func(int) { g.value(depth - 1) })
	case k < 4 && depth > 0:
		from := g.rand.IntN(len(genNames))
		g.list('{', '}', g.rand.IntN(4), func(i int) {
			g.member(genNames[(from+i*7)%len(genNames)], func() { g.value(depth - 1) })
		})
	case k < 6:
		g.out = append(g.out, pick(g.rand, genNumbers)...)
	case k < 7:
		g.out = append(g.out, pick(g.rand, []string{"true", "false", "null"})...)
	default:
		g.text(pick(g.rand, genTexts))
	}
	g.space()
}

func (g *generator) list(opening, closing byte, n int, item func(int)) {
	g.out = append(g.out, opening)
	for i := range n {
		if i > 0 {
			g.out = append(g.out, ',')
		}
		item(i)
	}
	g.space()
	g.out = append(g.out, closing)
}

func (g *generator) member(name string, value func()) {
	g.space()
	g.text(name)
	g.space()
	g.out = append(g.out, ':')
	value()
}

// message makes a request with members in any order, some missing, some strange.
func (g *generator) message() []byte {
	g.out = g.out[:0]
	members := map[string]func(){
		"jsonrpc": func() { g.text("2.0") },
		"id":      func() { g.value(0) },
		"method":  func() { g.text(pick(g.rand, genTexts)) },
		"params": func() {
			g.list('{', '}', 3, func(i int) {
				g.member(pick(g.rand, [][]string{{"name", "a"}, {"arguments"}, genNames}[i : i+1][0]), func() { g.value(4) })
			})
		},
	}
	order := []string{"jsonrpc", "id", "method", "params", pick(g.rand, genNames)}
	g.rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	order = order[g.rand.IntN(2):]
	g.list('{', '}', len(order), func(i int) {
		value, ok := members[order[i]]
		if !ok {
			value = func() { g.value(3) }
		}
		g.member(order[i], value)
	})
	return g.out
}

// mutate changes, drops, doubles or inserts a few bytes.
func mutate(r *rand.Rand, src []byte) []byte {
	b := append([]byte(nil), src...)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b) + 1)
		to := min(len(b), at+r.IntN(8))
		switch r.IntN(4) {
		case 0:
			b = append(b[:at:at], b[to:]...)
		case 1:
			b = append(b[:to:to], b[at:]...)
		case 2:
			insert := pick(r, []string{" ", ",", ":", "\"", "\\", "{", "}", "[", "]", "0", "e", ".", "-", "\\u0000", "\\ud800", "\xff", "\x00", "null"})
			b = append(append(append([]byte(nil), b[:at]...), insert...), b[at:]...)
		case 3:
			if at < len(b) {
				b[at] ^= byte(1 << r.IntN(8))
			}
		}
	}
	return b
}

// addSeeds gives a fuzz target the hostile table, the benchmark messages and some
// generated ones.
func addSeeds(f *testing.F, add func(src []byte)) {
	for _, c := range hostileCases(f) {
		if len(c.src) < 1<<10 {
			add(c.src)
		}
	}
	add(read(f, "call_1k.json"))
	g := generator{rand: rand.New(rand.NewPCG(1, 2))}
	for range 200 {
		add(append([]byte(nil), g.message()...))
	}
}
