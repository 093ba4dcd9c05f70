package plugins

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/detect"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// plugin is a directory with a plugin.
type plugin struct {
	dir       string
	firstHand bool // of plugins/, whose modules are committed
}

func all(t testing.TB) (out []plugin) {
	t.Helper()
	for _, pattern := range []string{"*/Makefile", "../examples/plugins/*/Makefile"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			out = append(out, plugin{filepath.Dir(name), !strings.HasPrefix(name, "..")})
		}
	}
	return out
}

// module reads the module that is committed, or the one that `make plugins` has just built of an example.
func (p plugin) module(t testing.TB) []byte {
	t.Helper()
	pattern := filepath.Join(p.dir, "*.wasm")
	if !p.firstHand {
		built := os.Getenv("SALLYPORT_PLUGINS")
		if built == "" {
			t.Skipf("SKIPPED: %s is built by `make plugins`, which runs this too; make toolchains installs the compilers", p.dir)
		}
		pattern = filepath.Join(built, "examples/plugins", filepath.Base(p.dir), "*.wasm")
	}
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) != 1 {
		t.Fatalf("%s: want one module, got %q: %v", pattern, names, err)
	}
	module, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// load loads a plugin as a gateway does.
func load(t testing.TB, module []byte, c *corpus) *wasm.Plugin {
	t.Helper()
	h, err := wasm.New(wasm.Options{EjectFailures: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	config := wasm.Config{Settings: c.Settings, CheckSettings: source.CheckJSON}
	for _, name := range c.Grant {
		capability, err := hostapi.ParseCapability(name)
		if err != nil {
			t.Fatal(err)
		}
		config.Grant.Capabilities = append(config.Grant.Capabilities, capability)
	}
	tables := wasm.Tables{}
	for name, rows := range c.Tables {
		values := map[string]jsonscan.Value{}
		for key, value := range rows {
			values[key] = scan(t, value)
		}
		tables[name] = func(key string) jsonscan.Value { return values[key] }
	}
	config.Tables = func() wasm.Tables { return tables }
	config.Matchers = map[string]wasm.Matcher{detect.BuiltinName: builtin(t)}
	p, err := h.Load(t.Context(), module, config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// builtin is the set of detectors that comes with the gateway.
func builtin(t testing.TB) wasm.Matcher {
	t.Helper()
	s, found := detect.Parse(detect.Builtin())
	if s == nil {
		t.Fatal(found)
	}
	return wasm.Matcher{Rules: s.Rules(), Find: func(dst []wasm.Match, text []byte, stop func() bool) ([]wasm.Match, bool) {
		return detect.FindUntil(s, dst, text, stop)
	}}
}

// answer says in a word or two what a plugin says.
func answer(r *wasm.Result) string {
	if r.Failure.Type != "" {
		return "failed " + string(r.Failure.Type)
	}
	if r.Code != "" {
		return "deny " + r.Code
	}
	return r.Verdict().String()
}

// edited is the message as the plugin wants it.
func edited(t testing.TB, m *wasm.Message, r *wasm.Result) string {
	t.Helper()
	var e jsonscan.Edits
	if r.Verdict() == hostapi.VerdictMutate && !r.Apply(&e) {
		t.Fatal("the edits don't fit")
	}
	if m.Result.Exists() { // a plugin edits what it judges
		return string(m.Result.AppendEdited(nil, &e))
	}
	return string(m.Params.AppendEdited(nil, &e))
}

// run asks about a sample, and says whether the plugin has found what there is to find: anything but
// pass or abstain, or a label, is a find.
func (c *corpus) run(t *testing.T, p *wasm.Plugin, s *sample) (found bool) {
	t.Helper()
	var r wasm.Result
	m := s.Message.or(c.Message)
	call := m.with(t, strings.Repeat(s.Text, max(1, s.Times))).call(t)
	p.Call(t.Context(), call, &r)
	got, v := answer(&r), r.Verdict()
	if r.Failure.Type != "" && s.Want != got {
		t.Errorf("%s:%d: %s: %s", c.name, s.line, got, r.Failure.Text)
	}
	if s.Want != "" && got != s.Want {
		t.Errorf("%s:%d: got %q, want %q: %s", c.name, s.line, got, s.Want, r.Message)
	}
	if s.Becomes != nil {
		other := m.with(t, *s.Becomes).call(t)
		if diff := cmp.Diff(edited(t, other.Message, &wasm.Result{}), edited(t, call.Message, &r)); diff != "" {
			t.Errorf("%s:%d: %s", c.name, s.line, diff)
		}
	}
	return v != hostapi.VerdictPass && v != hostapi.VerdictAbstain || len(r.Labels) > 0
}

// TestPlugins holds every plugin to what its corpora say of it, and its README to what is measured.
func TestPlugins(t *testing.T) {
	for _, p := range all(t) {
		t.Run(filepath.Base(p.dir), func(t *testing.T) {
			module, readme := p.module(t), p.readme(t)
			list := corpora(t, p.dir)
			if len(list) == 0 {
				t.Fatal("there is no corpus/*.jsonl")
			}
			for i := range list {
				c := &list[i]
				s := score{kinds: map[string][2]int{}}
				loaded := load(t, module, c)
				for k := range c.cases {
					found := c.run(t, loaded, &c.cases[k])
					if s.add(&c.cases[k], found); found != c.cases[k].Bad {
						t.Logf("%s:%d: found %v: %.80q", c.name, c.cases[k].line, found, c.cases[k].Text)
					}
				}
				t.Logf("%s: %v", c.name, &s)
				for _, k := range slices.Sorted(maps.Keys(s.kinds)) {
					t.Logf("  %-20s %d of %d", k, s.kinds[k][0], s.kinds[k][1])
				}
				if s.precision() < c.Precision || s.recall() < c.Recall {
					t.Errorf("%s: want a precision of %.3f and a recall of %.3f: %v", c.name, c.Precision, c.Recall, &s)
				}
				if p.firstHand && !strings.Contains(readme, s.String()) {
					t.Errorf("%s: README.md doesn't say what is measured: %v", c.name, &s)
				}
			}
		})
	}
}

func (p plugin) readme(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestModulesAreOfTheirSources holds the digests of each plugin: whoever changes a source must build the
// module anew. That it is what the compiler makes, `make plugins` sees.
func TestModulesAreOfTheirSources(t *testing.T) {
	for _, p := range all(t) {
		if !p.firstHand {
			continue
		}
		t.Run(p.dir, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(p.dir, "digests"))
			if err != nil {
				t.Fatal(err)
			}
			modules := 0
			for line := range strings.Lines(string(text)) {
				digest, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
				b, err := os.ReadFile(filepath.Join(p.dir, name))
				if !ok || err != nil {
					t.Fatalf("digests: %q: %v", line, err)
				}
				if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != digest {
					t.Errorf("%s is %s, digests says %s: run make -C plugins/%s commit", name, got, digest, p.dir)
				}
				if strings.HasSuffix(name, ".wasm") {
					modules++
				}
			}
			if modules != 1 {
				t.Errorf("digests has %d modules, want one", modules)
			}
		})
	}
}

// BenchmarkPlugins measures the samples of each corpus that say "bench": true.
func BenchmarkPlugins(b *testing.B) {
	for _, p := range all(b) {
		for _, c := range corpora(b, p.dir) {
			for i := range c.cases {
				s := &c.cases[i]
				if !s.Bench {
					continue
				}
				b.Run(fmt.Sprintf("%s/%s:%d", filepath.Base(p.dir), c.name, s.line), func(b *testing.B) {
					measure(b, load(b, p.module(b), &c), s.Message.or(c.Message).with(b, s.Text).call(b))
				})
			}
		}
	}
}

func measure(b *testing.B, p *wasm.Plugin, call *wasm.Call) {
	var r wasm.Result
	var took []time.Duration
	for b.Loop() {
		p.Call(b.Context(), call, &r)
		took = append(took, r.Time)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[0].Nanoseconds()), "min-ns")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(float64(r.Fuel), "fuel/op")
	b.Logf("%s, %d bytes", answer(&r), len(call.Message.Params.Raw())+len(call.Message.Result.Raw()))
}
