package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/sallyport-dev/sallyport/engine/wasm/cow"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// instance is a plugin's code with a memory of its own. One call at a time runs in it. It is
// the context of its own calls, so that host functions find it.
type instance struct {
	program *program
	module  api.Module
	memory  *cow.Memory
	hooks   [3]api.Function
	fuel    api.MutableGlobal // what the guest may spend before it asks
	depth   api.MutableGlobal // below zero: it went too deep
	written api.MutableGlobal // what the guest's stores have noted; nil: they don't
	globals []api.MutableGlobal
	now     func() time.Duration
	stack   [7]uint64
	// blind has no table: what tables hold must not get into the image.
	blind  bool
	opa    opaGuest
	noted  uint64 // what the host has written, as in written
	resets uint32
	late   func() bool // says whether the time of a call is over; nil until a search wants to know

	run
}

// run is the state of a call, or of booting. begin sets all of it.
type run struct {
	caller  context.Context //nolint:containedctx // the caller's, for as long as its call lasts
	stage   stage
	budget  int64 // of fuel
	left    int64 // of the budget, without what the guest has at hand
	work    int64 // of host functions, since the clock was last read
	until   time.Duration
	failure Failure
	nowMS   int64
	clock   clock
	random  randomSource
	output  lines
	said    said

	message *Message
	hook    *hookPlan
	judging hostapi.Hook
	seen    []value                         // of the hook's reads, those that were found
	has     [hostapi.LimitReads / 64]uint64 // which of them were
	index   *stringIndex
	tables  Tables
	looked  bool   // tables is there
	asked   uint64 // capabilities that were used, by their bits
	edits   edits
	one     value // that is none of the fields
	scratch []byte
	matches []Match
}

// stage is where in its life a guest is, as a bit.
type stage uint8

const (
	stageStart stage = 1 << iota // before it gets its settings
	stageBoot
	stageHook
	stageList
)

// slice is how much fuel a guest gets at once. When it is spent the guest comes out of its
// code: the clock is read, and the Go runtime can have the thread.
const slice = 100_000

// begin readies the instance for a call or for booting.
func (in *instance) begin(ctx context.Context, s stage, budget int64, until time.Duration) {
	in.caller, in.stage, in.budget, in.until = ctx, s, budget, until
	in.left, in.work, in.failure = budget, 0, Failure{}
	in.nowMS, in.clock, in.random.begun = 0, in.program.clock, false
	in.index, in.tables, in.looked, in.asked = nil, nil, false, 0
	in.said.reset()
	in.output.reset()
	in.edits.reset()
	in.grant()
}

// end lets go of what belongs to the caller.
func (in *instance) end() {
	for k := range in.has {
		for ; in.has[k] != 0; in.has[k] &= in.has[k] - 1 {
			in.seen[64*k+bits.TrailingZeros64(in.has[k])] = value{}
		}
	}
	in.caller, in.message, in.hook, in.index, in.tables, in.one = nil, nil, nil, nil, nil, value{}
	in.edits.reset()
}

// used returns the fuel that was spent.
func (in *instance) used() int64 { return in.budget - in.left - int64(in.fuel.Get()) }

// grant gives the guest the next slice of its budget, or ends it.
func (in *instance) grant() {
	in.work = 0
	g := min(slice, in.left)
	in.left -= g
	in.fuel.Set(uint64(g))
}

// refuel is called by the guest when it has spent what it had, and more.
func (in *instance) refuel() {
	in.left += int64(in.fuel.Get())
	in.fuel.Set(0)
	in.check()
	in.grant()
}

// charge spends fuel on what a host function does.
func (in *instance) charge(units int64) {
	in.left -= units
	in.work += units
	if in.left < 0 || in.work > slice {
		in.refuel()
	}
}

// check ends the call if its fuel or its time is over, or nobody waits for it.
func (in *instance) check() {
	switch {
	case in.left <= 0:
		in.stop(hostapi.FailureFuel, "the fuel of the call, %d units, is used up", in.budget)
	case in.now() > in.until:
		in.stop(hostapi.FailureDeadline, "the guest was still running at its deadline")
	case in.caller.Err() != nil:
		in.stop(hostapi.FailureDeadline, "nobody waits for the call any more: %v", in.caller.Err())
	}
}

// errStopped ends a guest from within a host function.
var errStopped = errors.New("stopped")

// stop ends the call as a failure.
func (in *instance) stop(kind hostapi.Failure, format string, args ...any) {
	in.failure = Failure{Type: kind, Text: fmt.Sprintf(format, args...)}
	panic(errStopped)
}

