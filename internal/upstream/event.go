package upstream

import "github.com/sallyport-dev/sallyport/internal/mcp"

// Event is one event of a stream. Its fields alias memory that the next event
// overwrites.
type Event = mcp.Event
