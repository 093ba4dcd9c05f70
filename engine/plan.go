package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// Formula says when something holds, as a CEL expression over what is not known yet. The zero Formula never holds.
type Formula = condition.Formula

// Plan says what would be decided of messages of which not everything is known.
type Plan struct {
	Allow   Formula // when they are allowed
	Approve Formula // when they are allowed once a human approves

	// Why they never are, if they never are: the rule that denies all of them, nil if none does, and its reason.
	Rule   *Rule
	Reason string
	Cause  error // the failure of the rule

	Rules    []*Rule         // those that say when, in rule order
	Plugins  []PlannedPlugin // those that may refuse, or change, what the rules allow
	Revision string
}

// PlannedPlugin is a plugin that would be asked.
type PlannedPlugin struct {
	Rule *Rule
	Name string
	When Formula // it is asked then
}

// Verdict is what a plan comes to in one word.
type Verdict string

// The verdicts.
const (
	VerdictAlways   Verdict = "always"   // every such message is allowed
	VerdictIf       Verdict = "if"       // it depends
	VerdictApproval Verdict = "approval" // every one needs approval, and none is denied
	VerdictNever    Verdict = "never"
)

// Verdict says what the plan comes to, plugins apart.
func (p *Plan) Verdict() Verdict {
	switch {
	case p.Allow.IsAlways():
		return VerdictAlways
	case p.Allow.IsNever() && p.Approve.IsNever():
		return VerdictNever
	case p.Approve.IsAlways():
		return VerdictApproval
	}
	return VerdictIf
}

// UnknownFields lists fields that are not known, by canonical names: "args" is all arguments, "args.path" one of them, "principal"
// everything about the caller. A field that can be read by another name too is unknown by all of them.
type UnknownFields = condition.UnknownFields

// Plan decides a message of which some fields are not known: it says for which values of them Decide would allow it. What the message
// is called must be known: method, server, tool, prompt and resource. But mcp.resource.uri may be unknown, of a resource template: Resource is
// then what it begins with. mask may be nil; the values that it hides are left to the names of their fields.
//
// It is Decide by the same rules, evaluated in part: where Allow holds of the values Decide allows, and where it doesn't Decide does
// not. Two things are not foreseen. Plugins are not asked. And a condition that runs over a limit (of cost, or of the size of what it
// looks into) for some values denies, whatever the plan says; so does a rule that joins something that the message is not about, such as
// a prompt, to something unknown by ||, in some cases in which the plan expects it to deny and it does not.
func (s *Snapshot) Plan(ctx context.Context, r *Request, unknown UnknownFields, mask Mask) (p Plan) {
	if s == nil {
		return Plan{Reason: ReasonNoPolicy}
	}
	if r == nil {
		return Plan{Reason: ReasonNoRuleMatched, Revision: s.revision}
	}
	// As in decide: a mistake of the engine's own promises nothing.
	defer func() {
		if x := recover(); x != nil {
			p = Plan{Reason: ReasonEvaluationError, Cause: fmt.Errorf("internal error: %v", x), Revision: s.revision}
		}
	}()
	if s.pins != nil {
		if d, _, denied := s.pins.deny(s, r); denied {
			return Plan{Reason: d.Reason, Revision: s.revision}
		}
	}
	frame := s.env.NewFrame()
	defer frame.Close()
	r.fill(&frame.Input)
	plan := planning{frame: frame, unknown: aliases(unknown), mask: mask, template: slices.Contains(unknown, uriField)}
	if plan.template {
		plan.beginning, frame.Input.Resource = r.Resource, ""
	}
	frame.Open(ctx)
	rules, _ := s.phases[phaseIndex(r.Phase)].candidates(nil, &frame.Input, frame.Subjects(), plan.template)
	for _, rule := range rules {
		if !rule.shadow {
			plan.add(rule)
		}
	}
	p = plan.conclude(r.defaultAllows())
	p.Revision = s.revision
	return p
}

// planning combines what rules say of messages as evaluation does for one.
type planning struct {
	frame   *condition.Frame
	unknown UnknownFields
	mask    Mask

	template  bool   // the URI is not known
	beginning string // what it begins with then

	allows   []Formula // one of which must hold
	approves []Formula // one of which makes approval needed
	silent   []Formula // all of which must hold for nothing to need approval: no rule wants it
	lets     []Formula // all of which must hold for nothing to be denied
	deny     *rule     // the first that denies whatever comes
	denied   error     // if it is its failure
	failed   error     // the first failure of a rule that would have allowed
	rules    []*Rule
	plugins  []PlannedPlugin
}

