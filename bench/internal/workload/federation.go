package workload

import (
	"fmt"
	"strings"
)

// A federation is so many servers with so many tools each.
const (
	Servers     = 50
	ServerTools = 20
)

// FirstServer is the name of the first of them, and AllTool what Tool of it is called where all of them are one.
const (
	FirstServer = "s00"
	AllTool     = FirstServer + "__" + Tool
)

// FederationConfig is the configuration of Sallyport before a federation, all of whose servers are the one upstream.
func (g Gateway) FederationConfig() string {
	var b strings.Builder
	for i := range Servers {
		fmt.Fprintf(&b, "  s%02d: { url: %s }\n", i, g.Upstream)
	}
	return g.before(b.String())
}

// FederationPolicies are n rules for the tools of every server, as many for each; the last of a tool allows its calls.
func FederationPolicies(n int) string {
	var b strings.Builder
	for t, name := range ToolNames()[:ServerTools] {
		var own strings.Builder
		for i := t; i < n; i += ServerTools {
			role := fmt.Sprintf("role_%02d", i/ServerTools)
			if i+ServerTools >= n {
				role = groups[len(groups)-1]
			}
			own.WriteString(ruleFor(i, role, 100+i%7))
		}
		fmt.Fprintf(&b, access, strings.ReplaceAll(name, "_", "-"), `"*"`, name, own.String())
	}
	return b.String()
}
