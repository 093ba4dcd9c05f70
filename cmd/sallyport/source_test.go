package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/fetch"
	"github.com/sallyport-dev/sallyport/internal/fetch/fetchtest"
)

// versioned is a policy by which a call of any tool is denied for the reason that is its version.
func versioned(n int64) string {
	return fmt.Sprintf("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: some, when: 'has(args.ok)', effect: allow }\n"+
		"  - { name: version, when: '!has(args.ok)', effect: deny, reason: v%d }\n", n)
}

// place is where a gateway gets its policies from.
type place struct {
	policies, bundle string // of the config
	put              func(n int64)
	remove, restore  func() // take it away, and let it answer again
}

// gatewayAt is a gateway that runs.
type gatewayAt struct {
	t    testing.TB
	dir  string
	g    *program
	log  lockedBuffer
	stop func()
}

// lockedBuffer is a buffer that is written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// begin starts a gateway in a directory.
func begin(t testing.TB, dir string, p place) *gatewayAt {
	t.Helper()
	config := "listen: 127.0.0.1:0\nadmin: { listen: \"127.0.0.1:0\" }\nservers: { a: { url: \"http://127.0.0.1:9/mcp\" } }\nidentity: { anonymous: allow }\n" +
		"policies: " + p.policies + "\nbundle: { " + p.bundle + " }\naudit: { file: audit.jsonl }\n"
	if err := os.WriteFile(filepath.Join(dir, "sallyport.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &gatewayAt{t: t, dir: dir}
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	w.g, err = start(process{ctx: ctx, stdout: io.Discard, stderr: &w.log, getenv: func(string) (string, bool) { return "", false }, now: time.Now},
		origin{config: filepath.Join(dir, "sallyport.yaml")}, nil)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.g.run() }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

var reasonForm = regexp.MustCompile(`"reason":"([a-z0-9_]+)"`)

// verdict is the reason for which a call is denied.
func (w *gatewayAt) verdict() string {
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+w.g.data.Addr().String()+"/mcp/a",
		strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{}}}`))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if m := reasonForm.FindSubmatch(body); m != nil {
		return string(m[1])
	}
	return string(body)
}

// until waits for something to be so.
func (w *gatewayAt) until(what string, is func() bool) {
	w.t.Helper()
	for begun := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			w.t.Fatalf("never: %s; the verdict is %s; the log:\n%s", what, w.verdict(), w.log.String())
		}
	}
}

func (w *gatewayAt) denies(reason string) {
	w.t.Helper()
	w.until("calls are denied for "+reason, func() bool { return w.verdict() == reason })
}

// packed is an archive that key signs.
func packed(t testing.TB, n int64, dir string) []byte {
	t.Helper()
	a, err := bundle.Make(bundle.Manifest{Name: "acme", Version: n, Environment: "2026-11"}, []bundle.File{{Name: "p.yaml", Content: []byte(versioned(n))}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := bundle.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	data, err := a.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func keyIn(t testing.TB, dir string) {
	t.Helper()
	private, public, err := bundle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "key"), private)
	put(t, filepath.Join(dir, "key.pub"), public)
}

func put(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := bundle.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

const trusted = "trust: key.pub, state: state"

// places are all the kinds of source, as the config names them.
var places = map[string]func(t testing.TB, dir string) place{
	"directory": func(t testing.TB, dir string) place {
		return place{policies: "policies", put: func(n int64) { put(t, filepath.Join(dir, "policies", "p.yaml"), []byte(versioned(n))) }}
	},
	"kubernetes": func(t testing.TB, dir string) place {
		in := filepath.Join(dir, "policies")
		return place{policies: "policies", put: func(n int64) {
			put(t, filepath.Join(in, fmt.Sprintf("..v%d", n), "p.yaml"), []byte(versioned(n)))
			for link, target := range map[string]string{"..data": fmt.Sprintf("..v%d", n), "p.yaml": filepath.Join("..data", "p.yaml")} {
				if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(filepath.Join(dir, "link"), filepath.Join(in, link)); err != nil {
					t.Fatal(err)
				}
			}
		}}
	},
	"file": func(t testing.TB, dir string) place {
		keyIn(t, dir)
		return place{policies: "p.tar.gz", bundle: trusted, put: func(n int64) { put(t, filepath.Join(dir, "p.tar.gz"), packed(t, n, dir)) }}
	},
	"https-poll": func(t testing.TB, dir string) place { return webPlace(t, dir, &fetchtest.Web{}, "10ms") },
	"https-wait": func(t testing.TB, dir string) place { return webPlace(t, dir, &fetchtest.Web{Tells: true}, "1h") },
	"oci": func(t testing.TB, dir string) place {
		keyIn(t, dir)
		url, down := served(t, new(fetchtest.Registry))
		location := "oci://" + strings.TrimPrefix(url, "http://") + "/acme/policies:production"
		p := place{policies: location, bundle: trusted + ", poll: 10ms"}
		p.put = func(n int64) {
			if _, err := fetch.Push(t.Context(), location, packed(t, n, dir), "acme.tar.gz", fetch.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		p.remove, p.restore = func() { down.Store(true) }, func() { down.Store(false) }
		return p
	},
}

func webPlace(t testing.TB, dir string, web *fetchtest.Web, poll string) place {
	t.Helper()
	keyIn(t, dir)
	url, down := served(t, web)
	var last []byte
	return place{
		policies: url + "/acme.tar.gz?sig=s3cret", bundle: trusted + ", poll: " + poll,
		put:    func(n int64) { last = packed(t, n, dir); web.Put(last) },
		remove: func() { down.Store(true); web.Put(nil) }, restore: func() { web.Put(last); down.Store(false) },
	}
}

// served is a server that can be down.
func served(t testing.TB, h http.Handler) (url string, down *atomic.Bool) {
	t.Helper()
	down = new(atomic.Bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, down
}

// Whatever policies come from, another version decides as soon as it is there.
func TestGatewayFollowsItsSource(t *testing.T) {
	for name, in := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := in(t, dir)
			p.put(1)
			w := begin(t, dir, p)
			w.denies("v1")
			p.put(2)
			w.denies("v2")
			p.put(3)
			w.denies("v3")
			if strings.Contains(w.log.String(), "s3cret") {
				t.Errorf("a secret is in the log:\n%s", w.log.String())
			}
		})
	}
}

// A source that is gone takes nothing away: what it gave last decides on, after a restart too, until it is back.
func TestSourceIsGone(t *testing.T) {
	for _, name := range []string{"https-poll", "https-wait", "oci"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := places[name](t, dir)
			p.put(1)
			w := begin(t, dir, p)
			w.denies("v1")
			p.remove()
			w.until("it is said that the source is gone", func() bool { return w.g.bundles()[0].SourceError != "" })
			if shown := w.g.bundles()[0]; w.verdict() != "v1" || shown.Version != 1 || !strings.Contains(shown.SourceError, "SP83") || shown.Stale || shown.AgeSeconds == nil {
				t.Errorf("%s: %+v", w.verdict(), shown)
			}
			w.stop()
			w = begin(t, dir, p)
			w.denies("v1")
			if shown := w.g.bundles()[0]; !shown.LastGood || shown.AgeSeconds == nil {
				t.Errorf("%+v", shown)
			}
			w.until("the start is reported", func() bool { return !w.g.bundles()[0].Last.OK })
			w.g.reload("a test") // something else in the config has changed
			if shown := w.g.bundles()[0]; !shown.Last.OK || !shown.LastGood {
				t.Errorf("nothing else can change: %+v", shown)
			}
			p.restore()
			p.put(2)
			w.g.state.build().follower.Sooner()
			w.denies("v2")
			w.until("it is said that the source is back", func() bool { return w.g.bundles()[0].SourceError == "" && !w.g.bundles()[0].LastGood })
			if text := w.log.String(); strings.Contains(text, "s3cret") {
				t.Errorf("a secret is in the log:\n%s", text)
			}
		})
	}
}

// What is fetched is refused like what lies in a file, and what decides is not taken away by it.
func TestFetchedBundleIsRefused(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	web := &fetchtest.Web{Tells: true}
	p := webPlace(t, dir, web, "1h")
	p.put(2)
	w := begin(t, dir, p)
	w.denies("v2")
	keyIn(t, other)
	for code, data := range map[string][]byte{"SP8106": packed(t, 3, other), "SP8113": packed(t, 1, dir), "SP8001": []byte(versioned(3)), "SP8002": packed(t, 3, dir)[:300]} {
		web.Put(data)
		w.until(code+" is said", func() bool {
			last := w.g.bundles()[0].Last
			return !last.OK && len(last.Diagnostics) > 0 && last.Diagnostics[0].Code == code
		})
		if shown := w.g.bundles()[0]; w.verdict() != "v2" || shown.Version != 2 || strings.Contains(shown.Text, "s3cret") {
			t.Errorf("%s: %s %+v", code, w.verdict(), shown)
		}
	}
	p.put(3)
	w.denies("v3")
}

// Past its age a bundle decides nothing: everything is denied, says why, is recorded, and ends when the source answers.
func TestBundleTooOld(t *testing.T) {
	dir := t.TempDir()
	p := webPlace(t, dir, new(fetchtest.Web), "10ms")
	p.bundle += ", maxAge: 300ms"
	p.put(1)
	w := begin(t, dir, p)
	w.denies("v1")
	p.remove()
	w.denies("bundle_stale")
	shown := w.g.bundles()[0]
	if !shown.Stale || shown.Version != 1 || w.g.policyReady(t.Context()) == nil {
		t.Errorf("%+v", shown)
	}
	w.g.reload("a test")
	if got := w.verdict(); got != "bundle_stale" {
		t.Errorf("after a reload: %s", got)
	}
	w.stop()
	w = begin(t, dir, p)
	w.denies("bundle_stale")
	p.restore()
	w.g.state.build().follower.Sooner()
	w.denies("v1")
	w.until("it is ready", func() bool { return w.g.policyReady(t.Context()) == nil && !w.g.bundles()[0].Stale })
	w.stop()
	events := recordsOf(t, dir)
	for _, want := range []string{`"event":"stale","revision":"` + shown.Revision + `","cause":".*SP8305`, `"event":"confirmed"`, `"reason":"bundle_stale"`} {
		if !regexp.MustCompile(want).MatchString(events) {
			t.Errorf("no record of %s in\n%s", want, events)
		}
	}
}

