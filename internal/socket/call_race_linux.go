//go:build linux && (race || !(amd64 || arm64))

package socket

import (
	"errors"
	"syscall"
)

// Package syscall tells the race detector that what was written comes before what is read.

func read(fd uintptr, b []byte) (int, syscall.Errno) { return done(syscall.Read(int(fd), b)) }

func write(fd uintptr, b []byte) (int, syscall.Errno) { return done(syscall.Write(int(fd), b)) }

func done(n int, err error) (int, syscall.Errno) {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return 0, errno
	}
	return n, 0
}
