package replay

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

func input(name, value string) audit.Input { return audit.Input{Name: name, JSON: []byte(value)} }

func TestRequestOfARecord(t *testing.T) {
	now := time.Date(2026, 11, 22, 7, 8, 9, 0, time.UTC)
	var b Builder
	for range 2 { // nothing is left of the one before
		q, err := b.Request(&audit.Record{
			Kind: audit.Outcome, Method: "tools/call", Tool: "t", Server: "s", Phase: "response", Now: now, PrincipalKind: engine.KindAPIKey, PrincipalID: "ci", SourceAddress: "::1",
			Inputs: []audit.Input{
				input(`args["odd key"]`, `1`), input("params.arguments.path", `"/srv"`), input(`request.headers["x-tenant"]`, `"acme"`),
				input("apiKey.claims.team", `"blue"`), input("jwt.sub", `"x"`), input("principal.groups", `["a","b"]`), input("mcp.tool.result.isError", `true`),
				input("mcp.error.code", `-1`), input("params.name", `"t"`),
			},
			Absent: []string{"mcp.tool.annotations.readOnlyHint", "args.nested.deep", "jwt.none"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string][2]string{
			"params":      {string(q.Params.Raw()), `{"arguments":{"odd key":1,"path":"/srv","nested":{}},"name":"t"}`},
			"arguments":   {string(q.Arguments.Raw()), `{"odd key":1,"path":"/srv","nested":{}}`},
			"claims":      {string(q.Principal.Claims.Raw()), `{"team":"blue","sub":"x"}`},
			"annotations": {string(q.Annotations.Raw()), `{}`},
			"result":      {string(q.Result.Raw()), `{"isError":true}`},
			"error":       {string(q.Error.Raw()), `{"code":-1}`},
			"header":      {q.Header("x-tenant"), "acme"},
			"no header":   {q.Header("other"), ""},
			"key":         {q.Principal.APIKey, "ci"},
			"source":      {q.Source.String(), "::1"},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: %s, want %s", what, got[0], got[1])
			}
		}
		if q.Phase != engine.PhaseResponse || !q.Time.Equal(now) || len(q.Principal.Groups) != 2 {
			t.Errorf("%+v", q)
		}
	}
	q, err := b.Request(&audit.Record{Kind: audit.Decision, Method: "ping", Time: now, Inputs: []audit.Input{input("params", `{"arguments":{"a":1}}`), input("args.a", `1`)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(q.Arguments.Raw()); got != `{"a":1}` || q.Principal != nil || !q.DefaultAllow || q.Annotations.Exists() || !q.Time.Equal(now) {
		t.Errorf("%s %+v", got, q)
	}
}

func TestInputsThatAreNone(t *testing.T) {
	var many []audit.Input
	for range audit.MaxInputs + 1 {
		many = append(many, input("args.a", "1"))
	}
	for name, in := range map[string][]audit.Input{"not JSON": {input("args.a", `{`)}, "too many": many} {
		if _, err := new(Builder).Request(&audit.Record{Inputs: in}); err == nil {
			t.Error(name)
		}
	}
}
