package jsonscan

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

func BenchmarkScan(b *testing.B) {
	for _, name := range []string{"call_1k.json", "call_16k.json"} {
		src := read(b, name)
		b.Run(name, func(b *testing.B) {
			var d Doc
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Scan(src, Options{Fold: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScanAndEmit(b *testing.B) {
	for _, name := range []string{"call_1k.json", "call_16k.json"} {
		src := read(b, name)
		b.Run(name, func(b *testing.B) {
			var d Doc
			var out []byte
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Scan(src, Options{Fold: true}); err != nil {
					b.Fatal(err)
				}
				out = d.Root().AppendTo(out[:0])
			}
		})
	}
}

// BenchmarkEmitSpaced emits what must be written token by token.
func BenchmarkEmitSpaced(b *testing.B) {
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, read(b, "call_1k.json"), "", "  "); err != nil {
		b.Fatal(err)
	}
	root := scan(b, spaced.Bytes(), Options{}).Root()
	var out []byte
	b.SetBytes(int64(spaced.Len()))
	b.ReportAllocs()
	for b.Loop() {
		out = root.AppendTo(out[:0])
	}
}

func BenchmarkPath(b *testing.B) {
	root := scan(b, read(b, "call_1k.json"), Options{}).Root()
	b.ReportAllocs()
	for b.Loop() {
		if !root.Path("params", "arguments", "path").Exists() {
			b.Fatal("no path")
		}
	}
}

// BenchmarkEncodingJSON is the ratio's other side: the same work by the standard
// library, without the checks.
func BenchmarkEncodingJSON(b *testing.B) {
	for _, name := range []string{"call_1k.json", "call_16k.json"} {
		src := read(b, name)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				var v any
				if err := json.Unmarshal(src, &v); err != nil {
					b.Fatal(err)
				}
				if _, err := json.Marshal(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppendQuote writes a text of a kibibyte, as what takes the place of a redacted one is written.
func BenchmarkAppendQuote(b *testing.B) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 23)
	dst := make([]byte, 0, 2*len(text))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		dst = AppendQuote(dst[:0], text)
	}
}
