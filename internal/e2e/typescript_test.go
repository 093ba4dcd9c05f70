package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// server is what the TypeScript client talks to, and what it does there.
type server struct {
	allowed []string // tools, as globs
	denied  string   // a tool that is listed, and denied with the argument below
	arg     string   // the argument that must not be "forbidden"
	hidden  string   // a tool that no rule allows
	steps   []step   // beside the calls of those
}

// step is what peer.mjs takes: a name for the answer, what to do, with what.
type step []any

var (
	// referenceServer is @modelcontextprotocol/server-everything.
	referenceServer = server{
		allowed: []string{"echo", "get-sum", "get-roots-list", "get-structured-content", "trigger-*"},
		denied:  "echo", arg: "message",
		hidden: "get-env",
		steps: []step{
			{"echo", "call", "echo", args{"message": "h\u00e9llo \U0001F30D"}},
			{"sum", "call", "get-sum", args{"a": 1, "b": 9007199254740991}},
			{"structured", "call", "get-structured-content", args{"location": "New York"}},
			{"invalid", "call", "get-sum", args{"a": "one"}},
			{"progress", "progress", "trigger-long-running-operation", args{"duration": 0.2, "steps": 2}},
			{"sampling", "call", "trigger-sampling-request", args{"prompt": "x", "maxTokens": 5}},
			{"elicitation", "call", "trigger-elicitation-request", args{}},
			{"roots", "call", "get-roots-list", args{}},
			{"read", "read", "demo://resource/static/document/features.md"},
			{"no such resource", "read", "demo://nowhere"},
			{"prompt", "prompt", "args-prompt", args{"city": "Oslo"}},
		},
	}
	// conformanceFixture is go-sdk's everything-server.
	conformanceFixture = server{
		allowed: []string{"test_simple_text", "test_tool_*", "test_error_handling", "test_sampling", "test_elicitation", "test_input_required_result_*"},
		denied:  "test_sampling", arg: "prompt",
		hidden: "test_image_content",
		steps: []step{
			{"text", "call", "test_simple_text", args{}},
			{"failing tool", "call", "test_error_handling", args{}},
			{"read", "read", "test://static-text"},
			{"read binary", "read", "test://static-binary"},
			{"no such resource", "read", "test://nowhere"},
			{"prompt", "prompt", "test_prompt_with_arguments", args{"arg1": "a", "arg2": "b"}},
		},
	}
)

type args map[string]any

func TestPeersTypeScriptClient(t *testing.T) {
	p := installed(t)
	inSession := []step{
		{"sampling", "call", "test_sampling", args{"prompt": "x"}},
		{"elicitation", "call", "test_elicitation", args{"message": "who?"}},
	}
	inRounds := []step{
		{"sampling", "call", "test_input_required_result_sampling", args{}},
		{"elicitation", "call", "test_input_required_result_elicitation", args{}},
		{"roots", "call", "test_input_required_result_list_roots", args{}},
	}
	tests := []struct {
		name, era, speaks string
		server            server
		more              []step
		start             func(t *testing.T, p peers) (direct, entry string)
	}{
		{"reference server over HTTP, legacy", "legacy", "legacy 2025-11-25", referenceServer, nil, referenceOverHTTP},
		{"reference server over HTTP, negotiated", "auto", "legacy 2025-11-25", referenceServer, nil, referenceOverHTTP},
		{"reference server over stdio, legacy", "legacy", "legacy 2025-11-25", referenceServer, nil, referenceOverStdio},
		{"reference server over stdio, negotiated", "auto", "legacy 2025-11-25", referenceServer, nil, referenceOverStdio},
		{"go-sdk stateful, legacy", "legacy", "legacy 2025-11-25", conformanceFixture, inSession, fixture(false)},
		{"go-sdk stateless, modern", "modern", "modern 2026-07-28", conformanceFixture, inRounds, fixture(true)},
		{"go-sdk stateless, negotiated", "auto", "modern 2026-07-28", conformanceFixture, inRounds, fixture(true)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			direct, entry := tt.start(t, p)
			g := startGateway(t, entry, tt.server.policy())
			steps := tt.server.allSteps(tt.more)
			want, got := p.drive(t, direct, tt.era, steps), p.drive(t, g.url+"/mcp/up", tt.era, steps)
			if era := decoded[string](t, got["era"]); era != tt.speaks {
				t.Errorf("the client speaks %s, want %s", era, tt.speaks)
			}
			checkPolicy(t, tt.server, want, got)
			checkSame(t, want, got)
		})
	}
}

// referenceOverHTTP starts the reference server and returns its URL and its entry in
// the gateway's configuration.
func referenceOverHTTP(t *testing.T, p peers) (direct, entry string) {
	addr := freeAddr(t)
	cmd := exec.Command(p.bin("node"), p.script("@modelcontextprotocol/server-everything/dist/index.js"), "streamableHttp")
	cmd.Env = append(os.Environ(), "PORT="+addr[strings.LastIndex(addr, ":")+1:])
	start(t, addr, cmd)
	url := "http://" + addr + "/mcp"
	return url, "  up: { url: " + url + " }"
}

// referenceOverStdio gives the gateway the command to start. The client can't reach
// that one directly: it is compared with what the same server says over HTTP.
func referenceOverStdio(t *testing.T, p peers) (direct, entry string) {
	direct, _ = referenceOverHTTP(t, p)
	command := []string{p.bin("node"), p.script("@modelcontextprotocol/server-everything/dist/index.js"), "stdio"}
	return direct, fmt.Sprintf("  up: { command: [%s] }", strings.Join(command, ", "))
}

