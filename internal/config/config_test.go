package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/golden"
)

// environment is what the fixtures are read in.
func environment(name string) (string, bool) {
	value, ok := map[string]string{"SEARCH_TOKEN": "s3cr3t-t0ken", "SESSION_KEY": strings.Repeat("0f1e", 16), "EMPTY": ""}[name]
	return value, ok
}

func read(file string, data []byte) (*Config, source.Diagnostics) {
	if filepath.Ext(file) == ".json" {
		return FromMCPServers(file, data, environment)
	}
	return Parse(file, data, environment)
}

// Each testdata/<code>/* has what `sallyport check` prints for it beside it; one in a directory named after a code must cause that code.
func TestMistakesAreReported(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.[yj]*")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	files = slices.DeleteFunc(files, func(file string) bool {
		return slices.Contains([]string{"valid", "clients", "fuzz"}, filepath.Base(filepath.Dir(file)))
	})
	golden.Mistakes(t, files, func(to io.Writer, name string, data []byte) error {
		_, ds := read(name, data)
		return ds.WriteText(to, func(string) []byte { return data }, false, 0)
	})
}

func has(ds source.Diagnostics, code string) bool {
	for _, d := range ds {
		if d.Code == code {
			return true
		}
	}
	return false
}

func TestEveryConfigCodeHasAFixture(t *testing.T) {
	for _, c := range source.Codes() {
		if !strings.HasPrefix(c.ID, "SP11") && c.ID != "SP1201" && c.ID != "SP1301" && c.ID != "SP1303" {
			continue
		}
		if files, _ := filepath.Glob("testdata/" + c.ID + "/*.txt"); len(files) == 0 {
			t.Errorf("testdata/%s holds no fixture for %q", c.ID, c.Title)
		}
	}
}

var plain = cmpopts.IgnoreUnexported(Config{}, source.Text{})

