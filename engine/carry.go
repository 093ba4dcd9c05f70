package engine

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// This file carries over what has been compiled already: from another rule of the bundle, or from the snapshot before.

// part digests all that a compiled expression depends on but its environment: its text, the type wanted, the phase and the variables
// that it can read. What only depends on where the text stands is not carried over.
type part [sha256.Size]byte

func partOf(text source.Text, want condition.Want, vs *condition.Variables) part {
	variables := vs.Digest()
	b := make([]byte, 0, 256)
	b = append(b, variables[:]...)
	b = binary.AppendUvarint(b, uint64(want))
	return sha256.Sum256(append(b, text.Value...))
}

// environment returns the environment of the snapshot before if it is what the options ask for, with what was compiled in it.
func environment(o Options, arguments bool) (*condition.Env, map[part]*condition.Condition, error) {
	bounds := condition.Options{CostLimit: o.CostLimit, InputLimit: o.InputLimit, Arguments: arguments}
	if p := o.Previous; p != nil && p.env.Has(bounds) {
		return p.env, p.parts, nil
	}
	env, err := condition.New(bounds)
	return env, nil, err
}

// expression compiles an expression, unless that has been done. A Condition that is carried over is a new one, which holds nothing of
// the snapshot that it came from but its programs.
func (c *compiler) expression(text source.Text, want condition.Want, vs *condition.Variables) *condition.Condition {
	key := partOf(text, want, vs)
	if known := c.known(key); known != nil {
		return c.keep(key, known.At(text, vs))
	}
	cond, ds := c.env.Compile(text, want, vs)
	c.found = append(c.found, ds...)
	if cond != nil && len(ds) == 0 { // what is said of it depends on where it stands
		c.keep(key, cond)
	}
	return cond
}

func (c *compiler) known(key part) *condition.Condition {
	if cond := c.parts[key]; cond != nil {
		return cond
	}
	return c.before[key]
}

// variable compiles the next variable of a policy, unless that has been done.
func (c *compiler) variable(vs *condition.Variables, name string, text source.Text) {
	key := partOf(text, condition.Any, vs)
	if known := c.known(key); known != nil {
		vs.Take(name, c.keep(key, known.At(text, vs)))
		return
	}
	ds := vs.Add(name, text)
	c.found = append(c.found, ds...)
	if cond := vs.Last(); cond != nil && len(ds) == 0 {
		c.keep(key, cond)
	}
}

func (c *compiler) keep(key part, cond *condition.Condition) *condition.Condition {
	if c.parts == nil {
		c.parts = make(map[part]*condition.Condition)
	}
	c.parts[key] = cond
	return cond
}
