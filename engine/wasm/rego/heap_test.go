package rego_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
)

func lay(h *rego.Heap, v rego.Value) uint32 {
	switch v := v.(type) {
	case nil:
		return h.Null()
	case bool:
		return h.Bool(v)
	case rego.Number:
		return h.Number(string(v))
	case string:
		return h.String(v)
	case rego.Array:
		at := h.Array(len(v))
		for i, e := range v {
			h.Set(at, i, lay(h, e))
		}
		return at
	case *rego.Object:
		at := h.Object(len(v.Keys))
		for i, k := range v.Keys {
			h.Put(at, k.(string), lay(h, v.Values[i]))
		}
		return at
	}
	panic(v)
}

// Two values are kept alike if they are the same, and only then, wherever they are.
func TestSame(t *testing.T) {
	texts := []string{
		`null`, `true`, `false`, `0`, `1`, `10`, `"1"`, `""`, `"a"`, `"b"`, `[]`, `[0]`, `[1]`, `[0,0]`, `[[]]`, `{}`, `{"a":0}`, `{"a":1}`, `{"b":0}`, `{"a":0,"b":0}`,
		`{"0":0,"1":0,"2":0,"3":0,"4":0}`, `{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0}`, `{"0":0,"1":0,"2":0,"3":0,"4":0,"6":0}`, `{"0":0,"1":0,"2":0,"3":0,"4":0,"5":1}`,
	}
	const base = 1 << 10
	for i, x := range texts {
		for k, y := range texts {
			h := rego.Heap{Charge: func(int64) {}, Full: func() { t.Fatal("full") }}
			h.Reset(base, 1<<16)
			a, b := lay(&h, parse(t, x)), lay(&h, parse(t, y))
			memory := append(make([]byte, base), h.Bytes()...)
			if got := h.Same(a, memory, b); got != (i == k) {
				t.Errorf("%s and %s: %t", x, y, got)
			}
			if h.Same(a, memory[:base], b) || h.Same(a, memory, 0) || h.Same(a, memory, 1<<32-1) {
				t.Errorf("%s is the same as what is not there", x)
			}
		}
	}
}

func TestHeap_isBounded(t *testing.T) {
	full := 0
	h := rego.Heap{Charge: func(int64) {}, Full: func() { full++; panic("full") }}
	h.Reset(0, 100)
	func() {
		defer func() { _ = recover() }()
		for range 10 {
			h.Null()
		}
	}()
	if b := h.Bytes(); full != 1 || len(b) != 96 || cap(b) > 100 {
		t.Errorf("full %d times, with %d bytes of %d", full, len(b), cap(b))
	}
}

func parse(t *testing.T, text string) rego.Value {
	t.Helper()
	v, err := rego.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
