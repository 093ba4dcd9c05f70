package binary

import "math"

// tuning says how coarse the meter is.
type tuning struct {
	// absorb is how much a charge may hold for code that is perhaps not run: the two
	// arms of a conditional, what follows a conditional branch. More makes fewer
	// charges and fuel that says less: a dispatch loop would pay for all that it may
	// dispatch to.
	absorb uint32
	// unchecked is about the most fuel that is spent on any path through a function
	// without asking whether there is any left.
	unchecked uint32
}

func normal() tuning { return tuning{absorb: 32, unchecked: 4096} }

// afterCall is how much of tuning.unchecked is left after a call, whose own end was
// perhaps not checked, and its caller's end, and so on.
const afterCall = 256

const nowhere = math.MaxInt32 // no frame

// meter decides where a function is charged. Code is cut into segments, which are
// run from their first instruction to their last. A charge stands before the
// segment that it is made for, and holds
//
//   - the cost of that segment,
//   - the cost of all later segments that are run whenever it is run, and
//   - up to tuning.absorb for later segments that are run at most as often as it is.
//
// Any other segment gets a charge of its own. So whatever is run was charged
// before, and what was charged and not run is bounded. Loops begin with a charge.
type meter struct {
	tuning tuning
	frames []frame
	points []point
	cur    int // the charge that the code at hand counts to
	// escape is the outermost frame that control may have left for since that
	// charge was made: up to the frame's end, what follows is perhaps not run.
	escape int
	from   int    // where the open segment begins
	cost   uint32 // of the open segment
	since  uint32 // the most that any path here has spent since it was last checked
	dead   bool   // the code at hand is never run
}

// point is a charge, before the instruction at an offset in the code without
// charges.
type point struct {
	at       int
	cost     uint32
	absorbed uint32
	kind     markKind
}

// frame is a block, loop or conditional that is open. Frame 0 is the function.
type frame struct {
	op      byte
	params  int  // values of a branch to a loop
	results int  // values of its end
	sets    int  // locals assigned before it
	base    int  // height of the stack below it
	nest    int  // loops that are open, with it
	split   bool // a loop that is two, and three blocks with that
	splits  int  // up to it

	cur, escape int // of the meter, at its beginning
	since       uint32
	dead        bool
	branches    int    // to its label
	reach       int    // outermost frame that a branch inside goes to
	after       uint32 // since, at its end, by any way
}

// reset begins a function whose code is at an offset.
func (mt *meter) reset(t tuning, at, results int) {
	*mt = meter{tuning: t, frames: mt.frames[:0], points: mt.points[:0], escape: nowhere, from: at}
	mt.frames = append(mt.frames, frame{op: opBlock, results: results, escape: nowhere, reach: nowhere})
	mt.points = append(mt.points, point{at: at, kind: markEntry})
}

// spend counts an instruction at an offset.
func (mt *meter) spend(at int, cost uint32) {
	if mt.dead {
		return
	}
	if mt.since > mt.tuning.unchecked {
		mt.cut(at)
		mt.open(at, markCheck)
	}
	mt.cost += cost
	mt.since += cost
}

// cut ends the open segment; the next one begins at an offset.
func (mt *meter) cut(at int) {
	cost, from := mt.cost, mt.from
	mt.cost, mt.from = 0, at
	p := &mt.points[mt.cur]
	switch {
	case cost == 0:
	case mt.escape == nowhere:
		p.cost += cost
	case p.absorbed+cost <= mt.tuning.absorb:
		p.absorbed += cost
	default:
		mt.open(from, markCharge)
		mt.points[mt.cur].cost = cost
	}
}

// open makes a charge at an offset, to which all counts from there.
func (mt *meter) open(at int, kind markKind) {
	mt.cur, mt.escape = len(mt.points), nowhere
	mt.points = append(mt.points, point{at: at, kind: kind})
	if kind != markCharge {
		mt.since = 0
	}
}

// enter opens a frame whose first instruction is at an offset.
func (mt *meter) enter(f frame, at int) {
	if f.op != opBlock {
		mt.cut(at)
	}
	f.splits = mt.top().splits + int(flag(f.split))
	f.cur, f.escape, f.since, f.dead, f.reach = mt.cur, mt.escape, mt.since, mt.dead, nowhere
	mt.frames = append(mt.frames, f)
	switch {
	case mt.dead:
	case f.split:
		mt.open(at, markLoop)
	case f.op == opLoop:
		mt.open(at, markCheck)
	case f.op == opIf:
		mt.escape = min(mt.escape, len(mt.frames)-1)
	}
}

// otherwise ends the first arm of a conditional; the second begins at an offset.
func (mt *meter) otherwise(at int) {
	mt.cut(at)
	f := mt.top()
	mt.arrive(f)
	f.op = opElse
	mt.cur, mt.since, mt.dead = f.cur, f.since, f.dead
	mt.escape = min(f.escape, len(mt.frames)-1)
}

// leave ends a frame; what follows begins at an offset.
func (mt *meter) leave(at int) {
	mt.cut(at)
	f, self := mt.top(), len(mt.frames)-1
	mt.arrive(f)
	if f.op == opIf {
		f.after = max(f.after, f.since)
	}
	mt.cur, mt.since, mt.dead, mt.escape = f.cur, f.after, f.dead, f.escape
	if f.reach < self {
		mt.escape = min(mt.escape, f.reach)
	}
	if self > 0 {
		mt.frames[self-1].reach = min(mt.frames[self-1].reach, f.reach)
	}
	mt.frames = mt.frames[:self]
}

// arrive says that control reaches the end of a frame from here.
func (mt *meter) arrive(f *frame) {
	if !mt.dead {
		f.after = max(f.after, mt.since)
	}
}

// branch says that control may go to a label from here, where a segment was cut.
func (mt *meter) branch(label uint32) {
	if mt.dead {
		return
	}
	to := len(mt.frames) - 1 - int(label)
	mt.escape = min(mt.escape, to)
	f := mt.top()
	f.reach = min(f.reach, to)
	t := &mt.frames[to]
	t.branches++
	if t.op != opLoop {
		t.after = max(t.after, mt.since)
	}
}

// moved returns the label that stands for one when loops are split.
func (mt *meter) moved(label uint32) uint32 {
	return label + 3*uint32(mt.top().splits-mt.frames[len(mt.frames)-1-int(label)].splits)
}

// values returns how many values a branch to a label takes with it.
func (mt *meter) values(label uint32) int {
	f := &mt.frames[len(mt.frames)-1-int(label)]
	if f.op == opLoop {
		return f.params
	}
	return f.results
}

// called says that a function has been called from here.
func (mt *meter) called() {
	if t := mt.tuning.unchecked; t > afterCall {
		mt.since = max(mt.since, t-afterCall)
	}
}

// stop says that control goes no further than an offset.
func (mt *meter) stop(at int) {
	mt.cut(at)
	mt.dead = true
}

func (mt *meter) top() *frame { return &mt.frames[len(mt.frames)-1] }
