package discovery

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// world is a directory of servers, and a config that names it.
type world struct {
	t      *testing.T
	dir    string
	config *config.Config
	found  *Found
	broken map[string]error // servers of which nothing can be made
}

func newWorld(t *testing.T, text string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), broken: map[string]error{}}
	if err := os.Mkdir(filepath.Join(w.dir, "servers.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, ds := config.Parse(filepath.Join(w.dir, "sallyport.yaml"), []byte(text), w.lookup)
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	w.config = c
	return w
}

func (w *world) lookup(name string) (string, bool) {
	if name != "TOKEN" {
		return "", false
	}
	return "secret of TOKEN", true
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "servers.d", name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, "servers.d", name)); err != nil {
		w.t.Fatal(err)
	}
}

// find looks again, and says of each server what has become of it, with the first mistake.
func (w *world) find() []string {
	w.found = Find(w.config, Options{Lookup: w.lookup, Prev: w.found, Usable: func(name string, _ config.Server) error { return w.broken[name] }})
	var out []string
	for _, e := range w.found.Entries {
		line := e.Name + " " + string(e.State)
		if len(e.Mistakes) > 0 {
			line += " " + e.Mistakes[0].Code + " " + e.Mistakes[0].Message
		}
		out = append(out, line)
	}
	return out
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.find()); diff != "" {
		w.t.Errorf("found (-want +got):\n%s", diff)
	}
}

const base = `
servers: { files: { url: "http://127.0.0.1:1/mcp" } }
virtual: { team: { servers: { files: {} } } }
discovery: { directory: servers.d, quarantine: false }
identity: { anonymous: allow }
`

func TestAFileIsAServer(t *testing.T) {
	w := newWorld(t, base)
	w.expect()
	w.write("mail.yaml", "url: https://mail.example/mcp\nheaders: { Authorization: 'Bearer ${TOKEN}' }\n")
	w.write("local.yml", "command: [bin/local]\ncwd: work\n")
	w.write("chat.json", `{"url": "https://chat.example/mcp", "maxConcurrent": 3}`)
	w.write("README.md", "not a server")
	w.write(".hidden.yaml", "url: https://hidden.example/mcp")
	w.expect("chat serving", "local serving", "mail serving")
	servers := w.found.Into(w.config).Servers
	if got := servers["mail"].Headers["Authorization"]; got != "Bearer secret of TOKEN" {
		t.Errorf("the header is %q", got)
	}
	if got := servers["local"]; got.Command[0] != filepath.Join(w.dir, "servers.d/bin/local") || got.Cwd != filepath.Join(w.dir, "servers.d/work") {
		t.Errorf("paths don't start from the file: %q %q", got.Command, got.Cwd)
	}
	if got := servers["chat"]; got.Timeout != w.config.Limits.CallTimeout || got.Queue == nil {
		t.Errorf("defaults are missing: %+v", got)
	}
	if len(w.config.Servers) != 1 || len(servers) != 4 {
		t.Errorf("the config has %d servers, with those that were found %d", len(w.config.Servers), len(servers))
	}
}

func TestABrokenFileLeavesItsServerAsItWas(t *testing.T) {
	w := newWorld(t, base)
	w.write("mail.yaml", "url: https://mail.example/mcp")
	w.write("chat.yaml", "ulr: https://chat.example/mcp")
	w.expect("chat refused SP1002 unknown field `ulr`", "mail serving")
	w.write("mail.yaml", "url: ftp://mail.example/mcp")
	w.expect("chat refused SP1002 unknown field `ulr`", "mail serving SP1103 `ftp://mail.example/mcp` is not an http or https URL")
	if got := w.found.Into(w.config).Servers["mail"].URL; got != "https://mail.example/mcp" {
		t.Errorf("it serves %q", got)
	}
	w.expect("chat refused SP1002 unknown field `ulr`", "mail serving SP1103 `ftp://mail.example/mcp` is not an http or https URL")
	w.write("mail.yaml", "url: https://mail2.example/mcp")
	w.remove("chat.yaml")
	w.expect("mail serving")
	w.remove("mail.yaml")
	w.expect()
}

func TestADirectoryThatCantBeReadLeavesItsServersAsTheyWere(t *testing.T) {
	w := newWorld(t, base)
	w.write("mail.yaml", "url: https://mail.example/mcp")
	w.expect("mail serving")
	w.remove("")
	w.expect("mail serving")
	if got := w.found.All().Error(); !strings.Contains(got, "SP1402") || !strings.Contains(got, "no such file") {
		t.Errorf("mistakes: %s", got)
	}
	w.found = nil // a restart
	w.expect()
}

