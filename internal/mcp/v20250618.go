package mcp

import sdk "github.com/mark3labs/mcp-go/mcp"

// v20250618 dropped batches, and brought elicitation and the version header.
var v20250618 = Revision{
	Version:          sdk.ProtocolVersion20250618,
	ResourceNotFound: sdk.RESOURCE_NOT_FOUND,
}
