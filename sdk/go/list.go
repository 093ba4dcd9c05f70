package sallyport

import (
	"iter"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// List is a list whose items the plugin is asked about, all in one call. What a [Call] has, it
// has too.
type List struct{ Call }

// Len returns how many items there are.
func (l *List) Len() int { return int(l.host.ItemCount()) }

// Items goes over the items.
func (l *List) Items() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for i := range l.host.ItemCount() {
			if !yield(Item{l, i}) {
				return
			}
		}
	}
}

// Item is an item of a list.
type Item struct {
	list  *List
	index int32
}

// Index returns where the item stands, from 0.
func (i Item) Index() int { return int(i.index) }

// Text returns the text of a field that is a string, or the JSON of one that isn't: the ABI
// doesn't say which. The field is one of the reads that begin with items[*]. ok is false if the
// item doesn't have it.
func (i Item) Text(field string) (text string, ok bool) {
	c := &i.list.Call
	id := c.id(field)
	n := c.host.Item(i.index, id, c.memory.Room())
	if c.memory.Grow(n) {
		n = c.host.Item(i.index, id, c.memory.Room())
	}
	if n == abi.CodeWrongType {
		c.Fail(field + " is not a field of an item")
	}
	return c.memory.Take(n)
}

// Drop leaves the item out, if the hook returns [Mutate].
func (i Item) Drop() { i.list.host.ItemDrop(i.index) }
