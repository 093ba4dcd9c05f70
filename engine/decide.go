package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Decide decides one message. It doesn't fail: what cannot be decided is denied, and the
// Decision says why. A nil Snapshot and the zero Request are denied.
//
// A deny overrides an approve, an approve overrides an allow, and without either the message
// is denied, unless its DefaultAllow or its phase allow it. The order of rules, files and
// policies changes none of this; it only chooses which of several rules with the winning
// effect is named: the first by policy name, then by place in the policy.
//
// A rule is about the messages that have what it reads. One that reads args or mcp.tool, other
// than by asking has(mcp.tool), says nothing of a message without a tool, where it could only
// fail; likewise mcp.resource and mcp.prompt. Any other failure of a rule that could have
// denied denies.
func (s *Snapshot) Decide(ctx context.Context, r *Request) (d Decision) {
	s.decideIn(ctx, r, once, nil, nil, &d)
	return d
}

// Visible decides a request whose arguments (and, for a resource template, URI) are not known
// yet. What it denies, Decide denies whatever the arguments are; what Decide could allow for
// some arguments, it allows. An Approve means that no call is allowed without approval. List
// filters hide what is denied here, and answer a call of it as one of an unknown name.
func (s *Snapshot) Visible(ctx context.Context, r *Request) Decision {
	return s.decide(ctx, r, listing)
}

// purpose is what a decision is for.
type purpose uint8

const (
	once    purpose = iota // a message that is there
	listing                // calls to come, whose arguments are not known
	again                  // to say why it was decided so: no plugin is asked
)

func (s *Snapshot) decide(ctx context.Context, r *Request, why purpose) (d Decision) {
	s.decideIn(ctx, r, why, nil, nil, &d)
	return d
}

// decideIn decides in a frame, or in one of its own if that is nil, and with stand-ins unless they are nil. The decision, which is large,
// is made where it is wanted.
func (s *Snapshot) decideIn(ctx context.Context, r *Request, why purpose, frame *condition.Frame, with *StandIns, d *Decision) {
	if s == nil {
		d.Reason = ReasonNoPolicy
		return
	}
	if r == nil {
		d.Reason, d.Revision = ReasonNoRuleMatched, s.revision
		return
	}
	// What CEL runs is recovered there. This is for mistakes of the engine's own: the process
	// that embeds it must not die of one, and no message must pass by one.
	defer func() {
		if p := recover(); p != nil {
			*d = Decision{Reason: ReasonEvaluationError, Cause: fmt.Errorf("internal error: %v", p), Revision: s.revision}
		}
	}()
	var pinned []Outcome
	if s.pins != nil {
		var denied bool
		if *d, pinned, denied = s.pins.deny(s, r); denied {
			return
		}
	}
	if s.memory != nil && why == once && with == nil {
		s.recall(ctx, r, d)
	} else {
		e := newEvaluation()
		e.frame, e.with = frame, with
		*d = e.decide(ctx, s, r, why)
		e.free()
	}
	if pinned != nil {
		d.Shadow = append(pinned, d.Shadow...) // what d has may be remembered
	}
}

// evaluation is the state of one decision.
type evaluation struct {
	frame *condition.Frame
	blank bool
	rules []*rule // that apply, in order
	room  []*rule // for them
	asked []*rule // those of them that call a plugin

	deny, approve, allow *rule // the first of each that matched
	denied               error // why deny, if it is the failure of the rule
	maybe                *rule // the first that may approve or allow, for arguments not known
	failed               error // the first failure of a rule that would have allowed
	shadow               []Outcome

	found  bool // rules are those that apply, and shared says whose list they are
	shared bool

	with      *StandIns // nil: nothing stands in for anything
	plugins   []PluginOutcome
	said      *PluginOutcome // by the rule that denies or wants approval, if it calls a plugin
	rewritten jsonscan.Value
}

var evaluations = sync.Pool{New: func() any { return new(evaluation) }}

func newEvaluation() *evaluation {
	e, ok := evaluations.Get().(*evaluation)
	if !ok {
		e = new(evaluation)
	}
	return e
}

// free forgets all but room.
func (e *evaluation) free() {
	clear(e.room)
	clear(e.asked)
	room, asked := e.room[:0], e.asked[:0]
	*e = evaluation{} // cleared in place, as a literal of what is kept would not be
	e.room, e.asked = room, asked
	evaluations.Put(e)
}

