package policy

import (
	"slices"
	"strings"
)

// method is a method or notification of MCP, and which list of a match names its target.
type method struct{ name, target string }

// methods are those of every revision up to 2026-07-28 and of its official extensions. internal/mcp holds the wire's table; a match
// only needs their names.
var methods = []method{
	{"initialize", ""},
	{"ping", ""},
	{"server/discover", ""},
	{"tools/list", ""},
	{"tools/call", "tools"},
	{"prompts/list", ""},
	{"prompts/get", "prompts"},
	{"resources/list", ""},
	{"resources/templates/list", ""},
	{"resources/read", "resources"},
	{"resources/directory/read", "resources"},
	{"resources/subscribe", "resources"},
	{"resources/unsubscribe", "resources"},
	{"completion/complete", "prompts resources"},
	{"logging/setLevel", ""},
	{"subscriptions/listen", ""},
	{"sampling/createMessage", ""},
	{"elicitation/create", ""},
	{"roots/list", ""},
	{"tasks/get", ""},
	{"tasks/update", ""},
	{"tasks/cancel", ""},
	{"tasks/result", ""},
	{"tasks/list", ""},
	{"skills/list", ""},
	{"skills/get", "resources"},
	{"notifications/initialized", ""},
	{"notifications/cancelled", ""},
	{"notifications/progress", ""},
	{"notifications/message", ""},
	{"notifications/tools/list_changed", ""},
	{"notifications/prompts/list_changed", ""},
	{"notifications/resources/list_changed", ""},
	{"notifications/roots/list_changed", ""},
	{"notifications/resources/updated", "resources"},
	{"notifications/elicitation/complete", ""},
	{"notifications/subscriptions/acknowledged", ""},
	{"notifications/tasks/status", ""},
	{"notifications/tasks", ""},
}

// Methods returns the methods and notifications that a match may name without a warning.
func Methods() []string {
	names := make([]string, len(methods))
	for i, m := range methods {
		names[i] = m.name
	}
	return names
}

// knownMethod says whether some method matches g.
func knownMethod(g Glob) bool {
	return slices.ContainsFunc(methods, func(m method) bool { return g.Match(m.name) })
}

// foreign says whether a name can only be that of a method outside MCP: it has a family of its own, as in "acme/do".
func foreign(name string) bool {
	family, _, ok := strings.Cut(name, "/")
	return ok && !slices.ContainsFunc(methods, func(m method) bool { return strings.HasPrefix(m.name, family+"/") })
}

// reaches says whether one of the globs matches a method whose target the list names.
func reaches(globs []Glob, list string) bool {
	return slices.ContainsFunc(methods, func(m method) bool {
		return slices.Contains(strings.Fields(m.target), list) && slices.ContainsFunc(globs, func(g Glob) bool { return g.Match(m.name) })
	})
}