func TestANameIsOneServer(t *testing.T) {
	w := newWorld(t, base)
	for _, name := range []string{"files.yaml", "team.yaml", "a.json", "a.yaml", "a.yml", "b.yaml"} {
		w.write(name, `{"url": "https://x.example/mcp"}`)
	}
	w.write("Bad Name.yaml", "url: https://x.example/mcp")
	w.expect(
		"Bad Name refused SP1107 `Bad Name` is not a valid server name",
		"a refused SP1401 `a.json` and `a.yaml` are the same server",
		"b serving",
		"files refused SP1401 the config has a server `files` already",
		"team refused SP1401 the config has a virtual server `team` already",
	)
	if got := w.found.Into(w.config).Servers["files"].URL; got != "http://127.0.0.1:1/mcp" {
		t.Errorf("files is at %q", got)
	}
	if names := len(w.found.Into(w.config).Servers); names != 2 {
		t.Errorf("%d servers serve, want 2", names)
	}
}

func TestAServerOfWhichNothingCanBeMadeIsRefused(t *testing.T) {
	w := newWorld(t, base)
	w.write("mail.yaml", "url: https://mail.example/mcp")
	w.broken["mail"] = errors.New("no certificates")
	w.expect("mail refused SP1401 the server can't be used: no certificates")
	if _, serves := w.found.Into(w.config).Servers["mail"]; serves {
		t.Error("it serves")
	}
}

func TestWhatIsNoFileIsNotWaitedFor(t *testing.T) {
	w := newWorld(t, base)
	if err := os.Mkdir(filepath.Join(w.dir, "servers.d", "folder.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(w.dir, "servers.d", "link.yaml")); err != nil {
		t.Fatal(err)
	}
	w.write("large.yaml", "#"+strings.Repeat(" ", 5<<20))
	w.expect(
		"folder refused SP1402 the file can't be read: it is not a file",
		"large refused SP1402 the file can't be read: it is larger than 4096 KiB",
		"link refused SP1402 the file can't be read: no such file or directory",
	)
}

func TestChangesSayWhatHasBecomeOfServers(t *testing.T) {
	w := newWorld(t, base)
	w.write("a.yaml", "url: https://a.example/mcp")
	w.write("b.yaml", "url: https://b.example/mcp")
	w.write("c.yaml", "url: https://c.example/mcp")
	w.find()
	before := w.found
	w.remove("a.yaml")
	w.write("b.yaml", "url:   https://b.example/mcp # another layout")
	w.write("c.yaml", "url: https://c2.example/mcp")
	w.write("d.yaml", "url: https://d.example/mcp")
	w.find()
	var got []string
	for _, c := range w.found.Changes(before) {
		got = append(got, c.Was.Name+">"+c.Is.Name)
	}
	if diff := cmp.Diff([]string{"a>", "c>c", ">d"}, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if got := w.found.Changes(w.found); got != nil {
		t.Errorf("nothing has changed, and yet: %v", got)
	}
}

// A secret in the environment is no part of the digest, which is shown.
func TestTheDigestIsOfWhatIsWritten(t *testing.T) {
	w := newWorld(t, base)
	digest := func(text string) string {
		w.write("a.yaml", text)
		w.find()
		return w.found.Entries[0].Digest
	}
	first := digest(`{ url: "https://a.example/mcp", headers: { X-Key: "${TOKEN}" } }`)
	if got := digest("headers: { X-Key: '${TOKEN}' }\nurl: https://a.example/mcp"); got != first || !strings.HasPrefix(first, "sha256:") {
		t.Errorf("digests %s and %s of the same", first, got)
	}
	if got := digest("headers: { X-Key: 'secret of TOKEN' }\nurl: https://a.example/mcp"); got == first {
		t.Error("one digest for the name of a secret and for what it stands for")
	}
}

func TestFingerprintsDifferWhereServersDo(t *testing.T) {
	w := newWorld(t, base)
	first := Fingerprint(w.config)
	w.write("a.yaml", "url: https://a.example/mcp")
	second := Fingerprint(w.config)
	w.write("a.yaml", "url: https://b.example/mcp")
	third := Fingerprint(w.config)
	w.write("notes.txt", "x")
	if first == second || second == third || third != Fingerprint(w.config) {
		t.Error("fingerprints don't tell directories apart")
	}
}
