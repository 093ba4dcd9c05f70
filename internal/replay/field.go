package replay

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
)

// field is a name under which records hold values and rules read them, taken apart.
type field struct {
	name  string   // the one spelling that all of what it can be called by have in common
	root  root     // in which part of the inputs it stands
	steps []string // below the root
	named bool     // it stands in the record by itself
}

// root is a part of the inputs.
type root uint8

const (
	noRoot root = iota
	arguments
	params
	annotations
	result
	failure
	headers
	claims
	groups
	roles
	scopes
	roots
)

// rootNames are the members of Builder.Inputs; arguments are params.
var rootNames = [roots]string{
	arguments: "params", params: "params", annotations: "annotations", result: "result", failure: "error", headers: "headers",
	claims: "claims", groups: "groups", roles: "roles", scopes: "scopes",
}

// spellings are how fields begin. Of two that fit the longer stands first.
var spellings = []struct {
	begin string
	root  root
	name  string // the common one
}{
	{"params.arguments", arguments, "args"},
	{"args", arguments, "args"},
	{"params", params, "params"},
	{"mcp.tool.annotations", annotations, "mcp.tool.annotations"},
	{"mcp.tool.result", result, "mcp.tool.result"},
	{"mcp.error", failure, "mcp.error"},
	{"request.headers", headers, "request.headers"},
	{"jwt", claims, "jwt"},
	{"principal.claims", claims, "jwt"},
	{"apiKey.claims", claims, "jwt"},
	{"principal.groups", groups, "principal.groups"},
	{"principal.roles", roles, "principal.roles"},
	{"principal.scopes", scopes, "principal.scopes"},
}

// named are the fields that every record has, for as far as they are known.
var named = []string{
	"mcp.method", "mcp.tool.name", "mcp.tool.target", "mcp.resource.uri", "mcp.prompt.name", "request.mcp.backend",
	"principal.id", "principal.type", "principal.issuer", "apiKey.id", "source.address", "now",
}

// fields remembers names taken apart: they are those of rules, so there are few.
type fields map[string]*field

// maxFields bounds what is remembered of a file in which somebody has made names up.
const maxFields = 4096

func (fs fields) of(name string) *field {
	if f := fs[name]; f != nil {
		return f
	}
	f := newField(strings.Clone(name))
	if len(fs) < maxFields {
		fs[strings.Clone(name)] = f
	}
	return f
}

func newField(name string) *field {
	if slices.Contains(named, name) {
		return &field{name: name, named: true}
	}
	for _, s := range spellings {
		if !within(name, s.begin) {
			continue
		}
		steps, known := engine.FieldPath(name)
		if !known {
			break
		}
		return &field{name: s.name + name[len(s.begin):], root: s.root, steps: steps[strings.Count(s.begin, ".")+1:]}
	}
	return &field{name: name}
}

// within says that a field is another, or a part of it.
func within(name, outer string) bool {
	return len(name) >= len(outer) && name[:len(outer)] == outer && (len(name) == len(outer) || name[len(outer)] == '.' || name[len(outer)] == '[')
}

// tells says whether knowing one field is knowing another.
func (f *field) tells(other *field) bool {
	return within(other.name, f.name) || f.root == params && len(f.steps) == 0 && other.root == arguments
}
