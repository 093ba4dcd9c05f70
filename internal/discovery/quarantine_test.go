package discovery

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const guarded = `
servers: { files: { url: "http://127.0.0.1:1/mcp" } }
discovery: { directory: servers.d, state: state.json, api: {} }
identity: { anonymous: allow }
`

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func (w *world) state() string { return filepath.Join(w.dir, "state.json") }

// say changes what is kept.
func (w *world) say(change func(k *Kept) *Kept) {
	w.t.Helper()
	k, err := ReadKept(w.state())
	if err == nil {
		err = change(k).Write(w.state())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) approve(name string) {
	w.t.Helper()
	e, ok := w.found.Entry(name)
	if !ok {
		w.t.Fatal("there is no " + name)
	}
	w.say(func(k *Kept) *Kept { return k.Approve(&e, "alice", noon) })
}

func (w *world) put(name, text string) {
	w.t.Helper()
	w.say(func(k *Kept) *Kept { return k.Put(Put{Name: name, Text: text, By: "bob", Time: noon}) })
}

// serves says which servers found ones serve.
func (w *world) serves(name string) bool {
	_, ok := w.found.Into(w.config).Servers[name]
	return ok
}

func TestServersWaitForAnApproval(t *testing.T) {
	w := newWorld(t, guarded)
	w.write("mail.yaml", "url: https://mail.example/mcp")
	w.write("chat.yaml", "url: https://chat.example/mcp")
	w.expect("chat quarantined", "mail quarantined")
	if w.serves("mail") || w.serves("chat") || !w.serves("files") {
		t.Error("a server serves that nobody has approved, or the config's doesn't")
	}
	w.approve("mail")
	w.expect("chat quarantined", "mail serving")
	if e, _ := w.found.Entry("mail"); e.Approved == nil || e.Approved.By != "alice" || !w.serves("mail") {
		t.Errorf("it was approved: %+v", e)
	}
	w.found = nil // a restart
	w.expect("chat quarantined", "mail serving")
	w.write("mail.yaml", "url:   https://mail.example/mcp # another layout")
	w.expect("chat quarantined", "mail serving")
}

// An approval is of what was written: another definition needs another, in every part of it, and the one before is not forgotten.
func TestAnApprovalIsOfWhatIsWritten(t *testing.T) {
	const first = `{ url: "https://a.example/mcp", headers: { X-Key: "${TOKEN}" }, timeout: 5s }`
	for name, text := range map[string]string{
		"another URL":             strings.Replace(first, "a.example", "b.example", 1),
		"another header's name":   strings.Replace(first, "X-Key", "X-Kez", 1),
		"another header's value":  strings.Replace(first, "${TOKEN}", "Bearer ${TOKEN}", 1),
		"what it stands for":      strings.Replace(first, "${TOKEN}", "secret of TOKEN", 1),
		"another timeout":         strings.Replace(first, "5s", "6s", 1),
		"a command":               `{ command: [sh, -c, id] }`,
		"the same in other words": strings.Replace(first, "5s", "5000ms", 1),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, guarded)
			w.write("a.yaml", first)
			w.expect("a quarantined")
			w.approve("a")
			w.expect("a serving")
			w.write("a.yaml", text)
			w.expect("a quarantined")
			if e, _ := w.found.Entry("a"); e.Approved != nil || w.serves("a") {
				t.Errorf("it serves: %+v", e)
			}
			w.write("a.yaml", first)
			w.expect("a serving")
		})
	}
}

// A broken file leaves its server as it was: served if it was approved, and waiting if it wasn't, until it is.
func TestABrokenFileIsNoApproval(t *testing.T) {
	w := newWorld(t, guarded)
	w.write("a.yaml", "url: https://a.example/mcp")
	w.expect("a quarantined")
	w.write("a.yaml", "ulr: https://a.example/mcp")
	w.expect("a quarantined SP1002 unknown field `ulr`")
	w.approve("a")
	w.expect("a serving SP1002 unknown field `ulr`")
	w.remove("")
	w.expect("a serving SP1002 unknown field `ulr`")
	w.say(func(*Kept) *Kept { return &Kept{} })
	w.expect("a quarantined SP1002 unknown field `ulr`")
}

// What was approved from one source is not approved from another.
func TestAnApprovalIsOfASource(t *testing.T) {
	const text = "url: https://a.example/mcp"
	w := newWorld(t, guarded)
	w.put("a", text)
	w.expect("a quarantined")
	w.approve("a")
	w.expect("a serving")
	w.say(func(k *Kept) *Kept { return k.Remove("a") })
	w.write("a.yaml", text)
	w.expect("a quarantined")
	w.remove("a.yaml")
	w.expect()
	w.put("a", text)
	w.expect("a quarantined")
}

