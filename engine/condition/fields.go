package condition

import (
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// fields is an object of the vocabulary as a value: has(mcp.tool) asks it. Whole names, such
// as mcp.tool.name, are resolved by the Frame at once and don't come here.
type fields struct {
	frame  *Frame
	object object
}

var _ traits.Mapper = (*fields)(nil)

var objectPaths = func() [objectCount]string {
	var paths [objectCount]string
	for _, n := range vocabulary {
		if n.object != noObject {
			paths[n.object] = n.path
		}
	}
	paths[objVariables] = variablesRoot
	return paths
}()

// Find returns a field, or false if it is absent.
func (o *fields) Find(key ref.Val) (ref.Val, bool) {
	field, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	if o.object == objVariables {
		v := o.frame.variable(string(field))
		return v, v != nil
	}
	n := byPath[objectPaths[o.object]+"."+string(field)]
	if n == nil || n.subject&^o.frame.subjects != 0 {
		return nil, false
	}
	if n.object != noObject {
		return &o.frame.objects[n.object], true
	}
	v := o.frame.slot(n.slot)
	if v == errNoPrincipal || v == errNoAPIKey || v == errNoSource || v == errNoResult {
		return nil, false
	}
	return v, true
}

// Get implements traits.Indexer.
func (o *fields) Get(key ref.Val) ref.Val {
	v, found := o.Find(key)
	if !found {
		return types.ValOrErr(v, "no such field: %v", key)
	}
	return v
}

// Contains implements traits.Container.
func (o *fields) Contains(key ref.Val) ref.Val {
	_, found := o.Find(key)
	return types.Bool(found)
}

// The rest of a map makes no sense for an object, and no checked expression asks for it.

func (o *fields) Size() ref.Val               { return cannotList(objectPaths[o.object]) }
func (o *fields) Iterator() traits.Iterator   { panic(cannotListPanic(objectPaths[o.object])) }
func (o *fields) Equal(other ref.Val) ref.Val { return types.Bool(o == other) }
func (o *fields) Type() ref.Type              { return types.MapType }
func (o *fields) Value() any                  { return nil }
func (o *fields) ConvertToNative(reflect.Type) (any, error) {
	return nil, errNotAValue
}
func (o *fields) ConvertToType(ref.Type) ref.Val { return types.WrapErr(errNotAValue) }

// headers are the request's headers: each can be asked for by its lower-case name.
type headers struct{ frame *Frame }

var _ traits.Mapper = (*headers)(nil)

// FindStringKey is the fast path that cel-go takes for a constant field.
func (h *headers) FindStringKey(name string) (any, bool) {
	get := h.frame.Input.Header
	if get == nil || !isLower(name) {
		return nil, false
	}
	v := get(name)
	if v == "" {
		return nil, false
	}
	if len(v) > h.frame.reader.limit {
		return errTooMany, true
	}
	return types.String(v), true
}

// Find implements traits.Mapper.
func (h *headers) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return nil, false
	}
	v, found := h.FindStringKey(string(name))
	if !found {
		return nil, false
	}
	val, ok := v.(ref.Val)
	return val, ok
}

// Get implements traits.Indexer.
func (h *headers) Get(key ref.Val) ref.Val {
	v, found := h.Find(key)
	if !found {
		return types.NewErr("no such header: %v", key)
	}
	return v
}

// Contains implements traits.Container.
func (h *headers) Contains(key ref.Val) ref.Val {
	_, found := h.Find(key)
	return types.Bool(found)
}

func (h *headers) Size() ref.Val               { return cannotList("request.headers") }
func (h *headers) Iterator() traits.Iterator   { panic(cannotListPanic("request.headers")) }
func (h *headers) Equal(other ref.Val) ref.Val { return types.Bool(h == other) }
func (h *headers) Type() ref.Type              { return types.MapType }
func (h *headers) Value() any                  { return nil }
func (h *headers) ConvertToNative(reflect.Type) (any, error) {
	return nil, errNotAValue
}
func (h *headers) ConvertToType(ref.Type) ref.Val { return types.WrapErr(errNotAValue) }

func isLower(name string) bool {
	for i := range len(name) {
		if 'A' <= name[i] && name[i] <= 'Z' {
			return false
		}
	}
	return true
}

func cannotList(path string) ref.Val {
	return types.NewErr("%s cannot be listed", path)
}

func cannotListPanic(path string) error {
	return interpreter.EvalCancelledError{Message: path + " cannot be listed"}
}
