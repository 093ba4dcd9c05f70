package audit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func clock() time.Time { return at }

func openAt(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(Options{Path: path, Now: clock, direct: true}) // what these tests are about is the file
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func refusal(tool string) *Record { return &Record{Kind: Refusal, Tool: tool} }

func mustAppend(t *testing.T, l *Log, r *Record, durable bool) {
	t.Helper()
	if err := l.Append(r, durable); err != nil {
		t.Fatalf("Append(%s) = %v", r.Tool, err)
	}
}

// tools returns what the records in the file are about, after the whole chain was verified.
func tools(t *testing.T, data []byte) []string {
	t.Helper()
	if _, err := Verify(bytes.NewReader(data)); err != nil {
		t.Fatalf("Verify: %v in\n%s", err, data)
	}
	var all []string
	for line := range bytes.Lines(data) {
		e, err := Read(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Record.Tool+e.Record.Event)
	}
	return all
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func wantTools(t *testing.T, data []byte, want string) {
	t.Helper()
	if got := strings.Join(tools(t, data), " "); got != want {
		t.Errorf("records = %q, want %q", got, want)
	}
}

func TestDurableRecordIsInTheFileWhenAppendReturns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := openAt(t, path)
	mustAppend(t, l, refusal("a"), false)
	mustAppend(t, l, refusal("b"), true)
	wantTools(t, readFile(t, path), "a b")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
}

func TestRecordThatNobodyWaitsForFollowsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w scripted
		l, err := Open(Options{Writer: &w, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, refusal("a"), false)
		time.Sleep(4 * time.Millisecond)
		synctest.Wait()
		if n := w.Len(); n != 0 {
			t.Errorf("%d bytes written before the flush", n)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		wantTools(t, w.Bytes(), "a")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestChainGoesOnAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	for _, tool := range []string{"a", "b", "c"} {
		l := openAt(t, path)
		mustAppend(t, l, refusal(tool), false)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	data := readFile(t, path)
	wantTools(t, data, "a b c")
	l := openAt(t, path)
	report, err := Verify(bytes.NewReader(data))
	seq, head := l.Head()
	if err != nil || seq != 3 || report.LastSeq != 3 || head != report.Head {
		t.Errorf("Head() = %d, %s; Verify = %+v, %v", seq, head, report, err)
	}
}

func TestUnfinishedLastLineIsRemovedAndNoted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := openAt(t, path)
	mustAppend(t, l, refusal("a"), true)
	mustAppend(t, l, refusal("b"), true)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data := readFile(t, path)
	if err := os.WriteFile(path, data[:len(data)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
	got := readFile(t, path)
	wantTools(t, got, "a recovered")
	if !bytes.Contains(got, []byte(fmt.Sprintf("removed an unfinished last line of %d bytes", len(data)/2-20))) {
		t.Errorf("the recovered record says not what was removed:\n%s", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"a file that holds something else", "hello\n", "the last line is no decision record"},
		{"JSON that is no record", "{}\n", "the last line is no decision record: not a decision record"},
		{"a last line that is too long", strings.Repeat("x", maxLine+1), "the last line is too long for a record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.jsonl")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Options{Path: path, Now: clock})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open = %v, want %q", err, tt.want)
			}
			if got := readFile(t, path); string(got) != tt.content {
				t.Error("Open changed a file that it refused")
			}
		})
	}
}

func TestSecondWriterIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	openAt(t, path)
	_, err := Open(Options{Path: path, Now: clock})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second Open = %v", err)
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path, old := filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "a.jsonl.1")
	l := openAt(t, path)
	mustAppend(t, l, refusal("a"), false)
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, old); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, refusal("b"), true)
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, refusal("c"), true)
	first, second := readFile(t, old), readFile(t, path)
	wantTools(t, first, "a b")
	wantTools(t, second, "c")
	wantTools(t, append(first, second...), "a b c")
	report, err := Verify(bytes.NewReader(second))
	if err != nil || report.FirstSeq != 3 || report.FirstPrev == zeroHash {
		t.Errorf("Verify(second) = %+v, %v", report, err)
	}
}

func TestLineThatWasTornIsWholeInTheNewFile(t *testing.T) {
	dir := t.TempDir()
	path, old := filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "a.jsonl.1")
	l := openAt(t, path)
	mustAppend(t, l, refusal("a"), true)
	l.mu.Lock()
	r := refusal("b")
	r.Time = at
	r.encode(l.mask)
	l.place(r.line)
	l.batch, l.end = linkAll(nil, l.pending, l.end)
	l.pending = nil
	n, err := l.out.write(l.batch[:50]) // and there the disk was full
	l.failed(n, errors.Join(err, syscall.ENOSPC))
	l.mu.Unlock()
	if err := os.Rename(path, old); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, refusal("c"), true)
	wantTools(t, readFile(t, old), "a")
	wantTools(t, append(readFile(t, old), readFile(t, path)...), "a b c")
}

func TestRemovedFileIsMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	now := at
	l, err := Open(Options{Path: path, Now: func() time.Time { return now }, Flush: time.Hour, direct: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	mustAppend(t, l, refusal("a"), true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	mustAppend(t, l, refusal("b"), false)
	l.tick()
	wantTools(t, readFile(t, path), "b")
}

func TestReopenRefusesAFileOfSomebodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := openAt(t, path)
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("x\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil || !strings.HasSuffix(err.Error(), "was replaced by a file that is not empty") {
		t.Errorf("Reopen = %v", err)
	}
}

func TestGroupCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l, err := Open(Options{Path: path, Now: clock, Wait: time.Minute, direct: true})
	if err != nil {
		t.Fatal(err)
	}
	const callers, each = 16, 200
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				r := refusal(fmt.Sprintf("c%d-%d", c, i))
				if err := l.Append(r, i%2 == 0); err != nil {
					t.Error(err)
				}
				if i%2 == 0 && i%50 == 0 && !bytes.Contains(readFile(t, path), []byte(r.Tool+`"`)) {
					t.Errorf("%s is not in the file", r.Tool)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	all := tools(t, readFile(t, path))
	for _, tool := range all {
		caller, n, _ := strings.Cut(tool, "-")
		if fmt.Sprint(next[caller]) != n {
			t.Fatalf("%s stands before %s-%d", tool, caller, next[caller])
		}
		next[caller]++
	}
	if len(all) != callers*each {
		t.Errorf("%d records, want %d", len(all), callers*each)
	}
}

func TestClosedLogRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	l := openAt(t, path)
	mustAppend(t, l, refusal("a"), false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantTools(t, readFile(t, path), "a")
	for _, err := range []error{l.Append(refusal("b"), false), l.Append(refusal("b"), true), l.Reopen(), l.Close(), l.Err()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v, want ErrClosed", err)
		}
	}
}

func TestRecordWithoutAKindIsRefused(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "a.jsonl"))
	for _, kind := range []Kind{0, Lifecycle + 1} {
		if err := l.Append(&Record{Kind: kind}, true); !errors.Is(err, ErrKind) {
			t.Errorf("Append(kind %d) = %v, want ErrKind", kind, err)
		}
	}
}

func TestHeadIsTheHashOfTheLastLine(t *testing.T) {
	l, err := Open(Options{Writer: &scripted{}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if seq, head := l.Head(); seq != 0 || head != zeroHash || len(head) != hex.EncodedLen(32) {
		t.Errorf("Head of an empty log = %d, %s", seq, head)
	}
}