func fixture(stateless bool) func(*testing.T, peers) (direct, entry string) {
	return func(t *testing.T, p peers) (direct, entry string) {
		url := p.conformanceServer(t, stateless)
		return url, "  up: { url: " + url + " }"
	}
}

// policy allows the server's tools by name, and what isn't a tool.
func (s server) policy() string {
	quoted := make([]string, len(s.allowed))
	for i, tool := range s.allowed {
		quoted[i] = fmt.Sprintf("%q", tool)
	}
	return fmt.Sprintf(`apiVersion: sallyport/v1
kind: Policy
metadata: { name: tools, owner: e2e }
match: { methods: [tools/call], tools: [%s] }
rules:
  - { name: known, effect: allow }
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: words, owner: e2e }
match: { methods: [tools/call], tools: [%s] }
rules:
  - name: no-forbidden
    when: 'args.%s == "forbidden"'
    effect: deny
    reason: forbidden_word
    message: '"%%s may not be said".format([args.%s])'
---
apiVersion: sallyport/v1
kind: Policy
metadata: { name: rest, owner: e2e }
match: { methods: ["resources/*", "prompts/*", "logging/*", sampling/createMessage, elicitation/create, roots/list] }
rules:
  - { name: rest, effect: allow }
`, strings.Join(quoted, ", "), s.denied, s.arg, s.arg)
}

func (s server) allSteps(more []step) []step {
	all := []step{
		{"era", "era"},
		{"server", "server"},
		{"tools", "tools"},
		{"prompts", "prompts"},
		{"templates", "templates"},
		{"resources", "resources"},
		{"denied", "call", s.denied, args{s.arg: "forbidden"}},
		{"hidden", "call", s.hidden, args{}},
		{"unknown", "call", "no-such-tool", args{}},
	}
	all = append(append(all, s.steps...), more...)
	return append(all, step{"asked", "asked"})
}

// drive runs the TypeScript client and returns the answer of each step.
func (p peers) drive(t *testing.T, url, era string, steps []step) map[string]json.RawMessage {
	t.Helper()
	// A module finds its packages from where it is, so it is put beside them.
	dir := t.TempDir()
	script, err := os.ReadFile("testdata/peer.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "peer.mjs"), script, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(p.script(""), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(steps)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), p.bin("node"), filepath.Join(dir, "peer.mjs"), url, era, string(list))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the client at %s: %v\n%s", url, err, tail(said.String()))
	}
	return decoded[map[string]json.RawMessage](t, out)
}

// failure is how a step failed.
type failure struct {
	Error   string `json:"error"`
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct{ DecisionID, Rule, Reason string }
}

// checkPolicy looks at the steps that the policy is about, and takes them out of what
// both sides saw.
func checkPolicy(t *testing.T, s server, want, got map[string]json.RawMessage) {
	t.Helper()
	visible := slices.DeleteFunc(decoded[[]string](t, want["tools"]), func(tool string) bool { return !s.allows(tool) })
	if diff := cmp.Diff(visible, decoded[[]string](t, got["tools"])); diff != "" || len(visible) == 0 {
		t.Errorf("tools (-direct, without the hidden ones, +gateway):\n%s", diff)
	}
	denied := decoded[failure](t, got["denied"])
	if denied.Data.DecisionID == "" {
		t.Errorf("the denial names no decision: %s", got["denied"])
	}
	denied.Data.DecisionID = ""
	wantDenied := failure{Error: "ProtocolError", Code: 40301, Message: "Denied by policy: forbidden may not be said"}
	wantDenied.Data.Rule, wantDenied.Data.Reason = "words/no-forbidden", "forbidden_word"
	if diff := cmp.Diff(wantDenied, denied); diff != "" {
		t.Errorf("denied call (-want +got):\n%s", diff)
	}
	hidden := strings.ReplaceAll(string(got["hidden"]), s.hidden, "TOOL")
	unknown := strings.ReplaceAll(string(got["unknown"]), "no-such-tool", "TOOL")
	if hidden != unknown {
		t.Errorf("a hidden tool is answered with\n%s\nan unknown one with\n%s", hidden, unknown)
	}
	if f := decoded[failure](t, got["hidden"]); f.Error != "ProtocolError" || f.Code != -32602 {
		t.Errorf("a hidden tool is answered with %s", got["hidden"])
	}
	for _, step := range []string{"tools", "denied", "hidden", "unknown"} {
		delete(want, step)
		delete(got, step)
	}
}

// allows says whether the policy allows some call of a tool.
func (s server) allows(tool string) bool {
	return slices.ContainsFunc(s.allowed, func(glob string) bool {
		if prefix, ok := strings.CutSuffix(glob, "*"); ok {
			return strings.HasPrefix(tool, prefix)
		}
		return tool == glob
	})
}

// checkSame compares every other step with what the client saw directly.
func checkSame(t *testing.T, want, got map[string]json.RawMessage) {
	t.Helper()
	for name := range want {
		if diff := cmp.Diff(string(want[name]), string(got[name])); diff != "" {
			t.Errorf("%s (-direct +gateway):\n%s", name, diff)
		}
	}
}

func decoded[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}
