package telemetry

import (
	"iter"

	"github.com/prometheus/client_golang/prometheus"
)

// pressureCollector reads the share in use of each resource once per scrape.
type pressureCollector iter.Seq2[string, float64]

const pressure = "sallyport_overload_pressure"

// Describe implements prometheus.Collector.
func (pressureCollector) Describe(out chan<- *prometheus.Desc) { out <- cacheDesc(pressure) }

// Collect implements prometheus.Collector.
func (c pressureCollector) Collect(out chan<- prometheus.Metric) {
	for resource, share := range c {
		out <- prometheus.MustNewConstMetric(cacheDesc(pressure), prometheus.GaugeValue, share, resource)
	}
}

// WatchPressure shows the share in use of each resource. Call it once.
func (m *Metrics) WatchPressure(read iter.Seq2[string, float64]) {
	m.registry.MustRegister(pressureCollector(read))
}
