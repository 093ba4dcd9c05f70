package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/fetch/fetchtest"
)

const secret = "t0p-s3cret"

// says is the code of a refusal, and its text.
func says(t *testing.T, err error) (code, text string) {
	t.Helper()
	ds, ok := errors.AsType[source.Diagnostics](err)
	if !ok || len(ds) != 1 {
		t.Fatalf("no diagnostic: %v", err)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("a secret is in %q", err)
	}
	if ds[0].Help == "" || ds[0].File == "" {
		t.Errorf("%+v", ds[0])
	}
	return ds[0].Code, ds[0].Message
}

// Whatever a web server does, it is said what is wrong with it, and no secret.
func TestHostileServers(t *testing.T) {
	stuck := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		answer     http.HandlerFunc
		timeout    time.Duration
		code, text string
	}{
		"slow": {stuck, 50 * time.Millisecond, "SP8301", "no answer within 50ms"},
		"slow in the middle": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			stuck(w, r)
		}, 50 * time.Millisecond, "SP8301", "no answer within 50ms"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		}, 0, "SP8303", "ends too early"},
		"hung up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "SP8301", "can't be reached"},
		"nothing new, unasked": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotModified)
		}, 0, "SP8303", "wasn't asked"},
		"who are you": {answer(401), 0, "SP8302", "the server answers 401 Unauthorized"},
		"not for you": {answer(403), 0, "SP8302", "403 Forbidden"},
		"not here":    {answer(404), 0, "SP8302", "404 Not Found"},
		"broken":      {answer(500), 0, "SP8301", "500 Internal Server Error"},
		"overloaded":  {answer(429), 0, "SP8301", "429 Too Many Requests"},
		"a part":      {answer(206), 0, "SP8302", "206 Partial Content"},
		"nothing":     {answer(204), 0, "SP8302", "204 No Content"},
		"a number":    {answer(799), 0, "SP8301", "answers 799"},
		"too large, it says": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(bundle.MaxArchive+1))
		}, 0, "SP8303", "larger than 64 MiB"},
		"without end": {func(w http.ResponseWriter, _ *http.Request) {
			for block := make([]byte, 1<<20); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, 0, "SP8303", "larger than 64 MiB"},
		"a head without end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*maxHeader))
		}, 0, "SP8301", "can't be reached"},
		"round and round": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
		}, 0, "SP8304", "on more than 5 times"},
		"into the clear": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/x?key="+secret, http.StatusFound)
		}, 0, "SP8304", "without TLS"},
		"to a file": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, 0, "SP8304", "without TLS"},
		"to this machine": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, 0, "SP8304", "without TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			url, o := overTLS(t, c.answer)
			if name == "without end" { // that much takes long to encrypt
				url, o = plainly(t, c.answer), Options{}
			}
			o.Token, o.Timeout = secret, c.timeout
			content, err := sourceAt(t, url+"/a.tar.gz?key="+secret, o).Fetch(t.Context(), "", 0)
			if code, text := says(t, err); content != nil || code != c.code || !strings.Contains(text, c.text) {
				t.Errorf("%s: %s, want %s: %s", code, text, c.code, c.text)
			}
		})
	}
}

