package replay

import (
	"cmp"
	"slices"
	"strings"
)

// Report is what a replay came to.
type Report struct {
	Revision      string         `json:"revision"`             // that decided now
	Against       string         `json:"against,omitempty"`    // that decided before; "" is what was recorded
	Decisions     int            `json:"decisions"`            // recorded in the time asked for
	Replayed      int            `json:"replayed"`             // of them that were made again
	OtherRule     int            `json:"otherRule"`            // of those that came to the same by another rule
	NewAllows     int            `json:"newAllows"`            // flips to what is less strict
	NewDenies     int            `json:"newDenies"`            // flips to what is stricter
	Flips         []Flip         `json:"flips"`                // grouped, the less strict first
	NotReplayable map[string]int `json:"notReplayable"`        // by why
	NoPolicy      int            `json:"noPolicy"`             // refused before any policy was asked
	Untried       bool           `json:"untried,omitempty"`    // of cases: there would be more
	Unreadable    int            `json:"unreadable,omitempty"` // lines that are no records
}

// Flip is a group of decisions that are made otherwise now.
type Flip struct {
	Was       string   `json:"was"`
	Is        string   `json:"is"`
	WasRule   string   `json:"wasRule,omitempty"` // "" if none decided
	IsRule    string   `json:"isRule,omitempty"`
	Phase     string   `json:"phase"`
	Method    string   `json:"method"`
	Server    string   `json:"server,omitempty"`
	Name      string   `json:"name,omitempty"` // of the tool or prompt; the URI of the resource
	Principal string   `json:"principal,omitempty"`
	Count     int      `json:"count"`
	Examples  []string `json:"examples,omitempty"` // ids, the oldest few; of cases their fields, the shortest few
}

const (
	maxExamples = 3
	maxGroups   = 10_000 // kinds of flips that are told apart
)

// group is a Flip without what is counted.
type group struct {
	was, is, wasRule, isRule, phase, method, server, name, principal string
}

// flips are counted by what they have in common.
type flips map[group]*Flip

// add counts a flip. What g is made of is copied if it is the first of its kind.
func (gs flips) add(g group, count int, ids ...string) {
	f := gs[g]
	if f == nil {
		if len(gs) >= maxGroups {
			g = group{was: g.was, is: g.is, principal: "others"}
		}
		if f = gs[g]; f == nil {
			g = g.clone()
			f = &Flip{
				Was: g.was, Is: g.is, WasRule: g.wasRule, IsRule: g.isRule, Phase: g.phase, Method: g.method, Server: g.server, Name: g.name, Principal: g.principal,
			}
			gs[g] = f
		}
	}
	f.Count += count
	for _, id := range ids {
		f.example(id)
	}
}

// example keeps an id if it is among the oldest, of cases the shortest.
func (f *Flip) example(id string) {
	at, found := slices.BinarySearchFunc(f.Examples, id, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) })
	if found || at >= maxExamples {
		return
	}
	f.Examples = slices.Insert(f.Examples, at, strings.Clone(id))
	f.Examples = f.Examples[:min(len(f.Examples), maxExamples)]
}

// strictness orders effects, the strictest first.
var strictness = []string{"deny", "approve", "allow"}

func rank(effect string) int { return slices.Index(strictness, effect) }

// loosens says that a flip is to what is less strict.
func (f *Flip) loosens() bool { return rank(f.Is) > rank(f.Was) }

// directions are in the order in which flips are listed.
var directions = []string{"deny allow", "approve allow", "deny approve", "allow deny", "allow approve", "approve deny"}

func (f *Flip) direction() int { return slices.Index(directions, f.Was+" "+f.Is) }

// sorted lists flips: those to allow first, of a direction by their rules, of the same rules the most frequent first.
func (gs flips) sorted() []Flip {
	all := make([]Flip, 0, len(gs))
	for _, f := range gs {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Flip) int {
		return cmp.Or(
			cmp.Compare(a.direction(), b.direction()), cmp.Compare(a.WasRule, b.WasRule), cmp.Compare(a.IsRule, b.IsRule), cmp.Compare(b.Count, a.Count),
			cmp.Compare(a.Server, b.Server), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Phase, b.Phase),
		)
	})
	return all
}

func (g group) clone() group {
	for _, s := range []*string{&g.was, &g.is, &g.wasRule, &g.isRule, &g.phase, &g.method, &g.server, &g.name, &g.principal} {
		*s = strings.Clone(*s)
	}
	return g
}

// count counts flips by where they go.
func (r *Report) count() {
	for i := range r.Flips {
		if f := &r.Flips[i]; f.loosens() {
			r.NewAllows += f.Count
		} else {
			r.NewDenies += f.Count
		}
	}
}

// Unreplayed is how many decisions could not be made again.
func (r *Report) Unreplayed() int {
	n := 0
	for _, of := range r.NotReplayable {
		n += of
	}
	return n
}
