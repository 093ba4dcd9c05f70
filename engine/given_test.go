package engine_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

const pii = "[[rules]]\nid = 'number'\nregex = '%s=([0-9]+)'\nkeywords = ['no=']\n"

// giving compiles policies with a plugin that is given the table tenants and the set pii.
func giving(t testing.TB, h *wasm.Host, previous *engine.Snapshot, files map[string]string) (*engine.Snapshot, error) {
	t.Helper()
	all := fstest.MapFS{
		"p.yaml": {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: any, effect: allow }\n" +
			"  - { name: ask, plugin: tck, grant: [\"match:pii\", \"lookup:tenants\"] }\n")},
		"guest.wasm": {Data: guest(t)},
	}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	b, err := bundle.FS(all)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Compile(t.Context(), b, engine.Options{Plugins: h, Previous: previous})
}

// said is what the plugin notes when it is asked to do something, and what it has made use of.
func said(t testing.TB, s *engine.Snapshot, do string) string {
	t.Helper()
	d := s.Decide(t.Context(), tckCall(t, do, `{"list":["no=123"]}`))
	if len(d.Plugins) != 1 || len(d.Plugins[0].Notes) != 1 {
		t.Fatalf("%+v", d)
	}
	return fmt.Sprint(strings.TrimPrefix(d.Plugins[0].Notes[0].Text, "="), d.Plugins[0].Used)
}

const (
	askTable = `{"do":"lookup","id":0,"key":"ann"}`
	askSet   = `{"do":"match","id":2,"index":-1}`
)

func TestPluginsAreGivenTablesAndDetectors(t *testing.T) {
	h := pluginHost(t)
	first, err := giving(t, h, nil, map[string]string{"detectors/pii.toml": fmt.Sprintf(pii, "no"), "tables/tenants.json": `{"ann":"acme"}`})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if got := said(t, first, askTable); got != "acme[lookup:tenants]" {
		t.Error(got)
	}
	if got := said(t, first, askSet); !strings.HasSuffix(got, "number\n[match:pii]") {
		t.Error(got)
	}
	if got := said(t, first, `{"do":"granted","id":0}`); got != "1[]" {
		t.Error(got)
	}

	// Another table comes with the call, and leaves the plugin as it is.
	second, err := giving(t, h, first, map[string]string{"detectors/pii.toml": fmt.Sprintf(pii, "no"), "tables/tenants.yaml": "ann: [umbrella]\n"})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if got := said(t, second, askTable); got != `["umbrella"][lookup:tenants]` {
		t.Error(got)
	}
	if got := said(t, first, askTable); got != "acme[lookup:tenants]" {
		t.Errorf("the first snapshot has another's table: %s", got)
	}
	if a, b := first.Plugins()[0].Stats.Calls, second.Plugins()[0].Stats.Calls; a != b || a == 0 {
		t.Errorf("the plugin was loaded anew: %d calls, and %d", a, b)
	}

	// Another set boots it anew.
	third, err := giving(t, h, second, map[string]string{"detectors/pii.toml": fmt.Sprintf(pii, "NO"), "tables/tenants.csv": "user,tenant\nann,initech\n"})
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if got := said(t, third, askSet); got != "[match:pii]" {
		t.Error(got)
	}
	if got := said(t, third, askTable); got != `{"tenant":"initech"}[lookup:tenants]` {
		t.Error(got)
	}
	if n := third.Plugins()[0].Stats.Calls; n != 2 {
		t.Errorf("%d calls, want 2: a plugin with another set was taken over", n)
	}
	if first.Revision() == second.Revision() || second.Revision() == third.Revision() {
		t.Error("the revision does not say what plugins are given")
	}
}

