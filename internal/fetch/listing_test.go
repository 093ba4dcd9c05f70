package fetch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shelf is a registry of servers: GET /v0.1/servers, as the official one answers it.
type shelf struct {
	mu      sync.Mutex
	entries []string // as they are answered
	page    int      // entries on a page
	tags    bool     // answers have an ETag
	asked   []string // the queries, in order, and how they were answered
	auth    string
}

func (s *shelf) put(entries ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = entries
}

// heard are the queries since it was last asked for them.
func (s *shelf) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.asked
	s.asked = nil
	return all
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	s.auth = r.Header.Get("Authorization")
	var fit []string
	for _, e := range s.entries {
		if strings.Contains(e, q.Get("search")) {
			fit = append(fit, e)
		}
	}
	from := 0
	if c := q.Get("cursor"); c != "" {
		from, _ = strconv.Atoi(strings.TrimPrefix(c, "from="))
	}
	to, next := min(from+s.page, len(fit)), ""
	if to < len(fit) {
		next = fmt.Sprintf("from=%d", to)
	}
	body := fmt.Sprintf(`{"servers": [%s], "metadata": {"nextCursor": %q, "count": %d}}`, strings.Join(fit[from:to], ", "), next, to-from)
	status := http.StatusOK
	if tag := etagOf(body); s.tags {
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			status = http.StatusNotModified
		}
	}
	s.asked = append(s.asked, fmt.Sprintf("%s %d", r.URL.RawQuery, status))
	w.WriteHeader(status)
	if status == http.StatusOK {
		_, _ = w.Write([]byte(body))
	}
}

func etagOf(body string) string { return `"` + packed([]byte(body)).Tag[:16] + `"` }

func entry(name string) string { return fmt.Sprintf(`{"server": {"name": %q}}`, name) }

// line is an entry as it is given.
func line(name string) string { return fmt.Sprintf(`{"server":{"name":%q}}`, name) }

func all(string) bool { return true }

func prefix(p string) Want {
	return Want{Search: p, Takes: func(name string) bool { return strings.HasPrefix(name, p) }}
}

func listingAt(t *testing.T, location string, o Options, wants ...Want) Source {
	t.Helper()
	s, err := NewListing(location, wants, o)
	must(t, err)
	return s
}

func linesOf(t *testing.T, s Source, have string) (string, string) {
	t.Helper()
	c, err := s.Fetch(t.Context(), have, 0)
	must(t, err)
	if c == nil {
		return "", have
	}
	return string(c.Packed), c.Tag
}

// Of a registry of thousands only what is wanted is kept, page by page.
func TestListing(t *testing.T) {
	r := &shelf{page: 2}
	r.put(entry("com.acme/a"), entry("com.acme/b"), entry("org.other/com.acme"), entry("com.acme/c"), entry("io.x/y"))
	at := plainly(t, r) + "/v0.1/servers?tenant=1"
	s := listingAt(t, at, Options{Token: "t"}, prefix("com.acme"), Want{Search: "io.x/y", Version: "1.0.0", Takes: func(n string) bool { return n == "io.x/y" }})
	got, tag := linesOf(t, s, "")
	if want := strings.Join([]string{line("com.acme/a"), line("com.acme/b"), line("com.acme/c"), line("io.x/y")}, "\n"); got != want {
		t.Errorf("lines:\n%s\nwant:\n%s", got, want)
	}
	want := []string{
		"limit=100&search=com.acme&tenant=1&version=latest 200", "cursor=from%3D2&limit=100&search=com.acme&tenant=1&version=latest 200",
		"limit=100&search=io.x%2Fy&tenant=1&version=1.0.0 200",
	}
	if diff := cmp.Diff(want, r.heard()); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	if r.auth != "Bearer t" {
		t.Errorf("authorization %q", r.auth)
	}
	r.put(entry("io.x/y"), entry("com.acme/c"), entry("com.acme/b"), entry("com.acme/a"))
	if got, again := linesOf(t, s, tag); got != "" || again != tag {
		t.Errorf("another order is something else: %s", got)
	}
	r.put()
	if got, again := linesOf(t, s, tag); got != "" || again == tag {
		t.Errorf("of an empty registry there is %q", got)
	}
}

