//go:build !unix

package discovery

import (
	"errors"
	"os"
)

// flock refuses where there is no flock: two gateways could lose each other's approvals.
func flock(*os.File) error { return errors.ErrUnsupported }
