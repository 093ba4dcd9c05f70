package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/flock"
)

// What is too much to be read is not written: what was kept before stays.
func TestWhatIsKeptCanBeReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	few := (&Kept{}).Put(Put{Name: "a", Text: "url: https://a.example/mcp", By: "bob", Time: noon})
	if err := few.Write(file); err != nil {
		t.Fatal(err)
	}
	large, many := &Kept{}, &Kept{}
	for i := range maxKept/MaxPut/6 + 1 { // each of these characters takes six
		large.Servers = append(large.Servers, Put{Name: fmt.Sprint("s", i), Text: strings.Repeat("\x01", MaxPut), Time: noon})
	}
	for i := range maxApproved + 1 {
		many.Approved = append(many.Approved, Approval{Name: fmt.Sprint("s", i), Source: Directory, Digest: "sha256:00", Time: noon})
	}
	for want, k := range map[string]*Kept{
		"it would be larger than 8 MiB, and nothing of it could be read any more: remove servers that were put": large,
		"it has more than 10000 approvals: take back those of servers that are gone":                            many,
		`it is not what was written there: the server "s0"`:                                                     {Servers: []Put{{Name: "s0", Text: strings.Repeat("x", MaxPut+1)}}},
	} {
		if err := k.Write(file); err == nil || err.Error() != want {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	many.Approved = many.Approved[1:]
	for _, k := range []*Kept{few, many} {
		if err := k.Write(file); err != nil {
			t.Fatal(err)
		}
		got, err := ReadKept(file)
		if err != nil || len(got.Servers) != len(k.Servers) || len(got.Approved) != len(k.Approved) {
			t.Errorf("%v: %d servers and %d approvals, want %d and %d", err, len(got.Servers), len(got.Approved), len(k.Servers), len(k.Approved))
		}
	}
}

// As much is read as is written.
func TestWhatIsTooLargeIsNotRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	for size, want := range map[int]string{maxKept: "it is not what was written there: ", maxKept + 1: "it is larger than 8192 KiB"} {
		if err := os.WriteFile(file, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKept(file); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%d bytes: error %v, want %q", size, err, want)
		}
	}
}

// However many change the same file, no approval is lost.
func TestNoApprovalIsLost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	const each, all = 10, 6
	change := func(name string) error {
		unlock, err := Lock(t.Context(), file)
		if err != nil {
			return err
		}
		defer unlock()
		k, err := ReadKept(file)
		if err != nil {
			return err
		}
		return k.Approve(&Entry{Name: name, Source: Admin, Digest: "sha256:00"}, "alice", noon).Write(file)
	}
	var done sync.WaitGroup
	for n := range all {
		done.Go(func() {
			for i := range each {
				if err := change(fmt.Sprintf("s%d-%d", n, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	k, err := ReadKept(file)
	if err != nil || len(k.Approved) != all*each {
		t.Errorf("%v: %d approvals, want %d", err, len(k.Approved), all*each)
	}
}

func TestALockThatIsNotLetGo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	unlock, err := Lock(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want := file + ".lock: another gateway has it locked, and has not let go: see whether one hangs that shares it"
	if _, err := Lock(ctx, file); err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	unlock()
	again, err := Lock(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	again()
	if info, err := os.Stat(file + ".lock"); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v: %v", info, err)
	}
	if _, err := Lock(t.Context(), filepath.Join(file, "nowhere")); err == nil {
		t.Error("a lock in no folder")
	}
}

// Who waited for a lock that somebody has removed does not have it beside who has made it anew.
func TestALockThatWasRemoved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	waits, err := os.OpenFile(file+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer waits.Close()
	if err := os.Remove(waits.Name()); err != nil {
		t.Fatal(err)
	}
	if err := take(waits); !errors.Is(err, flock.ErrLocked) {
		t.Errorf("there is none: error %v", err)
	}
	unlock, err := Lock(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := take(waits); !errors.Is(err, flock.ErrLocked) {
		t.Errorf("another has it: error %v", err)
	}
}

// Those that reach a file by links of their own share it, also before it is there.
func TestAStateBehindLinks(t *testing.T) {
	common, one, other := t.TempDir(), filepath.Join(t.TempDir(), "state.json"), filepath.Join(t.TempDir(), "state.json")
	file := filepath.Join(common, "state.json")
	for link, to := range map[string]string{one: file, filepath.Join(common, "near"): "state.json", other: filepath.Join(common, "near")} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for n, name := range []string{one, other, one} {
		k, err := ReadKept(name)
		if err == nil {
			err = k.Approve(&Entry{Name: fmt.Sprint("s", n), Source: Admin, Digest: "sha256:00"}, "alice", noon).Write(name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if k, err := ReadKept(file); err != nil || len(k.Approved) != 3 {
		t.Errorf("%v: %v", err, k)
	}
	unlock, err := Lock(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Lock(ended, other); !errors.Is(err, flock.ErrLocked) {
		t.Errorf("error %v", err)
	}
	if err := os.Symlink("loop", filepath.Join(common, "loop")); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKept(filepath.Join(common, "loop")); err == nil {
		t.Error("a link to itself is read")
	}
	if err := (&Kept{}).Write(filepath.Join(common, "loop")); err != nil {
		t.Errorf("a link to itself leads nowhere: %v", err)
	}
}

// A file that is gone is not made anew from nothing while something of it counts.
func TestAStateThatIsGoneIsNotChanged(t *testing.T) {
	w := newWorld(t, guarded)
	w.write("a.yaml", "url: https://a.example/mcp")
	w.expect("a quarantined")
	if k, err := w.found.ToChange(w.state()); err != nil || len(k.Approved) > 0 {
		t.Errorf("before there was any: %v, %v", k, err)
	}
	w.approve("a")
	w.expect("a serving")
	if k, err := w.found.ToChange(w.state()); err != nil || len(k.Approved) != 1 {
		t.Errorf("%v, %v", k, err)
	}
	if err := os.Remove(w.state()); err != nil {
		t.Fatal(err)
	}
	if k, err := w.found.ToChange(w.state()); k != nil || err == nil || err.Error() != "file does not exist" {
		t.Errorf("it is gone: %v, %v", k, err)
	}
	w.expect("a quarantined") // after a reload nothing of it counts
	if _, err := w.found.ToChange(w.state()); err != nil {
		t.Error(err)
	}
}

// What another gateway has kept is told from what this one has, and from what can't be read.
func TestWhatIsNewerInTheState(t *testing.T) {
	w := newWorld(t, guarded)
	newer := func(want string) {
		t.Helper()
		k, err := w.found.Newer(w.state())
		got := fmt.Sprint(err)
		if err == nil && k != nil {
			got = fmt.Sprint(len(k.Approved), " approvals")
		}
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	w.write("a.yaml", "url: https://a.example/mcp")
	w.expect("a quarantined")
	newer("<nil>")
	w.approve("a")
	newer("1 approvals")
	w.expect("a serving")
	newer("<nil>")
	text, err := os.ReadFile(w.state())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.state(), text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	newer("it is not what was written there: unexpected EOF")
	w.expect("a quarantined") // a reload takes it for what it is
	newer("<nil>")
	if err := os.Remove(w.state()); err != nil {
		t.Fatal(err)
	}
	newer("file does not exist")
	w.expect("a quarantined")
	newer("<nil>")
	if err := os.WriteFile(w.state(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	newer("1 approvals")
	if k, err := (*Found)(nil).Newer(w.state()); k != nil || err != nil {
		t.Errorf("nothing is looked for, and there is %v, %v", k, err)
	}
}
