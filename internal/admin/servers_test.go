package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// said is what came of the requests to a handler.
type said struct {
	done    []ServerChange
	refused []string
}

func saying(is *Entry, err error, tokens ...Token) (http.Handler, *said) {
	out := new(said)
	return Handler(Options{
		Servers: func() []Server { return nil },
		Entries: &Entries{
			Tokens: func() []Token { return tokens },
			Do: func(_ context.Context, c ServerChange) (*Entry, error) {
				out.done = append(out.done, c)
				return is, err
			},
			Text: func(ds source.Diagnostics, about []byte) string { return ds[0].Code + " in " + string(about) },
			Refused: func(c ServerChange, why string) {
				out.refused = append(out.refused, fmt.Sprintf("%s %s by %q from %s: %s", c.Action, c.Name, c.By, c.From, why))
			},
		},
	}), out
}

func ask(h http.Handler, method, target, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host, r.Header, r.RemoteAddr = "localhost", header, "127.0.0.1:999"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func with(h http.Header, name, value string) http.Header {
	h = h.Clone()
	h.Set(name, value)
	return h
}

const below = "/admin/v1/servers/"

// Who has no token can neither change servers nor see how they are written, and whatever else is wrong with a request, nothing is done.
func TestServersNeedATokenToBeChanged(t *testing.T) {
	yaml := with(bearer("alices"), "Content-Type", "application/yaml")
	for name, c := range map[string]struct {
		method, target, body string
		tokens               []Token
		header               http.Header
		status               int
		why                  string // "" if it is not refused by Entries
	}{
		"no tokens are configured": {"PUT", "a", "url: x", nil, yaml, 403, `put a by "" from 127.0.0.1: ` + errNoTokens.Error()},
		"no token":                 {"PUT", "a", "url: x", []Token{alice}, http.Header{}, 401, `put a by "" from 127.0.0.1: ` + errBadToken.Error()},
		"a wrong token":            {"DELETE", "a", "", []Token{alice}, bearer("carols"), 401, `remove a by "" from 127.0.0.1: ` + errBadToken.Error()},
		"an approval without":      {"POST", "a/approve?digest=x", "", []Token{alice}, http.Header{}, 401, `approve a by "" from 127.0.0.1: ` + errBadToken.Error()},
		"a revocation without":     {"DELETE", "a/approve", "", []Token{alice}, bearer("carols"), 401, `revoke a by "" from 127.0.0.1: ` + errBadToken.Error()},
		"to see it without":        {"GET", "a", "", []Token{alice}, http.Header{}, 401, `show a by "" from 127.0.0.1: ` + errBadToken.Error()},
		"a form":                   {"PUT", "a", "url: x", []Token{alice}, with(yaml, "Content-Type", "application/x-www-form-urlencoded"), 415, `put a by "alice" from 127.0.0.1: ` + errNoYAML.Error()},
		"no type":                  {"PUT", "a", "url: x", []Token{alice}, bearer("alices"), 415, `put a by "alice" from 127.0.0.1: ` + errNoYAML.Error()},
		"too large":                {"PUT", "a", strings.Repeat("x", maxServer+1), []Token{alice}, yaml, 413, `put a by "alice" from 127.0.0.1: ` + errLongServer.Error()},
		"approved by no digest":    {"POST", "a/approve", "", []Token{alice}, bearer("alices"), 400, `approve a by "alice" from 127.0.0.1: ` + errNoDigest.Error()},
		"approved by GET":          {"GET", "a/approve?digest=x", "", []Token{alice}, bearer("alices"), 405, ` a by "" from 127.0.0.1: ` + errNoVerb.Error()},
		"put by POST":              {"POST", "a", "url: x", []Token{alice}, yaml, 405, ` a by "" from 127.0.0.1: ` + errNoVerb.Error()},
		"no name":                  {"PUT", "", "url: x", []Token{alice}, yaml, 404, `  by "" from 127.0.0.1: ` + errNoAction.Error()},
		"a long name":              {"PUT", strings.Repeat("a", 65), "url: x", []Token{alice}, yaml, 404, `  by "" from 127.0.0.1: ` + errNoAction.Error()},
		"something else":           {"POST", "a/run", "", []Token{alice}, bearer("alices"), 404, `  by "" from 127.0.0.1: ` + errNoAction.Error()},
		"a page of another origin": {"PUT", "a", "url: x", []Token{alice}, with(yaml, "Origin", "https://evil.example"), 403, ""},
		"a script of another site": {"DELETE", "a", "", []Token{alice}, with(bearer("alices"), "Sec-Fetch-Site", "cross-site"), 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, got := saying(&Entry{Name: "a"}, nil, c.tokens...)
			w := ask(h, c.method, below+c.target, c.body, c.header)
			if w.Code != c.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.status)
			}
			var want []string
			if c.why != "" {
				want = []string{c.why}
			}
			if diff := cmp.Diff(want, got.refused); diff != "" || len(got.done) > 0 {
				t.Errorf("refused (-want +got):\n%s\ndone: %v", diff, got.done)
			}
		})
	}
	h, _ := saying(nil, nil, alice)
	r := httptest.NewRequest("PUT", below+"a", strings.NewReader("url: x"))
	r.Host, r.Header = "evil.example", yaml
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 403 {
		t.Errorf("a name that was rebound: %d", w.Code)
	}
}

