// Package discovery finds the servers that a config doesn't name, and says which of them may serve.
package discovery

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// Source is where servers come from.
type Source string

// The sources, in the order in which they have a claim to a name if operators have approved what is there.
const (
	Config    Source = "config" // which has a claim to all its names, and is not this package's to read
	Directory Source = "directory"
	Admin     Source = "admin"    // an operator has put them there by the admin API
	Registry  Source = "registry" // which others write
)

// State is what is done with a server.
type State string

// The states. The zero State serves nobody, as all but Serving do.
const (
	Serving     State = "serving"
	Quarantined State = "quarantined" // it could serve, and no operator has approved it as it is
	Refused     State = "refused"     // it can't be used: Mistakes say why
)

// Entry is a server that was found. It is not to be changed.
type Entry struct {
	Name   string
	Source Source
	From   string // where, for people: a file
	File   string // what mistakes in it are said to be in
	State  State
	Server config.Server
	Digest string // of what was written there; "" if it could not be read
	// Written is what Digest is of: before variables were expanded.
	Written json.RawMessage
	// Over are the others of its name, which are passed over, by where they stand and why: those with the next claim first.
	Over []string
	// Approved says who has approved it as it is; nil: nobody.
	Approved *Approval
	// Listing is what a registry says of it; nil: it was found elsewhere.
	Listing *Listing
	line    []byte // what it has answered, of which Written is the document
	claim   int    // to its name: the least has the first
	// Mistakes say why it is Refused, or why an older one of its name is Serving on.
	Mistakes source.Diagnostics
}

// Found are the servers that were found, by name. A nil Found is none.
type Found struct {
	Entries []Entry
	// Passed are those that are passed over, because another has the name. Their State is what they would be, were it theirs.
	Passed []Entry
	// Mistakes are about sources as a whole.
	Mistakes source.Diagnostics
	// Kept is what operators have said, by which it was found what may serve.
	Kept *Kept
	// Broken says why that could not be read, and so is nothing.
	Broken error
}

// Options say how to look for servers.
type Options struct {
	Lookup config.Lookup
	// Prev is what was found before: what can't be read is taken from it as it was. nil has nothing.
	Prev *Found
	// Usable says whether a server could be used at all, which it is asked of all those that have no mistakes.
	Usable func(name string, s config.Server) error
	// Kept is what operators have said; nil: the file has it that the config names.
	Kept *Kept
	// Answer is what a registry that is asked over the network has said last, in lines; nil: nothing yet. It is a copy if it was said to
	// somebody else, who may have asked for something else.
	Answer func(*config.Registry) (lines []byte, isCopy bool)
}

// Find looks for servers wherever c says.
func Find(c *config.Config, o Options) *Found {
	if c.Discovery == nil {
		return nil
	}
	out := &Found{Kept: o.Kept}
	if o.Kept == nil {
		out.readKept(c.Discovery.State)
	}
	var all []Entry
	if dir := c.Discovery.Directory; dir != "" {
		files := directory{config: c, lookup: o.Lookup, prev: o.Prev}
		entries, ds := files.read(dir)
		all, out.Mistakes = append(all, entries...), append(out.Mistakes, ds...)
	}
	all = append(all, out.Kept.entries(c)...)
	for i := range c.Discovery.Registries {
		r := registry{config: c, Registry: &c.Discovery.Registries[i], prev: o.Prev, claim: claimOfRegistries + 2*i}
		if o.Answer != nil {
			r.answer, r.copy = o.Answer(r.Registry)
		}
		entries, ds := r.read()
		all, out.Mistakes = append(all, entries...), append(out.Mistakes, ds...)
	}
	for i := range all {
		e := &all[i]
		if e.Approved = out.Kept.approval(e); e.Approved == nil && (e.State != Serving || quarantines(c.Discovery, e.Source)) {
			e.claim += unapproved
		}
	}
	out.merge(all)
	for i := range out.Entries {
		e := &out.Entries[i]
		e.yield(c)
		if e.State == Serving {
			if err := o.Usable(e.Name, e.Server); err != nil {
				e.refuse(e.pos().Diagnose("SP1401", "the server can't be used: "+err.Error(), ""))
			}
		}
		if e.State == Serving && e.claim >= unapproved {
			e.State = Quarantined
		}
	}
	return out
}

