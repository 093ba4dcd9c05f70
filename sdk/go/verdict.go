//go:build !sallyport_tck

package sallyport

import "github.com/sallyport-dev/sallyport/sdk/go/internal/abi"

// noVerdict is what a Verdict that is none denies as.
func noVerdict(Verdict) int32 { return abi.VerdictDeny }
