package enginetest

import (
	"context"
	"errors"
	"slices"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// Mutation is what became of policies with one mistake made in them on purpose. A mutant that no case fails for survives: what was
// changed there is not tested.
type Mutation struct {
	Killed    int      `json:"killed"`
	Survivors []Mutant `json:"survivors,omitempty"`
}

// Mutant is a policy with one mistake.
type Mutant struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Of     string `json:"of"`   // the rule, POLICY/RULE, the policy or the variable
	What   string `json:"what"` // "without `args.limit < 10`"

	policy *policy.Policy // as it was
	mutant *policy.Policy
}

// mutate makes the mutants of every policy, and runs on each the cases of the suites that the policy decides.
func (r *runner) mutate(ctx context.Context, suites []*Suite) (*Mutation, error) {
	env, err := condition.New(condition.Options{})
	if err != nil {
		return nil, err
	}
	out := &Mutation{}
	done := map[string]bool{}
	for _, b := range r.bundles {
		for _, p := range b.Policies {
			if done[p.File+"\n"+p.Name] {
				continue
			}
			done[p.File+"\n"+p.Name] = true
			for _, m := range mutants(ctx, env, p) {
				killed, valid := r.kills(ctx, suites, &m)
				switch {
				case ctx.Err() != nil:
					return nil, ctx.Err()
				case killed:
					out.Killed++
				case valid:
					out.Survivors = append(out.Survivors, m)
				}
			}
		}
	}
	return out, nil
}

// kills says whether a case fails for the mutant, and whether there is such a policy at all: one that doesn't compile can't be deployed.
func (r *runner) kills(ctx context.Context, suites []*Suite, m *Mutant) (killed, valid bool) {
	for i, b := range r.bundles {
		at := slices.IndexFunc(b.Policies, func(p *policy.Policy) bool { return p.File == m.policy.File && p.Name == m.policy.Name })
		if at < 0 {
			continue
		}
		changed := *b
		changed.Policies = slices.Clone(b.Policies)
		changed.Policies[at] = m.mutant
		s, err := engine.Compile(ctx, &changed, engine.Options{Plugins: r.host, Previous: r.snapshots[i], Lacking: suites[i].named.lacking()})
		if err != nil {
			continue
		}
		valid = true
		killed = slices.ContainsFunc(r.selected(suites[i]), func(c *single) bool { return len(c.run(ctx, s).Differences) > 0 })
		s.Close() //nolint:contextcheck // closing is not to be cancelled
		if killed {
			return true, true
		}
	}
	return false, valid
}

// mutants makes one change each: a rule deleted, a condition negated, loosened or slightly wrong, a match without one of its lists. Rules
// in shadow decide nothing, and are left alone.
func mutants(ctx context.Context, env *condition.Env, p *policy.Policy) []Mutant {
	var out []Mutant
	add := func(pos source.Pos, of, what string, change func(*policy.Policy)) {
		q := *p
		q.Rules, q.Variables = slices.Clone(p.Rules), slices.Clone(p.Variables)
		change(&q)
		out = append(out, Mutant{File: p.File, Line: pos.Line, Column: pos.Column, Of: of, What: what, policy: p, mutant: &q})
	}
	if slices.ContainsFunc(p.Rules, func(r policy.Rule) bool { return !r.Shadow }) {
		matches(p, aboutTools(ctx, env, p), add)
		for i, v := range p.Variables {
			for _, m := range env.Mutants(v.Expression) {
				add(source.Pos{Line: m.Line, Column: m.Column}, p.Name+": variables."+v.Name, m.What, func(q *policy.Policy) { q.Variables[i].Expression = source.NewText(m.Text) })
			}
		}
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Shadow {
			continue
		}
		of := p.ID(r)
		add(r.At(), of, "deleted", func(q *policy.Policy) { q.Rules = slices.Delete(q.Rules, i, i+1) })
		if r.When.IsZero() {
			continue
		}
		if !refusedAnyway(env, p, r) {
			add(r.At("when"), of, "without its condition", func(q *policy.Policy) { q.Rules[i].When = source.Text{} })
		}
		for _, m := range env.Mutants(r.When) {
			add(source.Pos{Line: m.Line, Column: m.Column}, of, m.What, func(q *policy.Policy) { q.Rules[i].When = source.NewText(m.Text) })
		}
	}
	return out
}

// refusedAnyway says that a rule of the same policy denies, or holds for a human, whatever the condition of r doesn't allow: that overrides,
// so without its condition r says nothing else than with it. Policies are written so that no rule rests on the other, and to say why.
func refusedAnyway(env *condition.Env, p *policy.Policy, r *policy.Rule) bool {
	return r.Effect == policy.Allow && r.Plugin == "" && slices.ContainsFunc(p.Rules, func(q policy.Rule) bool {
		return q.Effect != policy.Allow && q.Plugin == "" && !q.Shadow && q.Phase == r.Phase && env.Opposite(r.When, q.When)
	})
}

// aboutTools says that no rule says anything of a message without a tool, whatever its match says: it reads the tool before anything else.
func aboutTools(ctx context.Context, env *condition.Env, p *policy.Policy) bool {
	if p.Match.Tools != nil {
		return true
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		vs := env.NewVariables(r.Phase == policy.Response)
		for _, v := range p.Variables {
			_ = vs.Add(v.Name, v.Expression) // what is wrong with it, compiling the policy has said
		}
		c, _ := env.Compile(r.When, condition.Bool, vs)
		if c == nil || !asksForTool(ctx, env, c, vs) {
			return false
		}
	}
	return true
}

// asksForTool says that a condition fails, for want of a tool, on a message that is about nothing.
func asksForTool(ctx context.Context, env *condition.Env, c *condition.Condition, vs *condition.Variables) bool {
	f := env.NewFrame()
	defer f.Close()
	f.Input = condition.Input{Method: "ping"}
	f.Open(ctx)
	f.SetVariables(vs)
	_, err := c.Test(f)
	absent, ok := errors.AsType[*condition.AbsentError](err)
	return ok && absent.Subject&condition.Tool != 0
}

// matches drops one list each. Without its methods a policy that is about tools says the same.
func matches(p *policy.Policy, tools bool, add func(source.Pos, string, string, func(*policy.Policy))) {
	for _, list := range []struct {
		name string
		of   func(*policy.Policy) *[]string
	}{
		{"servers", func(q *policy.Policy) *[]string { return &q.Match.Servers }},
		{"methods", func(q *policy.Policy) *[]string { return &q.Match.Methods }},
		{"tools", func(q *policy.Policy) *[]string { return &q.Match.Tools }},
		{"prompts", func(q *policy.Policy) *[]string { return &q.Match.Prompts }},
		{"resources", func(q *policy.Policy) *[]string { return &q.Match.Resources }},
	} {
		if *list.of(p) != nil && (list.name != "methods" || !tools) {
			add(p.At("match", list.name), p.Name, "without `match."+list.name+"`", func(q *policy.Policy) { *list.of(q) = nil })
		}
	}
}
