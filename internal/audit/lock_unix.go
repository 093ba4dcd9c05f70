//go:build unix

package audit

import (
	"os"
	"syscall"
)

// lock keeps a second process from writing into the same chain. The lock goes with the file descriptor.
func lock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	if err := conn.Control(func(fd uintptr) { locked = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) }); err != nil {
		return err
	}
	return locked
}
