package engine

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

type glob = policy.Glob

// compiler gathers the rules of a snapshot, and everything that is wrong with them.
type compiler struct {
	env     *condition.Env
	options Options
	rules   [2][]*rule // request, response
	order   int
	fields  map[string][]string // lists of fields that rules read
	found   source.Diagnostics
	wanted  []wanted              // rules that call plugins
	plugins []*plugin             // that are loaded
	modules map[digest]*wasm.Info // that were read
	given   given
	before  map[part]*condition.Condition // of the snapshot before
	parts   map[part]*condition.Condition // of this one
	lock    *toolset.Lock                 // nil: nothing is known of tools
}

func (c *compiler) policy(p *policy.Policy) {
	m, ok := c.match(p)
	if !ok {
		return // policy.Parse has reported the globs
	}
	about := c.scope(p, m)
	phases := [2]*condition.Variables{}
	for i := range p.Rules {
		r := &p.Rules[i]
		phase := phaseIndex(r.Phase)
		if phases[phase] == nil {
			phases[phase] = c.variables(p, phase == 1)
			c.typeVariables(about, phases[phase])
		}
		c.options.pause()
		out := c.rule(p, r, m, phases[phase])
		c.typeRule(about, phases[phase], out.when, out.message)
	}
	for _, vs := range phases {
		vs.Seal()
	}
}

// variables compiles the variables of a policy for a phase.
func (c *compiler) variables(p *policy.Policy, response bool) *condition.Variables {
	vs := c.env.NewVariables(response)
	for _, v := range p.Variables {
		c.variable(vs, v.Name, v.Expression)
	}
	return vs
}

func (c *compiler) rule(p *policy.Policy, r *policy.Rule, m *match, vs *condition.Variables) *rule {
	at := r.At()
	out := &rule{
		Rule:  Rule{Policy: p.Name, Name: r.Name, File: at.File, Line: at.Line},
		order: c.order, effect: r.Effect, reason: r.Reason, shadow: r.Shadow, variables: vs, match: m, plain: m.plain(), phase: r.Phase,
	}
	c.order++
	if !r.When.IsZero() {
		out.when = c.expression(r.When, condition.Bool, vs)
	}
	if !r.Message.IsZero() {
		out.message = c.expression(r.Message, condition.Text, vs)
	}
	if out.when != nil {
		out.needs, out.guard = out.when.Subjects(), out.when.Guard()
		out.fields = out.when.Reads()
		c.checkScope(p, r, out.needs)
	}
	out.cost = costOf(out.when)
	if out.message != nil {
		out.fields = union(slices.Concat(out.fields, out.message.Reads()))
	}
	out.fields = c.shared(out.fields)
	if r.Plugin != "" {
		c.wanted = append(c.wanted, wanted{source: r, rule: out})
	}
	phase := phaseIndex(r.Phase)
	c.rules[phase] = append(c.rules[phase], out)
	return out
}

// shared gives the one list that all rules reading the same fields have: they are compared by place.
func (c *compiler) shared(fields []string) []string {
	key := strings.Join(fields, "\x00")
	if known, ok := c.fields[key]; ok {
		return known
	}
	if c.fields == nil {
		c.fields = make(map[string][]string)
	}
	c.fields[key] = fields
	return fields
}

// match compiles the globs of a policy.
func (c *compiler) match(p *policy.Policy) (*match, bool) {
	valid := true
	list := func(patterns []string, compile func(string) (glob, error)) globs {
		if patterns == nil {
			return nil
		}
		if len(patterns) == 0 { // neither everything nor nothing is a safe guess
			valid = false
			c.invalid(p, "", errors.New("the list is empty"))
		}
		out := make(globs, 0, len(patterns))
		for _, pattern := range patterns {
			g, err := compile(pattern)
			if err != nil {
				valid = false
				c.invalid(p, pattern, err)
				continue
			}
			out = append(out, g)
		}
		return out
	}
	m := &match{
		servers: list(p.Match.Servers, policy.NameGlob), methods: list(p.Match.Methods, policy.NameGlob),
		tools: list(p.Match.Tools, policy.NameGlob), prompts: list(p.Match.Prompts, policy.NameGlob),
		resources: list(p.Match.Resources, policy.URIGlob),
	}
	return m, valid
}

// invalid makes sure that a glob that is none is an error, for policies that did not come
// from policy.Parse, which reports it with its place.
func (c *compiler) invalid(p *policy.Policy, pattern string, err error) {
	if !c.found.HasErrors() {
		c.found = append(c.found, p.At("match").Diagnose("SP3006", fmt.Sprintf("`%s` is not a valid glob: %s", pattern, err), ""))
	}
}

// checkServers warns of globs that match no configured server.
func (c *compiler) checkServers(p *policy.Policy, m *match) {
	if c.options.Servers == nil {
		return
	}
	for i, g := range m.servers {
		if slices.ContainsFunc(c.options.Servers, g.Match) {
			continue
		}
		help := "no server is configured"
		if len(c.options.Servers) > 0 {
			help = "the servers are: " + strings.Join(c.options.Servers, ", ")
		}
		if s, ok := source.Suggest(g.String(), c.options.Servers); ok {
			help = fmt.Sprintf("did you mean `%s`?", s)
		}
		c.found = append(c.found, p.At("match", "servers", strconv.Itoa(i)).Warn("SP3012",
			fmt.Sprintf("no server matches `%s`", g), help))
	}
}

// checkScope reports a condition about something that no method of the match has.
func (c *compiler) checkScope(p *policy.Policy, r *policy.Rule, needs condition.Subjects) {
	const answers = condition.Success | condition.Failure
	if needs&answers == answers {
		c.found = append(c.found, r.When.Pos().Diagnose("SP2010", "the rule can never apply: no answer is both a result and an error", "split it into two rules"))
		return
	}
	if needs &^= answers; needs == 0 {
		return
	}
	methods := policy.Methods()
	for _, pattern := range p.Match.Methods {
		if g, err := policy.NameGlob(pattern); err == nil && !slices.ContainsFunc(methods, g.Match) {
			return // a method of some server's own may be about anything
		}
	}
	for _, method := range methods {
		if condition.MaySubjects(method)&needs == needs && methodMatches(p, method) {
			return
		}
	}
	message := fmt.Sprintf("the rule can never apply: it is about a %s, and no method of its match is", needs)
	help := "match a method that is, such as " + example(needs)
	if p.Match.Methods == nil {
		message = fmt.Sprintf("the rule can never apply: no message is about a %s at once", needs)
		help = "split it into two rules"
	}
	at := r.When.Pos()
	c.found = append(c.found, at.Diagnose("SP2010", message, help))
}

func methodMatches(p *policy.Policy, method string) bool {
	if p.Match.Methods == nil {
		return true
	}
	return slices.ContainsFunc(p.Match.Methods, func(pattern string) bool {
		g, err := policy.NameGlob(pattern)
		return err == nil && g.Match(method)
	})
}

func example(needs condition.Subjects) string {
	switch {
	case needs&condition.Tool != 0:
		return "tools/call"
	case needs&condition.Resource != 0:
		return "resources/read"
	}
	return "prompts/get"
}
