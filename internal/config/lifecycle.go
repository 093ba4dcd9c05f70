package config

import (
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// ServerTool says how long a tool of a server is to be used.
type ServerTool struct {
	Deprecated  *Deprecated `yaml:"deprecated" jsonschema_description:"It is still there, but is to be used no more: lists and results say so."`
	BlockedFrom Date        `yaml:"blockedFrom" jsonschema_description:"From when on it is neither listed nor called."`
	ReplacedBy  string      `yaml:"replacedBy" jsonschema:"minLength=1" jsonschema_description:"The tool of this server that is to be used in its place."`
}

// Deprecated says since when a tool is to be used no more, and why.
type Deprecated struct {
	Since   Date   `yaml:"since" jsonschema:"required" jsonschema_description:"The day, as 2026-01-31 (in UTC), or a time, as 2026-01-31T12:00:00Z."`
	Message string `yaml:"message" jsonschema:"minLength=1,maxLength=500" jsonschema_description:"What its users are told."`
}

// Date is a day in UTC, or a time, which a file spells as `2026-01-31` or `2026-01-31T12:00:00Z`.
type Date struct{ time.Time }

// DecodeNode reads d from a scalar.
func (d *Date) DecodeNode(n *source.Node) source.Diagnostics {
	text := n.Text().Value
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil && (n.Kind() == source.String) {
			d.Time = t.UTC()
			return nil
		}
	}
	return one(n, "SP1303", fmt.Sprintf("`%s` is not a date", shown(n)), "write a day, such as `2026-01-31`, or a time, such as `2026-01-31T12:00:00Z`")
}

// checkTools checks how long the tools of the server at n are to be used.
func (s *Server) checkTools(n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	for key, at := range n.Get("tools").Fields() {
		name := key.Text().Value
		if at.Kind() == source.Map {
			t := s.Tools[name]
			ds = append(ds, t.check(name, key, at)...)
		}
	}
	return ds
}

func (t *ServerTool) check(name string, key, n *source.Node) source.Diagnostics {
	var ds source.Diagnostics
	deprecated, blocked := n.Key("deprecated"), n.Key("blockedFrom")
	if deprecated == nil && blocked == nil {
		return one(key, "SP1303", fmt.Sprintf("nothing is said of when the tool `%s` ends", shown(key)), "add `deprecated: { since: 2026-01-31 }`, or `blockedFrom: 2026-01-31`")
	}
	if d := t.Deprecated; d != nil && blocked != nil && !t.BlockedFrom.IsZero() && d.Since.After(t.BlockedFrom.Time) {
		ds = append(ds, one(blocked, "SP1303", fmt.Sprintf("the tool `%s` is blocked before it is deprecated", shown(key)), "a tool is first deprecated, then blocked")...)
	}
	if at := n.Get("replacedBy"); at.Kind() == source.String && t.ReplacedBy == name {
		ds = append(ds, one(at, "SP1303", fmt.Sprintf("the tool `%s` is replaced by itself", shown(key)), "name the tool that is to be used in its place")...)
	}
	return ds
}
