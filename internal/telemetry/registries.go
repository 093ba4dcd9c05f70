package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Registry is the state of a registry of servers that is asked over the network, as it is read when metrics are.
type Registry struct {
	Name    string // of each another
	Answers bool
	Age     time.Duration // since it has said what is served
	Listed  bool          // it has said so at all; else there is no Age
}

// registryCollector reads the state of registries once per scrape.
type registryCollector func() []Registry

const (
	registryUp  = "sallyport_registry_up"
	registryAge = "sallyport_registry_listing_age_seconds"
)

func registryDesc(name string) *prometheus.Desc {
	return prometheus.NewDesc(name, doc(name).Help, doc(name).Labels, nil)
}

// Describe implements prometheus.Collector.
func (registryCollector) Describe(out chan<- *prometheus.Desc) {
	out <- registryDesc(registryUp)
	out <- registryDesc(registryAge)
}

// Collect implements prometheus.Collector.
func (c registryCollector) Collect(out chan<- prometheus.Metric) {
	for _, r := range c() {
		out <- prometheus.MustNewConstMetric(registryDesc(registryUp), prometheus.GaugeValue, truth(r.Answers), r.Name)
		if r.Listed {
			out <- prometheus.MustNewConstMetric(registryDesc(registryAge), prometheus.GaugeValue, r.Age.Seconds(), r.Name)
		}
	}
}

// WatchRegistries shows the state of the registries of servers. Call it once.
func (m *Metrics) WatchRegistries(read func() []Registry) {
	m.registry.MustRegister(registryCollector(read))
}
