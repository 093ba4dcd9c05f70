package discovery

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/fetch"
)

// teller is a source that gives what it is told to, which takes it two minutes.
type teller struct {
	fetch.Source
	text string
	err  error
	took func()
}

func (t *teller) Fetch(_ context.Context, have string, _ time.Duration) (*fetch.Content, error) {
	t.took()
	if t.err != nil || have == "tag of "+t.text {
		return nil, t.err
	}
	return &fetch.Content{Tag: "tag of " + t.text, Packed: []byte(t.text)}, nil
}

// replica is one of those that share a state.
type replica struct {
	*Copied
	t      *testing.T
	says   *teller
	at     time.Time
	warned []string
}

func newReplica(t *testing.T, state string) *replica {
	r := &replica{t: t, at: noon}
	r.says = &teller{took: func() { r.at = r.at.Add(2 * time.Minute) }}
	r.Copied = Copy(r.says, state, "https://registry.example/?key=s3cret", func() time.Time { return r.at }, func(err error) { r.warned = append(r.warned, err.Error()) })
	return r
}

// hears has the registry say something, or the same as before.
func (r *replica) hears(text string, at time.Time) {
	r.t.Helper()
	r.at, r.says.text = at, text
	if _, err := r.Fetch(r.t.Context(), "", 0); err != nil {
		r.t.Error(err)
	}
}

// knows is what one that starts then would begin with.
func (r *replica) knows(want string, confirmed time.Time) {
	r.t.Helper()
	next := newReplica(r.t, r.state)
	next.at = noon.Add(24 * time.Hour)
	got := "nothing"
	c, at := next.Last()
	if c != nil {
		got = string(c.Packed)
	}
	if got != want || !at.Equal(confirmed) || len(next.warned) > 0 {
		r.t.Errorf("%q of %s, want %q of %s; warned %q", got, at, want, confirmed, next.warned)
	}
}

func after(d time.Duration) time.Time { return noon.Add(d) }

func TestWhatARegistryHasSaidLastIsKept(t *testing.T) {
	a := newReplica(t, filepath.Join(t.TempDir(), "state.json"))
	a.knows("nothing", time.Time{})
	a.hears("one", noon)
	a.knows("one", noon)
	a.hears("one", after(time.Hour))
	a.knows("one", after(time.Hour))
	a.says.err = errors.New("down")
	a.at = after(2 * time.Hour)
	if _, err := a.Fetch(t.Context(), "tag of one", 0); err == nil {
		t.Error("no error")
	}
	a.knows("one", after(time.Hour))
	a.says.err, a.at = nil, after(2*time.Hour)
	if _, err := a.Fetch(t.Context(), "tag of one", 0); err != nil { // nothing new
		t.Error(err)
	}
	a.knows("one", after(2*time.Hour))
	a.hears("", after(3*time.Hour)) // an empty list is one
	a.knows("", after(3*time.Hour))
	if strings.Contains(a.file, "s3cret") {
		t.Error(a.file)
	}

	// What begins with a copy keeps it when it is told that it is the last.
	b := newReplica(t, a.state)
	b.at = after(3 * time.Hour)
	if c, _ := b.Last(); c == nil {
		t.Fatal("nothing is kept")
	}
	b.at = after(4 * time.Hour)
	if _, err := b.Fetch(t.Context(), "tag of ", 0); err != nil {
		t.Error(err)
	}
	b.knows("", after(4*time.Hour))
}

// Of two replicas the one that has asked later is right, whichever writes last; but for a clock that nobody can believe.
func TestTheLastWhoAskedIsRight(t *testing.T) {
	a := newReplica(t, filepath.Join(t.TempDir(), "state.json"))
	b := newReplica(t, a.state)
	b.hears("deleted", after(time.Minute))
	a.hears("active", noon)
	a.knows("deleted", after(time.Minute))
	a.hears("deleted", after(2*time.Minute))
	a.knows("deleted", after(2*time.Minute))
	if err := os.Chtimes(a.file, after(20*time.Hour), after(20*time.Hour)); err != nil {
		t.Fatal(err)
	}
	a.hears("other", after(3*time.Minute))
	a.knows("other", after(3*time.Minute))
}

// Where the last can't be kept nothing is: not what was kept before.
func TestWhatCanNotBeKeptIsNotTheOneBefore(t *testing.T) {
	a := newReplica(t, filepath.Join(t.TempDir(), "state.json"))
	a.hears("one", noon)
	if err := os.Remove(a.state + ".lock"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(a.state+".lock", 0o700); err != nil {
		t.Fatal(err)
	}
	a.hears("one", noon) // nothing is lost by that
	a.knows("one", noon)
	for range 2 {
		a.hears("two", after(time.Minute))
		a.knows("nothing", time.Time{})
	}
	if len(a.warned) != 1 || !strings.Contains(a.warned[0], "is a directory") {
		t.Errorf("warned %q", a.warned)
	}
	if err := os.Remove(a.state + ".lock"); err != nil {
		t.Fatal(err)
	}
	a.hears("two", after(2*time.Minute))
	a.knows("two", after(2*time.Minute))
	a.hears(strings.Repeat("x", maxCopy+1), after(3*time.Minute))
	a.knows("nothing", time.Time{})
}

func TestCopiesAreForgottenWithTheirRegistries(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state.json")
	c := &config.Config{Discovery: &config.Discovery{State: state, Registries: []config.Registry{{From: "https://a.example/v0.1/servers"}, {From: "files"}}}}
	named, other := copyOf(state, "https://a.example/v0.1/servers"), copyOf(state, "https://b.example/v0.1/servers")
	all := []string{named, other, copyOf(state, "files"), state, state + ".lock", other + ".bak", filepath.Join(dir, "other.json.listing-0123456789abcdef")}
	for _, name := range all {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := ForgetCopies(c); err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		_, err := os.Stat(name)
		if gone := name == other || name == copyOf(state, "files"); gone != errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.Discovery.State = filepath.Join(dir, "none", "state.json")
	if err := ForgetCopies(c); err != nil {
		t.Error(err)
	}
}
