package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// realistic are documents as they are published.
var realistic = []string{
	doc("com.acme/notes", "1.2.0", "https://notes.acme.example/mcp"),
	answered(doc("com.acme/notes", "1.2.0", "https://notes.acme.example/mcp"), `{"status":"deprecated","statusMessage":"gone soon","publishedAt":"2026-01-31T00:00:00Z","isLatest":true}`),
	with(`"title":"Notes","websiteUrl":"https://acme.example","repository":{"url":"https://github.com/acme/notes","source":"github","id":"1"},"icons":[{"src":"https://acme.example/i.png","sizes":["48x48"]}],
	"remotes":[{"type":"sse","url":"https://notes.acme.example/sse"},{"type":"streamable-http","url":"https://{tenant}.acme.example/mcp","variables":{"tenant":{"description":"Yours","isRequired":true,"default":"public","choices":["public","acme"]}},
	"headers":[{"name":"Authorization","description":"Token","isRequired":false,"isSecret":true,"value":"Bearer {token}","variables":{"token":{"isSecret":true}}},{"name":"X-Region","value":"{region}","variables":{"region":{"default":"eu"}}},{"name":"X-Api","default":"2"}]}],
	"_meta":{"io.modelcontextprotocol.registry/publisher-provided":{"tool":"publisher-cli","version":"1.0.0"}}`),
	with(`"packages":[{"registryType":"npm","registryBaseUrl":"https://registry.npmjs.org","identifier":"@acme/notes","version":"1.0.2","runtimeHint":"npx","transport":{"type":"stdio"},
	"packageArguments":[{"type":"positional","valueHint":"dir","value":"/srv"}],"environmentVariables":[{"name":"KEY","isSecret":true}]},
	{"registryType":"mcpb","identifier":"https://acme.example/notes.mcpb","fileSha256":"fe333e598595000ae021bd27117db32ec69af6987f507ba7a63c90638ff633ce","transport":{"type":"streamable-http","url":"http://127.0.0.1:{port}/mcp"}}]`),
	with(`"remotes":[{"type":"streamable-http","url":"http://127.0.0.1:3001/mcp?a=${TOKEN}","headers":[{"name":"X-A","value":"$TOKEN ${TOKEN}"}]}]`),
}

// Whatever a document says: it is a server at a URL that the config could have named, or it is refused and said why. It is never a command,
// says no secret, and gets none that is for another host.
func FuzzDocument(f *testing.F) {
	for _, d := range realistic {
		f.Add([]byte(d), "notes.acme.example")
		f.Add([]byte(d), "")
	}
	c, ds := config.Parse("sallyport.yaml", []byte("servers: { other: { url: https://other.example/mcp } }"), nil)
	if ds.HasErrors() {
		f.Fatal(ds)
	}
	f.Fuzz(func(t *testing.T, data []byte, host string) {
		settled := config.Listed{As: "notes", Variables: map[string]string{"tenant": "acme"}, Host: host}
		if host != "" {
			settled.Headers = map[string]string{"X-Operator": "s3cret"}
		}
		at := &config.Registry{From: "https://registry.example/v0.1/servers", Names: []string{"*"}, Servers: map[string]config.Listed{"com.acme/notes": settled}}
		entries, _ := (&registry{config: c, Registry: at, answer: append([]byte{}, bytes.ReplaceAll(data, []byte("\n"), []byte(" "))...)}).read()
		if len(entries) == 0 {
			t.Fatal("a server that the config names is not even refused")
		}
		for i := range entries {
			checkEntry(t, c, &entries[i], host)
		}
		layout(t, data)
	})
}

