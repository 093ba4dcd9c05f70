package duel

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatTheCacheIsWorthStandsBelowTheTable(t *testing.T) {
	r := reportOf(map[string][]sample{
		SallyportRego: {{rate: 900, cpu: 25}, {rate: 3600, cpu: 24}}, SallyportRegoAsked: {{rate: 450, cpu: 55}, {rate: 1800, cpu: 54}},
	}, nil)
	r.series[cell{"1 KiB, c=16", SallyportRego}].looked = looks{hits: 199, others: 1}
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	const line = "\n1 KiB, c=16: sallyport-rego has 2.00 [2.00-2.00] times the throughput of sallyport-rego-uncached, " +
		"and takes -30.0 us of CPU for a call; 199 of 200 decisions were remembered\n"
	if !strings.HasSuffix(b.String(), line) {
		t.Errorf("got %s\nwant at its end %s", b.String(), line)
	}
	if wrong := r.Errors(); wrong != nil {
		t.Errorf("wrong: %v", wrong)
	}
}

// Figures of calls that were not answered from memory are not those of the cache, and the other way round.
func TestFiguresOfAnotherPathAreAnError(t *testing.T) {
	for _, tt := range []struct {
		target string
		looked looks
		want   string
	}{
		{SallyportRego, looks{}, "only 0 of 0 decisions were remembered"},
		{SallyportRego, looks{hits: 98, others: 2}, "only 98 of 100 decisions were remembered"},
		{SallyportRego + "=old", looks{others: 100}, "only 0 of 100 decisions were remembered"},
		{SallyportRego, looks{hits: 99, others: 1}, ""},
		{SallyportRegoAsked, looks{hits: 1}, "1 decisions were looked up, and there should be no cache"},
		{SallyportRegoAsked, looks{others: 1}, "1 decisions were looked up, and there should be no cache"},
		{SallyportRegoAsked, looks{}, ""},
		{Sallyport10, looks{others: 1}, ""},
	} {
		const l = "1 KiB, c=16"
		r := &Report{options: Options{Loads: []Load{{Name: l}}, Targets: []string{tt.target}}}
		r.series = map[cell]*series{{l, tt.target}: {looked: tt.looked}}
		var want []string
		if tt.want != "" {
			want = []string{l + ", " + tt.target + ": " + tt.want}
		}
		if diff := cmp.Diff(want, r.Errors()); diff != "" {
			t.Errorf("%v of %s: %s", tt.looked, tt.target, diff)
		}
	}
}

// What was looked up before the cycles, and while they were counted for another load, is not theirs.
func TestLooksAreThoseOfTheCycles(t *testing.T) {
	const metrics = `# TYPE sallyport_decision_cache_total counter
sallyport_decision_cache_bytes 100
sallyport_decision_cache_total{result="hit"} 1.5e+06
sallyport_decision_cache_total{result="miss"} 3
sallyport_decision_cache_total{result="rewritten"} 4
`
	answer := metrics
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/metrics" {
			t.Errorf("asked for %s", q.URL)
		}
		w.Write([]byte(answer))
	}))
	defer s.Close()
	l := Load{Name: "1 KiB, c=16"}
	targets := []*target{{name: SallyportRego + "=old", admin: s.URL}, {name: Bare}}
	r := &Report{series: map[cell]*series{{l.Name, targets[0].name}: {}}}
	for _, count := range []func(looks, looks) looks{looks.minus, looks.plus} {
		if err := r.look(t.Context(), l, targets, count); err != nil {
			t.Fatal(err)
		}
		answer = strings.NewReplacer("1.5e+06", "1.6e+06", "} 3", "} 5").Replace(metrics)
	}
	if got := r.series[cell{l.Name, targets[0].name}].looked; got != (looks{100_000, 2}) {
		t.Errorf("got %+v", got)
	}
	answer = `sallyport_decision_cache_total{result="hit"} many`
	if err := r.look(t.Context(), l, targets, looks.plus); err == nil {
		t.Error("a number that is none, and no error")
	}
}
