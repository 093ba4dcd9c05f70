package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

type pluginBench struct {
	Dir    string        `arg:"" help:"The plugin's directory, or a file of cases."`
	Time   time.Duration `default:"1s" help:"How long to measure, for each document of cases."`
	Output string        `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

// measure is what was measured of a plugin as one rule has configured it.
type measure struct {
	Plugin   string  `json:"plugin"`
	Version  string  `json:"version"`
	Module   string  `json:"module"`
	Rule     string  `json:"rule"`
	Hook     string  `json:"hook"`
	Messages int     `json:"messages"`
	Calls    int     `json:"calls"`
	Failed   int     `json:"failed"`
	LoadMS   float64 `json:"load_ms"`
	P50      float64 `json:"p50_us"`
	P90      float64 `json:"p90_us"`
	P99      float64 `json:"p99_us"`
	FuelP50  int64   `json:"fuel_p50"`
	FuelMax  int64   `json:"fuel_max"`
	Memory   int     `json:"memory"`
}

func (c pluginBench) Run(p *process) error {
	suites, err := enginetest.Load([]string{c.Dir})
	if err != nil {
		return casesError(err)
	}
	all := []measure{}
	for _, s := range suites {
		some, err := c.suite(p, s)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		return failf(exitFailed, "%s: no case has a message that a plugin is asked about", c.Dir)
	}
	if c.Output == "json" {
		e := json.NewEncoder(p.stdout)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	for i := range all {
		if err := all[i].write(p.stdout); err != nil {
			return err
		}
	}
	return nil
}

// suite measures the plugins that the policies of a suite call, on the messages of its cases: the engine calls them as a gateway's would.
func (c pluginBench) suite(p *process, s *enginetest.Suite) ([]measure, error) {
	b, err := s.Bundle()
	if err != nil {
		return nil, err
	}
	host, err := wasm.New(wasm.Options{EjectFailures: -1}) // cases may want failures
	if err != nil {
		return nil, err
	}
	defer host.Close() //nolint:errcheck // the command ends
	begin := p.now()
	snapshot, err := engine.Compile(p.ctx, b, engine.Options{Plugins: host})
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	bench := &benchmark{load: p.now().Sub(begin), of: map[string]*samples{}}
	for round := 0; round <= warm+1 || p.now().Sub(begin) < c.Time; round++ {
		for i, q := range s.Requests() {
			d := snapshot.Decide(p.ctx, q)
			bench.add(i, &d, round > warm)
		}
		if round == warm {
			begin = p.now()
		}
		if err := p.ctx.Err(); err != nil {
			return nil, err
		}
	}
	return bench.measures(snapshot), nil
}

// warm is how often a message is given before it counts.
const warm = 20

// benchmark gathers what plugins took, by rule and hook.
type benchmark struct {
	load  time.Duration
	order []string
	of    map[string]*samples
}

type samples struct {
	measure

	messages map[int]bool
	times    []time.Duration
	fuel     []int64
}

func (b *benchmark) add(message int, d *engine.Decision, counts bool) {
	for i := range d.Plugins {
		o := &d.Plugins[i]
		key := o.Rule.ID() + " " + o.Hook
		s := b.of[key]
		if s == nil {
			s = &samples{messages: map[int]bool{}}
			s.measure = measure{Plugin: o.Name, Version: o.Version, Module: o.Module, Rule: o.Rule.ID(), Hook: o.Hook}
			b.of[key], b.order = s, append(b.order, key)
		}
		s.messages[message] = true
		if !counts {
			continue
		}
		s.times, s.fuel = append(s.times, o.Time), append(s.fuel, o.Fuel)
		if o.Failure != "" {
			s.Failed++
		}
	}
}

func (b *benchmark) measures(s *engine.Snapshot) []measure {
	memory := map[string]int{}
	for _, p := range s.Plugins() {
		memory[p.Info.Module] = max(memory[p.Info.Module], p.Stats.Memory)
	}
	var out []measure
	for _, key := range b.order {
		s := b.of[key]
		if len(s.times) == 0 {
			continue
		}
		slices.Sort(s.times)
		slices.Sort(s.fuel)
		at := func(percent int) float64 { return float64(s.times[(len(s.times)-1)*percent/100]) / 1e3 }
		m := s.measure
		m.Messages, m.Calls, m.P50, m.P90, m.P99 = len(s.messages), len(s.times), at(50), at(90), at(99)
		m.FuelP50, m.FuelMax = s.fuel[(len(s.fuel)-1)/2], s.fuel[len(s.fuel)-1]
		m.Memory, m.LoadMS = memory[s.Module], float64(b.load)/1e6
		out = append(out, m)
	}
	return out
}

func (m *measure) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s %s, %s by %s: %d calls of %d messages, %d failed\n"+
		"  time    p50 %.1f µs, p90 %.1f µs, p99 %.1f µs\n"+
		"  fuel    p50 %d, at most %d units\n"+
		"  memory  %d KiB\n"+
		"  load    %.0f ms\n",
		m.Plugin, m.Version, m.Hook, m.Rule, m.Calls, m.Messages, m.Failed, m.P50, m.P90, m.P99, m.FuelP50, m.FuelMax, m.Memory>>10, m.LoadMS)
	return err
}
