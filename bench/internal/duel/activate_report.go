package duel

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// WriteTable writes the figures as one Markdown table.
func (a *Activations) WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| load | target | activations | ms [quartiles] | p50 µs before | meanwhile | p99 µs before | meanwhile | × [quartiles] | nothing replaced × | second after × | all: meanwhile × | nothing replaced × | errors |\n")
	b.WriteString("|---|---|--:|---|--:|--:|--:|--:|---|---|---|--:|--:|--:|\n")
	for _, l := range a.loads {
		for _, t := range a.targets {
			s, still := a.series[cell{l.Name, t}], a.still[cell{l.Name, t}]
			ms, beside, none, then := s.took(), s.against(busy), still.against(busy), s.against(fresh)
			all := func(part int, q float64) float64 { return percentile(s.calls[part], q) }
			fmt.Fprintf(&b, "| %s | %s | %d | %.0f [%.0f-%.0f] | %.0f | %.0f | %.0f | %.0f | %.2f [%.2f-%.2f] | %.2f [%.2f-%.2f] | %.2f [%.2f-%.2f] | %.2f | %.2f | %d |\n",
				l.Name, filepath.Base(t), len(s.all), ms.mid, ms.low, ms.high, all(quiet, 0.5), all(busy, 0.5), all(quiet, 0.99), all(busy, 0.99),
				beside.mid, beside.low, beside.high, none.mid, none.low, none.high, then.mid, then.low, then.high,
				ratio(all(busy, 0.99), all(quiet, 0.99)), ratio(percentile(still.calls[busy], 0.99), percentile(still.calls[quiet], 0.99)),
				s.errors.Count()+still.errors.Count())
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Errors says what was not answered right; none is the only good result.
func (a *Activations) Errors() []string {
	var lines []string
	for _, l := range a.loads {
		for _, t := range a.targets {
			for _, s := range []*swaps{a.series[cell{l.Name, t}], a.still[cell{l.Name, t}]} {
				if s.errors.Count() > 0 {
					lines = append(lines, fmt.Sprintf("%s, %s: %v", l.Name, t, s.errors))
				}
			}
		}
	}
	return lines
}

// took is in ms.
func (s *swaps) took() spread {
	var v []float64
	for _, x := range s.all {
		v = append(v, float64(x.took)/1e6)
	}
	return spreadOf(v)
}

// against compares the p99 of a part with that before, activation by activation.
func (s *swaps) against(part int) spread {
	var v []float64
	for _, x := range s.all {
		v = append(v, ratio(x.p99[part], x.p99[quiet]))
	}
	return spreadOf(v)
}

// The goals, where calls come at a rate that leaves room.
const (
	goalTook = 1500 // ms
	goalP99  = 1.2  // times that before
)

// Missed lists the goals that were not reached.
func (a *Activations) Missed() []string {
	var lines []string
	for _, l := range a.loads {
		for _, t := range a.targets {
			s := a.series[cell{l.Name, t}]
			if ms := s.took().mid; ms > goalTook {
				lines = append(lines, fmt.Sprintf("%s, %s: an activation takes %.0f ms, the goal is %d", l.Name, t, ms, goalTook))
			}
			if x := s.against(busy).mid; l.Rate > 0 && x > goalP99 {
				lines = append(lines, fmt.Sprintf("%s, %s: p99 meanwhile is %.2f times that before, the goal is %v", l.Name, t, x, goalP99))
			}
		}
	}
	return lines
}
