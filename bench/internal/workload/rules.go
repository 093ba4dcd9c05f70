package workload

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// groups are what the caller is in; of all rules, one for Tool asks for the last.
var groups = []string{"employee", "eu", "contractor", "analyst", "finance-reader"}

// perTool is how many rules one tool can have: one for each role.
const perTool = 20

// Gateway says where a gateway under test listens and what it stands before.
type Gateway struct {
	Listen, Admin string // host:port
	Upstream      string // URL
}

// Config is the configuration of Sallyport for g: an API key, policies beside it
// in the directory policies, and the audit in a file.
func (g Gateway) Config() string {
	return g.before(fmt.Sprintf("  mock: { url: %s }\n", g.Upstream))
}

// before is the configuration of a gateway before these servers.
func (g Gateway) before(servers string) string {
	return fmt.Sprintf(`listen: %s
admin: { listen: %s }
servers:
%spolicies: ./policies
identity:
  apiKeys:
    - { id: alice, hash: "sha256:%x", claims: { groups: [%s], tenant: acme } }
audit: { file: ./audit.jsonl }
`, g.Listen, g.Admin, servers, sha256.Sum256([]byte(Key)), strings.Join(groups, ", "))
}

// Policies returns one policy for each tool that has rules, n rules in all, as
// one YAML file. A rule asks for a group, a limit and a path:
// what a call of the tool costs is what the rules of that tool cost. The last
// rule allows the workload's call and no other does.
func Policies(n int) string {
	byTool := make([][]string, Tools)
	for i := range n {
		t := (n - 1 - i) % Tools // Tool gets the last rule
		byTool[t] = append(byTool[t], rule(i, n))
	}
	var b strings.Builder
	for i, name := range ToolNames() {
		if len(byTool[i]) == 0 {
			continue
		}
		fmt.Fprintf(&b, access, strings.ReplaceAll(name, "_", "-"), "mock", name, strings.Join(byTool[i], ""))
	}
	return b.String()
}

// access is a policy for one tool.
const access = `---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: %s-access, owner: bench }
match: { servers: [%s], methods: [tools/call], tools: [%s] }
rules:
%s`

func rule(i, n int) string { return limited(i, n, 100+i%7) }

func limited(i, n, limit int) string {
	role := fmt.Sprintf("role_%02d", i/Tools%perTool)
	if i == n-1 {
		role = groups[len(groups)-1]
	}
	return ruleFor(i, role, limit)
}

func ruleFor(i int, role string, limit int) string {
	return fmt.Sprintf(`  - name: rule-%d
    when: '"%s" in principal.groups && args.limit <= %d && args.path.startsWith("/srv/docs/")'
    effect: allow
`, i, role, limit)
}

// PluginFile is the module of the plugin that PluginPolicy asks about every call. It reads the tool, the path and the groups.
const PluginFile = "authorise.wasm"

// PluginPolicy puts the plugin behind the rules.
const PluginPolicy = `apiVersion: sallyport/v1
kind: Policy
metadata: { name: plugin, owner: bench }
match: { servers: [mock], methods: [tools/call] }
rules:
  - { name: authorise, plugin: authorise }
`
