package bundle

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

const diffed = `# a comment
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
match: { tools: [a, b] }
variables: [ { name: v, expression: "1" } ]
rules:
  - { name: one, when: 'variables.v == 1', effect: deny, reason: why, message: '"no"' }
  - { name: two, effect: allow, enforcement: shadow }
`

func archived(t *testing.T, files map[string]string) *Bundle {
	t.Helper()
	a, err := Make(Manifest{Name: "n", Version: 1, Environment: "2026-11"}, filesOf(files))
	if err != nil {
		t.Fatal(err)
	}
	b, err := a.Bundle()
	if err != nil || b.Diagnostics.HasErrors() {
		t.Fatal(err, b.Diagnostics)
	}
	return b
}

func definition(t *testing.T, tool string) jsonscan.Value {
	t.Helper()
	var d jsonscan.Doc
	if err := d.Scan([]byte(`{"name":"`+tool+`","inputSchema":{"type":"object"}}`), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	return d.Root()
}

func hashOf(t *testing.T, tool string) string { t.Helper(); return toolset.Hash(definition(t, tool)) }

// locked is the lock of a server with these tools.
func locked(t *testing.T, tools ...string) string {
	t.Helper()
	s := toolset.Listed{Server: "s"}
	for _, name := range tools {
		s.Tools = append(s.Tools, definition(t, name))
	}
	lock, err := toolset.Encode([]toolset.Listed{s})
	if err != nil {
		t.Fatal(err)
	}
	return string(lock)
}

func TestDiff(t *testing.T) {
	guest, err := os.ReadFile("../../hostapi/tck/testdata/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	from := archived(t, map[string]string{"p.yaml": diffed, "tables/t.json": "{}", "q.yaml": named("gone"), "tools.lock.json": locked(t, "read", "write"), "guest.wasm": string(guest)})
	// The same in other words, in another file and another order.
	same := archived(t, map[string]string{
		"sub/x.yaml": "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nmatch:\n  tools: [a, b]\nvariables: [ { name: v, expression: '1' } ]\nrules:\n" +
			"  - { name: two, effect: allow, enforcement: shadow }\n  - name: one\n    when: |\n      variables.v == 1\n    effect: deny\n    reason: why\n    message: '\"no\"'\n",
		"tables/t.json": "{}", "q.yaml": named("gone"), "tools.lock.json": locked(t, "read", "write"), "other.wasm": string(guest),
	})
	if diff := cmp.Diff([]Change(nil), Diff(from, same)); diff != "" {
		t.Errorf("the same in other words (-want +got):\n%s", diff)
	}
	to := archived(t, map[string]string{
		"p.yaml":        "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nmatch: { tools: [a], servers: [s] }\nrules:\n  - { name: one, when: 'true', effect: approve }\n  - { name: two, effect: allow }\n  - { name: three, phase: response, plugin: x, config: { a: 1 } }\n",
		"tables/t.json": `{"a": 1}`, "tools.lock.json": locked(t, "read", "send"), "detectors/d.toml": "",
	})
	want := []Change{
		{"policy", "gone", "removed", []Field{{"env", "2026-11", ""}}},
		{"policy", "p", "changed", []Field{{"match.tools", "a, b", "a"}, {"variables.v", "1", ""}, {"match.servers", "", "s"}}},
		{"rule", "gone/r", "removed", []Field{{"effect", "allow", ""}, {"phase", "request", ""}}},
		{"rule", "p/one", "changed", []Field{{"effect", "deny", "approve"}, {"when", "variables.v == 1", "true"}, {"reason", "why", ""}, {"message", `"no"`, ""}}},
		{"rule", "p/three", "added", []Field{{"phase", "", "response"}, {"plugin", "", "x"}, {"config", "", `{"a":1}`}}},
		{"rule", "p/two", "changed", []Field{{"enforcement", "shadow", ""}}},
		{"detectors", "d", "added", []Field{{"digest", "", digestOf(nil)}}},
		{"table", "t", "changed", []Field{{"digest", digestOf([]byte("{}")), digestOf([]byte(`{"a": 1}`))}}},
		{"pin", "s/send", "added", []Field{{"hash", "", hashOf(t, "send")}}},
		{"pin", "s/write", "removed", []Field{{"hash", hashOf(t, "write"), ""}}},
	}
	got := Diff(from, to)
	var rest []Change
	for _, c := range got {
		if c.What != "plugin" {
			rest = append(rest, c)
			continue
		}
		if c.How != "removed" || c.Fields[len(c.Fields)-1] != (Field{"module", digestOf(guest), ""}) || c.Fields[0].Name != "version" {
			t.Errorf("plugin: %+v", c)
		}
	}
	if diff := cmp.Diff(want, rest); diff != "" || len(rest) != len(got)-1 {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
