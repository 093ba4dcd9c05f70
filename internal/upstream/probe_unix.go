//go:build unix

package upstream

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// probe asks the kernel whether a socket has something to read, its end
// included, without reading it.
type probe struct {
	raw syscall.RawConn // nil: unknown, taken as nothing to read
	ask func(fd uintptr)
	got *bool
}

func newProbe(c net.Conn) probe {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return probe{}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return probe{}
	}
	got, fds := new(bool), make([]unix.PollFd, 1)
	return probe{raw: raw, got: got, ask: func(fd uintptr) {
		fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		n, err := unix.Poll(fds, 0)
		*got = n != 0 && err == nil
	}}
}

func (p probe) readable() bool {
	if p.raw == nil {
		return false
	}
	*p.got = false
	return p.raw.Control(p.ask) != nil || *p.got
}
