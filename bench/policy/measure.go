package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// pdp is one that decides.
type pdp interface {
	// prepare returns two ways to ask about a call: with its arguments as the pdp wants them, and with their bytes.
	prepare(c *call) (decoded, fromBytes func(context.Context) (bool, error))
}

// contenders are all that are asked, Sallyport first.
var contenders = []struct {
	name string
	load func(context.Context, []rule) (pdp, error)
}{
	{"Sallyport", newSallyport},
	{"OPA", newOPA},
	{"Cerbos", newCerbos},
	{"cedar-go", newCedar},
	{"cel-go", newCEL},
}

// plan is what is measured.
type plan struct {
	sizes  []int // numbers of policies
	calls  int   // that are asked in turn
	cycles int
	slice  time.Duration // for which one contender is asked before the next
	goals  bool          // say whether they are met
}

// ways of asking.
const (
	fromBytes = iota
	decoded
	ways
)

// cost is of one decision.
type cost struct {
	cpu    []float64 // nanoseconds of all threads, by cycle
	p50    []float64 // nanoseconds that pass, in the median round of all calls, by cycle
	allocs float64
}

// cell is a contender with a number of policies, asked in one way.
type cell struct {
	cost
	ask    []func(context.Context) (bool, error)
	rounds []float64 // nanoseconds of each round of a slice
}

// maxRounds is how many rounds of a slice have their time kept.
const maxRounds = 1 << 15

// run measures everything. All contenders with one number of policies are measured in turn, so that what else the machine does meets
// all of them, and ratios are taken inside a cycle.
func (p *plan) run(ctx context.Context, measured func(policies int)) (*report, error) {
	r := &report{plan: p, started: time.Now(), load: loadAverage()}
	for _, n := range p.sizes {
		q := newQuestion(n, p.calls, 1)
		cells, err := q.cells(ctx)
		if err != nil {
			return nil, fmt.Errorf("%d policies: %w", n, err)
		}
		for cycle := range p.cycles {
			for i := range cells { // from another one on each time
				at := (i + cycle) % len(cells)
				for way := range ways {
					if err := cells[at][way].measure(ctx, p.slice); err != nil {
						return nil, err
					}
				}
			}
		}
		measured(n)
		row := make([][ways]cost, len(cells))
		for i := range cells {
			for way := range ways {
				row[i][way] = cells[i][way].cost
			}
		}
		r.rows = append(r.rows, row)
	}
	return r, nil
}

// cells loads the policies into every contender, and asks each about every call once: the answers must be the right ones.
func (q *question) cells(ctx context.Context) ([][ways]cell, error) {
	all := make([][ways]cell, len(contenders))
	for i, c := range contenders {
		p, err := c.load(ctx, q.rules)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		for j := range q.calls {
			ready, scan := p.prepare(&q.calls[j])
			for way, ask := range map[int]func(context.Context) (bool, error){decoded: ready, fromBytes: scan} {
				got, err := ask(ctx)
				if err != nil || got != q.answers[j] {
					return nil, fmt.Errorf("%s answers %t (%w) where %t is right: %+v", c.name, got, err, q.answers[j], q.calls[j])
				}
				all[i][way].ask = append(all[i][way].ask, ask)
			}
		}
	}
	return all, nil
}

// measure asks about all calls, round after round, for a while.
func (c *cell) measure(ctx context.Context, slice time.Duration) error {
	if c.rounds == nil {
		c.rounds = make([]float64, 0, maxRounds)
	}
	c.rounds = c.rounds[:0]
	var before, after runtime.MemStats
	runtime.GC() // what others have left is not this one's to clear away
	runtime.ReadMemStats(&before)
	cpu, start, n := cpuTime(), time.Now(), 0
	for at := start; n == 0 || at.Sub(start) < slice; {
		for _, ask := range c.ask {
			if _, err := ask(ctx); err != nil {
				return err
			}
		}
		n += len(c.ask)
		now := time.Now()
		if len(c.rounds) < maxRounds {
			c.rounds = append(c.rounds, float64(now.Sub(at).Nanoseconds()))
		}
		at = now
	}
	c.cpu = append(c.cpu, float64((cpuTime()-cpu).Nanoseconds())/float64(n))
	runtime.ReadMemStats(&after)
	c.allocs = float64(after.Mallocs-before.Mallocs) / float64(n)
	c.p50 = append(c.p50, median(c.rounds)/float64(len(c.ask)))
	return nil
}

// cpuTime is what all threads of the process have used, the garbage collector's too.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}
