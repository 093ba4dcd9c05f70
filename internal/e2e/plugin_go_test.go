package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// goPlugin is a plugin in Go with cases that its own tests hold it to, without Wasm.
type goPlugin struct{ dir, settings string }

var (
	goExample = goPlugin{"../../examples/plugins/go", `{"roots":{"acme":"/srv/acme","globex":"/srv/globex"},"tools":["read_file","write_file"]}`}
	goProbe   = goPlugin{"../../sdk/go/internal/probe", `{"mode":"strict"}`}
)

// build builds a plugin with the commands of the SDK's README.
func (p goPlugin) build(t testing.TB) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "plugin.wasm")
	for _, c := range []struct {
		args []string
		env  []string
	}{
		{[]string{"build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, "."}, []string{"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS="}},
		{[]string{"run", "github.com/sallyport-dev/sallyport/sdk/go/cmd/sallyport-embed", out}, nil},
	} {
		cmd := exec.CommandContext(t.Context(), "go", c.args...)
		cmd.Dir, cmd.Env = p.dir, append(os.Environ(), c.env...)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(c.args, " "), err, text)
		}
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// load loads a plugin as a gateway does.
func (p goPlugin) load(t testing.TB) (*wasm.Plugin, error) {
	t.Helper()
	h, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	module := p.build(t)
	info, err := wasm.Inspect(module)
	if err != nil {
		t.Fatal(err)
	}
	withheld := func(c hostapi.Capability) bool { return c.Name == "withheld" }
	return h.Load(t.Context(), module, wasm.Config{
		Settings:      json.RawMessage(p.settings),
		CheckSettings: func(_, _ []byte) error { return nil }, // so that the plugin's own checks are reached
		Grant:         wasm.Grant{Capabilities: slices.DeleteFunc(slices.Clone(info.Manifest.Capabilities), withheld)},
		Matchers:      map[string]wasm.Matcher{"pii": goMatcher()},
		Tables: func() wasm.Tables {
			rows := scanJSON(t, `{"alice":"acme","bob":{"tenant":"globex"}}`)
			return wasm.Tables{"tenants": func(key string) jsonscan.Value { return rows.Get(key) }}
		},
	})
}

// goMatcher is the set of detectors that the probe's own tests have.
func goMatcher() wasm.Matcher {
	rules := []*regexp.Regexp{regexp.MustCompile(`[a-z]+@[a-z]+\.com`), regexp.MustCompile(`[0-9]{5}`)}
	return wasm.Matcher{Rules: []string{"email", "number"}, Find: func(dst []wasm.Match, text []byte, _ func() bool) ([]wasm.Match, bool) {
		for rule, r := range rules {
			for _, at := range r.FindAllIndex(text, -1) {
				dst = append(dst, wasm.Match{Start: at[0], End: at[1], Rule: rule})
			}
		}
		return dst, true
	}}
}

func scanJSON(t testing.TB, text string) jsonscan.Value {
	t.Helper()
	d := new(jsonscan.Doc)
	if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d.Root()
}

// goCase is a case of a plugin's own tests.
type goCase struct {
	Name, Hook, Method string
	Params, Result     json.RawMessage
	Principal          struct {
		Groups []string
		Claims json.RawMessage
	}
	Want   string
	Edits  []string
	Notes  map[string]string
	Labels []string
}

func (p goPlugin) cases(t testing.TB) (out []goCase) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "testdata/cases.json"))
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil || len(out) == 0 {
		t.Fatalf("%d cases: %v", len(out), err)
	}
	return out
}

func (c *goCase) call(t testing.TB) *wasm.Call {
	t.Helper()
	m := &wasm.Message{
		Method: "tools/call", Principal: &wasm.Principal{ID: "alice", Kind: wasm.KindJWT, Groups: c.Principal.Groups},
		Time: time.Date(2026, 11, 22, 10, 0, 0, 123e6, time.UTC),
	}
	if c.Method != "" {
		m.Method = c.Method
	}
	if c.Params != nil {
		m.Params = scanJSON(t, string(c.Params))
		m.Tool = m.Params.Get("name").Text()
	}
	if c.Result != nil {
		m.Result = scanJSON(t, string(c.Result))
		m.Items = m.Result.Get("tools")
	}
	if c.Principal.Claims != nil {
		m.Principal.Claims = scanJSON(t, string(c.Principal.Claims))
	}
	hook, _ := hostapi.ParseHook(c.Hook) // request if there is none
	return &wasm.Call{Hook: hook, Message: m}
}