// What an operator chooses decides until the source has something newer than all that decided, and is as old as the source's last word.
func TestOperatorChangesWhatIsFetched(t *testing.T) {
	dir := t.TempDir()
	p := webPlace(t, dir, new(fetchtest.Web), "10ms")
	p.bundle += ", maxAge: 1h"
	p.put(1)
	w := begin(t, dir, p)
	w.denies("v1")
	if err := w.g.change(t.Context(), admin.Change{Action: "activate", By: "alice", Name: "five.tar.gz", Archive: packed(t, 5, dir)}); err != nil {
		t.Fatal(err)
	}
	if got, shown := w.verdict(), w.g.bundles()[0]; got != "v5" || shown.Chosen == nil || shown.Stale || shown.AgeSeconds == nil || *shown.AgeSeconds > 600 {
		t.Errorf("%s: %+v", got, shown)
	}
	first := w.g.state.build().given.tag
	p.put(2)
	w.until("the second is looked at", func() bool { return w.g.state.build().given.tag != first })
	if got := w.verdict(); got != "v5" {
		t.Errorf("the source has an older one: %s", got)
	}
	p.put(6)
	w.denies("v6")
}

// Whoever tells of a push has it decide, however seldom the gateway asks by itself.
func TestNoticeOfAPush(t *testing.T) {
	for name, n := range map[string]admin.Notice{
		"of the tag":   {Said: true, Pushed: []admin.Pushed{{Repository: "acme/other", Tag: "production"}, {Repository: "acme/policies", Tag: "production"}}},
		"of a digest":  {Said: true, Pushed: []admin.Pushed{{Repository: "acme/policies"}}},
		"of something": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := places["oci"](t, dir)
			p.bundle = strings.Replace(p.bundle, "poll: 10ms", "poll: 1h", 1)
			p.put(1)
			w := begin(t, dir, p)
			w.denies("v1")
			p.put(2)
			if !w.g.notified(n) {
				t.Error("it is not asked")
			}
			w.denies("v2")
			for _, other := range []admin.Notice{{Said: true}, {Said: true, Pushed: []admin.Pushed{{Repository: "acme/policies", Tag: "testing"}, {Repository: "acme"}}}} {
				if w.g.notified(other) {
					t.Errorf("asked for %+v", other)
				}
			}
		})
	}
	dir := t.TempDir()
	p := places["file"](t, dir)
	p.put(1)
	if begin(t, dir, p).g.notified(admin.Notice{}) {
		t.Error("there is nobody to ask")
	}
}

