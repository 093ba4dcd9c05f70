package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

// A case made of a record is decided as the record says, whatever the message is about.
func TestCaseOf(t *testing.T) {
	dir := t.TempDir()
	policies := filepath.Join(dir, "p.yaml")
	if err := os.WriteFile(policies, []byte(`apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
rules:
  - { name: docs, effect: allow, when: 'mcp.resource.uri == "docs://\"a\"" && request.headers["x-team"] == "it''s"' }
  - { name: ask, effect: allow, when: 'mcp.prompt.name == "greet" && source.address == "192.0.2.7"' }
  - { name: ci, effect: allow, when: 'mcp.tool.name == "build" && apiKey.claims.team == "core" && mcp.tool.annotations.readOnlyHint' }
  - { name: dear, effect: deny, reason: dear, phase: response, when: 'mcp.tool.result.isError' }
`), 0o600); err != nil {
		t.Fatal(err)
	}
	input := func(name, json string) audit.Input { return audit.Input{Name: name, JSON: []byte(json)} }
	for name, r := range map[string]*audit.Record{
		"resource": {Method: "resources/read", Resource: `docs://"a"`, Inputs: []audit.Input{input("request.headers.x-team", `"it's"`)}, Effect: "allow", Policy: "p", Rule: "docs"},
		"prompt":   {Method: "prompts/get", Prompt: "greet", SourceAddress: "192.0.2.7", Effect: "allow", Policy: "p", Rule: "ask"},
		"key": {
			Method: "tools/call", Tool: "build", PrincipalKind: "api_key", PrincipalID: "ci", Effect: "allow", Policy: "p", Rule: "ci",
			Inputs: []audit.Input{input("apiKey.claims.team", `"core"`), input("mcp.tool.annotations.readOnlyHint", "true")},
		},
		"nobody": {Method: "tools/call", Tool: "build", PrincipalKind: "anonymous", Effect: "deny", Reason: "no_rule_matched"},
		"result": {Method: "tools/call", Tool: "build", Phase: "response", Effect: "deny", Policy: "p", Rule: "dear", Reason: "dear", Inputs: []audit.Input{input("mcp.tool.result.isError", "true")}},
	} {
		r.Server, r.Time = "files", time.Date(2026, 11, 22, 12, 0, 0, 5000, time.UTC)
		text, err := caseOf(r, policies)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := enginetest.Run(t.Context(), []string{file}, enginetest.Options{})
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		for _, c := range report.Cases {
			if !c.Passed {
				t.Errorf("%s: %v\n%s\n%s", name, c.Differences, text, c.Explanation)
			}
		}
	}
}
