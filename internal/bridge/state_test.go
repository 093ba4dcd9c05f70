package bridge

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/carry"
)

func testSealer(t testing.TB, server string) *sealer {
	t.Helper()
	keys, err := carry.New(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &sealer{keys, server}
}

func TestATicketOpensOnlyAsItWasSealed(t *testing.T) {
	s := testSealer(t, "s")
	now := time.Unix(1000, 0)
	want := &ticket{kind: ticketParked, expires: now.Add(time.Minute), digest: [32]byte{1}, id: [16]byte{2}, home: "http://10.0.0.1:8080"}
	state := s.seal([]byte("ann"), want)
	got, err := s.open([]byte("ann"), state, [32]byte{1}, now)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(ticket{})); d != "" {
		t.Error(d)
	}
	for name, err := range map[string]error{
		"owner":  second(s.open([]byte("bob"), state, [32]byte{1}, now)),
		"digest": second(s.open([]byte("ann"), state, [32]byte{2}, now)),
		"time":   second(s.open([]byte("ann"), state, [32]byte{1}, now.Add(time.Minute))),
		"server": second(testSealer(t, "other").open([]byte("ann"), state, [32]byte{1}, now)),
		"length": second(s.open([]byte("ann"), string(make([]byte, maxState+1)), [32]byte{1}, now)),
		"empty":  second(s.open([]byte("ann"), "", [32]byte{1}, now)),
	} {
		if err == nil {
			t.Errorf("another %s opened it", name)
		}
	}
}

func second(_ *ticket, err error) error { return err }

// A state that was not sealed here, for this owner, opens nothing.
func FuzzRequestState(f *testing.F) {
	s := testSealer(f, "s")
	now := time.Unix(1000, 0)
	// Of ann, until 1060; the same in every process that takes part.
	const sealed = "faWvO6nFyJOhpCbZxGulR5LxnsZsJygG4VmijObqBj5fkrDZ26392-ECM9BH7lflAmg3_6ipjk0Yl0YPE-1gQvSpafXRMNff8YMEw4_6oi_K9i9nrwk"
	f.Add(sealed, []byte("ann"))
	f.Add(sealed, []byte("bob"))
	f.Add(sealed+"A", []byte("ann"))
	f.Add(sealed+"\n", []byte("ann"))
	f.Add("A"+sealed[1:], []byte("ann"))
	f.Add(sealed[:len(sealed)-1], []byte("ann"))
	f.Add("", []byte(""))
	f.Fuzz(func(t *testing.T, state string, owner []byte) {
		_, err := s.open(owner, state, [32]byte{}, now)
		if opened, own := err == nil, state == sealed && string(owner) == "ann"; opened != own {
			t.Errorf("opened %v: %q of %q", opened, state, owner)
		}
	})
}