func answer(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func TestServer_unreachable(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	_, err := sourceAt(t, s.URL+"/a.tar.gz?key="+secret, Options{Token: secret}).Fetch(t.Context(), "", 0)
	if code, text := says(t, err); code != "SP8301" || !strings.Contains(text, "can't be reached") {
		t.Error(text)
	}
	url, _ := overTLS(t, answer(200))
	_, err = sourceAt(t, url, Options{}).Fetch(t.Context(), "", 0)
	if code, text := says(t, err); code != "SP8301" || !strings.Contains(text, "certificate") {
		t.Errorf("a certificate that nobody trusts: %s", text)
	}
}

// Credentials are for the server that was named, and for no other, wherever it leads.
func TestRedirectsTakeNoCredentials(t *testing.T) {
	data := archiveOf(t, "one")
	var sent atomic.Value
	var back string
	other, _ := overTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent.Store(r.Header.Get("Authorization") + r.Header.Get("Referer"))
		if r.URL.Path == "/back" {
			http.Redirect(w, r, back+"/end", http.StatusFound)
			return
		}
		_, _ = w.Write(data)
	}))
	var first, last atomic.Value
	url, o := overTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/end":
			last.Store(r.Header.Get("Authorization"))
			_, _ = w.Write(data)
		case "/here":
			http.Redirect(w, r, "/end", http.StatusFound)
		default:
			first.Store(r.Header.Get("Authorization"))
			http.Redirect(w, r, other+r.URL.Path, http.StatusFound)
		}
	}))
	back = url
	o.Token = secret
	for path, c := range map[string]struct{ sent, last string }{
		"/away": {sent: ""}, "/back": {sent: "", last: ""}, "/here": {last: "Bearer " + secret},
	} {
		first.Store("")
		last.Store("")
		sent.Store("")
		content, err := sourceAt(t, url+path, o).Fetch(t.Context(), "", 0)
		if err != nil || !bytes.Equal(content.Packed, data) {
			t.Fatalf("%s: %v", path, err)
		}
		if path != "/here" && first.Load() != "Bearer "+secret {
			t.Errorf("%s: the server that was named got %q", path, first.Load())
		}
		if sent.Load() != c.sent || last.Load() != c.last {
			t.Errorf("%s: sent on were %q and %q", path, sent.Load(), last.Load())
		}
	}
}

// A token is read anew for each question, and what isn't one is not sent.
func TestTokenFile(t *testing.T) {
	var got atomic.Value
	url := plainly(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization"))
		_, _ = w.Write([]byte("x"))
	}))
	file := filepath.Join(t.TempDir(), "token")
	s := sourceAt(t, url, Options{TokenFile: file})
	for text, want := range map[string]string{"one\n": "Bearer one", " two": "Bearer two", secret + "\nx": "", "": "", secret + strings.Repeat("x", maxToken): ""} {
		must(t, os.WriteFile(file, []byte(text), 0o600))
		got.Store("")
		_, err := s.Fetch(t.Context(), "", 0)
		if want == "" {
			if code, _ := says(t, err); code != "SP8302" {
				t.Error(err)
			}
		} else if err != nil {
			t.Error(err)
		}
		if got.Load() != want {
			t.Errorf("%.10q: sent %q", text, got.Load())
		}
	}
	must(t, os.Remove(file))
	if _, err := s.Fetch(t.Context(), "", 0); err == nil {
		t.Error("there is no token")
	}
}

