package engine

import (
	"slices"
	"strings"
)

// patterns holds things under globs, so that those whose glob can match a name are found without a look at the others: under the
// name that the glob spells out, or under what a name must begin or end with, whichever is the longer.
type patterns[T any] struct {
	exact    map[string]*T
	prefixes affixes[T]
	suffixes affixes[T]
	any      *T // of globs that bound neither end, such as *
}

// affixes holds things by the beginnings, or the ends, of names.
type affixes[T any] struct {
	of      map[string]*T
	lengths []int // of the affixes, ascending
}

// under returns the place of a glob, which is made if need be.
func (p *patterns[T]) under(g glob) *T {
	if name, ok := g.Literal(); ok {
		return place(&p.exact, name)
	}
	pattern := g.String()
	prefix, suffix := pattern[:strings.IndexAny(pattern, "*?")], pattern[strings.LastIndexAny(pattern, "*?")+1:]
	switch {
	case prefix == "" && suffix == "":
		return p.everything()
	case len(prefix) >= len(suffix):
		return p.prefixes.under(prefix)
	}
	return p.suffixes.under(suffix)
}

// everything returns the place of what is not bound to names.
func (p *patterns[T]) everything() *T {
	if p.any == nil {
		p.any = new(T)
	}
	return p.any
}

func (a *affixes[T]) under(affix string) *T {
	if at, found := slices.BinarySearch(a.lengths, len(affix)); !found {
		a.lengths = slices.Insert(a.lengths, at, len(affix))
	}
	return place(&a.of, affix)
}

func place[T any](in *map[string]*T, name string) *T {
	t := (*in)[name]
	if t == nil {
		if *in == nil {
			*in = make(map[string]*T)
		}
		t = new(T)
		(*in)[name] = t
	}
	return t
}

// find appends the places of the globs that can match a name.
func (p *patterns[T]) find(to []*T, name string) []*T {
	if len(p.exact) > 0 {
		if t := p.exact[name]; t != nil {
			to = append(to, t)
		}
	}
	if p.any != nil {
		to = append(to, p.any)
	}
	for _, length := range p.prefixes.lengths {
		if length > len(name) {
			break
		}
		if t := p.prefixes.of[name[:length]]; t != nil {
			to = append(to, t)
		}
	}
	for _, length := range p.suffixes.lengths {
		if length > len(name) {
			break
		}
		if t := p.suffixes.of[name[len(name)-length:]]; t != nil {
			to = append(to, t)
		}
	}
	return to
}

// all yields every place.
func (p *patterns[T]) all(yield func(*T) bool) {
	for _, in := range []map[string]*T{p.exact, p.prefixes.of, p.suffixes.of} {
		for _, t := range in {
			if !yield(t) {
				return
			}
		}
	}
	if p.any != nil {
		yield(p.any)
	}
}
