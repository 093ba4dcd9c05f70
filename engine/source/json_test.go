package source

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParseJSON(t *testing.T) {
	n, ds := ParseJSON("f", []byte("\ufeff// settings\n{\n  \"a\": [1, -2.5e3, true, null, \"\\u00e9\\ud83d\\ude00\\n\", ],\n  /* more\n  */ \"b\": {\"c\": \"x\"}, // end\n}\n"))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	want := map[string]any{"a": []any{1.0, -2500.0, true, nil, "\u00e9\U0001F600\n"}, "b": map[string]any{"c": "x"}}
	if diff := cmp.Diff(want, n.Any()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := n.Find("b", "c").Pos(), (Pos{File: "f", Line: 5, Column: 17, Width: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestParseJSONRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": 1, "a": 2}`:      "f:1:10: error[SP1005]: `a` is given twice; remove one",
		`{a: 1}`:                "f:1:2: error[SP1001]: a name in double quotes was expected here",
		`{"a" 1}`:               "f:1:6: error[SP1001]: a `:` was expected here",
		`[1 2]`:                 "f:1:4: error[SP1001]: a `,` or `]` was expected here",
		`{"a": 1`:               "f:1:8: error[SP1001]: a `,` or `}` was expected here",
		`[01]`:                  "f:1:2: error[SP1001]: a JSON value was expected here; text must be in double quotes",
		`"\x41"`:                "f:1:3: error[SP1001]: unknown escape; write \\\\ for a backslash",
		`"\ud800"`:              "f:1:8: error[SP1001]: unknown escape; write \\\\ for a backslash",
		"\"a\nb\"":              "f:1:3: error[SP1001]: the text that began before is not closed on its line",
		`1 2`:                   "f:1:3: error[SP1001]: nothing can follow the value",
		strings.Repeat("[", 70): "f:1:66: error[SP1008]: too many values, or too deep inside each other",
		"{\"a\": \"\xff\"}":     "f:1:8: error[SP1007]: a byte that is not UTF-8 is not accepted; remove it, or write it as an escape inside double quotes",
		`[` + strings.Repeat("1,", 200_001) + `]`: "f:1:400000: error[SP1008]: too many values, or too deep inside each other",
	} {
		if _, ds := ParseJSON("f", []byte(text)); ds.Error() != want {
			t.Errorf("%.40q: %v\nwant %s", text, ds, want)
		}
	}
}

// What both read, encoding/json reads the same.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,true,null,"\u00e9"]}`, `[]`, `"\ud83d\ude00"`, "{ // c\n}", `[1,]`, `-0`, `1e400`, `"\/\b"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		n, ds := ParseJSON("f", []byte(data))
		lines := strings.Split(data, "\n")
		for _, d := range ds {
			if d.Line < 1 || d.Line > len(lines) || d.Column < 1 || d.Column > utf8.RuneCountInString(lines[d.Line-1])+2 {
				t.Errorf("outside the file: %s", d)
			}
		}
		var want any
		if len(ds) > 0 || n == nil || json.Unmarshal([]byte(data), &want) != nil {
			return
		}
		if diff := cmp.Diff(want, n.Any()); diff != "" {
			t.Errorf("(-json +ours):\n%s", diff)
		}
		scalars(n, func(s *Node) {
			if len(s.places(s.value)) != utf8.RuneCountInString(s.value) {
				t.Errorf("%q at %v is not read again", s.value, s.Pos())
			}
		})
	})
}
