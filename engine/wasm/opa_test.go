package wasm_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// The modules in testdata/rego are built by OPA, which opa_peer_test.go compares them with. Here is
// what holds without it.

const regoManifest = `{"abi":"sallyport/1","name":"rego","version":"1.0.0","hooks":["request"],` +
	`"reads":{"request":["args","mcp.tool.name","principal.claims.tenant","principal.groups"]},` +
	`"writes":["args"],"verdicts":["deny","mutate","approve"],` +
	`"rego":{"entrypoints":{"request":"%s"},"clock":true},"limits":{"pages":256,"fuel":1000000000,"deadline_ms":10000}}`

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// attached is the test module with a manifest.
func attached(t testing.TB, manifest string) []byte {
	t.Helper()
	module, err := rego.Attach(read(t, "testdata/rego/test.wasm"), []byte(manifest), read(t, "testdata/rego/data.json"))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// regoModule is the test module, asked at an entrypoint.
func regoModule(t testing.TB, entrypoint string) []byte {
	t.Helper()
	return attached(t, fmt.Sprintf(regoManifest, entrypoint))
}

// regoMessage is the call of a tool by somebody of the tenant acme.
func regoMessage(t testing.TB, arguments string) *wasm.Message {
	t.Helper()
	m := message(t, arguments)
	m.Principal.Claims = scan(t, `{"tenant":"acme","secret":"not declared"}`)
	return m
}

// suite is an entrypoint with arguments to ask it with.
type suite struct {
	entrypoint string
	cases      func() []string
	keep       int // every so many is kept for tests without OPA
}

func suites() []suite {
	return []suite{
		{"files/decision", filesCases, 8},
		{"echo/decision", echoCases, 16},
		{"calls/results", callsCases, 1},
	}
}

func (s *suite) file() string {
	return "testdata/rego/" + strings.ReplaceAll(s.entrypoint, "/", "-") + ".jsonl"
}

// expectation is what OPA answers.
type expectation struct {
	Arguments json.RawMessage `json:"arguments"`
	Answer    json.RawMessage `json:"answer"`
}

// filesCases are arguments that decide and such that are none at all.
func filesCases() []string {
	r := rand.New(rand.NewPCG(1, 2))
	paths := []string{`"/srv/acme/a.txt"`, `"/srv/acme/../b"`, `"/srv/other/a"`, `"\/srv\/acme\/\u00e9"`, `7`, `null`, `["/srv/acme/"]`, `{}`, `""`}
	out := []string{`{}`}
	for range 200 {
		out = append(out, fmt.Sprintf(`{"path":%s,"x":%s}`, paths[r.IntN(len(paths))], draw(r, 3)))
	}
	return out
}

// echoCases are documents of all kinds.
func echoCases() []string {
	r := rand.New(rand.NewPCG(3, 4))
	out := []string{`{}`}
	for range 300 {
		out = append(out, fmt.Sprintf(`{"decision":%s}`, draw(r, 4)))
	}
	return out
}

// draw makes a JSON text.
func draw(r *rand.Rand, depth int) string {
	scalars := []string{
		`0`, `-1`, `12.5`, `1e3`, `1E-2`, `9007199254740993`, `0.1`, `123456789012345678901234567890`, `-0`, `2.50`,
		`true`, `false`, `null`, `""`, `"a"`, `"\u00e9\n\"\\\/"`, `"\ud83d\ude00"`, `"<&>"`, `"\u0001"`, `"\u2028"`,
	}
	n := r.IntN(4)
	switch kind := r.IntN(4); {
	case depth == 0 || kind < 2:
		return scalars[r.IntN(len(scalars))]
	case kind == 2:
		list := make([]string, n)
		for i := range list {
			list[i] = draw(r, depth-1)
		}
		return "[" + strings.Join(list, ", ") + "]"
	default:
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"k%d":%s`, i, draw(r, depth-1))
		}
		return "{" + strings.Join(list, ",") + "}"
	}
}

// canonical is a JSON text with sorted members and without white space, numbers as they are.
func canonical(t testing.TB, text string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "unreadable: " + text
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func TestModulesAnswerWhatOPAHasAnswered(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: -1})
	for _, s := range suites() {
		p, n := load(t, h, regoModule(t, s.entrypoint), wasm.Config{}), 0
		for lines := bufio.NewScanner(bytes.NewReader(read(t, s.file()))); lines.Scan(); n++ {
			var x expectation
			if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
				t.Fatal(err)
			}
			e := wasm.Evaluate(p, hostapi.HookRequest, regoMessage(t, string(x.Arguments)))
			if got := canonical(t, e.Answer); got != canonical(t, string(x.Answer)) {
				t.Errorf("%s of %s: %s %v, want %s", s.entrypoint, x.Arguments, got, e.Failure, x.Answer)
			}
		}
		if n < 15 {
			t.Errorf("%s: %d cases", s.entrypoint, n)
		}
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
