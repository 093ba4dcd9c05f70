//go:build unix

package discovery

import (
	"errors"
	"os"
	"syscall"
)

// flock locks a file that is open, if nobody has: errLocked. The lock goes with the file descriptor.
func flock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	if err := conn.Control(func(fd uintptr) { locked = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) }); err != nil {
		return err
	}
	if errors.Is(locked, syscall.EWOULDBLOCK) || errors.Is(locked, syscall.EINTR) {
		return errLocked
	}
	return locked
}
