package lint

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// polarity is what it means for a call that a part of a condition is true.
type polarity uint8

const (
	unclear polarity = iota
	grants           // it helps the call through
	denies           // it helps to stop it
)

func (p polarity) not() polarity {
	return [...]polarity{unclear: unclear, grants: denies, denies: grants}[p]
}

type visit struct {
	n *node
	p polarity
}

// texts looks for texts that are compared where a path, a URL or a pattern is meant.
type texts struct {
	*linter
	rule *rule
	seen map[visit]bool
}

// walk visits the parts of a condition that are true or false, through variables.
func (t *texts) walk(n *node, p polarity) {
	n = t.rule.scope.see(n)
	if t.seen[visit{n, p}] {
		return
	}
	t.seen[visit{n, p}] = true
	switch n.Op {
	case condition.OpAnd, condition.OpOr:
		t.walk(n.Args[0], p)
		t.walk(n.Args[1], p)
	case condition.OpNot:
		t.walk(n.Args[0], p.not())
	case condition.OpIf:
		t.walk(n.Args[0], unclear)
		t.walk(n.Args[1], p)
		t.walk(n.Args[2], p)
	case condition.OpEach:
		t.each(n, p)
	case condition.OpCall:
		t.call(n, p)
	default:
	}
}

func (t *texts) each(n *node, p polarity) {
	switch n.Name {
	case "all", "exists", "exists_one", "existsOne", "cel.bind":
	default:
		p = unclear
	}
	for _, a := range n.Args[1:] {
		t.walk(a, p)
	}
}

func (t *texts) call(n *node, p polarity) {
	if len(n.Args) == 2 && isText(t.rule.scope.see(n.Args[1])) {
		text, _ := t.rule.scope.see(n.Args[1]).Value.(string)
		switch n.Name {
		case "startsWith":
			t.prefix(n, text, p)
		case "endsWith":
			t.suffix(n, text, p)
		case "glob":
			t.glob(n, text)
		case "matches":
			t.pattern(n, text, p)
		}
	}
	t.rounded(n)
	for _, a := range n.Args {
		t.walk(a, unclear)
	}
}

// chosen returns the name that a caller chooses the value of, as it is, without a function having looked at it; "" if n is something else.
func (t *texts) chosen(n *node) string {
	name := t.read(n)
	for _, root := range []string{"args", "params", "mcp.resource.uri"} {
		if name == root || strings.HasPrefix(name, root+".") || strings.HasPrefix(name, root+"[") {
			return name
		}
	}
	return ""
}

// read returns the name whose value, or a part of it, n is, without a function having looked at it; "" if n is something else.
func (t *texts) read(n *node) string {
	for {
		n = t.rule.scope.see(n)
		switch {
		case n.Op == condition.OpLocal, n.Op == condition.OpField, n.Op == condition.OpCall && n.Name == "orValue", n.Op == condition.OpCall && n.Name == "string":
			n = n.Args[0]
		case n.Op == condition.OpRead:
			return n.Name
		default:
			return ""
		}
	}
}

