package audit

import "golang.org/x/sys/unix"

const (
	trailStep = 1 << 20 // bytes that are sent to the disk at once
	trailLag  = 8 << 20 // bytes behind them that stay in memory, for readers of the newest records and until the disk has them
)

// trail sends to the disk what n written bytes make whole steps of, and lets the page cache forget what lies further back. A log is written
// once and seldom read: kept, it would take the cache from others, and a page that is used again costs a tenth of a new one. It waits for
// no disk, and what it leaves undone the kernel does in its time.
func (f *file) trail(n int) {
	f.end += int64(n)
	if f.end-f.sent < trailStep {
		return
	}
	raw, err := f.f.SyscallConn()
	if err != nil || !f.trailing.CompareAndSwap(false, true) {
		return
	}
	from, to := f.sent, f.end&^(trailStep-1)
	f.sent = to
	go func() {
		defer f.trailing.Store(false)
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SyncFileRange(int(fd), from, to-from, unix.SYNC_FILE_RANGE_WRITE)
			if to > trailLag {
				_ = unix.Fadvise(int(fd), max(0, from-trailLag), to-max(from, trailLag), unix.FADV_DONTNEED)
			}
		})
	}()
}
