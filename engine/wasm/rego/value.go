package rego

import (
	"cmp"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Value is a value of Rego: nil, a bool, a Number, a string, an Array, an *Object, a *Set, or
// Undefined. It is not to be changed.
type Value any

// Number is a number as it is written.
type Number string

// Array is an array.
type Array []Value

// Object is an object, its members sorted by their keys, which may be of any type.
type Object struct{ Keys, Values []Value }

// Set is a set: its elements sorted, none twice.
type Set struct{ Elems []Value }

type undefined struct{}

// Undefined is what a builtin returns that has no result.
var Undefined = undefined{}

// Int returns the number of a whole number's value.
func Int[T int | int64](n T) Number { return Number(strconv.FormatInt(int64(n), 10)) }

// Int64 returns a number as an int64 if it is one, whatever it is written like.
func (n Number) Int64() (int64, bool) {
	if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return i, true
	}
	f, ok := n.float()
	if !ok || !f.IsInt() {
		return 0, false
	}
	i, exact := f.Int64()
	return i, exact == big.Exact
}

func (n Number) float() (*big.Float, bool) {
	if len(n) > maxNumber {
		return nil, false
	}
	f, _, err := big.ParseFloat(string(n), 10, precision, big.ToNearestEven)
	return f, err == nil
}

// maxNumber is how many digits a number may have to be computed with, and precision how many bits
// those take.
const (
	maxNumber = 400
	precision = 1400
)

// rank is the order of the types.
func rank(v Value) int {
	switch v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case Number:
		return 2
	case string:
		return 3
	case Array:
		return 4
	case *Object:
		return 5
	default:
		return 6
	}
}

// Compare orders values as Rego does.
func Compare(a, b Value) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case bool:
		return cmp.Compare(truth(a), truth(b.(bool))) //nolint:forcetypeassert // of the same rank
	case Number:
		return compareNumbers(a, b.(Number)) //nolint:forcetypeassert // likewise
	case string:
		return strings.Compare(a, b.(string)) //nolint:forcetypeassert // likewise
	case Array:
		return slices.CompareFunc(a, b.(Array), Compare) //nolint:forcetypeassert // likewise
	case *Object:
		o := b.(*Object) //nolint:forcetypeassert // likewise
		return cmp.Or(slices.CompareFunc(a.Keys, o.Keys, Compare), slices.CompareFunc(a.Values, o.Values, Compare))
	case *Set:
		return slices.CompareFunc(a.Elems, b.(*Set).Elems, Compare) //nolint:forcetypeassert // likewise
	}
	return 0
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compareNumbers(a, b Number) int {
	x, err := strconv.ParseInt(string(a), 10, 64)
	y, err2 := strconv.ParseInt(string(b), 10, 64)
	if err == nil && err2 == nil {
		return cmp.Compare(x, y)
	}
	d, e := decimalOf(a), decimalOf(b)
	if d.sign != e.sign {
		return cmp.Compare(d.sign, e.sign)
	}
	return d.sign * cmp.Or(cmp.Compare(d.power, e.power), strings.Compare(d.digits, e.digits))
}

// decimal is a number as 0.DIGITS times a power of ten: without a zero at either end of the digits,
// so that equal numbers are alike. To compare such costs no more than to read them; how large a
// number would be written out doesn't matter.
type decimal struct {
	sign, power int
	digits      string
}

func decimalOf(n Number) decimal {
	const far = 1 << 40 // an exponent of more digits than a number can have beside it
	s, isNegative := strings.CutPrefix(string(n), "-")
	exponent := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exponent, _ = strconv.Atoi(s[i+1:]) // the largest there is, if it doesn't fit
		s, exponent = s[:i], min(max(exponent, -far), far)
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits := whole + fraction
	trimmed := strings.TrimLeft(digits, "0")
	if trimmed == "" {
		return decimal{}
	}
	sign := 1
	if isNegative {
		sign = -1
	}
	return decimal{sign, len(whole) + exponent - (len(digits) - len(trimmed)), strings.TrimRight(trimmed, "0")}
}

// weight is about how large a value is: its values and the bytes of its texts. It stops counting
// above a number.
func weight(v Value, most int) int {
	n := 1
	add := func(list []Value) {
		for i := 0; i < len(list) && n <= most; i++ {
			n += weight(list[i], most-n)
		}
	}
	switch v := v.(type) {
	case string:
		n += len(v)
	case Number:
		n += len(v)
	case Array:
		add(v)
	case *Set:
		add(v.Elems)
	case *Object:
		add(v.Keys)
		add(v.Values)
	}
	return n
}

// newSet makes a set of elements, which it sorts.
func newSet(elems []Value) *Set {
	slices.SortFunc(elems, Compare)
	return &Set{slices.CompactFunc(elems, func(a, b Value) bool { return Compare(a, b) == 0 })}
}

// get returns the value of a key, or Undefined.
func (o *Object) get(key Value) Value {
	if i, ok := slices.BinarySearchFunc(o.Keys, key, Compare); ok {
		return o.Values[i]
	}
	return Undefined
}

// newObject makes an object of members, of which the last counts where a key stands twice.
func newObject(keys, values []Value) *Object {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, k int) int { return Compare(keys[i], keys[k]) })
	o := &Object{}
	for n, i := range order {
		if n+1 < len(order) && Compare(keys[i], keys[order[n+1]]) == 0 {
			continue
		}
		o.Keys, o.Values = append(o.Keys, keys[i]), append(o.Values, values[i])
	}
	return o
}

// elements returns what an array or a set holds.
func elements(v Value) ([]Value, bool) {
	switch v := v.(type) {
	case Array:
		return v, true
	case *Set:
		return v.Elems, true
	}
	return nil, false
}
