package source

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCommentsAreTold(t *testing.T) {
	text := "# top\na: b # after b\nc: 'x # not' # after c\nd: \"e # not\"\n  # own\ne: | # of the block\n  # not\n  x # not\nf: {g: h} # after f\ni: x#not\n\"k # not\": 1\n#"
	var got []string
	for _, c := range Comments("f", []byte(text)) {
		got = append(got, fmt.Sprintf("%d:%d+%d %t %s", c.Pos.Line, c.Pos.Column, c.Pos.Width, c.Own, c.Text))
	}
	want := []string{
		"1:1+5 true # top", "2:6+9 false # after b", "3:14+9 false # after c", "5:3+5 true # own", "6:6+14 false # of the block",
		"9:11+9 false # after f", "12:1+1 true #",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if Comments("f", []byte("a: [")) != nil {
		t.Error("comments of what is no YAML")
	}
}

func TestTidy(t *testing.T) {
	for text, want := range map[string]string{
		"a: b  \r\nc: d\t":             "a: b\nc: d\n",
		"a: b\n\n\n":                   "a: b\n",
		"# c  \n\na: 'x  '  \n":        "# c\n\na: 'x  '\n",
		"a: |\n  x  \n  y\nb: c  \n":   "a: |\n  x  \n  y\nb: c\n",
		"a: >\n  x\n   \n  y  \nb: c ": "a: >\n  x\n   \n  y  \nb: c\n",
		"a: |+\n  x\n\n":               "a: |+\n  x\n\n",
		"a: [  \n":                     "a: [  \n",
		"\ufeffa: b \n":                "a: b\n",
		"a: \"x \\\n  y\" \n":          "a: \"x \\\n  y\"\n",
	} {
		got := string(Tidy("f", []byte(text)))
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if again := string(Tidy("f", []byte(got))); again != got {
			t.Errorf("%q: %q is tidied again, to %q", text, got, again)
		}
	}
}

// Whatever is tidied says the same.
func FuzzTidy(f *testing.F) {
	for _, text := range []string{"a: b  \nc: |\n  d  \n", "- x\n- 'y  '\n", "a: >-\n  b  \n\n  c\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before, ds := Parse("f", data)
		if ds.HasErrors() {
			return
		}
		tidy := Tidy("f", data)
		after, ds := Parse("f", tidy)
		if ds.HasErrors() || !same(before, after) {
			t.Errorf("%q became %q", data, tidy)
		}
		if again := Tidy("f", tidy); string(again) != string(tidy) {
			t.Errorf("%q becomes %q becomes %q", data, tidy, again)
		}
	})
}

func TestSameTellsFilesApart(t *testing.T) {
	parse := func(text string) []*Node { roots, _ := Parse("f", []byte(text)); return roots }
	base := "a: b\nc: [1, 2]\n"
	for text, want := range map[string]bool{
		"{a: 'b', c: [1, 2]} # x": true, "a: b\nc: [2, 1]\n": false, "a: b\nd: [1, 2]\n": false, "a: b\n": false, "a: b\nc: ['1', 2]\n": false,
		"a: b\nc: [1, 2]\n---\nx: y\n": false, "c: [1, 2]\na: b\n": false,
	} {
		if got := same(parse(base), parse(text)); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestApply(t *testing.T) {
	got := Apply([]byte("abcdef"), []Change{{4, 5, "E"}, {0, 1, ""}, {2, 2, "+"}, {2, 2, "-"}, {4, 6, "lost"}, {5, 9, "beyond"}})
	if string(got) != "b+-cdEf" {
		t.Errorf("%s", got)
	}
}

// What Range gives is what the text holds there.
func TestRangeIsWhereTheTextStands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[a-d \x{e9}"'\\]{1,12}`).Draw(t, "value")
		quoted := "'" + strings.ReplaceAll(value, "'", "''") + "'"
		if rapid.Bool().Draw(t, "double") {
			quoted = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
		}
		data := rapid.SampledFrom([]string{"", "\ufeff", "# \u00e9\n"}).Draw(t, "before") + "key: " + quoted + "\n"
		roots, ds := Parse("f", []byte(data))
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		text := roots[0].Get("key").Text()
		from := rapid.IntRange(0, len(value)-1).Draw(t, "from")
		to := rapid.IntRange(from+1, len(value)).Draw(t, "to")
		first, end, ok := text.Range(from, to)
		if ok && data[first:end] != value[from:to] {
			t.Errorf("%q: %q is not %q", data, data[first:end], value[from:to])
		}
		if plain := strings.Trim(value[from:to], "abcd ") == ""; plain && !ok {
			t.Errorf("%q: no place of %q", data, value[from:to])
		}
	})
}

func TestLinesAndOffsets(t *testing.T) {
	data := []byte("\u00e9a\nb\nc")
	for line, want := range map[int]string{1: "\u00e9a\n", 2: "b\n", 3: "c", 4: "c"} {
		if from, to := Line(data, line); string(data[from:to]) != want {
			t.Errorf("line %d: %q", line, data[from:to])
		}
	}
	if at := Offset(data, Pos{Line: 1, Column: 2}); at != 2 {
		t.Error(at)
	}
}
