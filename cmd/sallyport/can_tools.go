package main

import (
	"cmp"
	"slices"
	"strings"

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

// namedTools are the tools that policies name without wildcards, each of the servers that its policy is about.
func namedTools(policies []*policy.Policy, servers []string) []knownTool {
	if servers == nil {
		for _, p := range policies {
			servers = append(servers, literals(p.Match.Servers)...)
		}
	}
	var all []knownTool
	for _, p := range policies {
		for _, server := range servers {
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
		case one && server != "" && tool != "" && !a.locked:
			tools = append(tools, knownTool{Server: server, Name: tool})
		case one && a.locked:
			return nil, failf(exitUsage, "server %q has no tool %q", server, tool)
		default:
			return nil, failf(exitUsage, "no tool of %q is known by name: name one as SERVER/TOOL", server)
		}
	}
	return tools, nil
}
