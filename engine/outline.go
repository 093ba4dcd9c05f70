package engine

import (
	"slices"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// Outline is what cases for a rule can be made of: what it is about, what it reads, and the constants that it compares that with.
type Outline struct {
	Rule  *Rule
	Phase Phase
	About Subjects // it says nothing of messages that are not about these
	// The globs of its policy; nil is all.
	Methods, Servers, Tools, Prompts, Resources []string

	Fields    []string
	Constants []Constant
}

// Subjects are what a message is about: a tool, a resource, a prompt.
type Subjects = condition.Subjects

// Constant is a value that a rule compares what it reads with.
type Constant = condition.Constant

// Outlines describes the rules, in order.
func (s *Snapshot) Outlines() []Outline {
	if s == nil {
		return nil
	}
	out := make([]Outline, 0, len(s.all))
	for _, r := range s.all {
		o := Outline{
			Rule: &r.Rule, Phase: r.phase, About: r.needs, Fields: slices.Clone(r.fields),
			Methods: r.match.methods.texts(), Servers: r.match.servers.texts(), Tools: r.match.tools.texts(), Prompts: r.match.prompts.texts(), Resources: r.match.resources.texts(),
		}
		if r.when != nil {
			o.Constants = r.when.Constants()
		}
		out = append(out, o)
	}
	return out
}

func (gs globs) texts() []string {
	if gs == nil {
		return nil
	}
	out := make([]string, len(gs))
	for i, g := range gs {
		out[i] = g.String()
	}
	return out
}

// Rules lists the rules that applied to the message, in order. They are shared, and not to be changed.
func (d *Decision) Rules() []*Rule {
	var out []*Rule
	for r := range d.considered.each {
		out = append(out, &r.Rule)
	}
	return out
}
