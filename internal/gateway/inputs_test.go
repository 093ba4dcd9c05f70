package gateway

import (
	"fmt"
	"slices"
	"testing"
)

func TestRecordedInputs(t *testing.T) {
	const policy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
rules:
  - { name: a, effect: allow, when: '%s' }
`
	for when, want := range map[string][]string{
		`args.path == "/srv/a" && args["odd key"] == 1`:                       {`args.path="/srv/a"`, `args["odd key"]=1`},
		`request.headers["x-tenant"] == "acme"`:                               {`request.headers["x-tenant"]="acme"`},
		`has(request.headers.accept)`:                                         {`request.headers.accept="application/json, text/event-stream"`},
		`request.headers["x-other"] == "acme"`:                                nil,
		`args.nested.deep == true && now > timestamp("2020-01-01T00:00:00Z")`: {`args.nested.deep=true`},
		`args.nested.path.none == 1 || true`:                                  nil,
		`params.name == "t" && principal.groups == []`:                        {`params.name="t"`, `principal.groups=[]`},
		`request.headers[args.path] == "x" || true`:                           {`args.path="/srv/a"`, "inputs_unknown"},
	} {
		w := newWorld(t, fmt.Sprintf(policy, when))
		w.raw(post(call("t", `{"path":"/srv/a","odd key":1,"nested":{"deep":true}}`), "X-Tenant: acme"))
		r := w.recorded(1)[0]
		var got []string
		for _, in := range r.Inputs {
			got = append(got, in.Name+"="+string(in.JSON))
		}
		if r.NotReplayable != "" {
			got = append(got, r.NotReplayable)
		}
		if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
}
