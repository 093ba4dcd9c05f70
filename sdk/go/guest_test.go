//go:build !wasip1

package sallyport

import (
	"testing"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/fake"
)

func pass(*Call) Verdict { return Pass }

func TestBegin_refuses(t *testing.T) {
	const head = `{"abi":"sallyport/1","hooks":["request"]`
	for _, tt := range []struct{ name, manifest, want string }{
		{"what is no JSON", "{", "sallyport: the manifest is not JSON"},
		{"another ABI", `{"abi":"sallyport/2"}`, `sallyport: the manifest's abi is "sallyport/2", and this SDK is for "sallyport/1"`},
		{"fields out of order", head + `,"reads":{"request":["b","a"]}}`, `sallyport: manifest: reads.request: "a" must stand before "b", once: the list is sorted by its bytes`},
		{"a field twice", head + `,"reads":{"request":["a","a"]}}`, `sallyport: manifest: reads.request: "a" must stand before "a", once: the list is sorted by its bytes`},
		{"capabilities out of order", head + `,"capabilities":["b","a"]}`, `sallyport: manifest: capabilities: "a" must stand before "b", once: the list is sorted by its bytes`},
		{"a field that is no text", head + `,"reads":{"request":[1]}}`, "sallyport: manifest: reads.request: not a list of strings"},
		{"a hook without a function", `{"abi":"sallyport/1","hooks":["request","response"]}`, "sallyport: the manifest declares the hook response, for which the plugin has no function"},
		{"a function without a hook", `{"abi":"sallyport/1","hooks":["list"]}`, "sallyport: the plugin has a function for the hook request, which the manifest doesn't declare"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := begin(Plugin{Manifest: tt.manifest, OnRequest: pass}, &fake.Host{})
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestRegister_panicsOnAManifestThatNoHostTakes(t *testing.T) {
	defer func() {
		if got := recover(); got == nil {
			t.Error("a manifest without a name was taken")
		}
	}()
	Register(Plugin{Manifest: `{"abi":"sallyport/1","version":"1.0.0","hooks":["request"]}`, OnRequest: pass})
}

// The zero verdict, and what isn't one, deny.
func TestVerdict_numbers(t *testing.T) {
	var zero Verdict
	if zero != Deny {
		t.Error("the zero verdict is not deny")
	}
	want := map[Verdict]int32{Deny: 1, Pass: 0, Mutate: 2, Approve: 3, Abstain: 4, Verdict(-1): 1, Verdict(5): 1}
	for v, n := range want {
		if got := v.number(); got != n {
			t.Errorf("%v is %d, want %d", v, got, n)
		}
	}
}
