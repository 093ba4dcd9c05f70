//go:build unix

package replay

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// BenchmarkReplay replays what a gateway has recorded of calls: a decision and an outcome each.
func BenchmarkReplay(b *testing.B) {
	const calls = 50_000
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			files := map[string]string{}
			for i := range n / 5 {
				var p strings.Builder
				fmt.Fprintf(&p, "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p%d }\nmatch: { servers: [docs], methods: [tools/call], tools: [tool_%d] }\nrules:\n", i, i)
				for j := range 5 {
					fmt.Fprintf(&p, "  - { name: r%d, effect: %s, when: '\"role-%d\" in principal.roles && args.limit <= %d && args.path.startsWith(\"/srv/docs/\")' }\n",
						j, []string{"deny", "allow"}[min(j, 1)], j, 100+i%7)
				}
				files[fmt.Sprintf("p%d.yaml", i)] = p.String()
			}
			s := compile(b, files)
			var all []*audit.Record
			for i := range calls {
				tool := i % (n / 5)
				r := allowed(i, func(r *audit.Record) {
					r.Server, r.Tool, r.Policy, r.Rule, r.PrincipalID = "docs", fmt.Sprintf("tool_%d", tool), fmt.Sprintf("p%d", tool), "r4", fmt.Sprintf("user-%d", i%100)
					r.Revision, r.Absent = s.Revision(), nil
					r.Inputs = []audit.Input{
						{Name: "args.limit", JSON: fmt.Append(nil, i%90)},
						{Name: "args.path", JSON: fmt.Appendf(nil, `"/srv/docs/finance/2026/report-%d.md"`, i)},
						{Name: "principal.roles", JSON: []byte(`["employee","eu","contractor","analyst","role-4"]`)},
					}
				})
				all = append(all, r, &audit.Record{Kind: audit.Outcome, Time: r.Time, DecisionID: r.DecisionID, Status: 200, Decide: 1200, Upstream: 1000000, Total: 1100000, ResponseBytes: 90})
			}
			lines := recorded(b, all...)
			b.SetBytes(int64(len(lines)))
			before := cpu(b)
			for b.Loop() {
				r, err := Run(b.Context(), s, []io.Reader{bytes.NewReader(lines)}, Options{})
				if err != nil || r.Replayed != calls || len(r.Flips) > 0 {
					b.Fatal(err, r)
				}
			}
			b.ReportMetric(float64(calls)*float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
			b.ReportMetric(float64(cpu(b)-before)/float64(calls*b.N), "cpu-ns/decision")
		})
	}
}

// cpu is the processor time that the process has used, which a busy machine disturbs less than the wall's.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
