package engine

import (
	"slices"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
)

// rule is a compiled rule. The rules of a snapshot have an order: by the name of their
// policy, then as they stand in it. It decides which of several rules a decision names, and
// nothing else.
type rule struct {
	// What is looked at first stands together: of most rules nothing else is.
	order  int
	effect Effect
	shadow bool
	plain  bool               // the match is nothing but names: to stand under them in the index is to match
	needs  condition.Subjects // the rule cannot apply to a message that is not about these
	guard  condition.Guard    // of when
	plugin *plugin            // that says the effect; nil: the rule says it
	setup  string             // digest of the plugin as the rule has it
	match  *match
	when   *condition.Condition // nil: always

	Rule
	variables *condition.Variables
	reason    string
	message   *condition.Condition // nil: none
	fields    []string             // that it can read
	cost      int32                // of when, in nanoseconds
	phase     Phase
}

// match is a policy's match, compiled. nil globs match everything, and what they would match
// being absent.
type match struct {
	servers, methods, tools, prompts, resources globs
}

type globs []policy.Glob

func (gs globs) match(name string) bool {
	return gs == nil || slices.ContainsFunc(gs, func(g policy.Glob) bool { return g.Match(name) })
}

// literals returns the names that the globs match, if they match no others.
func (gs globs) literals() ([]string, bool) {
	if gs == nil {
		return nil, false
	}
	names := make([]string, 0, len(gs))
	for _, g := range gs {
		name, ok := g.Literal()
		if !ok {
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
}

// plain says that the match spells out every name that it asks for, of one kind at most.
func (m *match) plain() bool {
	named := 0
	for _, gs := range []globs{m.tools, m.prompts, m.resources} {
		if gs != nil {
			named++
		}
	}
	for _, gs := range []globs{m.servers, m.methods, m.tools, m.prompts, m.resources} {
		if _, ok := gs.literals(); gs != nil && !ok {
			return false
		}
	}
	return named <= 1
}

// appliesTo says whether a message is what the rule is about. blank is for listings: a
// resource that is not named yet may turn out to be any.
func (r *rule) appliesTo(in *condition.Input, about condition.Subjects, blank bool) bool {
	if r.needs&^about != 0 {
		return false
	}
	m := r.match
	return m.methods.match(in.Method) && m.servers.match(in.Server) &&
		named(m.tools, in.Tool, about&condition.Tool) &&
		named(m.prompts, in.Prompt, about&condition.Prompt) &&
		(blank && in.Resource == "" && about&condition.Resource != 0 ||
			named(m.resources, in.Resource, about&condition.Resource))
}

func named(gs globs, name string, about condition.Subjects) bool {
	return gs == nil || about != 0 && gs.match(name)
}