// A page that has not changed is not sent again, and counts as it was.
func TestListing_pagesThatHaveNotChanged(t *testing.T) {
	r := &shelf{page: 2, tags: true}
	r.put(entry("a/1"), entry("a/2"), entry("a/3"))
	s := listingAt(t, plainly(t, r)+"/v0.1/servers", Options{}, Want{Takes: all})
	first, tag := linesOf(t, s, "")
	r.heard()
	r.put(entry("a/1"), entry("a/2"), entry("a/4"))
	second, _ := linesOf(t, s, tag)
	if first != strings.Join([]string{line("a/1"), line("a/2"), line("a/3")}, "\n") || second != strings.Replace(first, "a/3", "a/4", 1) {
		t.Errorf("lines:\n%s\nthen:\n%s", first, second)
	}
	if diff := cmp.Diff([]string{"limit=100&version=latest 304", "cursor=from%3D2&limit=100&version=latest 200"}, r.heard()); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	if got, _ := linesOf(t, s, ""); got != second {
		t.Errorf("asked by somebody else it gives:\n%s", got)
	}
}

// Two questions to one place take what each of them wants, whatever the other has taken.
func TestListing_wantsDontMix(t *testing.T) {
	r := &shelf{page: 10, tags: true}
	r.put(entry("a/1"), entry("b/1"))
	only := func(name string) Want { return Want{Takes: func(n string) bool { return n == name }} }
	s := listingAt(t, plainly(t, r)+"/v0.1/servers", Options{}, only("a/1"), only("b/1"))
	for range 2 {
		if got, _ := linesOf(t, s, ""); got != line("a/1")+"\n"+line("b/1") {
			t.Errorf("lines:\n%s", got)
		}
	}
}

// Entries of which nobody can say what they are go along, for they are to be counted; not without bound.
func TestListing_namelessEntries(t *testing.T) {
	r := &shelf{page: 1000}
	odd := []string{`7`, `{}`, `{"server": []}`, `{"server": {"name": 7}}`}
	r.put(append(odd, entry("a/1"), entry("b/1"))...)
	s := listingAt(t, plainly(t, r)+"/v0.1/servers", Options{}, Want{Takes: prefix("a/").Takes})
	if got, _ := linesOf(t, s, ""); strings.Count(got, "\n") != len(odd) || strings.Contains(got, "b/1") {
		t.Errorf("lines:\n%s", got)
	}
	r.mu.Lock()
	r.entries = nil
	for i := range 100 {
		r.entries = append(r.entries, fmt.Sprint(i))
	}
	r.mu.Unlock()
	if got, _ := linesOf(t, s, ""); strings.Count(got, "\n")+1 != maxNameless {
		t.Errorf("%d lines:\n%s", strings.Count(got, "\n")+1, got)
	}
}

