package condition

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Want is the type that an expression must have.
type Want uint8

// The types wanted.
const (
	Any   Want = iota
	Bool       // a condition
	Text       // a message
	Keyed      // a key: see AppendKey
	Whole      // an integer: see Count
)

// Truth is what a condition says of a message.
type Truth uint8

// The truths. Unknown is the answer of a Blank frame where the answer depends on what is not
// known there.
const (
	False Truth = iota
	True
	Unknown
)

// Errors that end an evaluation. Test for them with errors.Is.
var (
	ErrCost        = errors.New("the condition ran over its cost limit")
	ErrInterrupted = errors.New("the evaluation was interrupted")
)

// Condition is a compiled expression. It is immutable and safe for concurrent use.
type Condition struct {
	env       *Env
	text      source.Text
	variables *Variables
	typ       *cel.Type
	program   cel.Program
	cheap     bool      // bounded by analysis: needs no limit at run time
	direct    *direct   // what can be said without the program; nil: nothing
	plain     *plainKey // what a key is made of, if only of names
	uses      uses
	arguments []Use   // of the arguments of a call; nil unless asked for
	argument  operand // what the expression is, if it is one of them

	traced sync.Once
	trace  *trace
}

// Subjects returns what a message must be about for the condition to be able to hold: where
// one is absent, the condition is false or fails for it, whatever else the message says.
func (c *Condition) Subjects() Subjects { return c.uses.needs }

// Reads lists, sorted, the fields that the condition can read, in canonical names:
// "args.path", "jwt.sub", `request.headers["x-tenant"]`; "args" alone means all of it.
// Variables are seen through. Don't change it.
func (c *Condition) Reads() []string { return c.uses.reads }

// Impure names what makes the value depend on more than the message and its caller: the time, or a function that is not known to
// be pure. It is "" if nothing does.
func (c *Condition) Impure() string { return c.uses.impure }

// Cheap says that the cost of the condition is bounded by analysis.
func (c *Condition) Cheap() bool { return c.cheap }

// Direct says that most messages are answered without an interpreter.
func (c *Condition) Direct() bool { return c.direct != nil }

// Test evaluates a condition. An error that is an *AbsentError (errors.As) says that the
// condition is about something that the message is not about.
func (c *Condition) Test(f *Frame) (Truth, error) {
	if f.traces == nil {
		switch t := c.direct.test(f); t {
		case True, False:
			return t, nil
		case hidden:
			return Unknown, nil
		case Unknown:
		}
	}
	v, err := c.value(f)
	switch {
	case err != nil:
		return False, err
	case v == types.True:
		return True, nil
	case v == types.False:
		return False, nil
	case types.IsUnknown(v):
		return Unknown, nil
	}
	return False, fmt.Errorf("the condition is not a bool, but a %s", v.Type().TypeName())
}

// maxMessage is the longest text that a message yields.
const maxMessage = 1024

// Message evaluates a message. The text is a copy on one line.
func (c *Condition) Message(f *Frame) (string, error) {
	v, err := c.value(f)
	if err != nil {
		return "", err
	}
	s, ok := v.(types.String)
	if !ok {
		return "", fmt.Errorf("the message is not a string, but a %s", v.Type().TypeName())
	}
	text := string(s)
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "")
	}
	return strings.Map(printable, strings.Clone(text)), nil
}

// printable maps what could break out of a line of text to a space.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 {
		return ' '
	}
	return r
}

// value evaluates the expression. The value may be unknown, and is never an error.
func (c *Condition) value(f *Frame) (ref.Val, error) {
	if f.traces != nil {
		t := c.follow(f)
		return t.value, t.err
	}
	if c.cheap {
		v, _, err := c.program.Eval(f.execution())
		if err != nil {
			return nil, cause(err)
		}
		return v, nil
	}
	v, _, err := c.program.ContextEval(f.ctx, interpreter.Activation(f))
	if err != nil {
		return nil, cause(err)
	}
	return v, nil
}

// cause turns the errors that cel-go tells apart by message or code into ours.
func cause(err error) error {
	if cancelled, ok := errors.AsType[interpreter.EvalCancelledError](err); ok {
		switch {
		case cancelled.Message == ErrInputTooLarge.Error():
			return ErrInputTooLarge
		case cancelled.Cause == interpreter.CostLimitExceeded:
			return ErrCost
		}
		return err
	}
	if errors.Is(err, interpreter.InterruptError{}) {
		return ErrInterrupted
	}
	if celErr, ok := errors.AsType[*types.Err](err); ok {
		return celErr.Unwrap()
	}
	return err
}
