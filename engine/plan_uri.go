package engine

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
)

// uriField is the field that the resources of a match are about.
const uriField = "mcp.resource.uri"

// where is what is left of a rule that is about some resources only, when it is not known which one this is.
func (p *planning) where(gs globs, is condition.Residual) condition.Residual {
	if gs == nil || p.frame.Subjects()&condition.Resource == 0 {
		return is
	}
	var some, none []Formula
	for _, g := range gs {
		yes, no := p.matching(g)
		some, none = append(some, yes), append(none, no)
	}
	yes, no := condition.AsOne(condition.Some(some...), condition.All(none...))
	return condition.Residual{True: condition.All(yes, is.True), False: condition.Some(no, is.False), Absent: condition.All(yes, is.Absent), Err: is.Err}
}

// matching says when a URI that begins as is known matches a glob, and when it does not.
func (p *planning) matching(g policy.Glob) (yes, no Formula) {
	begins, rest := g.String(), ""
	if i := strings.IndexAny(begins, "*?"); i >= 0 {
		begins, rest = begins[:i], begins[i:]
	}
	name, literal := g.Literal()
	switch {
	case literal && !strings.HasPrefix(name, p.beginning),
		!strings.HasPrefix(begins, p.beginning) && !strings.HasPrefix(p.beginning, begins):
		return Formula{}, condition.Always()
	case literal:
		return condition.Opposites(uriField+" == "+strconv.Quote(name), uriField+" != "+strconv.Quote(name))
	case rest == "**" && strings.HasPrefix(p.beginning, begins):
		return condition.Always(), Formula{}
	case rest == "**":
		text := uriField + ".startsWith(" + strconv.Quote(begins) + ")"
		return condition.Opposites(text, "!"+text)
	}
	text := uriField + ".matches(" + strconv.Quote(expression(begins, rest)) + ")"
	return condition.Opposites(text, "!"+text)
}

// expression is a glob over URIs as a regular expression.
func expression(begins, rest string) string {
	var b strings.Builder
	b.WriteString("^" + regexp.QuoteMeta(begins))
	for rest != "" {
		n := 1
		switch {
		case strings.HasPrefix(rest, "**"):
			b.WriteString("(?s:.*)")
			n = 2
		case rest[0] == '*':
			b.WriteString("[^/]*")
		case rest[0] == '?':
			b.WriteString("[^/]")
		default:
			if n = strings.IndexAny(rest, "*?"); n < 0 {
				n = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:n]))
		}
		rest = rest[n:]
	}
	return b.String() + "$"
}
