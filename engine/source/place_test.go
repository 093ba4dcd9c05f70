package source

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// scalars calls visit for every scalar below n, names of fields included.
func scalars(n *Node, visit func(*Node)) {
	for k, v := range n.Fields() {
		visit(k)
		scalars(v, visit)
	}
	for _, v := range n.Items() {
		scalars(v, visit)
	}
	if k := n.Kind(); k != Map && k != List && k != Absent {
		visit(n)
	}
}

// mark returns the part of a file that a place covers.
func mark(data string, line, col, width int) string {
	r := []rune(strings.TrimSuffix(strings.Split(strings.TrimPrefix(data, "\ufeff"), "\n")[line-1], "\r"))
	from := min(col-1, len(r))
	return string(r[from:min(from+width, len(r))])
}

func TestTextAtFindsWordsInEveryStyle(t *testing.T) {
	for _, tt := range []struct {
		name, yaml, word string
		line, col        int // of the word in the value, as cel-go gives it
		want             string
	}{
		{"plain", "when: a.b == c\n", "c", 1, 7, "1:14 c"},
		{"plain over lines", "when: a.b ==\n  c &&\n\n  d\n", "d", 2, 0, "4:3 d"},
		{"single quoted", "when: 'it''s == word'\n", "word", 1, 8, "1:17 word"},
		{"double quoted", `when: "a == \"x\" && word"` + "\n", "word", 1, 12, "1:22 word"},
		{"an escape is as wide as it is written", `when: "a == \"x\" && word"` + "\n", `"x"`, 1, 5, `1:13 \"x\"`},
		{"escapes of code points", `when: "\u00e9\U0001F600\x41 word"` + "\n", "word", 1, 4, "1:29 word"},
		{"double quoted over lines", "when: \"a\n  b \\\n  \\ word\"\n", "word", 1, 5, "3:5 word"},
		{"literal", "when: |\n  a &&\n    count > 1\n", "count", 2, 2, "3:5 count"},
		{"literal with header and comment", "a:\n  when: |2- # why\n      a &&\n    word\n", "word", 2, 0, "4:5 word"},
		{"literal with blank lines", "when: |\n\n\n  a\n\n  word\n", "word", 5, 0, "6:3 word"},
		{"folded", "when: >-\n  a == b ||\n  word = c\n", "word", 1, 10, "3:3 word"},
		{"folded with deeper lines", "when: >\n  a\n    b\n  c\n  word\n", "word", 3, 2, "5:3 word"},
		{"folded after blank line", "when: >\n  a\n\n  word\n", "word", 2, 0, "4:3 word"},
		{"wide characters count once", "when: '\u65e5\u672c == word'\n", "word", 1, 6, "1:14 word"},
		{"crlf", "when: |\r\n  a &&\r\n  word\r\n", "word", 2, 0, "3:3 word"},
		{"anchor", "when: &x word\n", "word", 1, 0, "1:10 word"},
		{"alias points at what it repeats", "a: &x word\nwhen: *x\n", "word", 1, 0, "1:7 word"},
		{"in a list", "- a\n- b: c\n  when: >-\n    word\n", "word", 1, 0, "4:5 word"},
		{"byte order mark", "\ufeffwhen: word\n", "word", 1, 0, "1:7 word"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			roots, ds := Parse("f.yaml", []byte(tt.yaml))
			if len(ds) > 0 {
				t.Fatal(ds)
			}
			text := roots[0].Get("when").Text()
			for _, path := range []string{"a", "1"} {
				if n := roots[0].Find(path).Get("when"); n != nil {
					text = n.Text()
				}
			}
			if line := strings.Split(text.Value, "\n")[tt.line-1]; !strings.HasPrefix(string([]rune(line)[tt.col:]), tt.word) {
				t.Fatalf("the test is wrong: %q is not at %d:%d of %q", tt.word, tt.line, tt.col, text.Value)
			}
			line, col, width := text.At(tt.line, tt.col, utf8.RuneCountInString(tt.word))
			got := Pos{Line: line, Column: col}
			if s := posString(got) + " " + mark(tt.yaml, line, col, width); s != tt.want {
				t.Errorf("%s, want %s", s, tt.want)
			}
		})
	}
}

func posString(p Pos) string {
	return strings.TrimSuffix(Diagnostic{Line: p.Line, Column: p.Column}.String(), ": error[]: ")[1:]
}

func TestTextAtPastTheEnd(t *testing.T) {
	for yaml, want := range map[string]string{
		"when: a ==\n":          "1:11",
		"when: 'a =='\n":        "1:12",
		"when: |\n  a ==\n":     "2:7",
		"when: >-\n  a\n  ==\n": "3:5",
		"when: ''\n":            "1:7",
	} {
		roots, ds := Parse("f.yaml", []byte(yaml))
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		text := roots[0].Get("when").Text()
		lines := strings.Split(strings.TrimSuffix(text.Value, "\n"), "\n")
		last := lines[len(lines)-1]
		if got := posString(text.PosAt(len(lines), len(last), 1)); got != want {
			t.Errorf("%q: %s, want %s", yaml, got, want)
		}
	}
}

func TestReplacedTextKeepsItsPlace(t *testing.T) {
	roots, _ := Parse("f.yaml", []byte("url: \"${HOST}/x\"\n"))
	n := roots[0].Get("url")
	n.Replace("http://a-much-longer-host.example/x")
	want := Pos{File: "f.yaml", Line: 1, Column: 6, Width: 11}
	if got := n.Text().PosAt(1, 20, 4); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Every scalar that the YAML parser accepts is read the same way again by the code that finds places in it, and every place is
// inside the file and in order.
func FuzzPlaces(f *testing.F) {
	for _, seed := range []string{
		"a: b\n", "a: 'x''y'\n", "a: \"\\u00e9\\\n  b\\tc\"\n", "a: |\n  x\n\n   y\n", "a: >+\n  x\n  y\n\n   z\n\n", "a: >2-\n   x\n  y\n",
		"- - a\n  - b\n    c\n\n    d\n", "{a: [b, 'c'], \"d\": e}\n", "a: &x\n  # c\n  b\nc: *x\n", "a: \"x  \n\n  y\"\n", "? |\n  a\n: b\n",
		"a: b # c\n", "%YAML 1.2\n---\na: b\n...\n---\nc\n", "a: |\n \t\n  b\n", "a: >\r\n  b\r\n  c\r\n", "--- |\n a\n", "--- >1\n b\n c", "a: |+\n  \n", "a: >\n\n\n", "- |\n\n  a\n \n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		roots, ds := Parse("f.yaml", []byte(data))
		lines := strings.Split(data, "\n")
		for _, d := range ds {
			if d.Line < 1 || d.Line > len(lines) || d.Column < 1 || d.Column > utf8.RuneCountInString(lines[d.Line-1])+2 || d.Width < 1 {
				t.Errorf("outside the file: %s", d)
			}
		}
		for _, root := range roots {
			scalars(root, func(n *Node) {
				ps := n.places(n.value)
				if len(ps) != utf8.RuneCountInString(n.value) {
					t.Errorf("%q at %v is not read again (%d places)", n.value, n.Pos(), len(ps))
				}
				if !slices.IsSortedFunc(ps, func(a, b place) int { return (a.line-b.line)*1_000_000 + a.col - b.col }) {
					t.Errorf("%q: places out of order: %v", n.value, ps)
				}
			})
		}
	})
}
