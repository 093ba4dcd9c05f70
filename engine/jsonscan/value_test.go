package jsonscan

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNumbersAreReadExactlyOrNotAtAll(t *testing.T) {
	for _, c := range []struct {
		text  string
		int64 int64
		ok    bool
		float float64
	}{
		{"0", 0, true, 0},
		{"-0", 0, true, math.Copysign(0, -1)},
		{"9007199254740993", 9007199254740993, true, 9007199254740992},
		{"9223372036854775807", math.MaxInt64, true, 1 << 63},
		{"9223372036854775808", 0, false, 1 << 63},
		{"-9223372036854775808", math.MinInt64, true, -1 << 63},
		{"-9223372036854775809", 0, false, -1 << 63},
		{"18446744073709551617", 0, false, 1 << 64},
		{"99999999999999999999", 0, false, 1e20},
		{"1.0", 0, false, 1},
		{"1e2", 0, false, 100},
		{`"1"`, 0, false, 0},
		{"1e-400", 0, false, 0},
	} {
		v := scan(t, []byte(c.text), Options{}).Root()
		if n, ok := v.Int64(); ok != c.ok || ok && n != c.int64 {
			t.Errorf("%s: Int64 is %d, %v", c.text, n, ok)
		}
		f, ok := v.Float64()
		if ok != (v.Kind() == Number) || math.Float64bits(f) != math.Float64bits(c.float) {
			t.Errorf("%s: Float64 is %v, %v", c.text, f, ok)
		}
	}
}

const sample = `{"s":"a\u00e9\n","plain":"x","n":null,"t":true,"f":false,"\u0061":[10,20,[30]],"o":{"k":{"l":1}}}`

func TestValuesAreFoundByExactName(t *testing.T) {
	root := scan(t, []byte(sample), Options{}).Root()
	for _, c := range []struct {
		got  Value
		kind Kind
		raw  string
		len  int
	}{
		{root.Get("s"), String, `"a\u00e9\n"`, 0},
		{root.Get("S"), Invalid, "", 0},
		{root.Get(""), Invalid, "", 0},
		{root.Get("n"), Null, "null", 0},
		{root.Get("t"), True, "true", 0},
		{root.Get("f"), False, "false", 0},
		{root.Get("a"), Array, "[10,20,[30]]", 3},
		{root.Get("a").Index(1), Number, "20", 0},
		{root.Get("a").Index(2), Array, "[30]", 1},
		{root.Get("a").Index(3), Invalid, "", 0},
		{root.Get("a").Index(-1), Invalid, "", 0},
		{root.Get("a").Get("10"), Invalid, "", 0},
		{root.Index(0), Invalid, "", 0},
		{root.Path("o", "k", "l"), Number, "1", 0},
		{root.Path("o", "x", "l"), Invalid, "", 0},
		{root.Path(), Object, sample, 7},
		{root.GetFold("PLAIN"), String, `"x"`, 0},
		{root.GetFold("A"), Array, "[10,20,[30]]", 3},
		{root.GetFold("\u017f"), String, `"a\u00e9\n"`, 0},
		{root.GetFold("plai"), Invalid, "", 0},
		{root.Get("a").GetFold("a"), Invalid, "", 0},
	} {
		if c.got.Kind() != c.kind || string(c.got.Raw()) != c.raw || c.got.Len() != c.len {
			t.Errorf("got %v %s of %d, want %v %s of %d", c.got.Kind(), c.got.Raw(), c.got.Len(), c.kind, c.raw, c.len)
		}
	}
}

func TestTextIsDecoded(t *testing.T) {
	for text, want := range map[string]string{
		`""`:                     "",
		`"abc"`:                  "abc",
		`"\"\\\/\b\f\n\r\t"`:     "\"\\/\b\f\n\r\t",
		`"a\u0041b\u00E9\u20ac"`: "aAbé€",
		`"\ud83d\ude00x"`:        "😀x",
		`"\uffff\ufffd\u0000"`:   "\uffff\ufffd\x00",
		`1`:                      "",
	} {
		v := scan(t, []byte(text), Options{}).Root()
		if v.Text() != want || string(v.AppendText(nil)) != want {
			t.Errorf("%s: %q and %q, want %q", text, v.Text(), v.AppendText(nil), want)
		}
		if v.TextIs(want) != (v.Kind() == String) {
			t.Errorf("%s: TextIs(%q) is %v", text, want, v.TextIs(want))
		}
		for _, other := range []string{want + "x", "x" + want, "\xff", strings.ReplaceAll(want, "\ufffd", "\xff")} {
			if other != want && v.TextIs(other) {
				t.Errorf("%s: TextIs(%q)", text, other)
			}
		}
	}
}

