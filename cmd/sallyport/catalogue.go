package main

import (
	"cmp"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/admin"
)

// tools is what the admin API shows of the tools of all servers.
func (g *program) tools() []admin.Tool {
	b := g.state.build()
	out := []admin.Tool{}
	names := g.builder.names(b.config)
	for _, e := range b.found.Waiting() {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	for _, name := range names {
		tools, asked := g.said(b, name)
		out = append(out, withLock(name, tools, b.policy.Lock().Server(name), asked)...)
	}
	return out
}

// said is what a server has said of its tools, and whether that is all of them.
func (g *program) said(b *build, name string) (tools []admin.Tool, asked bool) {
	conf := b.config.Servers[name]
	key := mainKey(b.config, name)
	if last := g.probes.of(key, b.servers[key]); last != nil && last.err == nil {
		tools = slices.Clone(last.tools)
		for i := range tools {
			tools[i].Known = "probe"
		}
		return tools, true
	}
	for _, raw := range g.gateway.Tools(name, conf.Main()) {
		var doc jsonscan.Doc
		if doc.Scan(raw, jsonscan.Options{}) == nil {
			t := catalogued(doc.Root())
			t.Known = "list"
			tools = append(tools, t)
		}
	}
	return tools, false
}

// withLock says of each tool how the lock has it, and adds those that only the lock has; nil: the server is not in it.
func withLock(server string, tools []admin.Tool, lock *toolset.Server, asked bool) []admin.Tool {
	seen := map[string]bool{}
	for i := range tools {
		t := &tools[i]
		t.Server, seen[t.Name] = server, true
		if lock == nil {
			continue
		}
		t.Lock = "unlocked"
		if j := slices.IndexFunc(lock.Tools, func(l toolset.Tool) bool { return l.Name == t.Name }); j >= 0 {
			if t.Lock = "changed"; lock.Tools[j].Hash == t.Hash {
				t.Lock = "locked"
			}
		}
	}
	if lock != nil {
		for i := range lock.Tools {
			l := &lock.Tools[i]
			if seen[l.Name] {
				continue
			}
			t := admin.Tool{Server: server, Name: l.Name, Title: l.Title, Description: l.Description, Hash: l.Hash, Known: "lock", Lock: "locked"}
			if l.Annotations.Exists() {
				t.Annotations = l.Annotations.Raw()
			}
			if asked {
				t.Lock = "gone"
			}
			tools = append(tools, t)
		}
	}
	slices.SortFunc(tools, func(a, b admin.Tool) int { return cmp.Compare(a.Name, b.Name) })
	return tools
}
