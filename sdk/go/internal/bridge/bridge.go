// Package bridge is the way by which package sallyporttest starts a plugin. It keeps what only
// tests need out of the SDK's API.
package bridge

import "github.com/sallyport-dev/sallyport/sdk/go/internal/fake"

// Guest is a plugin that has begun to run.
type Guest struct {
	Judge     func(hook int32) int32
	Validate  func(settings []byte) int32
	Configure func() int32
	SelfTest  func() int32
}

// Begin begins to run a sallyport.Plugin, on a host. Package sallyport sets it.
var Begin func(plugin any, h *fake.Host) (*Guest, error)
