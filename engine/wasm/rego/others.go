package rego

import (
	"net"
	"slices"
)

// others are the builtins on numbers, documents and addresses.
var others = []Builtin{
	{Name: "numbers.range_step", Args: 3, Do: rangeStep},
	{Name: "object.subset", Args: 2, Do: subset},
	{Name: "json.patch", Args: 2, Do: jsonPatch},
	{Name: "uuid.parse", Args: 1, Do: withTexts(parseUUID)},
	{Name: "net.cidr_is_valid", Args: 1, Do: func(_ *Call, args []Value) (Value, error) {
		s, ok := args[0].(string)
		if ok {
			_, _, err := net.ParseCIDR(s)
			ok = err == nil
		}
		return ok, nil
	}},
	{Name: "net.cidr_expand", Args: 1, Do: expand},
}

// element is what an element of a result costs: the module reads it again.
const element = 100

func rangeStep(c *Call, args []Value) (Value, error) {
	var n [3]int64
	for i, v := range args {
		number, ok := v.(Number)
		if ok {
			n[i], ok = number.Int64()
		}
		if !ok {
			return Undefined, nil
		}
	}
	from, to, step := n[0], n[1], n[2]
	if step <= 0 || max(from, to, step) > 1<<53 || min(from, to) < -1<<53 {
		return Undefined, nil
	}
	if from > to {
		step = -step
	}
	count := (to-from)/step + 1
	if c.Charge(count * element); count > maxElements {
		return nil, errTooLong
	}
	out := make(Array, 0, count)
	for i := range count {
		out = append(out, Int(from+i*step))
	}
	return out, nil
}

func expand(c *Call, args []Value) (Value, error) {
	s, ok := args[0].(string)
	if !ok {
		return Undefined, nil
	}
	_, block, err := net.ParseCIDR(s)
	if err != nil {
		return Undefined, nil //nolint:nilerr // that is what undefined says
	}
	ones, bits := block.Mask.Size()
	if bits-ones > 16 {
		return nil, errTooLong
	}
	count := 1 << (bits - ones)
	c.Charge(int64(count) * element)
	elems := make([]Value, 0, count)
	for ip := block.IP; len(elems) < count; ip = next(ip) {
		elems = append(elems, ip.String())
	}
	return newSet(elems), nil
}

func next(ip net.IP) net.IP {
	ip = slices.Clone(ip)
	for i := len(ip) - 1; i >= 0; i-- {
		if ip[i]++; ip[i] != 0 {
			break
		}
	}
	return ip
}

// subset says whether the second document is within the first.
func subset(c *Call, args []Value) (Value, error) {
	whole, part := args[0], args[1]
	if list, ok := whole.(Array); ok && rank(part) == rank(&Set{}) {
		whole = newSet(slices.Clone(list))
	}
	if rank(part) < rank(Array{}) || rank(part) != rank(whole) {
		return Undefined, nil
	}
	return within(c, whole, part), nil
}

func within(c *Call, whole, part Value) bool {
	switch p := part.(type) {
	case *Object:
		if w, ok := whole.(*Object); ok {
			return !slices.ContainsFunc(p.Keys, func(k Value) bool {
				v := w.get(k)
				c.Charge(element)
				return v == Undefined || !within(c, v, p.get(k))
			})
		}
	case *Set:
		if w, ok := whole.(*Set); ok {
			c.Charge(int64(len(p.Elems))*element + int64(weight(p, maxValue)))
			return !slices.ContainsFunc(p.Elems, func(e Value) bool {
				_, found := slices.BinarySearchFunc(w.Elems, e, Compare)
				return !found
			})
		}
	case Array:
		if w, ok := whole.(Array); ok {
			c.Charge(int64(max(len(w)-len(p)+1, 0)) * int64(weight(p, maxValue)))
			for i := 0; i+len(p) <= len(w); i++ {
				if Compare(w[i:i+len(p)], p) == 0 {
					return true
				}
			}
			return false
		}
	default:
		return Compare(whole, part) == 0
	}
	return false
}
