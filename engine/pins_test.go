package engine_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

func pinnedSnapshot(t *testing.T, lock []byte, o engine.Options) *engine.Snapshot {
	t.Helper()
	files := fstest.MapFS{"p.yaml": {Data: []byte(`
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
rules:
  - { name: all, effect: allow }
  - { name: watched, when: 'args.?x.orValue(0) == 1', effect: deny, enforcement: shadow }
  - { name: costly, when: 'args.?tags.orValue([]).exists(a, args.tags.exists(b, a != b && a + b == "ba" + args.path))', effect: deny }
`)}}
	if lock != nil {
		files[toolset.FileName] = &fstest.MapFile{Data: lock}
	}
	b, err := bundle.FS(files)
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(context.Background(), b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestPins(t *testing.T) {
	lock := lockOf(t, map[string]string{"files": `[{"name":"read","inputSchema":{"type":"object"}}]`})
	parsed, ds := toolset.Parse(toolset.FileName, lock)
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	hash := parsed.Server("files").Tool("read").Hash
	enforced, shadowed, without := pinnedSnapshot(t, lock, engine.Options{}), pinnedSnapshot(t, lock, engine.Options{Pins: engine.PinsShadow}), pinnedSnapshot(t, nil, engine.Options{})
	for _, c := range []struct {
		name    string
		request engine.Request
		reason  string // "": nothing speaks against it
	}{
		{"as the lock has it", engine.Request{Method: "tools/call", Server: "files", Tool: "read", ToolHash: hash}, ""},
		{"its server has not been asked", engine.Request{Method: "tools/call", Server: "files", Tool: "read"}, ""},
		{"changed", engine.Request{Method: "tools/call", Server: "files", Tool: "read", ToolHash: "sha256:00"}, engine.ReasonToolChanged},
		{"new", engine.Request{Method: "tools/call", Server: "files", Tool: "write", ToolHash: hash}, engine.ReasonToolUnpinned},
		{"new, not listed", engine.Request{Method: "tools/call", Server: "files", Tool: "Read"}, engine.ReasonToolUnpinned},
		{"without a name", engine.Request{Method: "tools/call", Server: "files"}, engine.ReasonToolUnpinned},
		{"a server that the lock doesn't have", engine.Request{Method: "tools/call", Server: "mail", Tool: "send", ToolHash: hash}, ""},
		{"no tool", engine.Request{Method: "resources/read", Server: "files", Resource: "a:b"}, ""},
		{"its answer", engine.Request{Method: "tools/call", Server: "files", Tool: "write", Phase: engine.PhaseResponse}, ""},
		{"the server's own message", engine.Request{Method: "tools/call", Server: "files", Tool: "write", FromServer: true, DefaultAllow: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for ask, decide := range map[string]func(*engine.Snapshot) engine.Decision{
				"decide":  func(s *engine.Snapshot) engine.Decision { return s.Decide(context.Background(), &c.request) },
				"visible": func(s *engine.Snapshot) engine.Decision { return s.Visible(context.Background(), &c.request) },
				"with": func(s *engine.Snapshot) engine.Decision {
					return s.DecideWith(context.Background(), &c.request, &engine.StandIns{})
				},
			} {
				if d := decide(enforced); d.Allowed() != (c.reason == "") || !d.Allowed() && (d.Reason != c.reason || d.Revision != enforced.Revision()) || pinShadow(d) != "" {
					t.Errorf("%s, enforced: %v %q, shadow %q", ask, d.Effect, d.Reason, pinShadow(d))
				}
				if d := decide(shadowed); !d.Allowed() || pinShadow(d) != c.reason {
					t.Errorf("%s, in the shadow: %v %q, shadow %q", ask, d.Effect, d.Reason, pinShadow(d))
				}
				if d := decide(without); !d.Allowed() || pinShadow(d) != "" {
					t.Errorf("%s, without a lock: %v %q", ask, d.Effect, d.Reason)
				}
			}
			if c.request.Phase == engine.PhaseResponse || c.request.FromServer {
				return
			}
			plan := enforced.Plan(context.Background(), &c.request, engine.UnknownFields{"args"}, nil)
			if never := plan.Verdict() == engine.VerdictNever; never != (c.reason != "") || never && plan.Reason != c.reason {
				t.Errorf("plan: %s %q", plan.Verdict(), plan.Reason)
			}
		})
	}
}

// pinShadow is what a decision says the lock would have denied.
func pinShadow(d engine.Decision) string {
	for _, o := range d.Shadow {
		if o.Rule.Policy == toolset.FileName {
			return o.Reason
		}
	}
	return ""
}

// What is remembered of a call holds nothing of what the lock said of it: neither a denial nor a shadow.
func TestPins_andMemory(t *testing.T) {
	lock := lockOf(t, map[string]string{"files": `[{"name":"read","inputSchema":{"type":"object"}}]`})
	for _, pins := range []engine.Pins{engine.PinsEnforce, engine.PinsShadow} {
		s := pinnedSnapshot(t, lock, engine.Options{Pins: pins, Cache: engine.CacheLeast})
		r := engine.Request{Method: "tools/call", Server: "files", Tool: "read"}
		changed := r
		changed.ToolHash = "sha256:00"
		warm(t, s, &r)
		var got []string
		for range 3 {
			for _, q := range []*engine.Request{&r, &changed} {
				d := s.Decide(context.Background(), q)
				got = append(got, d.Effect.String()+" "+pinShadow(d))
			}
		}
		want := []string{"allow ", "deny ", "allow ", "deny ", "allow ", "deny "}
		if pins == engine.PinsShadow {
			want = []string{"allow ", "allow tool_changed", "allow ", "allow tool_changed", "allow ", "allow tool_changed"}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pins %d (-want +got)\n%s", pins, diff)
		}
	}
}
