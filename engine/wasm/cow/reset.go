package cow

import (
	"bytes"
	"errors"
	"time"
)

// Way is how memories are reset.
type Way uint8

// The ways to reset a memory.
const (
	// Copy writes the whole image: the quickest for a page or two.
	Copy Way = iota
	// Find asks the system which pages were written, and writes those.
	Find
	// Drop has the system take back the pages that were written. Each costs a page fault
	// when it is next used.
	Drop
)

// String names a way.
func (w Way) String() string {
	switch w {
	case Copy:
		return "copy"
	case Find:
		return "find"
	case Drop:
		return "drop"
	}
	return "unknown"
}

const (
	// copyLimit is the largest image that is copied whole: a copy makes all of it resident
	// in every instance.
	copyLimit = 512 << 10
	// findLimit is the most that stays resident of an instance that is reset by Find.
	findLimit = 2 << 20
	// zeroRun is the shortest stretch of zeros worth to be cleared rather than copied, which
	// takes half as long.
	zeroRun = 1 << 10
)

// run is a part of an image.
type run struct {
	from, to int
	zero     bool
}

func runsOf(content []byte) []run {
	var runs []run
	for at := 0; at < len(content); at += zeroRun {
		zero := bytes.Equal(content[at:at+zeroRun], zeros[:zeroRun])
		if n := len(runs); n > 0 && runs[n-1].zero == zero {
			runs[n-1].to = at + zeroRun
			continue
		}
		runs = append(runs, run{at, at + zeroRun, zero})
	}
	return runs
}

var zeros [64 << 10]byte // as large as the largest page of the systems that have images mapped

// Reset makes the memory's content what it began as: the image, and zeros after it. Its length
// stays, since that is for the VM to change: see Shrink.
func (m *Memory) Reset() error {
	err := m.reset(m.image.way)
	if err != nil && m.image.way == Find {
		return m.reset(Drop)
	}
	return err
}

func (m *Memory) reset(w Way) error {
	i := m.image
	if i.file == nil {
		m.copyAll()
		return m.resetGrown()
	}
	if w == Drop {
		return i.file.drop(m.all[:m.size])
	}
	if m.size > len(i.content) {
		if err := m.resetGrown(); err != nil {
			return err
		}
	}
	if w == Copy {
		m.copyAll()
		return nil
	}
	return m.copyWritten()
}

func (m *Memory) copyAll() {
	for _, r := range m.image.runs {
		if r.zero {
			clear(m.all[r.from:r.to])
		} else {
			copy(m.all[r.from:r.to], m.image.content[r.from:r.to])
		}
	}
}

// copyWritten copies the pages of the image that the memory has of its own. They stay its own,
// so that the next call takes no page faults on them; what a call touches is much the same
// from one to the next.
func (m *Memory) copyWritten() error {
	content, page := m.image.content, m.image.page
	if m.pages == nil {
		m.pages = make([]byte, len(content)/page*pageEntry)
	}
	if err := m.image.file.pages(m.all, page, m.pages); err != nil {
		return err
	}
	own := 0
	for at := 0; at < len(content); at += page {
		if !ownPage(m.pages[at/page*pageEntry:]) {
			continue
		}
		own += page
		copy(m.all[at:at+page], content[at:])
	}
	if own > findLimit {
		return m.image.file.drop(m.all[:len(content)])
	}
	return nil
}

// calibrations is how often each way to reset is tried: the best of them counts, for this
// machine does other things too.
const calibrations = 16

var errNotFound = errors.New("the system does not say which pages were written")

// Calibrate chooses the cheapest way to reset memories in which about dirty pages of the
// system (see Memory.Dirty) are written between two resets. It must not run beside anything
// else that uses the image. now is a monotonic clock; of ways that take as long, the one that
// stands first in the list of ways is chosen.
func (i *Image) Calibrate(dirty int, now func() time.Duration) error {
	if i.file == nil {
		return nil
	}
	m, err := i.NewMemory()
	if err != nil {
		return err
	}
	defer m.Free()
	best := time.Duration(1<<63 - 1)
	for _, w := range []Way{Copy, Find, Drop} {
		took, err := m.cost(w, dirty, now)
		switch {
		case w != Drop && err != nil:
		case err != nil:
			return err
		case took < best:
			best, i.way = took, w
		}
	}
	return nil
}

// cost returns the least time that one reset and the page faults it leaves to the next call
// took. It fails where the way is not to be had.
func (m *Memory) cost(w Way, dirty int, now func() time.Duration) (time.Duration, error) {
	if w == Copy && len(m.image.content) > copyLimit {
		return 0, errors.New("too large to copy")
	}
	m.touch(dirty)
	least := time.Duration(1<<63 - 1)
	for range calibrations {
		begin := now()
		if err := m.reset(w); err != nil {
			return 0, err
		}
		m.touch(dirty)
		least = min(least, now()-begin)
	}
	if err := m.reset(w); err != nil {
		return 0, err
	}
	if m.Dirty() != 0 {
		return 0, errNotFound
	}
	return least, nil
}

// touch changes n pages, spread over the image.
func (m *Memory) touch(n int) {
	page := m.image.page
	all := len(m.image.content) / page
	n = min(max(n, 1), all)
	for k := range n {
		m.all[k*all/n*page] ^= 1
	}
}
