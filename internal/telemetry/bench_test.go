package telemetry

import (
	"testing"
	"time"
)

func BenchmarkObservation(b *testing.B) {
	m := everything()
	op, s := m.Operation("tools/call"), m.Server("files")
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"operation", func() { op.Observe(time.Millisecond, NoError) }},
		{"upstream", func() { s.Operation("tools/call").Observe(time.Millisecond, NoError) }},
		{"decided", func() { m.Decided(Request, time.Microsecond) }},
		{"decisions", func() { s.Decided("deny", "dotfile") }},
		{"refused", func() { m.Refused("bad_credential") }},
		{"shadowed", func() { m.Shadowed("p", "r", "deny") }},
		{"connection", func() { m.Connections.Inc() }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.f()
			}
		})
	}
}
