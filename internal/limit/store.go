package limit

import (
	"context"
	"errors"
	"time"
)

// store is where the state of limits lives.
type store interface {
	// take takes the cost of each from its bucket; if one holds less, nothing from any. Costs are at least 1, and at most the burst.
	take(ctx context.Context, all []take, now time.Time) (answer, error)
	close()
}

// take is what one call asks of one limit.
type take struct {
	limit *Limit
	from  int // where its key starts in the memory for keys
	key   []byte
	cost  int64
}

// answer is what a store says of a call.
type answer struct {
	refused int           // which of the takes has to wait the longest; -1 if none has to
	left    int64         // of the one that was refused
	wait    time.Duration // until it would not be
}

// local keeps the state in this process.
type local struct{ epoch time.Time }

// clock gives the time in the tables' terms, which is not affected by clocks that are set.
func (l *local) clock(now time.Time) int64 { return max(1, int64(now.Sub(l.epoch))+1) }

func (l *local) take(_ context.Context, all []take, now time.Time) (answer, error) {
	clock, out := l.clock(now), answer{refused: -1}
	for i := range all {
		t := &all[i]
		ok, left, wait := t.limit.state.table.take(t.limit.state.table.hash(t.key), t.limit.bucket, t.cost, clock, out.refused >= 0)
		if ok || wait <= out.wait {
			continue
		}
		if out.refused < 0 {
			for _, before := range all[:i] {
				table := before.limit.state.table
				table.giveBack(table.hash(before.key), before.limit.bucket, before.cost, clock)
			}
		}
		out = answer{refused: i, left: left, wait: wait}
	}
	return out, nil
}

func (l *local) close() {}

var errClosed = errors.New("the store of rate limits is closed")
