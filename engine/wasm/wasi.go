package wasm

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// errno is what WASI functions return: WASI preview 1, typenames.
type errno uint64

const (
	errnoSuccess errno = 0
	errnoBadF    errno = 8
	errnoFault   errno = 21
	errnoInval   errno = 28
	errnoNoSys   errno = 52
)

// wasiFunc is a function of the WASI stub: a program's runtime starts and runs on it, without
// files, sockets, arguments or an environment, with a clock and random numbers that are the
// same in every run.
type wasiFunc struct {
	name   string
	params string // i is an i32, I an i64
	do     func(in *instance, s []uint64) errno
}

func noSys(*instance, []uint64) errno { return errnoNoSys }
func badF(*instance, []uint64) errno  { return errnoBadF }
func fine(*instance, []uint64) errno  { return errnoSuccess }

// wasiFuncs are all functions of WASI preview 1, so that whatever a toolchain links in finds
// its import.
var wasiFuncs = []wasiFunc{
	{"args_get", "ii", fine},
	{"args_sizes_get", "ii", noneOf},
	{"clock_res_get", "ii", clockRes},
	{"clock_time_get", "iIi", clockTime},
	{"environ_get", "ii", fine},
	{"environ_sizes_get", "ii", noneOf},
	{"fd_advise", "iIIi", badF},
	{"fd_allocate", "iII", badF},
	{"fd_close", "i", badF},
	{"fd_datasync", "i", badF},
	{"fd_fdstat_get", "ii", fdStat},
	{"fd_fdstat_set_flags", "ii", badF},
	{"fd_fdstat_set_rights", "iII", badF},
	{"fd_filestat_get", "ii", badF},
	{"fd_filestat_set_size", "iI", badF},
	{"fd_filestat_set_times", "iIIi", badF},
	{"fd_pread", "iiiIi", badF},
	{"fd_prestat_dir_name", "iii", badF},
	{"fd_prestat_get", "ii", badF}, // ends a runtime's search for directories
	{"fd_pwrite", "iiiIi", badF},
	{"fd_read", "iiii", badF},
	{"fd_readdir", "iiiIi", badF},
	{"fd_renumber", "ii", badF},
	{"fd_seek", "iIii", badF},
	{"fd_sync", "i", badF},
	{"fd_tell", "ii", badF},
	{"fd_write", "iiii", fdWrite},
	{"path_create_directory", "iii", noSys},
	{"path_filestat_get", "iiiii", noSys},
	{"path_filestat_set_times", "iiiiIIi", noSys},
	{"path_link", "iiiiiii", noSys},
	{"path_open", "iiiiiIIii", noSys},
	{"path_readlink", "iiiiii", noSys},
	{"path_remove_directory", "iii", noSys},
	{"path_rename", "iiiiii", noSys},
	{"path_symlink", "iiiii", noSys},
	{"path_unlink_file", "iii", noSys},
	{"poll_oneoff", "iiii", pollOneoff},
	{"proc_exit", "i", nil}, // see procExit
	{"proc_raise", "i", noSys},
	{"random_get", "ii", randomGet},
	{"sched_yield", "", fine},
	{"sock_accept", "iii", noSys},
	{"sock_recv", "iiiiii", noSys},
	{"sock_send", "iiiii", noSys},
	{"sock_shutdown", "ii", noSys},
}

// noneOf says that there are no arguments, or no environment: a count and a size of zero.
func noneOf(in *instance, s []uint64) errno {
	if !in.put32(s[0], 0) || !in.put32(s[1], 0) {
		return errnoFault
	}
	return errnoSuccess
}

// The clocks of WASI.
const (
	clockRealtime = 0
	clockThread   = 3 // the last
)

func clockRes(in *instance, s []uint64) errno {
	switch {
	case uint32(s[0]) > clockThread:
		return errnoInval
	case !in.put64(s[1], tick):
		return errnoFault
	}
	return errnoSuccess
}

func clockTime(in *instance, s []uint64) errno {
	t := uint64(in.nowMS) * 1_000_000
	switch id := uint32(s[0]); {
	case id > clockThread:
		return errnoInval
	case id != clockRealtime:
		t = in.clock.read()
	}
	if !in.put64(s[2], t) {
		return errnoFault
	}
	return errnoSuccess
}

// tick is how far the monotonic clock goes on when it is read, in nanoseconds. It must move,
// for there are programs that wait for it to, and not by much: with the millisecond that
// wazero's goes on, the garbage collector of a Go guest takes its own pauses for long ones and
// stops after a hundred of them.
const tick = 1000

