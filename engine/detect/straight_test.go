package detect_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/detect"
)

// Expressions, and whether they are straight.
var straights = map[string]bool{
	`ab_[a-z]{3}`:                       true,
	`\b(gh[pousr]_[0-9A-Za-z]{36,})\b`:  true,
	`\b(?:ab|ac|xyz)k[0-9]{2,}\b`:       true,
	`(?i)key["']?\s{0,3}=\s*(\w+)`:      true,
	`^[^0-9]*$`:                         true,
	`(a|ab)(c|bcd)(d*)`:                 true,
	`(x)?y`:                             true,
	`[^a]\z`:                            true,
	`[a-z-]+\b`:                         false, // may have to end before its last -
	`[a-z]*\b`:                          false,
	`a*ab`:                              false,
	`a*b?a`:                             false,
	`(?:ab)+`:                           false,
	`a*?b`:                              false,
	`a\B`:                               false,
	`(?m)a$`:                            false,
	`\pL`:                               false,
	`a*^b`:                              false,
	`(?:a|b|c|d)?(?:ee|f)?(?:gg|h)?x*y`: true,
	strings.Repeat(`(?:aa|b|cc)`, 5):    false, // has 243 ways
}

func TestStraight_isWhatIsNeverTriedTwice(t *testing.T) {
	for expr, want := range straights {
		if _, got := detect.Straight(expr, "", 0); got != want {
			t.Errorf("%s: %v, want %v", expr, got, want)
		}
	}
}

// sameAt holds an expression's matches at every place of a text to regexp's, if it is straight.
func sameAt(t interface{ Errorf(string, ...any) }, expr, text string) {
	for at, n := 0, 0; at <= len(text) && n < 500; n++ {
		got, known := detect.Straight(expr, text, at)
		if !known {
			return
		}
		want := regexp.MustCompile(fmt.Sprintf(`\A(?s:.){%d}(?:%s)`, n, expr)).FindStringSubmatchIndex(text)
		if want != nil {
			want[0] = at
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s at %d of %q: got %v, want %v", expr, at, text, got, want)
			return
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += max(size, 1)
	}
}

// expression draws what is often straight, and never costs regexp much.
func expression(t *rapid.T, depth int) string {
	one := rapid.SampledFrom([]string{
		"a", "b", "ab", "_", "-", "[ab]", "[a-c_]", "[^a]", `\w`, `\d`, `\s`, ".", "(?s:.)", "(?i:b)", "(?i:[a-b])", "\u00e9", `[^\n-]`,
	})
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1:
		if depth > 0 {
			return "(" + expression(t, depth-1) + ")"
		}
		return one.Draw(t, "one")
	case 2:
		if depth > 0 {
			return "(?:" + expression(t, depth-1) + "|" + expression(t, depth-1) + ")"
		}
		return `\b`
	case 3:
		if depth > 0 {
			return "(?:" + expression(t, depth-1) + ")?"
		}
		return "$"
	case 4, 5, 6:
		if depth > 0 {
			return expression(t, depth-1) + expression(t, depth-1)
		}
		return one.Draw(t, "one")
	default:
		return rapid.SampledFrom([]string{"a", "b", "[ab]", "[^b]", ".", `\w`, "-"}).Draw(t, "of") + rapid.SampledFrom([]string{"*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?"}).Draw(t, "times")
	}
}

func TestStraight_matchesWhatRegexpDoes(t *testing.T) {
	text := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab", "aab", "c", "_", "-", "B", "7", " ", "\n", "\u00e9", "\u4e16", "\xc3", "\xff"}), 0, 12),
		func(p []string) string { return strings.Join(p, "") })
	rapid.Check(t, func(rt *rapid.T) {
		sameAt(rt, expression(rt, 4), text.Draw(rt, "text"))
	})
	for expr := range straights {
		sameAt(t, expr, "xab_abc abk12 ghp_"+strings.Repeat("x7", 20)+". KEY ='v1' abcd y 12 acd")
	}
}
