package wasm_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

func newHost(t testing.TB, o wasm.Options) *wasm.Host {
	t.Helper()
	h, err := wasm.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func load(t testing.TB, h *wasm.Host, module []byte, c wasm.Config) *wasm.Plugin {
	t.Helper()
	p, err := h.Load(context.Background(), module, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// plugin loads a module into a host of its own.
func plugin(t testing.TB, m *module, c wasm.Config) *wasm.Plugin {
	t.Helper()
	return load(t, newHost(t, wasm.Options{}), m.bytes(), c)
}

func scan(t testing.TB, text string) jsonscan.Value {
	t.Helper()
	d := new(jsonscan.Doc)
	if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d.Root()
}

var decided = time.UnixMilli(1_790_000_000_123).UTC()

// message returns the call of a tool.
func message(t testing.TB, arguments string) *wasm.Message {
	t.Helper()
	return &wasm.Message{
		Method: "tools/call", Server: "files", Tool: "read_file",
		Params: scan(t, `{"name":"read_file","arguments":`+arguments+`}`),
		Source: netip.MustParseAddr("192.0.2.7"), Time: decided,
		Principal: &wasm.Principal{ID: "alice", Kind: "anonymous", Groups: []string{"dev", "ops"}},
	}
}

// ask calls the request hook.
func ask(t testing.TB, p *wasm.Plugin, m *wasm.Message) *wasm.Result {
	t.Helper()
	var r wasm.Result
	p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: m}, &r)
	return &r
}

// sum says what a result is, in one line.
func sum(r *wasm.Result) string {
	if r.Failure.Type != "" {
		return fmt.Sprintf("%v %s: %s", r.Verdict(), r.Failure.Type, r.Failure.Text)
	}
	s := r.Verdict().String()
	if r.Code != "" {
		s += fmt.Sprintf(" %s %q", r.Code, r.Message)
	}
	if r.Approval != "" {
		s += fmt.Sprintf(" approval %q", r.Approval)
	}
	for _, e := range r.Edits {
		s += fmt.Sprintf(" | %s=%s", e.Path, e.JSON)
	}
	return s
}

var exampleForm = regexp.MustCompile("(?ms)^```hex ([^\n]*)\n(.*?)^```$")

// example returns the bytes of an example of the ABI's document.
func example(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../hostapi/ABI.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range exampleForm.FindAllStringSubmatch(string(text), -1) {
		if m[1] != name {
			continue
		}
		digits := regexp.MustCompile(`;.*|\s`).ReplaceAllString(m[2], "")
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	t.Fatalf("ABI.md has no example %q", name)
	return nil
}

// The examples of ABI.md do what it says.
func TestExamplesOfTheDocument(t *testing.T) {
	h := newHost(t, wasm.Options{})
	if got := sum(ask(t, load(t, h, example(t, "deny-all"), wasm.Config{}), message(t, `{}`))); got != `deny denied_by_plugin ""` {
		t.Errorf("deny-all: %s", got)
	}
	p := load(t, h, example(t, "need-path"), wasm.Config{})
	for arguments, want := range map[string]string{
		`{"path":"/etc/passwd"}`: "pass", `{"path":"/home/alice/notes.txt"}`: "pass", `{"path":{"a":[1, 2.50]}}`: "pass",
		`{}`: `deny no_path "A path is needed."`,
	} {
		if got := sum(ask(t, p, message(t, arguments))); got != want {
			t.Errorf("need-path of %s: %s, want %s", arguments, got, want)
		}
	}
}

const simpleManifest = `{"abi":"sallyport/1","name":"simple","version":"1.0.0","hooks":["request"],` +
	`"reads":{"request":["args.path","mcp.tool.name","principal.groups"]},"verdicts":["deny"],"limits":{"deadline_ms":10000}}`

// needPath denies calls without a path.
func needPath() *module {
	m := (&module{}).manifest(simpleManifest)
	field, reason := m.host("field"), m.host("reason")
	m.mem(1, 1)
	m.data(32, "no_pathA path is needed.")
	m.fun("sp_on_request", ":i", "i",
		i32(0), i32(16), i32(16), call(field), i32(0), lts, raw(0x22, 0),
		when(i32(32), i32(7), i32(39), i32(17), call(reason)),
		local(0),
	)
	return m
}

// sharedCache has the compiled code of the guest in Go, which takes a second to make.
var sharedCache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sallyport-wasm")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	sharedCache = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func TestGuestReadsFieldsAndDenies(t *testing.T) {
	p := plugin(t, needPath(), wasm.Config{})
	for arguments, want := range map[string]string{
		`{"path":"/etc/passwd"}`:           "pass",
		`{"path":"/home/alice/notes.txt"}`: "pass",
		`{"path":{"a":[1,2.50]}}`:          "pass",
		`{}`:                               `deny no_path "A path is needed."`,
	} {
		if diff := cmp.Diff(want, sum(ask(t, p, message(t, arguments)))); diff != "" {
			t.Errorf("%s: %s", arguments, diff)
		}
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
