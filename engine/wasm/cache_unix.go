//go:build unix

package wasm

import (
	"os"
	"syscall"
)

// owned says whether a file belongs to the user that the process runs as.
func owned(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}
