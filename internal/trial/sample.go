package trial

import (
	"sync/atomic"
	"time"
)

// sample is the share of the calls that are compared. A call is among them by a hash of its id, so that nothing else of it makes a
// difference, and each stands for as many calls as the share says. The worker has the share follow what comparing costs.
type sample struct {
	budget float64        // processors; 0: everything is compared
	below  atomic.Uint64  // a hash below it is compared, of all
	passed *atomic.Uint64 // calls that were not
	spent  atomic.Int64   // nanoseconds: the callers', who hand over, and the worker's

	// What follows is the worker's.
	last           time.Time
	credit         float64 // seconds that may be spent beside what comes in
	cost           float64 // seconds that a call takes, lately
	done           uint64  // calls that were compared
	offered, asked uint64  // calls until then, and those of them that had been compared
	spentThen      int64
}

const (
	all      = 1 << 32
	fewest   = all / 10000           // each call has a chance, whatever it costs: else nothing could be said of the others
	interval = 50 * time.Millisecond // between two looks at the share
	window   = 30                    // seconds over which the budget holds
	few      = 500                   // calls a second that are all compared while there is credit: hardly any cost, and each counts
)

// begin counts the calls that are not compared in passed, beside those that were not before.
func (s *sample) begin(budget float64, now time.Time, passed *atomic.Uint64) {
	s.budget, s.last = budget, now
	s.passed, s.offered = passed, passed.Load()
	s.credit = budget * window / 2
	s.below.Store(all)
}

// whole says that everything is compared.
func (s *sample) whole() bool { return s.below.Load() == all }

// ratio is the share, up to 1.
func (s *sample) ratio() float64 { return float64(s.below.Load()) / all }

// weight is how many calls that with this id stands for; 0 if it is not compared.
func (s *sample) weight(id []byte) float64 {
	below := s.below.Load()
	if below == all {
		return 1
	}
	if hash(id) >= below {
		s.passed.Add(1)
		return 0
	}
	return all / float64(below)
}

// hash mixes the end of an id, where ids differ, into a number below all.
func hash(id []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range id[max(0, len(id)-8):] {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h = (h ^ h>>32) * 0x9e3779b97f4a7c15
	return h >> 32
}

// due says that it is time to adjust.
func (s *sample) due(now time.Time) bool { return s.budget > 0 && now.Sub(s.last) >= interval }

// adjust makes the share what the budget has room for. taken are the calls that were ever handed over.
func (s *sample) adjust(now time.Time, taken uint64) {
	offered, spent := taken+s.passed.Load(), s.spent.Load()
	n, asked, took := offered-s.offered, s.done-s.asked, time.Duration(spent-s.spentThen).Seconds()
	passed := now.Sub(s.last).Seconds()
	s.offered, s.asked, s.spentThen, s.last = offered, s.done, spent, now
	most := s.budget * window
	s.credit = min(max(s.credit+passed*s.budget-took, -most), most)
	if asked > 0 {
		s.cost += (took/float64(asked) - s.cost) / 2
	} else {
		s.cost /= 2 // nothing was learnt: what was may have been one bad moment
	}
	rate := float64(n) / passed
	left := s.credit / most // a half holds the budget, more is there to be used up
	share := 1.0
	if wanted := rate * s.cost; wanted > 0 && (rate > few || left < 0.25) {
		share = s.budget * 2 * left / wanted
	}
	s.below.Store(uint64(max(min(share, 1)*all, fewest)))
}
