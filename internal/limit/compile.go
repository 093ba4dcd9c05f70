package limit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// codeLimit is for a limit that can do nothing, or nothing but refuse.
const codeLimit = "SP1202"

// Spec is a limit as a config says it: Count units in every Per, Burst of them at once. Its globs are valid.
type Spec struct {
	Name                                string
	Servers, Methods, Tools, Principals []string    // globs; nil matches everything
	Key, Cost                           source.Text // the zero Text: one key for all calls; 1
	Count                               int64
	Per                                 time.Duration
	Burst                               int64
	Lenient                             bool                            // let calls pass while the store doesn't answer
	At                                  func(path ...string) source.Pos // where a field of it stands
}

// Bounds of a limit. An interval is a whole number of what Valkey's script counts in.
const (
	MinInterval = 10 * time.Microsecond      // between two units: 100,000 in a second
	MaxDepth    = 366 * 24 * time.Hour       // until a burst is full again
	MaxBurst    = 1_000_000_000              // units
	tick        = time.Microsecond / 8       // of the script's clock
	maxCost     = condition.DefaultCostLimit // of computing a key
)

// Limiter holds what limits have counted, over any number of configs. It is safe for concurrent use.
type Limiter struct {
	env    *condition.Env
	store  store
	shared bool // the state is not in this process
	now    func() time.Time
	epoch  time.Time

	mu     sync.Mutex
	states map[string]*state
}

// New makes a Limiter that keeps its state in this process.
func New(now func() time.Time) (*Limiter, error) {
	env, err := condition.New(condition.Options{CostLimit: maxCost})
	if err != nil {
		return nil, err
	}
	epoch := now()
	return &Limiter{env: env, store: &local{epoch: epoch}, now: now, epoch: epoch, states: map[string]*state{}}, nil
}

// Close ends what a store needs. Sets made by l refuse from then on, if their state was in a store.
func (l *Limiter) Close() { l.store.close() }

// Compile makes the Set of the specs. Names are distinct. servers are those that there are.
func (l *Limiter) Compile(specs []Spec, servers []string) (*Set, source.Diagnostics) {
	if len(specs) == 0 {
		return nil, nil
	}
	var ds source.Diagnostics
	s := &Set{env: l.env, store: l.store}
	s.pool.New = func() any { return new(taking) }
	for i := range specs {
		one, found := l.compile(&specs[i], servers)
		ds = append(ds, found...)
		s.limits = append(s.limits, one)
	}
	if ds.HasErrors() {
		return nil, ds
	}
	for _, one := range s.limits {
		one.state = l.state(one.name)
	}
	return s, ds
}

// state finds what was counted under a name.
func (l *Limiter) state(name string) *state {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.states[name]
	if s == nil {
		s = new(state)
		if !l.shared {
			s.table = newTable(maxSlots)
		}
		l.states[name] = s
	}
	return s
}

// Retain forgets the limits that are not in the set.
func (l *Limiter) Retain(s *Set) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.states {
		if s == nil || !slices.ContainsFunc(s.limits, func(one *Limit) bool { return one.name == name }) {
			delete(l.states, name)
		}
	}
}

func (l *Limiter) compile(s *Spec, servers []string) (*Limit, source.Diagnostics) {
	out := &Limit{
		name: s.Name, servers: globs(s.Servers), methods: globs(s.Methods), tools: globs(s.Tools), who: globs(s.Principals),
		bucket:  bucket{interval: intervalOf(s), burst: s.Burst},
		lenient: s.Lenient, requests: s.Methods == nil,
	}
	var ds source.Diagnostics
	out.key, ds = l.expression(s.Key, condition.Keyed, "key")
	cost, found := l.expression(s.Cost, condition.Whole, "cost")
	out.cost, ds = cost, append(ds, found...)
	if s.Tools != nil {
		out.needs |= condition.Tool
	}
	for _, c := range []*condition.Condition{out.key, out.cost} {
		if c != nil {
			out.needs |= c.Subjects()
		}
	}
	if len(ds) == 0 {
		ds = append(ds, l.provable(out, s)...)
	}
	ds = append(ds, out.unknownServers(s, servers)...)
	return out, append(ds, out.reachable(s)...)
}

// intervalOf is the time between two units, in whole ticks.
func intervalOf(s *Spec) int64 {
	ticks := (int64(s.Per)/s.Count + int64(tick)/2) / int64(tick)
	return ticks * int64(tick)
}

