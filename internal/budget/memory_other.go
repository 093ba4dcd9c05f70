//go:build !linux

package budget

import "math"

// groupMemory is not known here: GOMEMLIMIT counts.
func groupMemory() int64 { return math.MaxInt64 }
