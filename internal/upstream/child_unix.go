//go:build unix

package upstream

import (
	"os"
	"syscall"
)

// signalGroup ends p and all that it has started; hard leaves no choice.
func signalGroup(p *os.Process, hard bool) {
	sig := syscall.SIGTERM
	if hard {
		sig = syscall.SIGKILL
	}
	_ = syscall.Kill(-p.Pid, sig) // it fails if the group has ended
}
