package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
)

// What needs an escape is found wherever it stands: texts are read 32 bytes at a time, then 8, then one by one.
func TestAppendQuote_findsEscapesAnywhere(t *testing.T) {
	for size := range 75 {
		for at := range size {
			for _, c := range []string{`"`, `\`, "\x00", "\n", "\x1f", " ", "!", "\x7f", "\u00e9", "\u2028"} {
				text := strings.Repeat("a", at) + c + strings.Repeat("b", size-at-1)
				quoted := AppendQuote(nil, text)
				var back string
				if err := json.Unmarshal(quoted, &back); err != nil || back != text {
					t.Fatalf("%q is written as %s: %v", text, quoted, err)
				}
				if escaped := strings.Contains(string(quoted), `\`); escaped != (c < " " || c == `"` || c == `\`) {
					t.Fatalf("%q is written as %s", text, quoted)
				}
			}
		}
	}
}
