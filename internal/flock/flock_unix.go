//go:build unix

package flock

import (
	"errors"
	"os"
	"syscall"
)

// Supported says that there are locks.
const Supported = true

// Try locks a file that is open, or says ErrLocked at once if somebody else has it locked. The lock goes with the file descriptor.
func Try(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	if err := conn.Control(func(fd uintptr) { locked = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) }); err != nil {
		return err
	}
	if errors.Is(locked, syscall.EWOULDBLOCK) || errors.Is(locked, syscall.EINTR) {
		return ErrLocked
	}
	return locked
}
