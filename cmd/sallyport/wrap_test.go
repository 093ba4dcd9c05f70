package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

// wrapped is a client of `sallyport wrap -- peer`.
type wrapped struct {
	t      *testing.T
	in     *io.PipeWriter
	lines  chan string
	code   chan int
	stderr *safeBuffer
	end    context.CancelFunc
	audit  string
}

// safeBuffer is a buffer that several goroutines write to.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func wrapPeer(t *testing.T, args ...string) *wrapped {
	t.Helper()
	w := &wrapped{t: t, lines: make(chan string, 1000), code: make(chan int, 1), stderr: new(safeBuffer), audit: filepath.Join(t.TempDir(), "audit.jsonl")}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ctx, end := context.WithCancel(context.Background())
	w.in, w.end = inW, end
	go func() {
		defer close(w.lines)
		s := bufio.NewScanner(outR)
		s.Buffer(nil, 8<<20)
		for s.Scan() {
			w.lines <- s.Text()
		}
	}()
	go func() {
		code := run(append(append([]string{"wrap", "--audit", w.audit}, args...), "--", "peer"), process{
			ctx: ctx, stdin: inR, stdout: outW, stderr: w.stderr, getenv: os.LookupEnv, now: time.Now,
		})
		_ = outW.Close()
		w.code <- code
	}()
	t.Cleanup(func() {
		end()
		_ = inW.Close()
		_ = inR.Close()
	})
	return w
}

func (w *wrapped) say(lines ...string) {
	w.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(w.in, l+"\n"); err != nil {
			w.t.Fatal(err)
		}
	}
}

// hear waits for a line that contains all the words.
func (w *wrapped) hear(words ...string) string {
	w.t.Helper()
	late := time.After(20 * time.Second)
	var heard []string
next:
	for {
		select {
		case line, ok := <-w.lines:
			if !ok {
				w.t.Fatalf("it has ended without saying %q: %q\n%s", words, heard, w.stderr)
			}
			heard = append(heard, line[:min(len(line), 200)])
			for _, word := range words {
				if !strings.Contains(line, word) {
					continue next
				}
			}
			return line
		case <-late:
			w.t.Fatalf("it never says %q: %q\n%s", words, heard, w.stderr)
		}
	}
}

func (w *wrapped) exit(want int) {
	w.t.Helper()
	select {
	case got := <-w.code:
		if got != want {
			w.t.Errorf("exit code %d, want %d\n%s", got, want, w.stderr)
		}
	case <-time.After(30 * time.Second):
		w.t.Fatalf("it does not end\n%s", w.stderr)
	}
}

// records gives the verified records. Of open decisions nothing follows: they are of what the server asks of the client.
func (w *wrapped) records(open int) string {
	w.t.Helper()
	data, err := os.ReadFile(w.audit)
	if err != nil {
		w.t.Fatal(err)
	}
	if r, err := audit.Verify(bytes.NewReader(data)); err != nil || !r.Stopped || r.Open != open {
		w.t.Errorf("the records: %+v, %v\n%s", r, err, data)
	}
	return string(data)
}

const (
	initialize  = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"t","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

func legacyCall(id int, tool string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"n":%d}}}`, id, tool, id)
}

func modernCall(id int, tool string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",`+
		`"io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"}},"name":%q,"arguments":{"n":%d}}}`, id, tool, id)
}

// cancels cancels a request that hangs, once the server has it: one that has not been sent yet is never heard of. next is an unused id.
func (w *wrapped) cancels(id, next int, call func(int, string) string) {
	w.t.Helper()
	next = w.polls(next, call, "1 hang, 0 cancelled")
	w.say(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, id))
	w.polls(next, call, "1 hang, 1 cancelled")
}

