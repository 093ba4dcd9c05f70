//go:build !linux

package socket

import (
	"errors"
	"net"
)

// Poller is for systems that have epoll. Here nothing is parked.
type Poller struct{}

// NewPoller fails.
func NewPoller() (*Poller, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Poller) Close() error { return nil }

// Parked is a connection on which nobody waits.
type Parked struct{}

// Dup fails.
func (*Parked) Dup(*Poller, net.Conn, func()) error { return errors.ErrUnsupported }

// Park says that it can't.
func (*Parked) Park() bool { return false }

// Unpark says that it is too late.
func (*Parked) Unpark() bool { return false }

// Wake does nothing.
func (*Parked) Wake() {}

// Interrupt does nothing.
func (*Parked) Interrupt() {}

// Open fails.
func (*Parked) Open() (net.Conn, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Parked) Close() {}
