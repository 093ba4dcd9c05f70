package jsonscan

import "iter"

// Cursor walks the elements of an array or the members of an object in order,
// without allocating. The zero Cursor has nothing to walk.
//
//	for c := v.Cursor(); c.Next(); {
//		use(c.Name(), c.Value())
//	}
type Cursor struct {
	parent    Value
	name      uint32 // 0: none
	value     uint32
	next, end uint32
}

// Cursor returns a Cursor before the first element or member. For other kinds it has
// nothing to walk.
func (v Value) Cursor() Cursor {
	n := v.node()
	if n.kind != Array && n.kind != Object {
		return Cursor{}
	}
	return Cursor{parent: v, next: v.index + 1, end: n.next}
}

// Next goes to the next element or member and says whether there is one.
func (c *Cursor) Next() bool {
	if c.next >= c.end || c.parent.generation != c.parent.doc.generation {
		return false
	}
	nodes := c.parent.doc.nodes
	c.name, c.value = 0, c.next
	if nodes[c.next].flags&flagName != 0 {
		c.name, c.value = c.next, c.next+1
	}
	c.next = nodes[c.value].next
	return true
}

// Name returns the name of the member, absent for an element.
func (c *Cursor) Name() Value {
	if c.name == 0 {
		return Value{}
	}
	return c.parent.at(c.name)
}

// Value returns the element, or the value of the member.
func (c *Cursor) Value() Value {
	if c.value == 0 {
		return Value{}
	}
	return c.parent.at(c.value)
}

// Elems returns the elements of an array in order; none for other kinds.
func (v Value) Elems() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		for c := v.Cursor(); c.Next(); {
			if !yield(c.Value()) {
				return
			}
		}
	}
}

// Members returns the names and values of an object in order; none for other kinds.
func (v Value) Members() iter.Seq2[Value, Value] {
	return func(yield func(name, value Value) bool) {
		if v.Kind() != Object {
			return
		}
		for c := v.Cursor(); c.Next(); {
			if !yield(c.Name(), c.Value()) {
				return
			}
		}
	}
}
