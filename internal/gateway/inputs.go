package gateway

import (
	"slices"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

// inputsUnknown marks a record whose decision has read a header that only its evaluation named.
const inputsUnknown = "inputs_unknown"

// recordInputs puts into the record what the rules that were considered could read, and no more: enough to decide again. What
// the record says anyway (method, server, names, address, principal's id) is not repeated. Secrets are masked by the log.
func (x *exchange) recordInputs(r *audit.Record, d *engine.Decision) {
	for _, name := range d.Reads() {
		p := x.path(name)
		if p.unknown {
			r.NotReplayable = inputsUnknown
			continue
		}
		if value := x.input(p); value != nil {
			r.Inputs = append(r.Inputs, audit.Input{Name: name, JSON: value})
		}
	}
}

// inputPath is the canonical name of a field, taken apart. The names stand in the rules, so an exchange meets few.
type inputPath struct {
	name    string
	root    inputRoot
	steps   []string // members below the root; of a header, its name
	unknown bool     // a header, but which is not known
}

// inputRoot is what the name of a field begins with.
type inputRoot uint8

const (
	rootNone inputRoot = iota // it stands in the record already, or nowhere
	rootArguments
	rootParams
	rootAnnotations
	rootResult
	rootError
	rootHeader
	rootClaims
	rootGroups
	rootRoles
	rootScopes
)

var inputRoots = []struct {
	steps []string
	root  inputRoot
}{
	{[]string{"args"}, rootArguments},
	{[]string{"params"}, rootParams},
	{[]string{"mcp", "tool", "annotations"}, rootAnnotations},
	{[]string{"mcp", "tool", "result"}, rootResult},
	{[]string{"mcp", "error"}, rootError},
	{[]string{"request", "headers"}, rootHeader},
	{[]string{"jwt"}, rootClaims},
	{[]string{"principal", "claims"}, rootClaims},
	{[]string{"apiKey", "claims"}, rootClaims},
	{[]string{"principal", "groups"}, rootGroups},
	{[]string{"principal", "roles"}, rootRoles},
	{[]string{"principal", "scopes"}, rootScopes},
}

// maxInputPaths bounds the names that an exchange remembers.
const maxInputPaths = 64

// path takes a name apart, once.
func (x *exchange) path(name string) *inputPath {
	for i := range x.paths {
		if x.paths[i].name == name {
			return &x.paths[i]
		}
	}
	if len(x.paths) >= maxInputPaths {
		x.paths = x.paths[:0]
	}
	p := inputPath{name: name}
	steps, known := engine.FieldPath(name)
	for _, r := range inputRoots {
		if len(steps) < len(r.steps) || !slices.Equal(steps[:len(r.steps)], r.steps) {
			continue
		}
		p.root, p.steps = r.root, steps[len(r.steps):]
		p.unknown = r.root == rootHeader && (!known || len(p.steps) == 0)
		break
	}
	x.paths = append(x.paths, p)
	return &x.paths[len(x.paths)-1]
}

// input gives the JSON of a field; nil if it is absent, or stands in the record already.
func (x *exchange) input(p *inputPath) []byte {
	q := &x.request
	switch p.root {
	case rootArguments:
		return field(q.Arguments, p.steps)
	case rootParams:
		return field(q.Params, p.steps)
	case rootAnnotations:
		return field(q.Annotations, p.steps)
	case rootResult:
		return field(q.Result, p.steps)
	case rootError:
		return field(q.Error, p.steps)
	case rootHeader:
		return x.headerInput(p.steps)
	case rootNone:
		return nil
	case rootClaims, rootGroups, rootRoles, rootScopes:
	}
	return x.principalInput(q.Principal, p)
}

func (x *exchange) headerInput(steps []string) []byte {
	if len(steps) != 1 {
		return nil
	}
	v := x.head.Get(steps[0])
	if v == "" {
		return nil
	}
	return x.keepInput(jsonscan.AppendQuote(x.inputs, v))
}

// keepInput takes what was appended to the memory for inputs.
func (x *exchange) keepInput(grown []byte) []byte {
	added := grown[len(x.inputs):]
	x.inputs = grown
	return added
}

func (x *exchange) principalInput(who *engine.Principal, p *inputPath) []byte {
	if who == nil {
		return nil
	}
	switch p.root {
	case rootClaims:
		return field(who.Claims, p.steps)
	case rootGroups:
		return x.keepInput(quoteAll(x.inputs, who.Groups))
	case rootRoles:
		return x.keepInput(quoteAll(x.inputs, who.Roles))
	default:
		return x.keepInput(quoteAll(x.inputs, who.Scopes))
	}
}

// field gives the JSON of a field by its path; what is there of it, if the path ends in a list or a string.
func field(v jsonscan.Value, steps []string) []byte {
	for _, name := range steps {
		if v.Kind() != jsonscan.Object {
			break
		}
		v = v.Get(name)
	}
	return v.Raw()
}

func quoteAll(out []byte, all []string) []byte {
	out = append(out, '[')
	for i, s := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = jsonscan.AppendQuote(out, s)
	}
	return append(out, ']')
}
