package main

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// sallyport has one policy to a tool, with its three rules.
type sallyport struct{ snapshot *engine.Snapshot }

func newSallyport(ctx context.Context, all []rule) (pdp, error) {
	files := fstest.MapFS{}
	for i := 0; i < len(all); i += 3 {
		text := fmt.Appendf(nil, "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: %[1]s }\nmatch: { methods: [tools/call], tools: [%[1]s] }\nrules:\n", all[i].tool)
		for j, r := range all[i:min(i+3, len(all))] {
			if r.barred != "" {
				text = fmt.Appendf(text, "  - { name: r%d, effect: deny, when: 'principal.id == %q' }\n", j, r.barred)
				continue
			}
			text = fmt.Appendf(text, "  - { name: r%d, effect: allow, when: '%q in principal.roles && args.limit <= %d && args.path.startsWith(%q)' }\n", j, r.role, r.limit, root)
		}
		files[all[i].tool+".yaml"] = &fstest.MapFile{Data: text}
	}
	b, err := bundle.FS(files)
	if err != nil {
		return nil, err
	}
	s, err := engine.Compile(ctx, b, engine.Options{})
	return &sallyport{s}, err
}

func (s *sallyport) prepare(c *call) (decoded, fromBytes func(context.Context) (bool, error)) {
	ask := func(ctx context.Context, r *engine.Request) (bool, error) {
		d := s.snapshot.Decide(ctx, r)
		return d.Allowed(), d.Cause
	}
	request := engine.Request{
		Method: "tools/call", Server: "docs", Tool: c.tool,
		Principal: &engine.Principal{ID: c.user, Kind: engine.KindJWT, Roles: c.roles},
	}
	var before, each jsonscan.Doc
	_ = before.Scan(c.args, jsonscan.Options{}) // fromBytes reports what is wrong with it
	ready := request
	ready.Arguments = before.Root()
	return func(ctx context.Context) (bool, error) { return ask(ctx, &ready) },
		func(ctx context.Context) (bool, error) {
			if err := each.Scan(c.args, jsonscan.Options{Fold: true}); err != nil {
				return false, err
			}
			request.Arguments = each.Root()
			return ask(ctx, &request)
		}
}
