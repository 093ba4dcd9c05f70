package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/budget"
)

// What another replica answers has its place in the memory of the one that passes it on, or is refused and recorded there.
func TestLargeAnswersOfReplicasAreCounted(t *testing.T) {
	keys := testKeys(t)
	a := newReplica(t, keys, asLocal)
	a.begins("a", "child-1")
	id := a.initialize("{}")
	large := strings.Repeat("x", 300<<10)
	a.server.answer = says(200, `{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"`+large+`"}]}}`)
	request := post(call("x", "{}"), aliceKey, red, "Mcp-Session-Id: "+id)
	for _, c := range []struct {
		room   int64
		status int
	}{{4 << 20, 200}, {256 << 10, 503}} {
		memory := budget.New(c.room)
		b := newReplica(t, keys, asLocal, func(o *Options, _ *Snapshot) { o.Memory = memory })
		got := b.raw(request)
		if got.status != c.status || strings.Contains(got.body, large) != (c.status == 200) {
			t.Errorf("with room for %d: %d %.200s", c.room, got.status, got.body)
		}
		for end := time.Now().Add(20 * time.Second); memory.Used() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d bytes are held in the end", memory.Used())
			}
		}
		if c.status == 200 {
			continue
		}
		if rec := b.recorded(1)[0]; rec.Kind != audit.Refusal || rec.Reason != "no_memory" || rec.PrincipalID != "alice" {
			t.Errorf("%+v", rec)
		}
	}
}
