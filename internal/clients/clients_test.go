package clients_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/clients"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// Each client finds the gateway in what was written for it, once, beside what it had.
func TestEveryClientReadsWhatIsWrittenForIt(t *testing.T) {
	files := map[string][]string{
		".json": {"", "{}", "{\"a\": 1}\n", "{\n\t\"a\": 1, // one\n}", "// all\n{\"a\": {\"b\": [1]}, /* last */}\n"},
		".toml": {"", "a = 1\n", "a = 1"},
		".yaml": {"", "a: 1\n", "# all\na: 1"},
	}
	for _, c := range clients.All() {
		name := c.Files(clients.World{Home: "/home/me", OS: "linux", Getenv: func(string) (string, bool) { return "", false }})[0]
		for _, before := range files[filepath.Ext(name)] {
			e := clients.Endpoint{Name: "gate", URL: "http://127.0.0.1:8080/mcp"}
			out, err := c.Connect(name, []byte(before), e)
			if c.ID == "claude-desktop" {
				if !errors.Is(err, clients.ErrProgramsOnly) {
					t.Errorf("%s: %v", c.ID, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s after %q: %v", c.ID, before, err)
				continue
			}
			found, _, err := clients.Read(name, out)
			if err != nil || len(found) != 1 || found[0].Name != "gate" || found[0].URL != e.URL {
				t.Errorf("%s after %q reads %v, %v:\n%s", c.ID, before, found, err, out)
			}
			if again, err := c.Connect(name, out, e); err != nil || string(again) != string(out) {
				t.Errorf("%s: a second time gives %q, %v", c.ID, again, err)
			}
			for _, comment := range []string{"// one", "/* last */", "// all", "# all"} {
				if strings.Contains(before, comment) && !strings.Contains(string(out), comment) {
					t.Errorf("%s: the comment %s is lost:\n%s", c.ID, comment, out)
				}
			}
			e.URL = "http://127.0.0.1:1/mcp"
			moved, err := c.Connect(name, out, e)
			if filepath.Ext(name) == ".yaml" {
				if err == nil || !strings.Contains(err.Error(), "add the entry by hand") && !strings.Contains(err.Error(), "twice") {
					t.Errorf("%s: an entry that is there already: %v\n%s", c.ID, err, moved)
				}
				continue
			}
			if err != nil || strings.Contains(string(moved), "8080") || !strings.Contains(string(moved), e.URL) {
				t.Errorf("%s: moved: %v\n%s", c.ID, err, moved)
			}
		}
	}
}

func TestConnectRefusesWhatItCannotEdit(t *testing.T) {
	for _, c := range []struct{ client, file, want string }{
		{"cursor", `[]`, "holds no object of settings"},
		{"cursor", `{"mcpServers": []}`, "`mcpServers` is no object"},
		{"cursor", `{"a": }`, "SP"},
		{"codex", "mcp_servers = { gate = { url = \"x\" } }\n", "by hand:\n[mcp_servers.gate]\nurl = \"u://h\"\n"},
		{"codex", "a = \"\"\"\n[mcp_servers.gate]\n\"\"\"\n[mcp_servers.gate]\nurl = \"x\"\n", "by hand"},
		{"codex", "a =", "codex.toml:1"},
		{"goose", "extensions: { a: { type: builtin } }\n", "is written in braces"},
		{"goose", "{ extensions: {} }\n", "begins on a line with something else"},
		{"continue", "- 1\n", "no object of settings"},
	} {
		client, _ := clients.ByID(c.client)
		file := map[string]string{"codex": "codex.toml", "goose": "g.yaml", "continue": "c.yaml"}[c.client]
		out, err := client.Connect(file, []byte(c.file), clients.Endpoint{Name: "gate", URL: "u://h"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %q\n%s", c.client, c.file, err, c.want, out)
		}
	}
}

// Secrets are replaced wherever they stand, and nothing else is.
func TestSecretsBecomeVariables(t *testing.T) {
	const token = "zk4v9xq2m7w1b8n3"
	for _, c := range []struct {
		name string
		in   clients.Server
		want []string // of the rendering
		vars []string
	}{
		{
			"by the name of the variable",
			clients.Server{Command: []string{"x"}, Env: map[string]string{"DB_PASSWORD": "hunter2", "MODE": "fast"}},
			[]string{`DB_PASSWORD: "${DB_PASSWORD}"`, "MODE: fast"},
			[]string{"DB_PASSWORD"},
		},
		{
			"by itself",
			clients.Server{Command: []string{"x", token}, Env: map[string]string{"SETTING": token, "DB": "postgres://me:pw@h/db"}},
			[]string{`command: [x, "${SRV_SECRET}"]`, `SETTING: "${SETTING}"`, `DB: "${DB}"`},
			[]string{"DB", "SETTING", "SRV_SECRET"},
		},
		{
			"in headers, whatever they are called",
			clients.Server{URL: "https://h/mcp", Headers: map[string]string{"Authorization": "Bearer abc", "X-My": "abc def", "X-On": "true"}},
			[]string{`Authorization: "Bearer ${SRV_AUTHORIZATION}"`, `X-My: "${SRV_X_MY}"`, `X-On: "true"`},
			[]string{"SRV_AUTHORIZATION", "SRV_X_MY"},
		},
		{
			"in arguments, behind flags",
			clients.Server{Command: []string{"x", "--api-key=abc", "--token", "def", "-e", "GH_TOKEN=ghi", "--header", "Authorization: Basic jkl", "--name", "n"}},
			[]string{`"--api-key=${SRV_API_KEY}"`, `--token, "${SRV_TOKEN}"`, `"GH_TOKEN=${GH_TOKEN}"`, `"Authorization: Basic ${SRV_AUTHORIZATION}"`, `--name, "n"`},
			[]string{"GH_TOKEN", "SRV_API_KEY", "SRV_AUTHORIZATION", "SRV_TOKEN"},
		},
		{
			"in URLs",
			clients.Server{URL: "https://h/s/" + token + "/mcp?token=abc&x=1#f"},
			[]string{`url: "https://h/s/${SRV_SECRET}/mcp?token=${SRV_TOKEN}&x=1#f"`},
			[]string{"SRV_SECRET", "SRV_TOKEN"},
		},
		{
			"references stay references, in one spelling",
			clients.Server{Command: []string{"x", "${env:A}", "{env:B}", "${{ secrets.C }}", "${D:-d}", "${input:my-key}", "$E", "5$", "$f"}},
			[]string{`"${A}", "${B}", "${C}", "${D:-d}", "${MY_KEY}", "${E}", "5$$", "$$f"`},
			[]string{"A", "B", "C", "E", "MY_KEY"},
		},
		{
			"a default that is a secret is dropped",
			clients.Server{Command: []string{"x"}, Env: map[string]string{"K": "${K:-" + token + "}"}},
			[]string{`K: "${K}"`},
			[]string{"K"},
		},
		{
			"paths are no secrets",
			clients.Server{Command: []string{"/opt/" + token + "/x", "/srv/" + token}, Cwd: "/w/" + token},
			[]string{`command: [/opt/` + token + `/x, /srv/` + token + `]`, "cwd: /w/" + token},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.Name = "srv"
			out, vars, err := clients.Translate([]clients.Server{c.in})
			if err != nil {
				t.Fatal(err)
			}
			text := out[0].YAML("")
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in:\n%s", want, text)
				}
			}
			var names []string
			for _, v := range vars {
				names = append(names, v.Name)
			}
			if d := cmp.Diff(c.vars, names); d != "" {
				t.Error(d)
			}
		})
	}
}

