package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/policy"
)

// match is a policy's match, compiled: nil is everything.
type match struct {
	servers, methods, tools, prompts, resources []policy.Glob
}

func matchOf(p *policy.Policy) match {
	list := func(patterns []string, compile func(string) (policy.Glob, error)) []policy.Glob {
		if patterns == nil {
			return nil
		}
		out := make([]policy.Glob, 0, len(patterns))
		for _, pattern := range patterns {
			if g, err := compile(pattern); err == nil {
				out = append(out, g)
			}
		}
		return out
	}
	return match{
		servers: list(p.Match.Servers, policy.NameGlob), methods: list(p.Match.Methods, policy.NameGlob), tools: list(p.Match.Tools, policy.NameGlob),
		prompts: list(p.Match.Prompts, policy.NameGlob), resources: list(p.Match.Resources, policy.URIGlob),
	}
}

// covers says that m matches every message that o matches.
func (m match) covers(o match) bool {
	all := func(wide, narrow []policy.Glob) bool {
		if wide == nil || narrow == nil {
			return wide == nil
		}
		return !slices.ContainsFunc(narrow, func(n policy.Glob) bool {
			return !slices.ContainsFunc(wide, func(w policy.Glob) bool { return w.Covers(n) })
		})
	}
	return all(m.servers, o.servers) && all(m.methods, o.methods) && all(m.tools, o.tools) && all(m.prompts, o.prompts) && all(m.resources, o.resources)
}

// compare orders policies as decisions name their rules.
func compare(a, b *policy.Policy) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.File, b.File))
}

// covered reports rules that never decide: whatever they apply to is decided by another.
func (l *linter) covered() {
	for i, r := range l.rules {
		if r.Shadow || !r.When.IsZero() && r.when == nil {
			continue
		}
		for j, by := range l.rules {
			if i != j && by.overrules(r, j < i) {
				l.add(r.At(), place(r), codeCovered, fmt.Sprintf("the rule never decides: %s %s whatever it applies to", by.policy.ID(by.Rule), by.verb()),
					fmt.Sprintf("remove it, or narrow the other (%s:%d)", place(by).File, place(by).Line))
				break
			}
		}
	}
}

func (r *rule) verb() string {
	return [...]string{policy.Deny: "denies", policy.Approve: "asks a human about", policy.Allow: "allows"}[r.Effect]
}

// overrules says that r decides whenever o applies. Of two rules with one effect the first is named.
func (r *rule) overrules(o *rule, first bool) bool {
	switch {
	case r.Shadow || r.Plugin != "" || r.Phase != o.Phase || !r.When.IsZero() && r.when == nil:
		return false
	case o.Plugin != "" && r.Effect != policy.Deny: // a plugin is asked before an allow is carried out
		return false
	case o.Plugin == "" && (r.Effect > o.Effect || r.Effect == o.Effect && !first):
		return false
	case !r.match.covers(o.match):
		return false
	}
	switch {
	case o.when == nil || r.when == nil:
		// One that asks for approval denies where it fails, which is more than another that asks for it.
		return r.when == nil && (o.when == nil || r.Effect != policy.Approve || o.Effect != policy.Approve)
	case r.Effect == policy.Approve && o.Effect == policy.Approve:
		return o.scope.key(o.when) == r.scope.key(r.when)
	}
	return implies(claim{o.scope, o.when}, claim{r.scope, r.when})
}
