package condition

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// jsonArray is a CEL list over a JSON array. It remembers what it was asked for: a rule that loops over elements must not walk the array,
// or what an element is, anew for each.
type jsonArray struct {
	reader
	v      jsonscan.Value
	first  ref.Val       // the element, once it was asked for by index
	elems  []element     // all of them, once another was
	size   int           // plus one once counted
	native traits.Lister // of CEL values, once something was added
}

type element struct {
	v   jsonscan.Value
	val ref.Val // nil: not asked for
}

var (
	_ traits.Lister   = (*jsonArray)(nil)
	_ traits.Foldable = (*jsonArray)(nil)
	_ traits.Zeroer   = (*jsonArray)(nil)
)

// at returns the i-th element, nil if there is none. It indexes the array when one but the first is asked for.
func (a *jsonArray) at(i int64) ref.Val {
	if i == 0 {
		if v := a.v.Index(0); a.first == nil && v.Exists() {
			a.first = a.value(v)
		}
		return a.first
	}
	if a.elems == nil {
		for c := a.v.Cursor(); c.Next(); {
			a.elems = append(a.elems, element{v: c.Value()})
		}
	}
	if i < 0 || i >= int64(len(a.elems)) {
		return nil
	}
	e := &a.elems[i]
	if e.val == nil {
		e.val = a.value(e.v)
	}
	return e.val
}

// GetInt64Index is the fast path that cel-go takes for a constant index.
func (a *jsonArray) GetInt64Index(i int64) (any, bool) {
	v := a.at(i)
	return v, v != nil
}

// Get implements traits.Indexer. Lists of cel-go compare their elements with what it returns.
func (a *jsonArray) Get(index ref.Val) ref.Val {
	i, err := types.GetOrError(index)
	if err != nil {
		return types.WrapErr(err)
	}
	if v := a.at(int64(i)); v != nil {
		return mustRead(v)
	}
	return types.NewErr("index out of bounds: %v", index)
}

// Contains implements traits.Container. Where an element that can't be read stands among others, nobody knows that elem isn't there.
func (a *jsonArray) Contains(elem ref.Val) ref.Val {
	a.mustWhole(a.v)
	var absent ref.Val = types.False
	i := 0
	for c := a.v.Cursor(); c.Next(); i++ {
		v := a.loop(i, c.Value())
		if types.IsError(v) {
			absent = v
		} else if types.Equal(elem, v) == types.True {
			return types.True
		}
	}
	return absent
}

// Add implements traits.Adder.
func (a *jsonArray) Add(other ref.Val) ref.Val {
	list, ok := a.list()
	if !ok {
		return types.WrapErr(errNumber)
	}
	return list.Add(other)
}

// list returns the array as a list of CEL values.
func (a *jsonArray) list() (traits.Lister, bool) {
	if a.native != nil {
		return a.native, true
	}
	a.mustWhole(a.v)
	vals := []ref.Val{}
	for c := a.v.Cursor(); c.Next(); {
		v := a.value(c.Value())
		if types.IsError(v) {
			return nil, false
		}
		vals = append(vals, v)
	}
	a.native = types.NewRefValList(types.DefaultTypeAdapter, vals)
	return a.native, true
}

// Size implements traits.Sizer.
func (a *jsonArray) Size() ref.Val {
	a.mustWhole(a.v)
	return types.Int(a.count())
}

func (a *jsonArray) count() int {
	if a.size == 0 {
		a.size = a.v.Len() + 1
	}
	return a.size - 1
}

// IsZeroValue implements traits.Zeroer.
func (a *jsonArray) IsZeroValue() bool { return !a.v.Index(0).Exists() }

// Iterator implements traits.Iterable.
func (a *jsonArray) Iterator() traits.Iterator {
	a.mustWhole(a.v)
	return &elemIterator{array: a, cursor: a.v.Cursor()}
}

// Fold implements traits.Foldable.
func (a *jsonArray) Fold(f traits.Folder) {
	a.mustWhole(a.v)
	i := 0
	for c := a.v.Cursor(); c.Next(); i++ {
		if !f.FoldEntry(types.Int(i), a.loop(i, c.Value())) {
			return
		}
	}
}

// long is the length in bytes, with its quotes, past which a text is remembered: escapes in it would have it decoded for each look.
const long = 64

// lasting says of what is looped over whether it is remembered: what is an array or an object itself, for what it remembers, and long texts.
func lasting(v jsonscan.Value) bool {
	k := v.Kind()
	return k == jsonscan.Array || k == jsonscan.Object || k == jsonscan.String && len(v.Raw()) > long
}

// loop is the i-th element as a loop has it.
func (a *jsonArray) loop(i int, v jsonscan.Value) ref.Val {
	if lasting(v) {
		return a.at(int64(i))
	}
	return a.value(v)
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
		if eq := types.Equal(mustRead(a.loop(i, c.Value())), l.Get(types.Int(i))); eq != types.True {
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
	array  *jsonArray
	next   int
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
	it.next++
	return it.array.loop(it.next-1, it.cursor.Value())
}
