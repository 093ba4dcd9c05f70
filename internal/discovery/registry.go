package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

// Listing is what a registry says of a server, for people.
type Listing struct {
	Name, Version, Title, Description string
	Status                            string // "deprecated"; "": there is nothing to be said
}

// registry makes servers of what a registry lists.
type registry struct {
	config *config.Config
	*config.Registry
	prev   *Found
	answer []byte // of one that is asked over the network, in lines; nil: it has said nothing yet
	copy   bool   // it was said to somebody else
	claim  int    // of what the config names of it; the rest has the next
	ds     source.Diagnostics
}

// The codes of what can be wrong with registries.
const (
	noAnswer  = "SP1421"
	leftOut   = "SP1422"
	notServed = "SP1423"
)

// shown is the registry for people.
func (r *registry) shown() string { return fetch.Shown(r.From) }

func (r *registry) pos() source.Pos { return source.Pos{File: r.shown()} }

// read gives the servers that are taken.
func (r *registry) read() ([]Entry, source.Diagnostics) {
	lines, fresh := r.lines()
	documents := r.documents(lines)
	if len(documents) > MaxServers {
		message := fmt.Sprintf("%d of its servers are selected, and it may be %d", len(documents), MaxServers)
		r.ds = append(r.ds, r.pos().Diagnose(noAnswer, message, "select fewer with `names`; servers that were found before stay"))
		documents, fresh = r.documents(r.before()), false
	}
	var out []Entry
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		out = append(out, r.entry(name, documents[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Servers)) {
		if _, ok := documents[name]; !ok {
			out = append(out, r.missing(name, fresh))
		}
	}
	return out, r.ds
}

// missing is a server that the config names, and of which there is no document.
func (r *registry) missing(name string, fresh bool) Entry {
	e := r.blank(name)
	d := r.pos().Diagnose(notServed, "the registry doesn't list `"+name+"`", "see how the registry writes it, and whether it has been withdrawn")
	if !fresh {
		d = r.pos().Diagnose(noAnswer, "the registry has not said yet what `"+name+"` is", "see the log of the gateway, if this lasts")
	}
	e.Mistakes = append(e.Mistakes, d)
	return e
}

// before are the documents that the registry had when it could be read, with what it said of them: that one was deleted among it. Whether they are still taken, and what of them is settled otherwise
// now, is for the config to say.
func (r *registry) before() (lines [][]byte) {
	for _, e := range r.prev.every() {
		if e.Source == Registry && e.File == r.shown() && e.Written != nil {
			lines = append(lines, e.line)
		}
	}
	return lines
}

// lines are the documents, one in each; if they are not fresh, they are what was found before.
func (r *registry) lines() (lines [][]byte, fresh bool) {
	if !r.Remote() {
		if lines, fresh = r.files(); !fresh {
			return r.before(), false
		}
		return lines, true
	}
	if r.answer == nil {
		return r.before(), false
	}
	for line := range bytes.Lines(r.answer) {
		lines = append(lines, bytes.TrimSpace(line))
	}
	return lines, !r.copy
}

// files reads documents that are at hand: a file, or those of a directory. Each has one, or a list as registries give it.
func (r *registry) files() (lines [][]byte, ok bool) {
	files, err := documentFiles(r.From)
	if err != nil {
		r.ds = append(r.ds, r.pos().Diagnose("SP1402", "it can't be read: "+clean(err), "see `from` in `discovery.registries`; servers that were found before stay"))
		return nil, false
	}
	for _, file := range files {
		data, err := readBounded(file, source.MaxSize)
		if err != nil {
			r.ds = append(r.ds, source.Pos{File: file}.Diagnose("SP1402", "the file can't be read: "+clean(err), "servers that were found before stay"))
			return nil, false
		}
		var list struct {
			Servers []json.RawMessage `json:"servers"`
		}
		if json.Unmarshal(data, &list) == nil && list.Servers != nil {
			for _, one := range list.Servers {
				lines = append(lines, one)
			}
			continue
		}
		lines = append(lines, data)
	}
	return lines, true
}

// documentFiles are the files of a registry that is a path.
func documentFiles(path string) (files []string, err error) {
	all, err := filesAt(path)
	return slices.DeleteFunc(all, func(name string) bool { return name != path && filepath.Ext(name) != ".json" }), err
}

// read is a document, or why it isn't one.
type read struct {
	document
	err  error
	line []byte // that it was read from
}

// documents reads what is taken, by the names that the registry gives.
func (r *registry) documents(lines [][]byte) map[string][]read {
	out := map[string][]read{}
	takes := r.Takes()
	nameless := 0
	var first error
	for _, line := range lines {
		d, err := readDocument(line)
		switch {
		case d.Name == "":
			if nameless++; first == nil {
				first = err
			}
		case takes(d.Name):
			out[d.Name] = append(out[d.Name], read{d, err, line})
		}
	}
	if nameless > 0 {
		message := fmt.Sprintf("%d of its documents have no name that can be read, and are left out; the first: %v", nameless, first)
		r.ds = append(r.ds, r.pos().Diagnose(leftOut, message, "tell who runs the registry; all others are taken"))
	}
	return out
}

// blank is a server of which nothing is known but the name that the registry gives it.
func (r *registry) blank(listed string) Entry {
	settled, named := r.Servers[listed]
	e := Entry{Name: settled.As, Source: Registry, From: r.shown() + " " + listed, File: r.shown(), State: Refused, claim: r.claim, Listing: &Listing{Name: listed}}
	if !named {
		e.claim++
	}
	if e.Name == "" {
		e.Name = ownName(listed)
	}
	return e
}

// ownName is what a server is called here that nobody has given a name.
func ownName(listed string) string {
	return strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(listed))
}

