package condition

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// pairwise are functions that compare each element of a list with each of another, or of itself: cel-go counts what that costs when it is done.
var pairwise = [][2]string{ // with their overloads
	{"distinct", "list_distinct"},
	{"hasAll", "list_hasAll_list"},
	{"hasAny", "list_hasAny_list"},
	{"hasExactly", "list_hasExactly_list"},
	{"hasOnly", "list_hasOnly_list"},
	{"sets.contains", "list_sets_contains_list"},
	{"sets.equivalent", "list_sets_equivalent_list"},
	{"sets.intersects", "list_sets_intersects_list"},
}

// morePairs is how many pairs may be compared for a unit of the cost limit. What is refused for their number costs more than the limit by
// cel-go's count too.
const morePairs = 8

// bounded declares the pairwise functions of an environment anew: they refuse before they begin what would cost too much, and fail where an
// element can't be read, which cel-go's would take for one that is equal to no other.
func bounded(base *cel.Env, limit uint64) ([]cel.EnvOption, error) {
	var out []cel.EnvOption
	for _, p := range pairwise {
		name, id := p[0], p[1]
		op, err := implementation(base, name, id)
		if err != nil {
			return nil, err
		}
		for _, o := range base.Functions()[name].OverloadDecls() {
			if o.ID() == id {
				out = append(out, cel.Function(name, redeclared(o, op, limit*morePairs)))
			}
		}
	}
	return out, nil
}

func implementation(base *cel.Env, name, id string) (*functions.Overload, error) {
	f := base.Functions()[name]
	if f == nil {
		return nil, fmt.Errorf("there is no function %s", name)
	}
	all, err := f.Bindings()
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", name, err)
	}
	for _, op := range all {
		if op.Operator == id && (op.Unary != nil || op.Binary != nil) {
			return op, nil
		}
	}
	return nil, fmt.Errorf("function %s has no overload %s", name, id)
}

func redeclared(o *decls.OverloadDecl, op *functions.Overload, most uint64) cel.FunctionOpt {
	declare := cel.Overload
	if o.IsMemberFunction() {
		declare = cel.MemberOverload
	}
	if op.Unary != nil {
		return declare(o.ID(), o.ArgTypes(), o.ResultType(), cel.UnaryBinding(func(v ref.Val) ref.Val {
			if n := elementsOf(v); n*n > most {
				return types.WrapErr(ErrCost)
			}
			if failed := unreadable(v); failed != nil {
				return failed
			}
			return op.Unary(v)
		}))
	}
	return declare(o.ID(), o.ArgTypes(), o.ResultType(), cel.BinaryBinding(func(a, b ref.Val) ref.Val {
		if elementsOf(a)*elementsOf(b) > most {
			return types.WrapErr(ErrCost)
		}
		for _, v := range []ref.Val{a, b} {
			if failed := unreadable(v); failed != nil {
				return failed
			}
		}
		return op.Binary(a, b)
	}))
}

// unreadable is the first element of a list that is an error, or not known; nil if none is.
func unreadable(v ref.Val) ref.Val {
	l, ok := v.(traits.Lister)
	if _, strings := v.(*stringList); strings || !ok {
		return nil
	}
	for it := l.Iterator(); it.HasNext() == types.True; {
		if e := it.Next(); types.IsUnknownOrError(e) {
			return e
		}
	}
	return nil
}

func elementsOf(v ref.Val) uint64 {
	l, ok := v.(traits.Lister)
	if !ok {
		return 0
	}
	n, _ := l.Size().(types.Int)
	return uint64(max(n, 0))
}
