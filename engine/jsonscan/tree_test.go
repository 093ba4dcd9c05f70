package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// Trees are compared by reflect.DeepEqual: cmp.Diff takes time exponential in their
// depth.

// tree builds what encoding/json would decode into an any with UseNumber.
func tree(v Value) any {
	switch v.Kind() {
	case Object:
		m := map[string]any{}
		for name, value := range v.Members() {
			m[name.Text()] = tree(value)
		}
		return m
	case Array:
		a := []any{}
		for value := range v.Elems() {
			a = append(a, tree(value))
		}
		return a
	case String:
		return v.Text()
	case Number:
		return json.Number(v.Raw())
	case True, False:
		b, _ := v.Bool()
		return b
	}
	return nil
}

// floats replaces the numbers of a tree as a decoder into float64 would.
func floats(t testing.TB, tree any) any {
	switch x := tree.(type) {
	case map[string]any:
		m := map[string]any{}
		for k := range x {
			m[k] = floats(t, x[k])
		}
		return m
	case []any:
		a := []any{}
		for _, e := range x {
			a = append(a, floats(t, e))
		}
		return a
	case json.Number:
		f, err := x.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	return tree
}

func decodeV1(t testing.TB, src []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("encoding/json: %v: %q", err, src)
	}
	return v
}

// tokens reads a text by jsontext: every token's kind and decoded text.
func tokens(t testing.TB, src []byte) []string {
	t.Helper()
	d := jsontext.NewDecoder(bytes.NewReader(src))
	var all []string
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("jsontext: %v: %q", err, src)
		}
		all = append(all, token.Kind().String()+" "+token.String())
	}
}

func scan(t testing.TB, src []byte, o Options) *Doc {
	t.Helper()
	d := new(Doc)
	if err := d.Scan(src, o); err != nil {
		t.Fatalf("%v: %q", err, src)
	}
	return d
}
