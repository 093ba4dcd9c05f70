//go:build !race

package telemetry

import (
	"testing"
	"time"
)

func TestObservationsDoNotAllocate(t *testing.T) {
	m := everything()
	op, s := m.Operation("tools/call"), m.Server("files")
	all := func() {
		op.Observe(time.Millisecond, NoError)
		s.Operation("tools/call").Observe(time.Millisecond, NoError)
		s.Decided("deny", "dotfile")
		m.Decided(Response, time.Microsecond)
		m.Refused("bad_credential")
		m.Shadowed("p", "r", "deny")
		m.Connections.Inc()
	}
	all()
	if n := testing.AllocsPerRun(1000, all); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
