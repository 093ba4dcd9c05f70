package condition

import (
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"pgregory.net/rapid"
)

// What a guard excludes is false, in CEL's eyes too.
func TestGuard_isCEL(t *testing.T) {
	env := newEnv(t, Options{InputLimit: 200})
	name := rapid.SampledFrom([]string{"dev", "ops", "r", "s:a", "", "qa", strings.Repeat("x", maxListedText+1)})
	rapid.Check(t, func(r *rapid.T) {
		expression := `"ops" in principal.groups && (` + directExpression().Draw(r, "expression") + `)`
		if rapid.Bool().Draw(r, "unguarded") {
			expression = directExpression().Draw(r, "expression")
		}
		c := compile(t, env, expression, Bool, false)
		in := directInput(r)(t)
		if in.Principal != nil {
			in.Principal.Groups = rapid.SliceOfN(name, 0, maxSums+1).Draw(r, "groups")
			in.Principal.Scopes = rapid.SliceOfN(name, 0, 2).Draw(r, "scopes")
		}
		f := open(t, env, in, rapid.Bool().Draw(r, "blank"))
		if !f.Excludes(c.Guard()) {
			return
		}
		if v, err := c.value(f); err != nil || v != types.False {
			r.Fatalf("%s: excluded, and CEL says %v, %v", expression, v, err)
		}
	})
}

func TestGuard_excludes(t *testing.T) {
	env := newEnv(t, Options{})
	who := &Principal{Groups: []string{"dev"}, Roles: []string{"r"}, Scopes: []string{"s"}}
	many := &Principal{Groups: strings.Split(strings.Repeat("g ", maxSums), " ")}
	for _, tt := range []struct {
		expression string
		principal  *Principal
		blank      bool
		want       bool
	}{
		{`"ops" in principal.groups`, who, false, true},
		{`"dev" in principal.groups`, who, false, false},
		{`"dev" in principal.roles && args.x == 1`, who, false, true},
		{`"r" in principal.roles && args.x == 1`, who, false, false},
		{`("dev" in principal.scopes && args.x == 1) && args.y == 1`, who, false, true},
		{`"s" in principal.scopes && args.y == 1`, who, false, false},
		{`args.x == 1 && "ops" in principal.groups`, who, false, false}, // args.x may fail in a way that && doesn't hide
		{`"ops" in principal.groups || true`, who, false, false},
		{`!("ops" in principal.groups)`, who, false, false},
		{`"ops" in principal.groups && args.x == 1`, who, true, true}, // a listing
		{`"ops" in principal.groups`, nil, false, false},
		{`"ops" in principal.groups`, many, false, false},
		{`"ops" in principal.groups`, &Principal{Groups: many.Groups[:maxSums]}, false, true},
	} {
		c := compile(t, env, tt.expression, Bool, false)
		in := Input{Method: "tools/call", Tool: "read", Arguments: scan(t, `{}`), Principal: tt.principal}
		if got := open(t, env, in, tt.blank).Excludes(c.Guard()); got != tt.want {
			t.Errorf("%s, %+v, blank %v: %v", tt.expression, tt.principal, tt.blank, got)
		}
	}
}

// A frame that is used again asks anew.
func TestGuard_isOfTheCaller(t *testing.T) {
	env := newEnv(t, Options{})
	g := compile(t, env, `"ops" in principal.groups`, Bool, false).Guard()
	for _, group := range []string{"dev", "ops", "dev"} {
		f := env.NewFrame()
		f.Input = Input{Method: "ping", Principal: &Principal{Groups: []string{group}}}
		f.Open(t.Context())
		if got := f.Excludes(g); got != (group == "dev") {
			t.Errorf("%s: %v", group, got)
		}
		f.Close()
	}
}
