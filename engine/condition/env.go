package condition

import (
	"fmt"
	"math"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"
	"cel.dev/cel-go/parser"
)

// EnvName is the environment that policies are written for unless they name another one.
const EnvName = "2026-11"

// Defaults of Options.
const (
	DefaultCostLimit  = 50_000
	DefaultInputLimit = 64 << 10
)

// Options are the bounds of conditions. The zero Options are the defaults.
type Options struct {
	Name       string // of the environment; "" is EnvName
	CostLimit  uint64 // the most that one evaluation may cost, in CEL cost units; 0 is DefaultCostLimit
	InputLimit int    // the largest JSON value, in bytes, that may be looked into; 0 is DefaultInputLimit
	Arguments  bool   // find out what conditions do with the arguments of calls: see Condition.Uses
}

// Bounds on what is compiled.
const (
	maxExpression    = 16 << 10 // code points of an expression
	maxNodes         = 10_000   // of its syntax tree, macros expanded
	maxNesting       = 100      // of its parts
	maxComprehension = 3        // comprehensions inside one another
	maxRegex         = 2_000    // instructions of a compiled pattern
	maxRange         = 10_000   // elements that lists.range makes
	interruptEvery   = 100      // comprehension steps between two looks at the context
)

// Env is a named environment: what conditions are compiled in. It is immutable and safe for
// concurrent use.
type Env struct {
	name       string
	costLimit  uint64
	inputLimit int
	arguments  bool
	phases     [2]*cel.Env // request, response
	parser     *parser.Parser
	functions  []string // that an expression can call, for suggestions
	macros     []string // among them
}

// withDefaults spells out what the zero values mean.
func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = EnvName
	}
	if o.CostLimit == 0 {
		o.CostLimit = DefaultCostLimit
	}
	if o.InputLimit <= 0 {
		o.InputLimit = DefaultInputLimit
	}
	return o
}

// Has says whether New would return an environment like e for the options.
func (e *Env) Has(o Options) bool {
	return Options{Name: e.name, CostLimit: e.costLimit, InputLimit: e.inputLimit, Arguments: e.arguments} == o.withDefaults()
}

// New returns an environment by its name.
func New(o Options) (*Env, error) {
	o = o.withDefaults()
	e := &Env{name: o.Name, costLimit: o.CostLimit, inputLimit: o.InputLimit, arguments: o.Arguments}
	if e.name != EnvName {
		return nil, fmt.Errorf("unknown environment %q", e.name)
	}
	labelSharedErrors()
	base, err := cel.NewCustomEnv(libraries()...)
	if err != nil {
		return nil, fmt.Errorf("environment %s: %w", e.name, err)
	}
	again, err := bounded(base, e.costLimit)
	if err != nil {
		return nil, fmt.Errorf("environment %s: %w", e.name, err)
	}
	if base, err = base.Extend(append(again, filtered(base))...); err != nil {
		return nil, fmt.Errorf("environment %s: %w", e.name, err)
	}
	e.functions, e.macros = functionNames(base), macroNames(base)
	if e.parser, err = newParser(base); err != nil {
		return nil, fmt.Errorf("environment %s: %w", e.name, err)
	}
	for i := range e.phases {
		response := i == 1
		p := &provider{Provider: base.CELTypeProvider(), response: response}
		env, err := base.Extend(append(names(response), cel.CustomTypeProvider(p))...)
		if err != nil {
			return nil, fmt.Errorf("environment %s: %w", e.name, err)
		}
		e.phases[i] = env
	}
	return e, nil
}

// Name returns the environment's name.
func (e *Env) Name() string { return e.name }

func (e *Env) phase(response bool) *cel.Env {
	if response {
		return e.phases[1]
	}
	return e.phases[0]
}

// libraries is environment 2026-11. Every version is spelled out: cel-go's libraries are
// otherwise the newest that it has, and a policy must not change its meaning by an upgrade.
func libraries() []cel.EnvOption {
	return append([]cel.EnvOption{
		cel.StdLib(),
		cel.OptionalTypes(cel.OptionalTypesVersion(2)),
		ext.Strings(ext.StringsVersion(5), ext.StringsMaxPrecision(100)),
		ext.Lists(ext.ListsVersion(5), ext.ListsMaxRangeSize(maxRange)),
		ext.Sets(ext.SetsVersion(0)),
		ext.Math(ext.MathVersion(2)),
		ext.Bindings(ext.BindingsVersion(0)),
		ext.TwoVarComprehensions(ext.TwoVarComprehensionsVersion(0)),
		ext.Encoders(ext.EncodersVersion(0)), // base64; json is ours, yaml is not offered
		ext.Regex(ext.RegexVersion(0)),
		ext.Network(ext.NetworkVersion(ext.Version1)),
		cel.ExtendedValidations(),
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(maxComprehension)),
		cel.RegexProgramSizeLimit(maxRegex),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxNesting),
		cel.ExpressionNodeLimit(maxNodes),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.EnableMacroCallTracking(),
		cel.EagerlyValidateDeclarations(true),
		// The version of the cost model is not spelled out: cel-go compiles the models of any
		// but its newest anew for every expression, which doubles the time to load.
	}, declareOwn()...)
}

// names declares the vocabulary of a phase, each name in full: mcp.tool.name is one variable,
// resolved by one lookup. The objects between are variables too, for has(mcp.tool).
func names(response bool) []cel.EnvOption {
	var out []cel.EnvOption
	for _, n := range vocabulary {
		if n.response && !response {
			continue
		}
		typ := n.typ
		if n.object != noObject {
			typ = objectType(n.path)
		}
		out = append(out, cel.VariableWithDoc(n.path, typ, n.doc))
	}
	return out
}

// labelSharedErrors gives cel-go's shared error values an expression id. It writes the id of
// the first expression that meets one into it, which is a data race between evaluations.
var labelSharedErrors = sync.OnceFunc(func() {
	types.LabelErrNode(math.MaxInt64, types.NoSuchOverloadErr())
})

// hot are the options of a program that needs no limit at run time.
func hot() []cel.ProgramOption {
	return []cel.ProgramOption{cel.CustomDecoratorV2(readOptionals), cel.EvalOptions(cel.OptOptimize)}
}

// limited are the options of a program whose cost is not bounded by analysis.
func (e *Env) limited() []cel.ProgramOption {
	return append(append(hot(), metered()...), cel.CostLimit(e.costLimit), cel.InterruptCheckFrequency(interruptEvery))
}

// tracked are the options of a program that remembers the value of each part. A cheap one needs no limit.
func (e *Env) tracked(cheap bool) []cel.ProgramOption {
	track := cel.EvalOptions(cel.OptTrackState)
	if cheap {
		return append(hot(), track)
	}
	return append(e.limited(), track)
}

var _ interpreter.Activation = (*Frame)(nil)
