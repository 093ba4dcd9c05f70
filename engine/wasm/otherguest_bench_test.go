package wasm_test

import (
	"os"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// BenchmarkOtherGuest measures a module that judges as testdata/c/authorise.c does, by three fields: that of another SDK, say.
// SALLYPORT_BENCH_GUEST has its path.
func BenchmarkOtherGuest(b *testing.B) {
	path := os.Getenv("SALLYPORT_BENCH_GUEST")
	if path == "" {
		b.Skip("SALLYPORT_BENCH_GUEST is not set")
	}
	module, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	p := load(b, newHost(b, wasm.Options{}), module, wasm.Config{})
	for _, c := range []struct {
		name, arguments string
		groups          []string
		want            hostapi.Verdict
	}{
		{"pass", `{"path":"/srv/a/b/c.txt","limit":10}`, []string{"dev", "ops"}, hostapi.VerdictPass},
		{"deny", `{"path":"/etc/passwd","limit":10}`, []string{"dev"}, hostapi.VerdictDeny},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := message(b, c.arguments)
			m.Principal.Groups = c.groups
			bench(b, p, m, true, c.want)
		})
	}
}
