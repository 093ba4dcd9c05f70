// Package route says which server a request target names, and which of its versions serves a call.
package route

// Prefix is the one path under which MCP is served.
const Prefix = "/mcp"

// Table maps targets to servers. It is immutable and safe for concurrent use; the zero Table knows no server.
type Table struct {
	only    string
	servers map[string]string // from name to the same name, so that a lookup by bytes gives a string
	virtual map[string]string // likewise
}

// New makes the table of the named servers: each at /mcp/<name>, and at /mcp if it is the only one.
func New(names ...string) Table {
	t := Table{servers: make(map[string]string, len(names))}
	for _, n := range names {
		t.servers[n] = n
	}
	if len(names) == 1 {
		t.only = names[0]
	}
	return t
}

// WithVirtual gives the table with virtual servers beside the servers, under names that none of them has.
func (t Table) WithVirtual(names ...string) Table {
	t.virtual = make(map[string]string, len(names))
	for _, n := range names {
		t.virtual[n] = n
	}
	return t
}

// View gives the servers that target names as one: those of a virtual server, or, under "", all of them, if there are several.
func (t Table) View(target []byte) (virtual string, ok bool) {
	if string(target) == Prefix {
		return "", len(t.servers) > 1
	}
	if len(target) <= len(Prefix) || string(target[:len(Prefix)+1]) != Prefix+"/" {
		return "", false
	}
	virtual, ok = t.virtual[string(target[len(Prefix)+1:])]
	return virtual, ok
}

// Match gives the server that target names. The target is compared as it was sent: what is not exactly a known path
// (a query, a trailing slash, a percent escape, a dot segment) is no path of ours, so that no two readers can differ on it.
func (t Table) Match(target []byte) (server string, ok bool) {
	if string(target) == Prefix {
		return t.only, t.only != ""
	}
	if len(target) <= len(Prefix) || string(target[:len(Prefix)+1]) != Prefix+"/" {
		return "", false
	}
	server, ok = t.servers[string(target[len(Prefix)+1:])]
	return server, ok
}
