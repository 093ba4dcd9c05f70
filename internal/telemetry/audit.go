package telemetry

import "github.com/prometheus/client_golang/prometheus"

// auditCollector reads the state of the audit log once per scrape.
type auditCollector func() Audit

type auditMetric struct {
	name  string
	kind  prometheus.ValueType
	value func(Audit) float64
}

var auditMetrics = []auditMetric{
	{"sallyport_audit_records_total", prometheus.CounterValue, func(a Audit) float64 { return float64(a.Records) }},
	{"sallyport_audit_refused_total", prometheus.CounterValue, func(a Audit) float64 { return float64(a.Refused) }},
	{"sallyport_audit_write_errors_total", prometheus.CounterValue, func(a Audit) float64 { return float64(a.WriteErrors) }},
	{"sallyport_audit_writes_total", prometheus.CounterValue, func(a Audit) float64 { return float64(a.Writes) }},
	{"sallyport_audit_bytes_total", prometheus.CounterValue, func(a Audit) float64 { return float64(a.Bytes) }},
	{"sallyport_audit_seq", prometheus.GaugeValue, func(a Audit) float64 { return float64(a.Seq) }},
	{"sallyport_audit_pending_bytes", prometheus.GaugeValue, func(a Audit) float64 { return float64(a.Pending) }},
	{"sallyport_audit_failing", prometheus.GaugeValue, func(a Audit) float64 { return truth(a.Failing) }},
}

func (a auditMetric) desc() *prometheus.Desc {
	return prometheus.NewDesc(a.name, doc(a.name).Help, nil, nil)
}

// Describe implements prometheus.Collector.
func (auditCollector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range auditMetrics {
		out <- m.desc()
	}
}

// Collect implements prometheus.Collector.
func (c auditCollector) Collect(out chan<- prometheus.Metric) {
	a := c()
	for _, m := range auditMetrics {
		out <- prometheus.MustNewConstMetric(m.desc(), m.kind, m.value(a))
	}
}
