// Package telemetry counts and times what the gateway does, under OpenTelemetry's names, for Prometheus to read.
//
// No label takes a value that a caller chooses: methods, error types and effects come from closed lists, servers, policies
// and rules from the configuration, reasons from the gateway's own constants and from rules. A number of label values that
// could still grow is bounded; beyond it they count as "other".
package telemetry

import (
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Other stands for label values that are not listed, or beyond the bound.
const Other = "other"

// Options are what the metrics say of the program itself.
type Options struct {
	Version, Commit string
}

// Metrics holds every metric of one gateway in a registry of its own. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	// Connections and Streams are what is open now: connections of clients, and event streams to them.
	Connections, Streams Gauge

	decision   [2]prometheus.Observer
	operations *prometheus.HistogramVec
	upstream   *prometheus.HistogramVec
	versions   *prometheus.HistogramVec
	mirrored   *prometheus.CounterVec
	decisions  *prometheus.CounterVec
	errors     *prometheus.CounterVec
	omitted    *prometheus.CounterVec
	up         *prometheus.GaugeVec
	policy     *prometheus.GaugeVec
	drift      *prometheus.CounterVec
	changes    *prometheus.CounterVec
	reloads    *prometheus.CounterVec
	reloadOK   prometheus.Gauge
	reloadTime prometheus.Gauge

	refusals counters[string]
	shed     counters[string]
	shadow   counters[[3]string]
	cached   counters[string]

	candidate candidate

	mu      sync.Mutex
	methods map[string]*Operation
	servers map[string]*Server
	known   [][2]string // versions of servers
}

// A Gauge counts what is open. It is only changed through the Metrics it belongs to.
type Gauge struct{ n atomic.Int64 }

// Inc counts one more.
func (g *Gauge) Inc() { g.n.Add(1) }

// Dec counts one less.
func (g *Gauge) Dec() { g.n.Add(-1) }

// Value is how many there are.
func (g *Gauge) Value() int64 { return g.n.Load() }

// New returns metrics that count from nothing.
func New(o Options) *Metrics {
	m := &Metrics{
		registry:   prometheus.NewRegistry(),
		operations: histogramVec("mcp_server_operation_duration_seconds"),
		upstream:   histogramVec("mcp_client_operation_duration_seconds"),
		versions:   histogramVec("sallyport_upstream_version_duration_seconds"),
		mirrored:   counterVec("sallyport_mirrored_calls_total"),
		decisions:  counterVec("sallyport_decisions_total"),
		errors:     counterVec("sallyport_upstream_errors_total"),
		omitted:    counterVec("sallyport_list_entries_omitted_total"),
		up:         gaugeVec("sallyport_upstream_up"),
		policy:     gaugeVec("sallyport_policy_info"),
		drift:      counterVec("sallyport_tool_drift_total"),
		changes:    counterVec("sallyport_server_changes_total"),
		reloads:    counterVec("sallyport_config_reloads_total"),
		reloadOK:   gauge("sallyport_config_last_reload_successful"),
		reloadTime: gauge("sallyport_config_last_reload_timestamp_seconds"),
		methods:    map[string]*Operation{},
		servers:    map[string]*Server{},
	}
	decision := histogramVec("sallyport_decision_duration_seconds")
	m.decision = [2]prometheus.Observer{decision.WithLabelValues("request"), decision.WithLabelValues("response")}
	refusals, shadow := counterVec("sallyport_refusals_total"), counterVec("sallyport_shadow_total")
	m.refusals.make = func(reason string) prometheus.Counter { return refusals.WithLabelValues(reason) }
	m.refusals.other = Other
	m.shadow.make = func(k [3]string) prometheus.Counter { return shadow.WithLabelValues(k[:]...) }
	m.shadow.other = [3]string{Other, Other, Other}
	shed := counterVec("sallyport_shed_total")
	m.shed.make = func(priority string) prometheus.Counter { return shed.WithLabelValues(priority) }
	m.shed.other = Other
	cached := counterVec("sallyport_decision_cache_total")
	m.cached.make = func(result string) prometheus.Counter { return cached.WithLabelValues(result) }
	m.cached.other = Other
	for _, result := range []string{"success", "failure"} {
		m.reloads.WithLabelValues(result)
	}
	build := gaugeVec("sallyport_build_info")
	build.WithLabelValues(o.Version, o.Commit, runtime.Version()).Set(1)
	m.registry.MustRegister(
		m.operations, m.upstream, m.versions, m.mirrored, m.decisions, m.errors, m.omitted, m.up, m.policy, m.drift, m.changes, m.reloads, m.reloadOK, m.reloadTime,
		decision, refusals, shadow, shed, cached, build,
		gaugeFunc("sallyport_connections", func() float64 { return float64(m.Connections.Value()) }),
		gaugeFunc("sallyport_active_streams", func() float64 { return float64(m.Streams.Value()) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.registry.MustRegister(m.candidate.collectors()...)
	return m
}

// Handler serves the metrics in Prometheus' formats.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Phases of a decision, for Decided.
const (
	Request  = 0
	Response = 1
)

// Decided times one decision; phase is Request or Response.
func (m *Metrics) Decided(phase int, d time.Duration) { m.decision[phase&1].Observe(d.Seconds()) }

// Refused counts a refusal before or beside policy: framing, identity, limits, an audit that can't be written. The reason
// must be a constant of the gateway.
func (m *Metrics) Refused(reason string) { m.refusals.get(reason).Inc() }

// Shed counts a request that was refused to keep resources for others. The priority must come from the configuration or be a constant.
func (m *Metrics) Shed(priority string) { m.shed.get(priority).Inc() }

// Drifted counts a definition that a server has given of a tool and the lock of tools does not have. Server and reason must come from
// the configuration and the engine.
func (m *Metrics) Drifted(server, reason string) { m.drift.WithLabelValues(server, reason).Inc() }

// Shadowed counts what a shadow rule would have done.
func (m *Metrics) Shadowed(policy, rule, effect string) {
	m.shadow.get([3]string{policy, rule, effect}).Inc()
}

// SetPolicy says which revision decides from now on.
func (m *Metrics) SetPolicy(revision string) {
	m.policy.Reset()
	m.policy.WithLabelValues(revision).Set(1)
}

// Reloaded says that a reload was tried at the given time, and whether it was taken.
func (m *Metrics) Reloaded(ok bool, at time.Time) {
	result := "failure"
	m.reloadOK.Set(0)
	if ok {
		result = "success"
		m.reloadOK.Set(1)
		m.reloadTime.Set(float64(at.UnixMilli()) / 1e3)
	}
	m.reloads.WithLabelValues(result).Inc()
}

// Audit is the state of the audit log, as it is read when metrics are.
type Audit struct {
	Records, Refused, WriteErrors, Writes, Bytes uint64
	Seq                                          uint64
	Pending                                      int
	Failing                                      bool
}

// WatchPlugins shows the state of the plugins, each of which is named once. Call it once.
func (m *Metrics) WatchPlugins(read func() []Plugin) { m.registry.MustRegister(pluginCollector(read)) }

// WatchAudit shows the state of the audit log. Call it once.
func (m *Metrics) WatchAudit(read func() Audit) { m.registry.MustRegister(auditCollector(read)) }
