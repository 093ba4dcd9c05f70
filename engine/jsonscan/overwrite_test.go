package jsonscan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Overwrite leaves is what a scan of the changed bytes makes, and writes the same: only of a container that was not plain
// it may not know that it is plain now.
func overwrites(t *testing.T, src, text string, at int) {
	t.Helper()
	d, again := new(Doc), new(Doc)
	b := []byte(src)
	if d.Scan(b, Options{}) != nil {
		return
	}
	var v Value
	for i := range d.nodes {
		if n := &d.nodes[i]; n.kind == String && n.flags&flagName == 0 && (at == 0 || !v.Exists()) {
			v, at = d.Root().at(uint32(i)), at-1
		}
	}
	if !v.Overwrite(text) {
		if string(b) != src {
			t.Fatalf("a refused Overwrite has changed %q to %q", src, b)
		}
		return
	}
	if v.Text() != text || len(b) != len(src) {
		t.Fatalf("%q with %q in it reads %q: %s", src, text, v.Text(), b)
	}
	if err := again.Scan(b, Options{}); err != nil {
		t.Fatalf("%q became %q: %v", src, b, err)
	}
	for i := range d.nodes {
		if n := &again.nodes[i]; n.kind == Object || n.kind == Array {
			n.flags &^= flagPlain &^ d.nodes[i].flags
		}
	}
	if got, want := string(d.Root().AppendTo(nil)), string(again.Root().AppendTo(nil)); got != want {
		t.Fatalf("%q became %q, which is written as %s; wanted %s", src, b, got, want)
	}
	if diff := cmp.Diff(again.nodes, d.nodes, cmp.AllowUnexported(node{})); diff != "" {
		t.Fatalf("%q became %q, whose tape differs (-scanned +changed):\n%s", src, b, diff)
	}
}

var overwriteCases = []struct {
	src, text string
	at        int
}{
	{`{"a":{"name":"files__read","x":[1,{"y":"z"}]},"b":"c"}`, "read", 0},
	{`{"a":{"name":"files__read","x":[1,{"y":"z"}]},"b":"c"}`, "z", 1},
	{`{"a":{"name":"read"}}`, "read", 0},
	{`{"a":{"name":"read"}}`, "reads", 0},
	{`["a\u0041b"]`, "Ab", 0},
	{`["\u00e9\u00e9"]`, "\u00e9", 0},
	{`["0\u00200"]`, "00000000", 0},
	{`["abcdef"]`, `a"b`, 0},
	{`["abcdef"]`, "a\xff", 0},
	{`"abcdef"`, "", 0},
	{`[["a"],[["bcd"]],["e"]]`, "d", 1},
	{`{"a":1,"abcdef":"x"}`, "", 0},
	{`[1]`, "", 0},
}

func TestOverwrite(t *testing.T) {
	for _, c := range overwriteCases {
		overwrites(t, c.src, c.text, c.at)
	}
	var d Doc
	if err := d.Scan([]byte(`{"name":"files__read_file"}`), Options{}); err != nil {
		t.Fatal(err)
	}
	v := d.Root().Get("name")
	_, own, _ := strings.Cut(v.Text(), "__")
	if !v.Overwrite(own) || string(d.Root().AppendTo(nil)) != `{"name":"read_file"}` {
		t.Errorf("a part of the text in its own place gives %s", d.Root().AppendTo(nil))
	}
	if v := d.Root().Cursor(); !v.Next() || v.Name().Overwrite("x") {
		t.Error("a member's name was overwritten")
	}
}

func FuzzOverwrite(f *testing.F) {
	for _, c := range overwriteCases {
		f.Add(c.src, c.text, c.at)
	}
	f.Fuzz(overwrites)
}
