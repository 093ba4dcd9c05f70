package condition

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
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
	if n.Type() != nil && n.Type().Kind() == types.DynKind {
		return nested(most, len(path))
	}
	return &cost.SizeEstimate{Max: most}
}

// hinted is how many lists within lists cel-go asks for the sizes of, where it doesn't know that a value is none.
const hinted = 32

// nested is the size of a value that may be a list of such values, and so on: what cel-go finds out itself if it is told the outermost
// only, by asking for each with a node and a path of its own, which were two fifths of what it took to compile a condition.
func nested(most uint64, depth int) *cost.SizeEstimate {
	levels := make([]cost.SizeEstimate, max(hinted-depth, 0)+1)
	for i := range levels {
		levels[i].Max = most
		if i > 0 {
			levels[i-1].Elem = &levels[i]
		}
	}
	return &levels[0]
}

// EstimateCallCost implements cost.Estimator: of what cel-go counts as nothing where it is much.
func (s sizes) EstimateCallCost(_, overload string, target *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	if overload == formatting && len(args) == 1 {
		return s.formatted(args[0])
	}
	if !slices.Contains(walking, overload) {
		return nil
	}
	if target != nil {
		args = []cost.AstNode{*target}
	}
	most := s.limit
	if n := args[0].ComputedSize(); n != nil {
		most = min(most, n.Max)
	}
	return cost.NewCallEstimate(cost.Estimate{Min: 1, Max: 1 + most/elements}, nil)
}

// formatting is the overload of format. cel-go counts its text, not what is put into it.
const formatting = "string_format"

// encoding is the overload of json.encode, whose text may be much more than its list has elements.
const encoding = "json_encode_dyn"

// formatted estimates a text that values are put into, each of which may be as much as may be looked into.
func (s sizes) formatted(values cost.AstNode) *cost.CallEstimate {
	n := values.ComputedSize()
	if n == nil {
		return nil
	}
	most := cost.SizeEstimate{Max: cost.SafeMultiply(n.Max+1, s.limit)}
	return cost.NewCallEstimate(cost.Estimate{Min: 1, Max: 1 + most.Max/perUnit}, &most)
}

// walking are overloads that go over all of their first argument, though cel-go has no cost model for it, or another.
var walking = []string{
	overloads.SizeString, overloads.SizeStringInst, overloads.StringToTimestamp, overloads.StringToDuration, overloads.StringToInt, overloads.StringToUint,
	overloads.StringToDouble, overloads.StringToBool, "list_slice", "@mapInsert_map_key_value", "@mapInsert_map_map",
}

// meter counts at run time what cel-go's trackers don't: calls of walking, and calls of which only the types of the values say what they are.
// cel-go knows trackers by the overload, and so counts one unit for those: for reversing a list of whatever length.
type meter struct{}

func metered() []cel.ProgramOption {
	walk := func(args []ref.Val, _ ref.Val) *uint64 { return total(args[:1]) }
	var trackers []cost.TrackerOption
	for _, overload := range walking {
		trackers = append(trackers, cost.OverloadTracker(overload, walk))
	}
	for _, overload := range []string{formatting, encoding} {
		trackers = append(trackers, cost.OverloadTracker(overload, func(args []ref.Val, text ref.Val) *uint64 { return total(append(args[:1:1], text)) }))
	}
	return []cel.ProgramOption{cel.CostTracking(meter{}), cel.CostTrackerOptions(trackers...)}
}

// CallCost implements cost.ActualCostEstimator.
func (meter) CallCost(function, overload string, args []ref.Val, _ ref.Val) *uint64 {
	if overload != "" {
		return nil
	}
	switch function {
	case operators.Index, operators.OptIndex, operators.OptSelect:
		return nil
	case overloads.Size: // that of an array or object is remembered
		if _, ok := args[0].(types.String); !ok {
			return nil
		}
	case operators.In, operators.OldIn:
		if _, ok := args[1].(traits.Mapper); ok {
			return nil
		}
	}
	return total(args)
}

// total is what it costs to go over values.
func total(values []ref.Val) *uint64 {
	n := uint64(1)
	for _, v := range values {
		n += weight(v)
	}
	return &n
}

// Bytes of text, and elements of lists, that are gone over in the time of about a unit.
const (
	perUnit  = 10
	elements = 2
)

func weight(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String:
		return uint64(len(v)) / perUnit
	case types.Bytes:
		return uint64(len(v)) / perUnit
	case *jsonArray:
		return uint64(v.count()) / elements
	case *jsonObject:
		return uint64(v.count()) / elements
	case *stringList:
		return uint64(len(v.names)) / elements
	case traits.Sizer: // the lists and maps of cel-go's own
		n, _ := v.Size().(types.Int)
		return uint64(max(n, 0)) / elements
	}
	return 0
}
