package foreign

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// This file reads agentgateway's mcpAuthorization: a list of conditions that allow, deny, or must hold. A deny denies; what must hold and
// doesn't, or fails, denies; then an allow allows. Without an allow the rest is allowed.

// agentWords are agentgateway's names in conditions.
var agentWords = vocabulary{
	names: map[string]string{
		"mcp.tool": "mcp.tool", "mcp.tool.name": "mcp.tool.name", "mcp.tool.target": "mcp.tool.target", "mcp.tool.arguments": "mcp.tool.arguments",
		"mcp.prompt": "mcp.prompt", "mcp.prompt.name": "mcp.prompt.name", "mcp.resource": "mcp.resource",
		"jwt": "jwt", "source.address": "source.address", "request.headers": "request.headers",
	},
	whole: []string{"mcp.tool", "mcp.tool.name", "mcp.tool.target", "mcp.prompt", "mcp.prompt.name", "mcp.resource", "source.address"},
	helps: map[string]string{
		"mcp.resource.name": "here it is mcp.resource.uri, the whole URI", "mcp.resource.target": "only tools have a target here",
		"mcp.prompt.target": "only tools have a target here",
	},
}

// agentMethods are those that agentgateway asks its rules about.
var agentMethods = []string{"tools/call", "prompts/get", "resources/read"}

func (r *reader) agentGateway(roots []*source.Node) {
	var found, beside []*source.Node
	for _, root := range roots {
		root.Walk(func(n *source.Node) {
			if at := n.Get("mcpAuthorization"); at != nil {
				found, beside = append(found, at), append(beside, n)
			}
		})
	}
	top := source.Pos{File: r.file, Line: 1, Column: 1, Width: 1}
	switch {
	case len(found) == 0:
		r.refuse(top, "there is no `mcpAuthorization`", "give the file that has it")
		return
	case len(found) > 1:
		r.refuse(found[1].Pos(), fmt.Sprintf("there is another `mcpAuthorization` on line %d", found[0].Pos().Line), "which calls each is about can't be said here: give a file with one of them at a time")
		return
	}
	r.known(found[0], "mcpAuthorization", "rules")
	rules := found[0].Get("rules")
	if rules == nil || rules.Kind() != source.List {
		r.refuse(found[0].Pos(), "`mcpAuthorization` has no list of `rules`", "")
		return
	}
	a := agentRules{reader: r, policy: policy{
		name: "agentgateway", methods: agentMethods,
		notes: []string{"mcp.tool.target is the server as the config names it: give servers the names of targets.", "A condition that fails in a rule that denies does deny here."},
	}}
	a.beside(beside[0])
	for i, n := range rules.Items() {
		a.rule(i+1, n)
	}
	a.finish(found[0].Pos())
	r.policies = append(r.policies, a.policy)
}

// agentRules gathers the rules of a policy.
type agentRules struct {
	*reader
	policy policy
	allows bool
	tokens bool // only callers with a token get as far as the rules
}

// harmless are policies beside the rules that refuse nothing which the rules allow, or are the business of the config.
var harmless = []string{
	"mcpAuthorization", "jwtAuth", "mcpAuthentication", "cors", "backendAuth", "backendTLS", "timeout", "retry", "localRateLimit", "remoteRateLimit",
	"requestHeaderModifier", "responseHeaderModifier", "urlRewrite", "requestMirror",
}

// beside looks at the policies beside the rules.
func (a *agentRules) beside(n *source.Node) {
	for key, value := range n.Fields() {
		switch is := key.Text().Value; {
		case is == "authorization" || is == "networkAuthorization" || is == "extAuthz" || is == "mcpGuardrails":
			a.refuse(key.Pos(), fmt.Sprintf("`%s` beside it refuses what the rules allow, and can't be translated", is), "remove it from the copy that you import, and write rules or a plugin for it")
		case is == "jwtAuth" && value.Get("mode").Text().Value == "strict", is == "mcpAuthentication" && !slices.Contains([]string{"optional", "permissive"}, value.Get("mode").Text().Value):
			a.tokens = true
		case !slices.Contains(harmless, is):
			a.warn(key.Pos(), fmt.Sprintf("`%s` beside it is not imported", source.Brief(is)), "see whether it refuses what the rules allow")
		}
	}
}

// rule reads one: a text, which allows, or a mapping with one of allow, deny and require.
func (a *agentRules) rule(number int, n *source.Node) {
	kind, text := "allow", n
	if n.Kind() == source.Map {
		a.known(n, "a rule", "allow", "deny", "require")
		for key, value := range n.Fields() {
			kind, text = key.Text().Value, value
		}
		if n.Len() != 1 {
			a.refuse(n.Pos(), "a rule has one of allow, deny and require", "")
			return
		}
	}
	theirs, line := a.text(text, "a rule"), text.Pos().Line
	ours, problem := a.translate(theirs, &agentWords, condition.Bool, nil)
	out := rule{origin: fmt.Sprintf("line %d: %s", line, kind), name: kind + "-" + strconv.Itoa(number), effect: "deny", when: ours}
	a.allows = a.allows || kind == "allow"
	switch {
	case kind == "allow" && problem != "":
		a.warn(text.Pos(), "a rule that allows is left out: "+problem, "allow what it is to allow in a rule of your own")
		a.policy.notes = append(a.policy.notes, fmt.Sprintf("Line %d allows, and is left out: %s", line, problem), theirs)
	case problem != "":
		a.warn(text.Pos(), "a rule that denies denies everything now: "+problem, "say in it what it is to deny, or nothing will pass")
		out.note, out.reason = []string{"Not translated, so it denies everything: " + problem, theirs}, "not_translated"
		a.policy.rules = append(a.policy.rules, out)
	case kind == "allow":
		out.effect = "allow"
		a.split(out, text.Pos())
	case kind == "deny":
		out.reason = "denied"
		a.split(out, text.Pos())
	default:
		out.reason = "not_held"
		a.require(out, text.Pos())
	}
}

