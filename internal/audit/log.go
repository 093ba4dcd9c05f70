package audit

import (
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/seal"
)

// Options says where records go and how long anybody waits for that.
type Options struct {
	// Path is the file, appended to and made with mode 0600. It is locked against a second writer.
	Path string
	// direct does without the journal, as where there is no shared memory: a record that must be safe is in the file before Append returns, at the price of a write.
	direct bool
	// Writer takes the records in place of a file. It can't be resumed or reopened.
	Writer io.Writer
	// Now is the clock of records without a time. Required.
	Now func() time.Time
	// Seal, if set, seals what was in messages. The key stands in a record of its own, the first that is written, and in each new file.
	Seal *seal.Key
	// Mask finds the secrets. The zero Masker knows the usual ones.
	Mask Masker
	// Buffer bounds the bytes of records that wait for the disk; 0 = 1 MiB.
	Buffer int
	// Wait bounds how long a caller waits for a write that another began; 0 = 500 ms. On a busy machine a write to a good
	// disk was seen to take 90 ms.
	Wait time.Duration
	// Flush is how long a record that nobody waits for may wait for the file; 0 = 50 ms with a journal, 5 ms without.
	Flush time.Duration
	// OnError, if set, is told when writing begins to fail (err) and when it works again (nil). It must not call the Log.
	OnError func(err error)
}

// Stats counts since the log was opened, but for Seq.
type Stats struct {
	Seq         uint64 // number of the last record
	Records     uint64 // records taken
	Refused     uint64 // records not taken: the buffer was full or the log closed
	WriteErrors uint64
	Writes      uint64
	Bytes       uint64 // handed to the kernel
	Pending     int    // bytes that wait for the disk
	Failing     bool   // the last write failed, or one is stalled
}

// A Log is an open audit log. It is safe for concurrent use.
//
// Records join pending in the order of the chain. Whoever needs one on its way to the disk writes all that is pending,
// unless somebody is writing already: then it waits for the end of that write and looks again.
type Log struct {
	mask    Masker
	seal    *seal.Key // nil: nothing is sealed
	now     func() time.Time
	limit   int
	wait    time.Duration
	flush   time.Duration
	onError func(error)

	mu   sync.Mutex
	cond sync.Cond // broadcast when a write ends or stalls

	out     sink     // used by whoever set writing
	journal *journal // nil: there is none
	broken  bool     // the journal lacks a pending line: until it has all again, records are safe only in the file
	end     tail     // of the chain: the last record that a write was begun with

	pending []byte // records not yet in the chain
	spare   []byte
	batch   []byte // of the chain, what the kernel was not yet handed; whoever set writing has it
	torn    int    // bytes at the start of batch that the kernel took in a write that failed
	held    int    // bytes of batch, and of what it is made from

	appended uint64 // records appended
	written  uint64 // records handed to the kernel
	tried    uint64 // records that were part of a write, failed or not
	writing  bool
	stalled  bool
	hung     bool  // and that for so long that nobody waits for it
	err      error // of the last write; nil = it worked
	lost     uint64
	closed   bool

	timer   *time.Timer
	armed   bool
	kicked  bool   // the timer was told not to wait
	ticks   int    // ticks seen during one write
	ticking uint64 // the number of that write
	checked time.Time
	stats   Stats
}

