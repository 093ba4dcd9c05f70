package gateway

import (
	"slices"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// Lower floors can't see the wire's table of methods, and keep what they need of it. Here is who compares them.
func TestMethodTablesAgree(t *testing.T) {
	wire := mcp.Methods()
	for _, m := range wire {
		if !slices.Contains(policy.Methods(), m) {
			t.Errorf("%s is a method, but a policy's match may not name it", m)
		}
	}
	for _, m := range policy.Methods() {
		spec := mcp.LookupMethod(m)
		if spec == nil {
			t.Errorf("a policy's match may name %s, which is no method", m)
			continue
		}
		want := condition.Subjects(0)
		switch spec.Target {
		case mcp.TargetTool:
			want = condition.Tool
		case mcp.TargetPrompt:
			want = condition.Prompt
		case mcp.TargetResource:
			want = condition.Resource
		case mcp.TargetNone, mcp.TargetTask, mcp.TargetRef:
		}
		if got := condition.SubjectsOf(m); got != want && spec.Target != mcp.TargetResource || got&^want != 0 {
			t.Errorf("%s: conditions take it to be about %q, the wire about %q", m, got, want)
		}
	}
}
