package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sallyport-dev/sallyport/engine"
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
