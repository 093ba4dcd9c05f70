package telemetry

import "github.com/prometheus/client_golang/prometheus"

// candidate is the metrics of policies that are tried.
type candidate struct {
	tried       counters[string]
	divergences counters[[4]string]
	enforced    counters[string]
	errors      counters[[2]string]
	withdrawn   *prometheus.CounterVec
	info        *prometheus.GaugeVec
	sampled     prometheus.Gauge
}

func (c *candidate) collectors() []prometheus.Collector {
	tried, enforced := counterVec("sallyport_candidate_decisions_total"), counterVec("sallyport_candidate_enforced_total")
	c.tried.make = func(result string) prometheus.Counter { return tried.WithLabelValues(result) }
	c.enforced.make = func(effect string) prometheus.Counter { return enforced.WithLabelValues(effect) }
	c.tried.other, c.enforced.other = Other, Other
	divergences, errors := counterVec("sallyport_candidate_divergences_total"), counterVec("sallyport_candidate_errors_total")
	c.divergences.make = func(k [4]string) prometheus.Counter { return divergences.WithLabelValues(k[:]...) }
	c.divergences.other = [4]string{Other, Other, Other, Other}
	c.errors.make = func(k [2]string) prometheus.Counter { return errors.WithLabelValues(k[:]...) }
	c.errors.other = [2]string{Other, Other}
	c.withdrawn, c.info = counterVec("sallyport_candidate_withdrawn_total"), gaugeVec("sallyport_candidate_info")
	c.sampled = gauge("sallyport_candidate_sampled_ratio")
	return []prometheus.Collector{tried, enforced, divergences, errors, c.withdrawn, c.info, c.sampled}
}

// Tried counts a decision that was to be made by the candidate, too: same, different, error or skipped.
func (m *Metrics) Tried(result string) { m.candidate.tried.get(result).Inc() }

// NotSampled counts decisions that are not among those that are compared.
func (m *Metrics) NotSampled(n uint64) {
	if n > 0 {
		m.candidate.tried.get("not_sampled").Add(float64(n))
	}
}

// SetSampled says what share of the decisions is compared.
func (m *Metrics) SetSampled(share float64) { m.candidate.sampled.Set(share) }

// Diverged counts a decision in which the candidate differs. The tool must be one that its server has listed, or Other.
func (m *Metrics) Diverged(direction, rule, server, tool string) {
	m.candidate.divergences.get([4]string{direction, rule, server, tool}).Inc()
}

// CandidateEnforced counts a decision of the candidate that was enforced.
func (m *Metrics) CandidateEnforced(effect string) { m.candidate.enforced.get(effect).Inc() }

// CandidateFailed counts a decision in which the candidate failed.
func (m *Metrics) CandidateFailed(rule, reason string) {
	m.candidate.errors.get([2]string{rule, reason}).Inc()
}

// SetCandidate says which policies are tried from now on, and how; "" is none.
func (m *Metrics) SetCandidate(revision, mode string) {
	m.candidate.info.Reset()
	if revision == "" {
		m.candidate.sampled.Set(0)
		return
	}
	m.candidate.info.WithLabelValues(revision, mode).Set(1)
}

// Withdrawn counts a candidate that is tried no more: by "operator" or "bounds".
func (m *Metrics) Withdrawn(by string) { m.candidate.withdrawn.WithLabelValues(by).Inc() }
