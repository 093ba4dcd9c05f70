package sallyport

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseJSON_refuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", "}", "[1,]", "[,1]", "[1 2]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{1:1}`, `{"a" 1}`, "01", "1.", ".5", "-", "+1", "1e", "1e+",
		"nul", "True", `"`, `"\`, `"\x"`, `"\u12g4"`, `"\u12`, "\"\n\"", "\"\xff\"", "1 1", "[1]]", strings.Repeat("[", 200) + strings.Repeat("]", 200),
	} {
		if v, err := ParseJSON(text); err == nil {
			t.Errorf("%q was read as %v %s", text, v.Kind(), v.JSON())
		}
	}
}

func TestValue(t *testing.T) {
	v, err := ParseJSON(" {\t\"a\" : [1 , \"x\\u00e9\\ud83d\\ude00\\n\" ,{}, []] ,\n\"\\u0062\":{\"c\":-1.5e3},\"d\":null,\"e\":true } ")
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Get("a").Index(1); got.Kind() != String {
		t.Errorf("a[1] is %v", got.Kind())
	} else if text, ok := got.Text(); !ok || text != "x\u00e9\U0001F600\n" {
		t.Errorf("a[1] is %q", text)
	}
	if !v.Get("a").Contains("x\u00e9\U0001F600\n") || v.Get("a").Contains("x") || v.Get("a").Contains("1") {
		t.Error("Contains compares wrongly")
	}
	if n, ok := v.Get("b").Get("c").Number(); !ok || n != -1500 {
		t.Errorf("b.c is %v", n)
	}
	if b, ok := v.Get("e").Bool(); !b || !ok {
		t.Error("e is not true")
	}
	if k := v.Get("d").Kind(); k != Null {
		t.Errorf("d is %v", k)
	}
	if n, m := v.Len(), v.Get("a").Len(); n != 4 || m != 4 {
		t.Errorf("%d members and %d elements, want 4 and 4", n, m)
	}
	var names []string
	for name := range v.Members() {
		names = append(names, name)
	}
	if got := strings.Join(names, " "); got != "a b d e" {
		t.Errorf("members %s", got)
	}
}

func TestValue_thatIsAbsentHasNothing(t *testing.T) {
	v, err := ParseJSON(`{"a":1}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []Value{{}, v.Get("b"), v.Index(0), v.Get("a").Get("x"), v.Get("a").Index(0)} {
		_, text := v.Text()
		_, number := v.Number()
		_, boolean := v.Bool()
		if v.Exists() || text || number || boolean || v.JSON() != "" || v.Len() != 0 || v.Contains("") {
			t.Errorf("%+v has something", v)
		}
	}
}

func TestQuote(t *testing.T) {
	if got, want := Quote("a\"\\\x00\b\f\n\r\t\x1f\u00e9\u2028</\xff"), `"a\"\\\u0000\b\f\n\r\t\u001fé`+"\u2028</\uFFFD"+`"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzParseJSON holds the reader to encoding/json: the same texts are JSON, and they say the same.
func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"x\n\ud83d\ude00"],"":{}}`, ` [ ] `, `"\ud800"`, `-0`, `{"a":1,"a":2}`, `[[],{}]`, "\"\u2028\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseJSON(text)
		valid := json.Valid([]byte(text)) && utf8.ValidString(text)
		if (err == nil) != valid {
			if err != nil && valid && nesting(text) > depth {
				return
			}
			t.Fatalf("%q: %v, and json.Valid says %v", text, err, valid)
		}
		if err != nil {
			return
		}
		var want any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := plain(v); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %#v, want %#v", text, got, want)
		}
	})
}

func nesting(text string) int { return strings.Count(text, "[") + strings.Count(text, "{") }

// plain makes of a value what encoding/json does. Of members that stand twice the last counts.
func plain(v Value) any {
	switch v.Kind() {
	case True, False:
		b, _ := v.Bool()
		return b
	case Number:
		return json.Number(v.JSON())
	case String:
		text, _ := v.Text()
		return text
	case Array:
		out := make([]any, 0, v.Len())
		for e := range v.Elems() {
			out = append(out, plain(e))
		}
		return out
	case Object:
		out := map[string]any{}
		for name, e := range v.Members() {
			out[name] = plain(e)
		}
		return out
	default:
		return nil
	}
}
