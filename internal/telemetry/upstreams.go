package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Upstream is the load of a server, and the state of its circuit breaker.
type Upstream struct {
	Name              string
	InFlight, Waiting int
	HasBreaker        bool
	Breaker           int // 0 closed, 1 half-open, 2 open
}

// upstreamCollector reads the state of the servers once per scrape.
type upstreamCollector func() []Upstream

const (
	upstreamBreaker  = "sallyport_upstream_breaker_state"
	upstreamInFlight = "sallyport_upstream_in_flight"
	upstreamWaiting  = "sallyport_upstream_waiting"
)

// Describe implements prometheus.Collector.
func (upstreamCollector) Describe(out chan<- *prometheus.Desc) {
	for _, name := range []string{upstreamBreaker, upstreamInFlight, upstreamWaiting} {
		out <- cacheDesc(name)
	}
}

// Collect implements prometheus.Collector.
func (c upstreamCollector) Collect(out chan<- prometheus.Metric) {
	for _, u := range c() {
		give := func(name string, value int) {
			out <- prometheus.MustNewConstMetric(cacheDesc(name), prometheus.GaugeValue, float64(value), u.Name)
		}
		give(upstreamInFlight, u.InFlight)
		give(upstreamWaiting, u.Waiting)
		if u.HasBreaker {
			give(upstreamBreaker, u.Breaker)
		}
	}
}

// WatchUpstreams shows the state of the servers. Call it once.
func (m *Metrics) WatchUpstreams(read func() []Upstream) {
	m.registry.MustRegister(upstreamCollector(read))
}
