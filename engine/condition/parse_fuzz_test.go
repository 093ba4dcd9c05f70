package condition

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cel.dev/cel-go/common"
	"github.com/google/go-cmp/cmp"
)

// tokens are what expressions are written with.
var tokens = []string{
	" ", "a", "b", ".", ",", "(", ")", "[", "]", "{", "}", "?", ":", "!", "-", "+", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "in", " in ", "&&", "||",
	"true", "false", "null", "1", "0x1", "1u", "1.5", "9223372036854775808", "9223372036854775807", "0xFFu", "1e3", ".5", "e5", "x", "u", "0",
	`"s"`, `'`, `"`, `'''`, `"""`, `\`, `r`, `b`, `br`, `R"\d"`, `b'\xff'`, `\n`, `\u00e9`, `\377`, "`", "`a-b`", "for", "package", "as", "\n", "\r\n", "\t", "\f",
	"//", "// c\n", "has(", "a.b", ".all(a, ", ".map(a, ", ".exists(a, b, ", "cel.bind(a, ", ".filter(b, ", ".existsOne(a, ", ".optMap(a, ", ".transformMap(a, b, ",
	"math.greatest(", ".?", "[?", "{?", "a{", "a: ", "\"k\": ", "f(", ".f(", "@result", "__result__", "\u00e9", "\u00a0", "\x00", "\ufeff", "_", "$", "&", "|", "=",
	".format([", "optional.of(", "1: ", "a ? b : ", "(a", "a)", "[a]", "{}", "[]", "()",
}

// What the newer parser reads and may answer for, the environment's own reads, and reads the same. A text is as it comes, and one of tokens.
func FuzzParseAlike(f *testing.F) {
	for i, text := range wellFormed {
		f.Add(text, []byte{byte(i), byte(3 * i), byte(7 * i), byte(11 * i)})
	}
	for _, text := range append(shipped(f), strings.Repeat("a + a * {1: ", maxOpened)+"1"+strings.Repeat("}", maxOpened), "0X1", `rb"a"`, "--1", "!-1", "a?.5:1") {
		f.Add(text, []byte(nil))
	}
	env, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, picks []byte) {
		if len(text) > 512 || len(picks) > 64 {
			return
		}
		isReadAlike(t, env, text)
		var b strings.Builder
		for _, i := range picks {
			b.WriteString(tokens[int(i)%len(tokens)])
		}
		isReadAlike(t, env, b.String())
	})
}

// shipped are the conditions of the policies that come with the program.
func shipped(tb testing.TB) (all []string) {
	tb.Helper()
	files, err := filepath.Glob("../../policies/*/*.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if _, when, ok := strings.Cut(line, "when: "); ok {
				all = append(all, strings.Trim(when, "'\r\n"))
			}
		}
	}
	return all
}

func isReadAlike(t *testing.T, env *Env, text string) {
	t.Helper()
	if disputed(text) {
		return
	}
	got, errs := env.parser.Parse(common.NewTextSource(text))
	if len(errs.GetErrors()) > 0 {
		return
	}
	want, issues := env.phases[0].Parse(text)
	if issues.Err() != nil {
		t.Fatalf("%q is read, though it has a mistake: %v", text, issues)
	}
	if diff := cmp.Diff(drawn(want.NativeRep()), drawn(got)); diff != "" {
		t.Fatalf("%q:\n%s", text, diff)
	}
}
