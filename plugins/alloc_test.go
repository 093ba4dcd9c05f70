//go:build !race

package plugins

import (
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// A text without a secret is judged without an allocation, by the set of detectors that comes with the gateway.
func TestRedactSecretsAllocatesNothingOnCleanTexts(t *testing.T) {
	p := plugin{"redact-secrets", true}
	for _, c := range corpora(t, p.dir) {
		for i := range c.cases {
			s := &c.cases[i]
			if !s.Bench || s.Bad {
				continue
			}
			loaded, call := load(t, p.module(t), &c), s.Message.or(c.Message).with(t, s.Text).call(t)
			var r wasm.Result
			if n := testing.AllocsPerRun(200, func() { loaded.Call(t.Context(), call, &r) }); n > 0 {
				t.Errorf("%s:%d: %v allocations", c.name, s.line, n)
			}
			return
		}
	}
	t.Error("no clean text is measured")
}