// sum says what a result is as the SDK's tests say it.
func (c *goCase) sum(r *wasm.Result) string {
	switch {
	case r.Failure.Type != "" && strings.Contains(c.Want, ":"):
		return fmt.Sprintf("failed %s: %s", r.Failure.Type, strings.TrimPrefix(r.Failure.Text, "the guest gave up: "))
	case r.Failure.Type != "":
		return fmt.Sprintf("failed %s", r.Failure.Type)
	case r.Code != "" && r.Message != "":
		return "deny " + r.Code + ": " + r.Message
	case r.Code != "":
		return "deny " + r.Code
	case r.Approval != "":
		return "approve: " + r.Approval
	}
	return r.Verdict().String()
}

func (c *goCase) check(t *testing.T, r *wasm.Result) {
	t.Helper()
	if got := c.sum(r); got != c.Want {
		t.Errorf("got %s, want %s (%v)", got, c.Want, r.Failure)
	}
	var edits []string
	for _, e := range r.Edits {
		path := string(e.Path)
		if e.Item >= 0 {
			path = fmt.Sprintf("items[%d]", e.Item)
		}
		edits = append(edits, path+"="+string(e.JSON))
	}
	if !slices.Equal(edits, c.Edits) {
		t.Errorf("edits %v, want %v", edits, c.Edits)
	}
	var notes map[string]string
	for _, n := range r.Notes {
		if notes == nil {
			notes = map[string]string{}
		}
		notes[n.Key] = n.Text
	}
	if !maps.Equal(notes, c.Notes) {
		t.Errorf("notes %v, want %v", notes, c.Notes)
	}
	if !slices.Equal(r.Labels, c.Labels) {
		t.Errorf("labels %v, want %v", r.Labels, c.Labels)
	}
}

// TestPluginGo holds modules that are built from plugins in Go to the cases of their own tests,
// which run without Wasm: what an author sees there is what a gateway does.
func TestPluginGo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds Wasm modules")
	}
	for _, p := range []goPlugin{goExample, goProbe} {
		t.Run(filepath.Base(p.dir), func(t *testing.T) {
			loaded, err := p.load(t)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range p.cases(t) {
				t.Run(c.Name, func(t *testing.T) {
					var r wasm.Result
					loaded.Call(t.Context(), c.call(t), &r)
					c.check(t, &r)
				})
			}
		})
	}
}

func TestPluginGo_refusesToBoot(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a Wasm module")
	}
	for _, tt := range []struct{ name, settings, want string }{
		{"Validate refuses the settings", `{"mode":"invalid"}`, "/mode: the plugin refuses its settings: no such mode (settings_refused)"},
		{"Configure refuses the settings", `{"mode":"unfit"}`, "the plugin refuses its settings: unfit (settings_refused)"},
		{"SelfTest fails", `{"mode":"broken"}`, "the plugin's self-test found a mistake: broken (self_test_failed); report it to whoever wrote the plugin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := goPlugin{goProbe.dir, tt.settings}.load(t)
			if wrong := (*wasm.LoadError)(nil); !errors.As(err, &wrong) || wrong.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func BenchmarkPluginGo(b *testing.B) {
	p, err := goExample.load(b)
	if err != nil {
		b.Fatal(err)
	}
	info := p.Info()
	b.Logf("module %d bytes, code %d, image %d, boot %v, reset %s", info.ModuleBytes, info.CodeBytes, info.ImageBytes, info.Boot, info.Reset)
	for _, c := range goExample.cases(b)[:5] {
		call := c.call(b)
		b.Run(c.Name, func(b *testing.B) {
			b.ReportAllocs()
			var r wasm.Result
			for b.Loop() {
				p.Call(b.Context(), call, &r)
			}
			if got := c.sum(&r); got != c.Want {
				b.Fatalf("got %s, want %s", got, c.Want)
			}
			b.ReportMetric(float64(r.Fuel), "fuel/op")
		})
	}
}
