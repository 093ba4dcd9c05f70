package engine

import (
	"context"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// Mask hides secrets from an explanation: it is given each value as it would be shown, with
// the canonical name that it was read by ("args.token"; "" if it was computed), and returns
// what to show.
type Mask = condition.Mask

// Explanation is a decision with all that it took to come to it. What that was is told by Rules and Text, for as long as what the
// Request is made of stays as it is. It is not safe for concurrent use.
type Explanation struct {
	Decision Decision

	frame *condition.Frame // in which everything was evaluated; nil: nothing was
	mask  Mask
}

// ExplainedRule is what one rule says of a message.
type ExplainedRule struct {
	Rule    *Rule  `json:"rule"`
	Effect  string `json:"effect"` // that it has if it matches; "plugin NAME" if a plugin says it
	Shadow  bool   `json:"shadow,omitempty"`
	Matched bool   `json:"matched"`
	// Outside says that the rule is about something that the message does not have.
	Outside   bool                   `json:"outside,omitempty"`
	Error     string                 `json:"error,omitempty"`
	Condition *condition.Explanation `json:"condition,omitempty"` // nil: the rule has none
	// Variables are those that the condition or the message can read, by name.
	Variables []ExplainedVariable `json:"variables,omitempty"`
}

// ExplainedVariable is the value of a policy's variable.
type ExplainedVariable struct {
	Name string `json:"name"`
	condition.Explanation
}

// Explain decides a message as Decide does, but for plugins, which it does not ask, and keeps the value of each part of every condition
// that was considered, in the rules that no more could change the decision too. mask may be nil. It is for people: what to evaluate so
// is made when it is first asked for.
func (s *Snapshot) Explain(ctx context.Context, r *Request, mask Mask) Explanation {
	if s == nil || r == nil {
		return Explanation{Decision: s.decide(ctx, r, again)}
	}
	x := Explanation{frame: s.env.NewFrame(), mask: mask}
	x.frame.Trace()
	s.decideIn(ctx, r, again, x.frame, nil, &x.Decision)
	for rule := range x.Decision.considered.each {
		if rule.when != nil {
			x.frame.SetVariables(rule.variables)
			_, _ = rule.when.Test(x.frame) // it is kept
		}
	}
	return x
}

// Rules are the rules that were considered, in their order, with what each said.
func (x Explanation) Rules() []ExplainedRule {
	var rules []ExplainedRule
	for rule := range x.Decision.considered.each {
		rules = append(rules, explainRule(x.frame, rule, x.mask))
	}
	return rules
}

func explainRule(frame *condition.Frame, r *rule, mask Mask) ExplainedRule {
	x := ExplainedRule{Rule: &r.Rule, Effect: r.effect.String(), Shadow: r.shadow, Matched: true}
	if r.plugin != nil {
		x.Effect = "plugin " + r.plugin.info.Manifest.Name
	}
	if r.when == nil {
		return x
	}
	frame.SetVariables(r.variables)
	e := evaluation{frame: frame}
	truth, err := r.when.Test(frame)
	x.Matched = err == nil && truth == condition.True
	if err != nil {
		_, failed := e.test(r)
		x.Outside = failed == nil
		x.Error = err.Error()
		if mask != nil {
			x.Error = mask("", x.Error)
		}
	}
	c := r.when.Explain(frame, mask)
	x.Condition = &c
	for _, v := range r.when.Variables() {
		x.Variables = append(x.Variables, ExplainedVariable{Name: v.Name, Explanation: v.Condition.Explain(frame, mask)})
	}
	return x
}

// Text draws the explanation for a terminal.
func (x Explanation) Text() string {
	var b strings.Builder
	b.WriteString(headline(x.Decision) + "\n")
	for _, r := range x.Rules() {
		b.WriteString("\n" + r.headline() + "\n")
		if r.Condition != nil {
			b.WriteString(indent(r.Condition.Text()))
		}
		for _, v := range r.Variables {
			b.WriteString("  where variables." + v.Name + " is\n" + indent(v.Text()))
		}
	}
	return b.String()
}

func headline(d Decision) string {
	s := d.Effect.String()
	if d.Rule != nil {
		s += " by " + d.Rule.ID()
	}
	if d.Reason != "" {
		s += ": " + d.Reason
	}
	if d.Cause != nil {
		s += " (" + d.Cause.Error() + ")"
	}
	return s
}

func (r ExplainedRule) headline() string {
	s := r.Rule.ID() + " (" + r.Effect
	if r.Shadow {
		s += ", shadow"
	}
	switch {
	case r.Outside:
		return s + ") is not about this message"
	case r.Error != "":
		return s + ") failed: " + r.Error
	case r.Matched:
		return s + ") matched"
	}
	return s + ") did not match"
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}
