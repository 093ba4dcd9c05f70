package federation

import (
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// uiScheme is the scheme of MCP Apps' resources, by which clients know them.
const uiScheme = "ui://"

// Resolve says which server a client's name belongs to, and what it is called there. own may be a part of name.
func (v *View) Resolve(t mcp.Target, name string) (server, own string, ok bool) {
	if t == mcp.TargetTool && len(v.named) > 0 {
		if named, ok := v.named[name]; ok {
			return named.Server, named.Tool, true
		}
	}
	var m *member
	switch t {
	case mcp.TargetTool, mcp.TargetPrompt:
		if server, own, ok = strings.Cut(name, Separator); ok {
			m = v.members[server]
		}
	case mcp.TargetResource:
		m, own = v.splitURI(name)
	case mcp.TargetNone, mcp.TargetTask, mcp.TargetRef:
	}
	if own == "" || !m.selects(t, own) {
		return "", "", false
	}
	if t == mcp.TargetTool && len(v.renamed) > 0 {
		if _, other := v.renamed[[2]string{m.name, own}]; other {
			return "", "", false
		}
	}
	return m.name, own, true
}

// Public is what clients call what a server calls own; not ok, if the view doesn't show it, or has no name for it that is short enough.
func (v *View) Public(t mcp.Target, server, own string) (name string, ok bool) {
	most := MaxName
	switch t {
	case mcp.TargetTool:
		if named, ok := v.renamed[[2]string{server, own}]; ok {
			return named.Name, true
		}
		name = server + Separator + own
	case mcp.TargetPrompt:
		name = server + Separator + own
	case mcp.TargetResource:
		name, most = joinURI(server, own), MaxURI
	case mcp.TargetTask:
		name, most = own, MaxTask // its id is sealed for each caller: see Tasks
	case mcp.TargetNone, mcp.TargetRef:
	}
	return name, own != "" && v.members[server].selects(t, own) && len(name) <= most
}

// Named is the server that a client's name for something begins with, whether there is one or not; "" if it begins with none.
func Named(t mcp.Target, name string) string {
	switch t {
	case mcp.TargetTool, mcp.TargetPrompt:
		if server, _, ok := strings.Cut(name, Separator); ok {
			return server
		}
	case mcp.TargetResource:
		if rest, ok := strings.CutPrefix(name, uiScheme); ok {
			server, _, _ := strings.Cut(rest, "/")
			return server
		}
		if prefix, _, ok := strings.Cut(name, "+"); ok {
			return strings.ReplaceAll(strings.TrimPrefix(prefix, "n.."), ".", "_")
		}
	case mcp.TargetNone, mcp.TargetTask, mcp.TargetRef:
	}
	return ""
}

// description is the operator's own of a tool; "" is none.
func (v *View) description(server, tool string) string {
	return v.renamed[[2]string{server, tool}].Description
}

// scheme is a server's name as the scheme of a URI may begin: a letter, then letters, digits, '-' and '.'. No two names give the
// same: none has a '.', nor "__", which is what ".." stands for.
func scheme(server string) string {
	s := strings.ReplaceAll(server, "_", ".")
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		s = "n.." + s
	}
	return s
}

// joinURI is one to one over the servers whose names ServerName accepts.
func joinURI(server, uri string) string {
	if rest, ok := strings.CutPrefix(uri, uiScheme); ok {
		return uiScheme + server + "/" + rest
	}
	return scheme(server) + "+" + uri
}

// splitURI undoes joinURI, and knows no other spelling.
func (v *View) splitURI(uri string) (m *member, own string) {
	if rest, isUI := strings.CutPrefix(uri, uiScheme); isUI {
		server, own, ok := strings.Cut(rest, "/")
		if !ok {
			return nil, ""
		}
		return v.members[server], uiScheme + own
	}
	prefix, own, _ := strings.Cut(uri, "+")
	if strings.HasPrefix(own, uiScheme) {
		return nil, ""
	}
	return v.schemes[prefix], own
}