// clock is a guest's monotonic clock. It says how often it was asked, not what time it is, so
// that every run sees the same.
type clock struct{ ns uint64 }

func (c *clock) read() uint64 {
	c.ns += tick
	return c.ns
}

// fdStat describes standard output and error: a character device to write to.
func fdStat(in *instance, s []uint64) errno {
	const characterDevice, rightToWrite = 2, 1 << 6
	if fd := uint32(s[0]); fd > 2 {
		return errnoBadF
	}
	b := in.writable(s[1], 24)
	if b == nil {
		return errnoFault
	}
	clear(b)
	b[0] = characterDevice
	b[8] = rightToWrite
	return errnoSuccess
}

// fdWrite takes what is written to standard output and error as log lines.
func fdWrite(in *instance, s []uint64) errno {
	level := hostapi.LevelInfo
	switch uint32(s[0]) {
	case 1:
	case 2:
		level = hostapi.LevelError
	default:
		return errnoBadF
	}
	written := uint32(0)
	for k := range uint64(uint32(s[2])) {
		v := in.slice(uint64(uint32(s[1]))+8*k, 8)
		if v == nil {
			return errnoFault
		}
		text := in.slice(uint64(binary.LittleEndian.Uint32(v)), uint64(binary.LittleEndian.Uint32(v[4:])))
		if text == nil {
			return errnoFault
		}
		in.charge(costCall + costBytes(len(text)))
		in.output.write(level, text, in.logLine)
		written += uint32(len(text))
	}
	if !in.put32(s[3], written) {
		return errnoFault
	}
	return errnoSuccess
}

// randomGet gives numbers that are the same in every call: a stream that begins anew with it.
func randomGet(in *instance, s []uint64) errno {
	b := in.writable(s[0], uint64(uint32(s[1])))
	if b == nil {
		return errnoFault
	}
	in.charge(costBytes(8 * len(b)))
	_, _ = in.random.Read(b) // never fails
	return errnoSuccess
}

// randomSource is a stream of random numbers, made when it is first read.
type randomSource struct {
	seed    [32]byte
	begun   bool
	numbers rand.ChaCha8
}

func (r *randomSource) Read(b []byte) (int, error) {
	if !r.begun {
		r.numbers.Seed(r.seed)
		r.begun = true
	}
	return r.numbers.Read(b)
}

// Sizes and places in the structures of poll_oneoff.
const (
	subscriptionSize = 48
	eventSize        = 32
	tagClock         = 0
	subscriptionMax  = 64
)

// pollOneoff lets the time pass that a guest wants to sleep, at once: the clock goes on to when
// the first of its sleeps is over.
func pollOneoff(in *instance, s []uint64) errno {
	n := uint64(uint32(s[2]))
	if n == 0 || n > subscriptionMax {
		return errnoInval
	}
	subs, events := in.slice(s[0], n*subscriptionSize), in.writable(s[1], n*eventSize)
	if subs == nil || events == nil {
		return errnoFault
	}
	var wakes [subscriptionMax]uint64
	first := ^uint64(0)
	for k := range n {
		sub := subs[k*subscriptionSize:][:subscriptionSize]
		if sub[8] != tagClock {
			return errnoNoSys
		}
		wakes[k] = in.wake(sub)
		first = min(first, wakes[k])
	}
	in.clock.ns = max(in.clock.ns, first)
	count := uint32(0)
	for k := range n {
		if wakes[k] > in.clock.ns {
			continue
		}
		var e [eventSize]byte
		copy(e[:8], subs[k*subscriptionSize:])
		copy(events[count*eventSize:], e[:])
		count++
	}
	if !in.put32(s[3], count) {
		return errnoFault
	}
	return errnoSuccess
}

// wake returns when a sleep is over, by the monotonic clock. Realtime stands still, so what is
// still to come by it is so much from now.
func (in *instance) wake(sub []byte) uint64 {
	const absolute = 1
	id, timeout := binary.LittleEndian.Uint32(sub[16:]), binary.LittleEndian.Uint64(sub[24:])
	if binary.LittleEndian.Uint16(sub[40:])&absolute == 0 {
		return saturate(in.clock.ns, timeout)
	}
	if id != clockRealtime {
		return timeout
	}
	if now := uint64(in.nowMS) * 1_000_000; timeout > now {
		return saturate(in.clock.ns, timeout-now)
	}
	return 0
}

func saturate(a, b uint64) uint64 {
	if a+b < a {
		return ^uint64(0) >> 1
	}
	return a + b
}
