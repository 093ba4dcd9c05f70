package mcp

import sdk "github.com/mark3labs/mcp-go/mcp"

// v20251125 is the last revision with a handshake. It brought priming events
// (SEP-1699) and the first tasks.
var v20251125 = Revision{
	Version:          sdk.ProtocolVersion20251125,
	ResourceNotFound: sdk.RESOURCE_NOT_FOUND,
}
