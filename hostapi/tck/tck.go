// Package tck tests hosts and guests of the plugin ABI with the same vectors: questions, and
// the answers that ABI.md gives them. README.md says what a guest must do to be tested.
package tck

import (
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Host is what is tested.
type Host interface {
	// Load boots a plugin. Its error says why the plugin is refused.
	Load(p Plugin) (Guest, error)
}

// Guest is a plugin that is loaded.
type Guest interface {
	Call(h hostapi.Hook, m *Message) Outcome
	Close()
}

// Plugin is a module and what an operator says of it.
type Plugin struct {
	Module   []byte
	Settings json.RawMessage // nil: none
	Grant    Grant
	// Tables have JSON for their keys, by the name of the table.
	Tables map[string]map[string]json.RawMessage
	// Detectors are the sets of detectors, by name.
	Detectors map[string][]Detector
}

// Detector is a rule of a set.
type Detector struct{ Name, Regexp string }

// Grant is what the operator lets a plugin have. A list that is nil is the default grant.
type Grant struct {
	Reads        []string `json:"reads"`
	Strings      []string `json:"strings"`
	Writes       []string `json:"writes"`
	Verdicts     []string `json:"verdicts"`
	Capabilities []string `json:"capabilities"`
}

// Message is what a host has read of a message. JSON that is nil is not there.
type Message struct {
	Method, Server         string
	Tool, Prompt, Resource string
	Params                 json.RawMessage // of a result, those of its request
	Result                 json.RawMessage
	Items                  json.RawMessage // of the list hook: an array
	Annotations            json.RawMessage // of the tool
	Principal              Principal
	Source                 string            // an IP address
	Headers                map[string]string // by lower-case names
	Time                   int64             // of the decision, in milliseconds since 1970
}

// Principal is who a message is from.
type Principal struct {
	ID     string          `json:"id"`
	Type   string          `json:"type"`
	Issuer string          `json:"issuer"`
	APIKey string          `json:"api_key"`
	Groups []string        `json:"groups"`
	Roles  []string        `json:"roles"`
	Scopes []string        `json:"scopes"`
	Claims json.RawMessage `json:"claims"`
}

// Outcome is what a call came to.
type Outcome struct {
	Verdict    hostapi.Verdict // deny if the call failed
	Failure    hostapi.Failure // empty if it didn't
	Explained  string          // what the host says of a failure; no vector looks at it
	Code, Text string          // of a denial
	Approval   string
	Notes      map[string]string
	Labels     []string
	Logs       []Line
	// After is what the hook judges, after the edits: params of a request and of a
	// notification, the result, the items of a list. nil if the verdict is not mutate.
	After json.RawMessage
}

// Line is a line of the log.
type Line struct {
	Level hostapi.Level
	Text  string
}

//go:embed manifest.json testdata/fixture.json testdata/vectors/*.json testdata/guest.wasm
var files embed.FS

// Run tests a host: with modules that are made for one question each, and with the kit's guest.
// Except names vectors (topic/name) that the host is known to fail: they are skipped.
func Run(t *testing.T, h Host, except ...string) {
	guest, err := files.ReadFile("testdata/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors(t) {
		if v.Module != nil {
			t.Run(v.title(), func(t *testing.T) {
				skip(t, v, except)
				l := loader{host: h, module: v.Module.encode(t)}
				defer l.close()
				v.run(t, &l)
			})
		}
	}
	RunGuest(t, h, guest, except...)
}

// RunGuest tests the guest of an SDK on a host that passes.
func RunGuest(t *testing.T, h Host, module []byte, except ...string) {
	if err := sameManifest(module); err != nil {
		t.Fatal(err)
	}
	l := loader{host: h, module: module}
	defer l.close()
	vs := vectors(t)
	known(t, vs, except)
	for _, v := range vs {
		if v.Module == nil {
			t.Run(v.title(), func(t *testing.T) {
				skip(t, v, except)
				v.run(t, &l)
			})
		}
	}
}

// known looks for exceptions that are none.
func known(t *testing.T, vs []Vector, except []string) {
	t.Helper()
	for _, title := range except {
		if !slices.ContainsFunc(vs, func(v Vector) bool { return v.title() == title }) {
			t.Errorf("there is no vector %q to except", title)
		}
	}
}

func skip(t *testing.T, v Vector, except []string) {
	t.Helper()
	if slices.Contains(except, v.title()) {
		t.Skip("SKIPPED: it is known to fail")
	}
}

// loader loads a module once for all vectors that load it in the same way.
type loader struct {
	host   Host
	module []byte
	loaded map[string]Guest
}

func (l *loader) load(v *Vector, p Plugin) (Guest, error) {
	p.Module = l.module
	key := fmt.Sprintf("%s %#v", v.Settings, p.Grant)
	if g, ok := l.loaded[key]; ok {
		return g, nil
	}
	g, err := l.host.Load(p)
	if err != nil {
		return nil, err
	}
	if l.loaded == nil {
		l.loaded = map[string]Guest{}
	}
	l.loaded[key] = g
	return g, nil
}

func (l *loader) close() {
	for _, g := range l.loaded {
		g.Close()
	}
}

// run asks twice: what a call leaves behind is seen by the next.
func (v *Vector) run(t *testing.T, l *loader) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("the host panics: %v", p)
		}
	}()
	g, err := l.load(v, v.plugin(t))
	switch {
	case v.Expect.Load != nil && err == nil:
		t.Error("it is loaded, which it must not be")
		return
	case v.Expect.Load != nil:
		if lacks := v.Expect.unnamed(err); lacks != "" {
			t.Errorf("it is refused, but not for %q: %v", lacks, err)
		}
		return
	case err != nil:
		t.Errorf("it is refused: %v", err)
		return
	}
	v.digest = sha256.Sum256(l.module)
	for _, again := range []string{"", " when it is asked again"} {
		if err := v.Expect.check(v, g.Call(v.hook(t), v.ask(t))); err != nil {
			t.Errorf("%v%s", err, again)
		}
	}
}
