package detect

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Parse reads a set of rules. There is no set if one of the diagnostics is an error.
func Parse(file string, data []byte) (*Set, source.Diagnostics) {
	p := parser{document: readTOML(file, data)}
	if p.found.HasErrors() {
		return nil, p.found
	}
	root := table{doc: p.document, of: p.root}
	root.only("title", "description", "minVersion", "decodeBase64", "extend", "allowlist", "allowlists", "rules")
	for _, name := range []string{"title", "description", "minVersion"} {
		root.text(name)
	}
	p.extend(root)
	if root.of["decodeBase64"] != nil {
		p.decode = root.flag("decodeBase64")
	}
	root.tables("rules", p.rule)
	p.global(root)
	p.keywords()
	if len(p.rules) == 0 && !p.found.HasErrors() {
		p.fail(nil, "SP6002", "the set has no rules", "write one under [[rules]]")
	}
	if p.found.HasErrors() {
		return nil, p.found
	}
	s := newSet(p.rules)
	s.decode, s.digest = p.decode, digest(data, p.base)
	return s, p.found
}

type parser struct {
	*document
	rules  []rule
	seen   []string // the ids of the file's own rules
	base   []byte   // the text of the set that is extended
	decode bool
}

// extend begins with the rules of the set that comes with the package.
func (p *parser) extend(root table) {
	root.tables("extend", func(t table) {
		t.only("useDefault", "disabledRules")
		if !t.flag("useDefault") {
			return
		}
		name, data := Builtin()
		base, found := Parse(name, data)
		p.found = append(p.found, found...)
		if base == nil {
			return
		}
		p.rules, p.base, p.decode = slices.Clone(base.rules), data, base.decode
		t.texts("disabledRules", func(at path, id string) {
			before := len(p.rules)
			ids := p.ids()
			p.rules = slices.DeleteFunc(p.rules, func(r rule) bool { return r.id == id })
			if len(p.rules) == before {
				p.unknown(at, id, ids)
			}
		})
	})
}

func (p *parser) ids() []string {
	var ids []string
	for i := range p.rules {
		ids = append(ids, p.rules[i].id)
	}
	return ids
}

func (p *parser) unknown(at path, id string, ids []string) {
	help := ""
	if s, ok := source.Suggest(id, ids); ok {
		help = fmt.Sprintf("did you mean `%s`?", s)
	}
	p.fail(at, "SP6002", fmt.Sprintf("no rule is called `%s`", source.Brief(id)), help)
}

var ruleID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (p *parser) rule(t table) {
	t.only("id", "description", "regex", "path", "keywords", "entropy", "secretGroup", "tags", "allowlist", "allowlists")
	t.text("description")
	t.texts("tags", func(path, string) {})
	r := rule{id: t.text("id"), entropy: t.number("entropy")}
	switch {
	case !ruleID.MatchString(r.id):
		p.fail(t.path.at("id"), "SP6002", fmt.Sprintf("`%s` can't be a rule's id", source.Brief(r.id)), "an id is of letters, digits, `.`, `_` and `-`, at most 64")
	case slices.Contains(p.seen, r.id):
		p.fail(t.path.at("id"), "SP6002", fmt.Sprintf("there are two rules called `%s`", r.id), "")
	}
	if r.entropy < 0 || r.entropy > 8 {
		p.fail(t.path.at("entropy"), "SP6002", "the entropy is out of range", "it is in bits a byte, from 0 to 8")
	}
	if t.text("path") != "" {
		p.warn(t.path.at("path"), "SP6003", fmt.Sprintf("the rule `%s` is about files at certain paths, and finds nothing in messages", r.id), "remove it, or its path")
		return
	}
	p.regex(t, &r)
	for _, name := range []string{"allowlist", "allowlists"} {
		t.tables(name, func(t table) {
			t.only("description", "condition", "commits", "paths", "regexTarget", "regexes", "stopwords")
			r.allow = append(r.allow, p.allowlist(t))
		})
	}
	if len(p.rules) == MaxRules {
		p.fail(t.path, "SP6002", fmt.Sprintf("there are more than %d rules", MaxRules), "")
	}
	if i := slices.IndexFunc(p.rules, func(o rule) bool { return o.id == r.id }); i >= 0 {
		p.rules[i] = r // instead of the one of the set that is extended
	} else if len(p.rules) < MaxRules {
		p.rules = append(p.rules, r)
	}
	p.seen = append(p.seen, r.id)
}

