package condition

import (
	"context"
	"errors"
	"strings"
	"sync"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// AbsentError is the error of reading a name that is not there because the message is not
// about such a thing: mcp.tool.name while resources are listed.
type AbsentError struct {
	Name    string
	Subject Subjects
}

func (e *AbsentError) Error() string {
	return e.Name + " is absent: the message is not about a " + e.Subject.String()
}

// Frame is where conditions are evaluated on one Input: values that one condition has read
// are there for the next. It is not safe for concurrent use. Values made in a Frame must not
// outlive it.
type Frame struct {
	Input Input
	// Blank leaves unknown what a listing does not know of the calls to come: arguments,
	// params, and the URI of a resource if Input has none. See Unknown.
	Blank bool

	taken    bool            // between NewFrame and Close
	ctx      context.Context //nolint:containedctx // a Frame lives for one decision; variables are evaluated from below CEL
	subjects Subjects
	reader   reader
	exec     *interpreter.ExecutionFrame
	vals     [slotCount]ref.Val
	objects  [objectCount]fields
	json     [jsonRoots]jsonObject
	lists    [listRoots]stringList
	headers  headers
	sums     [listRoots]sums

	variables *Variables
	memo      []ref.Val // of variables; nil is not evaluated yet

	traces map[*Condition]traced // nil: none are kept
}

const (
	jsonArguments = iota
	jsonAnnotations
	jsonParams
	jsonClaims
	jsonNone // {}: an absent object
	jsonRoots
)

const (
	listGroups = iota
	listRoles
	listScopes
	listRoots
)

var framePool = sync.Pool{New: func() any { return newFrame() }}

func newFrame() *Frame {
	f := new(Frame)
	for i := range f.objects {
		f.objects[i] = fields{frame: f, object: object(i)}
	}
	f.headers.frame = f
	return f
}

// NewFrame returns a Frame to set the Input of and then Open.
func (e *Env) NewFrame() *Frame {
	f, ok := framePool.Get().(*Frame)
	if !ok {
		f = newFrame()
	}
	f.reader, f.taken = reader{limit: e.inputLimit}, true
	return f
}

// Open readies the Frame for evaluation, once its Input is set. ctx ends the evaluation of
// conditions that are not provably cheap.
func (f *Frame) Open(ctx context.Context) {
	f.ctx = ctx
	f.subjects = f.Input.About()
}

// execution is what programs run in. Most decisions need none.
func (f *Frame) execution() *interpreter.ExecutionFrame {
	if f.exec == nil {
		f.exec, _ = interpreter.NewExecutionFrame(interpreter.Activation(f)) // it fails for what is no activation only
	}
	return f.exec
}

// Trace has the Frame remember the value of each part of the conditions that are evaluated in it, for Explain. They are evaluated once.
// It is called before Open, and the Frame is not used for another message: Close leaves it as it is.
func (f *Frame) Trace() { f.traces, f.taken = make(map[*Condition]traced), false }

// Close ends the use of the Frame and of every value made in it. Closing it again does nothing.
func (f *Frame) Close() {
	if !f.taken {
		return
	}
	if f.exec != nil {
		f.exec.Close()
	}
	for i := range f.json {
		f.json[i].reset(reader{}, jsonscan.Value{})
	}
	clear(f.lists[:])
	for i := range f.sums {
		f.sums[i].known = false
	}
	clear(f.vals[:])
	clear(f.memo)
	f.Input, f.Blank, f.ctx, f.subjects = Input{}, false, nil, 0
	f.exec, f.variables, f.memo, f.taken = nil, nil, f.memo[:0], false
	framePool.Put(f)
}

// Subjects returns what the message is about.
func (f *Frame) Subjects() Subjects { return f.subjects }

// ResolveName implements interpreter.Activation.
func (f *Frame) ResolveName(path string) (any, bool) {
	if s, subject := hotSlot(path); s != noSlot && subject&^f.subjects == 0 {
		return f.slot(s), true
	}
	n := byPath[path]
	if n == nil {
		return f.resolveVariable(path)
	}
	if n.subject&^f.subjects != 0 {
		return absent[n.path], true
	}
	if n.object != noObject {
		return &f.objects[n.object], true
	}
	return f.slot(n.slot), true
}

// hotSlot is the vocabulary's table for the names that most rules read: a switch costs a
// fraction of the map.
func hotSlot(path string) (slot, Subjects) {
	switch path {
	case "args", "mcp.tool.arguments":
		return slotArguments, Tool
	case "mcp.tool.name":
		return slotToolName, Tool
	case "mcp.method":
		return slotMethod, 0
	case "principal.roles":
		return slotRoles, 0
	case "principal.groups":
		return slotGroups, 0
	case "principal.scopes":
		return slotScopes, 0
	case "principal.id":
		return slotPrincipalID, 0
	case "jwt":
		return slotJWT, 0
	case "mcp.tool.result":
		return slotResult, Tool | Success
	}
	return noSlot, 0
}

// Parent implements interpreter.Activation.
func (f *Frame) Parent() interpreter.Activation { return nil }

func (f *Frame) resolveVariable(path string) (any, bool) {
	if path == variablesRoot {
		return &f.objects[objVariables], true
	}
	field, ok := strings.CutPrefix(path, variablesRoot+".")
	if !ok || f.variables == nil {
		return nil, false
	}
	v := f.variable(field)
	return v, v != nil
}

// absent are the errors of names that are absent. They are shared, so they bear an expression
// id: cel-go would write one into an error that has none.
var absent = func() map[string]ref.Val {
	m := make(map[string]ref.Val)
	for _, n := range vocabulary {
		m[n.path] = types.NewErrWithNodeID(-1, "%w", &AbsentError{Name: n.path, Subject: n.subject})
	}
	return m
}()

// unknown is what a Blank frame does not know.
var unknown = types.NewUnknown(1, nil)

var (
	errNoPrincipal   = sharedError("nobody is known to make this call")
	errNoAPIKey      = sharedError("the caller showed no API key")
	errNoSource      = sharedError("the address of the caller is not known")
	errNoResult      = sharedError("the message has no result")
	errNoAnnotations = sharedError("the annotations of this tool are not known: no list of its server's tools has passed yet")
	errArguments     = sharedError("the arguments are not an object")
	errParams        = sharedError("the params are not an object")
	errAnnotations   = sharedError("the annotations are not an object")
	errClaims        = sharedError("the claims are not an object")
	errTooMany       = types.NewErrWithNodeID(-1, "%w", ErrInputTooLarge)
)

func sharedError(text string) ref.Val { return types.NewErrWithNodeID(-1, "%w", errors.New(text)) }

func (f *Frame) slot(s slot) ref.Val {
	if v := f.vals[s]; v != nil {
		return v
	}
	v := f.compute(s)
	f.vals[s] = v
	return v
}

func (f *Frame) compute(s slot) ref.Val {
	in := &f.Input
	switch s {
	case slotMethod:
		return f.text(in.Method)
	case slotToolName:
		return f.text(in.Tool)
	case slotToolTarget, slotServer:
		return f.text(in.Server)
	case slotResourceURI:
		if f.Blank && in.Resource == "" {
			return unknown
		}
		return f.text(in.Resource)
	case slotPromptName:
		return f.text(in.Prompt)
	case slotArguments, slotParams:
		if f.Blank {
			return unknown
		}
		if s == slotParams {
			return f.object(jsonParams, in.Params, errParams)
		}
		return f.object(jsonArguments, in.Arguments, errArguments)
	case slotAnnotations:
		if !in.Annotations.Exists() && f.Blank {
			return unknown
		}
		if !in.Annotations.Exists() {
			return errNoAnnotations
		}
		return f.object(jsonAnnotations, in.Annotations, errAnnotations)
	case slotResult:
		if !in.Result.Exists() {
			return errNoResult
		}
		return f.reader.value(in.Result)
	case slotError:
		return f.reader.value(in.Error)
	case slotHeaders:
		return &f.headers
	case slotSource:
		if !in.Source.IsValid() {
			return errNoSource
		}
		return types.String(in.Source.Unmap().WithZone("").String())
	case slotNow:
		return types.Timestamp{Time: in.Time}
	default:
		return f.identity(s)
	}
}

func (f *Frame) identity(s slot) ref.Val {
	p := f.Input.Principal
	if p == nil {
		p = &Principal{}
		if s != slotJWT {
			return errNoPrincipal
		}
	}
	switch s {
	case slotPrincipalID:
		return f.text(p.ID)
	case slotPrincipalType:
		return types.String(p.Kind)
	case slotPrincipalIssuer:
		return f.text(p.Issuer)
	case slotGroups:
		return f.list(listGroups, p.Groups)
	case slotRoles:
		return f.list(listRoles, p.Roles)
	case slotScopes:
		return f.list(listScopes, p.Scopes)
	case slotClaims:
		return f.object(jsonClaims, p.Claims, errClaims)
	case slotJWT:
		if p.Kind != KindJWT {
			return &f.json[jsonNone]
		}
		return f.slot(slotClaims)
	default:
		return f.apiKey(s, p)
	}
}

func (f *Frame) apiKey(s slot, p *Principal) ref.Val {
	switch {
	case p.Kind != KindAPIKey:
		return errNoAPIKey
	case s == slotKeyClaims:
		return f.slot(slotClaims)
	}
	return f.text(p.APIKey)
}

// text returns a string of the message, which may be as long as the sender made it.
func (f *Frame) text(s string) ref.Val {
	if len(s) > f.reader.limit {
		return errTooMany
	}
	return types.String(s)
}

// object returns a JSON object that the protocol lets a message leave out: absent and null
// read as {}.
func (f *Frame) object(root int, v jsonscan.Value, wrong ref.Val) ref.Val {
	switch v.Kind() {
	case jsonscan.Object, jsonscan.Invalid:
	case jsonscan.Null:
		v = jsonscan.Value{}
	default:
		return wrong
	}
	o := &f.json[root]
	o.reset(f.reader, v)
	return o
}

// maxListed bounds the groups, roles and scopes of a principal that rules can look through.
const (
	maxListed     = 1024
	maxListedText = 1024
)

func (f *Frame) list(root int, names []string) ref.Val {
	if len(names) > maxListed {
		return errTooMany
	}
	for _, s := range names {
		if len(s) > maxListedText {
			return errTooMany
		}
	}
	l := &f.lists[root]
	l.names = names
	return l
}
