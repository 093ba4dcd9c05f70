package main

import (
	"iter"
	"maps"
	"reflect"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/route"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// versionMark stands between a server and its version where both are one key. No name holds it.
const versionMark = "@"

func versionKey(server, version string) string { return server + versionMark + version }

// mainKey is the key of a server, or of the version of it that most callers come to.
func mainKey(c *config.Config, name string) string {
	s := c.Servers[name]
	if version := s.Main(); version != "" {
		return versionKey(name, version)
	}
	return name
}

// each gives the servers of a config by their keys, each version for itself.
func each(c *config.Config) iter.Seq2[string, config.Server] {
	return func(yield func(string, config.Server) bool) {
		for name, s := range c.Servers {
			s.Tools = nil // which say nothing of where it is
			if len(s.Versions) == 0 && !yield(name, s) {
				return
			}
			for version := range s.Versions {
				if !yield(versionKey(name, version), s.Version(version)) {
					return
				}
			}
		}
	}
}

// splitSpecs says how callers are shared among versions.
func splitSpecs(c *config.Config) (out []route.Spec) {
	for _, name := range slices.Sorted(maps.Keys(c.Servers)) {
		s := c.Servers[name]
		if len(s.Versions) == 0 {
			continue
		}
		spec := route.Spec{Server: name}
		for version, v := range s.Versions {
			spec.Versions = append(spec.Versions, route.Version{Name: version, Weight: v.Weight})
		}
		for _, r := range s.Routes {
			spec.Rules = append(spec.Rules, route.Rule(r))
		}
		out = append(out, spec)
	}
	return out
}

// splits compiles how callers are shared among versions. What has not changed stays, and with it the streams of those callers.
func splits(c *config.Config, prev *build) (map[string]*route.Split, error) {
	out, ds := route.Compile(splitSpecs(c))
	if ds.HasErrors() {
		return nil, ds
	}
	if prev == nil {
		return out, nil
	}
	for name := range out {
		was, is := prev.config.Servers[name], c.Servers[name]
		if old := prev.splits[name]; old != nil && reflect.DeepEqual(was.Routes, is.Routes) && reflect.DeepEqual(was.Versions, is.Versions) {
			out[name] = old
		}
	}
	return out, nil
}

// versions are those of the servers that have several; nil if none has.
func versions(b *build) map[string]*gateway.Versions {
	if len(b.splits) == 0 {
		return nil
	}
	out := make(map[string]*gateway.Versions, len(b.splits))
	for name, split := range b.splits {
		vs := &gateway.Versions{Split: split, Servers: map[string]upstream.Server{}}
		for version := range b.config.Servers[name].Versions {
			vs.Servers[version] = b.servers[versionKey(name, version)].Server
		}
		if m := b.config.Servers[name].Mirror; m != nil {
			vs.Mirror = &gateway.Mirror{To: m.To, Share: m.Share}
		}
		out[name] = vs
	}
	return out
}

// toolEnds are the tools of a config that come to an end; nil if there are none.
func toolEnds(c *config.Config) (out map[string]map[string]*gateway.ToolEnd) {
	for name, s := range c.Servers {
		if len(s.Tools) == 0 {
			continue
		}
		ends := make(map[string]*gateway.ToolEnd, len(s.Tools))
		for tool, t := range s.Tools {
			end := &gateway.ToolEnd{Blocked: t.BlockedFrom.Time, ReplacedBy: t.ReplacedBy}
			if d := t.Deprecated; d != nil {
				end.Deprecated, end.Message = d.Since.Time, d.Message
			}
			ends[tool] = end
		}
		if out == nil {
			out = map[string]map[string]*gateway.ToolEnd{}
		}
		out[name] = ends
	}
	return out
}
