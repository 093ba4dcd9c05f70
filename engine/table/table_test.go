package table_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/table"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ file, text, key, want string }{
		{"t.json", `{"ann": "acme", "b\u006fb": {"x": [1, 2.50]}}`, "bob", `{"x": [1, 2.50]}`},
		{"t.json", `{"ann": "acme"}`, "ann", `"acme"`},
		{"t.json", `{"ann": "acme"}`, "Ann", ``},
		{"t.json", ` {} `, "", ``},
		{"t.yaml", "ann: acme\nbob: { x: [1, 2.50, null, true] }\n", "bob", `{"x":[1,2.50,null,true]}`},
		{"t.yml", "\"7\": 'a\"b'\n", "7", `"a\"b"`},
		{"t.csv", "user,tenant,role\nann,acme,\"a, b\"\nbob,umbrella,\n", "ann", `{"tenant":"acme","role":"a, b"}`},
		{"t.CSV", "user\nann\n", "ann", `{}`},
	} {
		got, found := table.Parse(c.file, []byte(c.text))
		if len(found) > 0 {
			t.Errorf("%s: %v", c.text, found)
			continue
		}
		if v := got.Lookup(c.key); string(v.Raw()) != c.want {
			t.Errorf("%s: %q has %s, want %s", c.text, c.key, v.Raw(), c.want)
		}
	}
}

func TestParse_diagnostics(t *testing.T) {
	long := strings.Repeat("k", 1025)
	for _, c := range []struct{ file, text, want string }{
		{"t.json", "{\"a\": 1,\n \"\u00e4\": 2, \"\\u0061\": 3}", "t.json:2:10: error[SP6004]: a key stands twice; remove one of them"},
		{"t.json", `{"a": {"b": 1, "b": 1}}`, "t.json:1:16: error[SP6004]: a key stands twice; remove one of them"},
		{"t.json", `{"a": 1} x`, "t.json:1:10: error[SP6004]: not JSON: json: "},
		{"t.json", `["a"]`, "t.json:1:1: error[SP6004]: a table is an object, this is of the type array; write {\"key\": value, ...}"},
		{"t.json", `{"a": 1, "` + long + `": 2}`, "t.json:1:10: error[SP6004]: a key is longer than 1024 bytes; no plugin could ask for it"},
		{"t.yaml", "a: 1\nb: 2\na: 3\n", "t.yaml:3:1: error[SP1005]"},
		{"t.yaml", "- a\n", "t.yaml:1:1: error[SP6004]: a table is one mapping; write a line `key: value` for each key"},
		{"t.yaml", "a: 1\n---\nb: 1\n", "t.yaml:1:1: error[SP6004]: a table is one mapping; write a line `key: value` for each key"},
		{"t.yaml", "a: 0x1f\n", "t.yaml:1:4: error[SP6004]: `0x1f` is not a number that JSON has; write it in decimal, or put it in quotes"},
		{"t.yaml", "a: 1\n" + long + ": 2\n", "t.yaml:2:1: error[SP6004]: a key is longer than 1024 bytes; no plugin could ask for it"},
		{"t.yaml", "apiVersion: sallyport/v1\nkind: Policy\n", "t.yaml:2:7: error[SP6004]: this is no table; what lies in `tables` is one: put the file elsewhere"},
		{"t.csv", "user,tenant\nann,acme\nbob,acme\nann,x\n", "t.csv:4:1: error[SP6004]: the key `ann` stands on line 2 already; remove one of them"},
		{"t.csv", "user,a,a\n", "t.csv:1:8: error[SP6004]: the column `a` has no name, or another's; the first line names the columns"},
		{"t.csv", "user,a\nann\n", "t.csv:2:1: error[SP6004]: wrong number of fields; the first line names the columns, every other has as many"},
		{"t.csv", "", "t.csv:1:1: error[SP6004]: the table is empty; the first line names the columns, every other has as many"},
		{"t.csv", "a,b\n\xff,1\n", "t.csv:1:1: error[SP6004]: not UTF-8"},
	} {
		got, found := table.Parse(c.file, []byte(c.text))
		if got != nil || len(found) != 1 || !strings.HasPrefix(found[0].String(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, found, c.want)
		}
	}
}

func TestTable_digest(t *testing.T) {
	a, _ := table.Parse("t.json", []byte(`{"a":1}`))
	b, _ := table.Parse("t.json", []byte(`{"a":2}`))
	if a.Digest() == b.Digest() || !strings.HasPrefix(a.Digest(), "sha256:") || a.Len() != 1 {
		t.Error(a.Digest(), b.Digest(), a.Len())
	}
}

// Whatever a file holds, there is a table or a diagnostic at a place of it.
func FuzzParse(f *testing.F) {
	f.Add(".json", `{"a": [1, {"b": null}]}`)
	f.Add(".yaml", "a: &x { b: 1 }\nc: *x\n")
	f.Add(".csv", "a,b\n\"1\n2\",3\n")
	f.Fuzz(func(t *testing.T, ext, text string) {
		got, found := table.Parse("t"+ext, []byte(text))
		if (got == nil) != (len(found) > 0) {
			t.Errorf("a table and diagnostics, or neither: %v", found)
		}
		for _, d := range found {
			if d.Line < 1 || d.Line > strings.Count(text, "\n")+strings.Count(text, "\r")+2 || d.Column < 1 {
				t.Errorf("no such place: %v", d)
			}
		}
	})
}

func TestParse_boundsWhatAliasesStandFor(t *testing.T) {
	const size = 1 << 20
	text := "a: &x " + strings.Repeat("y", size) + "\nl: ["
	for n, want := range map[int]bool{20: true, 40: false} {
		got, found := table.Parse("t.yaml", []byte(text+strings.Repeat("*x, ", n)+"]\n"))
		if (got != nil) != want || want == found.HasErrors() {
			t.Error(n, found)
		}
		if !want && (len(found) != 1 || found[0].Code != "SP6004") {
			t.Error(n, found)
		}
	}
}