// Open opens the log and takes up the chain where the file ends.
func Open(o Options) (*Log, error) {
	if o.Now == nil || (o.Path == "") == (o.Writer == nil) {
		return nil, errors.New("audit log needs a clock, and either a path or a writer")
	}
	l := &Log{
		mask: o.Mask, seal: o.Seal, now: o.Now, onError: o.OnError,
		limit: orDefault(o.Buffer, 1<<20), wait: orDefault(o.Wait, 500*time.Millisecond), flush: orDefault(o.Flush, 5*time.Millisecond),
	}
	l.cond.L = &l.mu
	l.timer = time.AfterFunc(time.Hour, l.tick)
	l.timer.Stop()
	if o.Writer != nil {
		l.out = stream{o.Writer}
		return l, l.noteKey()
	}
	f, end, err := openFile(o.Path)
	if err != nil {
		return nil, err
	}
	l.out, l.end, l.stats.Seq = f, end, end.seq
	if !o.direct {
		l.flush = orDefault(o.Flush, 50*time.Millisecond)
	}
	if err := l.recover(o, end); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if err := l.noteKey(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Append gives r its place in the chain. With durable set it returns when a write that includes r has returned, so that
// a nil error means the kernel has it; otherwise r follows within Options.Flush. After an error the caller must refuse
// what r allows. r is free for its next use when Append returns.
func (l *Log) Append(r *Record, durable bool) error { return l.encode(r, durable, false) }

// AppendLate is Append for a record on whose place nothing waits, as of the end of a stream: where Append refuses because a write has taken
// longer than Options.Wait and there is no room, it waits for that write, for up to twenty times as long. It doesn't wait for a disk that takes
// nothing.
func (l *Log) AppendLate(r *Record) error { return l.encode(r, false, true) }

func (l *Log) encode(r *Record, durable, late bool) error {
	if r.Kind.String() == "" {
		return ErrKind
	}
	if r.Time.IsZero() {
		r.Time = l.now()
	}
	r.encodeApart(l.mask, l.seal != nil, l.seal)
	l.mu.Lock()
	err := l.append(r.line, durable, late)
	l.mu.Unlock()
	return err
}

func (l *Log) append(line []byte, durable, late bool) error {
	if err := l.room(len(line)+maxChain, late); err != nil {
		l.stats.Refused++
		l.lost++
		return err
	}
	l.place(line)
	if durable && (l.journal == nil || l.broken) {
		return l.until(l.appended)
	}
	switch {
	case l.journal != nil && len(l.pending) >= flushSize && !l.kicked && !l.writing: // a tick during a write counts as time that it takes
		l.kicked, l.armed = true, true
		l.timer.Reset(0)
	default:
		l.arm(l.flush)
	}
	return nil
}

// flushSize is how many bytes make a write worth while before its time.
const flushSize = 256 << 10

// maxChain bounds the bytes that place adds.
const maxChain = len(`{"seq":,`) + 20

// place appends a line to pending with its number.
func (l *Log) place(body []byte) {
	l.stats.Seq++
	start := len(l.pending)
	b := append(l.pending, `{"seq":`...)
	b = strconv.AppendUint(b, l.stats.Seq, 10)
	b = append(b, ',')
	b = append(b, body...)
	l.pending = b
	l.broken = l.broken || l.journal != nil && !l.journal.add(b[start:])
	l.appended++
	l.stats.Records++
}

// room waits until n more bytes may be held; late, also for a write that is stalled.
func (l *Log) room(n int, late bool) error {
	for {
		switch {
		case l.closed:
			return ErrClosed
		case l.waiting()+n <= l.limit:
			return nil
		case l.writing && (l.hung || l.stalled && !late):
			return ErrFull
		case l.writing:
			l.await()
		default:
			if l.write(); l.err != nil && l.waiting()+n > l.limit {
				return errors.Join(ErrFull, l.err)
			}
		}
	}
}

// until waits for the record numbered n to be handed to the kernel, and does that where nobody else does.
func (l *Log) until(n uint64) error {
	for {
		switch {
		case l.written >= n:
			return nil
		case l.tried >= n && l.err != nil:
			return l.err
		case l.writing && l.stalled:
			return ErrStalled
		case l.writing:
			l.await()
		case l.closed:
			return ErrClosed
		default:
			l.write()
		}
	}
}

// await waits for the write under way to end, or to be found stalled.
func (l *Log) await() {
	l.arm(l.flush)
	l.cond.Wait()
}

// write hands all that is pending to the kernel. Called with the lock held and nobody writing; the lock is free meanwhile.
func (l *Log) write() {
	if l.waiting() == 0 {
		return
	}
	lines, torn, last, failing := l.pending, l.torn, l.appended, l.err != nil
	l.pending, l.spare, l.held = l.spare[:0], nil, len(l.batch)+len(lines)
	full := 0
	if l.journal != nil && !l.broken {
		full = l.journal.turn()
	}
	l.begin()
	batch, end := linkAll(l.batch, lines, l.end)
	renewed := failing && l.out.renew(torn)
	if renewed {
		torn = 0
	}
	n, err := l.out.write(batch[torn:])
	l.finish()
	if renewed {
		l.placeKey()
	}
	l.stats.Writes++
	l.stats.Bytes += uint64(max(n, 0))
	l.tried = last
	l.batch, l.end = batch, end
	if cap(lines) <= 2*l.limit {
		l.spare = lines[:0]
	}
	if err != nil {
		l.failed(torn+n, err)
		return
	}
	l.written, l.torn, l.held = last, 0, 0
	if l.batch = batch[:0]; cap(batch) > 2*l.limit {
		l.batch = nil
	}
	l.settle(full)
	if failing {
		l.works()
	}
}

// waiting is how many bytes wait for the disk.
func (l *Log) waiting() int { return l.held + len(l.pending) }

// begin takes l.out and frees the lock; finish gives both back.
func (l *Log) begin() {
	l.writing = true
	l.mu.Unlock()
}

func (l *Log) finish() {
	l.mu.Lock()
	l.writing, l.stalled, l.hung = false, false, false
	l.cond.Broadcast()
}

func (l *Log) arm(after time.Duration) {
	if l.armed {
		return
	}
	l.armed = true
	l.timer.Reset(after)
}

// tick writes what nobody waits for, and tells those who wait for a write that takes too long.
func (l *Log) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed, l.kicked = false, false
	switch {
	case l.writing:
		l.watch()
	case l.closed:
		return
	default:
		l.look()
		if !l.writing {
			l.write()
		}
	}
	if l.writing {
		l.arm(l.flush)
	} else if l.waiting() > 0 {
		l.arm(max(l.flush, failedFlush))
	}
}

func (l *Log) watch() {
	if l.ticking != l.stats.Writes {
		l.ticking, l.ticks = l.stats.Writes, 0
	}
	l.ticks++
	took := time.Duration(l.ticks) * l.flush
	stalled, hung := took >= l.wait, took >= lateWaits*l.wait
	if stalled != l.stalled || hung != l.hung {
		l.stalled, l.hung = stalled, hung
		l.cond.Broadcast()
	}
}

// lateWaits is how many times longer AppendLate waits than others.
const lateWaits = 20

// Close writes what is pending and closes the file. Records that still can't be written are lost, and the error says so.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.closed = true
	for l.writing {
		if l.stalled {
			return ErrStalled
		}
		l.await()
	}
	for l.write(); l.err == nil && l.waiting() > 0; {
		l.write()
	}
	l.timer.Stop()
	if l.journal != nil && l.err == nil {
		l.err = l.journal.close()
	}
	return errors.Join(l.err, l.out.close())
}

// Stats returns the counts as they stand.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Pending = l.waiting()
	s.Failing = l.err != nil || l.stalled
	return s
}

// Err returns why the last write failed, nil if records can be written.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.stalled:
		return ErrStalled
	}
	return l.err
}

// Head returns the number and the hash of the last record that was handed on to be written, by which a truncated file is known:
// keep it elsewhere.
func (l *Log) Head() (seq uint64, hash string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end.seq, hex.EncodeToString(l.end.hash[:])
}
