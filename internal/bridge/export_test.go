package bridge

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// What the tests from outside, which put a gateway on top, use of the fakes.

// Fake is an MCP server of one era.
type Fake struct{ *fake }

// NewFake makes one.
func NewFake(era mcp.Era) *Fake { return &Fake{newFake(era)} }

// Adapter puts an Adapter on top of it, which finds out what era it is of.
func (f *Fake) Adapter(t *testing.T, transport string) *Adapter { return f.adapter(t, transport, nil) }

// Replica is the Adapter of one of several gateways.
func (f *Fake) Replica(t *testing.T, transport string, keys *carry.Keys, home string) *Adapter {
	return f.adapter(t, transport, func(o *Options) { o.Keys, o.Home = keys, home })
}

// Count is how often a tool has run.
func (f *Fake) Count(tool string) int { return f.count(tool) }

// Change has it tell all who listen that a resource has changed, or with "" its list of tools; "end" ends their streams.
func (f *Fake) Change(uri string) { f.change(uri) }

// Listeners is how many listen.
func (f *Fake) Listeners() int { return f.listeners() }

// Seen are the methods of all messages that it has got.
func (f *Fake) Seen() []string { return f.seen() }

// Transports are those of a Fake, Bound how long anything may take.
var Transports = transports

const Bound = bound
