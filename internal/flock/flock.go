// Package flock locks files against other processes.
package flock

import "errors"

// ErrLocked says that somebody else has the lock.
var ErrLocked = errors.New("another gateway has it locked")
