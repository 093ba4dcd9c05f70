// Package policy is the source form of a policy: parsed, placed and validated. It knows nothing of how conditions are evaluated.
package policy

import "github.com/sallyport-dev/sallyport/engine/source"

// Policy is one `kind: Policy` document. It is immutable once parsed.
type Policy struct {
	File        string
	Name        string
	Owner       string
	Description string
	Annotations map[string]string
	Env         string // the named CEL environment that Variables and Rules are written for, one of Envs
	Match       Match
	Shadow      bool // enforcement: shadow, for the rules that don't say theirs
	Variables   []Variable
	Rules       []Rule

	node *source.Node
}

// Match narrows what a policy is asked about. Each list holds globs (see Glob); nil matches everything, and
// a request that has no such name (a tool, say) is matched only by nil.
type Match struct {
	Servers   []string
	Methods   []string
	Tools     []string
	Prompts   []string
	Resources []string
	Phase     Phase // the phase of rules that don't say theirs
}

// Variable is a named expression; a variable sees those defined before it.
type Variable struct {
	Name       string
	Expression source.Text
}

// Rule is one rule of a policy.
type Rule struct {
	Name    string
	Phase   Phase
	When    source.Text // the condition; the zero Text means always
	Effect  Effect      // of a rule without a plugin
	Plugin  string      // the name of the plugin that says the effect; "" for none
	Config  []byte      // its settings as a JSON object; nil for none
	Grant   []string    // the capabilities that it is given
	Reason  string      // stable, for machines; empty when the author gave none
	Message source.Text // an expression that yields the text for people; zero when absent
	Shadow  bool        // evaluated and recorded, never enforced

	node *source.Node
}

// Phase says which message of a call a rule judges.
type Phase uint8

// The phases.
const (
	Request Phase = iota
	Response
)

// String returns the phase as policies spell it.
func (p Phase) String() string {
	if p == Response {
		return "response"
	}
	return "request"
}

// Effect is what a rule says of a message that it applies to. The zero Effect denies.
type Effect uint8

// The effects, strongest first.
const (
	Deny Effect = iota
	Approve
	Allow
)

// String returns the effect as policies spell it.
func (e Effect) String() string {
	switch e {
	case Approve:
		return "approve"
	case Allow:
		return "allow"
	case Deny:
	}
	return "deny"
}

// ID returns the rule's id within p: "policy/rule".
func (p *Policy) ID(r *Rule) string { return p.Name + "/" + r.Name }

// At returns the place of a field of the document by its path, such as At("match", "methods"). A path that the document doesn't have
// gives the place of the deepest field that it has.
func (p *Policy) At(path ...string) source.Pos { return p.node.Find(path...).Pos() }

// At returns the place of a field of the rule, such as At("effect"); without a path, of the rule itself.
func (r *Rule) At(path ...string) source.Pos { return r.node.Find(path...).Pos() }

// Texts calls visit with every text of the document as its file spells it: expressions, names, settings of plugins.
func (p *Policy) Texts(visit func(source.Text)) {
	p.node.Walk(func(n *source.Node) {
		if n.Kind() == source.String {
			visit(n.Text())
		}
	})
}
