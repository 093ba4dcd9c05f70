//go:build !wasip1

// Package host is the host as the SDK calls it: the functions of the ABI with Go's strings and
// slices. On wasip1 they are imports; elsewhere package fake plays the host.
package host

import "github.com/sallyport-dev/sallyport/sdk/go/internal/fake"

// Host is the host.
type Host = fake.Host