func (e *evaluation) decide(ctx context.Context, s *Snapshot, r *Request, why purpose) Decision {
	blank := why == listing
	e.blank = blank
	if e.frame == nil {
		e.frame = s.env.NewFrame()
	}
	e.frame.Blank = blank
	r.fill(&e.frame.Input)
	e.frame.Open(ctx)
	if !e.found {
		e.find(s, r, &e.frame.Input, e.frame.Subjects())
	}
	for _, rule := range e.rules {
		if rule.plugin != nil {
			e.asked = append(e.asked, rule)
			continue
		}
		e.consider(rule)
	}
	if len(e.asked) > 0 && why == once {
		e.ask(ctx, s, r)
	}
	d := e.conclude(r)
	d.Plugins = e.plugins
	if d.Allowed() {
		d.Rewritten = e.rewritten
	}
	d.Revision = s.revision
	d.considered.set(e.rules, e.shared)
	e.frame.Close()
	return d
}

// find finds the rules that apply.
func (e *evaluation) find(s *Snapshot, r *Request, in *condition.Input, about condition.Subjects) {
	e.rules, e.shared = s.phases[phaseIndex(r.Phase)].candidates(e.room, in, about, e.blank)
	if !e.shared {
		e.room = e.rules
	}
	e.found = true
}

func phaseIndex(p Phase) int {
	if p == PhaseResponse {
		return 1
	}
	return 0
}

func (r *Request) fill(in *condition.Input) {
	in.Method, in.Server = r.Method, r.Server
	in.Tool, in.Prompt, in.Resource = r.Tool, r.Prompt, r.Resource
	in.Arguments, in.Params, in.Annotations = r.Arguments, r.Params, r.Annotations
	if r.Phase == PhaseResponse {
		in.Result, in.Error = r.Result, r.Error
	}
	in.Principal, in.Source, in.Header, in.Time = r.Principal, r.Source, r.Header, r.Time
}

// consider evaluates one rule, unless it can no longer change anything: something has denied, or it would only allow what is
// allowed or overridden already, or its guard excludes it. An approve is always looked at, for its failure denies; so are shadow rules.
func (e *evaluation) consider(r *rule) {
	if !r.shadow && (e.deny != nil || r.effect == Allow && (e.allow != nil || e.approve != nil)) {
		return
	}
	if e.frame.Excludes(r.guard) {
		return
	}
	truth, err := e.test(r)
	switch {
	case err != nil:
		e.fail(r, err)
	case truth == condition.False:
	case r.shadow:
		e.observe(r, truth)
	case truth == condition.Unknown:
		if r.effect != Deny && (e.maybe == nil || e.maybe.effect < r.effect) {
			e.maybe = r
		}
	default:
		e.match(r)
	}
}

// test evaluates the condition of a rule.
func (e *evaluation) test(r *rule) (condition.Truth, error) {
	truth, err := condition.True, error(nil)
	if r.when != nil {
		e.frame.SetVariables(r.variables)
		truth, err = r.when.Test(e.frame)
	}
	if err != nil {
		if _, ok := errors.AsType[*condition.AbsentError](err); ok {
			return condition.False, nil
		}
		if e.blank && dependsOnPath(err) {
			return condition.Unknown, nil
		}
		return condition.False, err
	}
	if truth == condition.True && e.blank && e.unsureOf(r) {
		return condition.Unknown, nil
	}
	return truth, nil
}

// unsureOf says that it is not known whether the rule applies: it is about some resources, and
// which one this is is not known.
func (e *evaluation) unsureOf(r *rule) bool {
	all := func(gs globs) bool {
		return gs == nil || slices.ContainsFunc(gs, func(g glob) bool { return g.All() })
	}
	return e.frame.Input.Resource == "" && e.frame.Subjects()&condition.Resource != 0 && !all(r.match.resources)
}

// dependsOnPath says of an error that a condition may have run into only because what it did
// not know kept it from stopping earlier.
func dependsOnPath(err error) bool {
	return errors.Is(err, condition.ErrCost) || errors.Is(err, condition.ErrInputTooLarge)
}

func (e *evaluation) match(r *rule) {
	switch {
	case r.effect == Deny && e.deny == nil:
		e.deny = r
	case r.effect == Approve && e.approve == nil:
		e.approve = r
	case r.effect == Allow && e.allow == nil:
		e.allow = r
	}
}

