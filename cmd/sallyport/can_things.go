package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
)

// thing is what policies may be asked about: a tool, a prompt, a resource, or a template of resources.
type thing struct {
	Kind         thingKind
	Server, Name string
	annotations  jsonscan.Value // of a tool; absent: not known
}

// thingKind is the word that stands before what is no tool.
type thingKind string

const (
	aTool     thingKind = "tool"
	aPrompt   thingKind = "prompt"
	aResource thingKind = "resource"
	aTemplate thingKind = "template"
)

// kinds are all of them, in the order in which they are told.
var kinds = []thingKind{aTool, aPrompt, aResource, aTemplate}

// spelt says of each kind that policies can spell out how it is asked for, and which globs of a match are about it.
var spelt = []struct {
	kind   thingKind
	method string
	globs  func(*policy.Match) []string
}{
	{aTool, "tools/call", func(m *policy.Match) []string { return m.Tools }},
	{aPrompt, "prompts/get", func(m *policy.Match) []string { return m.Prompts }},
	{aResource, "resources/read", func(m *policy.Match) []string { return m.Resources }},
}

// String is the thing as the command line names it.
func (t thing) String() string {
	if t.Kind == aTool {
		return t.Server + "/" + t.Name
	}
	return string(t.Kind) + ":" + t.Server + "/" + t.Name
}

// thingOf reads what the command line names: SERVER, SERVER/TOOL, or another kind of thing with its word before it. all says that it is a
// server alone, which stands for all that is known of it.
func thingOf(text string) (t thing, all bool) {
	t.Kind = aTool
	kind, rest, ok := strings.Cut(text, ":")
	for _, k := range kinds {
		if ok && kind == string(k) {
			t.Kind, text = k, rest
		}
	}
	server, name, one := strings.Cut(text, "/")
	t.Server, t.Name = server, name
	return t, !one && (!ok || t.Kind == aTool)
}

// request is how the thing is asked for, with what is not known of it.
func (t thing) request() (*engine.Request, engine.UnknownFields) {
	r := &engine.Request{Server: t.Server}
	unknown := engine.UnknownFields{"args", "params", "now", "source", "request.headers"}
	switch t.Kind {
	case aPrompt:
		r.Method, r.Prompt = "prompts/get", t.Name
	case aResource:
		r.Method, r.Resource = "resources/read", t.Name
	case aTemplate:
		r.Method = "resources/read"
		r.Resource, _, _ = strings.Cut(t.Name, "{") // what every URI of it begins with
		unknown = append(unknown, "mcp.resource.uri")
	case aTool:
		r.Method, r.Tool, r.Annotations = "tools/call", t.Name, t.annotations
		if !t.annotations.Exists() {
			unknown = append(unknown, "mcp.tool.annotations")
		}
	}
	return r, unknown
}

func inOrder(a, b thing) int {
	return cmp.Or(slices.Index(kinds, a.Kind)-slices.Index(kinds, b.Kind), strings.Compare(a.Server, b.Server), strings.Compare(a.Name, b.Name))
}

// knownThings are the tools that the lock has, and what policies name without wildcards: tools of servers that the lock doesn't have,
// prompts and resources, of each of the servers that the policy is about. servers are the config's, nil if there is none.
func knownThings(b *bundle.Bundle, servers []string) []thing {
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
	var all []thing
	for _, server := range servers {
		locked := b.Lock.Server(server)
		if locked != nil {
			for _, t := range locked.Tools {
				all = append(all, thing{Kind: aTool, Server: server, Name: t.Name, annotations: t.Annotations})
			}
		}
		for _, k := range spelt {
			if k.kind == aTool && locked != nil {
				continue
			}
			for _, name := range namedBy(b.Policies, server, k.method, k.globs) {
				all = append(all, thing{Kind: k.kind, Server: server, Name: name})
			}
		}
	}
	slices.SortFunc(all, inOrder)
	return slices.CompactFunc(all, func(a, b thing) bool { return inOrder(a, b) == 0 })
}

// namedBy are the names that policies about a server and a method spell out.
func namedBy(policies []*policy.Policy, server, method string, globs func(*policy.Match) []string) (names []string) {
	for _, p := range policies {
		if matches(p.Match.Servers, server) && matches(p.Match.Methods, method) {
			names = append(names, literals(globs(&p.Match))...)
		}
	}
	return names
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

// chosen are the things that are asked about: those named, a SERVER for all that are known of it, or all that are known.
func (a *asked) chosen(names []string) ([]thing, error) {
	if len(names) == 0 {
		if len(a.known) == 0 {
			return nil, failf(exitUsage, "no tool is known by name: name some as SERVER/TOOL")
		}
		return a.known, nil
	}
	var things []thing
	for _, name := range names {
		t, all := thingOf(name)
		if a.config != nil {
			if _, ok := a.config.Servers[t.Server]; !ok {
				return nil, failf(exitUsage, "no server is called %q: the config has %s", t.Server, strings.Join(serverNames(a.config), ", "))
			}
		}
		at := len(things)
		for _, k := range a.known {
			if k.Server == t.Server && (all || k.Kind == t.Kind && k.Name == t.Name) {
				things = append(things, k)
			}
		}
		switch {
		case len(things) > at:
		case all || t.Server == "" || t.Name == "":
			return nil, failf(exitUsage, "no tool of %q is known by name: name one as SERVER/TOOL", t.Server)
		case t.Kind == aTool && a.lock.Server(t.Server) != nil:
			return nil, failf(exitUsage, "server %q has no tool %q: %s doesn't have it", t.Server, t.Name, a.lock.File)
		default:
			things = append(things, t)
		}
	}
	return things, nil
}
