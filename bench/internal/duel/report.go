package duel

import (
	"fmt"
	"io"
	"strings"
)

// Report is what a run measured.
type Report struct {
	options Options
	idle    map[string]int64
	series  map[cell]*series
}

// cell names a row: a target under a load.
type cell struct{ load, target string }

// figures is what one row shows beside its base.
type figures struct {
	rate, rateRatio spread // rate 1/s; × base
	p50, p50More    spread // µs; µs above base
	p99, p99Ratio   spread // µs; × base
	cpu, cpuMore    spread // µs for each request; µs above base
	idle, loaded    float64
	peer            string // the fastest of the other gateways; "" = none was measured
	peerRatio       spread // × its rate
}

// baseOf is what a target is held to: the gateway with a plugin to the gateway without, all servers to one of them.
func baseOf(target string) string {
	switch target {
	case SallyportPlugin:
		return Sallyport10
	case SallyportOne, SallyportAll:
		return SallyportOne
	}
	return Bare
}

func (r *Report) figures(c cell) figures {
	s := r.series[c]
	base := r.series[cell{c.load, baseOf(c.target)}]
	if base == nil {
		base = &series{}
	}
	peer, peerRatio := r.bestPeer(c)
	return figures{
		peer:      peer,
		peerRatio: peerRatio,
		rate:      spreadOf(column(s, func(x sample) float64 { return x.rate })),
		rateRatio: versus(s, base, func(a, b sample) float64 { return ratio(a.rate, b.rate) }),
		p50:       spreadOf(column(s, func(x sample) float64 { return x.p50 })),
		p50More:   versus(s, base, func(a, b sample) float64 { return a.p50 - b.p50 }),
		p99:       spreadOf(column(s, func(x sample) float64 { return x.p99 })),
		p99Ratio:  versus(s, base, func(a, b sample) float64 { return ratio(a.p99, b.p99) }),
		cpu:       spreadOf(column(s, func(x sample) float64 { return x.cpu })),
		cpuMore:   versus(s, base, func(a, b sample) float64 { return a.cpu - b.cpu }),
		idle:      mebibytes(r.idle[c.target]),
		loaded:    mebibytes(s.loaded),
	}
}

// bestPeer names the other gateway that c's target leaves behind least, and says
// how far.
func (r *Report) bestPeer(c cell) (string, spread) {
	name, least := "", spread{}
	for _, t := range r.options.Targets {
		s := r.series[cell{c.load, t}]
		if peers[t] == nil || t == c.target || s == nil {
			continue
		}
		by := versus(r.series[c], s, func(a, b sample) float64 { return ratio(a.rate, b.rate) })
		if name == "" || by.mid < least.mid {
			name, least = t, by
		}
	}
	return name, least
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// WriteTable writes the figures as one Markdown table. A goal stands beside its
// figure in parentheses, with an exclamation mark when it is missed.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| load | target | req/s | × base [quartiles] | p50 µs | + µs | p99 µs | × base | CPU µs/req | + µs | RSS MiB idle | loaded | errors |\n")
	b.WriteString("|---|---|--:|---|--:|---|--:|---|--:|---|---|--:|--:|\n")
	for _, l := range r.options.Loads {
		for _, t := range r.options.Targets {
			r.writeRow(&b, cell{l.Name, t})
		}
	}
	for _, l := range r.options.Loads {
		r.writeBestPeer(&b, cell{l.Name, Sallyport100})
		r.writeRemembered(&b, l.Name)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeBestPeer says how the gateway stands to the best of the others.
func (r *Report) writeBestPeer(b *strings.Builder, c cell) {
	if r.series[c] == nil {
		return
	}
	if f := r.figures(c); f.peer != "" {
		fmt.Fprintf(b, "\n%s: %s has %.1f [%.1f-%.1f] times the throughput of %s, the best of the other gateways%s\n",
			c.load, c.target, f.peerRatio.mid, f.peerRatio.low, f.peerRatio.high, f.peer, mark(c, besidePeers, f))
	}
}

func (r *Report) writeRow(b *strings.Builder, c cell) {
	f, s := r.figures(c), r.series[c]
	fmt.Fprintf(b, "| %s | %s | %.0f | %.2f [%.2f-%.2f]%s | %.0f%s | %+.0f%s | %.0f | %.2f%s |",
		c.load, c.target, f.rate.mid, f.rateRatio.mid, f.rateRatio.low, f.rateRatio.high, mark(c, "throughput", f),
		f.p50.mid, mark(c, wholeP50, f), f.p50More.mid, mark(c, "p50", f), f.p99.mid, f.p99Ratio.mid, mark(c, "p99", f))
	if c.target == Direct {
		fmt.Fprintf(b, " - | - | - | - | %d |\n", s.errors.Count())
		return
	}
	fmt.Fprintf(b, " %.1f | %+.1f%s | %.0f%s | %.0f | %d |\n",
		f.cpu.mid, f.cpuMore.mid, mark(c, "CPU", f), f.idle, mark(c, "idle RSS", f), f.loaded, s.errors.Count())
}

// Errors lists every row that got anything but right answers; none is the only
// good result.
func (r *Report) Errors() []string {
	var lines []string
	for _, l := range r.options.Loads {
		for _, t := range r.options.Targets {
			if e := r.series[cell{l.Name, t}].errors; e.Count() > 0 {
				lines = append(lines, fmt.Sprintf("%s, %s: %v", l.Name, t, e))
			}
			if wrong := r.series[cell{l.Name, t}].looked.wrong(t); wrong != "" {
				lines = append(lines, fmt.Sprintf("%s, %s: %s", l.Name, t, wrong))
			}
		}
	}
	return lines
}
