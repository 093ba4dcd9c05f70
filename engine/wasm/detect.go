package wasm

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// Matcher is a set of detectors that the host runs for plugins, the capability match:NAME.
type Matcher struct {
	// Rules are the names of the rules, whose numbers are their indexes.
	Rules []string
	// Find appends what the rules find in a text. It is deterministic, safe for concurrent
	// use, and keeps neither slice. Matches may overlap and come in any order. A search that
	// may be long asks stop on the way, which reads a clock: when it says yes, the call's time
	// is over, and Find returns at once, with false. Nothing is made then of what it has found.
	Find func(dst []Match, text []byte, stop func() bool) (all []Match, done bool)
}

// find runs a matcher, and ends the call if its time is over before.
func (in *instance) find(m *Matcher, text []byte) []Match {
	if in.late == nil { // once, not for each call
		in.late = func() bool { return in.now() > in.until || in.caller.Err() != nil }
	}
	found, done := m.Find(in.matches[:0], text, in.late)
	if !done {
		in.check()
		in.stop(hostapi.FailureDeadline, "a search ended before it was done")
	}
	return found
}

// Match is a place in a text, in bytes, and the rule that found it.
type Match struct{ Start, End, Rule int }

// Tables are what the host has for plugins to look up: the capability lookup:NAME is the table
// NAME. They and what they return must not change; another generation is another Tables.
type Tables map[string]Table

// Table returns what there is for a key, an absent value if there is nothing. The key is only
// good for the call.
type Table func(key string) jsonscan.Value

// capability finds a capability by its id, and stops a guest that may not use it.
func (in *instance) capability(id uint64, kind hostapi.CapabilityKind) *capability {
	k := int32(id)
	if k < 0 || int(k) >= len(in.program.capabilities) {
		in.stop(hostapi.FailureCapability, "capability %d is not declared: there are %d", k, len(in.program.capabilities))
	}
	c := &in.program.capabilities[k]
	switch {
	case c.is.Kind != kind:
		in.stop(hostapi.FailureCapability, "capability %d is %v, which is not of the kind %s", k, c.is, kind)
	case !c.granted:
		in.stop(hostapi.FailureCapability, "%v is not granted", c.is)
	}
	in.asked |= 1 << k
	return c
}

func granted(in *instance, s []uint64) {
	k := int32(s[0])
	s[0] = flag(k >= 0 && int(k) < len(in.program.capabilities) && in.program.capabilities[k].granted)
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func match(in *instance, s []uint64) {
	c := in.capability(s[0], hostapi.CapabilityKindMatch)
	v, there := in.subject(s[1])
	switch {
	case !there:
		s[0] = code(hostapi.CodeAbsent)
		return
	case v.kindOf() != hostapi.KindString:
		s[0] = code(hostapi.CodeWrongType)
		return
	}
	text := in.bytes(v)
	in.charge(int64(len(text)) * costMatch)
	in.matches = tidy(in.find(&c.matcher, text), len(text), len(c.matcher.Rules))
	in.scratch = in.scratch[:0]
	for _, m := range in.matches {
		in.scratch = binary.LittleEndian.AppendUint32(in.scratch, uint32(m.Start))
		in.scratch = binary.LittleEndian.AppendUint32(in.scratch, uint32(m.End))
		in.scratch = binary.LittleEndian.AppendUint32(in.scratch, uint32(m.Rule))
	}
	in.give(s, s[2], s[3], in.scratch)
}

// subject is what match looks at: a field, or a string of the message.
func (in *instance) subject(what uint64) (v *value, there bool) {
	if k := int32(what); k < 0 {
		at, ok := in.stringAt(uint64(uint32(-1 - k)))
		return in.only(value{json: at.value}), ok
	}
	r := in.read(what)
	if r.perItem {
		return in.only(value{kind: hostapi.KindArray}), true // is no string, whatever the items hold
	}
	v = in.value(r, uint64(uint32(what)))
	return v, v.kindOf() != hostapi.KindAbsent
}

// tidy orders matches by where they begin and leaves out what is empty, is not there, or
// overlaps one before: of those that do the first stays, of those the longest, of those the
// one of the lowest rule.
func tidy(found []Match, size, rules int) []Match {
	order := func(a, b Match) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), cmp.Compare(a.Rule, b.Rule))
	}
	if !slices.IsSortedFunc(found, order) {
		slices.SortFunc(found, order)
	}
	end := 0
	return slices.DeleteFunc(found, func(m Match) bool {
		if m.Start < end || m.End <= m.Start || m.End > size || m.Rule < 0 || m.Rule >= rules {
			return true
		}
		end = m.End
		return false
	})
}

func matchRule(in *instance, s []uint64) {
	c := in.capability(s[0], hostapi.CapabilityKindMatch)
	k := int32(s[1])
	if k < 0 || int(k) >= len(c.matcher.Rules) {
		s[0] = code(hostapi.CodeAbsent)
		return
	}
	in.giveValue(s, s[2], s[3], in.only(textValue(c.matcher.Rules[k])))
}

func lookup(in *instance, s []uint64) {
	c := in.capability(s[0], hostapi.CapabilityKindLookup)
	key := in.take(s[1], s[2])
	if !in.looked && !in.blind {
		in.tables, in.looked = in.program.config.Tables(), true
	}
	v := value{}
	if t := in.tables[c.is.Name]; t != nil && len(key) <= hostapi.LimitLookupKeyBytes {
		v.json = t(alias(key))
	}
	in.giveValue(s, s[3], s[4], in.only(v))
}
