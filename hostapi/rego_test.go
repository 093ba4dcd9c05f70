package hostapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseManifest_readsWhatAModuleOfRegoNeeds(t *testing.T) {
	const text = `{"abi":"sallyport/1","name":"a","version":"1.0.0","hooks":["request","list"],"reads":{"list":["items[*].name"],"request":["args.path"]},` +
		`"rego":{"entrypoints":{"list":"a/items","request":"a/decision"},"clock":true}}`
	m := parse(t, text)
	want := &Rego{Entrypoints: map[Hook]string{HookRequest: "a/decision", HookList: "a/items"}, Clock: true}
	if diff := cmp.Diff(want, m.Rego); diff != "" {
		t.Error(diff)
	}
	out, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, parse(t, string(out)).Rego); diff != "" {
		t.Errorf("written and read again: %s", diff)
	}
	if parse(t, with("name", `"a"`)).Rego != nil {
		t.Error("a manifest without rego has it")
	}
}