func TestParseReadsTheWholeFormat(t *testing.T) {
	data, err := os.ReadFile("testdata/valid/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, ds := Parse("/etc/sallyport/config.yaml", data, environment)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	var hash Hash
	if _, err := hex.Decode(hash[:], []byte("76a0f770b8964128da2086ba3c414f6e81b6f518340b35054429cc86383f8bd1")); err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen, want.PublicURL = "0.0.0.0:8443", "https://mcp.example.com"
	want.TLS = &TLS{Cert: "/etc/sallyport/tls/cert.pem", Key: "/etc/tls/key.pem"}
	want.Hosts = []string{"mcp.example.com", "10.0.0.7:8443", "[::1]"}
	want.Origins = []string{"https://app.example", "http://localhost:5173"}
	want.Admin.Listen = "127.0.0.1:9091"
	want.Servers = map[string]Server{
		"files": {
			URL: "http://127.0.0.1:3001/mcp", Timeout: Duration(5 * time.Second), MaxSessions: 16, MaxConcurrent: 8,
			Queue: &Queue{Length: 8, Wait: Duration(5 * time.Second)}, Breaker: &Breaker{Failures: 3, Open: Duration(30 * time.Second)},
		},
		"search": {
			URL: "https://search.example/mcp?v=1", Headers: map[string]string{"Authorization": "Bearer s3cr3t-t0ken", "X-Price": "$5"},
			TLS: &ServerTLS{CA: "/etc/sallyport/ca.pem"}, Timeout: Duration(time.Minute), MaxSessions: 16,
		},
		"local_2": {
			Command: []string{"/etc/sallyport/bin/server", "-y", "fallback"}, Env: map[string]string{"KEY": "value", "API_TOKEN": "s3cr3t-t0ken"},
			Cwd: "/etc/sallyport/work", Timeout: Duration(time.Minute), MaxSessions: 4, Era: "auto", MaxConcurrent: 2,
			Queue: &Queue{Wait: Duration(time.Second)}, Breaker: &Breaker{Failures: 5, Open: Duration(time.Minute)},
		},
	}
	want.Servers["mail"] = Server{ // its main version is what others see
		URL: "https://mail.example/mcp", Headers: map[string]string{"Authorization": "Bearer s3cr3t-t0ken"}, TLS: &ServerTLS{CA: "/etc/sallyport/ca.pem"},
		Timeout: Duration(3 * time.Second), MaxSessions: 16, Era: "modern",
		Versions: map[string]Version{
			"stable": {
				Weight: 95, URL: "https://mail.example/mcp", Headers: map[string]string{"Authorization": "Bearer s3cr3t-t0ken"},
				TLS: &ServerTLS{CA: "/etc/sallyport/ca.pem"},
			},
			"canary":  {Weight: 5, Command: []string{"/etc/sallyport/bin/mail"}, Env: map[string]string{"KEY": "value"}, Cwd: "/etc/sallyport/work", Era: "legacy"},
			"staging": {URL: "http://127.0.0.1:3002/mcp"},
		},
		Routes: []Route{{When: source.NewText(`"platform" in principal.groups`), Version: "staging"}},
		Mirror: &Mirror{To: "staging", Share: 100},
		Tools: map[string]ServerTool{"old": {
			Deprecated:  &Deprecated{Since: Date{time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)}, Message: "It is slow."},
			BlockedFrom: Date{time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC)}, ReplacedBy: "new",
		}},
	}
	want.Virtual = map[string]Virtual{"support": {
		Title: "Support", Instructions: "Be kind.",
		Servers: map[string]Selection{"files": {Tools: []string{"read_*"}, Prompts: []string{"*"}, Resources: []string{"file:///docs/**"}}, "search": {}},
		Tools:   map[string]NamedTool{"look": {Server: "local_2", Tool: "list", Description: "What there is."}},
	}}
	want.Federation = Federation{Timeout: Duration(2 * time.Second), Report: true}
	want.Overload.Priorities = []Priority{
		{Name: "oncall", When: source.NewText(`"oncall" in principal.groups`)},
		{Name: "batch", When: source.NewText(`principal.type == "api_key"`), ShedAt: 50},
	}
	want.RateLimits = []RateLimit{
		{Name: "all", Rate: Rate{1000, time.Second}, Burst: 1000},
		{
			Name: "per-user", Match: RateMatch{Servers: []string{"files"}, Methods: []string{"tools/call"}, Tools: []string{"read_*"}, Principals: []string{"*"}},
			Key: source.NewText("[principal.id, mcp.tool.name]"), Rate: Rate{100, time.Minute}, Burst: 20, Cost: source.NewText("size(args.paths)"), OnStoreError: "allow",
		},
	}
	want.Store.Valkey = &Valkey{
		Address: "valkey:6379", Username: "gw", Password: "s3cr3t-t0ken", Database: 2, TLS: &StoreTLS{CA: "/etc/sallyport/ca.pem"}, Timeout: Duration(100 * time.Millisecond),
	}
	want.Policies = "https://bundles.example/acme.tar.gz"
	want.Bundle = Bundle{
		Trust: "/etc/sallyport/trust.yaml", State: "/etc/sallyport/state", Audience: "prod", TokenFile: "/run/secrets/token", CA: "/etc/sallyport/ca.pem",
		Poll: Duration(10 * time.Second), MaxAge: Duration(24 * time.Hour),
	}
	want.Identity.APIKeys = []APIKey{{ID: "ci", Hash: hash, Claims: map[string]any{"groups": []any{"ci"}, "level": 3.0, "admin": false}}}
	want.Identity.JWT = []JWT{
		{
			Issuer: "https://idp.example", Audiences: []string{"https://gw.example"}, JWKS: "/etc/sallyport/jwks.json",
			Algorithms: []string{"RS256", "ES256"}, ClockSkew: Duration(10 * time.Second),
		},
		{Issuer: "other", Audiences: []string{"a"}, JWKS: "https://idp2.example/keys", Algorithms: []string{"EdDSA"}, ClockSkew: Duration(time.Minute)},
	}
	want.Audit = Audit{File: "/etc/sallyport/audit.jsonl", Arguments: "none", Results: "none"}
	want.Limits.Body, want.Limits.Depth, want.Limits.ConnectionsPerIP, want.Limits.Event = 64<<10, 64, 20, 1<<20
	want.Limits.ReadTimeout, want.Limits.Cache = Duration(90*time.Second), 0
	want.Denials = Denials{Style: "result", Detail: "reason"}
	want.Replicas = Replicas{
		Keys: []ReplicaKey{{File: "/etc/sallyport/new.key"}, {Key: got.Replicas.Keys[1].Key}}, CA: "/etc/sallyport/ca.pem",
		Advertise: "https://10.0.0.3:8443", Peers: []string{"https://10.0.0.3:8443", "https://10.0.0.4:8443"},
	}
	want.Log = Log{Level: "debug", Format: "json"}
	if diff := cmp.Diff(&want, got, plain); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := got.At("servers", "search", "tls"); got.Line != 13 || got.Column != 10 {
		t.Errorf("At: %+v", got)
	}
}

