package route

import "testing"

func TestMatch(t *testing.T) {
	one, two := New("files"), New("files", "mail")
	for _, c := range []struct {
		table  Table
		target string
		server string
		ok     bool
	}{
		{one, "/mcp", "files", true},
		{one, "/mcp/files", "files", true},
		{two, "/mcp", "", false},
		{two, "/mcp/mail", "mail", true},
		{two, "/mcp/nope", "", false},
		{two, "/mcp/", "", false},
		{two, "/mcp/files/", "", false},
		{two, "/mcp/files?x=1", "", false},
		{two, "/mcp/%66iles", "", false},
		{two, "//mcp/files", "", false},
		{two, "/x/../mcp/files", "", false},
		{two, "/mcpfiles", "", false},
		{two, "/MCP/files", "", false},
		{Table{}, "/mcp", "", false},
		{Table{}, "/mcp/files", "", false},
	} {
		server, ok := c.table.Match([]byte(c.target))
		if ok != c.ok || ok && server != c.server {
			t.Errorf("Match(%q) = %q, %v; want %q, %v", c.target, server, ok, c.server, c.ok)
		}
	}
}