// What a registry has is taken if it is a bundle, whole, and what its digests say.
func TestHostileRegistries(t *testing.T) {
	const repository, tag = "acme/policies", "production"
	registry := new(fetchtest.Registry)
	var edit atomic.Pointer[http.HandlerFunc]
	host := strings.TrimPrefix(plainly(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := edit.Load(); h != nil {
			(*h)(w, r)
			return
		}
		registry.ServeHTTP(w, r)
	})), "http://")
	location := "oci://" + host + "/" + repository + ":" + tag
	pinned, err := Push(t.Context(), location, archiveOf(t, "one"), "a.tar.gz", Options{})
	must(t, err)
	good := string(registry.Manifest(repository, tag))
	layer := digest.FromBytes(archiveOf(t, "one")).String()
	replaced := func(old, by string) []byte {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in %s", old, good)
		}
		return []byte(strings.Replace(good, old, by, 1))
	}
	// instead gives other bytes for a part of a path.
	instead := func(part string, change func([]byte) []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			registry.ServeHTTP(rec, r)
			body := rec.Body.Bytes()
			if strings.Contains(r.URL.Path, part) && r.Method == http.MethodGet {
				body = change(body)
			}
			maps.Copy(w.Header(), rec.Header())
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body)
		}
	}
	flip := func(data []byte) []byte { data = bytes.Clone(data); data[len(data)-1] ^= 1; return data }
	for name, c := range map[string]struct {
		manifest   []byte
		edit       http.HandlerFunc
		timeout    time.Duration
		code, text string
	}{
		"another artifact":  {manifest: replaced(ArtifactType, "application/vnd.other"), code: "SP8303", text: "no bundle"},
		"another layer":     {manifest: replaced(LayerType, "application/vnd.other"), code: "SP8303", text: "no bundle"},
		"no JSON":           {manifest: []byte("{"), code: "SP8303", text: "no bundle"},
		"no layer":          {manifest: []byte(`{"artifactType":"` + ArtifactType + `"}`), code: "SP8303", text: "no bundle"},
		"a path for digest": {manifest: replaced(layer, "sha256:../../../etc/passwd"), code: "SP8303", text: "no bundle"},
		"another hash":      {manifest: replaced(layer, "sha512:"+strings.Repeat("0", 128)), code: "SP8303", text: "no bundle"},
		"a layer elsewhere": {manifest: replaced(layer, "sha256:"+strings.Repeat("0", 64)), code: "SP8302", text: "404"},
		"a size below none": {manifest: replaced(fmt.Sprintf(`"size":%d`, len(archiveOf(t, "one"))), `"size":-1`), code: "SP8303", text: "no bundle"},
		"a huge layer":      {manifest: replaced(fmt.Sprintf(`"size":%d`, len(archiveOf(t, "one"))), `"size":1099511627776`), code: "SP8303", text: "larger than 64 MiB"},
		"a huge manifest":   {manifest: bytes.Repeat([]byte(" "), maxArtifact+1), code: "SP8303", text: "no bundle"},
		"a changed layer":   {edit: instead("/blobs/", flip), code: "SP8303", text: "its digest is another"},
		"half a layer":      {edit: instead("/blobs/", func(b []byte) []byte { return b[:len(b)/2] }), code: "SP8303", text: "ends too early"},
		"a changed list":    {edit: instead("/manifests/", flip), code: "SP8303", text: "its digest is another"},
		"an empty list":     {edit: instead("/manifests/", func([]byte) []byte { return nil }), code: "SP8303", text: "ends too early"},
		"an index": {edit: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			w.Header().Set("Docker-Content-Digest", layer)
			w.Header().Set("Content-Length", "2")
		}, code: "SP8303", text: "no bundle"},
		"garbage": {edit: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(secret)) }, code: "SP8303", text: "none of a registry"},
		"slow":    {edit: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, timeout: 50 * time.Millisecond, code: "SP8301", text: "no answer within"},
		"closed":  {edit: answer(401), code: "SP8302", text: "401"},
		"broken":  {edit: answer(503), code: "SP8301", text: "503"},
		"talking": {edit: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"errors":[{"message":"`+secret+`"}]}`, http.StatusForbidden)
		}, code: "SP8302", text: "403 Forbidden"},
		"to place": {edit: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/?key="+secret, http.StatusTemporaryRedirect)
		}, code: "SP8304", text: "without TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.manifest == nil {
				c.manifest = []byte(good)
			}
			registry.Tag(repository, tag, c.manifest)
			edit.Store(nil)
			if c.edit != nil {
				edit.Store(&c.edit)
			}
			content, err := sourceAt(t, location, Options{Timeout: c.timeout}).Fetch(t.Context(), "", 0)
			if code, text := says(t, err); content != nil || code != c.code || !strings.Contains(text, c.text) {
				t.Errorf("%s: %s, want %s: %s", code, text, c.code, c.text)
			}
		})
	}
	t.Run("pinned", func(t *testing.T) {
		edit.Store(nil)
		registry.Tag(repository, tag, []byte("{}"))
		s := sourceAt(t, pinned, Options{})
		content, err := s.Fetch(t.Context(), "", 0)
		if err != nil || holds(t, content) != "one" {
			t.Fatal(content, err)
		}
		down := answer(500)
		edit.Store(&down)
		if again, err := s.Fetch(t.Context(), content.Tag, 0); again != nil || err != nil {
			t.Error("what is pinned can't change:", again, err)
		}
	})
}

// Credentials of registries are docker's, read anew for each question.
func TestRegistryCredentials(t *testing.T) {
	registry := &fetchtest.Registry{User: "gateway", Password: secret}
	host := strings.TrimPrefix(plainly(t, registry), "http://")
	location := "oci://" + host + "/acme:1"
	const right, wrong = "Z2F0ZXdheTp0MHAtczNjcmV0", "Z2F0ZXdheTp3cm9uZw=="
	file := dockerConfig(t, host, wrong)
	s := sourceAt(t, location, Options{DockerConfig: file})
	refusedAs := func(err error) {
		t.Helper()
		if code, text := says(t, err); code != "SP8302" || !strings.Contains(text, "401") {
			t.Errorf("%s: %s", code, text)
		}
	}
	_, err := s.Fetch(t.Context(), "", 0)
	refusedAs(err)
	_, err = sourceAt(t, location, Options{}).Fetch(t.Context(), "", 0)
	refusedAs(err)
	_, err = Push(t.Context(), location, archiveOf(t, "one"), "a", Options{})
	refusedAs(err)
	must(t, os.Rename(dockerConfig(t, host, right), file))
	_, err = Push(t.Context(), location, archiveOf(t, "one"), "a", Options{DockerConfig: file})
	must(t, err)
	if c, err := s.Fetch(t.Context(), "", 0); err != nil || holds(t, c) != "one" {
		t.Error(c, err)
	}
	must(t, os.WriteFile(file, []byte(`{"auths":"`+secret), 0o600))
	_, err = sourceAt(t, location, Options{DockerConfig: file}).Fetch(t.Context(), "", 0)
	if code, text := says(t, err); code != "SP8302" || !strings.Contains(text, "docker's config") {
		t.Errorf("%s: %s", code, text)
	}
}

