package engine

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/detect"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/table"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// given is what a bundle has for plugins: sets of detectors, and tables. The files that the bundle before had too are not read again.
type given struct {
	sets   map[string]*read[*detect.Set]
	tables map[string]*read[*table.Table]
	lookup wasm.Tables // the tables, as plugins ask for them; not nil
}

// read is what was read from a file.
type read[T any] struct {
	file    string
	content [sha256.Size]byte
	value   T // nil if one of what was found is an error
	found   source.Diagnostics
}

// readAll reads files by their names, or takes what was read before from the same.
func readAll[T any](c *compiler, files []bundle.File, kind hostapi.CapabilityKind, code string, before map[string]*read[T],
	parse func(string, []byte) (T, source.Diagnostics),
) map[string]*read[T] {
	all := make(map[string]*read[T], len(files))
	for _, f := range files {
		name := f.Base()
		at := source.Pos{File: f.Path, Line: 1, Column: 1, Width: 1}
		if _, err := hostapi.ParseCapability(string(kind) + ":" + name); err != nil {
			c.found = append(c.found, at.Diagnose(code, fmt.Sprintf("`%s` can't be granted: %s", source.Brief(name), err), "give the file another name"))
			continue
		}
		if other := all[name]; other != nil {
			c.found = append(c.found, at.Diagnose(code, fmt.Sprintf("`%s` is called `%s` already", other.file, name), "remove one of the two files"))
			continue
		}
		r := &read[T]{file: f.Path, content: sha256.Sum256(f.Content)}
		if old := before[name]; old != nil && old.content == r.content && old.file == r.file {
			r = old
		} else {
			r.value, r.found = parse(f.Path, f.Content)
		}
		c.found = append(c.found, r.found...)
		all[name] = r
	}
	return all
}

// give reads what the bundle has for plugins.
func (c *compiler) give(b *bundle.Bundle) {
	var before given
	if c.options.Previous != nil {
		before = c.options.Previous.given
	}
	c.given = given{
		sets:   readAll(c, b.Sets, hostapi.CapabilityKindMatch, "SP6002", before.sets, detect.Parse),
		tables: readAll(c, b.Tables, hostapi.CapabilityKindLookup, "SP6004", before.tables, table.Parse),
		lookup: wasm.Tables{},
	}
	if old, own := before.sets[detect.BuiltinName], c.given.sets[detect.BuiltinName]; own == nil {
		file, data := detect.Builtin()
		r := &read[*detect.Set]{file: file} // without its content it is not taken for one that has been read
		if sum := sha256.Sum256(data); old != nil && old.content == sum {
			r = old
		} else if c.grants(hostapi.CapabilityKindMatch, detect.BuiltinName) {
			r.content = sum
			r.value, _ = detect.Parse(file, data)
		}
		c.given.sets[detect.BuiltinName] = r
	}
	for name, r := range c.given.tables {
		if t := r.value; t != nil {
			c.given.lookup[name] = t.Lookup
		}
	}
	for _, name := range c.options.Lacking.Tables {
		if c.given.lookup[name] == nil {
			c.given.lookup[name] = nothing
		}
	}
}

// grants says whether a rule grants a capability.
func (c *compiler) grants(kind hostapi.CapabilityKind, name string) bool {
	return slices.ContainsFunc(c.wanted, func(w wanted) bool { return slices.Contains(w.source.Grant, string(kind)+":"+name) })
}

// granted reads the capabilities that a rule grants, and reports those that there are not.
func (c *compiler) granted(r *policy.Rule) []hostapi.Capability {
	var all []hostapi.Capability
	for i, text := range r.Grant {
		at := r.At("grant", strconv.Itoa(i))
		capability, err := hostapi.ParseCapability(text)
		if err != nil {
			c.found = append(c.found, at.Diagnose("SP4002", err.Error(), "a capability is a kind and a name, such as match:secrets"))
			continue
		}
		names := slices.Sorted(maps.Keys(c.given.tables))
		what, where := "table", "tables/"+capability.Name+".json, .yaml or .csv"
		if capability.Kind == hostapi.CapabilityKindMatch {
			names = slices.Sorted(maps.Keys(c.given.sets))
			what, where = "set of detectors", "detectors/"+capability.Name+".toml"
		}
		lacking := capability.Kind == hostapi.CapabilityKindLookup && slices.Contains(c.options.Lacking.Tables, capability.Name)
		if !lacking && !slices.Contains(names, capability.Name) {
			help := "put it into " + where
			if s, ok := source.Suggest(capability.Name, names); ok {
				help = fmt.Sprintf("did you mean `%s:%s`?", capability.Kind, s)
			} else if len(names) > 0 {
				help += ", or grant one that there is: " + strings.Join(names, ", ")
			}
			c.found = append(c.found, at.Diagnose("SP6005", fmt.Sprintf("no %s is called `%s`", what, source.Brief(capability.Name)), help))
		}
		all = append(all, capability)
	}
	return all
}

// matchers are the sets of granted capabilities, as plugins have them run.
func (g *given) matchers(granted []hostapi.Capability) map[string]wasm.Matcher {
	all := map[string]wasm.Matcher{}
	for _, is := range granted {
		if r := g.sets[is.Name]; is.Kind == hostapi.CapabilityKindMatch && r != nil && r.value != nil {
			all[is.Name] = wasm.Matcher{
				Rules: r.value.Rules(),
				Find: func(dst []wasm.Match, text []byte, stop func() bool) ([]wasm.Match, bool) {
					return detect.FindUntil(r.value, dst, text, stop)
				},
			}
		}
	}
	return all
}

// digests are of the sets of granted capabilities: a plugin that is given others is another. Tables are given with each call.
func (g *given) digests(granted []hostapi.Capability) []string {
	var all []string
	for _, is := range granted {
		if r := g.sets[is.Name]; is.Kind == hostapi.CapabilityKindMatch && r != nil && r.value != nil {
			all = append(all, is.Name+" "+r.value.Digest())
		}
	}
	slices.Sort(all)
	return all
}

// setup digests a plugin by its key, and the tables that it may look things up in.
func (g *given) setup(key string, granted []hostapi.Capability) string {
	var all []string
	for _, is := range granted {
		if r := g.tables[is.Name]; is.Kind == hostapi.CapabilityKindLookup && r != nil && r.value != nil {
			all = append(all, is.Name+" "+r.value.Digest()+"\n")
		}
	}
	slices.Sort(all)
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(key+"\n"+strings.Join(all, ""))))
}
