package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// What the lock of tools has denied is explained by the lock, though no record holds what the server said.
func TestExplainPins(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"p.yaml":          "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nrules:\n  - { name: all, effect: allow }\n",
		"tools.lock.json": `{"version":1,"servers":{"files":{"tools":[{"name":"get","hash":"sha256:4f78cb7f436a5ff6f025c9daf2e7ec39f093616676f114b4e0af17bb9bb9ee3b"}]}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for tool, reason := range map[string]string{"get": "tool_changed", "put": "tool_unpinned"} {
		var out bytes.Buffer
		p := &process{ctx: t.Context(), stdout: &out}
		r := &audit.Record{Kind: audit.Refusal, Method: "tools/call", Server: "files", Tool: tool, Effect: "deny", Reason: reason, Revision: "sha256:00"}
		if err := explain(p, r, dir); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"\ndeny: " + reason, "would be decided by rules if tools.lock.json had the tool as its server describes it"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", tool, want, &out)
			}
		}
	}
}
