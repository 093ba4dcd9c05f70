package condition

import (
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
)

// sizes estimates the sizes of inputs, from what the Frame enforces: nothing that a rule can
// look into is larger than the input limit, and the lists of a principal are short.
type sizes struct{ limit uint64 }

// EstimateSize implements cost.Estimator.
func (s sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	path := n.Path()
	if len(path) == 0 {
		if n.Expr() == nil && n.Type() != nil && n.Type().Kind() == types.StringKind {
			return &cost.SizeEstimate{Max: s.limit}
		}
		return nil
	}
	most := s.limit
	if n.Type() != nil {
		switch n.Type().Kind() {
		case types.ListKind, types.MapKind, types.DynKind:
			most = s.limit / 2 // an element takes two bytes of JSON at least
		default:
		}
	}
	switch path[0] {
	case "principal.groups", "principal.roles", "principal.scopes":
		most = maxListed // of names, and of their bytes
	case "principal.type", "source.address":
		most = 128
	}
	return &cost.SizeEstimate{Max: most}
}

// EstimateCallCost implements cost.Estimator: every function has its cost model.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
