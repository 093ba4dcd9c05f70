package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"unsafe"
)

// journal is a file in shared memory beside the log, that holds the lines which the log's own file does not have yet. Memory that is
// shared with a file belongs to the kernel: what was copied there outlives the process, for a tenth of what a write costs. So a
// record has a safe place at once, and the file gets its lines in large writes. What a killed process has left here, the next one
// that opens the log puts into the file.
//
// It has two halves, each with the length of what it holds, the end of the chain that its lines follow, and then the lines, as they
// wait for their place in the chain. One half takes lines while those of the other are written.
type journal struct {
	mem   []byte // both halves, shared
	half  int    // that takes lines
	used  [2]int // bytes of lines in each
	close func() error
}

const (
	journalSuffix = ".journal"
	journalHalf   = 1 << 20
	journalHead   = 8 + 8 + 32 // how many bytes follow, the number of the record before them, its hash
)

// add takes a line, or has no room for it.
func (j *journal) add(line []byte) bool {
	at := journalHead + j.used[j.half]
	if at+len(line) > journalHalf {
		return false
	}
	copy(j.mem[j.half*journalHalf+at:], line)
	j.setUsed(j.half, j.used[j.half]+len(line))
	return true
}

// setUsed says how much of a half counts. It comes after the bytes that it counts: a process can be killed between the two.
func (j *journal) setUsed(half, n int) {
	j.used[half] = n
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&j.mem[half*journalHalf])), uint64(n)) //nolint:gosec // a mapping begins at a page, a half at a multiple of 8
}

// turn has lines go to the other half from now on, which must be empty, and gives the one that took them until now.
func (j *journal) turn() (full int) {
	full = j.half
	j.half = 1 - j.half
	return full
}

// follow says what the lines of the half that takes lines follow: it is known only when those before them have been hashed.
func (j *journal) follow(end tail) {
	head := j.mem[j.half*journalHalf:][8:journalHead]
	binary.NativeEndian.PutUint64(head, end.seq)
	copy(head[8:], end.hash[:])
}

// restart forgets everything and takes lines anew, if they fit. They follow end.
func (j *journal) restart(lines []byte, end tail) bool {
	j.setUsed(0, 0)
	j.setUsed(1, 0)
	j.half = 0
	j.follow(end)
	return len(lines) == 0 || j.add(lines)
}

// half is one half as a process has left it.
type half struct {
	lines []byte
	from  tail
}

// left gives the lines that a process which was killed has left, oldest first, and what they follow.
func (j *journal) left() (lines []byte, from tail, err error) {
	var halves [2]half
	for i := range halves {
		if halves[i], err = j.read(i); err != nil {
			return nil, from, err
		}
	}
	first, second := halves[0], halves[1]
	switch {
	case len(first.lines) == 0:
		return second.lines, second.from, nil
	case len(second.lines) == 0:
		return first.lines, first.from, nil
	}
	if firstSeq(first.lines) > firstSeq(second.lines) {
		first, second = second, first
	}
	return bytes.Join([][]byte{first.lines, second.lines}, nil), first.from, nil
}

func (j *journal) read(i int) (h half, err error) {
	mem := j.mem[i*journalHalf : (i+1)*journalHalf]
	n := binary.NativeEndian.Uint64(mem)
	if n > journalHalf-journalHead {
		return h, errors.New("its lengths make no sense")
	}
	h.lines = mem[journalHead : journalHead+n]
	h.from.seq = binary.NativeEndian.Uint64(mem[8:])
	copy(h.from.hash[:], mem[16:])
	return h, nil
}

// firstSeq is the number of the first line.
func firstSeq(lines []byte) uint64 {
	number, _, _ := bytes.Cut(bytes.TrimPrefix(lines, []byte(`{"seq":`)), []byte{','})
	n, _ := strconv.ParseUint(string(number), 10, 64) // a line that has none is found by missing
	return n
}

// missing are those of the lines, which follow from, that a file does not have which ends at end. They must follow each other, and
// the file must be the one that they were meant for: as far as it has them, it has them so.
func missing(lines []byte, from, end tail) (rest []byte, now tail, err error) {
	if len(lines) == 0 {
		return nil, end, nil
	}
	if from.seq > end.seq || from.seq == end.seq && from.hash != end.hash {
		return nil, end, fmt.Errorf("it holds records that do not follow record %d", end.seq)
	}
	var linked []byte
	for r := newLines(bytes.NewReader(lines)); ; {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, end, err
		}
		rest, linked = link(rest, append(bytes.Clone(line), '\n'), from.hash)
		e, err := Read(linked)
		if err != nil {
			return nil, end, err
		}
		if e.Seq != from.seq+1 {
			return nil, end, fmt.Errorf("it holds record %d, which does not follow record %d", e.Seq, from.seq)
		}
		from.seq, from.hash = e.Seq, sha256.Sum256(linked)
		if from.seq <= end.seq {
			rest = rest[:0]
		}
		if from.seq == end.seq && from.hash != end.hash {
			return nil, end, fmt.Errorf("it holds another record %d than the file", end.seq)
		}
	}
	if from.seq < end.seq { // the file was given what the journal had no room for
		return nil, end, nil
	}
	from.removed = end.removed
	return rest, from, nil
}