// One variable never stands for two secrets, nor for a secret and what somebody sets already.
func TestVariablesAreNotShared(t *testing.T) {
	env := func(name, value string) clients.Server {
		return clients.Server{Name: name, Command: []string{"x"}, Env: map[string]string{"TOKEN": value}}
	}
	for _, c := range []struct {
		servers []clients.Server
		want    string
	}{
		{[]clients.Server{env("a", "1"), env("b", "2"), env("c", "1")}, "${TOKEN} ${B_TOKEN} ${TOKEN}"},
		{[]clients.Server{env("a", "1"), env("b", "${TOKEN}")}, "${A_TOKEN} ${TOKEN}"},
		{[]clients.Server{env("a", "1"), env("b", "2"), env("b", "3"), env("b", "4")}, "${TOKEN} ${B_TOKEN} ${B_TOKEN_2} ${B_TOKEN_3}"},
	} {
		out, _, err := clients.Translate(c.servers)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range out {
			got = append(got, s.Env["TOKEN"])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v, want %s", got, c.want)
		}
	}
}

// What is written is read by the gateway as what the client had.
func TestWhatIsWrittenIsReadAsItWas(t *testing.T) {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"yes", "null", "-", "--x", "a: b", "# c", "5$", "$", "{}", "[", "'", `"`, "\\n", "~", ".inf", "1", "1e3", "0x1f", "\u00e9", "a\tb", " ", "!t", "*a", "&a", "%", "@", "a,b"}),
		rapid.StringMatching(`[ -~]{0,12}`),
	).Filter(func(s string) bool { return !strings.ContainsAny(s, "{=:") })
	rapid.Check(t, func(t *rapid.T) {
		s := clients.Server{
			Name: "s", Command: append([]string{"/bin/x"}, rapid.SliceOfN(text, 0, 4).Draw(t, "args")...),
			Env: map[string]string{"A": text.Draw(t, "a"), "B": text.Draw(t, "b")},
		}
		out, vars, err := clients.Translate([]clients.Server{s})
		if err != nil || len(vars) > 0 {
			t.Skip("something looked like a secret")
		}
		yaml := "servers:\n" + out[0].YAML("  ")
		c, ds := config.Parse("/c.yaml", []byte(yaml), nil)
		if ds.HasErrors() {
			t.Fatalf("%v in\n%s", ds, yaml)
		}
		if d := cmp.Diff(s.Command, c.Servers["s"].Command); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(s.Env, c.Servers["s"].Env); d != "" {
			t.Fatal(d)
		}
	})
}

