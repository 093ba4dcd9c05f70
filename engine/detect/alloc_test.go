//go:build !race

package detect_test

import (
	"testing"

	"github.com/sallyport-dev/sallyport/engine/detect"
)

func TestFind_allocatesNothingWithoutFinds(t *testing.T) {
	s := builtin(t)
	var found []detect.Match
	for name, text := range map[string][]byte{"clean": clean(1 << 10), "keywords": []byte("a token, https://example.net/ and a password; ghp_ and AKIA"), "empty": nil} {
		if n := testing.AllocsPerRun(100, func() { found = detect.Find(s, found[:0], text) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		if len(found) > 0 {
			t.Error(name, found)
		}
	}
}
