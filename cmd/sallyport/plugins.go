package main

import (
	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

// pluginStatus is what the admin API shows of the plugins: one entry for each that is loaded, also if several have one name and
// different settings.
func pluginStatus(s *engine.Snapshot) []admin.Plugin {
	var out []admin.Plugin
	mask := secretMask()
	for _, p := range s.Plugins() {
		a := admin.Plugin{
			Name: p.Info.Manifest.Name, Version: p.Info.Manifest.Version, Module: p.Info.Module, Calls: p.Stats.Calls, Ejected: mask("", p.Info.Ejected),
			Lowered: p.Info.Lowered,
		}
		for _, n := range p.Stats.Failures {
			a.Failures += n
		}
		for _, c := range p.Info.Ungranted {
			a.Withheld = append(a.Withheld, c.String())
		}
		out = append(out, a)
	}
	return out
}

// pluginMetrics adds up what is loaded under one name.
func pluginMetrics(s *engine.Snapshot) []telemetry.Plugin {
	var out []telemetry.Plugin
	at := map[string]int{}
	for _, p := range s.Plugins() {
		name := p.Info.Manifest.Name
		i, ok := at[name]
		if !ok {
			i, at[name] = len(out), len(out)
			out = append(out, telemetry.Plugin{Name: name, Verdicts: map[string]uint64{}, Failures: map[string]uint64{}})
		}
		m := &out[i]
		for v, n := range p.Stats.Verdicts {
			m.Verdicts[v.String()] += n
		}
		for f, n := range p.Stats.Failures {
			m.Failures[string(f)] += n
		}
		m.Seconds += p.Stats.Time.Seconds()
		m.Fuel += p.Stats.Fuel
		m.Memory = max(m.Memory, p.Stats.Memory)
		m.Instances += p.Stats.Instances
		m.Ejected = m.Ejected || p.Stats.Ejected
	}
	return out
}
