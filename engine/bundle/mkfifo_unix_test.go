//go:build unix

package bundle

import "syscall"

// mkfifo makes a pipe with a name.
func mkfifo(name string) error { return syscall.Mkfifo(name, 0o600) }
