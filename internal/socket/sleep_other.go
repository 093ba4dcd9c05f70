//go:build !linux

package socket

import (
	"errors"
	"net"
)

// Dormitory is for systems that have epoll. Here nothing sleeps.
type Dormitory struct{}

// NewDormitory fails.
func NewDormitory() (*Dormitory, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Dormitory) Close() error { return nil }

// Sleeper is a connection on which nobody waits.
type Sleeper struct{}

// Lie fails.
func (*Sleeper) Lie(*Dormitory, net.Conn, func()) error { return errors.ErrUnsupported }

// Sleep says that it can't.
func (*Sleeper) Sleep() bool { return false }

// Take says that it is too late.
func (*Sleeper) Take() bool { return false }

// Wake does nothing.
func (*Sleeper) Wake() {}

// Interrupt does nothing.
func (*Sleeper) Interrupt() {}

// Open fails.
func (*Sleeper) Open() (net.Conn, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Sleeper) Close() {}