func TestMembersAndElementsComeInOrder(t *testing.T) {
	root := scan(t, []byte(sample), Options{}).Root()
	var got []string
	for name, value := range root.Members() {
		got = append(got, name.Text()+" "+value.Kind().String())
		if name.Text() == "a" {
			break
		}
	}
	for element := range root.Get("a").Elems() {
		got = append(got, string(element.Raw()))
	}
	for range root.Elems() {
		got = append(got, "an object has no elements")
	}
	for range root.Get("a").Members() {
		got = append(got, "an array has no members")
	}
	want := []string{"s string", "plain string", "n null", "t true", "f false", "a array", "10", "20", "[30]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAbsentValuesAreSafe(t *testing.T) {
	var d Doc
	if err := d.Scan([]byte(`{"a":[1]}`), Options{}); err != nil {
		t.Fatal(err)
	}
	stale := d.Root()
	cursor := stale.Cursor()
	if err := d.Scan([]byte(`[1]`), Options{}); err != nil {
		t.Fatal(err)
	}
	reset := d.Root()
	d.Reset()
	var none *Doc
	for name, v := range map[string]Value{
		"zero": {}, "stale": stale, "after reset": reset, "nil doc": none.Root(), "empty": new(Doc).Root(),
	} {
		_, isInt := v.Int64()
		_, isFloat := v.Float64()
		_, isBool := v.Bool()
		if v.Exists() || isInt || isFloat || isBool || v.TextIs("") || v.Text() != "" || v.Raw() != nil || v.Len() != 0 {
			t.Errorf("%s: a value", name)
		}
		if v.Get("a").Exists() || v.Index(0).Exists() || v.Path("a", "b").Exists() || v.GetFold("a").Exists() {
			t.Errorf("%s: a content", name)
		}
		if out := v.AppendEdited(v.AppendTo(v.AppendText(nil)), &Edits{}); out != nil {
			t.Errorf("%s: emits %q", name, out)
		}
	}
	if cursor.Next() || cursor.Value().Exists() || cursor.Name().Exists() {
		t.Error("a cursor goes on in another text")
	}
}

func TestEditsOfAnotherTextWriteNothing(t *testing.T) {
	a := scan(t, []byte(`{"secret":1}`), Options{})
	b := scan(t, []byte(`{"secret":1}`), Options{})
	var e Edits
	root, secret := a.Root(), a.Root().Get("secret")
	name := root.Cursor()
	name.Next()
	for what, ok := range map[string]bool{
		"replace a name":    e.Replace(name.Name(), []byte("1")),
		"replace nothing":   e.Replace(Value{}, []byte("1")),
		"remove the root":   e.Remove(root),
		"remove nothing":    e.Remove(Value{}),
		"set on no object":  e.Set(secret, "a", []byte("1")),
		"set on nothing":    e.Set(Value{}, "a", []byte("1")),
		"mix":               e.Remove(secret) && e.Remove(b.Root().Get("secret")),
		"set of another":    e.Set(b.Root(), "a", []byte("1")),
		"replace elsewhere": e.Replace(b.Root(), []byte("1")),
	} {
		if ok {
			t.Errorf("%s: applied", what)
		}
	}
	if got := string(root.AppendEdited(nil, &e)); got != `{}` || e.Len() != 1 {
		t.Errorf("%d edits give %s", e.Len(), got)
	}
	if got := b.Root().AppendEdited(nil, &e); got != nil {
		t.Errorf("another text is written: %s", got)
	}
	if err := a.Scan([]byte(`{"secret":1}`), Options{}); err != nil {
		t.Fatal(err)
	}
	if got := a.Root().AppendEdited(nil, &e); got != nil {
		t.Errorf("a later scan is written: %s", got)
	}
	e.Reset()
	if got := string(a.Root().AppendEdited(nil, &e)); got != `{"secret":1}` {
		t.Errorf("without edits: %s", got)
	}
	if got := string(a.Root().AppendEdited(nil, nil)); got != `{"secret":1}` {
		t.Errorf("with nil edits: %s", got)
	}
}

func TestRemovingByNameRemovesTheMember(t *testing.T) {
	root := scan(t, []byte(`{"a":1,"b":2}`), Options{}).Root()
	var e Edits
	for name := range root.Members() {
		if name.TextIs("a") {
			e.Remove(name)
		}
	}
	if got := string(root.AppendEdited(nil, &e)); got != `{"b":2}` {
		t.Error(got)
	}
}

func TestAppendQuoteEscapesOnlyWhatItMust(t *testing.T) {
	for s, want := range map[string]string{
		"":                       `""`,
		"plain text of any kind": `"plain text of any kind"`,
		"0123456\"89\\\n":        `"0123456\"89\\\n"`,
		"\x00\b\t\n\f\r\x1f\x7f": "\"\\u0000\\b\\t\\n\\f\\r\\u001f\x7f\"",
		"é\u2028😀</script>":      "\"é\u2028😀</script>\"",
		"bad \xff\xfe utf8 \xed": "\"bad \ufffd utf8 \ufffd\"",
	} {
		got := string(AppendQuote([]byte("x"), s))
		if got != "x"+want {
			t.Errorf("%q: got %s, want x%s", s, got, want)
		}
		scan(t, []byte(got[1:]), Options{})
	}
}

func TestNamesCannotBeChosenToCollide(t *testing.T) {
	var flood strings.Builder
	flood.WriteByte('{')
	for i := range 1 << 16 {
		// All have the same wordTag, which ignores the bit between the two bytes.
		name := strings.NewReplacer("0", "@", "1", "`").Replace(fmt.Sprintf("%016b", i))
		fmt.Fprintf(&flood, `"%s":0,`, name)
	}
	flood.WriteString(`"z":0}`)
	var many strings.Builder
	for range 2000 {
		many.WriteString(`{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0,"q":0,"r":0},`)
	}
	for what, src := range map[string]string{"flood": flood.String(), "same names": "[" + many.String() + "0]"} {
		d := scan(t, []byte(src), Options{Fold: true})
		used := d.names.used
		if err := d.Scan([]byte(src), Options{Fold: true}); err != nil || d.names.used != used {
			t.Errorf("%s: %v, %d names after %d", what, err, d.names.used, used)
		}
		longest, run := 0, 0
		for _, e := range d.names.table {
			if run++; e.name == 0 {
				run = 0
			}
			longest = max(longest, run)
		}
		if d.names.used < 1<<15 || longest > 200 {
			t.Errorf("%s: %d names lie in runs of up to %d", what, d.names.used, longest)
		}
	}
}

func TestResetFreesWhatAHugeTextHasGrown(t *testing.T) {
	names := make([]string, 40000)
	for i := range names {
		names[i] = fmt.Sprintf(`"%d":0`, i)
	}
	huge := "{" + strings.Join(names, ",") + `,"` + strings.Repeat(`\n`, 40000) + `":1}`
	d := scan(t, []byte(huge), Options{})
	d.Reset()
	x := &d.names
	if cap(d.nodes)+cap(x.stack)+cap(x.table)+cap(x.spare)+cap(x.scratch)+cap(x.other)+cap(x.decoded) > 4*keepEntries {
		t.Errorf("%d nodes and %d entries are kept", cap(d.nodes), cap(x.table)+cap(x.spare))
	}
	if d.src != nil || d.Root().Exists() {
		t.Error("the text is kept")
	}
}

func TestScannedDocIsReadConcurrently(t *testing.T) {
	root := scan(t, []byte(sample), Options{}).Root()
	want := string(root.AppendTo(nil))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if got := string(root.AppendTo(nil)); got != want || !root.Get("s").TextIs("aé\n") {
					t.Error(got)
				}
			}
		})
	}
	wg.Wait()
}

func TestErrorsNameTheReasonAndThePlace(t *testing.T) {
	var got []string
	for code := range ErrorCode(len(codes)) {
		got = append(got, code.String())
	}
	want := []string{
		"unknown", "syntax", "duplicate_name", "folded_name", "invalid_utf8", "lone_surrogate",
		"depth", "size", "number", "nul_name", "trailing_data",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	err := new(Doc).Scan([]byte(`{"a":1,"a":2}`), Options{})
	if got := fmt.Sprint(err); got != "json: duplicate member name at offset 7" {
		t.Error(got)
	}
	if got := (&Error{}).Error() + ErrorCode(200).String() + Kind(200).String(); got != "json: unknown refusal at offset 0unknowninvalid" {
		t.Error(got)
	}
}