// ofToken makes a condition that asks whether there are claims one of tokens: there, it fails without one, and here there are none.
func ofToken(when string, always bool) string {
	if always || asksForClaims(when) {
		return all(`principal.type == "jwt"`, when)
	}
	return when
}

// split makes a rule for each part of which one must hold, if they are about different things: here a rule that is about tools says
// nothing of a prompt, where there the other part could hold.
func (a *agentRules) split(out rule, at source.Pos) {
	parts := disjuncts(out.when)
	about := a.about(parts[0])
	if !slices.ContainsFunc(parts, func(p string) bool { return !slices.Equal(a.about(p), about) }) {
		parts = []string{out.when}
	}
	if len(parts) > 1 && out.effect == "allow" {
		a.warn(at, "the parts of the rule are about different things: here each is a rule of its own", "see that each may allow by itself")
	}
	for i, when := range parts {
		r := out
		r.when = when
		if len(parts) > 1 {
			r.name += "-" + strconv.Itoa(i+1)
		}
		if out.effect == "allow" {
			r.when = ofToken(when, a.tokens)
		} else if subjects := a.about(when); len(subjects) > 0 && couldHold(a.env.Syntax(source.NewText(when), false), true) {
			a.warn(at, "the rule may deny what has no "+subjects[0]+" there: here it denies all of that", "write a rule for each of the two")
			a.without(&r, subjects)
		}
		a.policy.rules = append(a.policy.rules, r)
	}
}

// require denies what a condition doesn't hold of, and that of which it can't be said.
func (a *agentRules) require(out rule, at source.Pos) {
	subjects := a.about(out.when)
	if len(subjects) > 0 && couldHold(a.env.Syntax(source.NewText(out.when), false), true) {
		a.warn(at, "the rule may hold of what has no "+subjects[0]+" there: here it denies all of that", "write a rule for each of the two")
	}
	a.without(&out, subjects)
	out.when = not(ofToken(out.when, false))
	a.policy.rules = append(a.policy.rules, out)
}

// without denies messages that a rule says nothing of.
func (a *agentRules) without(r *rule, subjects []string) {
	for _, subject := range subjects {
		a.policy.rules = append(a.policy.rules, rule{
			origin: r.origin, name: r.name + "-without-" + subject[len("mcp."):], when: "!has(" + subject + ")", effect: "deny", reason: r.reason,
		})
	}
}

// couldHold says whether a condition could be true, or false, of a message that doesn't have what it reads of tools and the like.
func couldHold(n *condition.Node, is bool) bool {
	if n == nil {
		return true
	}
	hold := func(is bool) func(*condition.Node) bool {
		return func(n *condition.Node) bool { return couldHold(n, is) }
	}
	every := func(is bool) bool {
		return !slices.ContainsFunc(n.Args, func(n *condition.Node) bool { return !couldHold(n, is) })
	}
	switch {
	case n.Op == condition.OpAnd && is, n.Op == condition.OpOr && !is:
		return every(is)
	case n.Op == condition.OpAnd, n.Op == condition.OpOr:
		return slices.ContainsFunc(n.Args, hold(is))
	case n.Op == condition.OpNot:
		return couldHold(n.Args[0], !is)
	case n.Op == condition.OpIf:
		return !reads(n.Args[0]) && slices.ContainsFunc(n.Args[1:], hold(is))
	case n.Op == condition.OpEach:
		return !reads(n.Args[0])
	}
	return !reads(n)
}

// reads says that a part reads something of a tool, a prompt or a resource: of a message that has none it fails.
func reads(n *condition.Node) bool {
	found := false
	n.Walk(func(n *condition.Node) {
		for _, subject := range []string{"mcp.tool.", "mcp.prompt.", "mcp.resource.", "args"} {
			found = found || n.Op == condition.OpRead && strings.HasPrefix(n.Name, subject)
		}
	})
	return found
}

// finish allows the rest where no rule allows.
func (a *agentRules) finish(at source.Pos) {
	if a.allows {
		if len(a.policy.rules) == 0 {
			a.policy.rules = []rule{{note: []string{"No rule could be translated."}, name: "nothing", effect: "deny", reason: "not_translated"}}
		}
		return
	}
	rest := ""
	if a.tokens {
		rest = `principal.type == "jwt"`
	}
	if len(a.policy.rules) == 0 {
		a.warn(at, "there are no rules, so everything is allowed", "")
	}
	a.policy.rules = append(a.policy.rules, rule{note: []string{"No rule allows: what none denies is allowed."}, name: "rest", when: rest, effect: "allow"})
}