// Who has an approved server's name serves on under it, whatever is found later with an earlier claim to it. What is newer waits, and that is shown.
func TestANewcomerTakesNoApprovedName(t *testing.T) {
	const mine, other = "url: https://a.example/mcp", "url: https://b.example/mcp"
	w := newWorld(t, guarded)
	over := func(source Source, want ...string) {
		t.Helper()
		e, _ := w.found.Entry("a")
		var got []string
		for _, at := range e.Over {
			got = append(got, strings.ReplaceAll(at, w.dir+"/", ""))
		}
		if diff := cmp.Diff(want, got); diff != "" || e.Source != source {
			t.Errorf("%s has it; passed over (-want +got):\n%s", e.Source, diff)
		}
		if len(w.found.Passed) != len(want) {
			t.Errorf("passed over: %+v", w.found.Passed)
		}
	}
	w.put("a", mine)
	w.expect("a quarantined")
	w.approve("a")
	w.expect("a serving")
	w.write("a.yaml", other)
	for range 2 { // after a restart, too
		w.expect("a serving")
		over(Admin, "directory servers.d/a.yaml (no operator has approved it)")
		if got := w.found.All().Error(); !strings.Contains(got, "is passed over: there is one of that name in put by bob: no operator has approved it") {
			t.Errorf("mistakes: %s", got)
		}
		w.found = nil
	}
	w.write("a.yaml", "ulr: broken")
	w.expect("a serving")
	over(Admin, "directory servers.d/a.yaml (it can't be used)")
	w.write("a.json", `{"url": "https://b.example/mcp"}`)
	w.write("a.yaml", other)
	w.expect("a serving")
	over(Admin, "directory servers.d/a.json (no operator has approved it)", "directory servers.d/a.yaml (no operator has approved it)")
	w.remove("a.json")

	// Where neither is approved, and where both are, the order of the sources decides.
	w.say(func(k *Kept) *Kept { return k.Revoke("a") })
	w.expect("a quarantined")
	over(Directory, "admin put by bob (its claim comes later)")
	put := Entry{Name: "a", Source: Admin, Digest: w.found.Passed[0].Digest}
	w.approve("a")
	w.say(func(k *Kept) *Kept { return k.Approve(&put, "alice", noon) })
	w.expect("a serving")
	over(Directory, "admin put by bob (its claim comes later)")

	// What is changed is a newcomer again: the next that is approved serves.
	w.write("a.yaml", other+"\ntimeout: 5s")
	w.expect("a serving")
	over(Admin, "directory servers.d/a.yaml (no operator has approved it)")
}

