package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// opa has one rule to a policy, in a package whose rules are indexed by the tool, and a prepared query.
type opa struct{ query rego.PreparedEvalQuery }

func newOPA(ctx context.Context, all []rule) (pdp, error) {
	var b strings.Builder
	b.WriteString("package bench\n\ndefault granted := false\n\ndefault denied := false\n\ndefault allow := false\n\nallow if {\n\tgranted\n\tnot denied\n}\n")
	for _, r := range all {
		if r.barred != "" {
			fmt.Fprintf(&b, "\ndenied if {\n\tinput.tool == %q\n\tinput.user == %q\n}\n", r.tool, r.barred)
			continue
		}
		fmt.Fprintf(&b, "\ngranted if {\n\tinput.tool == %q\n\t%q in input.roles\n\tinput.args.limit <= %d\n\tstartswith(input.args.path, %q)\n}\n", r.tool, r.role, r.limit, root)
	}
	query, err := rego.New(rego.Query("data.bench.allow"), rego.Module("bench.rego", b.String())).PrepareForEval(ctx)
	return &opa{query}, err
}

func (o *opa) prepare(c *call) (decoded, fromBytes func(context.Context) (bool, error)) {
	roles := make([]*ast.Term, len(c.roles))
	for i, r := range c.roles {
		roles[i] = ast.StringTerm(r)
	}
	input := func() (ast.Value, error) {
		args, err := ast.ValueFromReader(bytes.NewReader(c.args))
		if err != nil {
			return nil, err
		}
		return ast.NewObject(
			ast.Item(ast.StringTerm("user"), ast.StringTerm(c.user)), ast.Item(ast.StringTerm("roles"), ast.ArrayTerm(roles...)),
			ast.Item(ast.StringTerm("tool"), ast.StringTerm(c.tool)), ast.Item(ast.StringTerm("args"), ast.NewTerm(args)),
		), nil
	}
	ask := func(ctx context.Context, in ast.Value) (bool, error) {
		result, err := o.query.Eval(ctx, rego.EvalParsedInput(in))
		return result.Allowed(), err
	}
	ready, _ := input() // fromBytes reports what is wrong with it
	return func(ctx context.Context) (bool, error) { return ask(ctx, ready) },
		func(ctx context.Context) (bool, error) {
			in, err := input()
			if err != nil {
				return false, err
			}
			return ask(ctx, in)
		}
}