var (
	directory = regexp.MustCompile(`^(?:file://)?(?:/[^/]|\./|\.\./|~/)`)
	openHost  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+$`)
)

func (t *texts) prefix(n *node, text string, p polarity) {
	name := t.chosen(n.Args[0])
	switch {
	case name == "":
	case directory.MatchString(text) && !t.cleaned(n.Args[0]):
		dir := strings.TrimSuffix(text, "/")
		message, help := fmt.Sprintf("`%s` is compared as text: `%s/../` begins so too", name, dir), fmt.Sprintf("use path.within(..., %q), which sees through `..`", dir)
		switch {
		case strings.HasPrefix(text, "file:"):
			help = "give path.within() the path: url(...).getEscapedPath()"
		case text[0] == '/':
			message += fmt.Sprintf(", and `/.%s` doesn't", dir)
		}
		t.add(t.rule.At(), n.At, codePath, message, help)
	case openHost.MatchString(text) && p == grants:
		t.add(t.rule.At(), n.At, codeURL, fmt.Sprintf("`%s` is compared as text: `%s.evil.example` begins so too", name, text), "compare url(...).getScheme() and url(...).getHost()")
	}
}

// domain is the end of a host that begins with a whole label, but for the dot before it.
var domain = regexp.MustCompile(`^[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?$`)

// suffix looks at a host that is compared by its end.
func (t *texts) suffix(n *node, text string, p polarity) {
	of := t.rule.scope.see(n.Args[0])
	if p != grants || !domain.MatchString(text) || of.Op != condition.OpCall || of.Name != "getHost" && of.Name != "getHostname" {
		return
	}
	t.add(t.rule.At(), n.At, codeURL, fmt.Sprintf("the host is compared as text: `evil%s` ends so too", text),
		fmt.Sprintf("use == %q for the host, and endsWith(%q) for those below it", text, "."+text))
}

// cleaned says that the condition asks that a path is as path.clean would have it.
func (t *texts) cleaned(of *node) bool {
	key, found := t.rule.scope.key(of), false
	var look func(n *node)
	look = func(n *node) {
		n.Walk(func(n *node) {
			if v := t.rule.scope.see(n); v != n {
				look(v)
			}
			if n.Op != condition.OpCall || n.Name != "==" {
				return
			}
			for i, a := range n.Args {
				a = t.rule.scope.see(a)
				if a.Op == condition.OpCall && a.Name == "path.clean" && t.rule.scope.key(a.Args[0]) == key && t.rule.scope.key(n.Args[1-i]) == key {
					found = true
				}
			}
		})
	}
	look(t.rule.when)
	return found
}

// glob looks at glob(args.path, "/srv/*"), where `*` is any text.
func (t *texts) glob(n *node, pattern string) {
	name := t.chosen(n.Args[0])
	if name == "" || !directory.MatchString(pattern) || !strings.Contains(pattern, "*") || t.cleaned(n.Args[0]) {
		return
	}
	t.add(t.rule.At(), n.At, codePath, fmt.Sprintf("`%s` is compared as text: `*` is any text here, `/../` too", name),
		fmt.Sprintf("use path.match(..., %q), where `*` stays within an element and `**` goes over any number", pattern))
}

// pattern looks at a pattern that lets calls through, and so should say all of what it lets through.
func (t *texts) pattern(n *node, pattern string, p polarity) {
	name := t.chosen(n.Args[0])
	if name == "" || p != grants {
		return
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return
	}
	begins, ends := anchored(re, false), anchored(re, true)
	switch {
	case begins && ends:
		return
	case perLine(re):
		t.add(t.rule.At(), n.At, codePattern, fmt.Sprintf("the pattern lets `%s` through if one line of it matches", name), `with (?m), ^ and $ are those of a line; use \A and \z, or leave (?m) out`)
	case begins:
		t.add(t.rule.At(), n.At, codePattern, fmt.Sprintf("the pattern lets `%s` through whatever follows the match", name), "end it with $, or with .* if that is meant")
	case ends:
		t.add(t.rule.At(), n.At, codePattern, fmt.Sprintf("the pattern lets `%s` through whatever comes before the match", name), "begin it with ^, or with .* if that is meant")
	default:
		t.add(t.rule.At(), n.At, codePattern, fmt.Sprintf("the pattern lets `%s` through if it matches anywhere in it", name), "begin it with ^ and end it with $, or with .* where that is meant")
	}
}

// anchored says that a pattern begins, or ends, at the text's begin or end, or says that anything may stand there.
func anchored(re *syntax.Regexp, end bool) bool {
	switch re.Op {
	case syntax.OpBeginText:
		return !end
	case syntax.OpEndText:
		return end
	case syntax.OpStar:
		return re.Sub[0].Op == syntax.OpAnyChar || re.Sub[0].Op == syntax.OpAnyCharNotNL || everything(re.Sub[0])
	case syntax.OpCapture:
		return anchored(re.Sub[0], end)
	case syntax.OpConcat:
		if len(re.Sub) == 0 {
			return false
		}
		i := 0
		if end {
			i = len(re.Sub) - 1
		}
		return anchored(re.Sub[i], end)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if !anchored(sub, end) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// everything says that a class holds every character: [\s\S].
func everything(re *syntax.Regexp) bool {
	return re.Op == syntax.OpCharClass && len(re.Rune) == 2 && re.Rune[0] == 0 && re.Rune[1] == 0x10ffff
}

// perLine says that a pattern has ^ or $ of a line.
func perLine(re *syntax.Regexp) bool {
	return re.Op == syntax.OpBeginLine || re.Op == syntax.OpEndLine || slices.ContainsFunc(re.Sub, perLine)
}