func (p *planning) add(r *rule) {
	is := condition.Residual{True: condition.Always()}
	if r.when != nil {
		p.frame.SetVariables(r.variables)
		is = r.when.Residual(p.frame, p.unknown, p.mask)
	}
	if p.template {
		is = p.where(r.match.resources, is)
	}
	quiet := condition.Some(is.False, is.Absent) // it says nothing, and hasn't failed
	switch {
	case r.plugin != nil:
		p.lets = append(p.lets, condition.Some(is.True, quiet)) // it is not asked, or passes
		if !is.True.IsNever() {
			p.plugins = append(p.plugins, PlannedPlugin{Rule: &r.Rule, Name: r.plugin.info.Manifest.Name, When: is.True})
		}
	case r.effect == Allow:
		p.allows = append(p.allows, is.True)
		if is.Err != nil && is.Absent.IsNever() && p.failed == nil {
			p.failed = &RuleError{Rule: &r.Rule, Err: is.Err}
		}
	case r.effect == Approve:
		p.approves, p.silent = append(p.approves, is.True), append(p.silent, quiet)
		p.lets = append(p.lets, condition.Some(is.True, quiet))
	default:
		p.lets = append(p.lets, quiet)
	}
	p.note(r, is, quiet)
}

// note keeps in mind what a rule is to be named for.
func (p *planning) note(r *rule, is condition.Residual, quiet Formula) {
	stops := r.effect != Allow && quiet.IsNever() && (r.effect == Deny && r.plugin == nil || is.True.IsNever())
	if stops && p.deny == nil {
		p.deny, p.denied = r, is.Err
	}
	if !is.True.IsAlways() && !quiet.IsAlways() && (!is.True.IsNever() || r.effect != Allow) {
		p.rules = append(p.rules, &r.Rule)
	}
}

func (p *planning) conclude(byDefault bool) Plan {
	if byDefault {
		p.allows = append(p.allows, condition.Always())
	}
	let := condition.All(p.lets...)
	out := Plan{
		Allow:   condition.All(condition.Some(p.allows...), condition.All(p.silent...), let),
		Approve: condition.All(condition.Some(p.approves...), let),
		Rules:   p.rules, Plugins: p.plugins,
	}
	if out.Verdict() != VerdictNever {
		return out
	}
	out.Plugins = nil
	switch {
	case p.deny != nil && p.denied != nil:
		out.Rule, out.Reason = &p.deny.Rule, reasonOf(p.denied)
		out.Cause = &RuleError{Rule: out.Rule, Err: p.denied}
	case p.deny != nil:
		out.Rule, out.Reason = &p.deny.Rule, p.deny.outcome()
	default:
		out.Reason, out.Cause = ReasonNoRuleMatched, p.failed
	}
	return out
}

// claimsOf are the claims that fields of the principal are made of.
var claimsOf = map[string][]string{
	"principal.id": {"sub"}, "principal.issuer": {"iss"}, "principal.groups": {"groups"},
	"principal.roles": {"roles", "realm_access.roles"}, "principal.scopes": {"scope", "scp"},
}

// aliases adds to fields the other names that they can be read by.
func aliases(fields UnknownFields) UnknownFields {
	all := slices.Clone(fields)
	for _, f := range fields {
		if f == uriField {
			all = append(all, "params.uri")
		}
		if f == "principal" {
			all = append(all, "jwt", "apiKey")
			continue
		}
		for _, group := range [][]string{{"args", "params.arguments"}, {"jwt", "principal.claims", "apiKey.claims"}} {
			for _, root := range group {
				if within(f, root) {
					for _, other := range group {
						all = append(all, other+f[len(root):])
					}
				}
			}
		}
		for _, claim := range claimsOf[f] {
			all = append(all, "jwt."+claim, "principal.claims."+claim, "apiKey.claims."+claim)
		}
		for name, claims := range claimsOf {
			for _, claim := range claims {
				for _, root := range []string{"jwt", "principal.claims", "apiKey.claims"} {
					if within(f, root+"."+claim) || within(root+"."+claim, f) {
						all = append(all, name)
					}
				}
			}
		}
	}
	return all
}