// fail takes note of a rule that could not be evaluated: unless it only could have allowed,
// it could have denied. In a listing it denies nothing if it may be about other resources.
func (e *evaluation) fail(r *rule, err error) {
	switch {
	case r.effect != Allow && e.blank && e.unsureOf(r):
	case r.shadow:
		e.shadow = append(e.shadow, Outcome{Rule: &r.Rule, Effect: Deny, Reason: reasonOf(err), Cause: err})
	case r.effect == Allow:
		if e.failed == nil {
			e.failed = &RuleError{Rule: &r.Rule, Err: err}
		}
	default:
		e.deny, e.denied = r, err
	}
}

// observe takes note of what a shadow rule would have done. In a listing it is nothing yet.
func (e *evaluation) observe(r *rule, truth condition.Truth) {
	if truth == condition.Unknown {
		return
	}
	e.shadow = append(e.shadow, Outcome{Rule: &r.Rule, Effect: r.effect, Reason: r.outcome()})
}

// conclude combines what the rules said.
func (e *evaluation) conclude(r *Request) Decision {
	d := Decision{Shadow: e.shadow}
	switch {
	case e.deny != nil && e.deny.plugin != nil && e.said != nil:
		d.Rule, d.Reason, d.Message, d.Cause = &e.deny.Rule, e.said.Code, e.said.Message, e.said.Cause
	case e.deny != nil && e.denied != nil:
		d.Rule, d.Reason = &e.deny.Rule, reasonOf(e.denied)
		d.Cause = &RuleError{Rule: d.Rule, Err: e.denied}
	case e.deny != nil:
		d.Rule, d.Reason, d.Message = &e.deny.Rule, e.deny.outcome(), e.message(e.deny)
	case e.approve != nil && e.approve.plugin != nil:
		d.Effect, d.Rule, d.Reason, d.Message = Approve, &e.approve.Rule, ReasonApprovalRequired, e.said.Message
	case e.approve != nil:
		d.Effect, d.Rule, d.Reason, d.Message = Approve, &e.approve.Rule, e.approve.outcome(), e.message(e.approve)
	case e.allow != nil:
		d.Effect, d.Rule, d.Reason = Allow, &e.allow.Rule, e.allow.reason
	case e.maybe != nil && e.maybe.effect == Allow:
		d.Effect, d.Rule, d.Reason = Allow, &e.maybe.Rule, e.maybe.reason
	case r.defaultAllows():
		d.Effect = Allow
	case e.maybe != nil:
		d.Effect, d.Rule, d.Reason = Approve, &e.maybe.Rule, e.maybe.outcome()
	default:
		d.Reason, d.Cause = ReasonNoRuleMatched, e.failed
	}
	return d
}

func (r *Request) defaultAllows() bool { return r.DefaultAllow || r.Phase == PhaseResponse }

// outcome is the reason that a rule gives.
func (r *rule) outcome() string {
	switch {
	case r.reason != "":
		return r.reason
	case r.effect == Approve:
		return ReasonApprovalRequired
	case r.effect == Deny:
		return ReasonDeniedByRule
	}
	return ""
}

// message evaluates what the winning rule has to say.
func (e *evaluation) message(r *rule) string {
	if r.message == nil || e.blank {
		return ""
	}
	e.frame.SetVariables(r.variables)
	text, err := r.message.Message(e.frame)
	if err != nil {
		return "denied by " + r.ID()
	}
	return text
}

// RuleError is why a rule could not be evaluated, in Cause (errors.As). What it wraps may be condition.ErrCost,
// condition.ErrInputTooLarge or condition.ErrInterrupted (errors.Is).
type RuleError struct {
	Rule *Rule
	Err  error
}

func (e *RuleError) Error() string { return e.Rule.ID() + ": " + e.Err.Error() }

// Unwrap returns the error without the rule.
func (e *RuleError) Unwrap() error { return e.Err }

// reasonOf returns the reason that stands for a failure.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, condition.ErrCost):
		return ReasonCostExceeded
	case errors.Is(err, condition.ErrInputTooLarge):
		return ReasonInputTooLarge
	case errors.Is(err, condition.ErrInterrupted):
		return ReasonInterrupted
	}
	return ReasonEvaluationError
}
