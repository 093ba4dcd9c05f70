package enginetest

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// literals draws numbers that doubles don't tell apart, each in many spellings.
func literals() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		digits := rapid.SampledFrom([]string{
			"0", "1", "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740994", "9223372036854775807", "9223372036854775808",
			"18446744073709551615", "18446744073709551616", "123456789012345678901234567890",
		}).Draw(t, "digits")
		text := digits
		zeros := rapid.IntRange(0, 3).Draw(t, "zeros")
		switch rapid.IntRange(0, 3).Draw(t, "spelling") {
		case 0:
			text += "." + strings.Repeat("0", zeros+1)
		case 1:
			if digits == "0" {
				zeros = 0
			}
			text += strings.Repeat("0", zeros) + fmt.Sprintf("e-%d", zeros)
		case 2:
			text = digits[:1] + "." + digits[1:] + strings.Repeat("0", zeros+1) + fmt.Sprintf("E+%02d", len(digits)-1)
		}
		return rapid.SampledFrom([]string{"", "", "-"}).Draw(t, "sign") + text
	})
}

func TestSameNumber_isExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := literals().Draw(t, "a"), literals().Draw(t, "b")
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		if got, want := sameNumber(number(t, a), number(t, b)), x.Cmp(y) == 0; got != want {
			t.Errorf("%s and %s: got %v, want %v", a, b, got, want)
		}
	})
	const huge = "99999999999999999999"
	for pair, want := range map[[2]string]bool{
		{"1e-" + huge, "1e-" + huge}: true, {"1e-" + huge, "2e-" + huge}: false, {"1e-" + huge, "1e-9" + huge}: false, {"1e-" + huge, "0"}: false,
		{"0e" + huge, "-0"}: true, {"1e-400", "1e-500"}: false, {"10e-401", "1e-400"}: true, {"0.1", "1e-1"}: true, {"0.010", "1E-2"}: true, {"0.1", "-0.1"}: false,
	} {
		if got := sameNumber(number(t, pair[0]), number(t, pair[1])); got != want {
			t.Errorf("%s and %s: got %v, want %v", pair[0], pair[1], got, want)
		}
	}
}

func number(t rapid.TB, text string) jsonscan.Value {
	var d jsonscan.Doc
	if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatal(text, err)
	}
	return d.Root()
}
