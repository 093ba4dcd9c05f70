package gateway

import (
	"net/netip"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// tooManyConnections is the reason for which a connection is closed unserved.
const tooManyConnections = "too_many_connections"

const (
	// recordTicks is how often connections that were turned away are recorded, in ticks of the watch: once a second.
	recordTicks = uint64(time.Second / watchTick)
	// maxTurned bounds the addresses that have a record of their own each time. What comes from others shares one without an address.
	maxTurned = 16
)

// turned counts the connections that were closed because there were too many, until they are recorded. One record stands for all of an
// address: who floods the gateway with connections doesn't flood its log. Safe for concurrent use; its zero value is ready.
type turned struct {
	mu sync.Mutex
	by map[netip.Addr]away // the zero Addr is all those beyond maxTurned
}

type away struct {
	since time.Time // when the first one came
	n     int64
}

func (t *turned) add(from netip.Addr, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = make(map[netip.Addr]away)
	}
	a, ok := t.by[from]
	if !ok && len(t.by) >= maxTurned {
		from = netip.Addr{}
		a, ok = t.by[from]
	}
	if !ok {
		a.since = now
	}
	a.n++
	t.by[from] = a
}

// flush gives what was counted to record. What that doesn't take is kept for the next time.
func (t *turned) flush(record func(netip.Addr, away) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for from, a := range t.by {
		if err := record(from, a); err != nil {
			return err
		}
		delete(t.by, from)
	}
	return nil
}

// recordTurned records the connections that were turned away since it was last called.
func (g *Gateway) recordTurned() {
	err := g.turned.flush(func(from netip.Addr, a away) error {
		r := audit.Record{
			Kind: audit.Refusal, Time: a.since, DecisionID: g.ids.Next(a.since), Effect: "deny", Reason: tooManyConnections, Connections: a.n,
		}
		if from.IsValid() {
			r.SourceAddress = from.String()
		}
		return g.Audit.Append(&r, false)
	})
	if err != nil {
		g.Warn("connections that were turned away could not be recorded", err)
	}
}