// What the source has, and is refused, is no word of its that there is no other.
func TestRefusedBundleConfirmsNothing(t *testing.T) {
	dir := t.TempDir()
	web := new(fetchtest.Web)
	p := webPlace(t, dir, web, "10ms")
	p.bundle += ", maxAge: 300ms"
	p.put(1)
	w := begin(t, dir, p)
	w.denies("v1")
	web.Put([]byte("garbage"))
	w.denies("bundle_stale")
	p.put(1)
	w.denies("v1")
}

// A candidate that comes or goes makes what decides no older: its source has confirmed it since it was fetched, if it is another by now.
func TestCandidateMakesNothingOlder(t *testing.T) {
	dir := t.TempDir()
	web := new(fetchtest.Web)
	p := webPlace(t, dir, web, "10ms")
	p.bundle += ", maxAge: 1h"
	p.put(1)
	w := begin(t, dir, p)
	w.denies("v1")
	w.until("it is confirmed", func() bool { return w.g.confirmedAt().After(w.g.state.build().given.confirmed) })
	web.Put([]byte("garbage"))
	w.until("another is refused", func() bool { return !w.g.bundles()[0].Last.OK })
	before := w.g.confirmedAt()
	w.g.tryAgain()
	if after := w.g.confirmedAt(); !after.Equal(before) {
		t.Errorf("confirmed at %s, and at %s after a candidate was looked for", before, after)
	}
}

