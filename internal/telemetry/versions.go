package telemetry

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Version is the metrics of one of several versions of an upstream, bound once and kept by the caller.
type Version struct {
	operation Operation
	mirrored  counters[string]
}

// Version returns the metrics of a version of the server that is configured under name.
func (m *Metrics) Version(server, version string) *Version {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := [2]string{server, version}; !slices.Contains(m.known, k) {
		m.known = append(m.known, k)
	}
	v := &Version{operation: Operation{bind: func(e ErrorType) prometheus.Observer {
		return m.versions.WithLabelValues(server, version, e.String())
	}}}
	v.mirrored.make = func(result string) prometheus.Counter { return m.mirrored.WithLabelValues(server, version, result) }
	v.mirrored.other = Other
	return v
}

// Observe records that a call took d and ended in e.
func (v *Version) Observe(d time.Duration, e ErrorType) { v.operation.Observe(d, e) }

// Mirrored counts a copy of a call for this version; result is a constant of the gateway.
func (v *Version) Mirrored(result string) { v.mirrored.get(result).Inc() }

// RetainVersions forgets the versions that are no longer configured; keep says which are.
func (m *Metrics) RetainVersions(keep func(server, version string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known = slices.DeleteFunc(m.known, func(k [2]string) bool {
		if keep(k[0], k[1]) {
			return false
		}
		gone := prometheus.Labels{"server": k[0], "version": k[1]}
		m.versions.DeletePartialMatch(gone)
		m.mirrored.DeletePartialMatch(gone)
		return true
	})
}
