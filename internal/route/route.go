// Package route says which server a request target names.
package route

import "strings"

// Prefix is the one path under which MCP is served.
const Prefix = "/mcp"

// Table maps targets to servers. It is immutable and safe for concurrent use; the zero Table knows no server.
type Table struct {
	only    string
	servers map[string]struct{}
}

// New makes the table of the named servers: each at /mcp/<name>, and at /mcp if it is the only one.
func New(names ...string) Table {
	t := Table{servers: make(map[string]struct{}, len(names))}
	for _, n := range names {
		t.servers[n] = struct{}{}
	}
	if len(names) == 1 {
		t.only = names[0]
	}
	return t
}

// Match gives the server that target names. The target is compared as it was sent: what is not exactly a known path
// (a query, a trailing slash, a percent escape, a dot segment) is no path of ours, so that no two readers can differ on it.
func (t Table) Match(target string) (server string, ok bool) {
	if target == Prefix {
		return t.only, t.only != ""
	}
	name, ok := strings.CutPrefix(target, Prefix+"/")
	if !ok {
		return "", false
	}
	_, ok = t.servers[name]
	return name, ok
}
