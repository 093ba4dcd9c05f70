package upstream

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttr puts a child into a group of its own, so that all it starts can be
// ended with it, and has the kernel end it if the gateway dies.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// endGroupAfter waits for p to end and then ends what is left of its group. It
// does not reap p: as long as p is a zombie, the name of its group cannot
// become another's.
func endGroupAfter(p *os.Process) {
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	signalGroup(p, true)
}
