// Package discovery finds the servers that a config doesn't name, and says which of them may serve.
package discovery

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// Source is where servers come from.
type Source string

// The sources, in the order in which they have a claim to a name.
const (
	Config    Source = "config" // which has a claim to all its names, and is not this package's to read
	Directory Source = "directory"
)

// State is what is done with a server.
type State string

// The states. The zero State serves nobody, as all but Serving do.
const (
	Serving State = "serving"
	Refused State = "refused" // it can't be used: Mistakes say why
)

// Entry is a server that was found. It is not to be changed.
type Entry struct {
	Name   string
	Source Source
	From   string // where: a file
	State  State
	Server config.Server
	Digest string // of what was written there; "" if it could not be read
	// Mistakes say why it is Refused, or why an older one of its name is Serving on.
	Mistakes source.Diagnostics
}

// Found are the servers that were found, by name. A nil Found is none.
type Found struct {
	Entries []Entry
	// Mistakes are about sources as a whole.
	Mistakes source.Diagnostics
}

// Find looks for servers wherever c says. What can't be read is taken from prev as it was; nil has nothing. usable says whether a server
// could be used at all, which it is asked of those that are to serve.
func Find(c *config.Config, lookup config.Lookup, prev *Found, usable func(name string, s config.Server) error) *Found {
	if c.Discovery == nil {
		return nil
	}
	out := new(Found)
	if dir := c.Discovery.Directory; dir != "" {
		files := directory{config: c, lookup: lookup, prev: prev}
		entries, ds := files.read(dir)
		out.Entries, out.Mistakes = entries, ds
	}
	for i := range out.Entries {
		e := &out.Entries[i]
		e.claim(c)
		if e.State == Serving {
			if err := usable(e.Name, e.Server); err != nil {
				e.refuse(e.pos().Diagnose("SP1401", "the server can't be used: "+err.Error(), ""))
			}
		}
	}
	return out
}

// claim refuses a server whose name is another's.
func (e *Entry) claim(c *config.Config) {
	if _, taken := c.Servers[e.Name]; taken {
		e.refuse(e.pos().Diagnose("SP1401", "the config has a server `"+e.Name+"` already", "give one of them another name"))
	} else if _, taken := c.Virtual[e.Name]; taken {
		e.refuse(e.pos().Diagnose("SP1401", "the config has a virtual server `"+e.Name+"` already", "give one of them another name"))
	}
}

func (e *Entry) refuse(d source.Diagnostic) {
	e.State, e.Server, e.Mistakes = Refused, config.Server{}, append(slices.Clone(e.Mistakes), d)
}

func (e *Entry) pos() source.Pos { return source.Pos{File: e.From, Line: 1, Column: 1, Width: 1} }

// Entry gives the server of a name.
func (f *Found) Entry(name string) (Entry, bool) {
	if f == nil {
		return Entry{}, false
	}
	i, ok := slices.BinarySearchFunc(f.Entries, name, func(e Entry, name string) int { return strings.Compare(e.Name, name) })
	if !ok {
		return Entry{}, false
	}
	return f.Entries[i], true
}

// Into gives c with the servers that serve beside its own. c is left as it is.
func (f *Found) Into(c *config.Config) *config.Config {
	if f == nil {
		return c
	}
	out := *c
	out.Servers = maps.Clone(c.Servers)
	if out.Servers == nil {
		out.Servers = map[string]config.Server{}
	}
	for _, e := range f.Entries {
		if e.State == Serving {
			out.Servers[e.Name] = e.Server
		}
	}
	return &out
}

// All are the mistakes of all servers and sources.
func (f *Found) All() source.Diagnostics {
	if f == nil {
		return nil
	}
	all := slices.Clone(f.Mistakes)
	for _, e := range f.Entries {
		all = append(all, e.Mistakes...)
	}
	return all.Sort()
}

// A Change is what became of one server.
type Change struct {
	Was, Is Entry // one of them has no name if the server is new, or gone
}

// Changes are what became of servers since prev, by name.
func (f *Found) Changes(prev *Found) (all []Change) {
	names := map[string]bool{}
	for _, from := range []*Found{f, prev} {
		if from != nil {
			for _, e := range from.Entries {
				names[e.Name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var c Change
		c.Is, _ = f.Entry(name)
		c.Was, _ = prev.Entry(name)
		if c.Is.Digest != c.Was.Digest || c.Is.State != c.Was.State || c.Is.Source != c.Was.Source || c.Is.From != c.Was.From || c.Is.Name != c.Was.Name {
			all = append(all, c)
		}
	}
	return all
}

func byName(a, b Entry) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.From, b.From))
}

// Idle are the servers that serve nobody.
func (f *Found) Idle() (all []Entry) {
	if f == nil {
		return nil
	}
	for _, e := range f.Entries {
		if e.State != Serving {
			all = append(all, e)
		}
	}
	return all
}
