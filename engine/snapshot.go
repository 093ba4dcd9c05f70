package engine

import (
	"context"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// Options set the bounds of evaluation and what a bundle is checked against. The zero Options
// are the defaults.
type Options struct {
	// CostLimit is the most that one condition may cost, in CEL cost units; 0 means 50,000.
	CostLimit uint64
	// InputLimit is the largest JSON value, in bytes, that a condition may look into (a
	// string that it reads, a list or object that it compares or iterates); 0 means 64 KiB.
	// Selecting a field of something larger is free.
	InputLimit int
	// Servers are the names of the configured servers. Unless nil, a match.servers that can
	// match none of them is a warning.
	Servers []string
}

// Snapshot is a compiled bundle. It is immutable and safe for concurrent use; nil denies.
type Snapshot struct {
	revision string
	warnings source.Diagnostics
}

// Compile compiles a bundle. The error, if any, is a source.Diagnostics with every mistake.
func Compile(ctx context.Context, b *bundle.Bundle, o Options) (*Snapshot, error) {
	return &Snapshot{revision: b.Revision}, ctx.Err()
}

// Revision returns the revision of the bundle; "" for a nil Snapshot.
func (s *Snapshot) Revision() string {
	if s == nil {
		return ""
	}
	return s.revision
}

// Warnings returns what Compile found that is likely not what an author meant.
func (s *Snapshot) Warnings() source.Diagnostics {
	if s == nil {
		return nil
	}
	return s.warnings
}

// Decide decides one message. It doesn't fail: what cannot be decided is denied, and the
// Decision says why. A nil Snapshot and the zero Request are denied.
func (s *Snapshot) Decide(ctx context.Context, r *Request) Decision {
	return Decision{Reason: ReasonNoPolicy}
}

// Visible decides a request whose arguments (and, for a resource template, URI) are not known
// yet: Allow means that some call could be allowed. List filters ask it, and what is not
// visible is answered as unknown.
func (s *Snapshot) Visible(ctx context.Context, r *Request) Decision {
	return Decision{Reason: ReasonNoPolicy}
}
