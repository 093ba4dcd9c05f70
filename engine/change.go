package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Change is what would have to be otherwise for a message to be allowed.
type Change struct {
	Fields []string // that would have to change, by canonical names; others stay as they are
	When   Formula  // what must hold of them then
}

// Changes says what would have allowed a message that was not allowed: of each field that the rules considered could read, what it
// would have to be with all others as they are, the simplest first. If no field alone is enough, it is said of all arguments together,
// of all of the principal, then of both. Nothing is said of a message that is allowed, and nothing that only plugins stand against.
//
// It is for operators: a condition on a field tells what policy asks, and the values of other fields. mask hides values as for Explain;
// those hidden are left to the names of their fields.
func (s *Snapshot) Changes(ctx context.Context, r *Request, mask Mask) []Change {
	d := s.decide(ctx, r, again)
	if s == nil || r == nil || d.Allowed() {
		return nil
	}
	fields := d.Reads()
	var single []UnknownFields
	for _, f := range fields {
		if !isName(f) {
			single = append(single, UnknownFields{f})
		}
	}
	if found := s.changes(ctx, r, single, mask); len(found) > 0 {
		return found
	}
	arguments, caller := UnknownFields(nil), UnknownFields(nil)
	for _, f := range fields {
		switch {
		case within(f, "args") || within(f, "params"):
			arguments = append(arguments, f)
		case isCaller(f):
			caller = append(caller, f)
		}
	}
	for _, fields := range []UnknownFields{arguments, caller, slices.Concat(arguments, caller)} {
		if found := s.changes(ctx, r, []UnknownFields{fields}, mask); len(found) > 0 {
			return found
		}
	}
	return nil
}

// changes plans the message with some fields unknown, for each list of them.
func (s *Snapshot) changes(ctx context.Context, r *Request, lists []UnknownFields, mask Mask) []Change {
	var out []Change
	for _, fields := range lists {
		if len(fields) == 0 {
			continue
		}
		if p := s.Plan(ctx, r, fields, mask); !p.Allow.IsNever() {
			out = append(out, Change{Fields: fields, When: p.Allow})
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.When.Size(), b.When.Size()), cmp.Compare(len(a.When.String()), len(b.When.String())))
	})
	return out
}

// isName says that a field is what the message is called: another name would be another message, with other rules.
func isName(field string) bool {
	switch field {
	case "mcp.method", "mcp.tool.name", "mcp.tool.target", "mcp.resource.uri", "mcp.prompt.name", "request.mcp.backend":
		return true
	}
	return false
}

func isCaller(field string) bool {
	root, _, _ := strings.Cut(field, ".")
	return root == "principal" || root == "jwt" || root == "apiKey"
}
