package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"
)

// Bounds of what is passed on from a child's stderr.
const (
	maxLogLine  = 4 << 10 // bytes; the rest of the line is cut
	logBurst    = 200     // lines at once
	logInterval = 20 * time.Millisecond
)

// lineLog passes on lines, but not more than a reader can bear.
type lineLog struct {
	sink    func(line string) // nil: read and forget
	now     func() time.Time
	left    int // lines that may pass now
	refill  time.Time
	dropped int
}

func newLineLog(sink func(string), now func() time.Time) *lineLog {
	return &lineLog{sink: sink, now: now, left: logBurst, refill: now()}
}

// copy reads r to its end.
func (g *lineLog) copy(r io.Reader) {
	br := bufio.NewReaderSize(r, maxLogLine)
	for {
		line, err := br.ReadSlice('\n')
		if len(line) > 0 {
			g.pass(line)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = br.ReadSlice('\n')
		}
		if err != nil {
			g.report()
			return
		}
	}
}

func (g *lineLog) pass(line []byte) {
	if g.sink == nil {
		return
	}
	if n := int(g.now().Sub(g.refill) / logInterval); n > 0 {
		g.left = min(logBurst, g.left+n)
		g.refill = g.now()
	}
	if g.left == 0 {
		g.dropped++
		return
	}
	g.left--
	g.report()
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	g.sink(string(line))
}

func (g *lineLog) report() {
	if g.dropped > 0 {
		g.sink(fmt.Sprintf("(%d lines dropped)", g.dropped))
		g.dropped = 0
	}
}
