package condition

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/sallyport-dev/sallyport/engine/source"
)

const variablesRoot = "variables"

// Variables are the named expressions of one policy in one phase. They are added in order,
// each sees those before it, and evaluated when first read, once per message. A nil Variables
// has none. Once compiled it is safe for concurrent use.
type Variables struct {
	env      *Env
	response bool
	list     []variable
	cel      *cel.Env // declares list; nil until it is needed
	digest   [sha256.Size]byte
}

type variable struct {
	name string
	typ  *cel.Type
	cond *Condition // nil if it does not compile; its readers are not reported again
	late bool       // it reads the response, and this is the request phase
}

// NewVariables returns an empty set of variables for a phase.
func (e *Env) NewVariables(response bool) *Variables {
	vs := &Variables{env: e, response: response}
	if response {
		vs.digest[0] = 1
	}
	return vs
}

// Digest tells apart what an expression can depend on of its variables: their names, their expressions and their order, and the phase.
func (vs *Variables) Digest() [sha256.Size]byte { return vs.digest }

// Add compiles the next variable. After an error the variable is declared all the same, with
// no type, so that only its own expression is reported. A variable that reads the response is
// declared for the request phase too, where only reading it is an error.
func (vs *Variables) Add(name string, text source.Text) source.Diagnostics {
	c, ds := vs.env.Compile(text, Any, vs)
	v := variable{name: name, typ: cel.DynType, cond: c}
	if c != nil {
		v.typ = c.typ
	}
	if !vs.response && onlyPhase(ds) {
		v.late, ds = true, nil
	}
	vs.append(v, text.Value)
	return ds
}

// Last returns the Condition of the variable added last, nil if it can't be evaluated.
func (vs *Variables) Last() *Condition { return vs.list[len(vs.list)-1].cond }

// Take adds a variable that was compiled for variables with this Digest, put in place by At.
func (vs *Variables) Take(name string, c *Condition) {
	vs.append(variable{name: name, typ: c.typ, cond: c}, c.text.Value)
}

func (vs *Variables) append(v variable, expression string) {
	vs.list = append(vs.list, v)
	vs.cel = nil
	b := append(make([]byte, 0, 256), vs.digest[:]...)
	for _, text := range []string{v.name, expression} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	vs.digest = sha256.Sum256(b)
}

// onlyPhase says that all that is wrong is the phase.
func onlyPhase(ds source.Diagnostics) bool {
	for _, d := range ds {
		if d.Code != codePhase {
			return false
		}
	}
	return len(ds) > 0
}

func (vs *Variables) find(name string) *variable {
	if vs == nil {
		return nil
	}
	for i := range vs.list {
		if vs.list[i].name == name {
			return &vs.list[i]
		}
	}
	return nil
}

func (vs *Variables) names() []string {
	if vs == nil {
		return nil
	}
	out := make([]string, len(vs.list))
	for i := range vs.list {
		out[i] = vs.list[i].name
	}
	return out
}

// declared returns the environment that declares the variables. Programs are planned in the
// phase's environment, which all conditions share; this one is dropped after compiling.
func (vs *Variables) declared() (*cel.Env, error) {
	if vs.cel != nil {
		return vs.cel, nil
	}
	base := vs.env.phase(vs.response)
	if len(vs.list) == 0 {
		return base, nil
	}
	opts := []cel.EnvOption{
		cel.CustomTypeProvider(&provider{Provider: base.CELTypeProvider(), response: vs.response, variables: vs}),
		cel.Variable(variablesRoot, objectType(variablesRoot)),
	}
	for _, v := range vs.list {
		opts = append(opts, cel.Variable(variablesRoot+"."+v.name, v.typ))
	}
	env, err := base.Extend(opts...)
	if err != nil {
		return nil, err
	}
	vs.cel = env
	return env, nil
}

// Seal drops what only compiling needs.
func (vs *Variables) Seal() {
	if vs != nil {
		vs.cel = nil
	}
}

// SetVariables chooses the variables that conditions evaluated from now on see.
func (f *Frame) SetVariables(vs *Variables) {
	if f.variables == vs {
		return
	}
	f.variables = vs
	clear(f.memo)
	f.memo = f.memo[:0]
	if vs != nil {
		for range vs.list {
			f.memo = append(f.memo, nil)
		}
	}
}

// variable returns the value of a variable of the current policy, nil if there is none.
func (f *Frame) variable(name string) ref.Val {
	if f.variables == nil {
		return nil
	}
	for i := range f.variables.list {
		v := &f.variables.list[i]
		if v.name != name {
			continue
		}
		if f.memo[i] == nil {
			f.memo[i] = f.evaluateVariable(v)
		}
		return f.memo[i]
	}
	return nil
}

func (f *Frame) evaluateVariable(v *variable) ref.Val {
	if v.cond == nil {
		return types.NewErr("variable %s cannot be evaluated", v.name)
	}
	val, err := v.cond.value(f)
	if err != nil {
		// The error is shared by all readers: see absent.
		return types.NewErrWithNodeID(-1, "%w", err)
	}
	if weigh(val, f.reader.limit) < 0 {
		return errTooMany
	}
	return val
}

// weigh takes the size of a computed value from what is left of a limit; less than nothing is
// left if it is too large. Conditions count on a variable being no larger than an input.
// Views of the input bound themselves.
func weigh(val ref.Val, left int) int {
	switch v := val.(type) {
	case *jsonObject, *jsonArray, *stringList, *fields, *headers:
	case types.String:
		left -= len(v)
	case types.Bytes:
		left -= len(v)
	case *types.Optional:
		if v.HasValue() {
			left = weigh(v.GetValue(), left)
		}
	case traits.Mapper:
		for it := v.Iterator(); left >= 0 && it.HasNext() == types.True; {
			key := it.Next()
			left = weigh(v.Get(key), weigh(key, left-2))
		}
	case traits.Lister:
		for it := v.Iterator(); left >= 0 && it.HasNext() == types.True; {
			left = weigh(it.Next(), left-2)
		}
	}
	return left
}

// Variable is a compiled variable of a policy.
type Variable struct {
	Name      string
	Condition *Condition
}

// Variables returns the variables that the condition can read, those that they read included,
// in the order of their definition.
func (c *Condition) Variables() []Variable {
	var out []Variable
	for _, v := range c.variables.list {
		if slices.Contains(c.uses.variables, v.name) && v.cond != nil {
			out = append(out, Variable{Name: v.name, Condition: v.cond})
		}
	}
	return out
}
