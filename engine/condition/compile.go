package condition

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// The codes of what can be wrong with an expression.
const (
	codeSyntax   = "SP2001"
	codeName     = "SP2002"
	codeTypes    = "SP2003"
	codeResult   = "SP2004"
	codeField    = "SP2005"
	codeCost     = "SP2006"
	codeFunction = "SP2007"
	codeLiteral  = "SP2008"
	codePhase    = "SP2009"
	codeRefused  = "SP2099"
)

// Compile compiles an expression for the phase of its variables. All mistakes of the
// expression are reported; the Condition is nil if there is one.
func (e *Env) Compile(text source.Text, want Want, vs *Variables) (*Condition, source.Diagnostics) {
	checked, ds := e.check(text, want, vs)
	if ds.HasErrors() {
		return nil, ds
	}
	c := &Condition{env: e, text: text, variables: vs, typ: checked.OutputType()}
	r := report{env: e, text: text, variables: vs, info: checked.NativeRep().SourceInfo()}
	var mistakes []mistake
	c.uses, mistakes = analyze(checked.NativeRep().Expr(), vs)
	for _, m := range mistakes {
		r.add(m.id, m.code, m.message, m.help)
	}
	if len(r.ds) > 0 {
		return nil, r.ds
	}
	if e.arguments {
		c.arguments, c.argument = e.follow(checked, &r, want, vs)
	}
	if want == Keyed {
		c.plain = newPlainKey(checked.NativeRep().Expr(), e.inputLimit)
	}
	if err := c.plan(checked); err != nil {
		r.whole(codeCost, err.Error(), "make it smaller, or split it into several rules")
		return nil, r.ds
	}
	return c, ds
}

// At returns the Condition that Compile would return for a text of the same value that stands elsewhere, and variables with the same
// Digest. It shares the programs of c, and keeps nothing else of it.
func (c *Condition) At(text source.Text, vs *Variables) *Condition {
	return &Condition{
		env: c.env, text: text, variables: vs, typ: c.typ, program: c.program, cheap: c.cheap, direct: c.direct, uses: c.uses,
		arguments: c.arguments, argument: c.argument,
	}
}

// check parses and type-checks.
func (e *Env) check(text source.Text, want Want, vs *Variables) (*cel.Ast, source.Diagnostics) {
	r := report{env: e, text: text, variables: vs}
	declared, err := vs.declared()
	if err != nil {
		r.whole(codeRefused, err.Error(), "")
		return nil, r.ds
	}
	parsed, issues := e.parse(strings.Clone(text.Value)) // programs keep parts of it, and must not keep a whole file by them
	if issues.Err() != nil {
		r.issues(issues)
		return nil, r.ds
	}
	r.info = parsed.NativeRep().SourceInfo()
	checked, issues := declared.Check(parsed)
	if issues.Err() != nil {
		r.ast = parsed.NativeRep()
		r.issues(issues)
		return nil, r.ds
	}
	if !fits(checked.OutputType(), want) {
		r.whole(codeResult, wrongResult(checked.OutputType(), want), resultHelp(checked.OutputType(), want))
		return nil, r.ds
	}
	return checked, nil
}

func fits(t *cel.Type, want Want) bool {
	switch want {
	case Bool:
		return t.Kind() == types.BoolKind || t.Kind() == types.DynKind
	case Text:
		return t.Kind() == types.StringKind || t.Kind() == types.DynKind
	case Keyed:
		return fitsKind(t, keyKinds)
	case Whole:
		return fitsKind(t, wholeKinds)
	case Any:
	}
	return true
}

func wrongResult(t *cel.Type, want Want) string {
	switch want {
	case Text:
		return fmt.Sprintf("a message must be a string, but this expression is %s", article(typeName(t)))
	case Keyed:
		return fmt.Sprintf("a key must be a string, a number, a bool or a list of them, but this expression is %s", article(typeName(t)))
	case Whole:
		return fmt.Sprintf("a count must be an integer, but this expression is %s", article(typeName(t)))
	case Any, Bool:
	}
	return fmt.Sprintf("a condition must be a bool, but this expression is %s", article(typeName(t)))
}

func resultHelp(t *cel.Type, want Want) string {
	switch {
	case want == Text:
		return "put it into a text: \"... %s\".format([...])"
	case want == Bool && t.Kind() == types.StringKind:
		return "compare it with something: == \"...\""
	}
	return ""
}

// plan makes the program. One whose cost is bounded by analysis runs without a meter, which
// would cost it three times its own time; one that always runs over the limit is refused.
func (c *Condition) plan(checked *cel.Ast) error {
	cost, err := c.env.phase(c.variables.response).EstimateCost(checked, sizes{limit: uint64(c.env.inputLimit)})
	if err != nil {
		return err
	}
	if cost.Min > c.env.costLimit {
		return fmt.Errorf("the condition costs at least %d units; at most %d are allowed", cost.Min, c.env.costLimit)
	}
	c.cheap = cost.Max <= c.env.costLimit
	opts := hot()
	if c.cheap {
		c.direct = newDirect(checked.NativeRep().Expr())
	} else {
		opts = c.env.limited()
	}
	c.program, err = c.env.phase(c.variables.response).PlanProgram(checked.NativeRep(), opts...)
	return err
}
