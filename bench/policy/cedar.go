package main

import (
	"context"
	"errors"
	"fmt"

	cedarpolicy "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
)

// cedar has one policy to a rule. Roles are the parents of the user.
type cedar struct{ policies *cedarpolicy.PolicySet }

func newCedar(_ context.Context, all []rule) (pdp, error) {
	var text []byte
	for _, r := range all {
		if r.barred != "" {
			text = fmt.Appendf(text, "forbid (principal == User::%q, action == Action::\"call\", resource == Tool::%q);\n", r.barred, r.tool)
			continue
		}
		text = fmt.Appendf(text, "permit (principal in Role::%q, action == Action::\"call\", resource == Tool::%q) when { context.limit <= %d && context.path like %q };\n",
			r.role, r.tool, r.limit, root+"*")
	}
	set, err := cedarpolicy.NewPolicySetFromBytes("bench.cedar", text)
	return &cedar{set}, err
}

func (e *cedar) prepare(c *call) (decoded, fromBytes func(context.Context) (bool, error)) {
	user := types.NewEntityUID("User", types.String(c.user))
	var parents []types.EntityUID
	for _, r := range c.roles {
		parents = append(parents, types.NewEntityUID("Role", types.String(r)))
	}
	entities := types.EntityMap{user: {UID: user, Parents: types.NewEntityUIDSet(parents...)}}
	request := cedarpolicy.Request{
		Principal: user, Action: types.NewEntityUID("Action", "call"), Resource: types.NewEntityUID("Tool", types.String(c.tool)),
	}
	ask := func(r cedarpolicy.Request) (bool, error) {
		decision, why := cedarpolicy.Authorize(e.policies, entities, r)
		var err error
		for _, x := range why.Errors {
			err = errors.Join(err, errors.New(x.Message))
		}
		return decision == cedarpolicy.Allow, err
	}
	ready := request
	_ = ready.Context.UnmarshalJSON(c.args) // fromBytes reports what is wrong with it
	return func(context.Context) (bool, error) { return ask(ready) },
		func(context.Context) (bool, error) {
			r := request
			if err := r.Context.UnmarshalJSON(c.args); err != nil {
				return false, err
			}
			return ask(r)
		}
}
