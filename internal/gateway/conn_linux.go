package gateway

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// descriptors is how many files this process may have open.
func descriptors() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 0
	}
	return int(min(r.Cur, 1<<30))
}

// descriptorCount knows how many descriptors are in use. It is for one goroutine.
type descriptorCount struct {
	most int64
	last int64
	wait int64 // ticks until they are counted again, where the system doesn't tell their number
}

func newDescriptorCount() *descriptorCount { return &descriptorCount{most: int64(descriptors())} }

// used gives the number of those in use, and of those that may be.
func (d *descriptorCount) used() (used, of int64) {
	if d.most <= 0 {
		return 0, 0
	}
	var s unix.Stat_t
	if unix.Stat(ownDescriptors, &s) == nil && s.Size > 0 {
		return s.Size, d.most
	}
	return d.recount(), d.most
}

// recount counts them now and then: a thousand take about a millisecond.
func (d *descriptorCount) recount() int64 {
	if d.wait--; d.wait < 0 {
		d.last = countDescriptors()
		d.wait = int64(recordTicks) + d.last/1000
	}
	return d.last
}

// ownDescriptors is a directory of all of them. From Linux 6.2 on its size is their number.
const ownDescriptors = "/proc/self/fd"

// countDescriptors goes through them.
func countDescriptors() int64 {
	dir, err := os.Open(ownDescriptors)
	if err != nil {
		return 0
	}
	defer dir.Close() //nolint:errcheck // only read
	names, _ := dir.Readdirnames(-1)
	return int64(max(0, len(names)-1)) // without dir
}

// peerLeft says whether the other end has closed, without reading a byte.
func peerLeft(raw syscall.RawConn) bool {
	left := false
	err := raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, _ := unix.Poll(p, 0)
		left = n > 0 && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return err != nil || left
}
