package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report is what was measured.
type report struct {
	plan    *plan
	started time.Time
	load    string
	rows    [][][ways]cost // by number of policies, contender and way
}

// text is a table, and what the goals say of it.
func (r *report) text() string {
	w := new(strings.Builder)
	fmt.Fprintf(w, "%s, %d cores, load average %s before and %s after, %d s. CPU time of one decision in microseconds (allocations).\n\n",
		runtime.Version(), runtime.NumCPU(), r.load, loadAverage(), int(time.Since(r.started).Seconds()))
	fmt.Fprint(w, "| policies | arguments |")
	for _, c := range contenders {
		fmt.Fprintf(w, " %s |", c.name)
	}
	fmt.Fprintf(w, "\n|--:|---|%s\n", strings.Repeat("--:|", len(contenders)))
	for i, row := range r.rows {
		for way, name := range []string{"bytes", "decoded"} {
			fmt.Fprintf(w, "| %d | %s |", r.plan.sizes[i], name)
			for _, c := range row {
				fmt.Fprintf(w, " %s (%.0f) |", micros(median(c[way].cpu)), c[way].allocs)
			}
			fmt.Fprintln(w)
		}
	}
	if r.plan.goals {
		r.goals(w)
	}
	return w.String()
}

func micros(ns float64) string {
	switch us := ns / 1000; {
	case us < 10:
		return fmt.Sprintf("%.2f", us)
	case us < 100:
		return fmt.Sprintf("%.1f", us)
	default:
		return fmt.Sprintf("%.0f", us)
	}
}

// goals compares the measured with what is wanted, at the last size but one, and of growth between the second and the last.
func (r *report) goals(w *strings.Builder) {
	sizes, last := r.plan.sizes, len(r.rows)-1
	few, many, most := r.rows[1][0], r.rows[last-1], r.rows[last][0]
	fmt.Fprintln(w)
	said := func(met bool, format string, args ...any) {
		verdict := "met"
		if !met {
			verdict = "MISSED"
		}
		fmt.Fprintf(w, "- "+format+": %s\n", append(args, verdict)...)
	}
	us, allocs := median(many[0][decoded].p50)/1000, many[0][decoded].allocs
	said(us <= 1, "%d rules of which 3 apply, scanned bytes: p50 %.2f us (at most 1)", sizes[last-1], us)
	said(allocs <= 2, "the same: %.1f allocations (at most 2)", allocs)
	growth := median(most[decoded].p50) / median(few[decoded].p50)
	said(growth <= 1.3, "p50 from %d to %d rules: %.2f times (at most 1.3)", sizes[1], sizes[last], growth)
	for i, want := range []float64{0, 30, 30, 100} {
		if want > 0 {
			times := ratio(many[i][fromBytes].cpu, many[0][fromBytes].cpu)
			said(times >= want, "%s takes %.0f times as long at %d policies, from bytes (at least %.0f)", contenders[i].name, times, sizes[last-1], want)
		}
	}
}

// ratio is the median of the ratios inside a cycle.
func ratio(a, b []float64) float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return median(all)
}

// loadAverage is the machine's over the last minute, "unknown" where there is no /proc.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
