package toolset

import (
	"fmt"
	"slices"
	"strings"
)

// Change is what is different of a tool, or of a whole server.
type Change struct {
	Server, Tool string // Tool is "" for the server
	What         What
	Members      []string // of the definition, that have changed
}

// What has become of a tool.
type What uint8

// The changes.
const (
	Changed What = iota
	Added
	Removed
)

// String says the change on one line.
func (c Change) String() string {
	name := c.Server
	if c.Tool != "" {
		name += "/" + c.Tool
	}
	switch c.What {
	case Added:
		return "added    " + name
	case Removed:
		return "removed  " + name
	default:
		return fmt.Sprintf("changed  %s: %s", name, strings.Join(c.Members, ", "))
	}
}

// Compare lists what a server says otherwise than it did, by the names of servers and tools.
func Compare(was, is *Lock) (all []Change) {
	for _, s := range was.Servers {
		now := is.Server(s.Name)
		if now == nil {
			all = append(all, Change{Server: s.Name, What: Removed})
			continue
		}
		for i := range s.Tools {
			if c, ok := compare(s.Name, &s.Tools[i], now.Tool(s.Tools[i].Name)); ok {
				all = append(all, c)
			}
		}
	}
	for _, s := range is.Servers {
		before := was.Server(s.Name)
		if before == nil {
			all = append(all, Change{Server: s.Name, What: Added})
		}
		for _, t := range s.Tools {
			if before != nil && before.Tool(t.Name) == nil {
				all = append(all, Change{Server: s.Name, Tool: t.Name, What: Added})
			}
		}
	}
	slices.SortFunc(all, func(a, b Change) int {
		return strings.Compare(a.Server+"\x00"+a.Tool, b.Server+"\x00"+b.Tool)
	})
	return all
}

func compare(server string, was, is *Tool) (Change, bool) {
	c := Change{Server: server, Tool: was.Name}
	if is == nil {
		c.What = Removed
		return c, true
	}
	if was.Hash == is.Hash {
		return c, false
	}
	text := func(t *Tool, name string) string {
		return string((&writer{}).value(nil, member(t.definition, name), 0))
	}
	for _, name := range members {
		if text(was, name) != text(is, name) {
			c.Members = append(c.Members, name)
		}
	}
	return c, true
}