// entry makes a server of the documents that have its name.
func (r *registry) entry(listed string, all []read) Entry {
	settled := r.Servers[listed]
	e := r.blank(listed)
	d, wrong := choose(all, settled.Version)
	if wrong != "" {
		e.Mistakes = append(e.Mistakes, r.pos().Diagnose(notServed, "`"+listed+"`: "+wrong, "see `version` of the server in `discovery.registries`"))
		return e
	}
	e.Digest, e.Written, e.line = d.digest, d.written, d.line
	*e.Listing = d.Listing
	if d.Version != "" {
		e.From += " " + d.Version
	}
	if d.err != nil {
		e.Mistakes = append(e.Mistakes, r.pos().Diagnose(leftOut, "the document of `"+listed+"` is left out: "+d.err.Error(), "tell who has written it, or who runs the registry"))
		return e
	}
	at, headers, no := d.place(&settled)
	if no != nil {
		e.Mistakes = append(e.Mistakes, r.pos().Diagnose(notServed, "`"+listed+"`: "+no.why, no.help))
		return e
	}
	if !config.ValidName(e.Name) {
		message := fmt.Sprintf("`%s` can't be called `%s` here", listed, source.Brief(e.Name))
		e.Mistakes = append(e.Mistakes, r.pos().Diagnose(notServed, message, "name it in `discovery.registries`, with `as`"))
		e.Name = source.Brief(e.Name)
		return e
	}
	server, ds := r.config.Remote(r.pos(), e.Name, at, headers, settled)
	if e.Mistakes = ds; !ds.HasErrors() {
		e.State, e.Server = Serving, server
	}
	if d.Status != "" {
		e.Mistakes = append(e.Mistakes, r.pos().Warn(notServed, "`"+listed+"` is deprecated by its registry"+said(d.message), "see what is to be used in its place"))
	}
	return e
}

// choose gives the document that counts among those of one name.
func choose(all []read, version string) (*read, string) {
	var fit []read
	for _, d := range all {
		if version == "" && !d.older || version != "" && d.Version == version {
			fit = append(fit, d)
		}
	}
	switch {
	case len(fit) == 1:
		return &fit[0], ""
	case len(fit) == 0 && version == "":
		return nil, "the registry has a later version, and doesn't show it"
	case len(fit) == 0:
		return nil, fmt.Sprintf("the registry has no version `%s` of it", source.Brief(version))
	case version == "":
		return nil, fmt.Sprintf("there are %d versions of it, and nobody says which is the latest", len(fit))
	}
	return nil, fmt.Sprintf("there are %d documents of it with the version `%s`", len(fit), source.Brief(version))
}
