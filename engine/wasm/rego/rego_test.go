package rego_test

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
	"github.com/sallyport-dev/sallyport/hostapi"
)

func TestParse_readsWhatModulesWrite(t *testing.T) {
	for text, want := range map[string]string{
		`null`: `null`, ` true `: `true`, `-1.50e2`: `-1.50e2`, `"a\"\u00e9\n"`: "\"a\\\"\u00e9\\n\"",
		`[1,[ ],"a"]`: `[1, [], "a"]`, `{}`: `{}`, `set()`: `set()`,
		`{"b": 1, "a": {2, 1, 1.0}}`:                                        `{"a": {1, 2}, "b": 1}`,
		`{3, "a", null, [1], {"k": 1}, {1}, false, {"k": 0}, [0, 2], true}`: `{null, false, true, 3, "a", [0, 2], [1], {"k": 0}, {"k": 1}, {1}}`,
		`{[1]: 2, null: 3}`:                                                 `{null: 3, [1]: 2}`,
		`{10, 9, 1e1, 100000000000000000000, 99999999999999999999}`:         `{9, 10, 99999999999999999999, 100000000000000000000}`,
		`{"a": 1, "a": 2}`:                                                  `{"a": 2}`,
	} {
		v, err := rego.Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(rego.Append(nil, v)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestParse_refusesWhatIsNoValue(t *testing.T) {
	for _, text := range []string{
		``, `nul`, `"a`, `"a` + "\n" + `"`, `"\x"`, `01`, `1.`, `+1`, `--1`, `[1`, `[1,]`, `[1 2]`, `{1, 2: 3}`, `{1: 2, 3}`, `{1,}`, `{1:}`, `1 2`, `set(`, `True`,
		strings.Repeat("[", 1002) + strings.Repeat("]", 1002),
	} {
		if v, err := rego.Parse([]byte(text)); err == nil {
			t.Errorf("%.40s: %v", text, v)
		}
	}
}

func TestText_quotesAsAPolicyDoes(t *testing.T) {
	v, err := rego.Parse([]byte(`{"a\u0001": ["\u00e9"]}`))
	if got := rego.Text(v); err != nil || got != `{"a\x01": ["`+"\u00e9"+`"]}` {
		t.Error(got, err)
	}
}

// FuzzParse: what is read is written so that it is read as the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a": {1, set(), [null]}, [1]: -0.5}`, `{{1: 2}, "\ud83d\ude00"}`, `1e999`, `"\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := rego.Parse(text)
		if err != nil {
			return
		}
		first := rego.Append(nil, v)
		w, err := rego.Parse(first)
		if err != nil || rego.Compare(v, w) != 0 {
			t.Fatalf("%q is written as %q, which is not the same (%v)", text, first, err)
		}
		if second := rego.Append(nil, w); !bytes.Equal(first, second) {
			t.Fatalf("%q, and then %q", first, second)
		}
	})
}

// FuzzBuiltins: whatever they are given, they return within what they have charged for.
func FuzzBuiltins(f *testing.F) {
	names := rego.Names()
	for i := range names {
		f.Add(i, []byte(`["a%s*d", [1, "x"], 2, -1]`))
		f.Add(i, []byte(`[1795355000123456789, "(a|b)+", "$1", 3]`))
		f.Add(i, []byte(`["1d2h", {"a": ["b"]}, 0.5, "10.0.0.0/30"]`))
	}
	spent := errors.New("spent")
	f.Fuzz(func(t *testing.T, i int, text []byte) {
		v, err := rego.Parse(text)
		list, ok := v.(rego.Array)
		if err != nil || !ok || i < 0 {
			return
		}
		b, why := rego.Find(names[i%len(names)])
		if b == nil || len(list) < b.Args {
			t.Skip(why)
		}
		left := int64(10_000_000)
		c := rego.Call{Now: 1, Cache: &rego.Cache{}, Charge: func(n int64) {
			if left -= n; left < 0 || n < 0 {
				panic(spent)
			}
		}}
		defer func() {
			if r := recover(); r != nil && r != spent { //nolint:errorlint // compared with itself
				panic(r)
			}
		}()
		got, err := b.Do(&c, list[:b.Args])
		if err != nil || got == rego.Undefined {
			return
		}
		if _, err := rego.Parse(rego.Append(nil, got)); err != nil {
			t.Fatalf("%s%s: %v", b.Name, text, err)
		}
	})
}

func TestBuiltinsAreListedOnceAndNotRefused(t *testing.T) {
	names := rego.Names()
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error(names)
	}
	for _, name := range []string{"http.send", "rand.intn", "opa.runtime", "net.lookup_ip_addr", "uuid.rfc4122", "no.such"} {
		if b, why := rego.Find(name); b != nil || why == "" || slices.Contains(names, name) {
			t.Errorf("%s: %v %q", name, b, why)
		}
	}
}

func TestAttach(t *testing.T) {
	module := []byte("\x00asm\x01\x00\x00\x00")
	got, err := rego.Attach(module, []byte(`{}`), []byte(`[]`))
	want := "\x00asm\x01\x00\x00\x00" + "\x00\x15\x12" + hostapi.ManifestSection + `{}` + "\x00\x11\x0e" + rego.DataSection + `[]`
	if err != nil || string(got) != want {
		t.Errorf("%q %v, want %q", got, err, want)
	}
	if same, err := rego.Attach(module, nil, nil); err != nil || !bytes.Equal(same, module) {
		t.Errorf("%q %v", same, err)
	}
	if _, err := rego.Attach([]byte("#!/bin/sh"), nil, nil); err == nil {
		t.Error("attached to a script")
	}
	section := string(module) + "\x00\x03\x01ab"
	if _, err := rego.Attach([]byte(section), []byte(`{}`), nil); err != nil {
		t.Error(err)
	}
	for _, rest := range []string{"\x00", "\x00\x20", "\x00\x20\x01ab", "\x00\x80", "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"} {
		if got, err := rego.Attach([]byte(section+rest), []byte(`{}`), nil); err == nil {
			t.Errorf("attached to a module that ends in %q: %q", rest, got)
		}
	}
}

func TestTheDocumentListsTheBuiltins(t *testing.T) {
	text, err := os.ReadFile("../../../docs/rego.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "<!-- builtins -->")
	list, _, _ = strings.Cut(list, "<!-- end -->")
	var got []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1) {
		got = append(got, m[1])
	}
	want := rego.Names()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("docs/rego.md lists %v, and there are %v", got, want)
	}
}
