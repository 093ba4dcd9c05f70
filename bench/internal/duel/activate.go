package duel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/load"
	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

// SallyportSwap is the gateway with a thousand rules and six plugins that are replaced under load.
const SallyportSwap = "sallyport-swap"

const (
	before   = 1500 * time.Millisecond // of calls, before policies are replaced
	after    = time.Second             // of calls, after
	longest  = 30 * time.Second        // for policies to be replaced
	look     = 2 * time.Millisecond    // between two looks whether they are
	conns    = 16
	someRoom = 0.3 // of what the gateway can answer
)

// The parts of an activation.
const (
	quiet = iota // before
	busy         // while policies are compiled and put in the place of the others
	fresh        // the first second after
	parts
)

// Activations is what calls noticed of policies that were replaced.
type Activations struct {
	loads   []Load
	targets []string
	series  map[cell]*swaps
}

// swaps are the activations of one target under one load.
type swaps struct {
	all    []swap
	calls  [parts][]time.Duration
	errors load.Errors
}

// swap is one activation.
type swap struct {
	took time.Duration
	p99  [parts]float64 // µs
}

// Activate replaces the policies of every target again and again, o.Cycles times under each load, and compares the latency of calls
// before, meanwhile and after.
func Activate(ctx context.Context, o Options, log io.Writer) (*Activations, error) {
	bin, err := build(ctx, o, log)
	if err != nil {
		return nil, err
	}
	f, err := start(ctx, o, bin)
	if err != nil {
		return nil, err
	}
	defer f.stop()
	a := &Activations{targets: o.Targets, series: map[cell]*swaps{}}
	pools := map[string]*load.Pool{}
	for _, t := range f.targets {
		p, err := load.Open(load.Options{URL: t.url, Era: workload.EraLegacy, Size: 1 << 10, Conns: conns})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		defer p.Close()
		pools[t.name] = p
		p.Run(o.Warmup, 0)
	}
	most := pools[o.Targets[0]].Run(o.Warmup, 0).Rate()
	a.loads = []Load{
		{Name: "1000/s", Rate: 1000},
		{Name: fmt.Sprintf("%.0f %% of %.0f/s", 100*someRoom, most), Rate: someRoom * most},
		{Name: fmt.Sprintf("closed loop, c=%d", conns)},
	}
	round := 0
	for _, l := range a.loads {
		if _, err := fmt.Fprintf(log, "duel: %s: %d activations of %v\n", l.Name, o.Cycles, o.Targets); err != nil {
			return nil, err
		}
		for range o.Cycles {
			round++
			for _, i := range rand.Perm(len(f.targets)) {
				if err := a.take(ctx, l, f.targets[i], pools[f.targets[i].name], round); err != nil {
					return nil, fmt.Errorf("%s: %w", f.targets[i].name, err)
				}
			}
		}
	}
	return a, nil
}

// take measures one activation.
func (a *Activations) take(ctx context.Context, l Load, t *target, p *load.Pool, round int) error {
	p.Run(200*time.Millisecond, l.Rate) // wakes what slept while others were measured
	stop := make(chan struct{})
	var calls []load.Call
	var wrong load.Errors
	done := make(chan struct{})
	go func() {
		defer close(done)
		calls, wrong = p.Record(stop, l.Rate)
	}()
	time.Sleep(before)
	from, to, err := t.replace(ctx, round)
	if err == nil {
		time.Sleep(after)
	}
	close(stop)
	<-done
	if err != nil {
		return err
	}
	key := cell{l.Name, t.name}
	if a.series[key] == nil {
		a.series[key] = &swaps{}
	}
	a.series[key].add(calls, wrong, from, to)
	return nil
}

// add tells the calls apart that were under way while policies were replaced, which was from one time to another.
func (s *swaps) add(calls []load.Call, wrong load.Errors, from, to time.Time) {
	var of [parts][]time.Duration
	for _, c := range calls {
		part := quiet
		switch {
		case c.Due.After(to):
			part = fresh
		case c.End().After(from):
			part = busy
		}
		of[part] = append(of[part], c.Took)
	}
	sw := swap{took: to.Sub(from)}
	for i := range of {
		sw.p99[i] = percentile(of[i], 0.99)
		s.calls[i] = append(s.calls[i], of[i]...)
	}
	s.all = append(s.all, sw)
	s.errors.Merge(wrong)
}

