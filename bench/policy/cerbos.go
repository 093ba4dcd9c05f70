package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing/fstest"

	effectv1 "github.com/cerbos/cerbos/api/genpb/cerbos/effect/v1"
	enginev1 "github.com/cerbos/cerbos/api/genpb/cerbos/engine/v1"
	"github.com/cerbos/cerbos/private/ruletable"
	"github.com/cerbos/cerbos/private/ruletable/compile"
	epdpv2 "github.com/cerbos/cloud-api/genpb/cerbos/cloud/epdp/v2"
	"google.golang.org/protobuf/types/known/structpb"
)

// cerbos has one resource policy to a tool, with its three rules, and the rule table that Cerbos itself decides on.
type cerbos struct{ table ruletable.Evaluator }

func newCerbos(ctx context.Context, all []rule) (pdp, error) {
	files := fstest.MapFS{}
	for i := 0; i < len(all); i += 3 {
		text := fmt.Appendf(nil, "apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: %s\n  version: default\n  rules:\n", all[i].tool)
		for _, r := range all[i:min(i+3, len(all))] {
			if r.barred != "" {
				text = fmt.Appendf(text, "    - { actions: [call], effect: EFFECT_DENY, roles: ['*'], condition: { match: { expr: 'request.principal.id == %q' } } }\n", r.barred)
				continue
			}
			text = fmt.Appendf(text, "    - { actions: [call], effect: EFFECT_ALLOW, roles: [%s], condition: { match: { expr: 'request.resource.attr.limit <= %d && request.resource.attr.path.startsWith(%q)' } } }\n",
				r.role, r.limit, root)
		}
		files[all[i].tool+".yaml"] = &fstest.MapFile{Data: text}
	}
	proto, err := compile.Compile(ctx, files)
	if err != nil {
		return nil, err
	}
	table, err := ruletable.NewRuleTableFromProto(proto, &epdpv2.Config{})
	return &cerbos{table}, err
}

func (e *cerbos) prepare(c *call) (decoded, fromBytes func(context.Context) (bool, error)) {
	principal := &enginev1.Principal{Id: c.user, Roles: c.roles}
	actions := []string{"call"}
	input := func() ([]*enginev1.CheckInput, error) {
		var args map[string]any
		if err := json.Unmarshal(c.args, &args); err != nil {
			return nil, err
		}
		attr, err := structpb.NewStruct(args)
		if err != nil {
			return nil, err
		}
		return []*enginev1.CheckInput{{
			RequestId: "1", Principal: principal, Actions: actions,
			Resource: &enginev1.Resource{Kind: c.tool, Id: "1", Attr: attr.GetFields()},
		}}, nil
	}
	ask := func(ctx context.Context, in []*enginev1.CheckInput) (bool, error) {
		out, _, err := e.table.Check(ctx, in)
		if err != nil {
			return false, err
		}
		return out[0].GetActions()["call"].GetEffect() == effectv1.Effect_EFFECT_ALLOW, nil
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
