package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
)

// knownTool is a tool that policies may be asked about.
type knownTool struct {
	Server, Name string
	annotations  jsonscan.Value // absent: not known
}

// String is the tool as the command line names it.
func (t knownTool) String() string { return t.Server + "/" + t.Name }

func byName(a, b knownTool) int {
	return cmp.Or(strings.Compare(a.Server, b.Server), strings.Compare(a.Name, b.Name))
}

// knownTools are the tools that the lock has, and those that policies name without wildcards, of servers that it doesn't have: each of
// the servers that its policy is about. servers are the config's, nil if there is none.
func knownTools(b *bundle.Bundle, servers []string) []knownTool {
	if servers == nil {
		for _, p := range b.Policies {
			servers = append(servers, literals(p.Match.Servers)...)
		}
		if b.Lock != nil {
			for _, s := range b.Lock.Servers {
				servers = append(servers, s.Name)
			}
		}
	}
	var all []knownTool
	for _, server := range servers {
		if s := b.Lock.Server(server); s != nil {
			for _, t := range s.Tools {
				all = append(all, knownTool{Server: server, Name: t.Name, annotations: t.Annotations})
			}
			continue
		}
		for _, p := range b.Policies {
			if !matches(p.Match.Servers, server) || !matches(p.Match.Methods, "tools/call") {
				continue
			}
			for _, tool := range literals(p.Match.Tools) {
				all = append(all, knownTool{Server: server, Name: tool})
			}
		}
	}
	slices.SortFunc(all, byName)
	return slices.CompactFunc(all, func(a, b knownTool) bool { return byName(a, b) == 0 })
}

// literals are the patterns that are names.
func literals(patterns []string) []string {
	var names []string
	for _, text := range patterns {
		if g, err := policy.NameGlob(text); err == nil {
			if name, ok := g.Literal(); ok {
				names = append(names, name)
			}
		}
	}
	return names
}

// matches says that a list of patterns matches a name; no list matches every one.
func matches(patterns []string, name string) bool {
	return patterns == nil || slices.ContainsFunc(patterns, func(text string) bool {
		g, err := policy.NameGlob(text)
		return err == nil && g.Match(name)
	})
}

// chosen are the tools that are asked about: those named, each as SERVER/TOOL or SERVER for all that are known of it, or all that are known.
func (a *asked) chosen(names []string) ([]knownTool, error) {
	if len(names) == 0 {
		if len(a.known) == 0 {
			return nil, failf(exitUsage, "no tool is known by name: name some as SERVER/TOOL")
		}
		return a.known, nil
	}
	var tools []knownTool
	for _, name := range names {
		server, tool, one := strings.Cut(name, "/")
		if a.config != nil {
			if _, ok := a.config.Servers[server]; !ok {
				return nil, failf(exitUsage, "no server is called %q: the config has %s", server, strings.Join(serverNames(a.config), ", "))
			}
		}
		at := len(tools)
		for _, t := range a.known {
			if t.Server == server && (!one || t.Name == tool) {
				tools = append(tools, t)
			}
		}
		switch {
		case len(tools) > at:
		case one && a.lock.Server(server) != nil:
			return nil, failf(exitUsage, "server %q has no tool %q: %s doesn't have it", server, tool, a.lock.File)
		case one && server != "" && tool != "":
			tools = append(tools, knownTool{Server: server, Name: tool})
		default:
			return nil, failf(exitUsage, "no tool of %q is known by name: name one as SERVER/TOOL", server)
		}
	}
	return tools, nil
}