// Nor does one of the same source, where nobody could say which is meant if neither were approved.
func TestANewcomerOfTheSameSourceTakesNoApprovedName(t *testing.T) {
	w := newWorld(t, guarded)
	w.write("a.yaml", "url: https://a.example/mcp")
	w.expect("a quarantined")
	w.approve("a")
	w.write("a.json", `{"url": "https://b.example/mcp"}`)
	w.expect("a serving")
	if e, _ := w.found.Entry("a"); e.Server.URL != "https://a.example/mcp" || len(e.Over) != 1 {
		t.Errorf("it serves %+v", e)
	}
	w.write("a.json", `{"url": "https://a.example/mcp"}`) // which is the same as what was approved
	w.expect("a serving")
	w.write("a.json", `{"url": "https://b.example/mcp"}`)
	w.expect("a serving")
	w.remove("") // what can't be read stays as it was
	w.expect("a serving")
	if len(w.found.Passed) != 1 {
		t.Errorf("passed over: %+v", w.found.Passed)
	}
	w.say(func(k *Kept) *Kept { return k.Revoke("a") })
	w.expect("a refused SP1401 `a.json` and `a.yaml` are the same server")

	w = newWorld(t, "servers: {}\nidentity: { anonymous: allow }\ndiscovery: { state: state.json, registries: [ { from: r.json, names: [com.acme*] } ] }\n")
	list := func(docs ...string) {
		if err := os.WriteFile(filepath.Join(w.dir, "r.json"), []byte(`{"servers":[`+strings.Join(docs, ",")+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := doc("com.acme/a-b", "1.0.0", "https://one.example/mcp")
	list(first)
	w.expect("com-acme-a-b quarantined")
	w.approve("com-acme-a-b")
	list(doc("com.acme-a/b", "1.0.0", "https://two.example/mcp"), first)
	w.expect("com-acme-a-b serving")
	if e, _ := w.found.Entry("com-acme-a-b"); e.Server.URL != "https://one.example/mcp" || len(e.Over) != 1 {
		t.Errorf("it serves %+v", e)
	}
}

// A state that can't be read approves nothing, and says so.
func TestABrokenStateApprovesNothing(t *testing.T) {
	w := newWorld(t, guarded)
	w.write("a.yaml", "url: https://a.example/mcp")
	w.expect("a quarantined")
	w.approve("a")
	w.put("b", "url: https://b.example/mcp")
	w.expect("a serving", "b quarantined")
	good, err := os.ReadFile(w.state())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(w.state()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	approval, _, _ := strings.Cut(string(good), `"servers"`)
	approval = strings.TrimSuffix(strings.TrimSpace(approval), ",") + `, "servers": [] }`
	for name, text := range map[string]string{
		"empty":                  "",
		"cut":                    string(good[:len(good)/2]),
		"with more behind":       string(good) + "{}",
		"null":                   "null null",
		"with an unknown member": strings.Replace(string(good), `"by"`, `"bye"`, 1),
		"a list":                 "[]",
		"approved twice":         strings.Replace(approval, "\n  ]", ",\n"+strings.SplitN(strings.SplitN(approval, "[", 2)[1], "]", 2)[0]+"]", 1),
		"without a digest":       strings.Replace(string(good), `"digest": "sha256:`, `"digest": "", "time": "2026-01-01T00:00:00Z", "name": "`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(w.state(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			w.expect("a quarantined")
			if got := w.found.All().Error(); !strings.Contains(got, "SP1411") || w.found.Broken == nil || w.serves("a") {
				t.Errorf("mistakes: %s", got)
			}
		})
	}
	if err := os.WriteFile(w.state(), good, 0o600); err != nil {
		t.Fatal(err)
	}
	w.expect("a serving", "b quarantined")
}

func TestQuarantineIsLiftedForTheDirectoryOnly(t *testing.T) {
	w := newWorld(t, strings.Replace(guarded, "api: {}", "api: {}, quarantine: false", 1))
	w.write("a.yaml", "url: https://a.example/mcp")
	w.put("b", "url: https://b.example/mcp")
	w.expect("a serving", "b quarantined")
}

// What was put is read as strictly as a file, and may say less. Mistakes are where they stand in what was sent.
func TestPutServersMaySayLess(t *testing.T) {
	for name, c := range map[string]struct{ api, text, want string }{
		"a URL":                 {"{}", "url: https://a.example/mcp", ""},
		"a command":             {"{}", "command: [id]", "SP1413 1:1 a server that is put is no command: the gateway would run it"},
		"a command, allowed":    {"{ commands: true }", "command: [id]", ""},
		"a program's path":      {"{ commands: true }", "command: [./id]", "SP1413 1:11 `./id` doesn't say where it starts"},
		"an absolute path":      {"{ commands: true }", "command: [/bin/id, ./x]\ncwd: /tmp", ""},
		"a relative folder":     {"{ commands: true }", "command: [id]\ncwd: tmp", "SP1413 2:6 `tmp` doesn't say where it starts"},
		"a variable":            {"{}", "url: https://a.example/mcp\nheaders: { Authorization: 'Bearer ${TOKEN}' }", "SP1413 2:27 variables are not expanded in what the admin API is given"},
		"a variable in a URL":   {"{}", "url: https://${TOKEN}.example/mcp", "SP1413 1:6 variables are not expanded in what the admin API is given"},
		"one with a default":    {"{}", "url: 'https://a.example/${NONE:-x}'", "SP1413 1:6 variables are not expanded in what the admin API is given"},
		"a dollar":              {"{}", "url: https://a.example/mcp\nheaders: { X-Key: 'a$$b$TOKEN' }", ""},
		"a file":                {"{}", "url: https://a.example/mcp\ntls: { ca: /etc/shadow }", "SP1413 2:1 a server that is put has no `tls`: it names a file of the gateway's machine"},
		"an unknown field":      {"{}", "ulr: https://a.example/mcp", "SP1002 1:1 unknown field `ulr`"},
		"another kind of URL":   {"{}", "url: file:///etc/passwd", "SP1103 1:6 `file:///etc/passwd` is not an http or https URL"},
		"versions":              {"{}", "versions: { a: { url: https://a.example/mcp } }", "SP1112 1:1 a server in a file of its own has no `versions`"},
		"nothing":               {"{}", "", "SP1010 1:1 the file is empty"},
		"more than one":         {"{}", "url: https://a.example/mcp\n---\nurl: https://b.example/mcp", "SP1009 3:1 a server is one YAML document"},
		"an alias to a command": {"{}", "cwd: &x [id]\ncommand: *x", "SP1413 2:1 a server that is put is no command: the gateway would run it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, strings.Replace(guarded, "api: {}", "api: "+c.api, 1))
			e := (&Put{Name: "a", Text: c.text, By: "bob"}).Read(w.config)
			got := ""
			for _, d := range e.Mistakes {
				if got = fmt.Sprintf("%s %d:%d %s", d.Code, d.Line, d.Column, d.Message); got == c.want {
					break
				}
			}
			if got != c.want || (e.State == Serving) != (c.want == "") {
				t.Errorf("%s: %s, want %q", e.State, e.Mistakes.Error(), c.want)
			}
			if h := e.Server.Headers["X-Key"]; h != "" && h != "a$$b$TOKEN" {
				t.Errorf("the header has become %q", h)
			}
		})
	}
}

// An operator sees what is to be approved, and no secret in it.
func TestWhatIsShownOfAServer(t *testing.T) {
	for text, want := range map[string]string{
		`{ url: "https://a.example/mcp?key=s3cr3t", headers: { Authorization: "Bearer s3cr3t", X-A: "${TOKEN}", X-B: "s3cr3t ${TOKEN:-s3cr3t}" } }`: `{"headers":{"Authorization":"***","X-A":"${TOKEN}","X-B":"*** ${TOKEN}"},"url":"https://a.example/mcp?***"}`,
		`{ url: "https://a.example/${NONE:-x}/mcp?${NONE:-y}" }`:                                                                                    `{"url":"https://a.example/${NONE:-x}/mcp?${NONE}"}`,
		`{ command: [npx, -y, "<evil>"], env: { KEY: s3cr3t, T: "${TOKEN}" } }`:                                                                     `{"command":["npx","-y","<evil>"],"env":{"KEY":"***","T":"${TOKEN}"}}`,
	} {
		w := newWorld(t, guarded)
		w.write("a.yaml", text)
		w.find()
		e, _ := w.found.Entry("a")
		if diff := cmp.Diff(want, string(e.Shown())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.State, diff)
		}
	}
	if got := maskedURL("https://bob:s3cr3t@a.example/mcp"); got != "https://***@a.example/mcp" {
		t.Error(got)
	}
}

// Before it is approved a server is told nothing that only the gateway knows, and nothing is run.
func TestWhatAWaitingServerIsAskedWith(t *testing.T) {
	for text, want := range map[string]string{
		`{ url: "https://a.example/mcp", headers: { Authorization: "Bearer ${TOKEN}" }, timeout: 5s }`: "https://a.example/mcp",
		`{ url: "https://a.example/mcp?key=${NONE:-k}" }`:                                              "",
		`{ url: "https://${NONE:-a}.example/mcp" }`:                                                    "",
		`{ command: [sh, -c, id], env: { A: "${TOKEN}" } }`:                                            "",
	} {
		w := newWorld(t, guarded)
		w.write("a.yaml", text)
		w.find()
		all := w.found.Waiting()
		if len(all) != 1 {
			t.Fatalf("%s: %v", text, w.found.All())
		}
		s, ok := all[0].Askable()
		if ok != (want != "") || ok && (s.URL != want || s.Headers != nil || s.Command != nil) {
			t.Errorf("%s is asked with %+v, %v", text, s, ok)
		}
	}
}

// What is taken back is every approval of a name: of what is there, was there, and from whatever source.
func TestAnApprovalTakenBackDoesNotComeBack(t *testing.T) {
	const first, second = "url: https://a.example/mcp", "url: https://b.example/mcp"
	w := newWorld(t, guarded)
	w.put("a", first)
	w.expect("a quarantined")
	put := w.found.Entries[0]
	w.write("a.yaml", second)
	w.write("b.yaml", second)
	w.expect("a quarantined", "b quarantined")
	w.say(func(k *Kept) *Kept { return k.Approve(&put, "alice", noon) })
	w.approve("a")
	w.approve("b")
	w.expect("a serving", "b serving")
	if got := w.found.Kept.Approvals("a"); len(got) != 2 {
		t.Fatalf("approvals: %+v", got)
	}
	w.say(func(k *Kept) *Kept { return k.Revoke("a") })
	w.expect("a quarantined", "b serving")
	w.remove("a.yaml")
	w.expect("a quarantined", "b serving")
	w.write("a.yaml", "ulr: broken")
	w.write("a.yaml", second)
	w.expect("a quarantined", "b serving")
	if got := w.found.Kept.Approvals("a"); got != nil {
		t.Errorf("approvals: %+v", got)
	}
}
