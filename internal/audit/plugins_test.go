package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func withPlugins() *Record {
	return &Record{Kind: Decision, Time: at, Plugins: []Plugin{
		{
			Name: "redact-pii", Version: "1.4.0", Module: "sha256:00ff", Setup: "sha256:11ee", Policy: "p", Rule: "mask", Hook: "response", Verdict: "mutate",
			Notes: []PluginNote{{"found", "2"}, {"found", "ghp_0123456789abcdef"}, {"password", "x"}}, Labels: []string{"pii", "eu"}, Used: []string{"lookup:tenants", "match:pii"},
			Patch: []PluginEdit{
				{"replace", "mcp.result.content[0].text", []byte(`"***"`)},
				{"remove", "args.to", nil},
				{"replace", "args.token", []byte(`"x"`)},
				{"add", "args.big", []byte(`"` + strings.Repeat("x", 2*MaxInputs) + `"`)},
			},
			Fuel: 1234, Time: 1500,
		},
		{Name: "guard", Version: "1.0.0", Policy: "p", Rule: "g", Hook: "request", Shadow: true, Verdict: "deny", Reason: "dotfile", Message: "no", Failure: "fuel"},
	}}
}

func TestPluginsOfARecord(t *testing.T) {
	const want = `"plugins":[{"plugin":"redact-pii","version":"1.4.0","module":"sha256:00ff","setup":"sha256:11ee","policy":"p","rule":"mask","hook":"response","verdict":"mutate",` +
		`"notes":[{"key":"found","text":"2"},{"key":"found","text":"[redacted]"},{"key":"password","text":"[redacted]"}],"labels":["pii","eu"],"used":["lookup:tenants","match:pii"],` +
		`"patch":[{"op":"replace","path":"mcp.result.content[0].text","value":"***"},{"op":"remove","path":"args.to"},` +
		`{"op":"replace","path":"args.token","value":"[redacted]"},{"op":"add","path":"args.big"}],"fuel":1234,"us":1.500},` +
		`{"plugin":"guard","version":"1.0.0","policy":"p","rule":"g","hook":"request","shadow":true,"verdict":"deny","reason":"dotfile","message":"no","failure":"fuel"}]`
	got := line(withPlugins())
	if !strings.Contains(got, want) {
		t.Errorf("line %s\nlacks %s", got, want)
	}
	e, err := Read([]byte(got))
	if err != nil {
		t.Fatal(err)
	}
	back := withPlugins().Plugins
	back[0].Notes[1].Text, back[0].Notes[2].Text = Redacted, Redacted
	back[0].Patch[2].JSON, back[0].Patch[3].JSON = []byte(`"`+Redacted+`"`), nil
	if diff := cmp.Diff(back, e.Record.Plugins); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestPluginsOfARecord_areBounded(t *testing.T) {
	r := &Record{Kind: Decision, Time: time.Unix(0, 0)}
	for range 3 * MaxPlugins {
		p := Plugin{Name: strings.Repeat("n", 2*MaxText), Message: strings.Repeat("m", 2*MaxLong)}
		for range 3 * maxPluginItems {
			p.Notes = append(p.Notes, PluginNote{"k", "t"})
			p.Labels = append(p.Labels, "l")
			p.Patch = append(p.Patch, PluginEdit{"replace", "p", []byte(`1`)})
		}
		r.Plugins = append(r.Plugins, p)
	}
	e, err := Read([]byte(line(r)))
	if err != nil {
		t.Fatal(err)
	}
	got := e.Record.Plugins
	if len(got) != MaxPlugins || len(got[0].Notes) != maxPluginItems || len(got[0].Labels) != maxPluginItems || len(got[0].Patch) != maxPluginItems {
		t.Errorf("%d plugins, of the first %d notes, %d labels, %d edits", len(got), len(got[0].Notes), len(got[0].Labels), len(got[0].Patch))
	}
}

// The new value of a field is masked where the field's old value is: by every name that leads to it, the operator's own included.
func TestPatchesOfSecretsAreMasked(t *testing.T) {
	m := NewMasker("tenant.code")
	for path, want := range map[string]string{
		"args.otp":                         `"[redacted]"`,
		"args.auth.user":                   `"[redacted]"`,
		"args.tenantCode":                  `"[redacted]"`,
		`args["tenant.code"][0]`:           `"[redacted]"`,
		"mcp.result.structuredContent.pin": `"[redacted]"`,
		"mcp.result.content[0].text":       `"x"`,
		"args.opt":                         `"x"`,
		"apiKey.claims.team":               `"x"`,
		"apiKey.claims.otp":                `"[redacted]"`,
		`args["a \" \\ b"].pinboard`:       `"x"`,
	} {
		r := &Record{Kind: Decision, Time: at, Plugins: []Plugin{{Name: "p", Patch: []PluginEdit{{"replace", path, []byte(`"x"`)}}}}}
		r.encode(m)
		if got := string(r.line); !strings.Contains(got, `"value":`+want+`}`) {
			t.Errorf("%s: want %s in %s", path, want, got)
		}
	}
}
