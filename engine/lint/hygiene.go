package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/detect"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// reason reports a denial that machines can't tell from others.
func (l *linter) reason(r *rule) {
	if r.Effect != policy.Deny || r.Plugin != "" || r.Reason != "" {
		return
	}
	reason := reasonOf(r.Name)
	d := l.add(r.At(), place(r), codeReason, "the rule denies without a `reason`", fmt.Sprintf("add one for machines, which stays when the rule is renamed: `reason: %s`", reason))
	if reason != "" {
		d.Fix = addField(l.src(d.File), r.At(), r.At("effect"), "effect", "reason: "+reason)
	}
}

var notReason = regexp.MustCompile(`[^a-z0-9_.]+`)

// reasonOf makes a reason of a rule's name.
func reasonOf(name string) string {
	reason := strings.Trim(notReason.ReplaceAllString(strings.ToLower(name), "_"), "_.")
	return strings.TrimLeft(reason, "0123456789_.")
}

// unused reports variables that no rule reads.
func (l *linter) unused(p *policy.Policy) {
	read := map[string]bool{}
	note := func(n *node) {
		n.Walk(func(n *node) {
			if name, _, ok := variable(n); ok {
				read[name] = true
			}
		})
	}
	complete := true
	for _, r := range l.rules {
		if r.policy != p {
			continue
		}
		complete = complete && (r.when != nil || r.When.IsZero()) && (r.message != nil || r.Message.IsZero())
		note(r.when)
		note(r.message)
		for _, v := range r.scope.variables {
			note(v)
		}
	}
	if !complete {
		return
	}
	for i, v := range p.Variables {
		if !read[v.Name] {
			at := variableAt(p, i)
			l.add(at, p.At("variables", fmt.Sprint(i), "name"), codeUnused, fmt.Sprintf("no rule reads the variable `%s`", v.Name), "remove it, or use it")
		}
	}
}

type found struct{ Start, End, Rule int }

// literals reports what looks like a secret, wherever it stands in a policy.
func (l *linter) literals(p *policy.Policy) {
	p.Texts(func(t source.Text) {
		for _, m := range detect.Find[found](l.secrets, nil, []byte(t.Value)) {
			at := t.Span(m.Start, m.End)
			l.add(l.elementAt(p, at), at, codeSecret, fmt.Sprintf("this looks like a secret (%s)", l.secrets.Rules()[m.Rule]),
				"remove it and revoke it: whoever reads the policy, or the history of its file, has it")
		}
	})
}

// elementAt returns the element of a policy that a place is in.
func (l *linter) elementAt(p *policy.Policy, at source.Pos) source.Pos {
	return nearest(elements(p), at.Line)
}

// elements are the places of what a finding can be about: the policy, its variables and its rules.
func elements(p *policy.Policy) []source.Pos {
	all := []source.Pos{p.At()}
	for i := range p.Variables {
		all = append(all, variableAt(p, i))
	}
	for i := range p.Rules {
		all = append(all, p.Rules[i].At())
	}
	slices.SortFunc(all, func(a, b source.Pos) int { return a.Line - b.Line })
	return all
}

// nearest returns the last of the places that is not below a line; the first if all are.
func nearest(places []source.Pos, line int) source.Pos {
	at := places[0]
	for _, p := range places {
		if p.Line <= line {
			at = p
		}
	}
	return at
}

// Mask returns a file with what diagnostics say are secrets hidden, for it to be shown.
func Mask(ds source.Diagnostics, file string, data []byte) []byte {
	for _, d := range ds {
		if d.Code != codeSecret || d.File != file || data == nil {
			continue
		}
		from, end := d.Pos(), d.Pos()
		end.Column += d.Width
		a, b := source.Offset(data, from), source.Offset(data, end)
		data = slices.Concat(data[:a], []byte(strings.Repeat("*", d.Width)), data[b:])
	}
	return data
}
