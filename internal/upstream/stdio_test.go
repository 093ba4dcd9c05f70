//go:build linux

package upstream

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNoiseIsCountedAndDropped(t *testing.T) {
	l := stdio(t, "mcp", nil)
	got, err := run(t, l, ask("", `1`, "noise", ""))
	if diff := cmp.Diff([]string{`{"jsonrpc":"2.0","id":1,"result":"quiet"}`}, got); err != nil || diff != "" {
		t.Errorf("error %v:\n%s", err, diff)
	}
	if n := l.Status().Noise; n != 2 {
		t.Errorf("%d lines of noise", n)
	}
}

func TestUnreadableAnswerFailsItsCallOnly(t *testing.T) {
	l := stdio(t, "mcp", nil)
	_, err := run(t, l, ask("", `1`, "lone", ""))
	if codeOf(err) != "protocol" || !errors.Is(err, errBadAnswer) {
		t.Errorf("got %v", err)
	}
	if _, err := run(t, l, ask("", `1`, "echo", `,"arguments":1`)); err != nil {
		t.Errorf("the next call: %v", err)
	}
	if n := l.Status().Restarts; n != 0 {
		t.Errorf("%d restarts", n)
	}
}

func TestLineOverTheLimitEndsTheChild(t *testing.T) {
	l := stdio(t, "flood", func(o *StdioOptions) { o.MaxLine = 4 << 20 })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := run(t, l, ask("", `1`, "x", ""))
	_ = l.Close()
	runtime.ReadMemStats(&after)
	if codeOf(err) != "too_large" || !strings.HasSuffix(err.Error(), "a line is too long: more than 4194304 bytes") {
		t.Errorf("got %v", err)
	}
	if grown := after.Sys - before.Sys; grown > 64<<20 {
		t.Errorf("%d MiB for one line", grown>>20)
	}
}

func TestCrashedChildIsReapedAndReported(t *testing.T) {
	l := stdio(t, "exit", nil)
	if _, err := run(t, l, ask("", `1`, "x", "")); codeOf(err) != "closed" && codeOf(err) != "unavailable" {
		t.Errorf("got %v", err)
	}
	_, err := run(t, l, ask("", `1`, "x", ""))
	if codeOf(err) != "unavailable" {
		t.Errorf("while backing off: %v", err)
	}
	_ = l.Close()
	if st := l.Status(); st.LastError != "it has ended its output: exit status 7" && !strings.HasSuffix(st.LastError, ": exit status 7") {
		t.Errorf("status %+v", st)
	}
	if n := zombies(t); n != 0 {
		t.Errorf("%d zombies", n)
	}
}

// zombies counts the children of this process that were not reaped.
func zombies(t *testing.T) (n int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile
		}
		fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		if fields[0] == "Z" && fields[1] == strings.TrimSpace(itoa(os.Getpid())) {
			n++
		}
	}
	return n
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func TestNothingIsLeftOfAChild(t *testing.T) {
	for _, mode := range []string{"leader", "stubborn"} {
		t.Run(mode, func(t *testing.T) {
			l := stdio(t, mode, func(o *StdioOptions) { o.KillGrace = 50 * time.Millisecond })
			if mode == "leader" {
				l = stdio(t, mode, nil)
			}
			c := ask("", `1`, "x", "")
			defer c.Close()
			if err := l.Do(c); err != nil {
				t.Fatal(err)
			}
			var answer struct{ Result []int }
			if err := json.Unmarshal(c.ReplyBody, &answer); err != nil || len(answer.Result) != 2 {
				t.Fatalf("%s: %v", c.ReplyBody, err)
			}
			_ = l.Close()
			for i, pid := range answer.Result {
				for range 100 { // a killed orphan is gone when its new parent sees it
					if !alive(pid) {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				if alive(pid) {
					t.Errorf("process %d of 2 is alive", i+1)
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		})
	}
}

func alive(pid int) bool {
	state, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(state), ") Z ")
}

func TestChildGetsTheListedEnvironmentOnly(t *testing.T) {
	l := stdio(t, "env", func(o *StdioOptions) {
		o.BaseEnv = []string{"PATH=/bin", "HOME=/h", "AWS_SECRET_ACCESS_KEY=x", "LANG=C", "LD_PRELOAD=/x", "TZ=UTC"}
		o.Env["HOME"] = "/own"
		o.Env["KEY"] = "value"
	})
	got, err := run(t, l, ask("", `1`, "x", ""))
	want := []string{`{"jsonrpc":"2.0","id":1,"result":"HOME=/own KEY=value LANG=C PATH=/bin SALLYPORT_TEST_CHILD=env TZ=UTC"}`}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v:\n%s", err, diff)
	}
}

func TestStderrIsBounded(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	l := stdio(t, "chatty", func(o *StdioOptions) {
		o.Stderr = func(line string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, line)
		}
		at := time.Now()
		o.Now = func() time.Time { return at } // no refill
	})
	l.o.Now = time.Now
	if _, err := run(t, l, ask("", `1`, "echo", `,"arguments":1`)); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	mu.Lock()
	defer mu.Unlock()
	if len(lines) != logBurst+1 || len(lines[0]) != maxLogLine || lines[1] != "line 0" || lines[logBurst] != "(4801 lines dropped)" {
		t.Errorf("%d lines, the first of %d bytes, then %q, the last %q", len(lines), len(lines[0]), lines[1], lines[len(lines)-1])
	}
}

func TestMissingProgramIsUnavailable(t *testing.T) {
	l := stdio(t, "x", func(o *StdioOptions) { o.Command = []string{"/nonexistent/server"} })
	if err := l.Do(ask("", `1`, "x", "")); codeOf(err) != "unavailable" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := NewStdio("x", StdioOptions{}); err == nil || err.Error() != "no command" {
		t.Errorf("without a command: %v", err)
	}
}

// A crash ends the sessions and calls of one child only.
func TestCrashOfOneSessionIsNotTheOthers(t *testing.T) {
	l := stdio(t, "mcp", nil)
	a, b := open(t, l), open(t, l)
	if _, err := run(t, l, ask(a, `1`, "crash", "")); codeOf(err) != "closed" {
		t.Errorf("got %v", err)
	}
	c := ask(a, `2`, "echo", `,"arguments":1`)
	if _, err := run(t, l, c); err != nil || c.Status != 404 {
		t.Errorf("status %d, %v", c.Status, err)
	}
	if _, err := run(t, l, ask(b, `2`, "echo", `,"arguments":1`)); err != nil {
		t.Errorf("the other session: %v", err)
	}
	open(t, l)
}
