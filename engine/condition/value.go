package condition

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Errors that a value can be.
var (
	// ErrInputTooLarge is a value that is larger than a condition may look into.
	ErrInputTooLarge = errors.New("value is larger than the input limit")
	// errNumber is an integer that neither int nor uint can hold. It is not rounded.
	errNumber = errors.New("number out of range")
	// errInexact is a number with a fraction or an exponent that would be rounded to an integer that it isn't.
	errInexact = errors.New("number can't be read exactly")
)

// reader turns scanned JSON into CEL values. limit is the size in bytes of the largest value
// that may be looked into.
type reader struct{ limit int }

// value returns a JSON value as a CEL value. Nothing is decoded before it is used: an object
// or array is a view of the scanned bytes, a string without escapes aliases them. An absent
// Value is an error.
func (r reader) value(v jsonscan.Value) ref.Val {
	switch v.Kind() {
	case jsonscan.String:
		if len(v.Raw()) > r.limit {
			return types.WrapErr(ErrInputTooLarge)
		}
		return types.String(v.Text())
	case jsonscan.Number:
		return number(v)
	case jsonscan.True:
		return types.True
	case jsonscan.False:
		return types.False
	case jsonscan.Null:
		return types.NullValue
	case jsonscan.Object:
		return &jsonObject{reader: r, v: v}
	case jsonscan.Array:
		return &jsonArray{reader: r, v: v}
	case jsonscan.Invalid:
	}
	return types.NewErrFromString("no such value")
}

// number: an integer literal is an int if it fits, else a uint, else an error; a literal with a
// fraction or exponent is a double, if doubles are told apart from all integers that they are
// compared with. So no rule compares a rounded integer.
func number(v jsonscan.Value) ref.Val {
	if i, ok := v.Int64(); ok {
		return types.Int(i)
	}
	raw := v.Raw()
	for _, c := range raw {
		if c == '.' || c == 'e' || c == 'E' {
			f, ok := v.Float64()
			if !ok {
				return types.WrapErr(errNumber)
			}
			return double(f, raw)
		}
	}
	u, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		return types.WrapErr(errNumber)
	}
	return types.Uint(u)
}

// double is the number that a literal with a fraction or an exponent is. From 2^53 on CEL takes a double for several integers, since it
// rounds the one that it compares it with. So where there are ints and uints it is the integer that it is written as, or an error.
func double(f float64, raw []byte) ref.Val {
	if math.Abs(f) < 1<<53 || f < math.MinInt64 || f > 1<<64 {
		return types.Double(f)
	}
	if !exact(f, raw) {
		return types.WrapErr(errInexact)
	}
	switch {
	case f < 1<<63:
		return types.Int(f)
	case f < 1<<64:
		return types.Uint(f)
	default: // CEL takes it for the largest uint
		return types.WrapErr(errNumber)
	}
}

// exact says that f, which is the double next to a literal, and an integer, is what the literal says: then they have the same digits.
// That it is the next one settles the place of the point.
func exact(f float64, raw []byte) bool {
	var buf [24]byte
	digits := bytes.TrimRight(strconv.AppendFloat(buf[:0], math.Abs(f), 'f', 0, 64), "0")
	if e := bytes.IndexAny(raw, "eE"); e >= 0 {
		raw = raw[:e]
	}
	n := 0
	for _, c := range raw {
		switch {
		case c == '-' || c == '.' || c == '0' && (n == 0 || n == len(digits)):
		case n < len(digits) && c == digits[n]:
			n++
		default:
			return false
		}
	}
	return n == len(digits)
}

// mustRead ends the evaluation if what stands in a list or a map can't be read, as mustWhole does: cel-go takes it there for a value that
// is equal to none.
func mustRead(v ref.Val) ref.Val {
	if err, failed := v.(*types.Err); failed {
		panic(interpreter.EvalCancelledError{Message: err.Error()})
	}
	return v
}

// whole says that all of v may be looked at: compared, counted, iterated, converted.
func (r reader) whole(v jsonscan.Value) bool { return len(v.Raw()) <= r.limit }

// mustWhole ends the evaluation unless v is whole. It panics, as cel-go does when a cost
// limit is passed, because a size or an iterator cannot be an error, and an error that some
// other part of the expression makes up for would hide that v was not looked at.
func (r reader) mustWhole(v jsonscan.Value) {
	if !r.whole(v) {
		panic(interpreter.EvalCancelledError{Message: ErrInputTooLarge.Error()})
	}
}

// decode returns a value as Go's plain types, for conversions.
func (r reader) decode(v jsonscan.Value) (any, error) {
	switch v.Kind() {
	case jsonscan.Object:
		out := make(map[string]any)
		for c := v.Cursor(); c.Next(); {
			x, err := r.decode(c.Value())
			if err != nil {
				return nil, err
			}
			out[c.Name().Text()] = x
		}
		return out, nil
	case jsonscan.Array:
		out := make([]any, 0)
		for c := v.Cursor(); c.Next(); {
			x, err := r.decode(c.Value())
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	case jsonscan.Null:
		return nil, nil
	default:
	}
	val := r.value(v)
	if err, ok := val.(*types.Err); ok {
		return nil, err
	}
	return val.Value(), nil
}
