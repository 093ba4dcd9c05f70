//go:build !race

package jsonscan

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// object makes an object of n members whose names are made by format.
func object(n int, format string) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"`+format+`":%d`, i, i)
	}
	b.WriteByte('}')
	return b.Bytes()
}

func TestScanningWithAReusedDocDoesNotAllocate(t *testing.T) {
	texts := map[string][]byte{
		"1 KiB":        read(t, "call_1k.json"),
		"16 KiB":       read(t, "call_16k.json"),
		"many names":   object(1000, "name%d"),
		"escaped":      object(100, `n\u0041m\/e%d`),
		"not ASCII":    object(100, "näme-with-a-long-é-😀-text-%d"),
		"long names":   object(100, strings.Repeat("Name", 20)+"%d"),
		"large nested": []byte(`[` + string(object(50, "a%d")) + `,` + string(object(50, "a%d")) + `]`),
	}
	for name, src := range texts {
		var d Doc
		doesNotAllocate(t, "Scan "+name, func() {
			if err := d.Scan(src, Options{Fold: true}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	root := scan(t, read(t, "call_1k.json"), Options{}).Root()
	out := make([]byte, 0, 4096)
	count := 0
	var e Edits
	spaced := scan(t, []byte(`{ "a" : [ 1 , "\u0041" ] , "\u0062" : { } }`), Options{}).Root()
	for name, f := range map[string]func(){
		"Path":     func() { root.Path("params", "arguments", "path").TextIs("/srv") },
		"Text":     func() { count += len(root.Path("params", "name").Text()) },
		"GetFold":  func() { root.Get("params").GetFold("NAME") },
		"escaped":  func() { spaced.Get("b").Exists(); spaced.GetFold("B") },
		"numbers":  func() { root.Get("id").Int64(); root.Get("id").Float64() },
		"AppendTo": func() { out = root.AppendTo(out[:0]); out = spaced.AppendTo(out[:0]) },
		"Members": func() {
			for name, value := range root.Members() {
				count += len(name.Raw()) + len(value.Raw())
			}
		},
		"Elems": func() {
			for value := range spaced.Get("a").Elems() {
				count += len(value.Raw())
			}
		},
		"Cursor": func() {
			for c := root.Cursor(); c.Next(); {
				count += len(c.Name().Raw())
			}
		},
		"AppendEdited": func() {
			e.Reset()
			e.Set(spaced, "new", out[:0])
			e.Remove(spaced.Get("a").Index(0))
			e.Replace(spaced.Get("b"), out[:0])
			out = spaced.AppendEdited(out[:0], &e)
		},
	} {
		doesNotAllocate(t, name, f)
	}
	if count == 0 {
		t.Error("nothing was read")
	}
}

func doesNotAllocate(t *testing.T, name string, f func()) {
	t.Helper()
	for range 3 { // buffers reach their size
		f()
	}
	if n := testing.AllocsPerRun(20, f); n != 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}
