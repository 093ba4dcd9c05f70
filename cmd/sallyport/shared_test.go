package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/admin"
	"github.com/sallyport-dev/sallyport/internal/discovery"
)

// beginSharing starts gateways that have a directory of servers and a state in common.
func beginSharing(t *testing.T, n int, servers ...string) (all []*gatewayAt, state string) {
	t.Helper()
	common := t.TempDir()
	state = filepath.Join(common, "kept.json")
	for _, name := range servers {
		put(t, filepath.Join(common, "d", name+".yaml"), []byte("url: https://a.example/mcp"))
	}
	for range n {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "p.yaml"), []byte(versioned(1)))
		all = append(all, begin(t, dir, place{policies: "p.yaml\n" + fmt.Sprintf("discovery: { directory: %q, state: %q, api: {} }", filepath.Join(common, "d"), state), bundle: "unsigned: true"}))
	}
	return all, state
}

const waits, serves = "quarantined  directory", "serving  directory"

// What is said to one gateway counts at all that share its state, and of what is said to several at once nothing is lost.
func TestReplicasShareApprovals(t *testing.T) {
	names := []string{"n0", "n1", "n2", "n3", "n4", "n5"}
	all, state := beginSharing(t, 2, names...)
	a, b := all[0], all[1]
	for _, name := range names {
		b.becomes(name, waits)
	}
	if err := a.say(admin.ApproveServer, "n0"); err != nil {
		t.Fatal(err)
	}
	b.becomes("n0", serves)
	var both sync.WaitGroup
	for i, name := range names[1:] {
		w := all[i%2]
		both.Go(func() {
			err := w.say(admin.ApproveServer, name)
			for err != nil && strings.Contains(err.Error(), "has it locked") { // on a busy machine others may take longer than one waits
				err = w.say(admin.ApproveServer, name)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	for _, name := range names {
		a.becomes(name, serves)
		b.becomes(name, serves)
	}
	if err := b.say(admin.RevokeServer, "n0"); err != nil {
		t.Fatal(err)
	}
	a.becomes("n0", waits)
	a.becomes("n1", serves)

	// What can't be read changes nothing before a reload, and nothing is written over it.
	good, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	put(t, state, []byte("broken"))
	const said = "what operators have said of servers can't be taken over"
	a.until("it is said", func() bool { return strings.Contains(a.log.String(), said) })
	a.becomes("n1", serves)
	if err := a.say(admin.ApproveServer, "n0"); err == nil || !strings.Contains(err.Error(), "nothing is written over it") {
		t.Errorf("error %v", err)
	}
	a.g.reload("test")
	a.becomes("n1", waits)
	put(t, state, good)
	a.becomes("n1", serves)
	a.becomes("n0", waits)
	a.stop()
	b.stop()
	if got := recordsOf(t, a.dir); strings.Contains(got, `"event":"server_revoked"`) || !strings.Contains(got, `"server":"n0","cause":"directory `) {
		t.Errorf("records of one that has only heard of it:\n%s", got)
	}
	if got := recordsOf(t, b.dir); strings.Contains(got, `"event":"reloaded"`) || !strings.Contains(got, `"event":"server_revoked"`) {
		t.Errorf("records of the one that was told:\n%s", got)
	}
}

// A gateway that never lets go of the state keeps others from changing it, and says so; nothing else waits for it.
func TestAStateThatIsLocked(t *testing.T) {
	all, state := beginSharing(t, 1, "n0")
	w := all[0]
	unlock, err := discovery.Lock(t.Context(), state)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.g.changeServer(ended, admin.ServerChange{Action: admin.ApproveServer, Name: "n0", By: "alice"})
	if ds, ok := errors.AsType[source.Diagnostics](err); !ok || !strings.Contains(err.Error(), "another gateway has it locked") || ds[0].Code != "SP1411" {
		t.Errorf("error %v", err)
	}
	w.g.reload("test")
	w.becomes("n0", waits)
	unlock()
	if err := w.say(admin.ApproveServer, "n0"); err != nil {
		t.Error(err)
	}
	w.becomes("n0", serves)
}

// While the state is gone what was read of it counts: nobody is told that a server which serves has no approval, and an approval does not begin
// it anew without all others.
func TestAStateThatIsAway(t *testing.T) {
	all, state := beginSharing(t, 1, "n0", "n1")
	w := all[0]
	do := func(action, name string) {
		t.Helper()
		if err := w.say(action, name); err != nil {
			t.Fatal(err)
		}
	}
	w.becomes("n1", waits)
	do(admin.ApproveServer, "n0")
	do(admin.ApproveServer, "n1")
	good, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{admin.RevokeServer, admin.ApproveServer} {
		if err := w.say(action, "n0"); err == nil || !strings.Contains(err.Error(), "nothing is written over it: file does not exist") {
			t.Errorf("%s: error %v", action, err)
		}
	}
	if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is made anew: %v", err)
	}
	w.becomes("n0", serves)
	w.becomes("n1", serves)
	put(t, state, good)
	do(admin.RevokeServer, "n0")
	w.becomes("n0", waits)
	w.becomes("n1", serves)
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	w.g.reload("test") // from here on nothing of it counts
	w.becomes("n1", waits)
	do(admin.ApproveServer, "n0")
	w.becomes("n0", serves)
	w.becomes("n1", waits)
}
