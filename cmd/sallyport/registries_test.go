package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/discovery"
)

// shelf is a registry of servers over HTTP.
type shelf struct {
	mu        sync.Mutex
	documents []string
	deleted   string // the name of one that it has deleted
	down      bool
	asked     int
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.down || r.URL.Path != "/v0.1/servers" {
		http.Error(w, "no", http.StatusInternalServerError)
		return
	}
	answers := make([]string, len(s.documents))
	for i, d := range s.documents {
		status := "active"
		if s.deleted != "" && strings.Contains(d, s.deleted) {
			status = "deleted"
		}
		answers[i] = `{"server":` + d + `,"_meta":{"io.modelcontextprotocol.registry/official":{"status":"` + status + `","isLatest":true}}}`
	}
	_, _ = fmt.Fprintf(w, `{"servers":[%s],"metadata":{"count":%d}}`, strings.Join(answers, ","), len(answers))
}

// is has the registry answer with these documents, or not at all.
func (s *shelf) is(down bool, documents ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.documents = down, documents
}

// deletes has the registry delete a server.
func (s *shelf) deletes(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted = name
}

func (s *shelf) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func listed(name, version string) string {
	return fmt.Sprintf(`{"name":%q,"description":"Keeps notes.","version":%q,"remotes":[{"type":"streamable-http","url":"https://notes.example/mcp"}]}`, name, version)
}

// beginWith starts a gateway with registries.
func beginWith(t *testing.T, registries string) *gatewayAt {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "p.yaml"), []byte(versioned(1)))
	return begin(t, dir, place{policies: "p.yaml\ndiscovery: { state: servers.json, registries: [" + registries + "] }", bundle: "unsigned: true"})
}

// known is what the gateway shows of a server: state, version and source.
func (w *gatewayAt) known(name string) string {
	for _, s := range w.g.servers() {
		if s.Name == name {
			if s.Listing == nil {
				s.Listing = &admin.Listing{}
			}
			return strings.Join([]string{s.State, s.Listing.Version, s.Source}, " ")
		}
	}
	return "unknown"
}

func (w *gatewayAt) becomes(name, want string) {
	w.t.Helper()
	w.until(name+" is "+want, func() bool { return w.known(name) == want })
}

// A registry costs nobody anything while it doesn't answer, and what it lists waits for an operator each time that it changes.
func TestRegistryOverHTTP(t *testing.T) {
	s := &shelf{down: true}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	w := beginWith(t, fmt.Sprintf(`{ from: "%s/v0.1/servers?key=s3cret", names: [com.acme/*], servers: { com.acme/notes: { as: notes } }, poll: 10ms }`, web.URL))
	w.until("the failure is logged", func() bool { return strings.Contains(w.log.String(), "a registry of servers doesn't answer") })
	if got := w.known("notes"); got != "refused  registry" {
		t.Errorf("before there was an answer notes is %s", got)
	}
	s.is(false, listed("com.acme/notes", "1.0.0"), listed("com.evil/notes", "1.0.0"),
		`{"name":"com.acme/tool","description":"A tool.","version":"1.0.0","packages":[{"registryType":"npm","identifier":"@acme/tool","version":"1.0.0","transport":{"type":"stdio"}}]}`)
	w.becomes("notes", "quarantined 1.0.0 registry")
	w.becomes("com-acme-tool", "refused 1.0.0 registry")
	w.becomes("com-evil-notes", "unknown")
	w.until("the recovery is logged", func() bool { return strings.Contains(w.log.String(), "a registry of servers answers again") })

	w.approve("notes")
	w.becomes("notes", "serving 1.0.0 registry")
	w.becomes("com-acme-tool", "refused 1.0.0 registry")
	s.is(true)
	w.until("it is asked again", func() bool { return strings.Count(w.log.String(), "a registry of servers doesn't answer") >= 2 })
	w.becomes("notes", "serving 1.0.0 registry")
	w.g.reload("test")
	w.becomes("notes", "serving 1.0.0 registry")

	s.is(false, listed("com.acme/notes", "1.1.0"))
	w.becomes("notes", "quarantined 1.1.0 registry")
	w.becomes("com-acme-tool", "unknown")
	s.is(false)
	w.becomes("notes", "refused  registry")
	w.stop()
	records := recordsOf(t, w.dir)
	for _, want := range []string{
		`"server":"notes","cause":"registry ` + web.URL + `/v0.1/servers com.acme/notes 1.0.0: quarantined"`,
		`"event":"server_gone"`,
	} {
		if !strings.Contains(records, want) {
			t.Errorf("no record has %s:\n%s", want, records)
		}
	}
	if strings.Contains(records+w.log.String(), "s3cret") {
		t.Error("a secret is shown")
	}
}

