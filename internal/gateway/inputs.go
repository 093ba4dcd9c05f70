package gateway

import (
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

// inputsUnknown marks a record whose decision has read a header that only its evaluation named.
const inputsUnknown = "inputs_unknown"

// recordInputs puts into the record what the rules that were considered could read, and no more: enough to decide again. What
// the record says anyway (method, server, names, address, principal's id) is not repeated; what is not there is named. Secrets are
// masked by the log.
func (x *exchange) recordInputs(r *audit.Record, d *engine.Decision) {
	for _, name := range d.Reads() {
		p := x.path(name)
		switch {
		case p.root == rootNone:
			continue
		case p.unknown:
			r.NotReplayable = inputsUnknown
			continue
		case !x.g.RecordInputs || !x.g.RecordResults && (p.root == rootResult || p.root == rootError):
			r.NotReplayable = audit.InputsNotRecorded
			continue
		}
		value, depth := x.input(p)
		name, shared := p.upTo(depth)
		switch {
		case shared && (slices.Contains(r.Absent, name) || slices.ContainsFunc(r.Inputs, func(in audit.Input) bool { return in.Name == name })):
		case value == nil:
			r.Absent = append(r.Absent, name)
		default:
			r.Inputs = append(r.Inputs, audit.Input{Name: name, JSON: value})
		}
	}
	if e := x.request.Error; e.Exists() {
		r.Inputs = withCode(r.Inputs, e)
	}
}

// inputPath is the canonical name of a field, taken apart. The names stand in the rules, so an exchange meets few.
type inputPath struct {
	name    string
	root    inputRoot
	steps   []string // members below the root; of a header, its name
	outer   []string // the names of the root, and of what leads to the field
	unknown bool     // a header, but which is not known
}

// judged is what rules could read when the answer was judged: until its record is written the answer may be gone.
type judged struct {
	now       time.Time
	inputs    []audit.Input
	absent    []string
	mark      string
	truncated bool
}

// reset empties it and keeps its memory.
func (j *judged) reset() {
	clear(j.inputs)
	clear(j.absent)
	*j = judged{inputs: j.inputs[:0], absent: j.absent[:0]}
}

// maxJudged bounds what is kept of an answer. More would not be recorded anyway.
const maxJudged = 16 * audit.MaxInputs

// see keeps what the rules could read that have judged the answer.
func (x *exchange) see() {
	r, j := &x.record, &x.seen
	r.Reset()
	j.reset()
	x.recordInputs(r, &x.verdict)
	for _, in := range r.Inputs {
		if len(x.inputs)+len(in.JSON) > maxJudged {
			j.truncated = true
			continue
		}
		j.inputs = append(j.inputs, audit.Input{Name: in.Name, JSON: x.keepInput(append(x.inputs, in.JSON...))})
	}
	j.now, j.mark, j.absent = x.request.Time, r.NotReplayable, append(j.absent, r.Absent...)
}

// withCode adds the code of an error, unless the inputs have it: other rules are about an error than about a result.
func withCode(all []audit.Input, e jsonscan.Value) []audit.Input {
	const name = "mcp.error.code"
	if code := e.Get("code"); code.Exists() && !slices.ContainsFunc(all, func(in audit.Input) bool { return in.Name == name || in.Name == "mcp.error" }) {
		all = append(all, audit.Input{Name: name, JSON: code.Raw()})
	}
	return all
}

// upTo is the name of the field's outermost part that says all there is to say: all of it, or only as deep as a message goes. Others may
// share one that is not all of it.
func (p *inputPath) upTo(depth int) (name string, shared bool) {
	if depth < len(p.outer) {
		return p.outer[depth], true
	}
	return p.name, false
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
		for n := len(r.steps); n < len(steps) && r.root != rootHeader; n++ {
			p.outer = append(p.outer, engine.FieldName(steps[:n]))
		}
		break
	}
	x.paths = append(x.paths, p)
	return &x.paths[len(x.paths)-1]
}

// input gives the JSON of a field, or of as much of its path as there is, and how many members that goes down; nil if nothing is there.
func (x *exchange) input(p *inputPath) (value []byte, depth int) {
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
		return x.headerInput(p.steps), len(p.steps)
	case rootNone, rootClaims, rootGroups, rootRoles, rootScopes:
	}
	return x.principalInput(q.Principal, p)
}

func (x *exchange) headerInput(steps []string) []byte {
	if len(steps) != 1 {
		return nil
	}
	if x.request.Header == nil {
		return nil
	}
	v := x.request.Header(steps[0])
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

func (x *exchange) principalInput(who *engine.Principal, p *inputPath) (value []byte, depth int) {
	if who == nil {
		return nil, 0
	}
	switch p.root {
	case rootClaims:
		return field(who.Claims, p.steps)
	case rootGroups:
		return x.keepInput(quoteAll(x.inputs, who.Groups)), 0
	case rootRoles:
		return x.keepInput(quoteAll(x.inputs, who.Roles)), 0
	default:
		return x.keepInput(quoteAll(x.inputs, who.Scopes)), 0
	}
}

// field gives the JSON of a field by its path, and how deep it stands. A path may end in a list or a string, and where a member is missing.
func field(v jsonscan.Value, steps []string) (value []byte, depth int) {
	for i, name := range steps {
		if v.Kind() != jsonscan.Object {
			return v.Raw(), i
		}
		if v = v.Get(name); !v.Exists() {
			return nil, i + 1
		}
	}
	return v.Raw(), len(steps)
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
