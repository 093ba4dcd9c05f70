package toolset

import (
	"slices"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Type is what is known of a value: every value that is valid by a schema has it. The zero Type is that of any value.
type Type struct {
	op    op
	s     *Schema
	parts []Type
}

type op uint8

const (
	anything op = iota
	nothing
	schema // valid by s
	every  // of all parts
	some   // of one of the parts
)

// maxSteps bounds the work of one question. Where it ends, the answer is that everything is possible.
const maxSteps = 1000

// question is one walk through schemas, which may hold themselves.
type question struct{ steps int }

func (q *question) tired() bool {
	q.steps++
	return q.steps > maxSteps
}

// Root returns the type of a value that is valid by the schema.
func (s *Schema) Root() Type { return Type{op: schema, s: s} }

// Kinds returns the kinds that the value can have.
func (t Type) Kinds() jsonscan.Kinds { return new(question).kinds(t) }

func (q *question) kinds(t Type) jsonscan.Kinds {
	switch t.op {
	case nothing:
		return 0
	case schema:
		return q.schemaKinds(t.s)
	case every:
		k := jsonscan.AllKinds
		for _, p := range t.parts {
			k &= q.kinds(p)
		}
		return k
	case some:
		var k jsonscan.Kinds
		for _, p := range t.parts {
			k |= q.kinds(p)
		}
		return k
	default:
		return jsonscan.AllKinds
	}
}

func (q *question) schemaKinds(s *Schema) jsonscan.Kinds {
	switch {
	case s == nil || q.tired():
		return jsonscan.AllKinds
	case s.never:
		return 0
	case s.ref:
		return q.schemaKinds(s.target)
	}
	k := s.kinds
	if s.listed {
		k &= s.listedKinds()
	}
	for _, p := range s.all {
		k &= q.schemaKinds(p)
	}
	for _, choice := range s.choices {
		var of jsonscan.Kinds
		for _, p := range choice {
			of |= q.schemaKinds(p)
		}
		k &= of
	}
	return k
}

func (s *Schema) listedKinds() (k jsonscan.Kinds) {
	for _, v := range s.values {
		k |= jsonscan.KindsOf(v.Kind)
	}
	if s.compound {
		k |= lists | objects
	}
	return k
}

// Field returns the type of the value's member of a name, if it is an object that has one.
func (t Type) Field(name string) Type {
	return new(question).each(t, func(q *question, s *Schema) Type { return q.field(s, name) })
}

// Element returns the type of the value's elements, if it is a list.
func (t Type) Element() Type {
	return new(question).each(t, (*question).element)
}

// each puts a part of a schema in the place of each.
func (q *question) each(t Type, part func(*question, *Schema) Type) Type {
	switch t.op {
	case schema:
		return part(q, t.s)
	case every, some:
		var parts []Type
		for _, p := range t.parts {
			parts = append(parts, q.each(p, part))
		}
		return join(t.op, parts)
	default:
		return t
	}
}

// field is the member of what is valid by s.
func (q *question) field(s *Schema, name string) Type {
	switch {
	case s == nil || q.tired():
		return Type{}
	case s.never:
		return Type{op: nothing}
	case s.ref:
		return q.field(s.target, name)
	case q.schemaKinds(s)&objects == 0:
		return Type{op: nothing}
	}
	parts := q.composed(s, func(q *question, p *Schema) Type { return q.field(p, name) })
	switch p := s.props[name]; {
	case p != nil:
		parts = append(parts, p.Root())
	case !s.patterns && s.rest != nil:
		parts = append(parts, s.rest.Root())
	}
	return join(every, parts)
}

// element is the element of what is valid by s.
func (q *question) element(s *Schema) Type {
	switch {
	case s == nil || q.tired():
		return Type{}
	case s.never:
		return Type{op: nothing}
	case s.ref:
		return q.element(s.target)
	case q.schemaKinds(s)&lists == 0:
		return Type{op: nothing}
	}
	parts := q.composed(s, (*question).element)
	if s.items != nil {
		parts = append(parts, s.items.Root())
	}
	return join(every, parts)
}

// composed asks the schemas that s is composed of.
func (q *question) composed(s *Schema, part func(*question, *Schema) Type) (parts []Type) {
	for _, p := range s.all {
		parts = append(parts, part(q, p))
	}
	for _, choice := range s.choices {
		var of []Type
		for _, p := range choice {
			of = append(of, part(q, p))
		}
		parts = append(parts, join(some, of))
	}
	return parts
}

// join makes one type of parts, leaving out what changes nothing.
func join(o op, parts []Type) Type {
	neutral, final := anything, nothing
	if o == some {
		neutral, final = nothing, anything
	}
	out := make([]Type, 0, len(parts))
	for _, p := range parts {
		switch {
		case p.op == final:
			return p
		case p.op == neutral || p.op == schema && slices.ContainsFunc(out, func(k Type) bool { return k.op == schema && k.s == p.s }):
		default:
			out = append(out, p)
		}
	}
	switch len(out) {
	case 0:
		return Type{op: neutral}
	case 1:
		return out[0]
	}
	return Type{op: o, parts: out}
}

// Presence says what is known of a member of an object.
type Presence uint8

// The presences.
const (
	Open      Presence = iota // the schema lets it be there, as it lets any other
	Declared                  // the schema names it
	Unnamed                   // the schema names others, and doesn't say whether there may be more
	Forbidden                 // an object that has it is not valid
)

// Presence says what is known of a member by its name.
func (t Type) Presence(name string) Presence {
	q := new(question)
	n := q.declared(t)
	switch {
	case t.Field(name).never():
		return Forbidden
	case slices.Contains(n.names, name):
		return Declared
	case n.open || len(n.names) == 0:
		return Open
	}
	return Unnamed
}

func (t Type) never() bool { return t.Kinds() == 0 }

// Names returns the names of members that the schema declares, in order.
func (t Type) Names() []string {
	names := new(question).declared(t).names
	slices.Sort(names)
	return slices.Compact(names)
}

type declaration struct {
	names []string
	open  bool // there may be others
}

func (q *question) declared(t Type) (d declaration) {
	switch t.op {
	case nothing:
	case schema:
		q.declare(t.s, &d)
	case every, some:
		for _, p := range t.parts {
			of := q.declared(p)
			d.names, d.open = append(d.names, of.names...), d.open || of.open
		}
	default:
		d.open = true
	}
	return d
}

func (q *question) declare(s *Schema, d *declaration) {
	if s == nil || q.tired() {
		d.open = true
		return
	}
	if s.never {
		return
	}
	if s.ref {
		q.declare(s.target, d)
	} else if q.schemaKinds(s)&objects == 0 {
		return
	}
	d.names = append(d.names, s.names...)
	d.open = d.open || s.open || s.patterns
	for _, p := range s.all {
		q.declare(p, d)
	}
	for _, choice := range s.choices {
		for _, p := range choice {
			q.declare(p, d)
		}
	}
}

// Requires says that an object must have the member to be valid.
func (t Type) Requires(name string) bool { return new(question).requires(t, name) }

func (q *question) requires(t Type, name string) bool {
	is := func(p Type) bool { return q.requires(p, name) }
	switch t.op {
	case schema:
		return q.schemaRequires(t.s, name)
	case every:
		return slices.ContainsFunc(t.parts, is)
	case some:
		return !slices.ContainsFunc(t.parts, func(p Type) bool { return !is(p) })
	default:
		return false
	}
}

func (q *question) schemaRequires(s *Schema, name string) bool {
	switch {
	case s == nil || q.tired():
		return false
	case s.ref:
		return q.schemaRequires(s.target, name)
	}
	if slices.Contains(s.required, name) || slices.ContainsFunc(s.all, func(p *Schema) bool { return q.schemaRequires(p, name) }) {
		return true
	}
	return slices.ContainsFunc(s.choices, func(choice []*Schema) bool {
		return !slices.ContainsFunc(choice, func(p *Schema) bool { return !q.schemaRequires(p, name) })
	})
}
