package duel

import "fmt"

// goal is a bound on one figure of one row.
type goal struct {
	load, target string
	figure       string
	atLeast      bool // else at most
	limit        float64
	of           func(figures) float64
}

// goals are the bounds that the project has set itself, for a run of two cores
// with audit and metrics on.
var goals = []goal{
	throughput("1 KiB, c=16", Sallyport10, 0.85), throughput("1 KiB, c=16", Sallyport1000, 0.80),
	throughput("1 KiB, c=64", Sallyport10, 0.85), throughput("1 KiB, c=64", Sallyport1000, 0.80),
	throughput("16 KiB, c=16", Sallyport10, 0.72), throughput("16 KiB, c=16", Sallyport1000, 0.72),
	cpu("1 KiB, c=16", Sallyport10), cpu("1 KiB, c=16", Sallyport1000),
	cpu("1 KiB, c=64", Sallyport10), cpu("1 KiB, c=64", Sallyport1000),
	median("1 KiB, 1000/s", Sallyport10), median("1 KiB, 1000/s", Sallyport1000),
	tail("1 KiB, 1000/s", Sallyport10), tail("1 KiB, 1000/s", Sallyport1000),
	throughput("1 KiB, c=16", SallyportPlugin, 0.90),
	throughput("1 KiB, c=16", SallyportRego, 0.85), throughput("1 KiB, c=64", SallyportRego, 0.85),
	throughput("1 KiB, c=16", SallyportAll, 0.95), throughput("1 KiB, c=16, modern", SallyportAll, 0.95),
	{"tools/list, c=1", SallyportAll, wholeP50, false, 2000, func(f figures) float64 { return f.p50.mid }},
	{"1 KiB, c=16", Sallyport100, besidePeers, true, 6, func(f figures) float64 { return f.peerRatio.mid }},
	{"1 KiB, c=16", Sallyport1000, "idle RSS", false, 40, func(f figures) float64 { return f.idle }},
}

// besidePeers is throughput beside the best of the other gateways.
const besidePeers = "throughput beside the best peer"

// wholeP50 is the time of an answer, and not what it is longer than that of the base.
const wholeP50 = "p50 in all"

func throughput(load, target string, limit float64) goal {
	return goal{load, target, "throughput", true, limit, func(f figures) float64 { return f.rateRatio.mid }}
}

func cpu(load, target string) goal {
	return goal{load, target, "CPU", false, 8, func(f figures) float64 { return f.cpuMore.mid }}
}

func median(load, target string) goal {
	return goal{load, target, "p50", false, 35, func(f figures) float64 { return f.p50More.mid }}
}

func tail(load, target string) goal {
	return goal{load, target, "p99", false, 1.1, func(f figures) float64 { return f.p99Ratio.mid }}
}

func (g goal) met(f figures) bool {
	if v := g.of(f); g.atLeast {
		return v >= g.limit
	} else {
		return v <= g.limit
	}
}

func (g goal) String() string {
	if g.atLeast {
		return fmt.Sprintf("≥ %v", g.limit)
	}
	return fmt.Sprintf("≤ %v", g.limit)
}

// mark is what stands behind a figure that has a goal.
func mark(c cell, figure string, f figures) string {
	for _, g := range goals {
		if g.load != c.load || g.target != c.target || g.figure != figure {
			continue
		}
		if g.met(f) {
			return fmt.Sprintf(" (%v)", g)
		}
		return fmt.Sprintf(" (**%v !**)", g)
	}
	return ""
}

// Missed lists the goals that the run didn't reach, of those that it measured.
func (r *Report) Missed() []string {
	var lines []string
	for _, g := range goals {
		c := cell{g.load, g.target}
		if r.series[c] == nil || r.series[cell{g.load, baseOf(g.target)}] == nil {
			continue
		}
		f := r.figures(c)
		if g.figure == besidePeers && f.peer == "" {
			continue
		}
		if !g.met(f) {
			lines = append(lines, fmt.Sprintf("%s, %s: %s %.2f, wants %v", g.load, g.target, g.figure, g.of(f), g))
		}
	}
	return lines
}