// The same archive is the same artifact, whoever pushes it and whenever.
func TestPush(t *testing.T) {
	registry := new(fetchtest.Registry)
	location := "oci://" + strings.TrimPrefix(plainly(t, registry), "http://") + "/acme:1"
	first, err := Push(t.Context(), location, archiveOf(t, "one"), "a", Options{})
	must(t, err)
	again, err := Push(t.Context(), location, archiveOf(t, "one"), "a", Options{})
	must(t, err)
	if first != again || !strings.Contains(first, "/acme@sha256:") {
		t.Errorf("%s, then %s", first, again)
	}
	for _, bad := range []string{first, "https://127.0.0.1/x", "acme.tar.gz", "oci://acme"} {
		if _, err := Push(t.Context(), bad, nil, "a", Options{}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestCheck(t *testing.T) {
	for location, want := range map[string]string{
		"https://bundles.example/acme.tar.gz?sig=x":            "",
		"http://127.0.0.1:8000/acme.tar.gz":                    "",
		"http://[::1]/acme.tar.gz":                             "",
		"http://localhost/acme.tar.gz":                         "",
		"http://bundles.example/acme.tar.gz":                   "whoever is between",
		"http://localhost.example/acme.tar.gz":                 "whoever is between",
		"https://user:pass@bundles.example/acme.tar.gz":        "a password",
		"https://bundles.example/acme.tar.gz#x":                "a fragment",
		"https:///acme.tar.gz":                                 "it is not where",
		"ftp://bundles.example/acme.tar.gz":                    "it is not where",
		"file:///etc/passwd":                                   "it is not where",
		"https://bundles.example/%zz":                          "it is not where",
		"oci://registry.example/acme/policies:1":               "",
		"oci://127.0.0.1:5000/acme:1":                          "",
		"oci://r.example/a@sha256:" + strings.Repeat("a", 64):  "",
		"oci://r.example/a@sha512:" + strings.Repeat("a", 128): "a digest is a sha256",
		"oci://r.example/a@sha256:aa":                          "it names no artifact",
		"oci://registry.example/acme":                          "it names neither a tag",
		"oci://registry.example":                               "it names no artifact",
		"oci://registry.example/Acme:1":                        "it names no artifact",
		"oci://user:pass@registry.example/acme:1":              "it names no artifact",
	} {
		if wrong, help := Check(location); !strings.HasPrefix(wrong, want) || (want == "") != (wrong == "") || (wrong == "") != (help == "") {
			t.Errorf("%s: %q %q, want %q", location, wrong, help, want)
		}
		if _, err := New(location, Options{}); (err == nil) != (want == "") {
			t.Errorf("%s: %v", location, err)
		}
	}
}

func TestShown(t *testing.T) {
	for location, want := range map[string]string{
		"./p?x#y":                             "./p?x#y",
		"https://u:p@h.example/a/b@c?sig=x#y": "https://h.example/a/b@c",
		"https://h.example":                   "https://h.example",
		"oci://r.example/a@sha256:aa":         "oci://r.example/a@sha256:aa",
		"https://a@b@h.example/x":             "https://h.example/x",
	} {
		if got := Shown(location); got != want {
			t.Errorf("%s: %s, want %s", location, got, want)
		}
	}
}
