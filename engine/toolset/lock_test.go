package toolset

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// listed is the tools of a server as a list in JSON gives them.
func listed(t testing.TB, server, text string) Listed {
	t.Helper()
	doc := new(jsonscan.Doc)
	if err := doc.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	s := Listed{Server: server}
	for tool := range doc.Root().Elems() {
		s.Tools = append(s.Tools, tool)
	}
	return s
}

func encoded(t testing.TB, servers ...Listed) string {
	t.Helper()
	text, err := Encode(servers)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parsed(t testing.TB, text string) *Lock {
	t.Helper()
	l, ds := Parse(FileName, []byte(text))
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	return l
}

func TestALockIsTheSameHoweverServersOrderThings(t *testing.T) {
	a := []Listed{
		listed(t, "b", `[{"name": "two", "inputSchema": {"type": "object", "properties": {"x": {"enum": [1.0, 9007199254740993]}, "a": true}}, "icons": [1], "_meta": {"n": 1}},
			{"name": "one", "title": null, "description": "Gr\u00fc\u00dfe \u202e\ud83d\ude00\ud83c\udff4\udb40\udc67", "annotations": {"z": 1, "readOnlyHint": true}}]`),
		listed(t, "a", `[]`),
	}
	b := []Listed{
		listed(t, "a", `[]`),
		listed(t, "b", `[{"annotations": {"readOnlyHint": true, "z": 1}, "description": "Gr\u00fc\u00dfe \u202e\ud83d\ude00\ud83c\udff4\udb40\udc67", "name": "one"},
			{"name": "two", "inputSchema": {"properties": {"a": true, "x": {"enum": [1.0, 9007199254740993]}}, "type": "object"}}]`),
	}
	want := `{
  "version": 1,
  "servers": {
    "a": {
      "tools": []
    },
    "b": {
      "tools": [
        {
          "name": "one",
          "description": "Gr` + "\u00fc\u00df" + `e \u202e` + "\U0001f600\U0001f3f4" + `\udb40\udc67",
          "annotations": {
            "readOnlyHint": true,
            "z": 1
          },
          "hash": "sha256:6667c488a71f47a6ef5deb1a231a7fa5a0ae5147e859285711dcb9bb79689e6d"
        },
        {
          "name": "two",
          "inputSchema": {
            "properties": {
              "a": true,
              "x": {
                "enum": [
                  1.0,
                  9007199254740993
                ]
              }
            },
            "type": "object"
          },
          "hash": "sha256:4a26223d40680cae2f69206fdb665cbbf07d37930950511866492f7c2feea4cf"
        }
      ]
    }
  }
}
`
	for name, servers := range map[string][]Listed{"one order": a, "another": b} {
		if diff := cmp.Diff(want, encoded(t, servers...)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	l := parsed(t, want)
	if tool := l.Server("b").Tool("one"); tool == nil || tool.Description != "Gr\u00fc\u00dfe \u202e\U0001f600\U0001f3f4\U000e0067" || !tool.Annotations.Get("z").Exists() {
		t.Errorf("read %+v", tool)
	}
	if l.Server("c") != nil || l.Server("c").Tool("x") != nil || l.Server("b").Tool("three") != nil || (*Lock)(nil).Server("a") != nil {
		t.Error("found what isn't there")
	}
	if text := encoded(t, Listed{Server: "b", Tools: []jsonscan.Value{l.Server("b").Tools[0].definition, l.Server("b").Tools[1].definition}}, a[1]); text != want {
		t.Errorf("what was read is not written again as it was: %s", text)
	}
}

// The hash is of a text that can be made with any tools: see docs/tools-lock.md.
func TestTheHashIsOfWhatTheDocumentationSays(t *testing.T) {
	tool := listed(t, "s", `[{"title": "T\/\u0001", "name": "n\"", "hash": "x", "outputSchema": {"b": [1e2, {"d": null, "c": " "}], "a": true}, "icons": 7, "annotations": null}]`).Tools[0]
	// printf '%s' '{"name":"n\"","outputSchema":{"a":true,"b":[1e2,{"c":" ","d":null}]},"title":"T/\u0001"}' | sha256sum
	want := "sha256:37502266a8f7a8a334d282ddd9f87b1a9450a9afdc01e0480bf46e4281eceadd"
	if got := Hash(tool); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLocksAreRefused(t *testing.T) {
	good := `{"version": 1, "servers": {"s": {"tools": [{"name": "t", "hash": "` + Hash(listed(t, "s", `[{"name": "t"}]`).Tools[0]) + `"}]}}}`
	parsed(t, good)
	long := strings.Repeat("n", maxName+1)
	for _, c := range []struct{ text, want string }{
		{``, "1:1: error[SP7001]: this is not the JSON of a lock: invalid syntax"},
		{"{\n \"a\": 1,,}", "2:9: error[SP7001]: this is not the JSON of a lock: invalid syntax"},
		{good + "x", "1:144: error[SP7001]: this is not the JSON of a lock: data after the value"},
		{`{"version": 1, "version": 1, "servers": {}}`, "1:16: error[SP7001]: this is not the JSON of a lock: duplicate member name"},
		{`{"version": 1, "servers": {"\ud800": {"tools": []}}}`, "1:29: error[SP7001]: this is not the JSON of a lock: lone surrogate"},
		{strings.Repeat("[", 100), "1:65: error[SP7001]: this is not the JSON of a lock: nesting too deep"},
		{`{"version": 2, "servers": {}}`, "1:13: error[SP7001]: version 2 of the format is not known; this program reads version 1"},
		{`{"version": "1", "servers": {}}`, "1:13: error[SP1004]: `version` must be a number, but this is text"},
		{`{"verzion": 1, "servers": {}}`, "1:2: error[SP1002]: unknown field `verzion`"},
		{`{"version": 1, "servers": {"s": {"tools": {}}}}`, "1:43: error[SP1004]: `tools` must be a list, but this is a mapping"},
		{`{"version": 1, "servers": {"s": null}}`, "1:33: error"},
		{`[]`, "1:1: error[SP1004]: this document must be a mapping, but this is a list"},
		{strings.Replace(good, `"name": "t"`, `"name": "u"`, 1), "1:66: error[SP7002]: the hash of `u` is not that of what is recorded of it"},
		{strings.Replace(good, `"name": "t"`, `"name": "t", "title": 7`, 1), "1:67: error[SP1004]: `title` must be text, but this is a number"},
		{strings.Replace(good, `"name": "t"`, `"name": "t", "inputSchema": true`, 1), "1:73: error[SP1004]: this must be a mapping, but it is true or false"},
		{strings.Replace(good, `"s"`, `""`, 1), "error[SP7001]: the name of a server has 1 to 256 bytes, and no control characters"},
		{strings.Replace(good, `"s"`, `"`+long+`"`, 1), "error[SP7001]: the name of a server has 1 to 256 bytes, and no control characters"},
		{strings.Replace(good, `"name": "t"`, `"name": "t\n"`, 1), "error[SP7001]: the name of a tool has 1 to 256 bytes, and no control characters"},
		{strings.Replace(good, `}]}`, `}, {"name": "t", "hash": "sha256:0"}]}`, 1), "error[SP7001]: the tool `t` is given twice"},
		{`{"version": 1, "servers": {}}` + strings.Repeat(" ", MaxSize), "1:1: error[SP1008]: the file has"},
	} {
		l, ds := Parse(FileName, []byte(c.text))
		if l != nil || !strings.Contains(ds.Error(), c.want) {
			t.Errorf("%.60s:\ngot  %v\nwant %s", c.text, ds, c.want)
		}
	}
}

func TestHiddenTextIsAWarning(t *testing.T) {
	for text, want := range map[string]string{
		`"Plain text, \n\tGr\u00fc\u00dfe, \u65e5\u672c, \u26a0\ufe0f"`: "",
		`"zero\u200bwidth"`:           "U+200B",
		`"\u202edlrow"`:               "U+202E",
		`"\u001b[31mred"`:             "U+001B",
		`"tag \udb40\udc41"`:          "U+E0041",
		`"variation \udb40\udd00"`:    "U+E0100",
		`"filler \u3164"`:             "U+3164",
		`"private \ue000 and \u200b"`: "U+E000",
		`"no\u00a0break"`:             "U+00A0",
		`"\ufeffmark"`:                "U+FEFF",
		`"separator\u2028"`:           "U+2028",
	} {
		for _, tool := range []string{
			`{"name": "t", "description": ` + text + `}`,
			`{"name": "t", "inputSchema": {"properties": {"a": {"description": ` + text + `}}}}`,
			`{"name": "t", "outputSchema": {"properties": {` + text + `: {}}}}`,
		} {
			l, ds := Parse(FileName, []byte(encoded(t, listed(t, "s", "["+tool+"]"))))
			if l == nil || ds.HasErrors() {
				t.Fatal(ds)
			}
			got := ""
			if len(ds) == 1 {
				got = ds[0].Message
			}
			if want == "" && len(ds) > 0 || want != "" && got != fmt.Sprintf("the tool `t` has a text with the invisible character %s", want) {
				t.Errorf("%s: %v", tool, ds)
			}
		}
	}
}

func TestChangesAreNamed(t *testing.T) {
	was := parsed(t, encoded(t,
		listed(t, "a", `[{"name": "same", "description": "d"}, {"name": "gone"}, {"name": "other", "description": "d", "inputSchema": {"type": "object"}}]`),
		listed(t, "old", `[{"name": "x"}]`)))
	is := parsed(t, encoded(t,
		listed(t, "a", `[{"name": "same", "description": "d"}, {"name": "new"}, {"name": "other", "description": "e", "inputSchema": {"type": "object", "x": 1}, "annotations": {}}]`),
		listed(t, "young", `[{"name": "x"}]`)))
	var got []string
	for _, c := range Compare(was, is) {
		got = append(got, c.String())
	}
	want := []string{
		"removed  a/gone", "added    a/new", "changed  a/other: description, inputSchema, annotations", "removed  old", "added    young",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if same := Compare(is, is); same != nil {
		t.Errorf("of itself: %v", same)
	}
}

func TestEncodeRefusesWhatCannotBeRead(t *testing.T) {
	for name, server := range map[string]Listed{
		"no name":    listed(t, "s", `[{"name": ""}]`),
		"twice":      listed(t, "s", `[{"name": "t"}, {"name": "t"}]`),
		"not a text": listed(t, "s", `[{"name": "t", "description": 7}]`),
		"no server":  listed(t, "", `[{"name": "t"}]`),
		"a list":     listed(t, "s", `[{"name": "t", "inputSchema": []}]`),
		"too deep":   listed(t, "s", `[{"name": "t", "inputSchema": `+strings.Repeat(`{"items":`, 70)+`{}`+strings.Repeat(`}`, 70)+`}]`),
	} {
		if text, err := Encode([]Listed{server}); err == nil {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// FuzzParse holds the reader to its word: what it takes is written and read again as it was, and asking schemas anything ends.
func FuzzParse(f *testing.F) {
	f.Add([]byte(encoded(f, listed(f, "s", `[{"name": "t", "description": "d\u202e", "inputSchema": {"type": "object", "properties": {"a": {"$ref": "#"}}, "anyOf": [{"$ref": "#"}, {"enum": [1, null]}]}}]`))))
	f.Add([]byte(`{"version": 1, "servers": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, ds := Parse(FileName, data)
		if (l == nil) != ds.HasErrors() {
			t.Fatalf("lock %v with %v", l, ds)
		}
		for _, d := range ds {
			if d.File != FileName || d.Line < 1 || d.Column < 1 {
				t.Fatalf("no place: %v", d)
			}
			if _, ok := source.Page(d.Code); !ok {
				t.Fatalf("no page: %v", d)
			}
		}
		if l == nil {
			return
		}
		var all []Listed
		for _, s := range l.Servers {
			one := Listed{Server: s.Name}
			for i := range s.Tools {
				one.Tools = append(one.Tools, s.Tools[i].definition)
				interrogate(t, s.Tools[i].Input.Root(), 4)
			}
			all = append(all, one)
		}
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		text, err := Encode(all)
		if err != nil {
			if len(data) < MaxSize/64 { // what is written is longer than what is read
				t.Fatal(err)
			}
			return
		}
		again, ds := Parse(FileName, text)
		if ds.HasErrors() || len(Compare(l, again)) > 0 {
			t.Fatalf("%v\n%s", ds, text)
		}
	})
}

// interrogate asks a type all that there is to ask.
func interrogate(t *testing.T, of Type, depth int) {
	of.Kinds()
	if values, finite := of.Values(); !finite && values != nil {
		t.Fatalf("values %v that say nothing", values)
	}
	names := append(of.Names(), "nobody")
	if depth == 0 {
		return
	}
	interrogate(t, of.Element(), depth-1)
	for _, name := range names[max(0, len(names)-3):] {
		of.Presence(name)
		of.Requires(name)
		interrogate(t, of.Field(name), depth-1)
	}
}
