package telemetry

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// MetricDoc describes a metric, for the reference page. The metrics are made from the same table.
type MetricDoc struct {
	Name    string
	Type    string // counter, gauge or histogram
	Help    string
	Labels  []string
	Buckets []float64 // of a histogram: upper bounds in seconds
}

// Describe lists the gateway's metrics by name. The Go runtime's and the process's own (go_*, process_*) come on top.
func Describe() []MetricDoc {
	docs := slices.Clone(docs)
	for i := range docs {
		docs[i].Labels = slices.Clone(docs[i].Labels)
		docs[i].Buckets = slices.Clone(docs[i].Buckets)
	}
	return docs
}

// operationBuckets are those of OpenTelemetry's MCP conventions (0.01 to 300 s) with finer ones below, where a gateway's
// own time would show.
var operationBuckets = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300}

var decisionBuckets = []float64{1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 5e-3, 2.5e-2, 0.1}

var docs = []MetricDoc{
	{Name: "mcp_client_operation_duration_seconds", Type: "histogram", Help: "Time from sending a request to an upstream server to its last byte.", Labels: []string{"mcp_method_name", "server", "error_type"}, Buckets: operationBuckets},
	{Name: "mcp_server_operation_duration_seconds", Type: "histogram", Help: "Time from reading a client's request to the last byte of its answer.", Labels: []string{"mcp_method_name", "error_type"}, Buckets: operationBuckets},
	{Name: "sallyport_active_streams", Type: "gauge", Help: "Event streams open to clients."},
	{Name: "sallyport_audit_bytes_total", Type: "counter", Help: "Bytes of records handed to the kernel."},
	{Name: "sallyport_audit_failing", Type: "gauge", Help: "1 while records can't be written, and calls are refused for it."},
	{Name: "sallyport_audit_pending_bytes", Type: "gauge", Help: "Bytes of records that wait to be written."},
	{Name: "sallyport_audit_records_total", Type: "counter", Help: "Records taken into the audit log."},
	{Name: "sallyport_audit_refused_total", Type: "counter", Help: "Records that found no room in the audit log's buffer."},
	{Name: "sallyport_audit_seq", Type: "gauge", Help: "Number of the last record in the chain; kept elsewhere, it shows whether the file was cut."},
	{Name: "sallyport_audit_write_errors_total", Type: "counter", Help: "Writes of the audit log that failed."},
	{Name: "sallyport_audit_writes_total", Type: "counter", Help: "Writes of the audit log; one may carry many records."},
	{Name: "sallyport_build_info", Type: "gauge", Help: "Always 1; the labels say what was built.", Labels: []string{"version", "commit", "go_version"}},
	{Name: "sallyport_bundle_age_seconds", Type: "gauge", Help: "Of a bundle that is fetched: how long ago its source said that there is no other."},
	{Name: "sallyport_bundle_source_up", Type: "gauge", Help: "1 if the source of a bundle that is fetched has answered the last question."},
	{Name: "sallyport_bundle_stale", Type: "gauge", Help: "1 while everything is denied because the bundle is older than bundle.maxAge."},
	{Name: "sallyport_candidate_decisions_total", Type: "counter", Help: "Decisions that were made by the active policies and by the candidate: same, different, error (the candidate's), skipped for want of room, or not_sampled for want of time.", Labels: []string{"result"}},
	{Name: "sallyport_candidate_divergences_total", Type: "counter", Help: "Decisions in which the candidate differs, by how, and by the rule that it is put down to.", Labels: []string{"direction", "rule", "server", "tool"}},
	{Name: "sallyport_candidate_enforced_total", Type: "counter", Help: "Decisions of the candidate that were enforced, and compared.", Labels: []string{"effect"}},
	{Name: "sallyport_candidate_errors_total", Type: "counter", Help: "Decisions in which a rule or plugin of the candidate failed.", Labels: []string{"rule", "reason"}},
	{Name: "sallyport_candidate_info", Type: "gauge", Help: "1 while there is a candidate; the labels say which, and whether it is only tried (shadow) or decides for some (canary).", Labels: []string{"revision", "mode"}},
	{Name: "sallyport_candidate_sampled_ratio", Type: "gauge", Help: "The share of the decisions that the candidate is compared on, as its budget allows."},
	{Name: "sallyport_candidate_withdrawn_total", Type: "counter", Help: "Candidates that were withdrawn: by an operator, or because a bound was passed.", Labels: []string{"by"}},
	{Name: "sallyport_config_last_reload_successful", Type: "gauge", Help: "1 if the last configuration that was tried is in use, 0 if it was refused."},
	{Name: "sallyport_config_last_reload_timestamp_seconds", Type: "gauge", Help: "When the configuration in use was loaded, in seconds since 1970."},
	{Name: "sallyport_config_reloads_total", Type: "counter", Help: "Configurations that were tried.", Labels: []string{"result"}},
	{Name: "sallyport_connections", Type: "gauge", Help: "Connections open to clients."},
	{Name: "sallyport_decision_cache_bytes", Type: "gauge", Help: "Bytes of remembered decisions."},
	{Name: "sallyport_decision_cache_forgotten_total", Type: "counter", Help: "Decisions that are remembered no more, or never were: evicted to make room, rejected for being asked for too seldom, dropped for coming too fast.", Labels: []string{"reason"}},
	{Name: "sallyport_decision_cache_limit_bytes", Type: "gauge", Help: "The most bytes of remembered decisions: limits.cache without what the cache itself takes."},
	{Name: "sallyport_decision_cache_total", Type: "counter", Help: "Decisions that were worth remembering: hit, miss, or why they could not be.", Labels: []string{"result"}},
	{Name: "sallyport_decision_duration_seconds", Type: "histogram", Help: "Time that policy took for one decision.", Labels: []string{"phase"}, Buckets: decisionBuckets},
	{Name: "sallyport_decisions_total", Type: "counter", Help: "Decisions by effect, reason and server.", Labels: []string{"effect", "reason", "server"}},
	{Name: "sallyport_list_entries_omitted_total", Type: "counter", Help: "Entries of servers' lists that are left out where several servers are one, because of what they are.", Labels: []string{"server", "reason"}},
	{Name: "sallyport_memory_held_bytes", Type: "gauge", Help: "Bytes of large messages that are held: requests, answers and events under way, and remembered lists."},
	{Name: "sallyport_memory_limit_bytes", Type: "gauge", Help: "The most bytes of large messages that are held: limits.memory."},
	{Name: "sallyport_mirrored_calls_total", Type: "counter", Help: "Copies of calls for a version of an upstream server: answered, failed, or dropped for want of room.", Labels: []string{"server", "version", "result"}},
	{Name: "sallyport_overload_pressure", Type: "gauge", Help: "The share of a resource that is in use: memory (limits.memory), bodies (limits.bodies), requests (connections with one under way), descriptors. Between 0 and 1.", Labels: []string{"resource"}},
	{Name: "sallyport_plugin_calls_total", Type: "counter", Help: "Calls of a plugin that came to a verdict.", Labels: []string{"plugin", "verdict"}},
	{Name: "sallyport_plugin_ejected", Type: "gauge", Help: "1 if a plugin has failed so often that it is not asked any more: what it would judge is denied until it is loaded anew.", Labels: []string{"plugin"}},
	{Name: "sallyport_plugin_failures_total", Type: "counter", Help: "Calls of a plugin that failed, and so denied.", Labels: []string{"plugin", "type"}},
	{Name: "sallyport_plugin_fuel_total", Type: "counter", Help: "Fuel that a plugin has used: about an instruction each.", Labels: []string{"plugin"}},
	{Name: "sallyport_plugin_instances", Type: "gauge", Help: "Instances of a plugin: the most of its calls that ran at once.", Labels: []string{"plugin"}},
	{Name: "sallyport_plugin_memory_bytes", Type: "gauge", Help: "The most memory that an instance of a plugin has had.", Labels: []string{"plugin"}},
	{Name: "sallyport_plugin_seconds_total", Type: "counter", Help: "Time that calls of a plugin took.", Labels: []string{"plugin"}},
	{Name: "sallyport_policy_info", Type: "gauge", Help: "Always 1; the label is the revision that decides.", Labels: []string{"revision"}},
	{Name: "sallyport_rate_limit_calls_total", Type: "counter", Help: "Calls that a rate limit counted, by what became of them: admitted, refused, failed (no key or cost could be computed), error (the store did not answer).", Labels: []string{"limit", "result"}},
	{Name: "sallyport_rate_limit_evicted_total", Type: "counter", Help: "Keys of a rate limit that were forgotten before they were full again, for want of room.", Labels: []string{"limit"}},
	{Name: "sallyport_rate_limit_keys", Type: "gauge", Help: "Keys of a rate limit that are remembered in the process, because they have used some of it.", Labels: []string{"limit"}},
	{Name: "sallyport_refusals_total", Type: "counter", Help: "Requests refused outside of policy: framing, identity, limits, audit.", Labels: []string{"reason"}},
	{Name: "sallyport_registry_listing_age_seconds", Type: "gauge", Help: "How long ago a registry of servers that is asked has said that there is nothing else than what is known of it.", Labels: []string{"registry"}},
	{Name: "sallyport_registry_up", Type: "gauge", Help: "1 if a registry of servers that is asked has answered the last question.", Labels: []string{"registry"}},
	{Name: "sallyport_server_changes_total", Type: "counter", Help: "What operators wanted of servers that the config doesn't name, and whether it was done.", Labels: []string{"change", "outcome"}},
	{Name: "sallyport_servers", Type: "gauge", Help: "Servers by where they come from, and what is done with them.", Labels: []string{"source", "state"}},
	{Name: "sallyport_shadow_total", Type: "counter", Help: "What shadow rules would have done.", Labels: []string{"policy", "rule", "effect"}},
	{Name: "sallyport_shed_total", Type: "counter", Help: "Requests refused to keep resources for others, by their priority.", Labels: []string{"priority"}},
	{Name: "sallyport_tool_drift_total", Type: "counter", Help: "Definitions of tools that servers gave and the lock of tools does not have.", Labels: []string{"server", "reason"}},
	{Name: "sallyport_upstream_breaker_state", Type: "gauge", Help: "The circuit breaker of an upstream server that has one: 0 closed, 1 half-open, 2 open.", Labels: []string{"server"}},
	{Name: "sallyport_upstream_errors_total", Type: "counter", Help: "Calls that an upstream server did not answer.", Labels: []string{"server", "code"}},
	{Name: "sallyport_upstream_in_flight", Type: "gauge", Help: "Calls that are with an upstream server.", Labels: []string{"server"}},
	{Name: "sallyport_upstream_up", Type: "gauge", Help: "1 if the upstream server can be reached.", Labels: []string{"server"}},
	{Name: "sallyport_upstream_version_duration_seconds", Type: "histogram", Help: "Time from sending a request to one of several versions of an upstream server to its last byte.", Labels: []string{"server", "version", "error_type"}, Buckets: operationBuckets},
	{Name: "sallyport_upstream_waiting", Type: "gauge", Help: "Calls that wait for one of those that are with an upstream server to end.", Labels: []string{"server"}},
}

// doc finds the table's entry. A name that is not in it is a mistake of this package, found by any test that calls New.
func doc(name string) MetricDoc {
	i := slices.IndexFunc(docs, func(d MetricDoc) bool { return d.Name == name })
	return docs[i]
}

func histogramVec(name string) *prometheus.HistogramVec {
	d := doc(name)
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.Buckets}, d.Labels)
}

func counterVec(name string) *prometheus.CounterVec {
	d := doc(name)
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func gaugeVec(name string) *prometheus.GaugeVec {
	d := doc(name)
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func gauge(name string) prometheus.Gauge {
	d := doc(name)
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: d.Name, Help: d.Help})
}

func gaugeFunc(name string, f func() float64) prometheus.GaugeFunc {
	d := doc(name)
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, f)
}
