package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// changed is what came of the requests to a handler.
type changed struct {
	done    []Change
	refused []string
	noticed []Notice
}

func changing(err error, tokens ...Token) (http.Handler, *changed) {
	out := new(changed)
	return Handler(Options{
		Candidate: func() any { return map[string]string{"state": "tried"} },
		Bundles:   func() []Bundle { return []Bundle{{Source: "p.tar.gz", Revision: "sha256:aa"}} },
		Text:      func(ds source.Diagnostics) string { return "as printed: " + ds[0].Code },
		Changes: &Changes{
			Actions: []string{"activate", "rollback", Try},
			Tokens:  func() []Token { return tokens },
			Do:      func(_ context.Context, c Change) error { out.done = append(out.done, c); return err },
			Notified: func(n Notice) bool {
				out.noticed = append(out.noticed, n)
				return !n.Said || len(n.Pushed) > 0
			},
			Refused: func(c Change, why string) {
				out.refused = append(out.refused, fmt.Sprintf("%s by %q from %s: %s", c.Action, c.By, c.From, why))
			},
		},
	}), out
}

var (
	alice = Token{"alice", sha256.Sum256([]byte("alices"))}
	bob   = Token{"bob", sha256.Sum256([]byte("bobs"))}
)

func post(h http.Handler, target, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Host, r.Header, r.RemoteAddr = "localhost", header, "127.0.0.1:999"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func TestChangeNeedsAToken(t *testing.T) {
	const path = "/admin/v1/bundles/"
	for name, c := range map[string]struct {
		method, target, body string
		tokens               []Token
		header               http.Header
		status               int
		why                  string // "" if it is not refused by Changes
	}{
		"no tokens are configured": {target: "rollback", header: bearer("alices"), status: 403, why: `rollback by "" from 127.0.0.1: ` + errNoTokens.Error()},
		"no token":                 {target: "rollback", tokens: []Token{alice}, status: 401, why: `rollback by "" from 127.0.0.1: ` + errBadToken.Error()},
		"a wrong token":            {target: "rollback", tokens: []Token{alice, bob}, header: bearer("carols"), status: 401, why: `rollback by "" from 127.0.0.1: ` + errBadToken.Error()},
		"an empty token":           {target: "rollback", tokens: []Token{{"nobody", sha256.Sum256(nil)}}, header: bearer(""), status: 401, why: `rollback by "" from 127.0.0.1: ` + errBadToken.Error()},
		"another scheme":           {target: "rollback", tokens: []Token{alice}, header: http.Header{"Authorization": {"Basic alices"}}, status: 401, why: `rollback by "" from 127.0.0.1: ` + errBadToken.Error()},
		"two tokens":               {target: "rollback", tokens: []Token{alice}, header: http.Header{"Authorization": {"Bearer alices", "Bearer bobs"}}, status: 401, why: `rollback by "" from 127.0.0.1: ` + errBadToken.Error()},
		"no such change":           {target: "destroy", tokens: []Token{alice}, header: bearer("alices"), status: 404, why: `destroy by "" from 127.0.0.1: ` + errNoAction.Error()},
		"a GET":                    {method: "GET", target: "rollback", tokens: []Token{alice}, header: bearer("alices"), status: 405, why: `rollback by "" from 127.0.0.1: ` + errNoPost.Error()},
		"a bundle and a revision":  {target: "activate?revision=sha256:aa&name=a.tar.gz", body: "x", tokens: []Token{alice}, header: bearer("alices"), status: 400, why: `activate by "alice" from 127.0.0.1: ` + errBadTarget.Error()},
		"a bundle without a name":  {target: "activate", body: "x", tokens: []Token{alice}, header: bearer("alices"), status: 400, why: `activate by "alice" from 127.0.0.1: ` + errBadTarget.Error()},
		"a name that leads away":   {target: "activate?name=../a.tar.gz", body: "x", tokens: []Token{alice}, header: bearer("alices"), status: 400, why: `activate by "alice" from 127.0.0.1: ` + errBadTarget.Error()},
		"a name that isn't shown":  {target: "activate?name=%1b.tar.gz", body: "x", tokens: []Token{alice}, header: bearer("alices"), status: 400, why: `activate by "alice" from 127.0.0.1: ` + errBadTarget.Error()},
		"a page of another origin": {target: "rollback", tokens: []Token{alice}, header: http.Header{"Authorization": {"Bearer alices"}, "Origin": {"https://evil.example"}}, status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			h, got := changing(nil, c.tokens...)
			r := httptest.NewRequest("POST", path+c.target, strings.NewReader(c.body))
			if c.method != "" {
				r.Method = c.method
			}
			if r.Host, r.RemoteAddr = "localhost", "127.0.0.1:999"; c.header != nil {
				r.Header = c.header
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || len(got.done) > 0 {
				t.Errorf("status %d, want %d; done %v", w.Code, c.status, got.done)
			}
			if strings.Join(got.refused, "\n") != c.why {
				t.Errorf("refused: %q, want %q", got.refused, c.why)
			}
			if c.why != "" && !strings.Contains(w.Body.String(), `"error": "`) {
				t.Errorf("the answer doesn't say why: %s", w.Body)
			}
			if (w.Header().Get("WWW-Authenticate") == "Bearer") != (c.status == 401) {
				t.Errorf("headers: %v", w.Header())
			}
		})
	}
}

func TestChange(t *testing.T) {
	h, got := changing(nil, alice, bob)
	w := post(h, "/admin/v1/bundles/activate?name=a.tar.gz", "content", bearer("bobs"))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"revision": "sha256:aa"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = post(h, "/admin/v1/bundles/activate?revision=sha256:aa", "", bearer("alices"))
	if w.Code != 200 || len(got.refused) > 0 || len(got.done) != 2 {
		t.Fatalf("%d %s: %+v", w.Code, w.Body, got)
	}
	if c := got.done[0]; c.By != "bob" || c.From != "127.0.0.1" || c.Name != "a.tar.gz" || string(c.Archive) != "content" || c.Revision != "" {
		t.Errorf("%+v", c)
	}
	if c := got.done[1]; c.By != "alice" || c.Name != "" || len(c.Archive) > 0 || c.Revision != "sha256:aa" {
		t.Errorf("%+v", c)
	}
}

// What is shown after a candidate was handed over is the candidate.
func TestTry(t *testing.T) {
	h, got := changing(nil, alice)
	w := post(h, "/admin/v1/bundles/try?name=a.tar.gz&candidate=%7B%22share%22:5%7D", "content", bearer("alices"))
	if w.Code != 200 || w.Body.String() != "{\n  \"state\": \"tried\"\n}\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if c := got.done[0]; c.Action != "try" || c.Name != "a.tar.gz" || string(c.Archive) != "content" || c.Trial != `{"share":5}` {
		t.Errorf("%+v", c)
	}
}

func TestChangeThatFails(t *testing.T) {
	h, _ := changing(source.Diagnostics{{Code: "SP8113", Message: "too old"}}, alice)
	w := post(h, "/admin/v1/bundles/rollback", "", bearer("alices"))
	if w.Code != 409 || !strings.Contains(w.Body.String(), `"code": "SP8113"`) || !strings.Contains(w.Body.String(), `"text": "as printed: SP8113"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h, _ = changing(errors.New("the disk is full"), alice)
	w = post(h, "/admin/v1/bundles/rollback", "", bearer("alices"))
	if w.Code != 409 || w.Body.String() != "{\n  \"error\": \"the disk is full\"\n}\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestChangeIsBounded(t *testing.T) {
	h, got := changing(nil, alice)
	r := httptest.NewRequest("POST", "/admin/v1/bundles/activate?name=a.tar.gz", http.NoBody)
	r.Host, r.Header, r.Body = "localhost", bearer("alices"), endless{}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 413 || len(got.done) > 0 || len(got.refused) != 1 || !strings.Contains(got.refused[0], errTooLarge.Error()) {
		t.Errorf("%d %s: %v", w.Code, w.Body, got)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }
