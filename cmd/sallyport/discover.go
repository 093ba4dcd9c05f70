package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/discovery"
	"github.com/sallyport-dev/sallyport/internal/fetch"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is the servers that the config doesn't name: how they come to serve, and what is said of them.

// discover looks for servers wherever c says. kept is what operators have said of them; nil: the file has it.
func (b *builder) discover(c *config.Config, prev *build, listings map[string]*fetch.Follower, kept *discovery.Kept) *discovery.Found {
	var before *discovery.Found
	if prev != nil {
		before = prev.found
	}
	return discovery.Find(c, discovery.Options{Lookup: b.getenv, Prev: before, Kept: kept, Answer: answered(listings), Usable: func(name string, s config.Server) error {
		if prev != nil && prev.servers[name] != nil && reflect.DeepEqual(prev.servers[name].config, s) && reflect.DeepEqual(prev.config.Limits, c.Limits) {
			return nil
		}
		made, err := b.bridged(name, s, c.Limits, reach{})
		if err != nil {
			return err
		}
		return made.Close() // it has not been asked anything
	}})
}

// tell records and logs what has become of servers.
func (g *program) tell(prev, next *build) {
	for _, c := range next.found.Changes(prev.found) {
		e, event := c.Is, audit.ServerChanged
		switch {
		case c.Was.Name == "":
			event = audit.ServerFound
		case c.Is.Name == "":
			e, event = c.Was, audit.ServerGone
		}
		cause := fmt.Sprintf("%s %s", e.Source, e.From)
		if event != audit.ServerGone {
			cause += ": " + string(e.State)
		}
		if e.State == discovery.Refused && len(e.Mistakes) > 0 {
			cause += ": " + e.Mistakes[0].Message
		}
		if err := g.audit.Note(&audit.Record{Event: event, Revision: next.policy.Revision(), Server: e.Name, Cause: cause}); err != nil {
			g.log.Error("a record could not be written", "event", event, "error", err)
		}
		g.log.Info("servers have changed", "event", event, "server", e.Name, "cause", cause, "digest", e.Digest)
		if c.Was.Digest != c.Is.Digest {
			g.gateway.Forget(e.Name)
		}
	}
	if found := next.found.All(); !reflect.DeepEqual(found, prev.found.All()) {
		g.logMistakes(found)
	}
}

// servers is what the admin API shows of the servers, by name.
func (g *program) servers() []admin.Server {
	b := g.state.build()
	out := []admin.Server{}
	for _, name := range g.builder.names(b.config) {
		conf := b.config.Servers[name]
		if len(conf.Versions) == 0 {
			out = append(out, g.shown(b, name, ""))
		}
		for _, version := range slices.Sorted(maps.Keys(conf.Versions)) {
			out = append(out, g.shown(b, name, version))
		}
	}
	for _, e := range b.found.Idle() {
		if e.State == discovery.Quarantined && b.servers[e.Name] != nil {
			out = append(out, g.shown(b, e.Name, ""))
			continue
		}
		s := admin.Server{Name: e.Name, Address: address(e.Server)}
		describe(&s, &e)
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b admin.Server) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// shown is what the admin API shows of a server that serves, or of a version of one.
func (g *program) shown(b *build, name, version string) admin.Server {
	key := name
	if version != "" {
		key = versionKey(name, version)
	}
	server := b.servers[key]
	st := server.Status()
	s := admin.Server{
		Name: name, Version: version, Source: string(discovery.Config), State: string(discovery.Serving), Address: address(server.config),
		Transport: st.Transport, Up: st.State != upstream.Down, Error: st.LastError, InFlight: st.InFlight, Conns: st.Conns,
		Waiting: st.Waiting, Breaker: st.Breaker,
	}
	if !st.Since.IsZero() {
		since := st.Since.UTC()
		s.Since = &since
	}
	if e, ok := b.found.Entry(name); ok && e.State != discovery.Refused {
		describe(&s, &e)
	} else if _, ok := b.config.Servers[name]; !ok {
		s.Source = "inprocess"
	}
	g.probes.fill(&s, key, server)
	return s
}

func describe(s *admin.Server, e *discovery.Entry) {
	s.Source, s.From, s.State, s.Digest, s.Mistakes = string(e.Source), e.From, string(e.State), e.Digest, e.Mistakes
	s.Over = e.Over
	if l := e.Listing; l != nil {
		s.Listing = &admin.Listing{Name: l.Name, Version: l.Version, Title: l.Title, Description: l.Description, Status: l.Status}
	}
	if e.Approved != nil {
		s.Approved = e.Approved.By
	}
	if e.Mistakes.HasErrors() && s.Error == "" {
		s.Error = firstError(e.Mistakes)
	}
}

// firstError is the first mistake that is one, without its place: it may stand beside others of other files.
func firstError(ds source.Diagnostics) string {
	i := slices.IndexFunc(ds, func(d source.Diagnostic) bool { return d.Severity == source.Error })
	return ds[i].Code + ": " + ds[i].Message
}

// address is where a server is, without what could be a secret in it.
func address(s config.Server) string {
	if len(s.Command) == 0 {
		return fetch.Shown(s.URL)
	}
	if n := len(s.Command) - 1; n > 0 {
		return fmt.Sprintf("%s (%s)", s.Command[0], count(n, "argument"))
	}
	return s.Command[0]
}

// serverMetrics counts the servers.
func serverMetrics(b *build) (out []telemetry.Servers) {
	counts := map[[2]string]int{}
	for name := range b.config.Servers {
		if e, ok := b.found.Entry(name); !ok || e.State != discovery.Serving {
			counts[[2]string{string(discovery.Config), string(discovery.Serving)}]++
		}
	}
	if b.found != nil {
		for i := range b.found.Entries {
			e := &b.found.Entries[i]
			counts[[2]string{string(e.Source), string(e.State)}]++
		}
		for i := range b.found.Passed {
			counts[[2]string{string(b.found.Passed[i].Source), "passed_over"}]++
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		out = append(out, telemetry.Servers{Source: k[0], State: k[1], Count: counts[k]})
	}
	return out
}
