package condition

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
)

// cel-go's validators each go over all of an expression, and make an object for each part of it, to find the parts that they judge. Most
// conditions have none of those: that is found out first, which takes no memory.

// seldom runs a validator only on expressions that it may have something to say of.
type seldom struct {
	cel.ASTValidator
	judges func(ast.Expr) bool
}

// Validate implements cel.ASTValidator.
func (s seldom) Validate(env *cel.Env, config cel.ValidatorConfig, a *ast.AST, issues *cel.Issues) {
	if has(a.Expr(), s.judges) {
		s.ASTValidator.Validate(env, config, a, issues)
	}
}

// exempting is a validator that also says what others let pass.
type exempting struct {
	seldom
	cel.ASTValidatorConfigurer
}

// filtered returns the validators of an environment, to be put in their own places. One that is not known judges everything.
func filtered(env *cel.Env) cel.EnvOption {
	all := env.Validators()
	for i, v := range all {
		judges := judged[v.Name()]
		if judges == nil {
			continue
		}
		s := seldom{v, judges}
		all[i] = s
		if c, ok := v.(cel.ASTValidatorConfigurer); ok {
			all[i] = exempting{s, c}
		}
	}
	return cel.ASTValidators(all...)
}

// judged says what validators look for.
var judged = map[string]func(ast.Expr) bool{
	"cel.validator.duration":                    calling("duration"),
	"cel.validator.timestamp":                   calling("timestamp"),
	"cel.validator.matches":                     calling("matches"),
	"cel.validator.regex_program_size_limit":    calling("matches", "regex.extract", "regex.extractAll", "regex.replace"),
	"cel.validator.network.ip":                  calling("ip"),
	"cel.validator.network.cidr":                calling("cidr"),
	"cel.validator.string_format":               calling("format"),
	"cel.validator.homogeneous_literals":        func(e ast.Expr) bool { return e.Kind() == ast.ListKind || e.Kind() == ast.MapKind },
	"cel.validator.comprehension_nesting_limit": func(e ast.Expr) bool { return e.Kind() == ast.ComprehensionKind },
}

func calling(names ...string) func(ast.Expr) bool {
	return func(e ast.Expr) bool {
		return e.Kind() == ast.CallKind && slices.Contains(names, e.AsCall().FunctionName())
	}
}

// has says whether an expression or a part of it is of a kind.
func has(e ast.Expr, is func(ast.Expr) bool) (found bool) {
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(part ast.Expr) { found = found || is(part) }))
	return found
}
