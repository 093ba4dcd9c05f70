package load

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes at the time that was asked for. time.Sleep of an idle process does so a millisecond late: its poller counts in these.
type alarm struct {
	fd   int      // of file, which would block by then if it were asked
	file *os.File // nil: there is no such timer
}

func newAlarm() alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return alarm{}
	}
	return alarm{fd, os.NewFile(uintptr(fd), "timer")}
}

func (a alarm) sleep(d time.Duration) {
	if d <= 0 {
		return
	}
	if a.file != nil {
		var times [8]byte
		if unix.TimerfdSettime(a.fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil) == nil {
			if _, err := a.file.Read(times[:]); err == nil {
				return
			}
		}
	}
	time.Sleep(d)
}

func (a alarm) close() {
	if a.file != nil {
		a.file.Close() //nolint:errcheck // nothing was written
	}
}
