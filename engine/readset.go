package engine

import (
	"slices"

	"github.com/sallyport-dev/sallyport/engine/condition"
)

// considered are the rules that a decision rests on: a few in place, so that deciding does
// not allocate, the others beside.
type considered struct {
	first [6]*rule
	more  []*rule
}

// set takes rules; those that are shared never change.
func (c *considered) set(rules []*rule, shared bool) {
	if shared {
		c.more = rules
		return
	}
	n := copy(c.first[:], rules)
	if n < len(rules) {
		c.more = slices.Clone(rules[n:])
	}
}

func (c *considered) each(yield func(*rule) bool) {
	for _, r := range c.first {
		if r == nil {
			break
		}
		if !yield(r) {
			return
		}
	}
	for _, r := range c.more {
		if !yield(r) {
			return
		}
	}
}

// fields returns, sorted, what the rules can read.
func (c *considered) fields() []string {
	var only []string
	var all []string
	for r := range c.each {
		switch {
		case len(r.fields) == 0 || only != nil && &only[0] == &r.fields[0]: // rules that read the same share the list
		case only == nil && all == nil:
			only = r.fields
		default:
			all = append(append(all, only...), r.fields...)
			only = nil
		}
	}
	if all == nil {
		return only
	}
	return union(all)
}

// union sorts paths and drops those within another: "args" holds "args.path".
func union(paths []string) []string {
	slices.Sort(paths)
	out := paths[:0]
	for _, p := range paths {
		if len(out) > 0 && within(p, out[len(out)-1]) {
			continue
		}
		out = append(out, p)
	}
	return out
}

func within(path, root string) bool {
	return len(path) >= len(root) && path[:len(root)] == root &&
		(len(path) == len(root) || path[len(root)] == '.' || path[len(root)] == '[')
}

// FieldPath takes a field as Decision.Reads names it apart: `args["odd key"].x` is args, odd key, x. known is false if it ends where
// only evaluation knows which member is read ("request.headers[*]"); the steps lead to what that is a member of.
func FieldPath(field string) (steps []string, known bool) {
	return condition.FieldPath(field)
}

// FieldName is the field that FieldPath takes apart.
func FieldName(steps []string) string { return condition.FieldName(steps) }