// approve has an operator approve a server as it is.
func (w *gatewayAt) approve(name string) {
	w.t.Helper()
	found := w.g.state.build().found
	e, ok := found.Entry(name)
	if !ok {
		w.t.Fatalf("there is no server %s", name)
	}
	if err := found.Kept.Approve(&e, "alice", w.g.now()).Write(filepath.Join(w.dir, "servers.json")); err != nil {
		w.t.Fatal(err)
	}
	w.g.reload("approved")
}

// Who asks stays the same as long as what is asked does, and nobody asks a registry that the config no longer names.
func TestRegistriesAreAskedAsLongAsTheyAreNamed(t *testing.T) {
	s := &shelf{documents: []string{listed("com.acme/notes", "1.0.0")}}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	w := beginWith(t, fmt.Sprintf(`{ from: "%s/v0.1/servers", names: [com.acme/*], poll: 1h }`, web.URL))
	w.becomes("com-acme-notes", "quarantined 1.0.0 registry")
	follower := func() any {
		for _, f := range w.g.state.build().listings {
			return f
		}
		return nil
	}
	before, asked := follower(), s.count()
	w.g.reload("test")
	if follower() != before || s.count() != asked {
		t.Error("a reload asks anew")
	}
	name := filepath.Join(w.dir, "sallyport.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(text), "com.acme/*", "com.acme/n*", 1)
	put(t, name, []byte(other))
	w.until("another question is asked by another", func() bool { return follower() != before && s.count() == asked+1 })
	w.becomes("com-acme-notes", "quarantined 1.0.0 registry")
	put(t, name, []byte(strings.Replace(other, "servers.json", "others.json", 1))) // and it is asked the same
	w.until("it is kept beside another state", func() bool {
		kept, err := filepath.Glob(filepath.Join(w.dir, "others.json.listing-*"))
		return err == nil && len(kept) == 1
	})
	put(t, name, []byte(strings.Replace(string(text), ", registries: [", ", directory: nowhere, registries: [{ from: other, names: [x/*] }], x: [", 1)))
	w.until("the mistake is seen", func() bool { return strings.Contains(w.log.String(), "SP1002") })
	w.becomes("com-acme-notes", "quarantined 1.0.0 registry")
	busy := strings.Replace(string(text), "poll: 1h", "poll: 10ms", 1)
	put(t, name, []byte(busy))
	asked = s.count()
	w.until("it is asked often", func() bool { return s.count() > asked+3 })
	head, _, _ := strings.Cut(string(text), "discovery:")
	put(t, name, []byte(head+"audit: { file: audit.jsonl }\n"))
	w.becomes("com-acme-notes", "unknown")
	if follower() != nil {
		t.Error("it is still followed")
	}
	w.until("it is asked no more", func() bool {
		asked := s.count()
		time.Sleep(200 * time.Millisecond)
		return s.count() == asked
	})
}

// Documents in files are watched.
func TestRegistryInFiles(t *testing.T) {
	w := beginWith(t, `{ from: registry, names: [com.acme/*] }`)
	w.becomes("com-acme-notes", "unknown")
	if err := os.Mkdir(filepath.Join(w.dir, "registry"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.dir, "registry", "notes.json")
	put(t, file, []byte(listed("com.acme/notes", "1.0.0")))
	w.becomes("com-acme-notes", "quarantined 1.0.0 registry")
	w.approve("com-acme-notes")
	w.becomes("com-acme-notes", "serving 1.0.0 registry")
	put(t, file, []byte(listed("com.acme/notes", "1.1.0")))
	w.becomes("com-acme-notes", "quarantined 1.1.0 registry")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	w.becomes("com-acme-notes", "unknown")
	if e, ok := w.g.state.build().found.Entry("com-acme-notes"); ok || e.State != discovery.State("") {
		t.Errorf("%+v", e)
	}
}

// A registry that is down when the gateway starts costs nothing of what was approved, and what it had withdrawn doesn't come back by that.
func TestARestartWhileARegistryIsDown(t *testing.T) {
	notes, mail := listed("com.acme/notes", "1.0.0"), listed("com.acme/mail", "1.0.0")
	s := &shelf{documents: []string{notes, mail}}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	registries := fmt.Sprintf(`{ from: "%s/v0.1/servers?key=s3cret", names: [com.acme/*], poll: 10ms }`, web.URL)
	w := beginWith(t, registries)
	restart := func(want map[string]string) {
		t.Helper()
		s.is(true)
		w.stop()
		w = begin(t, w.dir, place{policies: "p.yaml\ndiscovery: { state: servers.json, registries: [" + registries + "] }", bundle: "unsigned: true"})
		for range 2 {
			for name, want := range want {
				if got := w.known(name); got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
			w.until("the failure is logged", func() bool { return strings.Contains(w.log.String(), "a registry of servers doesn't answer") })
		}
	}
	const serving, gone = "serving 1.0.0 registry", "unknown"
	w.becomes("com-acme-notes", "quarantined 1.0.0 registry")
	w.approve("com-acme-notes")
	w.approve("com-acme-mail")
	restart(map[string]string{"com-acme-notes": serving, "com-acme-mail": serving})

	s.deletes("com.acme/notes")
	s.is(false, notes, mail)
	w.becomes("com-acme-notes", "refused 1.0.0 registry")
	restart(map[string]string{"com-acme-notes": "refused 1.0.0 registry", "com-acme-mail": serving})

	s.is(false, notes)
	w.becomes("com-acme-mail", gone)
	restart(map[string]string{"com-acme-notes": "refused 1.0.0 registry", "com-acme-mail": gone})

	s.is(false)
	w.becomes("com-acme-notes", gone)
	restart(map[string]string{"com-acme-notes": gone, "com-acme-mail": gone})

	s.deletes("")
	s.is(false, notes)
	w.becomes("com-acme-notes", serving)
	kept, err := filepath.Glob(filepath.Join(w.dir, "servers.json.listing-*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept: %q, %v", kept, err)
	}
	if info, err := os.Stat(kept[0]); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v: %v", info, err)
	}
	name := filepath.Join(w.dir, "sallyport.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	put(t, name, []byte(strings.ReplaceAll(string(text), web.URL, "http://127.0.0.1:9")))
	w.until("what it has listed is forgotten with it", func() bool { _, err := os.Stat(kept[0]); return os.IsNotExist(err) })
	w.stop()
	if _, err := os.Stat(kept[0]); !os.IsNotExist(err) {
		t.Errorf("who asked it last has kept it again: %v", err)
	}
}

// A registry that is down is seen in the status and in the metrics, with the age of what it has listed, and without what may be a secret.
func TestARegistryThatIsDownIsSeen(t *testing.T) {
	s := &shelf{down: true, documents: []string{listed("com.acme/notes", "1.0.0")}}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	from := web.URL + "/v0.1/servers"
	registries := fmt.Sprintf(`{ from: "%[1]s?key=s3cret", names: [com.acme/*], poll: 10ms }, { from: "%[1]s?key=0ther", names: [x/*], poll: 10ms }, { from: files, names: [x/*] }`, from)
	w := beginWith(t, registries)
	is := func(want string) {
		t.Helper()
		w.until("its status is "+want, func() bool {
			all := w.g.registryStatus()
			return len(all) == 2 && all[0].From == from && all[1].From == from+" (2)" &&
				fmt.Sprint(all[0].Up, all[0].Error != "", all[0].Confirmed != nil, all[0].AgeSeconds != nil, all[0].Copy) == want
		})
	}
	shows := func(want string, not string) {
		t.Helper()
		out := httptest.NewRecorder()
		w.g.metrics.Handler().ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
		text := out.Body.String()
		if out.Code != http.StatusOK || !strings.Contains(text, want) || not != "" && strings.Contains(text, not) || strings.Contains(text, "s3cret") {
			t.Errorf("no %s, or %s, in %d\n%s", want, not, out.Code, text)
		}
	}
	up, age := fmt.Sprintf(`sallyport_registry_up{registry="%s"} `, from), fmt.Sprintf(`sallyport_registry_listing_age_seconds{registry="%s"} `, from)
	is("false true false false false")
	shows(up+"0", age)
	s.is(false, s.documents...)
	is("true false true true false")
	shows(up+"1", "")
	shows(age, "")
	s.is(true)
	is("false true true true false")
	shows(up+"0", "")
	w.stop()
	w = begin(t, w.dir, place{policies: "p.yaml\ndiscovery: { state: servers.json, registries: [" + registries + "] }", bundle: "unsigned: true"})
	is("false true true true true")
	shows(age, "")
	got := w.g.status()
	if text, err := json.Marshal(got.Registries); err != nil || strings.Contains(string(text), "s3cret") || len(got.Registries) != 2 {
		t.Errorf("%v: %s", err, text)
	}
}
