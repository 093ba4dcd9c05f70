package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// Options set the bounds of evaluation and what a bundle is checked against. The zero Options
// are the defaults.
type Options struct {
	// CostLimit is the most that one condition may cost, in CEL cost units; 0 means 50,000.
	CostLimit uint64
	// InputLimit is the largest JSON value, in bytes, that a condition may look into (a
	// string that it reads, a list or object that it compares or iterates); 0 means 64 KiB.
	// Selecting a field of something larger is free.
	InputLimit int
	// Servers are the names of the configured servers. Unless nil, a match.servers that
	// matches none of them is a warning.
	Servers []string
	// Plugins loads the plugins of rules; nil has none, and a rule with a plugin is a mistake. It must be open for as long as the snapshot.
	Plugins *wasm.Host
	// Previous is a snapshot from which everything is taken over that has not changed: conditions, and plugins that were loaded from
	// the same, if Plugins runs them. The new snapshot is the one that would be compiled without it, only sooner, and does not keep it in memory. It must
	// not be closed meanwhile. nil has none.
	Previous *Snapshot
	// Cache is the size of the decision cache in bytes; 0 has none, and less than CacheLeast counts as that. It is made only if there is
	// a rule that it pays for: one that calls a plugin, or whose cost is not bounded by analysis. A snapshot with a cache has two
	// goroutines, which end when it is closed.
	Cache int64
	// Pins says whether servers are held to the bundle's lock of tools, if it has one.
	Pins Pins
	// Lacking may be missing from the bundle: see DecideWith.
	Lacking Lacking
	// Mask hides secrets in all that plugins say: a plugin that reads a secret may repeat it, on purpose or in an error. It is given each
	// text by itself, a note's with its key as the path; nil shows everything. It may be called from several goroutines at once.
	Mask Mask
	// PluginLog gets the lines that a plugin logs in a call, and how many more there were than it may; nil drops them. It may be called from
	// several goroutines at once, and calls wait for it.
	PluginLog func(plugin string, lines []wasm.Line, dropped int)
	// Pause is called between two pieces of the work: before each rule, and before each plugin is read and loaded. Who decides calls on the
	// same machine gives way to them there. nil never does.
	Pause func()
}

func (o *Options) pause() {
	if o.Pause != nil {
		o.Pause()
	}
}

// Snapshot is a compiled bundle. It is immutable and safe for concurrent use; nil denies. One with plugins or a cache is to be closed.
type Snapshot struct {
	revision string
	env      *condition.Env
	phases   [2]*index // request, response
	empty    [2]bool   // there are no rules in the phase
	all      []*rule   // in order
	warnings source.Diagnostics
	plugins  []*plugin
	modules  map[digest]*wasm.Info // of the bundle, for the snapshot after
	given    given
	parts    map[part]*condition.Condition // of its rules, for the snapshot after
	memory   *memory                       // nil: nothing is remembered
	pins     *pins                         // nil: there is no lock
	mask     Mask                          // nil: what plugins say is shown as it is
	log      func(plugin string, lines []wasm.Line, dropped int)
	closed   atomic.Bool
}

// Compile compiles a bundle, which it doesn't change. The error is a source.Diagnostics with every mistake of the bundle, those found
// when it was read included, unless ctx ended or the bundle is nil. It takes about 0.3 ms for each condition that Options.Previous
// doesn't have. Several may run at once.
func Compile(ctx context.Context, b *bundle.Bundle, o Options) (*Snapshot, error) {
	if b == nil {
		return nil, fmt.Errorf("no bundle")
	}
	env, before, err := environment(o, b.Lock != nil)
	if err != nil {
		return nil, err
	}
	c := &compiler{env: env, options: o, before: before, found: slices.Concat(b.Diagnostics, policy.Conflicts(b.Policies)), lock: b.Lock}
	c.checkLock()
	for _, p := range inOrder(b.Policies) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c.policy(p)
	}
	if err := c.load(ctx, b); err != nil {
		c.drop() //nolint:contextcheck // closing is not to be cancelled
		return nil, err
	}
	found := c.found.Sort()
	if found.HasErrors() {
		c.drop() //nolint:contextcheck // likewise
		return nil, found
	}
	all := inOrderOfRules(c.rules)
	memory, err := newMemory(o.Cache, all)
	if err != nil {
		c.drop() //nolint:contextcheck // likewise
		return nil, err
	}
	return &Snapshot{
		memory: memory, pins: newPins(b.Lock, o.Pins), mask: o.Mask, log: o.PluginLog,
		revision: b.Revision, env: env, all: all, warnings: found, plugins: c.plugins, modules: c.modules, given: c.given, parts: c.parts,
		phases: [2]*index{newIndex(c.rules[0]), newIndex(c.rules[1])},
		empty:  [2]bool{len(c.rules[0]) == 0, len(c.rules[1]) == 0},
	}, nil
}

// Revision returns the revision of the bundle; "" for a nil Snapshot.
func (s *Snapshot) Revision() string {
	if s == nil {
		return ""
	}
	return s.revision
}

// HasRules says whether any rule stands in a phase. Without one in the response phase, no response needs to be decided: it is
// allowed, because its call was. A nil Snapshot, which denies, has them.
func (s *Snapshot) HasRules(p Phase) bool { return s == nil || !s.empty[phaseIndex(p)] }

// Rules returns the number of rules.
func (s *Snapshot) Rules() int {
	if s == nil {
		return 0
	}
	return len(s.all)
}

// Warnings returns what Compile found that is likely not what an author meant.
func (s *Snapshot) Warnings() source.Diagnostics {
	if s == nil {
		return nil
	}
	return s.warnings
}

// inOrderOfRules returns the rules of both phases.
func inOrderOfRules(phases [2][]*rule) []*rule {
	all := slices.Concat(phases[0], phases[1])
	slices.SortFunc(all, func(a, b *rule) int { return cmp.Compare(a.order, b.order) })
	return all
}

// inOrder returns the policies in the order of their names, whatever files they came from.
func inOrder(policies []*policy.Policy) []*policy.Policy {
	sorted := slices.Clone(policies)
	slices.SortStableFunc(sorted, func(a, b *policy.Policy) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.File, b.File))
	})
	return sorted
}