// regex reads a rule's expression and its keywords.
func (p *parser) regex(t table, r *rule) {
	t.texts("keywords", func(at path, w string) {
		switch {
		case w == "":
			p.fail(at, "SP6002", "a keyword is empty", "")
		case strings.ContainsFunc(w, func(c rune) bool { return c > 0x7e || c < 0x20 }):
			p.fail(at, "SP6002", fmt.Sprintf("the keyword `%s` is not ASCII", source.Brief(w)), "take a part of it that is")
		case len(w) > maxKeyword:
			p.fail(at, "SP6002", fmt.Sprintf("a keyword is longer than %d characters", maxKeyword), "take a part of it")
		case !slices.Contains(r.keywords, foldASCII(w)):
			r.keywords = append(r.keywords, foldASCII(w))
		}
	})
	text, at := t.text("regex"), t.path.at("regex")
	if text == "" {
		p.fail(at, "SP6002", fmt.Sprintf("the rule `%s` has no regex", source.Brief(r.id)), "")
		return
	}
	if r.re = p.compile(at, text); r.re == nil {
		return
	}
	group := t.of["secretGroup"]
	n, ok := group.(int64)
	if group != nil && (!ok || n < 0 || int(n) > r.re.NumSubexp()) {
		p.fail(t.path.at("secretGroup"), "SP6002", "the expression has no such group", fmt.Sprintf("it has %d", r.re.NumSubexp()))
		return
	}
	r.secret = int(n)
	tree, err := parse(text)
	if err == nil {
		if least, _ := lengths(tree); least == 0 {
			p.fail(at, "SP6002", "the expression matches an empty text", "")
			return
		}
		err = r.plan()
	}
	if err != nil {
		p.fail(at, "SP6002", "the expression is too large: "+err.Error(), "make its repetitions smaller")
		return
	}
	if len(r.keywords) == 0 {
		p.warn(at, "SP6003", fmt.Sprintf("the rule `%s` has no keywords: its expression is run over every text", r.id), "give it words of which one is in every text that it is to find something in")
	}
}

const maxKeyword = 64

func (p *parser) compile(at path, text string) *regexp.Regexp {
	re, err := regexp.Compile(text)
	if err == nil {
		return re
	}
	message, help := err.Error(), "expressions are RE2's: https://pkg.go.dev/regexp/syntax"
	if e, ok := err.(*syntax.Error); ok { //nolint:errorlint // as regexp returns it
		message = fmt.Sprintf("%s: `%s`", e.Code, source.Brief(e.Expr))
		switch {
		case strings.HasPrefix(e.Expr, "(?=") || strings.HasPrefix(e.Expr, "(?!") || strings.HasPrefix(e.Expr, "(?<"):
			help = "RE2 can't look ahead or behind: match what is around, and put the secret into a group"
		case e.Code == syntax.ErrInvalidEscape && len(e.Expr) == 2 && e.Expr[1] >= '1' && e.Expr[1] <= '9':
			help = "RE2 has no references to groups"
		}
	}
	p.fail(at, "SP6002", "the expression can't be used: "+message, help)
	return nil
}

// allowlist reads what is no secret. Messages have no commits and no paths, so those criteria never hold.
func (p *parser) allowlist(t table) *allowlist {
	a := &allowlist{target: t.text("regexTarget")}
	t.text("description")
	switch c := t.text("condition"); strings.ToUpper(c) {
	case "", "OR", "||":
	case "AND", "&&":
		a.all = true
	default:
		p.fail(t.path.at("condition"), "SP1003", fmt.Sprintf("`%s` is no condition", source.Brief(c)), "it is OR or AND")
	}
	switch a.target {
	case "":
		a.target = targetSecret
	case targetSecret, targetMatch, targetLine:
	default:
		p.fail(t.path.at("regexTarget"), "SP1003", fmt.Sprintf("`%s` is no target", source.Brief(a.target)), "it is secret, match or line")
	}
	none := func(path, string) { a.never = a.all }
	t.texts("commits", none)
	t.texts("paths", none)
	t.texts("regexes", func(at path, text string) {
		if re := p.compile(at, text); re != nil {
			a.regexes = append(a.regexes, newPattern(re))
		}
	})
	var words []string
	t.texts("stopwords", func(at path, w string) {
		if w = foldASCII(w); w == "" || len(w) > maxKeyword {
			p.fail(at, "SP6002", "a stopword is empty or too long", fmt.Sprintf("it has at most %d characters", maxKeyword))
		} else if !slices.Contains(words, w) {
			words = append(words, w)
		}
	})
	if len(words) > MaxKeywords {
		p.fail(t.path.at("stopwords"), "SP6002", fmt.Sprintf("there are more than %d stopwords", MaxKeywords), "")
	} else if len(words) > 0 {
		f := newFinder(words)
		a.words = &f
	}
	return a
}

// global reads the lists that hold for all rules, or for some.
func (p *parser) global(root table) {
	for _, name := range []string{"allowlist", "allowlists"} {
		root.tables(name, func(t table) {
			t.only("description", "condition", "commits", "paths", "regexTarget", "regexes", "stopwords", "targetRules")
			a, only := p.allowlist(t), false
			t.texts("targetRules", func(at path, id string) {
				only = true
				i := slices.IndexFunc(p.rules, func(r rule) bool { return r.id == id })
				if i < 0 {
					p.unknown(at, id, p.ids())
					return
				}
				p.rules[i].allow = append(slices.Clip(p.rules[i].allow), a)
			})
			for i := range p.rules {
				if !only {
					p.rules[i].allow = append(slices.Clip(p.rules[i].allow), a)
				}
			}
		})
	}
}

// keywords checks the bounds of all rules together.
func (p *parser) keywords() {
	n := 0
	for i := range p.rules {
		n += len(p.rules[i].keywords)
		p.rules[i].uses = slices.Clone(p.rules[i].uses)
	}
	if n > MaxKeywords {
		p.fail(nil, "SP6002", fmt.Sprintf("the rules have more than %d keywords together", MaxKeywords), "")
	}
}
