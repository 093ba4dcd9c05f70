package detect_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/detect"
)

const prose = `The ticket says that the nightly job stopped writing its report. Ann looked at the log on Tuesday and saw that the
disk of the worker was full; the cleaner had been switched off during the move to the new region, and nobody had switched it on again. She
asked for 40 GB more, https://tracker.internal/issues/4711, and for an alert at 80 per cent. Since then the job has run through every night, in
about twelve minutes, and the report (reports/2026-11-22.csv, 1,204 lines) is complete. What is left to do: the alert has to be added to the
runbook, commit 3f1c2d9a7b, and the cleaner has to be a part of the image, so that no worker comes up without it. `

func clean(n int) []byte { return []byte(strings.Repeat(prose, n/len(prose)+1)[:n]) }

// dirty has two secrets in a text of n bytes.
func dirty(n int) []byte {
	text := clean(n)
	copy(text[n/4:], " key "+awsID+" ")
	copy(text[n/2:], " with "+githubToken+" ")
	return text
}

var (
	awsID       = "AK" + "IA" + "QYLPMN5HFIQR7XYA"
	githubToken = "gh" + "p_" + "x7Kd93mQpLz0RtYvB5nWcJ2sHfGaE4uT1iO8"
)

func builtin(tb testing.TB) *detect.Set {
	tb.Helper()
	s, found := detect.Parse(detect.Builtin())
	if len(found) > 0 {
		tb.Fatal(found)
	}
	return s
}

// BenchmarkFind searches texts with the set that comes with the package. "every regex" runs every expression over the text, as if there were
// no keywords; the last figure of the others is how many times faster they were in the same run.
func BenchmarkFind(b *testing.B) {
	s := builtin(b)
	for _, c := range []struct {
		name string
		text []byte
	}{{"clean/1KiB", clean(1 << 10)}, {"clean/16KiB", clean(16 << 10)}, {"dirty/1KiB", dirty(1 << 10)}, {"dirty/16KiB", dirty(16 << 10)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			var found []detect.Match
			var took []time.Duration
			for b.Loop() {
				begin := time.Now()
				for range 8 {
					found = detect.Find(s, found[:0], c.text)
				}
				took = append(took, time.Since(begin)/8)
			}
			begin := time.Now()
			detect.All(s, c.text)
			every := time.Since(begin)
			slices.Sort(took)
			p50 := took[len(took)/2]
			b.ReportMetric(float64(p50), "p50-ns")
			b.ReportMetric(float64(every)/float64(p50), "x-every-regex")
			b.ReportMetric(float64(len(found)), "finds")
		})
	}
}
