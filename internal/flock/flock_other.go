//go:build !unix

package flock

import (
	"errors"
	"os"
)

// Supported says that there are none.
const Supported = false

// Try gives errors.ErrUnsupported: there is no flock.
func Try(*os.File) error { return errors.ErrUnsupported }
