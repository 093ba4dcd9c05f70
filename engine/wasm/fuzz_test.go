package wasm_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// writer is a guest that may edit all arguments; the fuzzer stands in its place.
func writer() *module {
	m := (&module{}).manifest(`{"abi":"sallyport/1","name":"writer","version":"1.0.0","hooks":["request"],` +
		`"reads":{"request":["args"]},"strings":{"request":["args"]},"writes":["args"],"verdicts":["mutate"]}`)
	m.mem(16, 16)
	m.fun("sp_on_request", ":i", "", i32(0))
	return m
}

// Every string has a path, by which it can be edited, and the edit changes it and nothing
// else.
func FuzzStringsAreFoundByTheirPaths(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":"b","c":["d",{"e f":"g","":["h"]}],"0":{"1":"x"}}`, `["a",["b"]]`, `"s"`, `{"\u0001\"\\":"\ud83d\ude00"}`, `{"in":{"null":[[["x"]]]}}`} {
		f.Add([]byte(s))
	}
	p := plugin(f, writer(), wasm.Config{})
	f.Fuzz(func(t *testing.T, arguments []byte) {
		var d jsonscan.Doc
		src := append(append([]byte(`{"arguments":`), arguments...), '}')
		if len(src) > 2000 || d.Scan(src, jsonscan.Options{Fold: true}) != nil {
			t.Skip()
		}
		m := &wasm.Message{Method: "tools/call", Params: d.Root()}
		n := counted(p, m)
		for i := range n {
			m.Reset()
			m.Method, m.Params = "tools/call", d.Root()
			probe := wasm.NewProbe(p, hostapi.HookRequest, m)
			path, text := bytesOf(t, probe, "str_path", i), bytesOf(t, probe, "str", i)
			if len(path) > hostapi.LimitPathBytes {
				probe.Return(0)
				continue
			}
			if got := made(say(probe, "patch", 0, path, `"new"`)); got != "0" {
				t.Errorf("string %d, %q, is not found at %s: %s", i, text, path, got)
			}
			var e jsonscan.Edits
			if r := probe.Return(2); !r.Apply(&e) {
				t.Fatalf("%s: %s", path, sum(r))
			}
			edited := d.Root().AppendEdited(nil, &e)
			var after jsonscan.Doc
			if err := after.Scan(edited, jsonscan.Options{Fold: true}); err != nil {
				t.Fatalf("%s: %v", edited, err)
			}
			again := &wasm.Message{Method: "tools/call", Params: after.Root()}
			second := wasm.NewProbe(p, hostapi.HookRequest, again)
			if got := bytesOf(t, second, "str", i); got != "new" {
				t.Errorf("string %d is %q after an edit of %s", i, got, path)
			}
			if k, _ := second.Call("str_count"); k != n {
				t.Errorf("%d strings became %d", n, k)
			}
			second.Return(0)
		}
	})
}

func counted(p *wasm.Plugin, m *wasm.Message) uint64 {
	probe := wasm.NewProbe(p, hostapi.HookRequest, m)
	n, _ := probe.Call("str_count")
	probe.Return(0)
	return n
}

// Edits are in each other's way if and only if one's path is at or below another's, and not
// the same.
func TestConflictsAreThoseOfPaths(t *testing.T) {
	params := scan(t, `{"arguments":{"a":{"b":{"c":"x","d":[1,{"e":2}]},"f":"y"},"g":[[1],[2,3]],"h":"z"}}`)
	places := []string{"a", "a.b", "a.b.c", "a.b.d", "a.b.d[0]", "a.b.d[1]", "a.b.d[1].e", "a.b.d[1].new", "a.b.new", "a.f", "a.new", "g", "g[0]", "g[0][0]", "g[1]", "g[1][1]", "h", "new"}
	p := plugin(t, writer(), wasm.Config{})
	rapid.Check(t, func(rt *rapid.T) {
		chosen := rapid.SliceOfN(rapid.SampledFrom(places), 1, 6).Draw(rt, "places")
		probe := wasm.NewProbe(p, hostapi.HookRequest, &wasm.Message{Method: "tools/call", Params: params})
		want := "mutate"
		for i, place := range chosen {
			if got := made(say(probe, "patch", 0, "args."+place, "7")); got != "0" {
				rt.Fatalf("%s: %s", place, got)
			}
			for _, other := range chosen[:i] {
				a, b := paths("args." + place)[0], paths("args." + other)[0]
				if !a.Equal(b) && (a.Holds(b) || b.Holds(a)) {
					want = "deny abi: an edit lies in the place of another"
				}
			}
		}
		r := probe.Return(2)
		got := sum(r)
		if r.Verdict() == hostapi.VerdictMutate {
			got = "mutate"
		}
		if got != want {
			rt.Errorf("%q: %s, want %s", chosen, got, want)
		}
	})
}
