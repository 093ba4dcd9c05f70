package duel

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reportOf has one load in which each target has these samples.
func reportOf(samples map[string][]sample, idle map[string]int64) *Report {
	const l = "1 KiB, c=16"
	r := &Report{options: Options{Loads: []Load{{Name: l}}}, idle: idle, series: map[cell]*series{}}
	for _, t := range []string{Direct, Bare, Sallyport10, Sallyport100, Sallyport1000, SallyportPlugin, SallyportRego, SallyportRegoAsked, TBXark, Supergateway} {
		if samples[t] != nil {
			r.options.Targets = append(r.options.Targets, t)
			r.series[cell{l, t}] = &series{samples: samples[t], loaded: 50 << 20}
		}
	}
	return r
}

func TestRatiosAreTakenInsideACycle(t *testing.T) {
	// The machine was four times as fast in the second cycle; the gateway always
	// gave nine tenths of the bare proxy.
	r := reportOf(map[string][]sample{
		Bare:        {{rate: 1000, p50: 40, p99: 80, cpu: 20}, {rate: 4000, p50: 10, p99: 20, cpu: 18}, {rate: 2000, p50: 20, p99: 40, cpu: 19}},
		Sallyport10: {{rate: 900, p50: 45, p99: 88, cpu: 26}, {rate: 3600, p50: 15, p99: 22, cpu: 24}, {rate: 1800, p50: 25, p99: 44, cpu: 25}},
	}, map[string]int64{Bare: 8 << 20, Sallyport10: 30 << 20})
	f := r.figures(cell{"1 KiB, c=16", Sallyport10})
	got := []float64{f.rate.mid, f.rateRatio.low, f.rateRatio.mid, f.rateRatio.high, f.p50More.mid, f.p99Ratio.mid, f.cpuMore.mid, f.idle, f.loaded}
	want := []float64{1800, 0.9, 0.9, 0.9, 5, 1.1, 6, 30, 50}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if missed := r.Missed(); missed != nil {
		t.Errorf("missed: %v", missed)
	}
}

func TestAPluginIsHeldToTheGatewayWithoutIt(t *testing.T) {
	r := reportOf(map[string][]sample{
		Bare: {{rate: 1000, cpu: 20}}, Sallyport10: {{rate: 900, cpu: 25}}, SallyportPlugin: {{rate: 801, cpu: 27}},
	}, nil)
	f := r.figures(cell{"1 KiB, c=16", SallyportPlugin})
	if f.rateRatio.mid != 0.89 || f.cpuMore.mid != 2 {
		t.Errorf("throughput %v, CPU %+v", f.rateRatio.mid, f.cpuMore.mid)
	}
	want := []string{"1 KiB, c=16, sallyport-plugin: throughput 0.89, wants ≥ 0.9"}
	if diff := cmp.Diff(want, r.Missed()); diff != "" {
		t.Error(diff)
	}
}

func TestTheBestPeerIsTheOneThatCounts(t *testing.T) {
	r := reportOf(map[string][]sample{
		Bare: {{rate: 1000}, {rate: 4000}}, Sallyport100: {{rate: 900}, {rate: 3600}},
		Supergateway: {{rate: 10}, {rate: 40}}, TBXark: {{rate: 180}, {rate: 720}},
	}, nil)
	want := []string{"1 KiB, c=16, sallyport-100: throughput beside the best peer 5.00, wants ≥ 6"}
	if diff := cmp.Diff(want, r.Missed()); diff != "" {
		t.Error(diff)
	}
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	const line = "\n1 KiB, c=16: sallyport-100 has 5.0 [5.0-5.0] times the throughput of tbxark, the best of the other gateways (**≥ 6 !**)\n"
	if !strings.HasSuffix(b.String(), line) {
		t.Errorf("got %s\nwant at its end %s", b.String(), line)
	}
}

func TestWithoutAPeerThereIsNoGoalBesideOne(t *testing.T) {
	r := reportOf(map[string][]sample{Bare: {{rate: 1000}}, Sallyport100: {{rate: 900}}}, nil)
	if missed := r.Missed(); missed != nil {
		t.Errorf("missed: %v", missed)
	}
}

func TestAMissedGoalIsSaidInTheTableAndInAList(t *testing.T) {
	r := reportOf(map[string][]sample{
		Direct:        {{rate: 2500, p50: 4, p99: 9}},
		Bare:          {{rate: 1000, p50: 10, p99: 20, cpu: 20}},
		Sallyport1000: {{rate: 700, p50: 15, p99: 30, cpu: 28.5}},
	}, map[string]int64{Bare: 8 << 20, Sallyport1000: 41 << 20})
	want := []string{
		"1 KiB, c=16, sallyport-1000: throughput 0.70, wants ≥ 0.8",
		"1 KiB, c=16, sallyport-1000: CPU 8.50, wants ≤ 8",
		"1 KiB, c=16, sallyport-1000: idle RSS 41.00, wants ≤ 40",
	}
	if diff := cmp.Diff(want, r.Missed()); diff != "" {
		t.Error(diff)
	}
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(b.String()), "\n")[2:]
	wantRows := []string{
		"| 1 KiB, c=16 | direct | 2500 | 2.50 [2.50-2.50] | 4 | -6 | 9 | 0.45 | - | - | - | - | 0 |",
		"| 1 KiB, c=16 | bare | 1000 | 1.00 [1.00-1.00] | 10 | +0 | 20 | 1.00 | 20.0 | +0.0 | 8 | 50 | 0 |",
		"| 1 KiB, c=16 | sallyport-1000 | 700 | 0.70 [0.70-0.70] (**≥ 0.8 !**) | 15 | +5 | 30 | 1.50 | 28.5 | +8.5 (**≤ 8 !**) | 41 (**≤ 40 !**) | 50 | 0 |",
	}
	if diff := cmp.Diff(wantRows, rows); diff != "" {
		t.Error(diff)
	}
}

func TestATargetWithoutARightAnswerReachesNoGoal(t *testing.T) {
	r := reportOf(map[string][]sample{Bare: {{rate: 1000}}, Sallyport10: {{rate: 0}}}, nil)
	if len(r.Missed()) == 0 {
		t.Error("nothing missed")
	}
}

func TestQuantileInterpolates(t *testing.T) {
	s := spreadOf([]float64{4, 1, 3, 2})
	if diff := cmp.Diff([]float64{1.75, 2.5, 3.25}, []float64{s.low, s.mid, s.high}); diff != "" {
		t.Error(diff)
	}
	if (spreadOf(nil) != spread{}) {
		t.Error("a spread of nothing")
	}
}

func TestEveryGoalIsAboutALoadThatRuns(t *testing.T) {
	names := map[string]bool{}
	for _, l := range slices.Concat(Loads(), FederationLoads(), CacheLoads()) {
		names[l.Name] = true
	}
	for _, g := range goals {
		if !names[g.load] {
			t.Errorf("%v: no load %q", g, g.load)
		}
	}
}
