package condition

import (
	"errors"
	"reflect"
	"slices"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

var errNotAValue = errors.New("it has fields, but is not a value itself")

// stringList is a CEL list over strings that are already there: asking whether it contains
// one costs no allocation.
type stringList struct{ names []string }

var (
	_ traits.Lister = (*stringList)(nil)
	_ traits.Zeroer = (*stringList)(nil)
)

func (l *stringList) native() traits.Lister {
	return types.NewStringList(types.DefaultTypeAdapter, l.names)
}

// Contains implements traits.Container.
func (l *stringList) Contains(elem ref.Val) ref.Val {
	s, ok := elem.(types.String)
	return types.Bool(ok && slices.Contains(l.names, string(s)))
}

// Get implements traits.Indexer.
func (l *stringList) Get(index ref.Val) ref.Val { return l.native().Get(index) }

// Size implements traits.Sizer.
func (l *stringList) Size() ref.Val { return types.Int(len(l.names)) }

// IsZeroValue implements traits.Zeroer.
func (l *stringList) IsZeroValue() bool { return len(l.names) == 0 }

// Add implements traits.Adder.
func (l *stringList) Add(other ref.Val) ref.Val { return l.native().Add(other) }

// Iterator implements traits.Iterable.
func (l *stringList) Iterator() traits.Iterator { return l.native().Iterator() }

// Equal implements ref.Val.
func (l *stringList) Equal(other ref.Val) ref.Val { return l.native().Equal(other) }

// ConvertToNative implements ref.Val.
func (l *stringList) ConvertToNative(t reflect.Type) (any, error) {
	return l.native().ConvertToNative(t)
}

// ConvertToType implements ref.Val.
func (l *stringList) ConvertToType(t ref.Type) ref.Val { return l.native().ConvertToType(t) }

// Type implements ref.Val.
func (l *stringList) Type() ref.Type { return types.ListType }

// Value implements ref.Val.
func (l *stringList) Value() any { return l.names }
