package sallyport

import (
	"iter"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// Granted reports whether a capability that the manifest asks for, such as lookup:tenants, was
// granted. Using one that wasn't fails the call.
func (c *Call) Granted(capability string) bool { return c.host.Granted(c.capability(capability)) == 1 }

func (c *Call) capability(name string) int32 {
	id, ok := find(c.names.capabilities, name)
	if !ok {
		c.Fail("the manifest's capabilities have no " + name)
	}
	return id
}

// Lookup returns what a table of the host, such as lookup:tenants, has for a key: the text of a
// string, the JSON of anything else. ok is false if it has nothing.
func (c *Call) Lookup(table, key string) (text string, ok bool) {
	id := c.capability(table)
	n := c.host.Lookup(id, key, c.memory.Room())
	if c.memory.Grow(n) {
		n = c.host.Lookup(id, key, c.memory.Room())
	}
	return c.memory.Take(n)
}

// Match is where a detector found something.
type Match struct {
	Start, End int // in bytes of the text
	Rule       int // of the set; [Call.Rule] has its name
}

// Matches are what a set of detectors found in a text, in the order of the text. They don't
// overlap.
type Matches struct{ bytes string }

// Len returns how many there are.
func (m Matches) Len() int { return len(m.bytes) / abi.MatchBytes }

// At returns one of them.
func (m Matches) At(i int) Match {
	b := m.bytes[i*abi.MatchBytes : (i+1)*abi.MatchBytes]
	return Match{number(b), number(b[4:]), number(b[8:])}
}

// All goes over them.
func (m Matches) All() iter.Seq[Match] {
	return func(yield func(Match) bool) {
		for i := range m.Len() {
			if !yield(m.At(i)) {
				return
			}
		}
	}
}

// number reads a u32. encoding/binary would bring reflect into every plugin.
func number(b string) int {
	return int(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)
}

// Match runs a set of the host's detectors, such as match:pii, over the text of a field. In
// what is absent or no string there are no matches.
func (c *Call) Match(set, field string) Matches { return c.match(set, c.id(field)) }

// Match runs a set of the host's detectors over the string.
func (s Str) Match(set string) Matches { return s.call.match(set, -1-s.index) }

func (c *Call) match(set string, what int32) Matches {
	id := c.capability(set)
	n := c.host.Match(id, what, c.memory.Room())
	if c.memory.Grow(n) {
		n = c.host.Match(id, what, c.memory.Room())
	}
	found, _ := c.memory.Take(n)
	return Matches{found}
}

// Rule returns the name of a rule of a set of detectors.
func (c *Call) Rule(set string, rule int) string {
	id := c.capability(set)
	n := c.host.MatchRule(id, int32(rule), c.memory.Room())
	if c.memory.Grow(n) {
		n = c.host.MatchRule(id, int32(rule), c.memory.Room())
	}
	name, _ := c.memory.Take(n)
	return name
}
