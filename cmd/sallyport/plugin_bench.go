package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/enginetest"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

type pluginBench struct {
	Dir    string        `arg:"" help:"The plugin's directory, or a file of cases."`
	Time   time.Duration `default:"1s" help:"How long to measure each plugin."`
	Output string        `short:"o" enum:"text,json" default:"text" help:"How to report: text or json."`
}

// measure is what was measured of a plugin as one rule has configured it.
type measure struct {
	Plugin   string  `json:"plugin"`
	Version  string  `json:"version"`
	Module   string  `json:"module"`
	Rule     string  `json:"rule"`
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
	host, err := wasm.New(wasm.Options{EjectFailures: -1})
	if err != nil {
		return err
	}
	defer host.Close() //nolint:errcheck // the command ends
	all := []measure{}
	for _, s := range suites {
		some, err := c.suite(p, host, s)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		return failf(exitFailed, "%s: no case has a message for a plugin", c.Dir)
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

// suite measures the plugins that the policies of a suite call, each on the messages that it has a hook for.
func (c pluginBench) suite(p *process, host *wasm.Host, s *enginetest.Suite) (out []measure, err error) {
	b, err := s.Bundle()
	if err != nil {
		return nil, err
	}
	modules := map[string][]byte{}
	for _, f := range b.Modules {
		info, err := wasm.Inspect(f.Content)
		if err != nil {
			return nil, unfit(f.Path, err)
		}
		modules[info.Manifest.Name] = f.Content
	}
	for _, set := range b.Policies {
		for i := range set.Rules {
			r := &set.Rules[i]
			if r.Plugin == "" || modules[r.Plugin] == nil {
				continue
			}
			m, err := c.rule(p, host, modules[r.Plugin], r, s.Requests())
			if err != nil {
				return nil, err
			}
			if m != nil {
				m.Rule = set.ID(r)
				out = append(out, *m)
			}
		}
	}
	return out, nil
}

// warm is how often a message is given before it counts.
const warm = 20

// rule measures the plugin of a rule; nil if there is no message for it.
func (c pluginBench) rule(p *process, host *wasm.Host, module []byte, r *policy.Rule, requests []*engine.Request) (*measure, error) {
	begin := p.now()
	plugin, err := host.Load(p.ctx, module, wasm.Config{Settings: r.Config, CheckSettings: source.CheckJSON})
	if err != nil {
		return nil, unfit(r.Plugin, err)
	}
	defer plugin.Close()
	m := &measure{Plugin: r.Plugin, Version: plugin.Info().Manifest.Version, Module: plugin.Info().Module, LoadMS: float64(p.now().Sub(begin)) / 1e6}
	requests = slices.DeleteFunc(slices.Clone(requests), func(q *engine.Request) bool {
		return q.Phase != r.Phase || !slices.Contains(plugin.Info().Manifest.Hooks, hookOf(q))
	})
	if m.Messages = len(requests); m.Messages == 0 {
		return nil, nil //nolint:nilnil // there is nothing to measure
	}
	var times []time.Duration
	var fuel []int64
	var result wasm.Result
	for round := 0; round < warm || p.now().Sub(begin) < c.Time; round++ {
		for _, q := range requests {
			var message wasm.Message
			showTo(&message, q)
			plugin.Call(p.ctx, &wasm.Call{Hook: hookOf(q), Message: &message}, &result)
			if round < warm {
				begin = p.now()
				continue
			}
			times, fuel = append(times, result.Time), append(fuel, result.Fuel)
			if result.Failure.Type != "" {
				m.Failed++
			}
		}
		if err := p.ctx.Err(); err != nil {
			return nil, err
		}
	}
	slices.Sort(times)
	slices.Sort(fuel)
	at := func(percent int) float64 { return float64(times[(len(times)-1)*percent/100]) / 1e3 }
	m.Calls, m.P50, m.P90, m.P99 = len(times), at(50), at(90), at(99)
	m.FuelP50, m.FuelMax, m.Memory = fuel[len(fuel)/2], fuel[len(fuel)-1], plugin.Stats().Memory
	return m, nil
}

func (m *measure) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s %s, by %s: %d calls of %d messages, %d failed\n"+
		"  time    p50 %.1f µs, p90 %.1f µs, p99 %.1f µs\n"+
		"  fuel    p50 %d, at most %d units\n"+
		"  memory  %d KiB\n"+
		"  load    %.0f ms\n",
		m.Plugin, m.Version, m.Rule, m.Calls, m.Messages, m.Failed, m.P50, m.P90, m.P99, m.FuelP50, m.FuelMax, m.Memory>>10, m.LoadMS)
	return err
}
