// Package fetchtest has what bundles are fetched from, in process: a web server and a registry of OCI artifacts, as small as tests need them.
package fetchtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Web is a web server that has one file, at any path, with an ETag. The zero Web has none.
type Web struct {
	// Tells says that a question that prefers to wait for a change is answered when there is one.
	Tells bool

	mu      sync.Mutex
	data    []byte
	changed chan struct{}
}

// Put puts a file in the place of the one before; nil takes it away.
func (w *Web) Put(data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.data = data
	if w.changed != nil {
		close(w.changed)
	}
	w.changed = make(chan struct{})
}

func (w *Web) now() (data []byte, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.data, w.changed
}

// ServeHTTP implements http.Handler.
func (w *Web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	data, changed := w.now()
	if seconds, ok := strings.CutPrefix(r.Header.Get("Prefer"), "wait="); ok && w.Tells && data != nil && r.Header.Get("If-None-Match") == etag(data) {
		n, err := strconv.Atoi(seconds)
		if err != nil {
			http.Error(out, "wait for how long?", http.StatusBadRequest)
			return
		}
		limit := time.NewTimer(time.Duration(n) * time.Second)
		defer limit.Stop()
		select {
		case <-changed:
			data, _ = w.now()
		case <-limit.C:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case data == nil:
		http.NotFound(out, r)
	case r.Header.Get("If-None-Match") == etag(data):
		out.WriteHeader(http.StatusNotModified)
	default:
		out.Header().Set("ETag", etag(data))
		_, _ = out.Write(data)
	}
}

func etag(data []byte) string { return `"` + digestOf(data)[len("sha256:"):][:16] + `"` }

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Registry is a registry of OCI artifacts in memory. The zero Registry is empty, and open to all.
type Registry struct {
	// User and Password are asked of everybody, unless they are empty.
	User, Password string

	mu        sync.Mutex
	blobs     map[string][]byte // by digest
	manifests map[string][]byte // by repository@digest
	tags      map[string]string // by repository:tag, to a digest
}

// Forget takes a tag away.
func (g *Registry) Forget(repository, tag string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.tags, repository+":"+tag)
}

// Manifest is what a tag stands for; nil if there is none.
func (g *Registry) Manifest(repository, tag string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.manifests[repository+"@"+g.tags[repository+":"+tag]]
}

// Tag puts any manifest under a tag.
func (g *Registry) Tag(repository, tag string, manifest []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(repository, tag, manifest)
}

func (g *Registry) put(repository, reference string, manifest []byte) {
	if g.manifests == nil {
		g.manifests, g.tags = map[string][]byte{}, map[string]string{}
	}
	digest := digestOf(manifest)
	g.manifests[repository+"@"+digest] = manifest
	if !strings.HasPrefix(reference, "sha256:") {
		g.tags[repository+":"+reference] = digest
	}
}

// Bound on what is put in.
const most = 128 << 20

// ServeHTTP implements http.Handler: as much of the distribution specification as pushing and pulling take.
func (g *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); g.User != "" && (user != g.User || password != g.Password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	if repository, digest, ok := cut(path, "/blobs/"); ok {
		g.blob(w, r, repository, digest)
		return
	}
	if repository, reference, ok := cut(path, "/manifests/"); ok {
		g.manifest(w, r, repository, reference)
		return
	}
	http.NotFound(w, r)
}

func cut(path, at string) (before, after string, ok bool) {
	i := strings.LastIndex(path, at)
	if i < 0 {
		return "", "", false
	}
	return path[:i], path[i+len(at):], true
}

func (g *Registry) blob(w http.ResponseWriter, r *http.Request, repository, digest string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		give(w, r, g.blobs[digest], "application/octet-stream")
	case http.MethodPost:
		w.Header().Set("Location", fmt.Sprintf("/v2/%s/blobs/uploads/1", repository))
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPut:
		data, err := io.ReadAll(io.LimitReader(r.Body, most))
		if err != nil || digestOf(data) != r.URL.Query().Get("digest") {
			http.Error(w, "another digest", http.StatusBadRequest)
			return
		}
		if g.blobs == nil {
			g.blobs = map[string][]byte{}
		}
		g.blobs[digestOf(data)] = data
		w.WriteHeader(http.StatusCreated)
	default:
		http.Error(w, "no", http.StatusMethodNotAllowed)
	}
}

func (g *Registry) manifest(w http.ResponseWriter, r *http.Request, repository, reference string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.Method == http.MethodPut {
		data, err := io.ReadAll(io.LimitReader(r.Body, most))
		if err != nil {
			http.Error(w, "cut off", http.StatusBadRequest)
			return
		}
		g.put(repository, reference, data)
		w.WriteHeader(http.StatusCreated)
		return
	}
	if digest, ok := g.tags[repository+":"+reference]; ok {
		reference = digest
	}
	give(w, r, g.manifests[repository+"@"+reference], "application/vnd.oci.image.manifest.v1+json")
}

func give(w http.ResponseWriter, r *http.Request, data []byte, kind string) {
	if data == nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("Docker-Content-Digest", digestOf(data))
	if r.Method != http.MethodHead {
		_, _ = w.Write(data)
	}
}
