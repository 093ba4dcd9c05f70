package hostapi

import (
	"fmt"
	"maps"
	"slices"
)

// Rego says how a module that OPA has compiled is asked. Such a module exports no hooks; docs/rego.md
// has what it gets and what its answers mean.
type Rego struct {
	// Entrypoints has, for each hook of the manifest, the entrypoint that decides, such as
	// authz/decision.
	Entrypoints map[Hook]string
	// Clock lets it call time.now_ns, which is then the time of the decision.
	Clock bool
}

type wireRego struct {
	Entrypoints map[string]string `json:"entrypoints"`
	Clock       bool              `json:"clock,omitempty"`
}

func (r *Rego) wire() *wireRego {
	if r == nil {
		return nil
	}
	w := wireRego{map[string]string{}, r.Clock}
	for h, name := range r.Entrypoints {
		w.Entrypoints[h.String()] = name
	}
	return &w
}

func (d *decoder) rego(where string, n *node) {
	r := &Rego{Entrypoints: map[Hook]string{}}
	d.manifest.Rego = r
	d.object(where, n, []string{"entrypoints"}, map[string]func(string, *node){
		"clock": func(where string, n *node) { r.Clock = d.boolean(where, n) },
		"entrypoints": func(where string, n *node) {
			if n.kind != KindObject {
				d.wrong(where, "an object")
				return
			}
			for i := range n.members {
				m := &n.members[i]
				h, ok := ParseHook(m.name)
				if !ok {
					d.mistakes.add(where+"."+brief(m.name), "not a hook", hooksFix)
					continue
				}
				r.Entrypoints[h] = d.text(where+"."+m.name, &m.value)
			}
		},
	})
}

// checkRego checks what holds for modules that OPA has compiled only.
func (m *Manifest) checkRego(ms *mistakes) {
	r := m.Rego
	if r == nil {
		return
	}
	for _, h := range m.Hooks {
		if name := r.Entrypoints[h]; name == "" || len(name) > LimitTextBytes {
			ms.add("rego.entrypoints", fmt.Sprintf("no entrypoint for the hook %v", h), "name one that the module was built with, such as authz/decision")
		}
	}
	for _, h := range slices.Sorted(maps.Keys(r.Entrypoints)) {
		if !slices.Contains(m.Hooks, h) {
			ms.add("rego.entrypoints."+h.String(), "the plugin does not have this hook", "add it to hooks, or remove the entrypoint")
		}
		for i, p := range m.Reads[h] {
			if slices.ContainsFunc(p.Segments(), func(s Segment) bool { return s.Kind == SegmentIndex }) {
				ms.add(at("reads."+h.String(), i), brief(p.String())+" is one element of an array", "read the whole array: it is an array in input as well")
			}
		}
	}
	if len(m.Strings) > 0 {
		ms.add("strings", "a module of Rego enumerates no strings", "put the paths into reads")
	}
	if len(m.Capabilities) > 0 {
		ms.add("capabilities", "a module of Rego has no use for any", "remove them")
	}
	if r.Clock && m.Deterministic {
		ms.add("rego.clock", "a plugin that looks at the time is not deterministic", "remove one of the two")
	}
}
