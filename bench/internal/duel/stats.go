package duel

import "slices"

// spread is a median with its quartiles.
type spread struct{ low, mid, high float64 }

func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	return spread{quantile(v, 0.25), quantile(v, 0.5), quantile(v, 0.75)}
}

// quantile interpolates between the two nearest of sorted values; 0 when there is
// none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// column takes one figure out of every sample.
func column(s *series, of func(sample) float64) []float64 {
	var v []float64
	for _, x := range s.samples {
		v = append(v, of(x))
	}
	return v
}

// versus compares two series cycle by cycle.
func versus(s, base *series, of func(a, b sample) float64) spread {
	var v []float64
	for i := range min(len(s.samples), len(base.samples)) {
		v = append(v, of(s.samples[i], base.samples[i]))
	}
	return spreadOf(v)
}

// ratio of nothing to nothing is 0: a target without a right answer reaches no goal.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
