package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/federation"
)

// Federation says how several servers are asked as one.
type Federation struct {
	Timeout Duration `yaml:"timeout" jsonschema_description:"How long a list waits for each server. One that takes longer adds nothing to it. Left out, 10s."`
	Report  bool     `yaml:"report" jsonschema_description:"Lists name the servers that have not answered, in their _meta."`
}

// Virtual is a selection of servers under a name of its own.
type Virtual struct {
	Title        string               `yaml:"title" jsonschema:"minLength=1" jsonschema_description:"What it is called where people read it."`
	Instructions string               `yaml:"instructions" jsonschema:"minLength=1" jsonschema_description:"What a model is told about using it."`
	Servers      map[string]Selection `yaml:"servers" jsonschema_description:"The servers that it shows, by name: all that they have, or what is selected."`
	Tools        map[string]NamedTool `yaml:"tools" jsonschema_description:"Tools under names of their own, by those names."`
}

// Selection is what is shown of one server. Where nothing is listed, that is everything; else what isn't listed is not shown.
type Selection struct {
	Tools     []string `yaml:"tools" jsonschema:"minItems=1" jsonschema_description:"Its tools, as globs over the names that it gives them."`
	Prompts   []string `yaml:"prompts" jsonschema:"minItems=1" jsonschema_description:"Its prompts, likewise."`
	Resources []string `yaml:"resources" jsonschema:"minItems=1" jsonschema_description:"Its resources, as globs over the URIs that it gives them."`
}

// NamedTool is a tool under a name of the operator's own.
type NamedTool struct {
	Server      string `yaml:"server" jsonschema:"required,minLength=1" jsonschema_description:"The server that has it."`
	Tool        string `yaml:"tool" jsonschema:"required,minLength=1" jsonschema_description:"What it is called there."`
	Description string `yaml:"description" jsonschema:"minLength=1" jsonschema_description:"What a model is told of it, in place of what the server says."`
}

// View gives a virtual server as the federation package takes it.
func (v *Virtual) View(name string) (federation.Options, error) {
	o := federation.Options{Name: name, Title: v.Title, Instructions: v.Instructions, Servers: make(map[string]federation.Selection, len(v.Servers))}
	for server, s := range v.Servers {
		selection := federation.Selection{All: s.Tools == nil && s.Prompts == nil && s.Resources == nil}
		for _, part := range []struct {
			patterns []string
			compile  func(string) (policy.Glob, error)
			globs    *[]policy.Glob
		}{
			{s.Tools, policy.NameGlob, &selection.Tools},
			{s.Prompts, policy.NameGlob, &selection.Prompts},
			{s.Resources, policy.URIGlob, &selection.Resources},
		} {
			for _, p := range part.patterns {
				g, err := part.compile(p)
				if err != nil {
					return o, fmt.Errorf("`%s`: %w", p, err)
				}
				*part.globs = append(*part.globs, g)
			}
		}
		o.Servers[server] = selection
	}
	for _, public := range slices.Sorted(maps.Keys(v.Tools)) {
		t := v.Tools[public]
		if _, ok := o.Servers[t.Server]; !ok {
			o.Servers[t.Server] = federation.Selection{}
		}
		o.Tools = append(o.Tools, federation.Tool{Name: public, Server: t.Server, Tool: t.Tool, Description: t.Description})
	}
	return o, nil
}

func (c *Config) checkVirtual() source.Diagnostics {
	var ds source.Diagnostics
	if len(c.Servers) > 1 {
		for key := range c.node.Get("servers").Fields() {
			if name := key.Text().Value; serverName.MatchString(name) && !federation.ServerName(name) {
				ds = append(ds, key.Pos().Warn("SP1107", fmt.Sprintf("server `%s` is not among those at /mcp", name),
					"its name stands before those of its tools there, and so must not hold `__` or end in `_`"))
			}
		}
	}
	for key, n := range c.node.Get("virtual").Fields() {
		name := key.Text().Value
		if _, taken := c.Servers[name]; taken {
			ds = append(ds, one(key, "SP1119", fmt.Sprintf("there is a server `%s` already", name), "both would be at /mcp/"+name+"; choose another name")...)
		}
		if !serverName.MatchString(name) || len(name) > maxServerName {
			ds = append(ds, one(key, "SP1107", fmt.Sprintf("`%s` is not a valid name for a virtual server", shown(key)),
				fmt.Sprintf("it is part of the URL /mcp/NAME: lower-case letters, digits, `_` and `-`; at most %d", maxServerName))...)
		}
		if n.Kind() == source.Map {
			v := c.Virtual[name]
			ds = append(ds, c.checkView(&v, key, n)...)
		}
	}
	return ds
}

// checkView checks the virtual server that stands at n.
func (c *Config) checkView(v *Virtual, key, n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	if len(v.Servers) == 0 && len(v.Tools) == 0 {
		return one(key, "SP1119", fmt.Sprintf("virtual server `%s` selects nothing", shown(key)), "add `servers` or `tools`")
	}
	for server, at := range n.Get("servers").Fields() {
		ds = append(ds, c.checkMember(server.Text().Value, server)...)
		for _, list := range []string{"tools", "prompts", "resources"} {
			ds = append(ds, checkGlobs(at.Get(list), list == "resources")...)
		}
	}
	for _, at := range n.Get("tools").Fields() {
		if s := at.Get("server"); s.Kind() == source.String {
			ds = append(ds, c.checkMember(s.Text().Value, s)...)
		}
	}
	if ds.HasErrors() {
		return ds
	}
	o, err := v.View(key.Text().Value)
	if err != nil {
		return one(key, "SP1119", err.Error(), "")
	}
	return checkTools(o, n.Get("tools"))
}

// checkMember checks the name of a server that is selected.
func (c *Config) checkMember(name string, at *source.Node) source.Diagnostics {
	if _, ok := c.Servers[name]; !ok {
		help := "it must be one of `servers`"
		if known, ok := source.Suggest(name, slices.Sorted(maps.Keys(c.Servers))); ok {
			help = fmt.Sprintf("did you mean `%s`?", known)
		}
		return one(at, "SP1119", fmt.Sprintf("there is no server `%s`", shown(at)), help)
	}
	if !federation.ServerName(name) {
		return one(at, "SP1119", fmt.Sprintf("server `%s` can't be part of a virtual server", name),
			"its name stands before those of its tools there, and so must not hold `__` or end in `_`")
	}
	return nil
}

func checkGlobs(n *source.Node, uri bool) source.Diagnostics {
	var ds source.Diagnostics
	compile := policy.NameGlob
	if uri {
		compile = policy.URIGlob
	}
	if n.Kind() != source.List {
		return nil
	}
	for i := range n.Len() {
		at := n.Index(i)
		if _, err := compile(at.Text().Value); err != nil && at.Kind() == source.String {
			ds = append(ds, one(at, "SP1119", fmt.Sprintf("`%s` is not a pattern: %v", shown(at), err), "")...)
		}
	}
	return ds
}

// checkTools says which names could mean two things.
func checkTools(o federation.Options, n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	all := o.Tools
	o.Tools = nil
	for _, t := range all {
		next := o
		next.Tools = append(slices.Clone(o.Tools), t)
		if _, err := federation.New(next); err != nil {
			ds = append(ds, one(n.Key(t.Name), "SP1119", err.Error(), "a name must mean one tool, and a tool have one name")...)
			continue
		}
		o = next
	}
	return ds
}
