package condition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// keyKinds are the types that a key may have. What only evaluation knows (dyn) is looked at then.
var keyKinds = []types.Kind{types.StringKind, types.IntKind, types.UintKind, types.BoolKind, types.DoubleKind, types.ListKind, types.DynKind}

// wholeKinds are the types that a count may have. A number of a message is dyn.
var wholeKinds = []types.Kind{types.IntKind, types.UintKind, types.DynKind}

func fitsKind(t *cel.Type, kinds []types.Kind) bool { return slices.Contains(kinds, t.Kind()) }

// What a value starts with as AppendKey writes it.
const (
	keyText  = 's'
	keyInt   = 'i'
	keyUint  = 'u'
	keyFloat = 'f'
	keyBool  = 'b'
	keyElems = 'l'
)

// maxKeyDepth is how deep lists in a key may be nested.
const maxKeyDepth = 8

var errKeyDepth = errors.New("the key holds too many lists in one another")

// AppendKey evaluates an expression that was compiled as a Key and appends its value, with types and lengths, so that no two values
// read the same, but numbers that are equal do: 1, 1u and 1.0 are one key. An error that is an *AbsentError says that the expression
// is about something that the message is not about.
func (c *Condition) AppendKey(dst []byte, f *Frame) ([]byte, error) {
	v, err := c.value(f)
	if err != nil {
		return dst, err
	}
	return appendKeyValue(dst, v, maxKeyDepth)
}

func appendKeyValue(dst []byte, v ref.Val, depth int) ([]byte, error) {
	switch v := v.(type) {
	case types.String:
		return append(binary.AppendUvarint(append(dst, keyText), uint64(len(v))), v...), nil
	case types.Int:
		return appendKeyNumber(dst, keyInt, uint64(v)), nil
	case types.Uint:
		if v <= math.MaxInt64 {
			return appendKeyNumber(dst, keyInt, uint64(v)), nil
		}
		return appendKeyNumber(dst, keyUint, uint64(v)), nil
	case types.Double:
		return appendKeyDouble(dst, float64(v)), nil
	case types.Bool:
		if v {
			return append(dst, keyBool, 1), nil
		}
		return append(dst, keyBool, 0), nil
	case traits.Lister:
		return appendKeyElems(dst, v, depth)
	case *types.Err:
		return dst, cause(v)
	}
	return dst, fmt.Errorf("a key is made of strings, numbers and bools, and lists of them, but this is a %s", v.Type().TypeName())
}

func appendKeyNumber(dst []byte, kind byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, kind), n)
}

// appendKeyDouble writes a double that is an integer as one.
func appendKeyDouble(dst []byte, d float64) []byte {
	if d == math.Trunc(d) && d >= -(1<<63) && d < 1<<63 {
		return appendKeyNumber(dst, keyInt, uint64(int64(d)))
	}
	return appendKeyNumber(dst, keyFloat, math.Float64bits(d))
}

func appendKeyElems(dst []byte, l traits.Lister, depth int) ([]byte, error) {
	if depth == 0 {
		return dst, errKeyDepth
	}
	n, ok := l.Size().(types.Int)
	if !ok {
		return dst, errKeyDepth
	}
	dst = binary.AppendUvarint(append(dst, keyElems), uint64(n))
	var err error
	for it := l.Iterator(); it.HasNext() == types.True; {
		if dst, err = appendKeyValue(dst, it.Next(), depth-1); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Count evaluates an expression that was compiled as a Whole. A double of a message counts if it is an integer.
func (c *Condition) Count(f *Frame) (int64, error) {
	v, err := c.value(f)
	if err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if v <= math.MaxInt64 {
			return int64(v), nil
		}
	case types.Double:
		if d := float64(v); d == math.Trunc(d) && math.Abs(d) < 1<<53 {
			return int64(d), nil
		}
	default:
		return 0, fmt.Errorf("a count must be an integer, but this is a %s", v.Type().TypeName())
	}
	return 0, fmt.Errorf("%v is not a whole number that can be counted", v.Value())
}
