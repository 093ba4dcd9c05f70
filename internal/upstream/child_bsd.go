//go:build unix && !linux

package upstream

import (
	"os"
	"syscall"
)

// childAttr puts a child into a group of its own, so that all it starts can be
// ended with it.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// endGroupAfter does nothing: there is no portable way to wait without reaping,
// and afterwards the name of the group may be another's.
func endGroupAfter(*os.Process) {}
