package toolset

import (
	"slices"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Values returns the scalars that the value can be, and whether it can be no others. Lists and objects are not among them.
func (t Type) Values() ([]Scalar, bool) { return new(question).values(t) }

func (q *question) values(t Type) ([]Scalar, bool) {
	switch t.op {
	case nothing:
		return nil, true
	case schema:
		return q.schemaValues(t.s)
	case every:
		return q.narrowest(t.parts)
	case some:
		return q.union(t.parts)
	default:
		return nil, false
	}
}

func roots(schemas []*Schema) []Type {
	out := make([]Type, len(schemas))
	for i, s := range schemas {
		out[i] = s.Root()
	}
	return out
}

func (q *question) schemaValues(s *Schema) ([]Scalar, bool) {
	switch {
	case s == nil || q.tired():
		return nil, false
	case s.never:
		return nil, true
	case s.ref:
		return q.schemaValues(s.target)
	}
	found, finite := s.values, s.listed
	meet := func(values []Scalar, ok bool) {
		if ok {
			found, finite = intersect(found, finite, values), true
		}
	}
	for _, p := range s.all {
		meet(q.schemaValues(p))
	}
	for _, choice := range s.choices {
		meet(q.union(roots(choice)))
	}
	if !finite {
		return s.simple()
	}
	return slices.DeleteFunc(slices.Clone(found), func(v Scalar) bool { return !s.kinds.Has(v.Kind) }), true
}

// simple lists the values of what can only be true, false or null.
func (s *Schema) simple() ([]Scalar, bool) {
	if s.kinds&^(bools|nulls) != 0 {
		return nil, false
	}
	var out []Scalar
	for _, k := range []jsonscan.Kind{jsonscan.True, jsonscan.False, jsonscan.Null} {
		if s.kinds.Has(k) {
			out = append(out, Scalar{Kind: k})
		}
	}
	return out, true
}

// narrowest is what all parts allow.
func (q *question) narrowest(parts []Type) (found []Scalar, finite bool) {
	for _, p := range parts {
		if values, ok := q.values(p); ok {
			found, finite = intersect(found, finite, values), true
		}
	}
	return found, finite
}

func (q *question) union(parts []Type) ([]Scalar, bool) {
	var out []Scalar
	for _, p := range parts {
		values, ok := q.values(p)
		if !ok {
			return nil, false
		}
		out = append(out, values...)
	}
	return out, true
}

func intersect(a []Scalar, finite bool, b []Scalar) []Scalar {
	if !finite {
		return b
	}
	var out []Scalar
	for _, v := range a {
		if slices.ContainsFunc(b, v.Equal) {
			out = append(out, v)
		}
	}
	return out
}
