package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// Whoever compiles beside calls can give way to them at every rule. It changes nothing.
func TestCompilePauses(t *testing.T) {
	set := distinctRules(t, 50, 0)
	plain, err := engine.Compile(t.Context(), set, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pauses := 0
	paused, err := engine.Compile(t.Context(), set, engine.Options{Pause: func() { pauses++ }})
	if err != nil {
		t.Fatal(err)
	}
	if pauses != 50 || paused.Revision() != plain.Revision() || paused.Rules() != plain.Rules() {
		t.Errorf("%d pauses, %d rules of %s", pauses, paused.Rules(), paused.Revision())
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := engine.Compile(ctx, set, engine.Options{Pause: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended in a pause: %v", err)
	}
}

// Whoever loads a plugin can do so between its parts as well: each takes longer than many rules.
func TestPluginLoadPauses(t *testing.T) {
	b, err := bundle.FS(fstest.MapFS{
		"p.yaml":     {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: a, effect: allow }\n  - { name: ask, plugin: tck }\n")},
		"guest.wasm": {Data: guest(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	pauses := 0
	s, err := engine.Compile(t.Context(), b, engine.Options{Plugins: pluginHost(t), Pause: func() { pauses++ }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if want := 2 + 1 + 1 + 7; pauses != want { // rules, module, plugin, and between its eight parts
		t.Errorf("%d pauses, want %d", pauses, want)
	}
	before := pauses
	if d := s.Decide(t.Context(), tckCall(t, `{}`, `{}`)); !d.Allowed() || pauses != before {
		t.Errorf("%+v after %d pauses", d, pauses-before)
	}
}
