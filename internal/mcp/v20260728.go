package mcp

import sdk "github.com/mark3labs/mcp-go/mcp"

// v20260728 is the first modern revision: no handshake and no sessions, every
// request says who asks and what it can do (SEP-2575), and headers mirror the
// body (SEP-2243).
var v20260728 = Revision{
	Version:          sdk.ProtocolVersion20260728,
	Era:              Modern,
	ResultType:       true,
	ResourceNotFound: sdk.INVALID_PARAMS,
}