func checkEntry(t *testing.T, c *config.Config, e *Entry, host string) {
	t.Helper()
	s := &e.Server
	if e.State != Serving {
		if e.State != Refused || !e.Mistakes.HasErrors() || s.URL != "" || len(s.Command) > 0 {
			t.Fatalf("refused without a reason, or with a server: %+v", e)
		}
		return
	}
	if len(s.Command) > 0 || len(s.Env) > 0 || s.Cwd != "" || e.Digest == "" || e.Mistakes.HasErrors() {
		t.Fatalf("entry %+v", e)
	}
	named := e.Listing.Name == "com.acme/notes"
	if got, ok := s.Headers["X-Operator"]; ok && (!named || got != "s3cret" || !isAt(s.URL, host)) {
		t.Fatalf("the operator's header goes to %s", s.URL)
	}
	is := map[string]any{"url": s.URL}
	if len(s.Headers) > 0 {
		is["headers"] = s.Headers
	}
	text, err := json.Marshal(is)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("$"), []byte("$$"))
	if _, ds := c.ParseServer(e.Name+".json", text, nil); ds.HasErrors() {
		t.Fatalf("the config would refuse %s: %v", text, ds)
	}
}

// isAt says whether a URL is at a host, whatever letters and usual ports it is written with.
func isAt(at, host string) bool {
	u, err := url.Parse(at)
	if err != nil {
		return false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	is := strings.ToLower(u.Hostname())
	if strings.Contains(is, ":") {
		is = "[" + is + "]"
	}
	host = strings.ToLower(host)
	return is+":"+port == host || u.Scheme == "https" && port == "443" && is == host || u.Scheme == "http" && port == "80" && is == host
}

// layout checks that a document is the same with other space in it.
func layout(t *testing.T, data []byte) {
	t.Helper()
	d, err := readDocument(data)
	var other bytes.Buffer
	if err != nil || json.Indent(&other, data, "", "  ") != nil || other.Len() > maxDocument {
		return
	}
	again, err := readDocument(other.Bytes())
	if err != nil || fmt.Sprint(again) != fmt.Sprint(d) {
		t.Fatalf("%s\nis %+v,\nwith other space %+v: %v", data, d, again, err)
	}
}

// A secret of a document is never sent, whichever way it is said.
func TestSecretsOfDocuments(t *testing.T) {
	for _, header := range []string{
		`{"name":"X-Key","isSecret":true,"value":"planted"}`,
		`{"name":"X-Key","isSecret":true,"default":"planted"}`,
		`{"name":"X-Key","value":"{k}","variables":{"k":{"isSecret":true,"value":"planted"}}}`,
		`{"name":"X-Key","value":"{k}","variables":{"k":{"isSecret":true,"default":"planted"}}}`,
		`{"name":"X-Key","default":"{k}","variables":{"k":{"isSecret":true,"default":"planted"}}}`,
	} {
		s := newShelf(t, selects)
		s.expect([]string{with(`"remotes":[{"type":"streamable-http","url":"https://a.example/mcp","headers":[` + header + `]}]`)},
			"com-acme-notes serving https://a.example/mcp")
	}
}

// No two servers have one name, in whatever order documents come.
func TestTheOrderOfDocumentsMakesNoDifference(t *testing.T) {
	docs := []string{
		doc("com.acme/a-b", "1.0.0", "https://one.example/mcp"), doc("com.acme-a/b", "1.0.0", "https://two.example/mcp"), doc("com.acme.a/b", "1.0.0", "https://three.example/mcp"),
		doc("com.acme/x", "1.0.0", "https://x.example/mcp"), doc("com.acme/y", "1.0.0", "https://y.example/mcp"),
	}
	s := newShelf(t, "names: [com.acme*]\nservers: { com.acme/y: { as: com-acme-x, host: y.example } }")
	want := s.ask([]byte(strings.Join(docs, "\n")))
	if names := s.found.names(); !slices.Equal(names, []string{"com-acme-a-b", "com-acme-x"}) {
		t.Errorf("names %q", names)
	}
	slices.Reverse(docs)
	if got := s.ask([]byte(strings.Join(docs, "\n"))); !slices.Equal(got, want) {
		t.Errorf("%q, and in another order %q", want, got)
	}
}

func (f *Found) names() []string {
	names := map[string]bool{}
	for _, e := range f.Entries {
		names[e.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}
