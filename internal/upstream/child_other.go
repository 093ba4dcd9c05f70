//go:build !unix

package upstream

import (
	"os"
	"syscall"
)

func childAttr() *syscall.SysProcAttr { return nil }

func endGroupAfter(*os.Process) {}

// signalGroup can only end p itself on this system, and only the hard way.
func signalGroup(p *os.Process, hard bool) {
	if hard {
		_ = p.Kill()
	}
}
