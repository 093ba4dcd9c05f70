package fetch

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/fetch/fetchtest"
)

// world is a place that a source reads, and what can be done to it.
type world struct {
	source Source
	put    func(t *testing.T, policy string) // puts other policies there
	remove func(t *testing.T)                // takes them away
}

func policyOf(name string) string {
	return "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: " + name + " }\nrules: [ { name: r, effect: allow } ]\n"
}

func archiveOf(t testing.TB, name string) []byte {
	t.Helper()
	a, err := bundle.Make(bundle.Manifest{Name: "acme", Version: 1, Environment: "2026-11"}, []bundle.File{{Name: "p.yaml", Content: []byte(policyOf(name))}})
	if err != nil {
		t.Fatal(err)
	}
	return a.Data()
}

// holds is the policy that a content is made of.
func holds(t testing.TB, c *Content) string {
	t.Helper()
	set := c.Set
	if set == nil {
		a, err := bundle.ParseArchive("x", c.Packed)
		if err != nil {
			t.Fatal(err)
		}
		if set, err = a.Bundle(); err != nil {
			t.Fatal(err)
		}
	}
	return set.Policies[0].Name
}

func sourceAt(t testing.TB, location string, o Options) Source {
	t.Helper()
	s, err := New(location, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// worlds are all the kinds of source.
var worlds = map[string]func(t *testing.T) world{
	"a directory": func(t *testing.T) world {
		dir := filepath.Join(t.TempDir(), "policies")
		return world{
			sourceAt(t, dir, Options{}),
			func(t *testing.T, name string) {
				must(t, os.MkdirAll(dir, 0o700))
				must(t, bundle.WriteFile(filepath.Join(dir, "p.yaml"), []byte(policyOf(name)), 0o600))
			},
			func(t *testing.T) { must(t, os.RemoveAll(dir)) },
		}
	},
	"a directory of Kubernetes": func(t *testing.T) world {
		dir, n := t.TempDir(), 0
		must(t, os.Symlink(filepath.Join("..data", "p.yaml"), filepath.Join(dir, "p.yaml")))
		return world{
			sourceAt(t, dir, Options{}),
			func(t *testing.T, name string) {
				n++
				version := filepath.Join(dir, "..v"+string(rune('0'+n)))
				must(t, os.Mkdir(version, 0o700))
				must(t, os.WriteFile(filepath.Join(version, "p.yaml"), []byte(policyOf(name)), 0o600))
				must(t, os.Symlink(filepath.Base(version), filepath.Join(dir, "..tmp")))
				must(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
			},
			func(t *testing.T) { must(t, os.Remove(filepath.Join(dir, "..data"))) },
		}
	},
	"a file of policies": func(t *testing.T) world {
		file := filepath.Join(t.TempDir(), "p.yaml")
		return world{
			sourceAt(t, file, Options{}),
			func(t *testing.T, name string) { must(t, bundle.WriteFile(file, []byte(policyOf(name)), 0o600)) },
			func(t *testing.T) { must(t, os.Remove(file)) },
		}
	},
	"an archive": func(t *testing.T) world {
		file := filepath.Join(t.TempDir(), "p.tar.gz")
		return world{
			sourceAt(t, file, Options{}),
			func(t *testing.T, name string) { must(t, bundle.WriteFile(file, archiveOf(t, name), 0o600)) },
			func(t *testing.T) { must(t, os.Remove(file)) },
		}
	},
	"a web server": func(t *testing.T) world {
		web := new(fetchtest.Web)
		url, o := overTLS(t, web)
		return webWorld(t, web, url, o)
	},
	"a web server that tells of changes": func(t *testing.T) world {
		web := &fetchtest.Web{Tells: true}
		return webWorld(t, web, plainly(t, web), Options{})
	},
	"a web server without ETags": func(t *testing.T) world {
		web := new(fetchtest.Web)
		url := plainly(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			web.ServeHTTP(tagless{w}, r)
		}))
		return webWorld(t, web, url, Options{})
	},
	"a registry": func(t *testing.T) world {
		registry := new(fetchtest.Registry)
		url, o := overTLS(t, registry)
		return registryWorld(t, registry, strings.TrimPrefix(url, "https://"), o)
	},
	"a registry that asks for a password": func(t *testing.T) world {
		registry := &fetchtest.Registry{User: "gateway", Password: "S3cret"}
		host := strings.TrimPrefix(plainly(t, registry), "http://")
		return registryWorld(t, registry, host, Options{DockerConfig: dockerConfig(t, host, "Z2F0ZXdheTpTM2NyZXQ=")})
	},
}

func webWorld(t *testing.T, web *fetchtest.Web, url string, o Options) world {
	t.Helper()
	return world{sourceAt(t, url+"/acme.tar.gz", o), func(t *testing.T, name string) { web.Put(archiveOf(t, name)) }, func(*testing.T) { web.Put(nil) }}
}

func registryWorld(t *testing.T, registry *fetchtest.Registry, host string, o Options) world {
	t.Helper()
	location := "oci://" + host + "/acme/policies:production"
	return world{
		sourceAt(t, location, o),
		func(t *testing.T, name string) {
			_, err := Push(t.Context(), location, archiveOf(t, name), "acme.tar.gz", o)
			must(t, err)
		},
		func(*testing.T) { registry.Forget("acme/policies", "production") },
	}
}

func plainly(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func overTLS(t *testing.T, h http.Handler) (string, Options) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	return s.URL, Options{CAFile: file}
}

func dockerConfig(t *testing.T, host, credentials string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": credentials}}})
	must(t, err)
	file := filepath.Join(t.TempDir(), "config.json")
	must(t, os.WriteFile(file, text, 0o600))
	return file
}

// tagless leaves out ETags.
type tagless struct{ http.ResponseWriter }

func (t tagless) Write(data []byte) (int, error) {
	t.Header().Del("ETag")
	return t.ResponseWriter.Write(data)
}

// Every kind of source does what Source says.
func TestSources(t *testing.T) {
	for name, in := range worlds {
		t.Run(name, func(t *testing.T) {
			w, seen := in(t), map[string]string{}
			if c, err := w.source.Fetch(t.Context(), "", 0); c != nil || err == nil {
				t.Fatalf("there is nothing yet: %+v %v", c, err)
			}
			have := ""
			for _, policy := range []string{"one", "two", "three", "one"} {
				w.put(t, policy)
				c, err := w.source.Fetch(t.Context(), have, 0)
				if err != nil || c == nil || c.Tag == "" || c.Tag == have {
					t.Fatalf("%s: %+v %v", policy, c, err)
				}
				if got := holds(t, c); got != policy {
					t.Errorf("%s was put, and %s is there", policy, got)
				}
				if was, there := seen[c.Tag]; there && was != policy {
					t.Errorf("%s and %s have one tag", was, policy)
				}
				seen[c.Tag], have = policy, c.Tag
				if again, err := w.source.Fetch(t.Context(), have, 0); again != nil || err != nil {
					t.Errorf("%s has not changed: %+v %v", policy, again, err)
				}
				if whole, err := w.source.Fetch(t.Context(), "", 0); err != nil || whole == nil || holds(t, whole) != policy {
					t.Errorf("%s, asked anew: %+v %v", policy, whole, err)
				}
			}
			w.remove(t)
			if c, err := w.source.Fetch(t.Context(), have, 0); c != nil || err == nil {
				t.Errorf("it is gone: %+v %v", c, err)
			}
			w.put(t, "two")
			if c, err := w.source.Fetch(t.Context(), have, 0); err != nil || c == nil || holds(t, c) != "two" {
				t.Errorf("it is back: %+v %v", c, err)
			}
		})
	}
}

// A follower of any kind of source has what is there, soon, whatever happened meanwhile.
func TestSourcesFollowed(t *testing.T) {
	for name, in := range worlds {
		t.Run(name, func(t *testing.T) {
			w := in(t)
			f := Follow(w.source, 5*time.Millisecond, 0, time.Now)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				f.Run(ctx, func() {})
			}()
			until(t, "it says that there is nothing", func() bool { return f.State().Err != nil && f.Content() == nil })
			w.put(t, "one")
			has := func(policy string) func() bool {
				return func() bool {
					f.Sooner()
					c := f.Content()
					return c != nil && holds(t, c) == policy && f.State().Err == nil
				}
			}
			until(t, "it has the first", has("one"))
			w.put(t, "two")
			until(t, "it has the second", has("two"))
			confirmed := f.State().Confirmed
			w.remove(t)
			until(t, "it says that it is gone", func() bool { f.Sooner(); return f.State().Err != nil })
			if c := f.Content(); holds(t, c) != "two" || f.State().Confirmed.Before(confirmed) {
				t.Error("what was there is forgotten")
			}
			w.put(t, "three")
			until(t, "it is back", has("three"))
			stop()
			<-ended
		})
	}
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for begun := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("never: " + what)
		}
	}
}

// What is gone is said to be, so that whoever asks can tell.
func TestLocal_gone(t *testing.T) {
	if _, err := sourceAt(t, filepath.Join(t.TempDir(), "none"), Options{}).Fetch(t.Context(), "", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestHolds(t *testing.T) {
	const location = "oci://registry.example/acme/policies:production"
	for name, c := range map[string]struct {
		location, repository, tag string
		want                      bool
	}{
		"the tag":            {location, "acme/policies", "production", true},
		"no tag":             {location, "acme/policies", "", true},
		"another tag":        {location, "acme/policies", "testing", false},
		"another repository": {location, "acme/policies2", "production", false},
		"a part of its name": {location, "policies", "production", false},
		"a web server":       {"https://registry.example/acme/policies", "acme/policies", "", false},
		"a directory":        {"acme/policies", "acme/policies", "", false},
	} {
		if got := Holds(c.location, c.repository, c.tag); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
