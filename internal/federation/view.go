// Package federation makes one MCP server of several: names that can't collide, both ways; cursors that can't be forged; and lists,
// capabilities and links put together from what the servers have answered. It decides nothing and calls nobody.
//
// A tool or prompt of the server files is called files__NAME, and a resource files+URI, so that the scheme of the URI still says
// what it is; resources of MCP Apps keep theirs, as ui://files/REST. Each name has one spelling, and each spelling one meaning.
package federation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// Separator stands between the name of a server and that of its tool or prompt.
const Separator = "__"

// Bounds of the names that clients see. What would be longer is left out of lists.
const (
	MaxName = 128  // bytes, as the specification says
	MaxURI  = 8192 // bytes
)

// ServerName says whether a server's name can stand before others: what follows the first separator is then the tool's own, whatever
// it looks like.
func ServerName(name string) bool {
	return name != "" && !strings.Contains(name, Separator) && !strings.HasSuffix(name, "_")
}

// Selection is what a view shows of one server. The zero Selection shows nothing.
type Selection struct {
	All                       bool
	Tools, Prompts, Resources []policy.Glob // ignored with All
}

// Tool is a tool under a name, and perhaps a description, of the operator's own.
type Tool struct {
	Name         string
	Server, Tool string
	Description  string // "" keeps the server's
}

// Options say what a view shows.
type Options struct {
	Name         string // of the virtual server; "" is all servers
	Title        string
	Instructions string
	Servers      map[string]Selection
	Tools        []Tool // selected by being named here
}

// View is a set of servers as one. It is immutable and safe for concurrent use. The zero View has no servers.
type View struct {
	o       Options
	servers []string // sorted
	members map[string]*member
	schemes map[string]*member
	named   map[string]Tool // by the name that clients use
	renamed map[[2]string]Tool
}

// member is one server of a view.
type member struct {
	name string // nobody else's memory
	Selection
}

// New makes a View, or says which names could mean two things.
func New(o Options) (*View, error) {
	v := &View{o: o, members: map[string]*member{}, schemes: map[string]*member{}, named: map[string]Tool{}, renamed: map[[2]string]Tool{}}
	for _, t := range o.Tools {
		if _, ok := o.Servers[t.Server]; !ok {
			return nil, fmt.Errorf("tool %q: server %q is not selected", t.Name, t.Server)
		}
		if err := v.name(t); err != nil {
			return nil, err
		}
	}
	for server, selection := range o.Servers {
		if !ServerName(server) {
			return nil, fmt.Errorf("server %q: a name with %q in it or %q at its end can't stand before others", server, Separator, "_")
		}
		v.servers = append(v.servers, server)
		m := &member{server, selection}
		v.members[server], v.schemes[scheme(server)] = m, m
	}
	slices.Sort(v.servers)
	return v, nil
}

func (v *View) name(t Tool) error {
	own := [2]string{t.Server, t.Tool}
	if !CheckName(t.Name) {
		return fmt.Errorf("tool %q: not a name of at most %d letters, digits, \"_\", \"-\" and \".\"", t.Name, MaxName)
	}
	if server, rest, ok := strings.Cut(t.Name, Separator); ok {
		if _, taken := v.o.Servers[server]; taken && own != [2]string{server, rest} {
			return fmt.Errorf("tool %q: this is how a tool of server %q is called", t.Name, server)
		}
	}
	if _, twice := v.named[t.Name]; twice {
		return fmt.Errorf("tool %q: the name is given twice", t.Name)
	}
	if other, twice := v.renamed[own]; twice {
		return fmt.Errorf("tool %q of server %q has two names, %q and %q", t.Tool, t.Server, other.Name, t.Name)
	}
	v.named[t.Name], v.renamed[own] = t, t
	return nil
}

// CheckName says whether an operator may give a tool this name: one that every client takes.
func CheckName(name string) bool {
	return name != "" && len(name) <= MaxName && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	})
}

// Name is that of the virtual server, "" for all servers.
func (v *View) Name() string { return v.o.Name }

// Servers lists the servers of the view, sorted. The result is shared and must not be changed.
func (v *View) Servers() []string { return v.servers }

// Asks says whether the view may show anything of what a server lists under a member of a result: tools, prompts, resources,
// resourceTemplates or tasks, which calls of tools begin. A list that it doesn't know it doesn't ask for.
func (v *View) Asks(server, list string) bool {
	s := v.members[server]
	if s == nil {
		return false
	}
	switch list {
	case "tools", "tasks":
		return s.All || len(s.Tools) > 0 || slices.ContainsFunc(v.o.Tools, func(t Tool) bool { return t.Server == server })
	case "prompts":
		return s.All || len(s.Prompts) > 0
	case "resources", "resourceTemplates":
		return s.All || len(s.Resources) > 0
	}
	return false
}

// selects says whether the view shows what the server calls so.
func (m *member) selects(t mcp.Target, own string) bool {
	if m == nil || m.All || t == mcp.TargetTask {
		return m != nil
	}
	var globs []policy.Glob
	switch t {
	case mcp.TargetTool:
		globs = m.Tools
	case mcp.TargetPrompt:
		globs = m.Prompts
	case mcp.TargetResource:
		globs = m.Resources
	case mcp.TargetNone, mcp.TargetTask, mcp.TargetRef:
	}
	return slices.ContainsFunc(globs, func(g policy.Glob) bool { return g.Match(own) })
}
