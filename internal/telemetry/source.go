package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Source is the state of what a bundle is fetched from, as it is read when metrics are.
type Source struct {
	Age     time.Duration // since it has said that there is no other bundle
	Answers bool
	Stale   bool // Age is beyond its limit
}

// sourceCollector reads the state of a source once per scrape; ok is false if nothing is fetched.
type sourceCollector func() (s Source, ok bool)

const (
	bundleAge   = "sallyport_bundle_age_seconds"
	bundleStale = "sallyport_bundle_stale"
	bundleUp    = "sallyport_bundle_source_up"
)

func sourceDesc(name string) *prometheus.Desc {
	return prometheus.NewDesc(name, doc(name).Help, nil, nil)
}

// Describe implements prometheus.Collector.
func (sourceCollector) Describe(out chan<- *prometheus.Desc) {
	for _, name := range []string{bundleAge, bundleStale, bundleUp} {
		out <- sourceDesc(name)
	}
}

// Collect implements prometheus.Collector.
func (c sourceCollector) Collect(out chan<- prometheus.Metric) {
	s, ok := c()
	if !ok {
		return
	}
	for name, value := range map[string]float64{bundleAge: s.Age.Seconds(), bundleStale: truth(s.Stale), bundleUp: truth(s.Answers)} {
		out <- prometheus.MustNewConstMetric(sourceDesc(name), prometheus.GaugeValue, value)
	}
}

// WatchSource shows the state of what a bundle is fetched from. Call it once.
func (m *Metrics) WatchSource(read func() (Source, bool)) {
	m.registry.MustRegister(sourceCollector(read))
}
