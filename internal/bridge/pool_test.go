package bridge

import (
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// A session that is left while a call becomes a stream on it is over for the server too.
func TestASessionThatIsLeftAsAStreamBeginsIsEnded(t *testing.T) {
	f := newFake(mcp.Legacy)
	a := f.adapter(t, "http", func(o *Options) { o.Pinned = true })
	k := &asker{owner: []byte("ann"), capabilities: []byte(`{}`), info: []byte(`{"name":"a","version":"1"}`)}
	s, err := a.pool.acquire(k, false)
	if err != nil {
		t.Fatal(err)
	}
	a.pool.leave(k)
	a.pool.hear(s, true)
	eventually(t, "the server hears of it", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.sessions) == 0
	})
	a.pool.hear(s, false)
}
