package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Plugin is the state of one plugin. Its counts begin anew when it is loaded anew.
type Plugin struct {
	Name      string
	Verdicts  map[string]uint64 // calls that came to a verdict
	Failures  map[string]uint64 // calls that failed, by type
	Seconds   float64           // in calls
	Fuel      int64
	Memory    int // the most bytes that one of its instances has had
	Instances int
	Ejected   bool
}

// pluginCollector reads the state of the plugins once per scrape.
type pluginCollector func() []Plugin

var pluginLabels = map[string]string{"sallyport_plugin_calls_total": "verdict", "sallyport_plugin_failures_total": "type"}

func pluginDesc(name string) *prometheus.Desc {
	labels := []string{"plugin"}
	if l := pluginLabels[name]; l != "" {
		labels = append(labels, l)
	}
	return prometheus.NewDesc(name, doc(name).Help, labels, nil)
}

var pluginMetrics = []string{
	"sallyport_plugin_calls_total", "sallyport_plugin_failures_total", "sallyport_plugin_seconds_total", "sallyport_plugin_fuel_total",
	"sallyport_plugin_memory_bytes", "sallyport_plugin_instances", "sallyport_plugin_ejected",
}

// Describe implements prometheus.Collector.
func (pluginCollector) Describe(out chan<- *prometheus.Desc) {
	for _, name := range pluginMetrics {
		out <- pluginDesc(name)
	}
}

// Collect implements prometheus.Collector.
func (c pluginCollector) Collect(out chan<- prometheus.Metric) {
	give := func(name string, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(pluginDesc(name), kind, value, labels...)
	}
	for _, p := range c() {
		for verdict, n := range p.Verdicts {
			give("sallyport_plugin_calls_total", prometheus.CounterValue, float64(n), p.Name, verdict)
		}
		for failure, n := range p.Failures {
			give("sallyport_plugin_failures_total", prometheus.CounterValue, float64(n), p.Name, failure)
		}
		give("sallyport_plugin_seconds_total", prometheus.CounterValue, p.Seconds, p.Name)
		give("sallyport_plugin_fuel_total", prometheus.CounterValue, float64(p.Fuel), p.Name)
		give("sallyport_plugin_memory_bytes", prometheus.GaugeValue, float64(p.Memory), p.Name)
		give("sallyport_plugin_instances", prometheus.GaugeValue, float64(p.Instances), p.Name)
		give("sallyport_plugin_ejected", prometheus.GaugeValue, truth(p.Ejected), p.Name)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