// unknownServers warns as of policies' globs that match no server.
func (l *Limit) unknownServers(s *Spec, servers []string) (ds source.Diagnostics) {
	for i, g := range l.servers {
		if slices.ContainsFunc(servers, g.Match) {
			continue
		}
		help := "the servers are: " + strings.Join(servers, ", ")
		if word, ok := source.Suggest(g.String(), servers); ok {
			help = fmt.Sprintf("did you mean `%s`?", word)
		}
		ds = append(ds, s.At("match", "servers", strconv.Itoa(i)).Warn("SP3012", fmt.Sprintf("no server matches `%s`", g), help))
	}
	return ds
}

func globs(patterns []string) (out []policy.Glob) {
	for _, p := range patterns {
		g, err := policy.NameGlob(p)
		if err == nil { // the config has checked it; a zero Glob matches nothing
			out = append(out, g)
		}
	}
	return out
}

// expression compiles a key or a cost.
func (l *Limiter) expression(text source.Text, want condition.Want, what string) (*condition.Condition, source.Diagnostics) {
	if text.IsZero() {
		return nil, nil
	}
	c, ds := l.env.Compile(text, want, l.env.NewVariables(false))
	if c == nil {
		return nil, ds
	}
	if why := c.Impure(); why != "" {
		ds = append(ds, text.Pos().Diagnose(codeLimit, fmt.Sprintf("the %s depends on more than the call and its caller: `%s`", what, why),
			"the same call must have the same "+what+" whenever it is made"))
	}
	return c, ds
}

// provable computes what doesn't depend on the message, as it will be for every call.
func (l *Limiter) provable(out *Limit, s *Spec) source.Diagnostics {
	f := l.env.NewFrame()
	defer f.Close()
	f.Open(context.Background())
	if c := out.key; c != nil && len(c.Reads()) == 0 {
		if _, err := c.AppendKey(nil, f); err != nil {
			return source.Diagnostics{s.Key.Pos().Diagnose(codeLimit, fmt.Sprintf("the key can't be computed: %v", err), "every call would be denied")}
		}
	}
	if c := out.cost; c != nil && len(c.Reads()) == 0 {
		switch n, err := c.Count(f); {
		case err != nil:
			return source.Diagnostics{s.Cost.Pos().Diagnose(codeLimit, fmt.Sprintf("the cost can't be computed: %v", err), "every call would be denied")}
		case n < 1 || n > s.Burst:
			return source.Diagnostics{s.Cost.Pos().Diagnose(codeLimit, fmt.Sprintf("the cost is always %d, but must be between 1 and the burst, %d", n, s.Burst), "")}
		}
	}
	return nil
}

// reachable reports a limit that counts nothing: no method that it names is about what its key, its cost or its tools are about.
func (l *Limit) reachable(s *Spec) source.Diagnostics {
	if s.Methods == nil || l.needs == 0 {
		return nil
	}
	for _, g := range l.methods {
		name, literal := g.Literal()
		if literal && l.needs&^condition.MaySubjects(name) == 0 {
			return nil
		}
		for _, name := range policy.Methods() {
			if !literal && g.Match(name) && l.needs&^condition.MaySubjects(name) == 0 {
				return nil
			}
		}
	}
	return source.Diagnostics{s.At("match", "methods").Diagnose(codeLimit,
		fmt.Sprintf("the limit counts nothing: none of these methods is about a %s", l.needs), "name a method that is, such as `tools/call`, or change the key")}
}

// Stat is what a limit has done, for people and metrics.
type Stat struct {
	Name                              string
	Admitted, Refused, Failed, Errors uint64 // calls: Failed had no key or cost, Errors found the store silent
	Local                             bool   // Keys and Evicted are known
	Keys                              int    // that are not full
	Evicted                           uint64 // keys that were forgotten before they were full again, for want of room
}

// Stats lists the limits by name.
func (l *Limiter) Stats() []Stat {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Stat, 0, len(l.states))
	for name, s := range l.states {
		one := Stat{Name: name, Admitted: s.admitted.Load(), Refused: s.refused.Load(), Failed: s.failed.Load(), Errors: s.errors.Load()}
		if s.table != nil {
			one.Local, one.Keys, one.Evicted = true, s.table.keys(int64(l.now().Sub(l.epoch))+1), s.table.evicted.Load()
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Stat) int { return strings.Compare(a.Name, b.Name) })
	return out
}
