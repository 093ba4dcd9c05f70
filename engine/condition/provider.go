package condition

import (
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// objectType is the CEL type of an object of the vocabulary. No expression can spell the
// space in its name, so rules cannot construct one or hide it behind a variable.
func objectType(path string) *cel.Type { return cel.ObjectType("object " + path) }

func objectPath(typeName string) (string, bool) { return strings.CutPrefix(typeName, "object ") }

// provider adds the objects of the vocabulary and the variables of one policy to the types of
// the libraries. Fields have types but no accessors: at run time objects are maps.
type provider struct {
	types.Provider
	response  bool
	variables *Variables
}

// FindStructType says that an object type exists.
func (p *provider) FindStructType(typeName string) (*types.Type, bool) {
	if _, ok := objectPath(typeName); ok {
		return types.NewTypeTypeWithParam(cel.ObjectType(typeName)), true
	}
	return p.Provider.FindStructType(typeName)
}

// FindStructFieldNames lists the fields of an object.
func (p *provider) FindStructFieldNames(typeName string) ([]string, bool) {
	path, ok := objectPath(typeName)
	if !ok {
		return p.Provider.FindStructFieldNames(typeName)
	}
	if path == variablesRoot {
		return slices.Clone(p.variables.names()), true
	}
	return fieldsOf(path, p.response), true
}

// FindStructFieldType returns the type of a field of an object.
func (p *provider) FindStructFieldType(typeName, field string) (*types.FieldType, bool) {
	path, ok := objectPath(typeName)
	if !ok {
		return p.Provider.FindStructFieldType(typeName, field)
	}
	if path == variablesRoot {
		if v := p.variables.find(field); v != nil {
			return &types.FieldType{Type: v.typ}, true
		}
		return nil, false
	}
	n := byPath[path+"."+field]
	if n == nil || n.response && !p.response {
		return nil, false
	}
	if n.object != noObject {
		return &types.FieldType{Type: objectType(n.path)}, true
	}
	return &types.FieldType{Type: n.typ}, true
}
