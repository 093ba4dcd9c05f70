package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// A plugin that reads a secret may repeat it wherever it may say something, on purpose or in an error.
func TestWhatPluginsSayIsMasked(t *testing.T) {
	const secret = "sk_live_0123456789abcdef" // which may stand in codes, keys and labels
	var mu sync.Mutex
	var logged []string
	s := compilePlugged(t, engine.Options{
		Plugins: pluginHost(t),
		Mask:    func(_, text string) string { return strings.ReplaceAll(text, secret, "***") },
		PluginLog: func(plugin string, lines []wasm.Line, dropped int) {
			mu.Lock()
			defer mu.Unlock()
			logged = append(logged, fmt.Sprint(plugin, lines, dropped))
		},
	}, plugged+"  - { name: watch, plugin: tck, enforcement: shadow }\n")
	for _, tt := range []struct{ name, do, want string }{
		{"reason", `{"do":"reason","key":"a.KEY","text":"b KEY","verdict":1}`, `deny p/ask "a.***" b *** asked deny`},
		{"approval", `{"do":"approve","text":"may KEY?","verdict":3}`, `approve p/ask "approval_required" may ***? asked approve`},
		{"note", `{"do":"note","key":"KEY","text":"b KEY","verdict":1}`, `*** b ***`},
		{"label", `{"do":"label","text":"KEY","verdict":1}`, `[***]`},
		{"giving up", `{"do":"fail","text":"can't read KEY"}`, `trap: the guest gave up: can't read ***`},
		{"no code", `{"do":"reason","key":"A KEY","text":"","verdict":1}`, `"A ***" is not a code of a reason`},
		{"no key", `{"do":"note","key":"A KEY","text":"","verdict":1}`, `"A ***" is not a key of a note`},
		{"no label", `{"do":"label","text":"A KEY","verdict":1}`, `"A ***" is not a label`},
		{"no place", `{"do":"patch","path":"args.KEY[","json":"1","verdict":2}`, `***`},
		{"no JSON", `{"do":"patch","path":"args.object.a","json":"KEY","verdict":2}`, `patch: the value`},
		{"log", `{"do":"log","level":2,"text":"b KEY"}`, `allow`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := s.Decide(context.Background(), tckCall(t, strings.ReplaceAll(tt.do, "KEY", secret), `{"kind":"x","object":{}}`))
			got := saidOf(&d)
			if !strings.Contains(got, tt.want) || strings.Contains(got, secret) {
				t.Errorf("it says %s\nwant %s, and no secret", got, tt.want)
			}
		})
	}
	if got, want := strings.Join(logged, "\n"), "tck[{warn b "+secret+"}] 0"; !strings.Contains(got, want) {
		t.Errorf("logged %s\nwant %s", got, want) // the log hides secrets itself, with all that is logged
	}
}

// saidOf is all that a decision says that a plugin may have said.
func saidOf(d *engine.Decision) string {
	var b strings.Builder
	rule := ""
	if d.Rule != nil {
		rule = d.Rule.ID()
	}
	fmt.Fprintf(&b, "%s %s %q %s", d.Effect, rule, d.Reason, d.Message)
	for _, p := range d.Plugins {
		fmt.Fprintf(&b, " asked %s %s %s %s %v", p.Verdict, p.Code, p.Message, p.Failure, p.Cause)
		for _, n := range p.Notes {
			fmt.Fprintf(&b, " %s %s", n.Key, n.Text)
		}
		fmt.Fprintf(&b, " %v", p.Labels)
	}
	for _, o := range d.Shadow {
		fmt.Fprintf(&b, " shadow %s %v", o.Reason, o.Cause)
	}
	fmt.Fprintf(&b, " cause %v", d.Cause)
	return b.String()
}

func compilePlugged(t *testing.T, o engine.Options, rules string) *engine.Snapshot {
	t.Helper()
	b, err := bundle.FS(fstest.MapFS{
		"p.yaml":       {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n" + rules)},
		"x/guest.wasm": {Data: guest(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