func recordsOf(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if !json.Valid(line) {
			t.Errorf("no record: %s", line)
		}
	}
	return string(text)
}

// BenchmarkNewVerdict measures how long after a change a call is decided by it.
func BenchmarkNewVerdict(b *testing.B) {
	for _, name := range []string{"directory", "kubernetes", "file", "https-wait", "oci", "oci-told"} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			kind, told := strings.CutSuffix(name, "-told")
			p, poll := places[kind](b, dir), "500ms"
			if told {
				poll = "1h"
			}
			p.bundle = strings.Replace(p.bundle, "poll: 10ms", "poll: "+poll, 1)
			p.put(1)
			w := begin(b, dir, p)
			w.denies("v1")
			n, worst := int64(1), time.Duration(0)
			for b.Loop() {
				b.StopTimer()
				time.Sleep(1100 * time.Millisecond) // changes that follow each other at once are held back
				n++
				b.StartTimer()
				begun := time.Now()
				p.put(n)
				if told {
					w.g.notified(admin.Notice{})
				}
				w.denies(fmt.Sprintf("v%d", n))
				worst = max(worst, time.Since(begun))
			}
			b.ReportMetric(float64(worst.Microseconds())/1e3, "worst-ms")
		})
	}
}

// A candidate is fetched as policies are: from wherever they come, verified as they are, beside them, and promoted as any other.
func TestCandidateIsFetched(t *testing.T) {
	for _, name := range []string{"https-poll", "https-wait", "oci"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			next := places[name](t, dir)
			p := place{policies: "p.tar.gz", bundle: next.bundle + ", candidate: { from: '" + next.policies + "' }"}
			put(t, filepath.Join(dir, "p.tar.gz"), packed(t, 1, dir))
			next.remove()
			w := begin(t, dir, p)
			w.denies("v1")
			shown := func() shownCandidate { return shownOf(t, w.g) }
			w.until("its source is said not to answer", func() bool { return shown().SourceError != "" })
			if k := shown(); k.State != stateAwaited || k.Revision != "" || k.Error != "" || strings.Contains(k.Source+k.SourceError, "s3cret") {
				t.Errorf("%+v", k)
			}
			next.restore()
			next.put(2)
			w.until("version 2 is tried", func() bool { k := shown(); return k.State == stateTried && k.Version == 2 && k.SourceError == "" })
			before := w.g.state.build().trying
			w.g.reload("a test")
			if k := shown(); k.State != stateTried || w.g.state.build().trying != before {
				t.Errorf("a reload begins anew: %+v", k)
			}
			config, trying := filepath.Join(dir, "sallyport.yaml"), w.g.state.build().candidate
			put(t, config, regexp.MustCompile("poll: [0-9a-z]+").ReplaceAll(readFile(config), []byte("poll: 11ms")))
			w.g.reload("a test")
			if b := w.g.state.build(); b.trying == before || b.candidate != trying {
				t.Errorf("asking at other times begins anew: %+v", shown())
			}
			next.put(3)
			w.until("version 3 is tried", func() bool { k := shown(); return k.State == stateTried && k.Version == 3 })
			if got := w.verdict(); got != "v1" {
				t.Errorf("a candidate decides: %s", got)
			}
			if err := w.g.change(t.Context(), admin.Change{Action: "promote", By: "alice"}); err != nil {
				t.Fatal(err)
			}
			if got, k := w.verdict(), shown(); got != "v3" || k.State != stateActive {
				t.Errorf("promoted: %s %+v", got, k)
			}
			next.put(2)
			w.until("an older one is refused", func() bool {
				k := shown()
				return k.State == stateRefused && len(k.Diagnostics) > 0 && k.Diagnostics[0].Code == "SP8113" && !strings.Contains(k.Text, "s3cret")
			})
			if got := w.verdict(); got != "v3" {
				t.Errorf("it has changed what decides: %s", got)
			}
			if strings.Contains(w.log.String(), "s3cret") {
				t.Errorf("a secret is in the log:\n%s", w.log.String())
			}
		})
	}
}

