package limit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// impatient makes a Limiter that gives up soon.
func impatient(t *testing.T, addr string) *Limiter {
	t.Helper()
	l, err := NewValkey(ValkeyOptions{Address: addr, Timeout: 100 * time.Millisecond, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// plenty is more than is used up by asking until the store is reached: it may count a call, and answer too late.
const plenty = 1 << 20

// whileOut says what becomes of a call under a limit that denies, under one that allows, and under both.
func whileOut(t *testing.T, l *Limiter) []string {
	t.Helper()
	strict, lenient := slow("strict", plenty, "principal.id"), slow("lenient", plenty, "principal.id")
	lenient.Lenient = true
	r := call(t, "a", `{}`)
	var out []string
	for _, specs := range [][]Spec{{strict}, {lenient}, {lenient, strict}} {
		said, _, _ := strings.Cut(taken(t, compile(t, l, specs...), r), ":")
		out = append(out, said)
	}
	return out
}

var outOfReach = []string{"strict rate_limit_unavailable", "ok", "strict rate_limit_unavailable"}

func TestStore_gone(t *testing.T) {
	server := newStoreServer(t)
	server.set(false, true)
	l := impatient(t, server.addr)
	if diff := cmp.Diff(outOfReach, whileOut(t, l)); diff != "" {
		t.Errorf("before it was ever reached (-want +got):\n%s", diff)
	}
	for _, s := range l.Stats() {
		if s.Errors != 2 || s.Admitted != 0 || s.Refused != 0 || s.Local {
			t.Errorf("%+v", s)
		}
	}
	server.set(false, false)
	back := func() bool { return cmp.Diff([]string{"ok", "ok", "ok"}, whileOut(t, l)) == "" }
	eventually(t, "it is reached", back)
	server.set(false, true)
	if diff := cmp.Diff(outOfReach, whileOut(t, l)); diff != "" {
		t.Errorf("after it was reached (-want +got):\n%s", diff)
	}
	server.set(false, false)
	eventually(t, "it is reached again", back)
}

func TestStore_silent(t *testing.T) {
	server := newStoreServer(t)
	l := server.limiter(t)
	if got := taken(t, compile(t, l, slow("strict", plenty, "principal.id")), call(t, "a", `{}`)); got != "ok" {
		t.Fatal(got)
	}
	quick := impatient(t, server.addr)
	eventually(t, "it is reached", func() bool { return whileOut(t, quick)[0] == "ok" })
	server.set(true, false)
	if diff := cmp.Diff(outOfReach, whileOut(t, quick)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStore_closed(t *testing.T) {
	l := newStoreServer(t).limiter(t)
	l.Close()
	if diff := cmp.Diff(outOfReach, whileOut(t, l)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
