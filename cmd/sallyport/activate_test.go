package main

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// bundled is a gateway whose policies are a bundle.
type bundled struct {
	t     *testing.T
	dir   string
	key   crypto.Signer
	other crypto.Signer
	log   bytes.Buffer
}

const (
	bundledPolicy = "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules: [ { name: r, effect: allow } ]\n"
	bundledCases  = "apiVersion: sallyport/v1\nkind: PolicyTest\nmetadata: { name: c }\npolicies: [p.yaml]\ncases: [ { name: all, call: { tool: a/b }, expect: { effect: allow } } ]\n"
	bundledConfig = "listen: 127.0.0.1:0\nadmin: { listen: \"127.0.0.1:0\" }\nservers: { a: { url: \"http://127.0.0.1:9/mcp\" } }\nidentity: { anonymous: allow }\n" +
		"policies: p.tar.gz\nbundle: { trust: key.pub, state: state, audience: prod }\naudit: { file: audit.jsonl }\n"
)

func newBundled(t *testing.T) *bundled {
	t.Helper()
	w := &bundled{t: t, dir: t.TempDir()}
	w.key, w.other = w.newKey("key"), w.newKey("other")
	w.write("sallyport.yaml", []byte(bundledConfig))
	return w
}

func (w *bundled) file(name string) string { return filepath.Join(w.dir, name) }

