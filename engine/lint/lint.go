// Package lint finds what is wrong with policies that compile: rules that never decide, conditions that don't say what was meant, checks
// that a caller gets around. It looks at policies alone, evaluates nothing, and reports only what it is certain of.
//
// A finding is ignored by a comment in the rule, `# sallyport:ignore SP3104 why`; see the pages of SP3190 and SP3191.
package lint

import (
	"slices"
	"strconv"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/detect"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

// levels are those of the rules.
var levels = map[string]source.Severity{
	codeCovered: source.Error, codeConstant: source.Error, codePart: source.Warning, codePath: source.Error, codePattern: source.Warning,
	codeOptional: source.Warning, codeReason: source.Info, codeSecret: source.Error, codeAbsence: source.Warning, codeURL: source.Error,
	codeHint: source.Warning, codeUnused: source.Warning, codeRounded: source.Warning, codeIgnore: source.Error, codeStale: source.Warning,
}

// The codes of the rules.
const (
	codeCovered  = "SP3101"
	codeConstant = "SP3102"
	codePart     = "SP3103"
	codePath     = "SP3104"
	codePattern  = "SP3105"
	codeOptional = "SP3106"
	codeReason   = "SP3107"
	codeSecret   = "SP3108"
	codeAbsence  = "SP3109"
	codeURL      = "SP3110"
	codeHint     = "SP3111"
	codeUnused   = "SP3112"
	codeRounded  = "SP3113"
	codeIgnore   = "SP3190"
	codeStale    = "SP3191"
)

// Finding is a diagnostic, with what mends it where that is certain.
type Finding struct {
	source.Diagnostic
	Fix []source.Change // of Diagnostic.File; nil: it is for a person to mend

	element source.Pos // what it is about: what an ignore must stand at
}

// Linter lints. It is immutable and safe for concurrent use; the zero Linter is of no use.
type Linter struct {
	env     *condition.Env
	secrets *detect.Set
}

// New returns a Linter, which is worth keeping: its detectors take longer to make than most policies to lint.
func New() (*Linter, error) {
	env, err := condition.New(condition.Options{})
	if err != nil {
		return nil, err
	}
	set, ds := detect.Parse(detect.Builtin())
	return &Linter{env: env, secrets: set}, ds.Err()
}

// Policies finds what is wrong with policies that compile. src gives the content of their files, where ignores are; a file that it
// doesn't have has none. lock says what arguments tools ask for; nil says nothing.
func (x *Linter) Policies(policies []*policy.Policy, src func(file string) []byte, lock *toolset.Lock) []Finding {
	l := linter{secrets: x.secrets, src: src, lock: lock}
	for _, p := range policies {
		l.rules = append(l.rules, rulesOf(x.env, p)...)
	}
	slices.SortStableFunc(l.rules, func(a, b *rule) int { return compare(a.policy, b.policy) })
	for _, r := range l.rules {
		l.rule(r)
	}
	for _, p := range policies {
		l.policy(p)
	}
	l.covered()
	l.ignores(policies)
	return l.sorted()
}

// linter gathers findings.
type linter struct {
	secrets *detect.Set
	src     func(file string) []byte
	lock    *toolset.Lock // nil: not known
	rules   []*rule       // in the order in which they are named in decisions
	found   []Finding
}

// add reports something about an element: a rule, a variable, or a policy.
func (l *linter) add(element, at source.Pos, code, message, help string) *Finding {
	d := at.Diagnose(code, message, help)
	d.Severity = levels[code]
	l.found = append(l.found, Finding{Diagnostic: d, element: element})
	return &l.found[len(l.found)-1]
}

func (l *linter) sorted() []Finding {
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return source.Compare(a.Diagnostic, b.Diagnostic)
	})
	return slices.CompactFunc(l.found, func(a, b Finding) bool { return a.Diagnostic == b.Diagnostic })
}

// rule is a rule with the syntax of its expressions.
type rule struct {
	*policy.Rule
	policy  *policy.Policy
	scope   *scope
	when    *condition.Node // nil: always
	message *condition.Node
	match   match
}

// rulesOf reads the expressions of a policy.
func rulesOf(env *condition.Env, p *policy.Policy) []*rule {
	var scopes [2]*scope
	var rules []*rule
	m := matchOf(p)
	for i := range p.Rules {
		r := &rule{Rule: &p.Rules[i], policy: p, match: m}
		response := r.Phase == policy.Response
		phase := 0
		if response {
			phase = 1
		}
		if scopes[phase] == nil {
			scopes[phase] = newScope(env, p, response)
		}
		r.scope = scopes[phase]
		if !r.When.IsZero() {
			r.when = env.Syntax(r.When, response)
		}
		if !r.Message.IsZero() {
			r.message = env.Syntax(r.Message, response)
		}
		rules = append(rules, r)
	}
	return rules
}

// rule runs the checks of one rule.
func (l *linter) rule(r *rule) {
	l.reason(r)
	if r.when == nil || l.constant(r) {
		return
	}
	l.absence(r)
	l.optional(r)
	c := texts{linter: l, rule: r, seen: map[visit]bool{}}
	c.walk(r.when, grantsWhenTrue(r))
}

// grantsWhenTrue says what it means that the condition holds.
func grantsWhenTrue(r *rule) polarity {
	if r.Plugin == "" && r.Effect == policy.Allow {
		return grants
	}
	return denies
}

// policy runs the checks of a whole policy.
func (l *linter) policy(p *policy.Policy) {
	l.unused(p)
	l.literals(p)
}

// place is where a rule is reported: at its name.
func place(r *rule) source.Pos { return r.At("name") }

func variableAt(p *policy.Policy, i int) source.Pos { return p.At("variables", strconv.Itoa(i)) }