// invoke runs an export with the instance's stack as arguments and results. It returns false
// after setting failure.
//
//nolint:contextcheck,nolintlint // the instance is the context of its calls; said here, it need not be said by every caller
func (in *instance) invoke(f api.Function) bool {
	err := f.CallWithStack(in, in.stack[:])
	if err == nil && in.left+int64(in.fuel.Get()) < 0 { // spent after it was last asked
		in.failure = Failure{Type: hostapi.FailureFuel, Text: fmt.Sprintf("the fuel of the call, %d units, is used up", in.budget)}
		return false
	}
	if err != nil {
		in.trapped(err)
	}
	return err == nil
}

// trapped says why the guest ended, unless a host function has.
func (in *instance) trapped(err error) {
	if in.failure.Type != "" {
		return
	}
	in.failure.Type = hostapi.FailureTrap
	if exit := (*sys.ExitError)(nil); errors.As(err, &exit) {
		in.failure.Text = fmt.Sprintf("the guest exited with %d", exit.ExitCode())
		return
	}
	if int64(in.depth.Get()) < 0 {
		in.failure.Text = "stack overflow"
		return
	}
	text, trace, _ := strings.Cut(err.Error(), "\n")
	text = strings.TrimSuffix(strings.TrimPrefix(text, "wasm error: "), " (recovered by wazero)")
	in.failure.Text = text
	for line := range strings.Lines(trace) {
		if frame, ok := strings.CutPrefix(line, "\t"); ok {
			in.failure.Trace = append(in.failure.Trace, strings.TrimPrefix(strings.TrimSpace(frame), "."))
		}
	}
}

// restore makes the instance as it was when its image was taken.
func (in *instance) restore() error {
	if err := in.resetMemory(); err != nil {
		return err
	}
	in.memory.Shrink(in.growByAPage)
	if in.memory.Size() != in.program.image.Size() {
		return errors.New("the memory can't be made smaller")
	}
	for i, g := range in.globals {
		g.Set(in.program.state[i])
	}
	return nil
}

// resetMemory resets the memory, where it was written if that is noted. Nothing has been noted of a call that trapped: its instance is not
// used again.
func (in *instance) resetMemory() error {
	if !in.program.byNotes() {
		return in.memory.Reset()
	}
	blocks := in.written.Get() | in.noted
	in.written.Set(0)
	in.noted = 0
	if err := in.memory.ResetBlocks(blocks, int(in.program.code.blockSize)); err != nil {
		return err
	}
	if in.resets++; in.resets%provedEvery == 1 {
		return in.proven()
	}
	return nil
}

// provedEvery is how many resets by notes there are to one after which the whole memory is looked at, the first of an instance being such a one:
// nothing but this code's being right says that a note is never missing, and a missing one would show one call what another has left.
const provedEvery = 256

var errNotes = errors.New("the memory of a call was not as it begins, and no note said so: report it")

// proven says whether a reset by notes has left anything of a call.
func (in *instance) proven() error {
	if in.memory.Dirty() != 0 {
		return errNotes
	}
	return nil
}

func (in *instance) growByAPage() { in.module.Memory().Grow(1) }

// close frees the instance. Nothing may run in it.
//
//nolint:contextcheck,nolintlint // the instance is the context of its calls; said here, it need not be said by every caller
func (in *instance) close() {
	_ = in.module.Close(in) // frees the memory; there are no files to fail
}

// writable is slice for what is written.
func (in *instance) writable(at, n uint64) []byte {
	b := in.slice(at, n)
	if in.written != nil && len(b) > 0 {
		in.noted |= cow.BlocksOf(int(uint32(at)), len(b), int(in.program.code.blockSize))
	}
	return b
}

// slice returns a part of the guest's memory, to be read, nil if it is not all inside. What is
// empty is inside wherever it is.
func (in *instance) slice(at, n uint64) []byte {
	if n == 0 {
		return []byte{}
	}
	all := in.memory.Bytes()
	at = uint64(uint32(at))
	if n > uint64(len(all)) || at > uint64(len(all))-n {
		return nil
	}
	return all[at : at+n : at+n]
}

func (in *instance) put32(at uint64, v uint32) bool {
	b := in.writable(at, 4)
	if b != nil {
		binary.LittleEndian.PutUint32(b, v)
	}
	return b != nil
}

func (in *instance) put64(at, v uint64) bool {
	b := in.writable(at, 8)
	if b != nil {
		binary.LittleEndian.PutUint64(b, v)
	}
	return b != nil
}

// The instance as the context of its calls. wazero asks it for values only, and there are
// none.

// Deadline implements context.Context.
func (in *instance) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (in *instance) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (in *instance) Err() error { return nil }

// Value implements context.Context.
func (in *instance) Value(any) any { return nil }
