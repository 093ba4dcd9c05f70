//go:build linux && !race && (amd64 || arm64)

package socket

import (
	"syscall"
	"unsafe"
)

// A socket's own calls leave out what read and write do for files.
func read(fd uintptr, b []byte) (int, syscall.Errno) {
	return call(syscall.SYS_RECVFROM, fd, b, syscall.MSG_DONTWAIT)
}

func write(fd uintptr, b []byte) (int, syscall.Errno) {
	return call(syscall.SYS_SENDTO, fd, b, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

// call receives or sends what is not empty. The scheduler is not told: the socket does not block.
func call(number, fd uintptr, b []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(number, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0) //nolint:gosec // that is how a buffer is passed
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
