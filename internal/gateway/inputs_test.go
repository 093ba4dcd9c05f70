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
		`request.headers["x-other"] == "acme"`:                                {`!request.headers["x-other"]`},
		`args.nested.deep == true && now > timestamp("2020-01-01T00:00:00Z")`: {`args.nested.deep=true`},
		`args.nested.path.none == 1 || true`:                                  {`!args.nested.path`},
		`args.path.none == 1 || args.path.other == 1 || true`:                 {`args.path="/srv/a"`},
		`args.a.b == 1 || args.a.c == 1 || jwt.sub == "x" || true`:            {`!args.a`, `!jwt`},
		`mcp.tool.annotations.readOnlyHint || true`:                           {`!mcp.tool.annotations`},
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
		for _, name := range r.Absent {
			got = append(got, "!"+name)
		}
		if r.NotReplayable != "" {
			got = append(got, r.NotReplayable)
		}
		if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
}

func TestRecordOfAJudgedAnswer(t *testing.T) {
	const policy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
rules:
  - { name: any, effect: allow }
  - { name: out, phase: response, effect: deny, reason: no, when: '%s' }
`
	for _, tt := range []struct {
		when, answer string
		results      bool
		want         []string
	}{
		{`mcp.tool.result.isError == true`, `"result":{"content":[],"isError":true}`, true, []string{"deny", "mcp.tool.result.isError=true"}},
		{`mcp.tool.result.isError == true`, `"result":{"content":[],"isError":true}`, false, []string{"deny", "inputs_not_recorded"}},
		{`has(mcp.tool.result.isError) && args.x == 1`, `"result":{"content":[]}`, true, []string{"allow", "!mcp.tool.result.isError", "args.x=1"}},
		{`args.x == 2`, `"result":{"content":[]}`, false, []string{"allow", "args.x=1"}},
		{`mcp.error.message == "x"`, `"error":{"code":-32000,"message":"x"}`, true, []string{"deny", `mcp.error.message="x"`, "mcp.error.code=-32000"}},
		{`mcp.error.message == "x"`, `"error":{"code":-32000,"message":"x"}`, false, []string{"deny", "mcp.error.code=-32000", "inputs_not_recorded"}},
	} {
		w := newWorld(t, fmt.Sprintf(policy, tt.when), func(o *Options, _ *Snapshot) { o.RecordResults = tt.results })
		w.server.answer = says(200, `{"jsonrpc":"2.0","id":$ID,`+tt.answer+`}`)
		w.raw(post(call("t", `{"x":1}`)))
		records := w.recorded(2)
		before, r := records[0], records[1]
		got := []string{r.Effect}
		for _, name := range r.Absent {
			got = append(got, "!"+name)
		}
		for _, in := range r.Inputs {
			got = append(got, in.Name+"="+string(in.JSON))
		}
		if r.NotReplayable != "" {
			got = append(got, r.NotReplayable)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.when, got, tt.want)
		}
		if r.Phase != "response" || r.Tool != "t" || r.Method != "tools/call" || r.Server != before.Server || !r.Now.Equal(before.Time) || r.DecisionID != before.DecisionID {
			t.Errorf("%s: %+v", tt.when, r)
		}
	}
}