// Whatever a registry does, it is said what is wrong with it, and what it gave before is not lost.
func TestHostileListings(t *testing.T) {
	stuck := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	says200 := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
	}
	var pages int
	endless := func(w http.ResponseWriter, _ *http.Request) {
		pages++
		_, _ = fmt.Fprintf(w, `{"servers":[],"metadata":{"nextCursor":"c%d"}}`, pages)
	}
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		timeout time.Duration
		want    string
	}{
		"slow":               {stuck, 50 * time.Millisecond, "no answer within 50ms"},
		"broken":             {answer(500), 0, "the server answers 500 Internal Server Error"},
		"overloaded":         {answer(429), 0, "the server answers 429 Too Many Requests"},
		"locked":             {answer(401), 0, "the server answers 401 Unauthorized"},
		"elsewhere":          {answer(404), 0, "the server answers 404 Not Found"},
		"hung up":            {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "it can't be reached: "},
		"not asked":          {answer(304), 0, "the server says that nothing has changed, and wasn't asked"},
		"garbage":            {says200("<html>"), 0, "the answer is no list of servers"},
		"nothing":            {says200(""), 0, "the answer is no list of servers"},
		"something else":     {says200(`{"tags":[]}`), 0, "the answer is no list of servers"},
		"null":               {says200(`{"servers":null}`), 0, "the answer is no list of servers"},
		"no list":            {says200(`{"servers":{}}`), 0, "the answer is no list of servers"},
		"more behind it":     {says200(`{"servers":[]}{}`), 0, "the answer is no list of servers"},
		"a cursor in circle": {says200(`{"servers":[],"metadata":{"nextCursor":"x"}}`), 0, "its cursors lead in a circle"},
		"a cursor too long":  {says200(`{"servers":[],"metadata":{"nextCursor":"` + strings.Repeat("x", 5000) + `"}}`), 0, "a cursor has more than 4096 characters"},
		"a strange cursor":   {says200(`{"servers":[],"metadata":{"nextCursor":7}}`), 0, "the answer is no list of servers"},
		"endless":            {endless, 0, "it has more than 200 pages of what is selected"},
		"a page too large":   {says200(`{"servers":["` + strings.Repeat("x", maxPage) + `"]}`), 0, "an answer is larger than 8 MiB"},
		"deep":               {says200(`{"servers":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`), 0, "the answer is no list of servers"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		}, 0, "an answer ends too early"},
		"large in all": {func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
			body, _ := json.Marshal(strings.Repeat("x", 7<<20))
			_, _ = fmt.Fprintf(w, `{"servers":[{"server":{"name":"a/%d","description":%s}}],"metadata":{"nextCursor":"%d"}}`, n, body, n+1)
		}, 0, "what is selected of it is larger than 16 MiB"},
		"leads elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, 0, "the server leads elsewhere: it leads to a place without TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{Timeout: c.timeout, Token: secret}
			s := listingAt(t, plainly(t, c.answer)+"/v0.1/servers?key="+secret, o, Want{Takes: all})
			_, err := s.Fetch(t.Context(), "", 0)
			if code, text := says(t, err); code != "SP1421" || !strings.HasPrefix(text, c.want) {
				t.Errorf("%s %q, want %q", code, text, c.want)
			}
		})
	}
}

func TestListing_tokenFile(t *testing.T) {
	s := listingAt(t, "http://127.0.0.1:1/", Options{TokenFile: "/nonexistent/token"}, Want{Takes: all})
	_, err := s.Fetch(t.Context(), "", 0)
	if code, text := says(t, err); code != "SP1421" || !strings.HasPrefix(text, "the token can't be read: ") {
		t.Errorf("%s %q", code, text)
	}
	if _, err := NewListing("http://registry.example/v0.1/servers", nil, Options{}); err == nil || !strings.Contains(err.Error(), "whoever is between could read and change what is sent") {
		t.Errorf("in the clear: %v", err)
	}
}

func TestCheckListing(t *testing.T) {
	for location, want := range map[string]string{
		"https://registry.example/v0.1/servers":      "",
		"http://127.0.0.1:8080/v0.1/servers":         "",
		"http://registry.example/v0.1/servers":       "whoever is between could read and change what is sent",
		"oci://registry.example/servers":             "a registry of servers is asked by https",
		"ftp://registry.example/":                    "it is not where a registry can be asked",
		"https://a:b@registry.example/v0.1/servers":  "a password in it would be seen in logs",
		"https://registry.example/v0.1/servers#part": "a fragment is never sent",
	} {
		if got, help := CheckListing(location); got != want || strings.Contains(help, "oci") || (help == "") != (want == "") {
			t.Errorf("%s: %q, %q", location, got, help)
		}
	}
}

// slow is a source that takes long for the same answer, or has none.
type slow struct {
	took  time.Duration
	err   error
	asked []time.Duration
	begun time.Time
}

func (s *slow) Fetch(context.Context, string, time.Duration) (*Content, error) {
	s.asked = append(s.asked, time.Since(s.begun).Round(time.Second))
	time.Sleep(s.took)
	return &Content{Tag: fmt.Sprint(len(s.asked)), Packed: []byte(fmt.Sprint(len(s.asked)))}, s.err
}

// A registry that takes long for an answer, and always has another one, is asked no more often than the config says.
func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{took: 20 * time.Second, begun: time.Now()}
		f := Poll(s, 10*time.Minute, time.Now)
		ctx, cancel := context.WithTimeout(t.Context(), 31*time.Minute)
		defer cancel()
		told := 0
		f.Run(ctx, func() {
			if told++; told == 2 {
				f.Sooner()
			}
		})
		want := []time.Duration{0, 620 * time.Second, 640 * time.Second, 1260 * time.Second}
		if diff := cmp.Diff(want, s.asked); diff != "" {
			t.Errorf("asked at (-want +got):\n%s", diff)
		}
	})
}
