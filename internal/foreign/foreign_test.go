package foreign

import (
	"strings"
	"testing"

	ours "github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

func TestRename(t *testing.T) {
	for text, want := range map[string]string{
		`request.mcp.tool == "request.mcp.tool"`:                  `mcp.tool.name == "request.mcp.tool"`,
		`request . mcp . tool == 'a' // request.mcp.tool`:         `mcp.tool.name == 'a' // request.mcp.tool`,
		`request.auth.jwt.claims.a.b`:                             `jwt.a.b`,
		`request.auth.jwt.claims["a"]`:                            `jwt["a"]`,
		`"x" in request.auth.jwt.scopes`:                          `"x" in principal.scopes`,
		`[1].exists(request, request == 1)`:                       `[1].exists(request, request == 1)`,
		`request.mcp.params.arguments.text.matches(r"\d")`:        `params.arguments.text.matches(r"\d")`,
		`"""request.mcp.tool""" + request.mcp.tool`:               `"""request.mcp.tool""" + mcp.tool.name`,
		`request.headers["x-a"] == "1"`:                           `request.headers["x-a"] == "1"`,
		`"x-a" in request.headers`:                                `"x-a" in request.headers`,
		`request.headers.tenant == "1"`:                           `request.headers.tenant == "1"`,
		`a.request.mcp.tool`:                                      "!it reads `a.request.mcp.tool`, for which there is no name here",
		`request.headers["X-A"]`:                                  "!it reads the header `X-A`: names of headers are in lower case",
		`request.headers["cookie"]`:                               "!it reads the header `cookie`, which conditions don't see",
		`"mcp-name" in request.headers`:                           "!it reads the header `mcp-name`, which conditions don't see",
		`request.headers["x" + "y"]`:                              "",
		`request.headers[r"cookie"]`:                              "!it reads headers other than by their names",
		`request.headers == {}`:                                   "!it reads headers other than by their names",
		`request.headers["\x63ookie"]`:                            "!it reads headers other than by their names",
		`request.auth.jwt.claims.scope`:                           "!it reads scopes as a claim",
		`request.auth.jwt.claims["scp"]`:                          "!it reads scopes as a claim",
		`request.auth.jwt.claims["s" + "cp"] == "\x61"`:           "!it reads scopes as a claim",
		`request.path`:                                            "!it reads `request.path`: rules are about messages, not about HTTP",
		`request == request`:                                      "!it reads `request`, for which there is no name here",
		`args.x`:                                                  "!it reads `args.x`, for which there is no name here",
		`principal.id`:                                            "!it reads `principal.id`, for which there is no name here",
		`has(request.mcp.params.a) ? true : type(1) == int`:       `has(params.a) ? true : type(1) == int`,
		`request.mcp.tool.matches("^a") && math.greatest(1, 2)>1`: `mcp.tool.name.matches("^a") && math.greatest(1, 2)>1`,
	} {
		got, problem := envoyWords.rename(text)
		if problem != "" {
			got = "!" + problem
		}
		if want != "" && got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestDisjuncts(t *testing.T) {
	for text, want := range map[string]string{
		`a || b`:                 "a;b",
		`a || (b || c) && d||e`:  "a;(b || c) && d;e",
		`a ? b : c || d`:         "a ? b : c || d",
		`[a || b][0] || "||"`:    `[a || b][0];"||"`,
		`a.?b.orValue(1) || c`:   "a.?b.orValue(1);c",
		"a // x || y\n|| b":      "a // x || y;b",
		`a.exists(x, x || y)`:    "a.exists(x, x || y)",
		`a || b ? c : d`:         "a || b ? c : d",
		`'||' == "a" || r"||\" `: `'||' == "a";r"||\"`,
	} {
		if got := strings.Join(disjuncts(text), ";"); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// FuzzImport: whatever the file, what comes of it is policies, or mistakes.
func FuzzImport(f *testing.F) {
	f.Add("mcpAuthorization:\n  rules: ['a\n#', {deny: 'mcp.tool.name == \"x\" || jwt.a == 1'}, {require: 'true // x'}]\n")
	f.Add("apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: MCPRoute\nmetadata: {name: \"a\\nb: c\"}\nspec:\n  backendRefs: [{name: \"b'\\\"\"}]\n  securityPolicy:\n    authorization:\n      rules: [{cel: 'request.path'}, {action: Deny, cel: \"request.mcp.tool == 'a'\\n\"}]\n")
	f.Add("kind: ValidatingAdmissionPolicy\nspec:\n  variables: [{name: a, expression: object.b}]\n  validations: [{expression: 'variables.a == 1', message: \"x\\u2028y\"}, {expression: 'oldObject\n== 1'}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, from := range []string{AgentGateway, EnvoyAI, Admission} {
			out, ds := Import(from, "f.yaml", []byte(text), Options{})
			if ds.HasErrors() {
				continue
			}
			if _, ds := ours.Parse("out.yaml", out); ds.HasErrors() {
				t.Errorf("%s of %q:\n%s\n%v", from, text, out, ds)
			}
		}
	})
}

// The examples of the pages cause their codes, and their fixes don't.
func TestPagesShowTheMistakeAndItsFix(t *testing.T) {
	blocks := func(id string) []string {
		page, _ := source.Page(id)
		var out []string
		for _, block := range strings.Split(page, "```yaml\n")[1:] {
			text, _, _ := strings.Cut(block, "```\n")
			out = append(out, text)
		}
		return out
	}
	refused, changed := blocks("SP9001"), blocks("SP9002")
	for i, c := range []struct{ text, want string }{{refused[0], "SP9001"}, {refused[1], ""}, {changed[0], "SP9002"}} {
		_, ds := Import(AgentGateway, "f.yaml", []byte(c.text), Options{})
		if got := len(ds) > 0; got != (c.want != "") || got && ds[0].Code != c.want {
			t.Errorf("%d: %v, want %q", i, ds, c.want)
		}
	}
	if _, ds := ours.Parse("p.yaml", []byte(changed[1])); len(ds) > 0 {
		t.Error(ds)
	}
}
