package mcp

import sdk "github.com/mark3labs/mcp-go/mcp"

// Era is one of the two ways in which MCP has carried a request.
type Era uint8

// The eras. Legacy is the zero value: a message that claims nothing is legacy.
const (
	Legacy Era = iota // until 2025-11-25: initialize, sessions, GET streams
	Modern            // from 2026-07-28: metadata in every request, no sessions
)

// String gives "legacy" or "modern".
func (e Era) String() string {
	if e == Modern {
		return "modern"
	}
	return "legacy"
}

// Revision is what one published revision of the protocol says about the wire
// where revisions differ. There is one file per revision.
type Revision struct {
	Version          string
	Era              Era
	Batches          bool // JSON-RPC batches are received
	ResultType       bool // every result says its resultType
	ResourceNotFound int  // the error code for a resource that isn't there
}

// v20241105 is served over Streamable HTTP only as a version that old clients
// still negotiate; its own HTTP+SSE transport is not.
var v20241105 = Revision{
	Version:          sdk.ProtocolVersion20241105,
	ResourceNotFound: sdk.RESOURCE_NOT_FOUND,
}

// revisions holds every known revision, newest first.
var revisions = [...]*Revision{&v20260728, &v20251125, &v20250618, &v20250326, &v20241105}

// FirstModern is the version with which the modern era begins. Versions are ISO
// dates: they compare as strings.
const FirstModern = sdk.ProtocolVersion20260728

// AssumedVersion is what a legacy request without MCP-Protocol-Version speaks.
const AssumedVersion = sdk.ProtocolVersion20250326

// LookupRevision gives a known revision by its version, nil for an unknown one.
func LookupRevision(version string) *Revision {
	for _, r := range revisions {
		if r.Version == version {
			return r
		}
	}
	return nil
}

// interned gives the constant for a known version, so that what keeps it keeps
// no message.
func interned(version string) string {
	if r := LookupRevision(version); r != nil {
		return r.Version
	}
	return version
}

// Versions lists the known versions of an era, newest first.
func Versions(e Era) []string {
	var out []string
	for _, r := range revisions {
		if r.Era == e {
			out = append(out, r.Version)
		}
	}
	return out
}

// EraOf says to which era a version belongs; unknown versions after the first
// modern one are modern, and so is what isn't a date but sorts after it.
func EraOf(version string) Era {
	if version >= FirstModern {
		return Modern
	}
	return Legacy
}