// A candidate that is told of is asked for, and what decides is not.
func TestNoticeOfACandidate(t *testing.T) {
	dir := t.TempDir()
	next := places["oci"](t, dir)
	put(t, filepath.Join(dir, "p.tar.gz"), packed(t, 1, dir))
	next.put(2)
	w := begin(t, dir, place{policies: "p.tar.gz", bundle: strings.Replace(next.bundle, "poll: 10ms", "poll: 1h", 1) + ", candidate: { from: '" + next.policies + "' }"})
	w.until("version 2 is tried", func() bool { return shownOf(t, w.g).Version == 2 })
	next.put(3)
	if !w.g.notified(admin.Notice{Said: true, Pushed: []admin.Pushed{{Repository: "acme/policies", Tag: "production"}}}) || w.g.notified(admin.Notice{Said: true}) {
		t.Error("it is not asked, or is for nothing")
	}
	w.until("version 3 is tried", func() bool { return shownOf(t, w.g).Version == 3 })
}

// A token is for the server of the policies: a candidate elsewhere is asked without.
func TestCandidateGetsNoTokenOfAnother(t *testing.T) {
	for name, same := range map[string]bool{"the same server": true, "another": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			keyIn(t, dir)
			web := new(fetchtest.Web)
			web.Put(packed(t, 1, dir))
			var sent atomic.Value
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/next.tar.gz" {
					sent.Store("got: " + r.Header.Get("Authorization"))
				}
				web.ServeHTTP(w, r)
			})
			first, _ := served(t, h)
			second, want := first, "got: Bearer s3cret"
			if !same {
				second, _ = served(t, h)
				want = "got: "
			}
			w := begin(t, dir, place{policies: first + "/p.tar.gz", bundle: trusted + ", poll: 10ms, token: s3cret, candidate: { from: '" + second + "/next.tar.gz' }"})
			w.until("the candidate is asked for", func() bool { return sent.Load() != nil })
			if got := sent.Load(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}