func TestWhatIsWantedOfServers(t *testing.T) {
	yaml, asJSON := with(bearer("alices"), "Content-Type", "application/yaml; charset=utf-8"), with(bearer("alices"), "Content-Type", "application/json")
	for name, c := range map[string]struct {
		method, target, body string
		header               http.Header
		want                 ServerChange
	}{
		"put":     {"PUT", "a", "url: x", yaml, ServerChange{Action: PutServer, Text: []byte("url: x")}},
		"JSON":    {"PUT", "a", "{}", asJSON, ServerChange{Action: PutServer, JSON: true, Text: []byte("{}")}},
		"remove":  {"DELETE", "a", "", bearer("alices"), ServerChange{Action: RemoveServer}},
		"approve": {"POST", "a/approve?digest=sha256:aa", "", bearer("alices"), ServerChange{Action: ApproveServer, Digest: "sha256:aa"}},
		"revoke":  {"DELETE", "a/approve", "", bearer("alices"), ServerChange{Action: RevokeServer}},
		"show":    {"GET", "a", "", bearer("alices"), ServerChange{Action: ShowServer}},
	} {
		t.Run(name, func(t *testing.T) {
			h, got := saying(&Entry{Name: "a", State: "quarantined"}, nil, alice)
			w := ask(h, c.method, below+c.target, c.body, c.header)
			c.want.Name, c.want.By, c.want.From = "a", "alice", "127.0.0.1"
			if diff := cmp.Diff([]ServerChange{c.want}, got.done); diff != "" {
				t.Errorf("done (-want +got):\n%s", diff)
			}
			var e Entry
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != 200 || e.State != "quarantined" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestWhatIsNotDoneToServers(t *testing.T) {
	mistakes := source.Diagnostics{{Code: "SP1413", Message: "no"}}
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"there is none":   {ErrNoServer, 404, `"error": "no server of that name was found"`},
		"it is another":   {errors.New("another by now"), 409, `"error": "another by now"`},
		"it has mistakes": {mistakes, 409, `"text": "SP1413 in url: x"`},
		"nothing is left": {nil, 204, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, got := saying(nil, c.err, alice)
			w := ask(h, "PUT", below+"a", "url: x", with(bearer("alices"), "Content-Type", "application/yaml"))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.body) || len(got.done) != 1 {
				t.Errorf("%d %s, want %d and %s", w.Code, w.Body, c.status, c.body)
			}
		})
	}
}
