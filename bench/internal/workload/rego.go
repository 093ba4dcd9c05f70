package workload

import "strings"

// RegoModule and RegoManifest are what RegoPolicy asks about every call, from the root of this module. It reads the tool, the path and
// the tenant.
const (
	RegoModule   = "examples/plugins/rego/files.wasm"
	RegoManifest = "examples/plugins/rego/files.manifest.json"
)

// Patient is a manifest whose calls may take 5 s. The usual 50 ms pass while other programs have the processors, and a denial for that
// is no answer that can be measured.
func Patient(manifest string) string {
	return strings.Replace(manifest, "{", `{"limits": {"deadline_ms": 5000},`, 1)
}

// RegoPolicy puts the policy in Rego behind the rules. It allows the workload's call.
const RegoPolicy = `apiVersion: sallyport/v1
kind: Policy
metadata: { name: rego, owner: bench }
match: { servers: [mock], methods: [tools/call] }
rules:
  - { name: own-directory, plugin: tenant-files, config: { tenants: { acme: { directory: /srv/docs, tools: [` + Tool + `] } } } }
`

// RegoConfig is Config with a decision cache, or without one.
func (g Gateway) RegoConfig(cached bool) string {
	if cached {
		return g.Config()
	}
	return g.Config() + "limits: { cache: off }\n"
}