// polls asks the server for its state until that is as it should be.
func (w *wrapped) polls(next int, call func(int, string) string, want string) int {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; next++ {
		w.say(call(next, "state"))
		state := w.hear(fmt.Sprintf(`"id":%d`, next))
		if strings.Contains(state, want) {
			return next + 1
		}
		if time.Now().After(end) {
			w.t.Fatalf("want %s, the last state was %s", want, state)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestWrapServesALegacyClient(t *testing.T) {
	w := wrapPeer(t)
	w.say(initialize)
	w.hear(`"id":0`, `"protocolVersion":"2025-11-25"`)
	w.say(initialized, legacyCall(1, "echo"))
	w.hear(`"id":1`, `{\"n\":1}`)
	w.say(legacyCall(2, "news")) // what no request is the cause of
	w.hear(`notifications/tools/list_changed`)
	w.say(legacyCall(3, "ask"))
	w.hear(`"id":"q"`, `"method":"roots/list"`)
	w.say(`{"jsonrpc":"2.0","id":"q","result":{"roots":[]}}`)
	w.hear(`"id":3`, `roots`)
	w.say(legacyCall(4, "long"), "garbage")
	w.hear("Parse error")
	w.say(legacyCall(5, "hang"))
	w.cancels(5, 6, legacyCall)
	w.end()
	w.exit(exitOK)
	if !strings.Contains(w.stderr.String(), "peer: ready") {
		t.Errorf("the server's standard error is lost: %s", w.stderr)
	}
	if r := w.records(1); !strings.Contains(r, `"server":"server"`) || !strings.Contains(r, `"reason":"parse_error"`) {
		t.Errorf("records:\n%s", r)
	}
}

func TestWrapServesAModernClient(t *testing.T) {
	w := wrapPeer(t, "--name", "tools")
	w.say(modernCall(1, "echo"))
	w.hear(`"id":1`, `{\"n\":1}`)
	w.say(modernCall(2, "hang"))
	w.cancels(2, 3, modernCall)
	if err := w.in.Close(); err != nil {
		t.Fatal(err)
	}
	w.exit(exitOK)
	w.records(0)
}

// What the client has asked before it ends its input is answered.
func TestWrapAnswersBeforeItEnds(t *testing.T) {
	w := wrapPeer(t)
	w.say(modernCall(1, "echo"), modernCall(2, "long"))
	if err := w.in.Close(); err != nil {
		t.Fatal(err)
	}
	got := map[bool]int{}
	for line := range w.lines {
		got[strings.Contains(line, `"result"`)]++
	}
	if got[true] != 2 || got[false] != 0 {
		t.Errorf("%v", got)
	}
	w.exit(exitOK)
}

func TestWrapEndsWithItsServer(t *testing.T) {
	w := wrapPeer(t)
	w.say(modernCall(1, "echo"))
	w.hear(`"id":1`)
	w.say(modernCall(2, "crash"))
	w.exit(exitUnreachable)
	if !strings.Contains(w.stderr.String(), "the server has ended") {
		t.Errorf("it says %s", w.stderr)
	}
}

func TestWrapDecides(t *testing.T) {
	dir := t.TempDir()
	policy := "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nmatch: { servers: [tools], methods: [tools/call] }\nrules:\n" +
		"  - { name: small, when: 'args.n < 2', effect: allow }\n  - { name: bob, when: 'principal.id == \"bob\"', effect: deny, reason: no_bob }\n"
	if err := os.WriteFile(filepath.Join(dir, "p.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	w := wrapPeer(t, "--policies", dir, "--name", "tools", "--as", "alice")
	w.say(modernCall(1, "echo"))
	w.hear(`"id":1`, `"result"`)
	w.say(modernCall(2, "echo"))
	w.hear(`"id":2`, `"code":40301`, `no_rule_matched`)
	w.end()
	w.exit(exitOK)
	if r := w.records(0); !strings.Contains(r, `alice`) || !strings.Contains(r, `"rule":"small"`) {
		t.Errorf("records:\n%s", r)
	}
	w = wrapPeer(t, "--policies", dir, "--name", "tools", "--as", "bob")
	w.say(modernCall(1, "echo"))
	w.hear(`"id":1`, "Unknown tool: echo") // no call of his could be allowed
	w.end()
	w.exit(exitOK)
	if r := w.records(0); !strings.Contains(r, "no_bob") {
		t.Errorf("records:\n%s", r)
	}
}

func TestWrapBoundsLines(t *testing.T) {
	w := wrapPeer(t)
	go func() { // the rest of it is not read
		_, _ = io.WriteString(w.in, strings.Repeat("x", 5<<20))
	}()
	w.exit(exitUnexpected)
	if !strings.Contains(w.stderr.String(), "a line from the client is too long: more than 4194304 bytes") {
		t.Errorf("it says %s", w.stderr)
	}
}

func TestWrapRefusesWhatItCannotRun(t *testing.T) {
	for want, args := range map[string][]string{
		"no-such-program":                {"wrap", "--", "no-such-program"},
		"lower-case letters":             {"wrap", "--name", "A B", "--", "peer"},
		"no such file":                   {"wrap", "--policies", "/none", "--", "peer"},
		"expected \"<command> ...\"":     {"wrap"},
		"the claims are those of x.json": {"wrap", "--as", "x.json", "--group", "g", "--", "peer"},
		"who is it about? Say --as WHO":  {"wrap", "--group", "g", "--", "peer"},
	} {
		var stderr bytes.Buffer
		code := run(args, process{ctx: context.Background(), stdin: strings.NewReader(""), stdout: io.Discard, stderr: &stderr, getenv: os.LookupEnv, now: time.Now})
		if code == exitOK || !strings.Contains(stderr.String(), want) {
			t.Errorf("%v: %d, %s", args, code, stderr.String())
		}
	}
}
