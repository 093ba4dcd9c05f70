package telemetry

import "github.com/prometheus/client_golang/prometheus"

// memoryCollector reads the budget of large messages once per scrape.
type memoryCollector func() (used, limit int64)

const (
	memoryUsed  = "sallyport_memory_held_bytes"
	memoryLimit = "sallyport_memory_limit_bytes"
)

// Describe implements prometheus.Collector.
func (memoryCollector) Describe(out chan<- *prometheus.Desc) {
	out <- cacheDesc(memoryUsed)
	out <- cacheDesc(memoryLimit)
}

// Collect implements prometheus.Collector.
func (c memoryCollector) Collect(out chan<- prometheus.Metric) {
	used, limit := c()
	out <- prometheus.MustNewConstMetric(cacheDesc(memoryUsed), prometheus.GaugeValue, float64(used))
	out <- prometheus.MustNewConstMetric(cacheDesc(memoryLimit), prometheus.GaugeValue, float64(limit))
}

// WatchMemory shows the budget of large messages. Call it once.
func (m *Metrics) WatchMemory(read func() (used, limit int64)) {
	m.registry.MustRegister(memoryCollector(read))
}