// quarantines says whether servers of a source wait for an operator.
func quarantines(d *config.Discovery, from Source) bool {
	return from != Directory || d.Quarantines()
}

// readKept reads what operators have said. What can't be read approves nothing.
func (f *Found) readKept(file string) {
	f.Kept = &Kept{}
	if file == "" {
		return
	}
	k, err := readKept(file)
	if err != nil {
		f.Broken, f.Kept.sum = err, k.sum
		f.Mistakes = append(f.Mistakes, source.Pos{File: file}.Diagnose("SP1411", "the approvals can't be read, and count for nothing: "+err.Error(), "see `discovery.state`"))
		return
	}
	f.Kept = k
}

// The claims to a name. What an operator has approved as it is, or need not, comes before all that somebody else may have written since.
const (
	claimOfDirectory  = 0
	claimOfAdmin      = 1
	claimOfRegistries = 2       // of the first, for what the config names of it; the rest comes after that, and then the next registry
	unapproved        = 1 << 20 // is added to the claim of others
)

// merge takes servers of several sources, each name once: that with the first claim to it. Two with the same claim are neither.
func (f *Found) merge(all []Entry) {
	slices.SortStableFunc(all, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.claim-b.claim, strings.Compare(a.From, b.From))
	})
	for _, e := range all {
		last := len(f.Entries) - 1
		if last < 0 || f.Entries[last].Name != e.Name {
			f.Entries = append(f.Entries, e)
			continue
		}
		first := &f.Entries[last]
		message, help := e.alike(first)
		if first.claim == e.claim && (e.Approved == nil || e.Digest != first.Digest) {
			first.refuse(e.pos().Diagnose("SP1401", message, help))
			continue
		}
		why := e.behind(first)
		first.Over = append(slices.Clip(first.Over), e.at()+" ("+why+")")
		f.Passed = append(f.Passed, e)
		f.Mistakes = append(f.Mistakes, e.pos().Warn("SP1401", message+": "+why, help))
	}
}

// alike says that a server has the name of another, and what to do.
func (e *Entry) alike(first *Entry) (message, help string) {
	switch {
	case e.Source == Registry && first.Source == Registry && e.File == first.File:
		return fmt.Sprintf("`%s` and `%s` would both be called `%s`", first.Listing.Name, e.Listing.Name, e.Name), "name them in `discovery.registries`, one of them with `as`"
	case e.Source == Directory && first.Source == Directory:
		return fmt.Sprintf("`%s` and `%s` are the same server", filepath.Base(first.From), filepath.Base(e.From)), "remove one of them"
	}
	return fmt.Sprintf("`%s` (%s) is passed over: there is one of that name in %s", e.Name, e.From, first.From),
		"give one of them another name; or leave it so, if the first is meant"
}

// behind says why another has the name.
func (e *Entry) behind(first *Entry) string {
	switch {
	case e.claim < unapproved || first.claim >= unapproved:
		return "its claim comes later"
	case e.State == Refused:
		return "it can't be used"
	}
	return "no operator has approved it"
}

// yield refuses a server whose name is another's.
func (e *Entry) yield(c *config.Config) {
	if _, taken := c.Servers[e.Name]; taken {
		e.refuse(e.pos().Diagnose("SP1401", "the config has a server `"+e.Name+"` already", "give one of them another name"))
	} else if _, taken := c.Virtual[e.Name]; taken {
		e.refuse(e.pos().Diagnose("SP1401", "the config has a virtual server `"+e.Name+"` already", "give one of them another name"))
	}
}

func (e *Entry) refuse(d source.Diagnostic) {
	e.State, e.Server, e.Mistakes = Refused, config.Server{}, append(slices.Clone(e.Mistakes), d)
}

// again is a server that was found before, as it was before anybody asked whether it may serve.
func (e Entry) again() Entry {
	if e.State == Quarantined {
		e.State = Serving
	}
	e.Approved, e.Over, e.claim = nil, nil, 0
	return e
}

// at is where a server stands, for people.
func (e *Entry) at() string { return string(e.Source) + " " + e.From }

func (e *Entry) pos() source.Pos { return source.Pos{File: e.File, Line: 1, Column: 1, Width: 1} }

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

// every gives all that was found, those that are passed over too.
func (f *Found) every() []Entry {
	if f == nil {
		return nil
	}
	return slices.Concat(f.Entries, f.Passed)
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
