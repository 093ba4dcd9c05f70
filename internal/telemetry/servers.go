package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Servers is how many servers there are of one source in one state.
type Servers struct {
	Source, State string
	Count         int
}

// serverCollector counts the servers once per scrape.
type serverCollector func() []Servers

const serversKnown = "sallyport_servers"

// Describe implements prometheus.Collector.
func (serverCollector) Describe(out chan<- *prometheus.Desc) { out <- cacheDesc(serversKnown) }

// Collect implements prometheus.Collector.
func (c serverCollector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c() {
		out <- prometheus.MustNewConstMetric(cacheDesc(serversKnown), prometheus.GaugeValue, float64(s.Count), s.Source, s.State)
	}
}

// WatchServers counts the servers by source and state. Call it once.
func (m *Metrics) WatchServers(read func() []Servers) { m.registry.MustRegister(serverCollector(read)) }

// ServerChanged counts what somebody wanted of a server that the config doesn't name. The change must be a constant.
func (m *Metrics) ServerChanged(change string, done bool) {
	outcome := "refused"
	if done {
		outcome = "done"
	}
	m.changes.WithLabelValues(change, outcome).Inc()
}
