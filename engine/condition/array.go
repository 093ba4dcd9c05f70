package condition

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// jsonArray is a CEL list over a JSON array.
type jsonArray struct {
	reader
	v     jsonscan.Value
	elems []jsonscan.Value // filled when an element is asked for by index
}

var (
	_ traits.Lister   = (*jsonArray)(nil)
	_ traits.Foldable = (*jsonArray)(nil)
	_ traits.Zeroer   = (*jsonArray)(nil)
)

// at returns the i-th element, absent if there is none. It indexes the array on first use:
// a rule that asks for every element in turn must not be quadratic.
func (a *jsonArray) at(i int64) jsonscan.Value {
	if i == 0 {
		return a.v.Index(0)
	}
	if a.elems == nil {
		for c := a.v.Cursor(); c.Next(); {
			a.elems = append(a.elems, c.Value())
		}
	}
	if i < 0 || i >= int64(len(a.elems)) {
		return jsonscan.Value{}
	}
	return a.elems[i]
}

// GetInt64Index is the fast path that cel-go takes for a constant index.
func (a *jsonArray) GetInt64Index(i int64) (any, bool) {
	v := a.at(i)
	if !v.Exists() {
		return nil, false
	}
	return a.value(v), true
}

// Get implements traits.Indexer.
func (a *jsonArray) Get(index ref.Val) ref.Val {
	i, err := types.GetOrError(index)
	if err != nil {
		return types.WrapErr(err)
	}
	v := a.at(int64(i))
	if !v.Exists() {
		return types.NewErr("index out of bounds: %v", index)
	}
	return a.value(v)
}

// Contains implements traits.Container.
func (a *jsonArray) Contains(elem ref.Val) ref.Val {
	a.mustWhole(a.v)
	for c := a.v.Cursor(); c.Next(); {
		if types.Equal(elem, a.value(c.Value())) == types.True {
			return types.True
		}
	}
	return types.False
}

// Add implements traits.Adder.
func (a *jsonArray) Add(other ref.Val) ref.Val {
	list, ok := a.list()
	if !ok {
		return types.WrapErr(ErrNumber)
	}
	return list.Add(other)
}

// list returns the array as a list of CEL values.
func (a *jsonArray) list() (traits.Lister, bool) {
	a.mustWhole(a.v)
	vals := []ref.Val{}
	for c := a.v.Cursor(); c.Next(); {
		v := a.value(c.Value())
		if types.IsError(v) {
			return nil, false
		}
		vals = append(vals, v)
	}
	return types.NewRefValList(types.DefaultTypeAdapter, vals), true
}

// Size implements traits.Sizer.
func (a *jsonArray) Size() ref.Val {
	a.mustWhole(a.v)
	if a.elems != nil {
		return types.Int(len(a.elems))
	}
	return types.Int(a.v.Len())
}

// IsZeroValue implements traits.Zeroer.
func (a *jsonArray) IsZeroValue() bool { return !a.at(0).Exists() }

// Iterator implements traits.Iterable.
func (a *jsonArray) Iterator() traits.Iterator {
	a.mustWhole(a.v)
	return &elemIterator{reader: a.reader, cursor: a.v.Cursor()}
}

// Fold implements traits.Foldable.
func (a *jsonArray) Fold(f traits.Folder) {
	a.mustWhole(a.v)
	i := 0
	for c := a.v.Cursor(); c.Next(); i++ {
		if !f.FoldEntry(types.Int(i), a.value(c.Value())) {
			return
		}
	}
}

// Equal implements ref.Val.
func (a *jsonArray) Equal(other ref.Val) ref.Val {
	l, ok := other.(traits.Lister)
	if !ok {
		return types.False
	}
	if eq := a.Size().Equal(l.Size()); eq != types.True {
		return eq
	}
	i := 0
	for c := a.v.Cursor(); c.Next(); i++ {
		if eq := types.Equal(a.value(c.Value()), l.Get(types.Int(i))); eq != types.True {
			return eq
		}
	}
	return types.True
}

// ConvertToNative implements ref.Val.
func (a *jsonArray) ConvertToNative(t reflect.Type) (any, error) {
	if !a.whole(a.v) {
		return nil, ErrInputTooLarge
	}
	native, err := a.decode(a.v)
	if err != nil {
		return nil, err
	}
	if t == reflect.TypeFor[[]any]() || t.Kind() == reflect.Interface && t.NumMethod() == 0 {
		return native, nil
	}
	return types.DefaultTypeAdapter.NativeToValue(native).ConvertToNative(t)
}

// ConvertToType implements ref.Val.
func (a *jsonArray) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.ListType:
		return a
	case types.TypeType:
		return types.ListType
	}
	return types.NewErr("type conversion error from 'list' to '%s'", t)
}

// Type implements ref.Val.
func (a *jsonArray) Type() ref.Type { return types.ListType }

// Value implements ref.Val: the decoded array, or nil if it cannot be decoded.
func (a *jsonArray) Value() any {
	v, err := a.ConvertToNative(reflect.TypeFor[[]any]())
	if err != nil {
		return nil
	}
	return v
}

// String is for error messages.
func (a *jsonArray) String() string { return fmt.Sprintf("[%d bytes]", len(a.v.Raw())) }

// elemIterator goes over the elements of an array.
type elemIterator struct {
	noValue
	reader
	cursor jsonscan.Cursor
}

func (it *elemIterator) HasNext() ref.Val {
	ahead := it.cursor
	return types.Bool(ahead.Next())
}

func (it *elemIterator) Next() ref.Val {
	if !it.cursor.Next() {
		return nil
	}
	return it.value(it.cursor.Value())
}
