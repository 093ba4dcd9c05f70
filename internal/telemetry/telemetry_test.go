package telemetry

import (
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scrape returns the lines that m shows whose name begins with one of the prefixes, without comments.
func scrape(t testing.TB, m *Metrics, prefixes ...string) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("scrape: %d, %v", w.Code, err)
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) }) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// everything makes every metric show.
func everything() *Metrics {
	m := New(Options{Version: "v1.2.3", Commit: "abc"})
	m.WatchPlugins(func() []Plugin {
		return []Plugin{{Name: "p", Verdicts: map[string]uint64{"deny": 3}, Failures: map[string]uint64{"trap": 2}, Seconds: 0.5, Fuel: 7, Memory: 65536, Instances: 1, Ejected: true}}
	})
	m.WatchUpstreams(func() []Upstream {
		return []Upstream{{Name: "files", InFlight: 3, Waiting: 2, HasBreaker: true, Breaker: 2}, {Name: "mail"}}
	})
	m.WatchLimits(func() []Limit {
		return []Limit{{Name: "here", Admitted: 5, Refused: 4, Failed: 3, Error: 2, Local: true, Keys: 6, Evicted: 7}, {Name: "there", Admitted: 1}}
	})
	m.WatchRegistries(func() []Registry {
		return []Registry{{Name: "https://a.example/v0.1/servers", Age: 90 * time.Second, Listed: true}, {Name: "https://b.example/v0.1/servers", Answers: true}}
	})
	m.WatchServers(func() []Servers { return []Servers{{"config", "serving", 3}, {"directory", "refused", 1}} })
	m.WatchCache(func() (Cache, bool) { return Cache{Bytes: 100, Limit: 1000, Evicted: 1, Rejected: 2, Dropped: 3}, true })
	m.WatchMemory(func() (used, limit int64) { return 50, 500 })
	m.WatchPressure(maps.All(map[string]float64{"memory": 0.25, "descriptors": 0.5}))
	m.WatchSource(func() (Source, bool) { return Source{Age: 90 * time.Second, Answers: true, Stale: true}, true })
	m.WatchAudit(func() Audit {
		return Audit{Records: 9, Refused: 1, WriteErrors: 2, Writes: 8, Bytes: 4000, Seq: 12, Pending: 5, Failing: true}
	})
	m.Tried("same")
	m.NotSampled(7)
	m.SetSampled(0.25)
	m.Diverged("allow_to_deny", "p/r", "files", "read")
	m.CandidateEnforced("deny")
	m.CandidateFailed("p/r", "plugin_failed")
	m.SetCandidate("sha256:aa", "shadow")
	m.SetCandidate("sha256:cc", "canary")
	m.Withdrawn("bounds")
	m.Connections.Inc()
	m.Connections.Inc()
	m.Connections.Dec()
	m.Streams.Inc()
	m.Decided(Request, 2*time.Microsecond)
	m.Operation("tools/call").Observe(20*time.Millisecond, ToolError)
	m.Drifted("files", "tool_changed")
	m.ServerChanged("revoke", true)
	m.ServerChanged("approve", false)
	m.Refused("bad_credential")
	m.Shed("lists")
	m.Cached("hit")
	m.Cached("")
	m.Shadowed("p", "r", "deny")
	m.SetPolicy("sha256:aa")
	m.SetPolicy("sha256:bb")
	m.Reloaded(true, time.UnixMilli(1795330800500))
	m.Reloaded(false, time.UnixMilli(1795330900000))
	s := m.Server("files")
	s.Operation("tools/call").Observe(time.Millisecond, NoError)
	s.Decided("allow", "")
	s.Decided("allow", "")
	s.Failed("refused")
	s.Omitted("bad_name")
	s.SetUp(true)
	m.Version("files", "canary").Observe(time.Millisecond, NoError)
	m.Version("files", "canary").Mirrored("answered")
	return m
}

