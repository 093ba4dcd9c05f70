package wasm_test

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

func TestPluginsOfOneModuleShareItsCode(t *testing.T) {
	h := newHost(t, wasm.Options{})
	module := needPath().bytes()
	all := load(t, h, module, wasm.Config{})
	reads, err := hostapi.ParsePath("mcp.tool.name")
	if err != nil {
		t.Fatal(err)
	}
	blind := load(t, h, module, wasm.Config{Grant: wasm.Grant{Reads: []hostapi.Path{reads}}})
	if !wasm.SameCode(all, blind) {
		t.Error("a module is compiled twice")
	}
	if one, other := all.Info(), blind.Info(); one.Code != other.Code || one.Module != other.Module || one.CodeBytes == 0 || len(other.Grant.Reads) != 1 || len(one.Grant.Reads) != 3 {
		t.Errorf("%+v\n%+v", one, other)
	}
	if got := sum(ask(t, all, message(t, `{"path":"/"}`))); got != "pass" {
		t.Errorf("what may read the path: %s", got)
	}
	if got := sum(ask(t, blind, message(t, `{"path":"/"}`))); got == "pass" {
		t.Error("it reads what only the other was granted")
	}
	less := load(t, h, example(t, "need-path"), wasm.Config{Pages: 4})
	more := load(t, h, example(t, "need-path"), wasm.Config{Pages: 5})
	if wasm.SameCode(less, more) {
		t.Error("modules that may have other memories are the same")
	}
	if n, among := wasm.Kept(h, less); n != 3 || !among {
		t.Errorf("%d are kept", n)
	}
	all.Close()
	all.Close()
	if got := sum(ask(t, blind, message(t, `{}`))); got != "deny capability: field 0 of reads.request is not granted" {
		t.Errorf("behind the first one's end: %s", got)
	}
	blind.Close()
	less.Close()
	more.Close()
	if n, _ := wasm.Kept(h, blind); n != 0 {
		t.Errorf("%d are left", n)
	}
	again := load(t, h, module, wasm.Config{})
	if got := sum(ask(t, again, message(t, `{"path":"/"}`))); got != "pass" || wasm.SameCode(all, again) {
		t.Errorf("behind the last one's end: %s", got)
	}
}

// TestWhatIsRefusedLeavesNoCode loads a module with settings that it takes and with others, before and behind one that is loaded.
func TestWhatIsRefusedLeavesNoCode(t *testing.T) {
	h := newHost(t, wasm.Options{})
	refused := func() {
		t.Helper()
		if _, err := h.Load(t.Context(), needPath().bytes(), settings(`{"a":1}`)); err == nil {
			t.Error("settings are taken by a plugin that has none")
		}
	}
	refused()
	p := load(t, h, needPath().bytes(), wasm.Config{})
	refused()
	if n, among := wasm.Kept(h, p); n != 1 || !among {
		t.Errorf("%d are kept", n)
	}
	p.Close()
	if n, _ := wasm.Kept(h, p); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestAModuleOfOPAIsSharedWithItsData(t *testing.T) {
	h := newHost(t, wasm.Options{})
	one := load(t, h, regoModule(t, "echo/seen"), wasm.Config{})
	other := load(t, h, regoModule(t, "echo/seen"), wasm.Config{})
	if !wasm.SameCode(one, other) || wasm.Lays(one) != wasm.Lays(other) || one.Info().Image != other.Info().Image {
		t.Error("the second is another")
	}
	for _, p := range []*wasm.Plugin{one, other} {
		if r := ask(t, p, regoMessage(t, `{}`)); !strings.Contains(noted(r, "data"), `"list_directory"`) {
			t.Errorf("%s: without its data: %s", sum(r), noted(r, "data"))
		}
	}
}
