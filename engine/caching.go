package engine

import (
	"errors"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/cache"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// Caching says what the decision cache had to do with a decision. The zero Caching is nothing: there is no cache, or the rules that
// apply are sooner evaluated than looked up.
type Caching uint8

// What the cache can have to do with a decision. All but the first two are why a decision is not remembered.
const (
	CacheUnused     Caching = iota
	CacheHit                // it was decided before; Plugins are as they were then, and were not asked
	CacheMiss               // it was made, and may be remembered
	CacheImpure             // a rule depends on the time
	CachePlugin             // a plugin's manifest doesn't say that it is deterministic
	CacheHeaders            // a rule reads a header whose name is known only when it is evaluated
	CacheTooLarge           // what the rules read is too large to be looked up
	CacheEjected            // a plugin is ejected
	CacheFailed             // a rule or a plugin failed, or was interrupted
	CacheRewritten          // a plugin changed the message, or would have
	CacheTooMany            // more combinations of rules apply to messages than are kept
	cachingOutcomes         // how many there are
)

var cachingNames = [cachingOutcomes]string{
	CacheUnused: "", CacheHit: "hit", CacheMiss: "miss", CacheImpure: "impure", CachePlugin: "plugin_not_deterministic",
	CacheHeaders: "any_header", CacheTooLarge: "too_large", CacheEjected: "plugin_ejected", CacheFailed: "failed",
	CacheRewritten: "rewritten", CacheTooMany: "too_many_shapes",
}

// String is the word for records and metrics: hit, miss, or why there can be neither; "" for CacheUnused.
func (c Caching) String() string {
	if c < cachingOutcomes {
		return cachingNames[c]
	}
	return ""
}

// CacheLeast is the smallest decision cache.
const CacheLeast = cache.Least

// What it costs to evaluate rules, in nanoseconds, roughly: BenchmarkCache measures it, RATIONALE.md has figures. They are constants, not
// measured at load: whether a decision is remembered must not depend on how busy the machine was then. Only their sizes matter.
const (
	costDirect = 30   // answered without an interpreter
	costCheap  = 250  // by CEL, its cost bounded by analysis
	costDear   = 1500 // by CEL under a meter
	costPlugin = 1500 // a plugin's call, at least

	// worthwhile is what the rules of a message must cost for it to be looked up: a few times a look-up, since one that finds nothing
	// costs as well, and so does keeping what is decided then.
	worthwhile = 1000
)

// costOf is what a rule's condition costs to evaluate. Its message is for denials only.
func costOf(when *condition.Condition) int32 {
	switch {
	case when == nil:
		return 0
	case !when.Cheap():
		return costDear
	case when.Direct():
		return costDirect
	}
	return costCheap
}

// price is what a rule costs.
func (r *rule) price() int32 {
	if r.plugin != nil {
		return r.cost + costPlugin
	}
	return r.cost
}

// uncached says why what a rule says can't be remembered, and for the reader what is to blame.
func uncached(r *rule) (Caching, string) {
	for _, c := range []*condition.Condition{r.when, r.message} {
		if c != nil && c.Impure() != "" {
			return CacheImpure, c.Impure()
		}
	}
	if _, err := condition.NewKey(r.fields); err != nil {
		u, ok := errors.AsType[*condition.UnkeyedError](err)
		if ok && !u.Clock {
			return CacheHeaders, u.Field
		}
		return CacheImpure, err.Error()
	}
	if r.plugin != nil && (r.plugin.guest == nil || !r.plugin.guest.Deterministic()) {
		return CachePlugin, r.plugin.info.Manifest.Name
	}
	return CacheUnused, ""
}

// RuleCaching says of a rule whether decisions that rest on it can be remembered.
type RuleCaching struct {
	Rule      *Rule `json:"rule"`
	Cacheable bool  `json:"cacheable"`
	// Why it is not: the word of Caching, and what in the rule is to blame.
	Why   string `json:"why,omitempty"`
	Blame string `json:"blame,omitempty"`
	// Worthwhile says that the rule costs more than a look-up. Decisions are looked up where the rules that apply do so together.
	Worthwhile bool `json:"worthwhile"`
	// Fields are what the key holds for the rule: what it reads, and what its plugin can learn of.
	Fields []string `json:"fields"`
}

// Caching says of each rule, in order, what the decision cache makes of it, whether or not there is one.
func (s *Snapshot) Caching() []RuleCaching {
	if s == nil {
		return nil
	}
	out := make([]RuleCaching, 0, len(s.all))
	for _, r := range s.all {
		c := RuleCaching{Rule: &r.Rule, Worthwhile: r.price() >= worthwhile, Fields: slices.Clone(r.fields)}
		why, blame := uncached(r)
		c.Cacheable, c.Why, c.Blame = why == CacheUnused, why.String(), blame
		if r.plugin != nil {
			var k wasm.Key
			for _, h := range hostapi.Hooks() {
				if r.plugin.has(h) {
					k = k.Join(wasm.NewKey(h, r.plugin.guest))
				}
			}
			c.Fields = union(append(c.Fields, k.Fields()...))
		}
		if c.Fields == nil {
			c.Fields = []string{}
		}
		out = append(out, c)
	}
	return out
}

// CacheStats are the counts of a snapshot's decision cache.
type CacheStats = cache.Stats

// Cache returns the counts of the decision cache, and false if the snapshot has none: there is no rule that it would pay for.
func (s *Snapshot) Cache() (CacheStats, bool) {
	if s == nil || s.memory == nil {
		return CacheStats{}, false
	}
	return s.memory.cache.Stats(), true
}
