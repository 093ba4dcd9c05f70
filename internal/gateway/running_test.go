package gateway

import (
	"fmt"
	"sync"
	"testing"
)

// begins has a request run that its client knows by this key, at this server.
func begins(w *world, key, server string) *exchange {
	x := newExchange(w.Gateway)
	x.key, x.serverName = append(x.key, key...), server
	w.running.put(x)
	return x
}

func TestTheLatestRunningRequestIsFound(t *testing.T) {
	w := newWorld(t, allowAll)
	where := func(key string) string {
		p, _ := w.running.find([]byte(key))
		return p.server
	}
	first, second, other := begins(w, "a7", "files"), begins(w, "a7", "mail"), begins(w, "a8", "time")
	if got := where("a7") + where("a8") + where("a"); got != "mailtime" {
		t.Errorf("found %s", got)
	}
	w.running.drop(second)
	if got := where("a7"); got != "files" {
		t.Errorf("the one before is at %q", got)
	}
	third := begins(w, "a7", "mail")
	for _, x := range []*exchange{first, third, other, other} { // in the other order; and one that is not there
		w.running.drop(x)
	}
	if n := w.running.len(); n != 0 || where("a7") != "" {
		t.Errorf("%d are left", n)
	}
}

// In a row there are many requests. Each leaves it by itself, from wherever it stands, also when it has panicked.
func TestRunningRequestsLeave(t *testing.T) {
	w := newWorld(t, allowAll)
	const n = 4 * len(w.running.rows)
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			var own []*exchange
			for i := range n {
				own = append(own, begins(w, fmt.Sprint(part, " ", i), fmt.Sprint(i)))
			}
			for _, first := range []int{1, 0} {
				for i := first; i < n; i += 2 {
					if p, ok := w.running.find(own[i].key); !ok || p.server != fmt.Sprint(i) {
						t.Errorf("request %d of part %d is found at %q", i, part, p.server)
					}
					w.running.drop(own[i])
				}
			}
		})
	}
	all.Wait()
	begins(w, "a", "files").abandon("boom")
	if n := w.running.len(); n != 0 {
		t.Errorf("%d are left", n)
	}
}