// What a file leaves out is the least that works: only this machine, and nobody.
func TestDefaultsAreClosed(t *testing.T) {
	c := Default()
	loopback, bad := address(c.Listen)
	admin, badAdmin := address(c.Admin.Listen)
	if !loopback || bad != "" || !admin || badAdmin != "" || c.Identity.Anonymous != "deny" || c.Insecure || c.Admin.Insecure {
		t.Errorf("%+v", c)
	}
}

func TestExpansion(t *testing.T) {
	for text, want := range map[string]string{
		"'a ${SEARCH_TOKEN} b'":          "a s3cr3t-t0ken b",
		"${EMPTY}x":                      "x",
		"${EMPTY:-d}":                    "d",
		"${UNSET:-}x":                    "x",
		"${UNSET:-a:b c}":                "a:b c",
		"${SEARCH_TOKEN:-d}":             "s3cr3t-t0ken",
		"${SEARCH_TOKEN:?why}":           "s3cr3t-t0ken",
		"$${SEARCH_TOKEN}":               "${SEARCH_TOKEN}",
		"'$ $5 a$'":                      "$ $5 a$",
		"\"\\u0024{SEARCH_TOKEN}\\u00e9": "s3cr3t-t0ken\u00e9",
	} {
		if strings.HasPrefix(text, `"`) {
			text += `"`
		}
		c, ds := Parse("c.yaml", []byte("identity: { anonymous: allow }\nservers:\n  a:\n    command:\n      - run\n      - "+text+"\n"), environment)
		if len(ds) > 0 {
			t.Errorf("%s: %v", text, ds)
			continue
		}
		if got := c.Servers["a"].Command[1]; got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// A program beside the file is not one of that name in PATH.
func TestProgramStaysAPath(t *testing.T) {
	for command, want := range map[string]string{"./server": "./server", "server": "server", "bin/server": "bin/server", "/bin/server": "/bin/server", "../server": "../server"} {
		c, ds := Parse("c.yaml", []byte("identity: { anonymous: allow }\nservers: { a: { command: [\""+command+"\"] } }\n"), environment)
		if got := c.Servers["a"].Command[0]; len(ds) > 0 || got != want {
			t.Errorf("%s: %q, want %q; %v", command, got, want, ds)
		}
	}
}

func TestExpandedValuesAreNotExpandedAgain(t *testing.T) {
	lookup := func(string) (string, bool) { return "${HOME} $$", true }
	c, ds := Parse("c.yaml", []byte("identity: { anonymous: allow }\nservers: { a: { command: [run, \"${X}\"] } }\n"), lookup)
	if got := c.Servers["a"].Command[1]; len(ds) > 0 || got != "${HOME} $$" {
		t.Errorf("%q, %v", got, ds)
	}
}

func TestSessionKeyIsReadInEveryCommonForm(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb, 0xff, 1, 2}, 8)
	for _, text := range []string{
		hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key), base64.RawStdEncoding.EncodeToString(key),
		base64.URLEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key),
	} {
		c, ds := Parse("c.yaml", []byte("identity: { anonymous: allow }\nservers: { a: { command: [run] } }\nsessions: { key: '"+text+"' }\n"), nil)
		if len(ds) > 0 || !bytes.Equal(c.Sessions.Key, key) {
			t.Errorf("%s: %x, %v", text, c.Sessions.Key, ds)
		}
	}
}

func TestFromMCPServers(t *testing.T) {
	data, err := os.ReadFile("testdata/clients/claude.json")
	if err != nil {
		t.Fatal(err)
	}
	got, ds := FromMCPServers("/home/me/mcp.json", data, environment)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	want := Default()
	want.Identity.Anonymous = "allow"
	server := func(s Server) Server {
		s.Timeout, s.MaxSessions = Duration(time.Minute), 16
		return s
	}
	want.Servers = map[string]Server{
		"everything-server": server(Server{Command: []string{"npx", "-y", "@modelcontextprotocol/server-everything"}, Env: map[string]string{"API_KEY": "s3cr3t-t0ken"}}),
		"remote":            server(Server{URL: "https://mcp.example/mcp", Headers: map[string]string{"Authorization": "Bearer s3cr3t-t0ken"}}),
		"wind":              server(Server{URL: "https://w.example/mcp"}),
		"gemini":            server(Server{URL: "https://g.example/mcp"}),
		"rel":               server(Server{Command: []string{"/home/me/server"}, Cwd: "/home/me/sub"}),
	}
	if diff := cmp.Diff(&want, got, plain); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	data, err = os.ReadFile("testdata/clients/vscode.json")
	if err != nil {
		t.Fatal(err)
	}
	got, ds = FromMCPServers("mcp.json", data, environment)
	if url := got.Servers["a"].URL; len(ds) > 0 || url != "http://localhost:1/mcp?x=\U0001F600" {
		t.Errorf("%q, %v", url, ds)
	}
}

