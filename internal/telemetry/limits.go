package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Limit is what a rate limit has done.
type Limit struct {
	Name                             string
	Admitted, Refused, Failed, Error uint64 // calls
	Local                            bool   // Keys and Evicted are known
	Keys                             int
	Evicted                          uint64
}

// limitCollector reads the state of the rate limits once per scrape.
type limitCollector func() []Limit

const (
	limitCalls   = "sallyport_rate_limit_calls_total"
	limitEvicted = "sallyport_rate_limit_evicted_total"
	limitKeys    = "sallyport_rate_limit_keys"
)

// Describe implements prometheus.Collector.
func (limitCollector) Describe(out chan<- *prometheus.Desc) {
	for _, name := range []string{limitCalls, limitEvicted, limitKeys} {
		out <- cacheDesc(name)
	}
}

// Collect implements prometheus.Collector.
func (c limitCollector) Collect(out chan<- prometheus.Metric) {
	give := func(name string, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(cacheDesc(name), kind, value, labels...)
	}
	for _, l := range c() {
		give(limitCalls, prometheus.CounterValue, float64(l.Admitted), l.Name, "admitted")
		give(limitCalls, prometheus.CounterValue, float64(l.Refused), l.Name, "refused")
		give(limitCalls, prometheus.CounterValue, float64(l.Failed), l.Name, "failed")
		give(limitCalls, prometheus.CounterValue, float64(l.Error), l.Name, "error")
		if l.Local {
			give(limitEvicted, prometheus.CounterValue, float64(l.Evicted), l.Name)
			give(limitKeys, prometheus.GaugeValue, float64(l.Keys), l.Name)
		}
	}
}

// WatchLimits shows the state of the rate limits. Call it once.
func (m *Metrics) WatchLimits(read func() []Limit) { m.registry.MustRegister(limitCollector(read)) }