func (w *bundled) write(name string, data []byte) {
	w.t.Helper()
	if err := os.WriteFile(w.file(name), data, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *bundled) newKey(name string) crypto.Signer {
	w.t.Helper()
	private, public, err := bundle.NewKey()
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name+".pub", public)
	key, err := bundle.ParsePrivateKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// archive is version 3 of a good bundle, after edit has changed what it is made of, signed by keys.
func (w *bundled) archive(edit func(*bundle.Manifest, map[string]string), keys ...crypto.Signer) []byte {
	w.t.Helper()
	m, contents := bundle.Manifest{Name: "acme", Version: 3, Environment: "2026-11"}, map[string]string{"p.yaml": bundledPolicy, "cases.yaml": bundledCases}
	if edit != nil {
		edit(&m, contents)
	}
	var files []bundle.File
	for name, content := range contents {
		files = append(files, bundle.File{Name: name, Content: []byte(content)})
	}
	a, err := bundle.Make(m, files)
	if err != nil {
		w.t.Fatal(err)
	}
	data := a.Data()
	for _, key := range keys {
		if data, err = a.Sign(key); err != nil {
			w.t.Fatal(err)
		}
		if a, err = bundle.ParseArchive("p", data); err != nil {
			w.t.Fatal(err)
		}
	}
	return data
}

func numbered(n int64) func(*bundle.Manifest, map[string]string) {
	return func(m *bundle.Manifest, _ map[string]string) { m.Version = n }
}

func (w *bundled) start() (*program, error) {
	g, err := start(process{ctx: w.t.Context(), stdout: io.Discard, stderr: &w.log, getenv: os.LookupEnv, now: time.Now}, origin{config: w.file("sallyport.yaml")}, nil)
	if err == nil {
		w.t.Cleanup(func() {
			if err := g.data.Close(); err != nil {
				w.t.Error(err)
			}
			if err := g.stop(); err != nil {
				w.t.Error(err)
			}
		})
	}
	return g, err
}

// verify is what the command line prints of the bundle.
func (w *bundled) verify() string {
	var out bytes.Buffer
	run([]string{"bundle", "verify", w.file("p.tar.gz"), "--trust", w.file("key.pub"), "--audience", "prod"},
		process{ctx: w.t.Context(), stdout: io.Discard, stderr: &out, getenv: os.LookupEnv, now: time.Now})
	return out.String()
}

// Whatever is put in the place of the bundle, it is refused for its own reason, and the active one decides on.
func TestHostileBundlesChangeNothing(t *testing.T) {
	w := newBundled(t)
	good := w.archive(nil, w.key)
	w.write("p.tar.gz", good)
	g, err := w.start()
	if err != nil {
		t.Fatal(err)
	}
	active := g.state.build()
	if !g.concerns(w.dir+"/./p.tar.gz") || g.concerns(w.file("q.tar.gz")) {
		t.Error("which changes of files concern the gateway")
	}
	for name, c := range map[string]struct {
		data   []byte
		code   string
		silent bool // the command line can't know
	}{
		"nothing":             {nil, "SP8002", false},
		"a policy":            {[]byte(bundledPolicy), "SP8001", false},
		"cut off":             {good[:len(good)-9], "SP8002", false},
		"a flipped bit":       {flipped(good), "SP8003", false},
		"something behind it": {append(bytes.Clone(good), 'x'), "SP8004", false},
		"twice":               {append(bytes.Clone(good), good...), "SP8005", false},
		"another environment": {w.archive(func(m *bundle.Manifest, _ map[string]string) { m.Environment, m.Version = "2031-01", 4 }, w.key), "SP8021", false},
		"unsigned":            {w.archive(numbered(4)), "SP8101", false},
		"signed by others":    {w.archive(numbered(4), w.other), "SP8106", false},
		"expired":             {w.archive(func(m *bundle.Manifest, _ map[string]string) { m.Expires, m.Version = "2026-01-01T00:00:00Z", 4 }, w.key), "SP8110", false},
		"for others":          {w.archive(func(m *bundle.Manifest, _ map[string]string) { m.Audience, m.Version = []string{"test"}, 4 }, w.key), "SP8111", false},
		"another name":        {w.archive(func(m *bundle.Manifest, _ map[string]string) { m.Name, m.Version = "other", 4 }, w.key), "SP8112", true},
		"an old version":      {w.archive(numbered(2), w.key), "SP8113", true},
		"another version 3":   {w.archive(func(_ *bundle.Manifest, f map[string]string) { delete(f, "cases.yaml") }, w.key), "SP8114", true},
		"a case that fails": {w.archive(func(m *bundle.Manifest, f map[string]string) {
			m.Version, f["p.yaml"] = 4, strings.Replace(bundledPolicy, "allow", "deny", 1)
		}, w.key), "SP8023", true},
		"a case that leads out": {w.archive(func(m *bundle.Manifest, f map[string]string) {
			m.Version, f["cases.yaml"] = 4, strings.Replace(bundledCases, "p.yaml", "../p.yaml", 1)
		}, w.key), "SP5005", true},
		"a broken policy": {w.archive(func(m *bundle.Manifest, f map[string]string) {
			m.Version, f["p.yaml"] = 4, strings.Replace(bundledPolicy, "allow", "alow", 1)
		}, w.key), "SP1003", true},
	} {
		t.Run(name, func(t *testing.T) {
			w.write("p.tar.gz", c.data)
			w.log.Reset()
			g.reload("a test")
			shown := g.bundles()[0]
			if g.state.build() != active || shown.Version != 3 || shown.Last.OK || len(shown.Last.Diagnostics) == 0 {
				t.Fatalf("%+v", shown)
			}
			d := shown.Last.Diagnostics[0]
			if d.Code != c.code || !strings.Contains(w.log.String(), d.Code) {
				t.Errorf("got %v, want %s; log: %s", shown.Last.Diagnostics, c.code, w.log.String())
			}
			if !c.silent && shown.Text != w.verify() {
				t.Errorf("the admin API says %q, the command %q", shown.Text, w.verify())
			}
		})
	}
	w.write("p.tar.gz", w.archive(numbered(4), w.key))
	g.reload("a test")
	if shown := g.bundles()[0]; shown.Version != 4 || !shown.Last.OK || shown.Text != "" || shown.Cases != 1 || strings.Join(shown.SignedBy, " ") != "key 1" {
		t.Errorf("a good one: %+v", shown)
	}
}

func flipped(data []byte) []byte {
	data = bytes.Clone(data)
	data[len(data)-6] ^= 1 // in the checksum
	return data
}

// A gateway that can't use the bundle starts from the one that was active last, and only from one that would be taken now.
func TestStartsFromTheBundleThatWasActiveLast(t *testing.T) {
	w := newBundled(t)
	last := w.archive(nil, w.key)
	w.write("p.tar.gz", last)
	t.Run("the first", func(t *testing.T) {
		w := &bundled{t: t, dir: w.dir}
		if _, err := w.start(); err != nil {
			t.Fatal(err)
		}
	})
	kept := filepath.Join("state", "last-good.tar.gz")
	for name, c := range map[string]struct {
		config, trust string
		bundle, last  []byte
		want          string // the code, "" if it starts
	}{
		"a bundle cut off":      {bundle: last[:99]},
		"a bundle that is gone": {},
		"one that is older":     {bundle: w.archive(numbered(2), w.key)},
		"one whose case fails": {bundle: w.archive(func(m *bundle.Manifest, f map[string]string) {
			m.Version, f["p.yaml"] = 4, strings.Replace(bundledPolicy, "allow", "deny", 1)
		}, w.key)},
		"neither is whole":                  {bundle: last[:99], last: last[:100], want: "SP8002"},
		"what is kept was changed":          {bundle: last, last: flipped(last), want: "SP8115"},
		"nobody trusts the signer any more": {trust: "other.pub", bundle: last[:99], want: "SP8002"},
		"nothing is kept":                   {config: strings.Replace(bundledConfig, "state: state", "state: none", 1), bundle: last[:99], want: "SP8002"},
		"nobody is trusted":                 {config: strings.Replace(bundledConfig, "trust: key.pub, ", "", 1), bundle: last, want: "SP8108"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &bundled{t: t, dir: w.dir, key: w.key}
			config := bundledConfig
			if c.config != "" {
				config = c.config
			}
			if c.trust != "" {
				config = strings.Replace(config, "key.pub", c.trust, 1)
			}
			w.write("sallyport.yaml", []byte(config))
			w.write(kept, last)
			if c.last != nil {
				w.write(kept, c.last)
			}
			w.write("p.tar.gz", c.bundle)
			if c.bundle == nil {
				if err := os.Remove(w.file("p.tar.gz")); err != nil {
					t.Fatal(err)
				}
			}
			g, err := w.start()
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if shown := g.bundles()[0]; shown.Version != 3 || !shown.LastGood || g.state.build().given.instead == nil {
				t.Errorf("%+v", shown)
			}
		})
	}
}

