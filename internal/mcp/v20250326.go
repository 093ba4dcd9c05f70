package mcp

import sdk "github.com/mark3labs/mcp-go/mcp"

// v20250326 brought Streamable HTTP, and is alone in having JSON-RPC batches.
var v20250326 = Revision{
	Version:          sdk.ProtocolVersion20250326,
	Batches:          true,
	ResourceNotFound: sdk.RESOURCE_NOT_FOUND,
}
