package main

import (
	"context"
	"encoding/json"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// bare is what one has with cel-go alone: a program to a rule, evaluated one after the other on maps.
type bare struct{ allow, deny []cel.Program }

func newCEL(_ context.Context, all []rule) (pdp, error) {
	env, err := cel.NewEnv(
		cel.Variable("user", cel.StringType), cel.Variable("roles", cel.ListType(cel.StringType)), cel.Variable("tool", cel.StringType),
		cel.Variable("args", cel.MapType(cel.StringType, cel.DynType)), cel.CrossTypeNumericComparisons(true),
	)
	if err != nil {
		return nil, err
	}
	e := new(bare)
	for _, r := range all {
		text, to := fmt.Sprintf("tool == %q && %q in roles && args.limit <= %d && args.path.startsWith(%q)", r.tool, r.role, r.limit, root), &e.allow
		if r.barred != "" {
			text, to = fmt.Sprintf("tool == %q && user == %q", r.tool, r.barred), &e.deny
		}
		checked, issues := env.Compile(text)
		if issues.Err() != nil {
			return nil, issues.Err()
		}
		p, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize))
		if err != nil {
			return nil, err
		}
		*to = append(*to, p)
	}
	return e, nil
}

func (e *bare) prepare(c *call) (decoded, fromBytes func(context.Context) (bool, error)) {
	input := func() (map[string]any, error) {
		var args map[string]any
		err := json.Unmarshal(c.args, &args)
		return map[string]any{"user": c.user, "roles": c.roles, "tool": c.tool, "args": args}, err
	}
	ready, _ := input() // fromBytes reports what is wrong with it
	return func(context.Context) (bool, error) { return e.ask(ready) },
		func(context.Context) (bool, error) {
			in, err := input()
			if err != nil {
				return false, err
			}
			return e.ask(in)
		}
}

func (e *bare) ask(in map[string]any) (bool, error) {
	for _, p := range e.deny {
		if v, _, err := p.Eval(in); err != nil || v == types.True {
			return false, err
		}
	}
	for _, p := range e.allow {
		if v, _, err := p.Eval(in); err != nil || v == types.True {
			return err == nil, err
		}
	}
	return false, nil
}
