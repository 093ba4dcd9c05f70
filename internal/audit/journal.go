package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"unsafe"
)

// journal is a file in shared memory beside the log, that holds the lines which the log's own file does not have yet. Memory that is
// shared with a file belongs to the kernel: what was copied there outlives the process, for a tenth of what a write costs. So a
// record has a safe place at once, and the file gets its lines in large writes. What a killed process has left here, the next one
// that opens the log puts into the file.
//
// It has two halves, each the length of what it holds and then the lines: one takes lines while those of the other are written.
type journal struct {
	mem   []byte // both halves, shared
	half  int    // that takes lines
	used  [2]int // bytes of lines in each
	close func() error
}

const (
	journalSuffix = ".journal"
	journalHalf   = 1 << 20
	journalHead   = 8 // bytes of a half that say how many follow
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

// restart forgets everything and takes lines anew, if they fit.
func (j *journal) restart(lines []byte) bool {
	j.setUsed(0, 0)
	j.setUsed(1, 0)
	j.half = 0
	return len(lines) == 0 || j.add(lines)
}

// left gives the lines that a process which was killed has left, oldest first.
func (j *journal) left() ([]byte, error) {
	var halves [2][]byte
	for i := range halves {
		half := j.mem[i*journalHalf : (i+1)*journalHalf]
		n := binary.NativeEndian.Uint64(half)
		if n > journalHalf-journalHead {
			return nil, errors.New("its lengths make no sense")
		}
		halves[i] = half[journalHead : journalHead+n]
	}
	first, err := firstSeq(halves[0])
	if err != nil {
		return nil, err
	}
	second, err := firstSeq(halves[1])
	if err != nil {
		return nil, err
	}
	if first > second {
		halves[0], halves[1] = halves[1], halves[0]
	}
	return bytes.Join(halves[:], nil), nil
}

// firstSeq is the number of the first line, 0 if there is none.
func firstSeq(lines []byte) (uint64, error) {
	if len(lines) == 0 {
		return 0, nil
	}
	line, _, _ := bytes.Cut(lines, newline)
	e, err := Read(line)
	return e.Seq, err
}

// missing are those of the lines that follow the end of a file, which may have a part of them. They must follow: anything else means
// that the file is not the one they were meant for.
func missing(lines []byte, end tail) (rest []byte, now tail, err error) {
	now = end
	for r := newLines(bytes.NewReader(lines)); ; {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return rest, now, nil
		}
		if err != nil {
			return nil, end, err
		}
		e, err := Read(line)
		if err != nil {
			return nil, end, err
		}
		if e.Seq <= end.seq {
			continue
		}
		if now.seq > 0 && (e.Seq != now.seq+1 || e.Prev != hex.EncodeToString(now.hash[:])) {
			return nil, end, fmt.Errorf("it holds record %d, which does not follow record %d", e.Seq, now.seq)
		}
		rest = append(append(rest, line...), '\n')
		now.seq, now.hash = e.Seq, sha256.Sum256(line)
	}
}