func TestScrape(t *testing.T) {
	got := slices.DeleteFunc(scrape(t, everything(), "mcp_", "sallyport_"), func(line string) bool {
		return strings.Contains(line, "_bucket") || strings.Contains(line, "build_info")
	})
	want := []string{
		`mcp_client_operation_duration_seconds_sum{error_type="",mcp_method_name="tools/call",server="files"} 0.001`,
		`mcp_client_operation_duration_seconds_count{error_type="",mcp_method_name="tools/call",server="files"} 1`,
		`mcp_server_operation_duration_seconds_sum{error_type="tool_error",mcp_method_name="tools/call"} 0.02`,
		`mcp_server_operation_duration_seconds_count{error_type="tool_error",mcp_method_name="tools/call"} 1`,
		`sallyport_active_streams 1`,
		`sallyport_audit_bytes_total 4000`,
		`sallyport_audit_failing 1`,
		`sallyport_audit_pending_bytes 5`,
		`sallyport_audit_records_total 9`,
		`sallyport_audit_refused_total 1`,
		`sallyport_audit_seq 12`,
		`sallyport_audit_write_errors_total 2`,
		`sallyport_audit_writes_total 8`,
		`sallyport_bundle_age_seconds 90`,
		`sallyport_bundle_source_up 1`,
		`sallyport_bundle_stale 1`,
		`sallyport_candidate_decisions_total{result="not_sampled"} 7`,
		`sallyport_candidate_decisions_total{result="same"} 1`,
		`sallyport_candidate_divergences_total{direction="allow_to_deny",rule="p/r",server="files",tool="read"} 1`,
		`sallyport_candidate_enforced_total{effect="deny"} 1`,
		`sallyport_candidate_errors_total{reason="plugin_failed",rule="p/r"} 1`,
		`sallyport_candidate_info{mode="canary",revision="sha256:cc"} 1`,
		`sallyport_candidate_sampled_ratio 0.25`,
		`sallyport_candidate_withdrawn_total{by="bounds"} 1`,
		`sallyport_config_last_reload_successful 0`,
		`sallyport_config_last_reload_timestamp_seconds 1.7953308005e+09`,
		`sallyport_config_reloads_total{result="failure"} 1`,
		`sallyport_config_reloads_total{result="success"} 1`,
		`sallyport_connections 1`,
		`sallyport_decision_cache_bytes 100`,
		`sallyport_decision_cache_forgotten_total{reason="dropped"} 3`,
		`sallyport_decision_cache_forgotten_total{reason="evicted"} 1`,
		`sallyport_decision_cache_forgotten_total{reason="rejected"} 2`,
		`sallyport_decision_cache_limit_bytes 1000`,
		`sallyport_decision_cache_total{result="hit"} 1`,
		`sallyport_decision_duration_seconds_sum{phase="request"} 2e-06`,
		`sallyport_decision_duration_seconds_count{phase="request"} 1`,
		`sallyport_decision_duration_seconds_sum{phase="response"} 0`,
		`sallyport_decision_duration_seconds_count{phase="response"} 0`,
		`sallyport_decisions_total{effect="allow",reason="",server="files"} 2`,
		`sallyport_list_entries_omitted_total{reason="bad_name",server="files"} 1`,
		`sallyport_memory_held_bytes 50`,
		`sallyport_memory_limit_bytes 500`,
		`sallyport_mirrored_calls_total{result="answered",server="files",version="canary"} 1`,
		`sallyport_overload_pressure{resource="descriptors"} 0.5`,
		`sallyport_overload_pressure{resource="memory"} 0.25`,
		`sallyport_plugin_calls_total{plugin="p",verdict="deny"} 3`,
		`sallyport_plugin_ejected{plugin="p"} 1`,
		`sallyport_plugin_failures_total{plugin="p",type="trap"} 2`,
		`sallyport_plugin_fuel_total{plugin="p"} 7`,
		`sallyport_plugin_instances{plugin="p"} 1`,
		`sallyport_plugin_memory_bytes{plugin="p"} 65536`,
		`sallyport_plugin_seconds_total{plugin="p"} 0.5`,
		`sallyport_policy_info{revision="sha256:bb"} 1`,
		`sallyport_rate_limit_calls_total{limit="here",result="admitted"} 5`,
		`sallyport_rate_limit_calls_total{limit="here",result="error"} 2`,
		`sallyport_rate_limit_calls_total{limit="here",result="failed"} 3`,
		`sallyport_rate_limit_calls_total{limit="here",result="refused"} 4`,
		`sallyport_rate_limit_calls_total{limit="there",result="admitted"} 1`,
		`sallyport_rate_limit_calls_total{limit="there",result="error"} 0`,
		`sallyport_rate_limit_calls_total{limit="there",result="failed"} 0`,
		`sallyport_rate_limit_calls_total{limit="there",result="refused"} 0`,
		`sallyport_rate_limit_evicted_total{limit="here"} 7`,
		`sallyport_rate_limit_keys{limit="here"} 6`,
		`sallyport_refusals_total{reason="bad_credential"} 1`,
		`sallyport_registry_listing_age_seconds{registry="https://a.example/v0.1/servers"} 90`,
		`sallyport_registry_up{registry="https://a.example/v0.1/servers"} 0`,
		`sallyport_registry_up{registry="https://b.example/v0.1/servers"} 1`,
		`sallyport_server_changes_total{change="approve",outcome="refused"} 1`,
		`sallyport_server_changes_total{change="revoke",outcome="done"} 1`,
		`sallyport_servers{source="config",state="serving"} 3`,
		`sallyport_servers{source="directory",state="refused"} 1`,
		`sallyport_shadow_total{effect="deny",policy="p",rule="r"} 1`,
		`sallyport_shed_total{priority="lists"} 1`,
		`sallyport_tool_drift_total{reason="tool_changed",server="files"} 1`,
		`sallyport_upstream_breaker_state{server="files"} 2`,
		`sallyport_upstream_errors_total{code="refused",server="files"} 1`,
		`sallyport_upstream_in_flight{server="files"} 3`,
		`sallyport_upstream_in_flight{server="mail"} 0`,
		`sallyport_upstream_up{server="files"} 1`,
		`sallyport_upstream_version_duration_seconds_sum{error_type="",server="files",version="canary"} 0.001`,
		`sallyport_upstream_version_duration_seconds_count{error_type="",server="files",version="canary"} 1`,
		`sallyport_upstream_waiting{server="files"} 2`,
		`sallyport_upstream_waiting{server="mail"} 0`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if build := scrape(t, everything(), "sallyport_build_info"); len(build) != 1 || !strings.HasPrefix(build[0], `sallyport_build_info{commit="abc",go_version="go1.`) {
		t.Errorf("build = %q", build)
	}
}

func TestEveryMetricIsDescribedAndEveryDescriptionIsAMetric(t *testing.T) {
	families, err := everything().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]MetricDoc{}
	for _, d := range Describe() {
		described[d.Name] = d
	}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_") {
			continue
		}
		d, ok := described[f.GetName()]
		if !ok || d.Help != f.GetHelp() || d.Help == "" || !strings.EqualFold(d.Type, f.GetType().String()) {
			t.Errorf("%s (%s, %q) is described as %+v", f.GetName(), f.GetType(), f.GetHelp(), d)
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		if want := slices.Sorted(slices.Values(d.Labels)); !slices.Equal(want, labels) {
			t.Errorf("%s has labels %v, described as %v", f.GetName(), labels, want)
		}
		delete(described, f.GetName())
	}
	if len(described) > 0 {
		t.Errorf("described, but no metric: %v", described)
	}
	if !slices.IsSortedFunc(Describe(), func(a, b MetricDoc) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("Describe is not sorted by name")
	}
}

