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
	longest  = time.Minute             // for policies to be replaced
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
	still   map[cell]*swaps // as long times in which nothing was replaced: what their quotients are off 1 is the machine's doing
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
// before, meanwhile and after. As often it replaces nothing.
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
	a := &Activations{targets: o.Targets, series: map[cell]*swaps{}, still: map[cell]*swaps{}}
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
	a.loads = slices.DeleteFunc(a.loads, func(l Load) bool { return !strings.Contains(l.Name, o.Only) })
	for i, l := range a.loads {
		if _, err := fmt.Fprintf(log, "duel: %s: %d activations of %v\n", l.Name, o.Cycles, o.Targets); err != nil {
			return nil, err
		}
		for cycle := range o.Cycles {
			if err := a.cycle(ctx, l, f.targets, pools, i*o.Cycles+cycle+1); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

// cycle measures one activation of each target.
func (a *Activations) cycle(ctx context.Context, l Load, targets []*target, pools map[string]*load.Pool, round int) error {
	for _, i := range rand.Perm(len(targets)) {
		t := targets[i]
		if t.policies == "" {
			return fmt.Errorf("%s has no policies to replace", t.name)
		}
		key := cell{l.Name, t.name}
		windows := []func() error{
			func() error {
				return take(of(a.series, key), l, pools[t.name], func() (from, to time.Time, err error) { return t.replace(ctx, round) })
			},
			func() error {
				return take(of(a.still, key), l, pools[t.name], func() (from, to time.Time, err error) {
					from = time.Now()
					time.Sleep(of(a.series, key).last())
					return from, time.Now(), ctx.Err()
				})
			},
		}
		for _, i := range rand.Perm(len(windows)) {
			if err := windows[i](); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	return nil
}

func of(m map[cell]*swaps, key cell) *swaps {
	if m[key] == nil {
		m[key] = &swaps{}
	}
	return m[key]
}

// last is how long the last activation took, or about, if there was none.
func (s *swaps) last() time.Duration {
	if len(s.all) == 0 {
		return time.Second
	}
	return s.all[len(s.all)-1].took
}

// take measures calls around what replace does.
func take(s *swaps, l Load, p *load.Pool, replace func() (from, to time.Time, err error)) error {
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
	from, to, err := replace()
	if err == nil {
		time.Sleep(after)
	}
	close(stop)
	<-done
	if err != nil {
		return err
	}
	s.add(calls, wrong, from, to)
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
