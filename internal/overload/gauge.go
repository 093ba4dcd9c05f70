// Package overload says how near the process is to its bounds, and which requests are refused before it gets there.
package overload

import (
	"slices"
	"sync/atomic"
	"time"
)

// Level is how much of a resource is in use, in thousandths of what there is.
type Level uint32

// Full is the Level of a resource of which nothing is left.
const Full Level = 1000

// Percent is n percent as a Level.
func Percent(n int) Level { return Level(n) * Full / 100 }

// Tick is the time between two samples of a Gauge, and fall how much less it shows after one at most. What a wave of requests has raised takes
// ten seconds to fall from full to nothing, so that those who come back at once don't find it low, fill it again, and so on.
const (
	Tick = 100 * time.Millisecond
	fall = Full / 100
)

// Resource is something of which there is only so much. Used gives how much is in use, and of how much; the second is 0 where there is no bound.
type Resource struct {
	Name string
	Used func() (used, of int64)
}

// Gauge shows how much of the scarcest resource is in use. Sample is for one goroutine, the rest for any.
type Gauge struct {
	resources []Resource
	shares    []atomic.Uint32 // of resources, as last sampled
	level     atomic.Uint32
	worst     atomic.Uint32 // the resource that has raised level
}

// NewGauge makes a Gauge of resources. Until the first Sample it shows nothing.
func NewGauge(resources ...Resource) *Gauge {
	return &Gauge{resources: slices.Clone(resources), shares: make([]atomic.Uint32, len(resources))}
}

// Sample looks at all resources. What is shown rises at once, and falls slowly.
func (g *Gauge) Sample() {
	shown := Level(g.level.Load())
	shown -= min(fall, shown)
	for i := range g.resources {
		share := shareOf(g.resources[i].Used())
		g.shares[i].Store(uint32(share))
		if share > shown {
			shown = share
			g.worst.Store(uint32(i))
		}
	}
	g.level.Store(uint32(shown))
}

func shareOf(used, of int64) Level {
	if used <= 0 || of <= 0 {
		return 0
	}
	return Level(min(used, of) * int64(Full) / of)
}

// Level is what is shown.
func (g *Gauge) Level() Level { return Level(g.level.Load()) }

// Worst names the resource that has raised the level to where it is, or from where it falls.
func (g *Gauge) Worst() string { return g.resources[g.worst.Load()].Name }

// Shares gives what was last in use of each resource, by its name.
func (g *Gauge) Shares(yield func(name string, share Level) bool) {
	for i := range g.resources {
		if !yield(g.resources[i].Name, Level(g.shares[i].Load())) {
			return
		}
	}
}

// Wait is how long a Gauge needs at least from level until it shows less than at.
func Wait(level, at Level) time.Duration {
	if level < at {
		return 0
	}
	return time.Duration((level-at)/fall+1) * Tick
}
