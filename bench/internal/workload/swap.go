package workload

import (
	"fmt"
	"strings"
)

// Plugins are the modules of the directory plugins, which SwapPolicies calls.
var Plugins = []string{"path-guard", "tenant-map", "redact-secrets", "redact-pii", "injection-guard", "sql-guard"}

// SwapConfig is Config with a directory for compiled plugins.
func (g Gateway) SwapConfig() string { return g.Config() + "plugins: { cache: ./cache }\n" }

// SwapPolicies returns the files of a thousand rules, no two of which are alike, and of six plugins. In another round every condition
// and the settings of every plugin are others. No call of the workload asks a plugin; the last rule allows it.
func SwapPolicies(round int) map[string]string {
	const n = 1000
	byTool := make([][]string, Tools)
	for i := range n {
		t := (n - 1 - i) % Tools
		byTool[t] = append(byTool[t], limited(i, n, 100+round*n+i))
	}
	var b strings.Builder
	for i, name := range ToolNames() {
		fmt.Fprintf(&b, access, strings.ReplaceAll(name, "_", "-"), "mock", name, strings.Join(byTool[i], ""))
	}
	return map[string]string{
		"tools.yaml":          b.String(),
		"guards.yaml":         fmt.Sprintf(guards, round, []string{"plain", "stars"}[round%2]),
		"tables/tenants.json": `{"marks":{}}`,
	}
}

const guards = `apiVersion: sallyport/v1
kind: Policy
metadata: { name: guards, owner: bench }
match: { servers: [mock], methods: [tools/call], tools: [guarded] }
rules:
  - { name: paths, plugin: path-guard, config: { roots: [/srv/project/%[1]d] } }
  - { name: tenants, plugin: tenant-map, grant: ["lookup:tenants"], config: { key: id, tools: { guarded_%[1]d: { path: { begins: root } } } } }
  - { name: secrets, plugin: redact-secrets, grant: ["match:secrets"], config: { deny: ["*"], replacement: %[2]s } }
  - { name: personal, plugin: redact-pii, config: { action: deny, kinds: [card, ssn], keep_domains: [r%[1]d.example] } }
  - { name: injections, phase: response, plugin: injection-guard, config: { instructions: deny, zero_width: %[1]d } }
  - { name: sql, plugin: sql-guard, config: { dialect: postgresql, arguments: [sql_%[1]d] } }
`