func TestDescribeCannotBeChanged(t *testing.T) {
	for _, d := range Describe() {
		clear(d.Labels)
		clear(d.Buckets)
	}
	if d := doc("mcp_server_operation_duration_seconds"); d.Labels[0] != "mcp_method_name" || d.Buckets[0] == 0 {
		t.Errorf("the table was changed: %+v", d)
	}
}

func TestLabelsComeFromClosedLists(t *testing.T) {
	m := New(Options{})
	m.Operation("tools/call\ninjected").Observe(time.Second, ErrorType(200))
	m.Operation("evil").Observe(time.Second, NoError)
	m.Server("s").Operation("evil").Observe(time.Second, NoError)
	want := []string{
		`mcp_client_operation_duration_seconds_count{error_type="",mcp_method_name="other",server="s"} 1`,
		`mcp_server_operation_duration_seconds_count{error_type="",mcp_method_name="other"} 1`,
		`mcp_server_operation_duration_seconds_count{error_type="internal",mcp_method_name="other"} 1`,
	}
	if diff := cmp.Diff(want, scrape(t, m, "mcp_client_operation_duration_seconds_count", "mcp_server_operation_duration_seconds_count")); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

func TestLabelValuesAreBounded(t *testing.T) {
	m := New(Options{})
	for i := range maxValues + 50 {
		m.Refused(fmt.Sprint("r", i))
		m.Shadowed("p", fmt.Sprint("r", i), "deny")
		m.Server("s").Decided("deny", fmt.Sprint("r", i))
	}
	got := scrape(t, m, "sallyport_refusals_total", "sallyport_shadow_total", "sallyport_decisions_total")
	if len(got) != 3*(maxValues+1) {
		t.Errorf("%d series, want %d", len(got), 3*(maxValues+1))
	}
	for _, want := range []string{
		`sallyport_refusals_total{reason="other"} 50`, `sallyport_shadow_total{effect="other",policy="other",rule="other"} 50`,
		`sallyport_decisions_total{effect="other",reason="other",server="s"} 50`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestServersThatAreGoneAreForgotten(t *testing.T) {
	m := New(Options{})
	for _, name := range []string{"a", "b", ""} {
		s := m.Server(name)
		s.SetUp(false)
		s.Decided("deny", "x")
		s.Failed("timeout")
		s.Operation("ping").Observe(1, NoError)
	}
	kept := m.Server("b")
	m.Retain([]string{"b"})
	if m.Server("b") != kept {
		t.Error("a server that stays is bound anew")
	}
	m.Server("b").SetUp(true)
	want := []string{
		`mcp_client_operation_duration_seconds_count{error_type="",mcp_method_name="ping",server=""} 1`,
		`mcp_client_operation_duration_seconds_count{error_type="",mcp_method_name="ping",server="b"} 1`,
		`sallyport_decisions_total{effect="deny",reason="x",server=""} 1`,
		`sallyport_decisions_total{effect="deny",reason="x",server="b"} 1`,
		`sallyport_upstream_errors_total{code="timeout",server=""} 1`,
		`sallyport_upstream_errors_total{code="timeout",server="b"} 1`,
		`sallyport_upstream_up{server="b"} 1`,
	}
	if diff := cmp.Diff(want, scrape(t, m, "mcp_client_operation_duration_seconds_count", "sallyport_decisions", "sallyport_upstream")); diff != "" {
		t.Errorf("after Retain (-want +got):\n%s", diff)
	}
}

func TestErrorTypesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for e := range errorTypes {
		if seen[e.String()] || e != NoError && e.String() == "" {
			t.Errorf("error type %d is called %q", e, e)
		}
		seen[e.String()] = true
	}
}

func TestRetainVersions(t *testing.T) {
	m := New(Options{})
	for _, version := range []string{"stable", "canary"} {
		m.Version("files", version).Observe(time.Millisecond, NoError)
		m.Version("files", version).Observe(time.Millisecond, Timeout)
		m.Version("files", version).Mirrored("failed")
	}
	m.RetainVersions(func(_, version string) bool { return version == "stable" })
	want := []string{
		`sallyport_mirrored_calls_total{result="failed",server="files",version="stable"} 1`,
		`sallyport_upstream_version_duration_seconds_count{error_type="",server="files",version="stable"} 1`,
		`sallyport_upstream_version_duration_seconds_count{error_type="timeout",server="files",version="stable"} 1`,
	}
	if diff := cmp.Diff(want, scrape(t, m, "sallyport_upstream_version_duration_seconds_count", "sallyport_mirrored")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
