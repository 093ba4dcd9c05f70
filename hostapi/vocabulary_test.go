package hostapi_test

import (
	"slices"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// beyond are names that conditions don't have: parts of a message that only plugins judge.
var beyond = []string{"items", "mcp.result"}

// types says how field paths see what CEL has a type for.
var types = map[string]hostapi.Type{
	"string": hostapi.TypeString, "list(string)": hostapi.TypeList, "map(string, string)": hostapi.TypeHeaders,
	"map(string, dyn)": hostapi.TypeTree, "dyn": hostapi.TypeTree,
}

func TestFieldPathsBeginWithTheCanonicalNamesOfConditions(t *testing.T) {
	want := map[string]condition.Name{} // but mcp.error: plugins see an error where they would see a result
	for _, n := range condition.Names() {
		if n.Type == "object" || n.Path == "now" || n.Path == "mcp.tool.arguments" || n.Path == "mcp.error" || n.Alias != "" && n.Path != "args" {
			continue
		}
		want[n.Path] = n
	}
	for _, n := range hostapi.Names() {
		if slices.Contains(beyond, n.Name) {
			continue
		}
		c, ok := want[n.Name]
		if !ok {
			t.Errorf("conditions don't have %s", n.Name)
			continue
		}
		delete(want, n.Name)
		if typ, ok := types[c.Type]; !ok || typ != n.Type {
			t.Errorf("%s is of type %d, for conditions of %s", n.Name, n.Type, c.Type)
		}
		if slices.Contains(n.Hooks, hostapi.HookRequest) == c.Response {
			t.Errorf("%s is there in %v, for conditions in the response phase only: %v", n.Name, n.Hooks, c.Response)
		}
	}
	for name := range want {
		t.Errorf("plugins can't read %s", name)
	}
}

func TestOtherSpellingsOfConditionsAreNamedAsSuch(t *testing.T) {
	for _, n := range condition.Names() {
		if n.Alias == "" || n.Path == "args" {
			continue
		}
		if _, err := hostapi.ParsePath(n.Path); err == nil {
			t.Errorf("%s is another spelling of %s, and a path", n.Path, n.Alias)
		}
	}
}
