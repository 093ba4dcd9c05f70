package condition

import (
	"hash/maphash"
	"slices"
)

// A Guard is the first thing that a condition asks, if that is whether the caller is in a group or has a role or a scope: of many
// rules about one tool, most are false for that alone. It is a number, so that rules can be passed over without a look at their
// conditions. The zero Guard asks nothing.
type Guard struct {
	list uint8 // of the caller, plus one
	sum  uint32
}

var guardSeed = maphash.MakeSeed()

func sumOf(name string) uint32 { return uint32(maphash.String(guardSeed, name)) }

// Guard returns what the condition asks first.
func (c *Condition) Guard() Guard {
	d := c.direct
	for d != nil && d.op == directAnd {
		d = d.left
	}
	if d == nil || d.op != directIn {
		return Guard{}
	}
	return Guard{list: uint8(d.list()) + 1, sum: sumOf(d.text)}
}

// list is which list of the caller a directIn looks through.
func (d *direct) list() int {
	switch d.name.slot {
	case slotRoles:
		return listRoles
	case slotScopes:
		return listScopes
	default:
		return listGroups
	}
}

// maxSums is how many names of a list guards are compared with. Who has more has his rules evaluated.
const maxSums = 16

// sums are those of a list of the caller's.
type sums struct {
	known bool
	n     int // -1: conditions must look for themselves
	of    [maxSums]uint32
}

// Excludes says that a condition with this guard is false, whatever else it asks. Where it can't say, it says no.
func (f *Frame) Excludes(g Guard) bool {
	if g.list == 0 {
		return false
	}
	s := &f.sums[g.list-1]
	if !s.known {
		s.take(f.Input.Principal, int(g.list-1))
	}
	return s.n >= 0 && !slices.Contains(s.of[:s.n], g.sum)
}

func (s *sums) take(p *Principal, list int) {
	s.known, s.n = true, -1
	if p == nil {
		return
	}
	names := p.names(list)
	if len(names) > maxSums {
		return
	}
	for i, name := range names {
		if len(name) > maxListedText {
			return
		}
		s.of[i] = sumOf(name)
	}
	s.n = len(names)
}

// names is a list of the caller's.
func (p *Principal) names(list int) []string {
	switch list {
	case listRoles:
		return p.Roles
	case listScopes:
		return p.Scopes
	default:
		return p.Groups
	}
}
