package condition

import (
	"errors"
	"fmt"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// jsonObject is a CEL map over a JSON object. It remembers the members that were asked for,
// and keeps an index once a large object was asked for many.
type jsonObject struct {
	reader
	v     jsonscan.Value
	asked []member
	index map[string]element
	size  int                  // members, plus one once counted
	names map[int]types.String // the long ones, by their places, once they were looped over
}

type member struct {
	name string
	val  ref.Val // nil: there is none
}

var (
	_ traits.Mapper   = (*jsonObject)(nil)
	_ traits.Foldable = (*jsonObject)(nil)
	_ traits.Zeroer   = (*jsonObject)(nil)
)

// indexAfter is the number of different members asked for that builds the index: a rule that
// looks up each member of a large object must not be quadratic.
const indexAfter = 16

// reset makes o an empty object, or a view of v, keeping its buffer.
func (o *jsonObject) reset(r reader, v jsonscan.Value) {
	clear(o.asked)
	o.reader, o.v, o.asked, o.index, o.size, o.names = r, v, o.asked[:0], nil, 0, nil
}

// FindStringKey is the fast path that cel-go takes for a constant field.
func (o *jsonObject) FindStringKey(name string) (any, bool) {
	v := o.find(name)
	if v == nil {
		return nil, false
	}
	return v, true
}

func (o *jsonObject) find(name string) ref.Val {
	for i := range o.asked {
		if o.asked[i].name == name {
			return o.asked[i].val
		}
	}
	if o.index == nil && len(o.asked) >= indexAfter {
		o.index = make(map[string]element)
		for c := o.v.Cursor(); c.Next(); {
			o.index[c.Name().Text()] = element{v: c.Value()}
		}
	}
	if o.index != nil {
		e := o.index[name]
		if e.val == nil && e.v.Exists() {
			e.val = o.value(e.v)
			o.index[name] = e
		}
		return e.val
	}
	val := o.member(o.v.Get(name))
	o.asked = append(o.asked, member{name, val})
	return val
}

func (o *jsonObject) member(v jsonscan.Value) ref.Val {
	if !v.Exists() {
		return nil
	}
	return o.value(v)
}

// Find implements traits.Mapper. A key that is not a string is not there. Maps of cel-go compare their values with what it returns.
func (o *jsonObject) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		if types.IsUnknownOrError(key) {
			return key, false
		}
		return nil, false
	}
	v := mustRead(o.find(string(name)))
	return v, v != nil
}

// Get implements traits.Indexer.
func (o *jsonObject) Get(key ref.Val) ref.Val {
	v, found := o.Find(key)
	if !found {
		return types.ValOrErr(v, "no such key: %v", key)
	}
	return v
}

// Contains implements traits.Container.
func (o *jsonObject) Contains(key ref.Val) ref.Val {
	if types.IsUnknownOrError(key) {
		return key
	}
	name, ok := key.(types.String)
	return types.Bool(ok && o.find(string(name)) != nil)
}

// Size implements traits.Sizer.
func (o *jsonObject) Size() ref.Val {
	o.mustWhole(o.v)
	return types.Int(o.count())
}

func (o *jsonObject) count() int {
	if o.size == 0 {
		o.size = o.v.Len() + 1
	}
	return o.size - 1
}

// IsZeroValue implements traits.Zeroer.
func (o *jsonObject) IsZeroValue() bool { return o.Size() == types.IntZero }

// Iterator implements traits.Iterable: over the names, in order.
func (o *jsonObject) Iterator() traits.Iterator {
	o.mustWhole(o.v)
	return &nameIterator{object: o, cursor: o.v.Cursor()}
}

// Fold implements traits.Foldable.
func (o *jsonObject) Fold(f traits.Folder) {
	o.mustWhole(o.v)
	i := 0
	for c := o.v.Cursor(); c.Next(); i++ {
		name := o.name(i, c.Name())
		if !f.FoldEntry(name, o.loop(name, c.Value())) {
			return
		}
	}
}

// name is the name of the i-th member.
func (o *jsonObject) name(i int, v jsonscan.Value) types.String {
	if len(v.Raw()) <= long {
		return types.String(v.Text())
	}
	name, known := o.names[i]
	if !known {
		if o.names == nil {
			o.names = map[int]types.String{}
		}
		name = types.String(v.Text())
		o.names[i] = name
	}
	return name
}

// loop is a member as a loop has it: see jsonArray.loop.
func (o *jsonObject) loop(name types.String, v jsonscan.Value) ref.Val {
	if lasting(v) {
		return o.find(string(name))
	}
	return o.value(v)
}

// Equal implements ref.Val.
func (o *jsonObject) Equal(other ref.Val) ref.Val {
	m, ok := other.(traits.Mapper)
	if !ok {
		return types.False
	}
	if eq := o.Size().Equal(m.Size()); eq != types.True {
		return eq
	}
	i := 0
	for c := o.v.Cursor(); c.Next(); i++ {
		name := o.name(i, c.Name())
		theirs, found := m.Find(name)
		if !found {
			return types.False
		}
		if eq := types.Equal(mustRead(o.loop(name, c.Value())), theirs); eq != types.True {
			return eq
		}
	}
	return types.True
}

// ConvertToNative implements ref.Val.
func (o *jsonObject) ConvertToNative(t reflect.Type) (any, error) {
	if !o.whole(o.v) {
		return nil, ErrInputTooLarge
	}
	native, err := o.decode(o.v)
	if err != nil {
		return nil, err
	}
	m, ok := native.(map[string]any)
	if !ok { // the empty object that stands for an absent one
		m = map[string]any{}
	}
	if t == reflect.TypeFor[map[string]any]() || t.Kind() == reflect.Interface && t.NumMethod() == 0 {
		return m, nil
	}
	return types.DefaultTypeAdapter.NativeToValue(m).ConvertToNative(t)
}

// ConvertToType implements ref.Val.
func (o *jsonObject) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.MapType:
		return o
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("type conversion error from 'map' to '%s'", t)
}

// Type implements ref.Val.
func (o *jsonObject) Type() ref.Type { return types.MapType }

// Value implements ref.Val: the decoded object, or nil if it cannot be decoded.
func (o *jsonObject) Value() any {
	v, err := o.ConvertToNative(reflect.TypeFor[map[string]any]())
	if err != nil {
		return nil
	}
	return v
}

// String is for error messages.
func (o *jsonObject) String() string { return fmt.Sprintf("{%d bytes}", len(o.v.Raw())) }

// nameIterator goes over the names of an object.
type nameIterator struct {
	noValue
	object *jsonObject
	next   int
	cursor jsonscan.Cursor
}

func (it *nameIterator) HasNext() ref.Val {
	ahead := it.cursor
	return types.Bool(ahead.Next())
}

func (it *nameIterator) Next() ref.Val {
	if !it.cursor.Next() {
		return nil
	}
	it.next++
	return it.object.name(it.next-1, it.cursor.Name())
}

// noValue is what an iterator is as a value: none.
type noValue struct{}

func (noValue) ConvertToNative(reflect.Type) (any, error) {
	return nil, errors.New("an iterator has no native form")
}
func (noValue) ConvertToType(ref.Type) ref.Val { return types.NewErr("no such overload") }
func (noValue) Equal(ref.Val) ref.Val          { return types.NewErr("no such overload") }
func (noValue) Type() ref.Type                 { return types.IteratorType }
func (noValue) Value() any                     { return nil }
