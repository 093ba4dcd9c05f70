package wasm

import (
	"slices"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// Grant is what the operator lets a plugin have of what its manifest asks for. The zero Grant
// is all of it but capabilities, which are granted by name only. A list that is not nil is all
// that is granted of its kind.
type Grant struct {
	Reads        []hostapi.Path // of all hooks
	Strings      []hostapi.Path // at or below declared ones
	Writes       []hostapi.Path // at or below declared ones
	Verdicts     []hostapi.Verdict
	Capabilities []hostapi.Capability
}

// settle checks a grant against the manifest, and puts in what it leaves open.
func (g Grant) settle(m *hostapi.Manifest, es *LoadErrors) Grant {
	g.Reads = orDeclared(g.Reads, union(m.Reads))
	g.Strings = orDeclared(g.Strings, union(m.Strings))
	g.Writes = orDeclared(g.Writes, m.Writes)
	if g.Verdicts == nil {
		g.Verdicts = m.Verdicts
	}
	same := func(a, b hostapi.Path) bool { return a.Equal(b) }
	g.check(es, "reads", g.Reads, union(m.Reads), same)
	g.check(es, "strings", g.Strings, union(m.Strings), hostapi.Path.Holds)
	g.check(es, "writes", g.Writes, m.Writes, hostapi.Path.Holds)
	g.checkApart(es)
	for _, v := range g.Verdicts {
		if !m.May(v) {
			es.add(LoadGrant, "grant what the manifest asks for, or less", "the verdict %v is granted, which the plugin doesn't ask for", v)
		}
	}
	for _, c := range g.Capabilities {
		if !slices.Contains(m.Capabilities, c) {
			es.add(LoadGrant, "grant what the manifest asks for, or less", "%v is granted, which the plugin doesn't ask for", c)
		}
	}
	return g
}

func orDeclared(granted, declared []hostapi.Path) []hostapi.Path {
	if granted == nil {
		return declared
	}
	return granted
}

// union returns the paths of all hooks, once each, in order.
func union(lists map[hostapi.Hook][]hostapi.Path) []hostapi.Path {
	var out []hostapi.Path
	for _, h := range hostapi.Hooks() {
		for _, p := range lists[h] {
			if !slices.ContainsFunc(out, p.Equal) {
				out = append(out, p)
			}
		}
	}
	return out
}

// check refuses paths that are not within declared ones.
func (g Grant) check(es *LoadErrors, what string, granted, declared []hostapi.Path, within func(declared, granted hostapi.Path) bool) {
	for _, p := range granted {
		if !slices.ContainsFunc(declared, func(d hostapi.Path) bool { return within(d, p) }) {
			es.add(LoadGrant, "grant what the manifest asks for, or less", "%s: %v is granted, which the plugin doesn't ask for", what, p)
		}
	}
}

// checkApart refuses paths of strings that share some places, and not all of one of them: their
// strings would have two indexes.
func (g Grant) checkApart(es *LoadErrors) {
	for i, p := range g.Strings {
		for _, q := range g.Strings[:i] {
			if p.Meets(q) && !p.Holds(q) && !q.Holds(p) {
				es.add(LoadGrant, "grant one of them", "strings: %v and %v share places", q, p)
			}
		}
	}
}

// capability is one that a plugin declares.
type capability struct {
	is      hostapi.Capability
	granted bool
	matcher Matcher
}
