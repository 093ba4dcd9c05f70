//go:build unix

package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/seal"
)

// journaled opens a log whose file gets nothing by itself.
func journaled(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(Options{Path: path, Now: clock, Flush: time.Hour, Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// crashed copies what a process that is killed now would leave, and gives the copy's path.
func crashed(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "a.jsonl")
	for _, suffix := range []string{"", journalSuffix} {
		if err := os.WriteFile(to+suffix, readFile(t, path+suffix), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// recovered opens what a crash has left, and gives the file's tools.
func recovered(t *testing.T, path string) []string {
	t.Helper()
	if err := openAt(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	data := readFile(t, path)
	if _, err := Verify(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	return tools(t, data)
}

func wantAll(t *testing.T, got []string, want string) {
	t.Helper()
	if strings.Join(got, " ") != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
}

func TestJournalHoldsWhatTheFileLacks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := journaled(t, path)
	mustAppend(t, l, refusal("a"), false)
	mustAppend(t, l, refusal("b"), true)
	if data := readFile(t, path); len(data) > 0 {
		t.Fatalf("the file has %q already", data)
	}
	wantAll(t, recovered(t, crashed(t, path)), "a b")

	l.tick() // the file gets its lines, the journal is free of them
	mustAppend(t, l, refusal("c"), true)
	wantAll(t, recovered(t, crashed(t, path)), "a b c")

	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + journalSuffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a journal is left after Close: %v", err)
	}
	wantAll(t, tools(t, readFile(t, path)), "a b c")
}

// Killed while it wrote: the file has a part of the lines, and the last of them without its end.
func TestJournalAndFileMayOverlap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := journaled(t, path)
	for _, tool := range []string{"a", "b", "c"} {
		mustAppend(t, l, refusal(tool), true)
	}
	all, _ := linkAll(nil, l.pending, l.end)
	lines := bytes.SplitAfter(all, newline)
	for name, part := range map[string][]byte{
		"nothing": nil, "a line": lines[0], "a line and a half": append(bytes.Clone(lines[0]), lines[1][:30]...), "everything": all,
	} {
		t.Run(name, func(t *testing.T) {
			to := crashed(t, path)
			if err := os.WriteFile(to, part, 0o600); err != nil {
				t.Fatal(err)
			}
			got := recovered(t, to)
			if got = got[:3]; strings.Join(got, " ") != "a b c" {
				t.Errorf("the file has %q", got)
			}
		})
	}
}

func TestJournalOfAnotherFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := journaled(t, path)
	mustAppend(t, l, refusal("a"), true)
	l.tick()
	mustAppend(t, l, refusal("b"), true)
	for name, spoil := range map[string]func(to string) error{
		"another file": func(to string) error { return os.WriteFile(to, []byte(line(full())+"\n"), 0o600) },
		"no length": func(to string) error {
			return os.WriteFile(to+journalSuffix, bytes.Repeat([]byte{0xff}, 2*journalHalf), 0o600)
		},
		"another size": func(to string) error { return os.WriteFile(to+journalSuffix, []byte("x"), 0o600) },
		"an edited line": func(to string) error {
			return os.WriteFile(to+journalSuffix, bytes.ReplaceAll(readFile(t, to+journalSuffix), []byte(`"seq":2`), []byte(`"seq":3`)), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			to := crashed(t, path)
			if err := spoil(to); err != nil {
				t.Fatal(err)
			}
			if l, err := Open(Options{Path: to, Now: clock}); err == nil || !strings.Contains(err.Error(), "audit journal") {
				t.Errorf("Open = %v, %v", l, err)
			}
		})
	}
}

// The file has the first record of the journal, but it reads differently there.
func TestJournalOfAnotherHistoryIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := journaled(t, path)
	mustAppend(t, l, refusal("a"), true)
	mustAppend(t, l, refusal("b"), true)
	to := crashed(t, path)
	if err := os.WriteFile(to, []byte(line(full())+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(Options{Path: to, Now: clock}); err == nil || !strings.Contains(err.Error(), "another record 1") {
		t.Errorf("Open = %v, %v", l, err)
	}
}

// When the file takes nothing, nothing is promised on the journal's strength; when it does again, the journal works on.
func TestJournalPromisesNothingWhileTheFileFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := journaled(t, path)
	mustAppend(t, l, refusal("a"), true)
	working := l.out
	l.out = stream{failing{}}
	l.tick()
	if err := l.Append(refusal("b"), true); err == nil {
		t.Error("a record was promised while the disk is full")
	}
	wantAll(t, recovered(t, crashed(t, path)), "a")
	l.out = working
	mustAppend(t, l, refusal("c"), true)
	wantAll(t, tools(t, readFile(t, path)), "a b c")
	mustAppend(t, l, refusal("d"), true)
	wantAll(t, tools(t, readFile(t, path)), "a b c")
	wantAll(t, recovered(t, crashed(t, path)), "a b c d")
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A journal that is full is no reason to refuse: the file takes the lines then.
func TestFullJournalGivesWayToTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l, err := Open(Options{Path: path, Now: clock, Flush: time.Hour, Buffer: 8 << 20, Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	l.kicked = true // no write before its time
	n := 0
	for len(readFile(t, path)) == 0 {
		mustAppend(t, l, refusal(strings.Repeat("x", 400)), true)
		n++
	}
	if n < 1000 || l.broken {
		t.Errorf("after %d records the file was written to; broken %v", n, l.broken)
	}
	mustAppend(t, l, refusal("last"), true)
	if got := recovered(t, crashed(t, path)); len(got) != n+1 || got[n] != "last" {
		t.Errorf("%d records are there of %d", len(got), n+1)
	}
}

// A write that goes on while records come in has not taken longer for that.
func TestRecordsThatComeInDuringAWriteDoNotStallIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(Options{Path: filepath.Join(t.TempDir(), "a.jsonl"), Now: clock, Wait: 100 * time.Millisecond, Flush: 60 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		hold := make(chan struct{})
		working := l.out
		l.out = stream{&scripted{hold: hold}}
		for range 3 * flushSize / 400 {
			mustAppend(t, l, refusal(strings.Repeat("x", 400)), true)
			synctest.Wait()
		}
		if !l.writing || l.stalled {
			t.Errorf("writing %v, stalled %v", l.writing, l.stalled)
		}
		close(hold)
		synctest.Wait()
		l.out = working
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// What happened to the gateway is in the file at once: who looks at the log finds it.
func TestLifecycleIsInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := journaled(t, path)
	defer func() { _ = l.Close() }()
	if err := l.Lifecycle(Started, "sha256:aa", ""); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(text, []byte(`"event":"started"`)) {
		t.Errorf("the file has %q, %v", text, err)
	}
	if seq, hash := l.Head(); seq != 1 || hash == strings.Repeat("0", 64) {
		t.Errorf("the chain ends at %d, %s", seq, hash)
	}
	if n := l.Stats().Pending; n != 0 {
		t.Errorf("%d bytes are pending", n)
	}
}

// What a killed process has left in the journal is sealed with its key, the rest with that of the next.
func TestSealedJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	k, o := sealing(t)
	l, err := Open(Options{Path: path, Now: clock, Seal: k, Flush: time.Hour, Wait: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	mustAppend(t, l, &Record{Kind: Refusal, Tool: "a", Message: "1"}, true)
	to := crashed(t, path)
	if l.journal != nil && bytes.Contains(readFile(t, to), []byte(`"a"`)) {
		t.Fatal("the file has the record already: this is not about the journal")
	}
	second, _ := sealing(t)
	again := sealedAt(t, to, second)
	mustAppend(t, again, &Record{Kind: Refusal, Tool: "b", Message: "2"}, true)
	data := readFile(t, to)
	wantTools(t, data, "sealing_key a sealing_key b")
	if found, opened, err := Learn(o, bytes.NewReader(data)); found != 2 || opened != 1 || err != nil {
		t.Fatalf("%d of %d keys, %v", opened, found, err)
	}
	var u Unsealer
	lines := bytes.Split(data, newline)
	if open, err := u.Unseal(o, lines[1]); err != nil || !bytes.Contains(open, []byte(`"message":"1"`)) {
		t.Errorf("%s: %v", open, err)
	}
	if _, err := u.Unseal(o, lines[3]); !errors.Is(err, seal.ErrOthers) {
		t.Errorf("sealed for another: %v", err)
	}
}