// A bundle that nobody has signed is taken if the config says so.
func TestUnsignedBundle(t *testing.T) {
	w := newBundled(t)
	w.write("p.tar.gz", w.archive(nil))
	w.write("sallyport.yaml", []byte(strings.Replace(bundledConfig, "trust: key.pub, state: state", "unsigned: true", 1)))
	g, err := w.start()
	if err != nil {
		t.Fatal(err)
	}
	if shown := g.bundles()[0]; shown.Version != 3 || len(shown.SignedBy) > 0 {
		t.Errorf("%+v", shown)
	}
	w.write("p.tar.gz", w.archive(numbered(1)))
	g.reload("a test")
	if shown := g.bundles()[0]; shown.Version != 1 {
		t.Errorf("without a state any version is taken: %+v", shown)
	}
}

// Whoever trusts signatures doesn't take policies that can't have any.
func TestTrustWithoutBundle(t *testing.T) {
	w := newBundled(t)
	w.write("p.yaml", []byte(bundledPolicy))
	w.write("sallyport.yaml", []byte(strings.Replace(bundledConfig, "p.tar.gz", "p.yaml", 1)))
	if _, err := w.start(); err == nil || !strings.Contains(err.Error(), "SP8109") {
		t.Error(err)
	}
}

// Cases that never end would keep a gateway from taking anything else.
func TestProvingEnds(t *testing.T) {
	w := newBundled(t)
	a, err := bundle.ParseArchive("p", w.archive(nil))
	if err != nil {
		t.Fatal(err)
	}
	set, err := a.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prove(t.Context(), set, 0, enginetest.Options{}); err == nil || !strings.Contains(err.Error(), "SP8024") {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := prove(ended, set, proving, enginetest.Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A directory of compiled code that others can write to by now is not used, and the cases are run all the same.
func TestCasesWithoutACacheOfPlugins(t *testing.T) {
	open, own := t.TempDir(), filepath.Join(t.TempDir(), "own")
	if err := errors.Join(os.Chmod(open, 0o755), os.Mkdir(own, 0o700)); err != nil {
		t.Fatal(err)
	}
	with, without := &bundle.Bundle{Modules: make([]bundle.File, 1)}, &bundle.Bundle{}
	for _, c := range []struct {
		set        *bundle.Bundle
		dir, cache string
	}{{with, own, own}, {with, open, ""}, {with, "", ""}, {without, own, ""}} {
		if got := beside(nil, c.set, &config.Config{Plugins: config.Plugins{Cache: c.dir}}, nil).CacheDir; got != c.cache {
			t.Errorf("%d modules, %s: %q, want %q", len(c.set.Modules), c.dir, got, c.cache)
		}
	}
}

// What a mistake was found in may be something else when it is shown.
func TestShownFile(t *testing.T) {
	w := newBundled(t)
	w.write("p.yaml", []byte("text"))
	if err := errors.Join(os.Mkdir(w.file("p.tar.gz"), 0o700), os.Symlink(w.file("p.yaml"), w.file("p.tar.gz/manifest.json")),
		os.Symlink("/dev/zero", w.file("endless.yaml")), mkfifo(w.file("pipe.yaml"))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"p.yaml": "text", "p.tar.gz/manifest.json": "", "endless.yaml": "", "pipe.yaml": "", "none.yaml": ""} {
		if got := readText(w.file(name)); string(got) != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