// While tables are swapped, every call sees those of the snapshot that it is decided on.
func TestTablesAreNeverMixed(t *testing.T) {
	h := pluginHost(t)
	var snapshots []*engine.Snapshot
	var last *engine.Snapshot
	for i := range 4 {
		s, err := giving(t, h, last, map[string]string{"detectors/pii.toml": fmt.Sprintf(pii, "no"), "tables/tenants.json": fmt.Sprintf(`{"ann":"acme-%d"}`, i)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		snapshots, last = append(snapshots, s), s
	}
	var wg sync.WaitGroup
	for i, s := range snapshots {
		wg.Go(func() {
			for range 50 {
				d := s.Decide(t.Context(), tckCall(t, askTable, `{}`))
				if got, want := d.Plugins[0].Notes[0].Text, fmt.Sprintf("=acme-%d", i); got != want {
					t.Errorf("snapshot %d: %s", i, got)
				}
			}
		})
	}
	wg.Wait()
}

func TestGivenMistakes(t *testing.T) {
	h := pluginHost(t)
	ok := map[string]string{"detectors/pii.toml": fmt.Sprintf(pii, "no"), "tables/tenants.json": `{}`}
	for _, c := range []struct {
		name, text, want string
	}{
		{"tables/tenants.json", "", "p.yaml:6:52: error[SP6005]: no table is called `tenants`; did you mean `lookup:tenant`?"},
		{"detectors/pii.toml", "", "p.yaml:6:39: error[SP6005]: no set of detectors is called `pii`; put it into detectors/pii.toml, or grant one that there is: secrets"},
		{"detectors/pii.toml", "x", "detectors/pii.toml:1:1: error[SP6001]: "},
		{"detectors/Other.toml", fmt.Sprintf(pii, "no"), "detectors/Other.toml:1:1: error[SP6002]: `Other` can't be granted: "},
		{"tables/tenants.json", "[]", "tables/tenants.json:1:1: error[SP6004]: "},
		{"tables/tenants.yaml", "a: b\n", "tables/tenants.yaml:1:1: error[SP6004]: `tables/tenants.json` is called `tenants` already; remove one of the two files"},
		{"tables/p.yaml", "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: q }\nrules: [ { name: r, effect: deny } ]\n", "tables/p.yaml:2:7: error[SP6004]: this is no table"},
	} {
		files := map[string]string{}
		maps.Copy(files, ok)
		if files[c.name] = c.text; c.text == "" {
			delete(files, c.name)
			files["tables/tenant.json"] = "{}"
		}
		s, err := giving(t, h, nil, files)
		s.Close()
		got := fmt.Sprint(err)
		if ds, ok := errors.AsType[source.Diagnostics](err); ok {
			got = strings.Replace(ds[0].String(), "\n", " ", 1)
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// The set that comes with the gateway is there unless the policies have one of its name.
func TestBuiltinDetectors(t *testing.T) {
	h := pluginHost(t)
	with := func(files map[string]string) error {
		s, err := giving(t, h, nil, files)
		s.Close()
		return err
	}
	rule := func(grant string) string {
		return "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: ask, plugin: tck, grant: [" + grant + "] } ]\n"
	}
	// The plugin doesn't ask for it, which is all that is wrong.
	if err := with(map[string]string{"p.yaml": rule(`"match:secrets"`)}); err == nil || !strings.Contains(err.Error(), "match:secrets is granted, which the plugin doesn't ask for") {
		t.Error(err)
	}
	if err := with(map[string]string{"p.yaml": rule(`"match:secret"`)}); err == nil || !strings.Contains(err.Error(), "did you mean `match:secrets`?") {
		t.Error(err)
	}
	if err := with(map[string]string{"p.yaml": rule(``), "detectors/secrets.toml": "[[rules]]\nid='x'\n"}); err == nil || !strings.Contains(err.Error(), "detectors/secrets.toml:1:3: error[SP6002]") {
		t.Error(err)
	}
}

// A rule that is added later is given the set, too, which no rule before it was.
func TestBuiltinDetectorsAreReadWhenTheyAreGranted(t *testing.T) {
	module, err := os.ReadFile("../plugins/redact-secrets/redact-secrets.wasm")
	if err != nil {
		t.Fatal(err)
	}
	const rule = "  - { name: mask, plugin: redact-secrets, phase: response, grant: [\"match:secrets\"] }\n"
	h := pluginHost(t)
	var last *engine.Snapshot
	for _, more := range []string{"", "  - { name: more, effect: allow }\n", rule} {
		b, err := bundle.FS(fstest.MapFS{
			"p.yaml": {Data: []byte("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: any, effect: allow }\n" + more)},
			"r.wasm": {Data: module},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := engine.Compile(t.Context(), b, engine.Options{Plugins: h, Previous: last})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		last = s
	}
}
