package admin

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

func handler() http.Handler {
	return Handler(Options{
		Ready: []Check{
			{"policies", func(context.Context) error { return nil }},
			{"audit", func(context.Context) error { return errors.New("disk full\n[+]audit ok") }},
			{"upstreams", func(context.Context) error { panic("boom") }},
		},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("m 1\n")) }),
		Status: func() Status {
			return Status{
				Version: "v1", Started: time.Unix(1795330800, 0).UTC(), Revision: "sha256:aa", Loaded: time.Unix(1795330801, 0).UTC(),
				Reload:  Reload{Time: time.Unix(1795330802, 0).UTC(), Error: "2 mistakes", Diagnostics: source.Diagnostics{{Code: "SP1002", File: "p.yaml", Line: 3, Column: 5, Message: "unknown field"}}},
				Servers: []Server{{Name: "files", Source: "config", State: "serving", Transport: "http", Up: true}},
				Audit:   Audit{OK: true, Seq: 7, Head: "ab"},
			}
		},
	})
}

type request struct {
	method, target, host string
	header               http.Header
}

func do(h http.Handler, r request) *httptest.ResponseRecorder {
	req := httptest.NewRequest(r.method, r.target, http.NoBody)
	req.Host = r.host
	maps.Copy(req.Header, r.header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func TestHandler(t *testing.T) {
	const local = "127.0.0.1:9090"
	failed := "[+]policies ok\n[-]audit failed: disk full [+]audit ok\n[-]upstreams failed: the check panicked\nreadyz check failed\n"
	tests := []struct {
		name string
		r    request
		code int
		body string
	}{
		{"health", request{"GET", "/healthz", local, nil}, 200, "ok"},
		{"alive", request{"GET", "/livez", local, nil}, 200, "ok"},
		{"alive, in words", request{"GET", "/livez?verbose", local, nil}, 200, "livez check passed\n"},
		{"not ready", request{"GET", "/readyz", local, nil}, 503, failed},
		{"one check", request{"GET", "/readyz/policies", local, nil}, 200, "ok"},
		{"one check that fails", request{"GET", "/readyz/audit", local, nil}, 503, "[-]audit failed: disk full [+]audit ok\nreadyz check failed\n"},
		{"no such check", request{"GET", "/readyz/x", local, nil}, 404, "404 page not found\n"},
		{"without the failing ones", request{"GET", "/readyz?verbose&exclude=audit&exclude=upstreams", local, nil}, 200, "[+]policies ok\n[+]audit excluded: ok\n[+]upstreams excluded: ok\nreadyz check passed\n"},
		{"metrics", request{"GET", "/metrics", local, nil}, 200, "m 1\n"},
		{"no profiles", request{"GET", "/debug/pprof/", local, nil}, 404, "404 page not found\n"},
		{"nothing else", request{"GET", "/", local, nil}, 404, "404 page not found\n"},
		{"no changes", request{"POST", "/admin/v1/status", local, nil}, 405, "only GET is served\n"},
		{"HEAD", request{"HEAD", "/healthz", local, nil}, 200, "ok"},
		{"localhost", request{"GET", "/healthz", "LOCALHOST:9090", nil}, 200, "ok"},
		{"IPv6", request{"GET", "/healthz", "[::1]:9090", nil}, 200, "ok"},
		{"a name that was rebound", request{"GET", "/metrics", "evil.example:9090", nil}, 403, "this host is not served\n"},
		{"a name that only begins so", request{"GET", "/metrics", "localhost.evil.example", nil}, 403, "this host is not served\n"},
		{"a host that is no loopback", request{"GET", "/metrics", "10.0.0.1:9090", nil}, 403, "this host is not served\n"},
		{"no host", request{"GET", "/metrics", "", nil}, 403, "this host is not served\n"},
		{"a page of another origin", request{"GET", "/metrics", local, http.Header{"Origin": {"https://evil.example"}}}, 403, "not for pages of other origins\n"},
		{"a null origin", request{"GET", "/metrics", local, http.Header{"Origin": {"null"}}}, 403, "not for pages of other origins\n"},
		{"an empty origin", request{"GET", "/metrics", local, http.Header{"Origin": {""}}}, 403, "not for pages of other origins\n"},
		{"a script of another site", request{"GET", "/metrics", local, http.Header{"Sec-Fetch-Site": {"cross-site"}}}, 403, "not for pages of other origins\n"},
		{"somebody who types the address", request{"GET", "/healthz", local, http.Header{"Sec-Fetch-Site": {"none"}}}, 200, "ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := do(handler(), tt.r)
			if w.Code != tt.code || w.Body.String() != tt.body {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body, tt.code, tt.body)
			}
			h := w.Header()
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("headers = %v", h)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	w := do(handler(), request{"GET", "/admin/v1/status", "localhost", nil})
	want := `{
  "version": "v1",
  "started": "2026-11-22T07:00:00Z",
  "revision": "sha256:aa",
  "loaded": "2026-11-22T07:00:01Z",
  "lastReload": {
    "ok": false,
    "time": "2026-11-22T07:00:02Z",
    "error": "2 mistakes",
    "diagnostics": [
      {
        "code": "SP1002",
        "severity": "error",
        "file": "p.yaml",
        "line": 3,
        "column": 5,
        "message": "unknown field"
      }
    ]
  },
  "servers": [
    {
      "name": "files",
      "source": "config",
      "state": "serving",
      "transport": "http",
      "up": true
    }
  ],
  "audit": {
    "ok": true,
    "seq": 7,
    "head": "ab",
    "pendingBytes": 0
  }
}
`
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != want {
		t.Errorf("%d %s\n%s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
}

func TestConfiguredHosts(t *testing.T) {
	h := Handler(Options{Hosts: []string{"Gateway.internal"}})
	for host, want := range map[string]int{"gateway.internal:9090": 200, "gateway.internal.": 200, "localhost:9090": 403} {
		if w := do(h, request{"GET", "/healthz", host, nil}); w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
	if w := do(h, request{"GET", "/admin/v1/status", "gateway.internal", nil}); w.Code != 404 {
		t.Errorf("status without a source: %d, want 404", w.Code)
	}
}

func TestChecksShareOneDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	text, ok := run(ctx, []Check{{"never", func(context.Context) error { t.Error("a check ran after the deadline"); return nil }}}, nil)
	if ok || text != "[-]never failed: context canceled\n" {
		t.Errorf("run = %q, %v", text, ok)
	}
}

func TestServerHasBounds(t *testing.T) {
	var out bytes.Buffer
	s := NewServer(handler(), slog.New(slog.NewTextHandler(&out, nil)))
	if s.ReadTimeout <= 0 || s.ReadHeaderTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("a bound is missing: %+v", s)
	}
	s.ErrorLog.Print("TLS handshake error")
	if !strings.Contains(out.String(), `level=WARN msg="TLS handshake error"`) {
		t.Errorf("log = %s", out.String())
	}
}