// percentile is in µs.
func percentile(of []time.Duration, q float64) float64 {
	values := make([]float64, len(of))
	for i, d := range of {
		values[i] = float64(d) / 1e3
	}
	slices.Sort(values)
	return quantile(values, q)
}

var reloaded = regexp.MustCompile(`"took":"([^"]+)","message":"reloaded"`)

// replace gives the gateway the policies of another round, and returns from when to when it took them in: what goes before, until it
// looks at files that are written no more, costs nobody anything.
func (t *target) replace(ctx context.Context, round int) (from, to time.Time, err error) {
	said, err := os.Open(t.log)
	if err != nil {
		return from, to, err
	}
	defer said.Close() //nolint:errcheck // only read
	if _, err := said.Seek(0, io.SeekEnd); err != nil {
		return from, to, err
	}
	if err := writePolicies(t.policies, round); err != nil {
		return from, to, err
	}
	var text bytes.Buffer
	for end := time.Now().Add(longest); ; time.Sleep(look) {
		if _, err := io.Copy(&text, said); err != nil {
			return from, to, err
		}
		if m := reloaded.FindSubmatch(text.Bytes()); m != nil {
			to = time.Now()
			took, err := time.ParseDuration(string(m[1]))
			return to.Add(-took), to, err
		}
		if err := ctx.Err(); err != nil {
			return from, to, err
		}
		if time.Now().After(end) || strings.Contains(text.String(), "reload failed") {
			return from, to, errors.New("the policies were not taken; it said:\n" + text.String())
		}
	}
}

// writePolicies puts the files of a round in the place of those that are there.
func writePolicies(dir string, round int) error {
	for name, text := range workload.SwapPolicies(round) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
			return err
		}
		if err := os.Rename(file+".new", file); err != nil {
			return err
		}
	}
	return nil
}

// WriteTable writes the figures as one Markdown table.
func (a *Activations) WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| load | target | activations | ms [quartiles] | p50 µs before | meanwhile | p99 µs before | meanwhile | × [quartiles] | second after × | all: meanwhile × | after × | errors |\n")
	b.WriteString("|---|---|--:|---|--:|--:|--:|--:|---|---|--:|--:|--:|\n")
	for _, l := range a.loads {
		for _, t := range a.targets {
			s := a.series[cell{l.Name, t}]
			var took, meanwhile, later []float64
			for _, x := range s.all {
				took = append(took, float64(x.took)/1e6)
				meanwhile = append(meanwhile, ratio(x.p99[busy], x.p99[quiet]))
				later = append(later, ratio(x.p99[fresh], x.p99[quiet]))
			}
			ms, beside, then := spreadOf(took), spreadOf(meanwhile), spreadOf(later)
			all := func(part int, q float64) float64 { return percentile(s.calls[part], q) }
			fmt.Fprintf(&b, "| %s | %s | %d | %.0f [%.0f-%.0f] | %.0f | %.0f | %.0f | %.0f | %.2f [%.2f-%.2f] | %.2f [%.2f-%.2f] | %.2f | %.2f | %d |\n",
				l.Name, filepath.Base(t), len(s.all), ms.mid, ms.low, ms.high, all(quiet, 0.5), all(busy, 0.5), all(quiet, 0.99), all(busy, 0.99),
				beside.mid, beside.low, beside.high, then.mid, then.low, then.high,
				ratio(all(busy, 0.99), all(quiet, 0.99)), ratio(all(fresh, 0.99), all(quiet, 0.99)), s.errors.Count())
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
			if e := a.series[cell{l.Name, t}].errors; e.Count() > 0 {
				lines = append(lines, fmt.Sprintf("%s, %s: %v", l.Name, t, e))
			}
		}
	}
	return lines
}
