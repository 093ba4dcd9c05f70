// Package duel compares a gateway with the bare proxy on a machine that has other
// things to do.
//
// All programs run at once, but only one gets load at a time: short slices, in an
// order that is shuffled every cycle. Every ratio is taken inside one cycle, so
// that a neighbour's load hits numerator and denominator alike, and every figure
// shown is a median over cycles.
package duel

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/load"
	"github.com/sallyport-dev/sallyport/bench/internal/proc"
	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

// Load is a way to send the workload.
type Load struct {
	Name  string
	Era   workload.Era
	Size  int     // bytes of a request
	Conns int     // connections
	Rate  float64 // requests a second; 0 = as fast as they are answered
	List  bool    // tools/list is asked for, of targets before a federation
}

// Loads is what the figures are about, and the modern era beside it.
func Loads() []Load {
	return []Load{
		{Name: "1 KiB, c=16", Era: workload.EraLegacy, Size: 1 << 10, Conns: 16},
		{Name: "1 KiB, c=64", Era: workload.EraLegacy, Size: 1 << 10, Conns: 64},
		{Name: "1 KiB, c=16, modern", Era: workload.EraModern, Size: 1 << 10, Conns: 16},
		{Name: "16 KiB, c=16", Era: workload.EraLegacy, Size: 16 << 10, Conns: 16},
		{Name: "1 KiB, 1000/s", Era: workload.EraLegacy, Size: 1 << 10, Conns: 32, Rate: 1000},
	}
}

// FederationLoads are the loads of targets before a federation.
func FederationLoads() []Load {
	return []Load{
		{Name: "1 KiB, c=16", Era: workload.EraLegacy, Size: 1 << 10, Conns: 16},
		{Name: "1 KiB, c=16, modern", Era: workload.EraModern, Size: 1 << 10, Conns: 16},
		{Name: "tools/list, c=1", Era: workload.EraModern, List: true, Conns: 1},
	}
}

// CacheLoads are the loads of targets that are asked the same again and again.
func CacheLoads() []Load { return Loads()[:3] }

// Options says how long to measure what. All fields must be set, but for those
// whose zero is named.
type Options struct {
	Targets []string // targets, in the order shown; a gateway's may be followed by = and the path of another binary than Binary
	Loads   []Load
	Only    string        // a part of the names of Activate's loads, of which others are left out
	Cycles  int           // slices for each target and load
	Slice   time.Duration // of a closed loop; an open loop's are three times as long
	Warmup  time.Duration // before the first slice of each load
	Binary  string        // a built gateway; "" builds the one of this module
	Peers   string        // where bench/gateways/install put the other gateways; "" when none is a target
	SSE     bool          // the upstream answers with event streams
	Dir     string        // for binaries, configuration and logs
}

// The targets.
const (
	Direct        = "direct"
	Bare          = "bare"
	Sallyport10   = "sallyport-10"
	Sallyport100  = "sallyport-100"
	Sallyport1000 = "sallyport-1000"
	// SallyportPlugin has 10 rules, and one more with a plugin that reads three fields of every call.
	SallyportPlugin = "sallyport-plugin"
	// SallyportOne has 100 rules before a federation, and is asked for one of its servers; SallyportAll for all of them as one.
	SallyportOne = "sallyport-one-of-50"
	SallyportAll = "sallyport-all-50"
	// SallyportRego has 10 rules, and one more with a costly plugin that reads three fields: each call repeats what was decided before.
	// SallyportRegoAsked is the same without a decision cache, so that each call asks the plugin.
	SallyportRego      = "sallyport-rego"
	SallyportRegoAsked = "sallyport-rego-uncached"
)

// sample is what one slice gave.
type sample struct {
	rate, p50, p99 float64 // 1/s, µs
	cpu            float64 // µs of the target for each request; 0 for direct
}

// series is what all slices of one target under one load gave.
type series struct {
	samples []sample
	errors  load.Errors
	loaded  int64 // bytes resident after the last slice
	looked  looks // in the decision cache, in all cycles
}

// Run starts the programs, measures, stops them, and returns what was measured.
// Progress goes to log. An error means that there is nothing to report.
func Run(ctx context.Context, o Options, log io.Writer) (*Report, error) {
	bin, err := build(ctx, o, log)
	if err != nil {
		return nil, err
	}
	f, err := start(ctx, o, bin)
	if err != nil {
		return nil, err
	}
	defer f.stop()
	r := &Report{options: o, idle: map[string]int64{}, series: map[cell]*series{}}
	for _, t := range f.targets {
		r.idle[t.name] = t.idle
	}
	for _, l := range o.Loads {
		if _, err := fmt.Fprintf(log, "duel: %s: %d cycles over %v\n", l.Name, o.Cycles, o.Targets); err != nil {
			return nil, err
		}
		if err := r.measure(ctx, l, f.targets); err != nil {
			return nil, fmt.Errorf("%s: %w", l.Name, err)
		}
	}
	return r, nil
}

// measure runs all cycles of one load.
func (r *Report) measure(ctx context.Context, l Load, targets []*target) error {
	o := r.options
	slice := o.Slice
	if l.Rate > 0 {
		slice *= 3
	}
	pools := map[string]*load.Pool{}
	for _, t := range targets {
		to := load.Options{URL: t.url, Era: l.Era, Size: l.Size, Conns: l.Conns, Tool: t.tool, Rewritten: t.foreign}
		if l.List {
			to.Lists = t.tools
		}
		p, err := load.Open(to)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		defer p.Close()
		pools[t.name] = p
		s := &series{errors: p.Run(o.Warmup, l.Rate).Errors}
		r.series[cell{l.Name, t.name}] = s
	}
	if err := r.look(ctx, l, targets, looks.minus); err != nil {
		return err
	}
	for range o.Cycles {
		for _, i := range rand.Perm(len(targets)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			t := targets[i]
			if err := r.series[cell{l.Name, t.name}].take(pools[t.name], t, slice, l.Rate); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	return r.look(ctx, l, targets, looks.plus)
}

// take measures one slice. A sixth of a slice goes before it, uncounted but for
// its errors, to wake what slept while others were measured.
func (s *series) take(p *load.Pool, t *target, d time.Duration, rate float64) error {
	s.errors.Merge(p.Run(d/6, rate).Errors)
	before, err := t.cpu()
	if err != nil {
		return err
	}
	res := p.Run(d, rate)
	after, err := t.cpu()
	if err != nil {
		return err
	}
	s.errors.Merge(res.Errors)
	n := float64(max(res.Latency.Count(), 1))
	s.samples = append(s.samples, sample{
		rate: res.Rate(),
		p50:  float64(res.Latency.Quantile(0.5)) / 1e3,
		p99:  float64(res.Latency.Quantile(0.99)) / 1e3,
		cpu:  float64((after - before).Nanoseconds()) / 1e3 / n,
	})
	if t.pid != 0 {
		s.loaded, err = proc.RSS(t.pid)
	}
	return err
}
