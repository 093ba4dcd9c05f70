package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

const (
	goExample  = "../../examples/plugins/go"
	goSettings = `{"roots":{"acme":"/srv/acme","globex":"/srv/globex"},"tools":["read_file","write_file"]}`
)

// buildGo builds the example plugin with the commands of its README.
func buildGo(t testing.TB) []byte {
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
		cmd.Dir, cmd.Env = goExample, append(os.Environ(), c.env...)
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

// loadGo loads the plugin as a gateway does.
func loadGo(t testing.TB, settings string) (*wasm.Plugin, error) {
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
	return h.Load(t.Context(), buildGo(t), wasm.Config{
		Settings:      json.RawMessage(settings),
		CheckSettings: func(_, _ []byte) error { return nil }, // so that the plugin's own checks are reached
	})
}

func scanJSON(t testing.TB, text string) jsonscan.Value {
	t.Helper()
	d := new(jsonscan.Doc)
	if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d.Root()
}

// goCase is a case of the example's own tests.
type goCase struct {
	Name, Tool string
	Arguments  map[string]any
	Repeat     int
	Tenant     string
	Want       string
	Path       string
}

func (c goCase) message(t testing.TB) *wasm.Message {
	t.Helper()
	if c.Repeat > 0 {
		c.Arguments["path"] = c.Arguments["path"].(string) + strings.Repeat("/.", c.Repeat) + "/../../globex"
	}
	params, err := json.Marshal(map[string]any{"name": c.Tool, "arguments": c.Arguments})
	if err != nil {
		t.Fatal(err)
	}
	claims := `{}`
	if c.Tenant != "" {
		claims = fmt.Sprintf(`{"tenant":%q}`, c.Tenant)
	}
	return &wasm.Message{
		Method: "tools/call", Server: "files", Tool: c.Tool, Params: scanJSON(t, string(params)),
		Principal: &wasm.Principal{ID: "alice", Kind: wasm.KindJWT, Claims: scanJSON(t, claims)},
	}
}

// TestPluginGo holds the module that is built from the example to the cases of its own tests,
// which run it without Wasm: what an author sees there is what a gateway does.
func TestPluginGo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a Wasm module")
	}
	text, err := os.ReadFile(goExample + "/testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []goCase
	if err := json.Unmarshal(text, &tests); err != nil {
		t.Fatal(err)
	}
	p, err := loadGo(t, goSettings)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.Name, func(t *testing.T) {
			var r wasm.Result
			p.Call(t.Context(), &wasm.Call{Hook: hostapi.HookRequest, Message: tt.message(t)}, &r)
			got := r.Verdict().String()
			if r.Code != "" {
				got += " " + r.Code + ": " + r.Message
			}
			if r.Failure.Type != "" {
				got += " " + r.Failure.Text
			}
			if got != tt.Want {
				t.Errorf("got %s, want %s", got, tt.Want)
			}
			edits := ""
			for _, e := range r.Edits {
				edits += fmt.Sprintf("%s=%s", e.Path, e.JSON)
			}
			want := ""
			if tt.Path != "" {
				want = fmt.Sprintf("args.path=%q", tt.Path)
			}
			if edits != want {
				t.Errorf("edits %s, want %s", edits, want)
			}
		})
	}
}

func TestPluginGo_settingsThatItRefusesAreALoadError(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a Wasm module")
	}
	_, err := loadGo(t, `{"roots":{"acme":"srv"},"tools":[]}`)
	const want = "/roots/acme: the plugin refuses its settings: write an absolute path below /, without . or .. and no / at its end (settings_refused)"
	if wrong := (*wasm.LoadError)(nil); !errors.As(err, &wrong) || wrong.Error() != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

func BenchmarkPluginGo(b *testing.B) {
	p, err := loadGo(b, goSettings)
	if err != nil {
		b.Fatal(err)
	}
	info := p.Info()
	b.Logf("module %d bytes, code %d, image %d, boot %v, %s", info.ModuleBytes, info.CodeBytes, info.ImageBytes, info.Boot, info.Reset)
	for _, c := range []goCase{
		{Name: "pass", Tool: "read_file", Arguments: map[string]any{"path": "/srv/acme/notes.txt"}, Tenant: "acme"},
		{Name: "mutate", Tool: "read_file", Arguments: map[string]any{"path": "notes.txt"}, Tenant: "acme"},
		{Name: "deny", Tool: "read_file", Arguments: map[string]any{"path": "/etc/passwd"}, Tenant: "acme"},
	} {
		m := c.message(b)
		b.Run(c.Name, func(b *testing.B) {
			b.ReportAllocs()
			var r wasm.Result
			for b.Loop() {
				p.Call(b.Context(), &wasm.Call{Hook: hostapi.HookRequest, Message: m}, &r)
			}
			if got := r.Verdict().String(); got != c.Name {
				b.Fatalf("got %s, want %s", got, c.Name)
			}
			b.ReportMetric(float64(r.Fuel), "fuel/op")
		})
	}
}
