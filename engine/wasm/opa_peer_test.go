//go:build opa

package wasm_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// These tests compare with OPA itself, which is no dependency of ours: make rego runs them with the
// module file .ci/opa.mod.

var update = flag.Bool("update", false, "write the modules and what is expected of them")

// built are the modules that are committed, with their sources and entrypoints.
var built = []struct {
	file, sources string
	entrypoints   []string
}{
	{"testdata/rego/test.wasm", "testdata/rego/*.rego", []string{
		"files/decision", "echo/decision", "echo/seen", "echo/list", "echo/slow", "echo/conflict", "calls/results",
	}},
	{"../../examples/plugins/rego/files.wasm", "../../examples/plugins/rego/files.rego", []string{"files/decision"}},
}

func TestCommittedModulesAreWhatOPABuilds(t *testing.T) {
	for _, b := range built {
		sources, err := filepath.Glob(b.sources)
		if err != nil || len(sources) == 0 {
			t.Fatalf("%s: %v", b.sources, err)
		}
		c := compile.New().WithTarget(compile.TargetWasm).WithPaths(sources...).WithEntrypoints(b.entrypoints...)
		if err := c.Build(context.Background()); err != nil {
			t.Fatal(err)
		}
		module := c.Bundle().WasmModules[0].Raw
		if *update {
			if err := os.WriteFile(b.file, module, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if committed, err := os.ReadFile(b.file); err != nil || !bytes.Equal(committed, module) {
			t.Errorf("%s is not what %v is built to (%v): run make rego OPA=-update", b.file, sources, err)
		}
	}
}

// native is an entrypoint as OPA evaluates it.
func native(t testing.TB, entrypoint string) rego.PreparedEvalQuery {
	t.Helper()
	var data map[string]any
	if err := util.UnmarshalJSON(read(t, "testdata/rego/data.json"), &data); err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("testdata/rego/*.rego")
	if err != nil {
		t.Fatal(err)
	}
	options := []func(*rego.Rego){
		rego.Query("data." + strings.ReplaceAll(entrypoint, "/", ".")), rego.Store(inmem.NewFromObject(data)),
	}
	for _, s := range sources {
		options = append(options, rego.Module(s, string(read(t, s))))
	}
	q, err := rego.New(options...).PrepareForEval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// answer is the result set of OPA, as a module writes it.
func answer(t testing.TB, q rego.PreparedEvalQuery, input string) (string, error) {
	t.Helper()
	v, err := ast.ValueFromReader(strings.NewReader(input))
	if err != nil {
		t.Fatal(err)
	}
	rs, err := q.Eval(context.Background(), rego.EvalParsedInput(v), rego.EvalTime(decided))
	if err != nil {
		return "", err
	}
	out := []map[string]any{}
	for _, r := range rs {
		out = append(out, map[string]any{"result": r.Expressions[0].Value})
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), nil
}

func TestModulesAnswerAsOPADoes(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: -1})
	for _, s := range suites() {
		p, q := load(t, h, regoModule(t, s.entrypoint), wasm.Config{}), native(t, s.entrypoint)
		var kept []expectation
		for i, args := range s.cases() {
			e := wasm.Evaluate(p, hostapi.HookRequest, regoMessage(t, args))
			want, err := answer(t, q, e.Input)
			switch {
			case err != nil && e.Failure.Type == "":
				t.Errorf("%s of %s: %s, where OPA fails: %v", s.entrypoint, args, e.Answer, err)
			case err == nil && canonical(t, e.Answer) != canonical(t, want):
				t.Errorf("%s of %s: %s %v, where OPA says %s", s.entrypoint, e.Input, e.Answer, e.Failure, want)
			case err == nil && i%s.keep == 0:
				kept = append(kept, expectation{Arguments: json.RawMessage(args), Answer: json.RawMessage(canonical(t, want))})
			}
		}
		s.expect(t, kept)
	}
}

// expect writes what is expected, or compares it with what is committed.
func (s *suite) expect(t *testing.T, kept []expectation) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, x := range kept {
		if err := e.Encode(x); err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		if err := os.WriteFile(s.file(), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if committed, err := os.ReadFile(s.file()); err != nil || !bytes.Equal(committed, b.Bytes()) {
		t.Errorf("%s is not what OPA says (%v): run make rego OPA=-update", s.file(), err)
	}
}

// BenchmarkRego is one decision: by a module, from a message that has been read, with everything
// that a call has, the reset included; and by OPA, with an input that is parsed already, and from
// the bytes of the same input. They take turns, so that what else the machine does meets all three.
func BenchmarkRego(b *testing.B) {
	p := load(b, newHost(b, wasm.Options{}), regoModule(b, "files/decision"), wasm.Config{})
	q := native(b, "files/decision")
	for _, c := range []struct{ name, args string }{
		{"small", `{"path":"/srv/acme/plan.txt"}`},
		{"1KiB", fmt.Sprintf(`{"path":"/srv/acme/plan.txt","content":%q}`, strings.Repeat("all work and no play ", 48))},
		{"tree", `{"path":"/srv/acme/plan.txt","edits":[` + strings.Repeat(`{"line":12,"old":"one","new":"two","keep":true},`, 20) + `{}]}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := regoMessage(b, c.args)
			call := &wasm.Call{Hook: hostapi.HookRequest, Message: m}
			input := wasm.Evaluate(p, hostapi.HookRequest, m).Input
			parse := func() ast.Value {
				v, err := ast.ValueFromReader(strings.NewReader(input))
				if err != nil {
					b.Fatal(err)
				}
				return v
			}
			v := parse()
			var r wasm.Result
			turns(b, []string{"wasm", "opa-parsed", "opa-bytes"}, []func(){
				func() {
					if p.Call(context.Background(), call, &r); r.Verdict() != hostapi.VerdictPass {
						b.Fatal(sum(&r))
					}
				},
				func() { decide(b, q, v) },
				func() { decide(b, q, parse()) },
			})
		})
	}
}

// turns measures functions in turn, eight calls at a time, and reports the median of each and how
// many times as long the others take as the first.
func turns(b *testing.B, names []string, fs []func()) {
	const batch = 8
	took := make([][]time.Duration, len(fs))
	for b.Loop() {
		for i, f := range fs {
			begin := time.Now()
			for range batch {
				f()
			}
			took[i] = append(took[i], time.Since(begin)/batch)
		}
	}
	median := func(list []time.Duration) float64 {
		slices.Sort(list)
		return float64(list[len(list)/2])
	}
	first := median(took[0])
	for i, name := range names {
		b.ReportMetric(median(took[i]), name+"-p50-ns")
		if i > 0 {
			b.ReportMetric(median(took[i])/first, name+"/"+names[0])
		}
	}
	b.ReportMetric(0, "ns/op") // of all three together, which says nothing
}

func decide(b *testing.B, q rego.PreparedEvalQuery, input ast.Value) {
	rs, err := q.Eval(context.Background(), rego.EvalParsedInput(input), rego.EvalTime(decided))
	if err != nil || len(rs) != 1 || rs[0].Expressions[0].Value.(map[string]any)["allow"] != true {
		b.Fatal(rs, err)
	}
}
