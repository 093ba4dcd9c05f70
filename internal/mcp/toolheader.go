package mcp

import (
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// InvalidHeaderTool reports whether a tool's inputSchema has an x-mcp-header
// annotation that breaks the rules of SEP-2243. An HTTP client must leave such a
// tool out of its tools/list. Whether a gateway that shows one server as it is
// does so, or leaves it to its own client, is the gateway's choice.
func InvalidHeaderTool(tool jsonscan.Value) bool {
	var a annotations
	return !a.schema(tool.Get("inputSchema"), atRoot)
}

const headerAnnotation = "x-mcp-header"

// place says how a schema is reached from the root.
type place uint8

const (
	atRoot    place = iota
	reachable       // by "properties" keys alone
	elsewhere       // through an array, a composition, a condition or a definition
)

// annotations collects the header names of one tool.
type annotations struct{ names []string }

// schema reports whether the annotations in a schema are valid.
func (a *annotations) schema(s jsonscan.Value, at place) bool {
	for c := s.Cursor(); c.Next(); {
		if !c.Name().Exists() {
			return a.each(s, elsewhere)
		}
		if !a.keyword(s, c.Name(), c.Value(), at) {
			return false
		}
	}
	return true
}

func (a *annotations) keyword(s, name, value jsonscan.Value, at place) bool {
	switch {
	case name.TextIs(headerAnnotation):
		return at == reachable && a.annotation(value, s.Get("type"))
	case name.TextIs("properties"):
		if at == atRoot {
			at = reachable
		}
		return a.each(value, at)
	case name.TextIs("$defs"), name.TextIs("definitions"), name.TextIs("patternProperties"), name.TextIs("dependentSchemas"):
		return a.each(value, elsewhere)
	case name.TextIs("dependentRequired"), name.TextIs("const"), name.TextIs("enum"), name.TextIs("default"), name.TextIs("examples"):
		return true // no schemas in it
	case value.Kind() == jsonscan.Array:
		return a.each(value, elsewhere)
	}
	return a.schema(value, elsewhere)
}

// each walks the schemas in an object or a list.
func (a *annotations) each(schemas jsonscan.Value, at place) bool {
	for c := schemas.Cursor(); c.Next(); {
		if !a.schema(c.Value(), at) {
			return false
		}
	}
	return true
}

// annotation checks one annotation and the type of the property that has it.
func (a *annotations) annotation(value, kind jsonscan.Value) bool {
	name := value.Text()
	if name == "" || !isToken(name) || !isHeaderType(kind) {
		return false
	}
	for _, other := range a.names {
		if strings.EqualFold(other, name) {
			return false
		}
	}
	a.names = append(a.names, name)
	return true
}

// isHeaderType takes string, integer and boolean, or a list of these. "number"
// is not one: two ends would write it differently.
func isHeaderType(kind jsonscan.Value) bool {
	if kind.Kind() != jsonscan.Array {
		return kind.TextIs("string") || kind.TextIs("integer") || kind.TextIs("boolean")
	}
	for c := kind.Cursor(); c.Next(); {
		if !isHeaderType(c.Value()) {
			return false
		}
	}
	return kind.Len() > 0
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return true
}