func TestDurationsAndSizesAreSpelledAsTheyAreRead(t *testing.T) {
	for got, want := range map[string]string{
		Duration(time.Hour).String(): "1h", Duration(90 * time.Second).String(): "1m30s", Duration(10 * time.Minute).String(): "10m",
		Duration(500 * time.Millisecond).String(): "500ms", Size(4 << 20).String(): "4MiB", Size(1025).String(): "1025B", Size(1 << 30).String(): "1GiB",
		Memory(16 << 20).String(): "16MiB", Memory(0).String(): "off",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// pageBlock returns the nth YAML block of a code's page.
func pageBlock(t *testing.T, code string, nth int) (string, bool) {
	t.Helper()
	page, ok := source.Page(code)
	if !ok {
		t.Fatalf("no page for %s", code)
	}
	blocks := strings.Split(page, "```yaml\n")
	if len(blocks) <= nth+1 {
		return "", false
	}
	block, _, _ := strings.Cut(blocks[nth+1], "```\n")
	return block, true
}

func TestPagesShowTheMistakeAndItsFix(t *testing.T) {
	for _, c := range source.Codes() {
		if !strings.HasPrefix(c.ID, "SP11") && c.ID != "SP1201" && c.ID != "SP1301" && c.ID != "SP1303" {
			continue
		}
		bad, ok := pageBlock(t, c.ID, 0)
		if !ok {
			continue
		}
		if _, ds := Parse("f.yaml", []byte(bad), environment); !has(ds, c.ID) {
			t.Errorf("%s: its example gives %v", c.ID, ds)
		}
		good, _ := pageBlock(t, c.ID, 1)
		if _, ds := Parse("f.yaml", []byte(good), environment); len(ds) > 0 {
			t.Errorf("%s: its fix gives %v", c.ID, ds)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.[yj]*")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, ds := Parse("f.yaml", data, environment)
		inside(t, data, ds)
		if !ds.HasErrors() {
			for name, s := range c.Servers {
				if (s.URL == "") == (s.Command == nil) {
					t.Errorf("accepted server %q: %+v", name, s)
				}
			}
			if loopback, _ := address(c.Listen); !loopback && c.TLS == nil && !c.Insecure {
				t.Errorf("accepted an open listener: %s", c.Listen)
			}
		}
		_, ds = FromMCPServers("f.json", data, environment)
		inside(t, data, ds)
	})
}

// inside checks that diagnostics are well formed and point into the file.
func inside(t *testing.T, data []byte, ds source.Diagnostics) {
	t.Helper()
	lines := strings.Split(string(data), "\n")
	for _, d := range ds {
		if d.Line < 1 || d.Line > len(lines) || d.Column < 1 || d.Width < 1 || d.Column > utf8.RuneCountInString(lines[d.Line-1])+2 {
			t.Errorf("outside the file: %s", d)
		}
		if strings.Contains(d.Message+d.Help, "\n") {
			t.Errorf("more than one line: %s", d)
		}
		if _, ok := source.Page(d.Code); !ok {
			t.Errorf("no page for %s", d.Code)
		}
	}
}

// A path stays a path: it must not become a name that is looked up in PATH.
func TestProgramBesideTheConfigStaysAPath(t *testing.T) {
	for file, want := range map[string]string{"c.yaml": "./server", "./c.yaml": "./server", "d/c.yaml": "d/server", "/d/c.yaml": "/d/server"} {
		c, ds := Parse(file, []byte("servers: { a: { command: [./server] }, b: { command: [server] } }\n"), nil)
		if ds.HasErrors() || c.Servers["a"].Command[0] != want || c.Servers["b"].Command[0] != "server" {
			t.Errorf("%s: %q, %q, %v", file, c.Servers["a"].Command, c.Servers["b"].Command, ds)
		}
	}
}
