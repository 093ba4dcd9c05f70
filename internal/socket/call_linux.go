//go:build linux && !race

package socket

import (
	"syscall"
	"unsafe"
)

func read(fd uintptr, b []byte) (int, syscall.Errno) { return call(syscall.SYS_READ, fd, b) }

func write(fd uintptr, b []byte) (int, syscall.Errno) { return call(syscall.SYS_WRITE, fd, b) }

// call reads or writes what is not empty. The scheduler is not told: the socket does not block.
func call(number, fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b))) //nolint:gosec // that is how a buffer is passed
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
