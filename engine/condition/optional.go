package condition

import (
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// optionalRead is a selection that can be an optional. cel-go puts an error that stands in a list or a map into the optional as a value,
// where nothing takes it for an error any more: it is equal to no value, and a list that has it as an element is equal to any other.
type optionalRead struct {
	interpreter.InterpretableAttribute
}

// readOptionals decorates the selections that can be optionals. Those of a name of the vocabulary without .? and [?] can't, and cost nothing.
func readOptionals(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	a, ok := i.(interpreter.InterpretableAttribute)
	if !ok {
		return i, nil
	}
	if _, done := a.(*optionalRead); done || !canBeOptional(a.Attr()) {
		return i, nil
	}
	return &optionalRead{a}, nil
}

func canBeOptional(a interpreter.Attribute) bool {
	named, ok := a.(interpreter.NamespacedAttribute)
	if !ok {
		return true
	}
	path := named.Qualifiers()
	for _, q := range path {
		if q.IsOptional() {
			return true
		}
	}
	return len(path) > 0 && byPath[strings.TrimPrefix(named.CandidateVariableNames()[0], ".")] == nil // it may be bound to an optional
}

// Exec implements interpreter.InterpretableV2.
func (o *optionalRead) Exec(f *interpreter.ExecutionFrame) ref.Val {
	v := o.InterpretableAttribute.Exec(f)
	if opt, ok := v.(*types.Optional); ok && opt.HasValue() {
		if err, failed := opt.GetValue().(*types.Err); failed {
			return err
		}
	}
	return v
}

// Eval implements interpreter.Interpretable.
func (o *optionalRead) Eval(vars interpreter.Activation) ref.Val {
	return interpreter.EvalActivation(vars, o.Exec)
}