func TestFilesAreWhereEachSystemHasThem(t *testing.T) {
	env := map[string]string{"APPDATA": "C:/A", "XDG_CONFIG_HOME": "/x"}
	for _, c := range []struct{ id, os, want string }{
		{"claude-desktop", "darwin", "/h/Library/Application Support/Claude/claude_desktop_config.json"},
		{"claude-desktop", "linux", "/x/Claude/claude_desktop_config.json"},
		{"vscode", "windows", "C:/A/Code/User/mcp.json"},
		{"zed", "darwin", "/x/zed/settings.json"},
		{"cursor", "darwin", "/h/.cursor/mcp.json"},
		{"codex", "linux", "/h/.codex/config.toml"},
	} {
		client, ok := clients.ByID(c.id)
		got := client.Files(clients.World{Home: "/h", OS: c.os, Getenv: func(n string) (string, bool) { v, ok := env[n]; return v, ok }})
		if !ok || filepath.ToSlash(got[0]) != c.want {
			t.Errorf("%s on %s: %v", c.id, c.os, got)
		}
	}
}

func TestReadSaysWhatItPassesOver(t *testing.T) {
	for _, c := range []struct{ entry, want string }{
		{`{"url": "https://h/mcp", "type": "sse"}`, "HTTP+SSE"},
		{`{"url": "https://h/mcp", "enabled": false}`, "switched off"},
		{`{"url": "https://me:pw@h/mcp"}`, "a user or password"},
		{`{"url": "https://h/mcp", "command": "x"}`, "both"},
		{`{"type": "stdio"}`, "neither"},
		{`7`, "no object"},
	} {
		found, skipped, err := clients.Read("f.json", []byte(`{"mcpServers": {"s": `+c.entry+`}}`))
		if err != nil || len(found) != 0 || len(skipped) != 1 || !strings.Contains(skipped[0].Why, c.want) {
			t.Errorf("%s: %v %v %v", c.entry, found, skipped, err)
		}
	}
}

func FuzzConnect(f *testing.F) {
	for _, s := range []string{"{}", "{\"mcpServers\": {\"a\": {}, /* b */}}", "[mcp_servers.gate]\nurl = 1\n", "extensions:\n  a: b\n", "mcpServers:\n- name: a\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, id := range []string{"cursor", "codex", "goose", "continue"} {
			client, _ := clients.ByID(id)
			name := map[string]string{"cursor": "f.json", "codex": "f.toml", "goose": "f.yaml", "continue": "f.yaml"}[id]
			out, err := client.Connect(name, []byte(text), clients.Endpoint{Name: "gate", URL: "http://h/mcp"})
			if err != nil {
				continue
			}
			again, err := client.Connect(name, out, clients.Endpoint{Name: "gate", URL: "http://h/mcp"})
			if err != nil || string(again) != string(out) {
				t.Fatalf("%s: %q becomes %q, then %q, %v", id, text, out, again, err)
			}
		}
	})
}
