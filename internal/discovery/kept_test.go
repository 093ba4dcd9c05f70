package discovery

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
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
	large.Servers, many.Approved = large.Servers[1:], many.Approved[1:]
	for _, k := range []*Kept{few, many, large} {
		if err := k.Write(file); err != nil {
			t.Fatal(err)
		}
		got, err := ReadKept(file)
		if err != nil || len(got.Servers) != len(k.Servers) || len(got.Approved) != len(k.Approved) {
			t.Errorf("%v: %d servers and %d approvals, want %d and %d", err, len(got.Servers), len(got.Approved), len(k.Servers), len(k.Approved))
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
