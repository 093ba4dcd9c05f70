package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Cache is the state of the decision cache. Its counts begin anew with every revision of the policies.
type Cache struct {
	Bytes, Limit               int64
	Evicted, Rejected, Dropped uint64
}

// cacheCollector reads the state of the cache once per scrape. false says that there is none.
type cacheCollector func() (Cache, bool)

func cacheDesc(name string) *prometheus.Desc {
	d := doc(name)
	return prometheus.NewDesc(name, d.Help, d.Labels, nil)
}

const (
	cacheBytes     = "sallyport_decision_cache_bytes"
	cacheLimit     = "sallyport_decision_cache_limit_bytes"
	cacheForgotten = "sallyport_decision_cache_forgotten_total"
)

// Describe implements prometheus.Collector.
func (cacheCollector) Describe(out chan<- *prometheus.Desc) {
	for _, name := range []string{cacheBytes, cacheForgotten, cacheLimit} {
		out <- cacheDesc(name)
	}
}

// Collect implements prometheus.Collector.
func (c cacheCollector) Collect(out chan<- prometheus.Metric) {
	s, ok := c()
	if !ok {
		return
	}
	out <- prometheus.MustNewConstMetric(cacheDesc(cacheBytes), prometheus.GaugeValue, float64(s.Bytes))
	out <- prometheus.MustNewConstMetric(cacheDesc(cacheLimit), prometheus.GaugeValue, float64(s.Limit))
	for why, n := range map[string]uint64{"evicted": s.Evicted, "rejected": s.Rejected, "dropped": s.Dropped} {
		out <- prometheus.MustNewConstMetric(cacheDesc(cacheForgotten), prometheus.CounterValue, float64(n), why)
	}
}

// WatchCache shows the state of the decision cache. Call it once.
func (m *Metrics) WatchCache(read func() (Cache, bool)) {
	m.registry.MustRegister(cacheCollector(read))
}

// Cached counts what the decision cache had to do with a decision: a word of the engine's, "" for nothing.
func (m *Metrics) Cached(result string) {
	if result != "" {
		m.cached.get(result).Inc()
	}
}
