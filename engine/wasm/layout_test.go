package wasm_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// What is laid out for a module is what it would have made of the text: its values, where they are in
// its tables, and so what it answers.
func TestInputsAreLaidOutAsTheModuleReadsThem(t *testing.T) {
	h := newHost(t, wasm.Options{EjectFailures: -1})
	for _, s := range suites() {
		laid, read := load(t, h, regoModule(t, s.entrypoint), wasm.Config{}), load(t, h, regoModule(t, s.entrypoint), wasm.Config{})
		if !wasm.Lays(laid) {
			t.Fatal("the module is not given its inputs laid out")
		}
		wasm.Read(read)
		for _, args := range s.cases() {
			m := regoMessage(t, args)
			got, want := wasm.Evaluate(laid, hostapi.HookRequest, m), wasm.Evaluate(read, hostapi.HookRequest, m)
			if got.Answer != want.Answer || got.Failure.Text != want.Failure.Text {
				t.Errorf("%s of %s: %s %v, want %s %v", s.entrypoint, args, got.Answer, got.Failure, want.Answer, want.Failure)
			}
			for range 2 {
				if !wasm.Laid(laid, hostapi.HookRequest, m) {
					t.Errorf("%s is not laid out as the module would", want.Input)
				}
				m.Principal = nil // and what is of it is absent
			}
		}
	}
}

// Texts that aren't of JSON may be no UTF-8: what a client sends as a header is.
func TestLayout_textsThatAreNoUTF8(t *testing.T) {
	reads := `"principal.groups","principal.id","request.headers[\"x-none\"]","request.headers[\"x-team\"]"`
	p := load(t, newHost(t, wasm.Options{}), attached(t, strings.Replace(fmt.Sprintf(regoManifest, "echo/decision"), `"principal.groups"`, reads, 1)), wasm.Config{})
	for _, s := range []string{"plain", "", "\xff", "a\xff\xfeb", "\xed\xa0\x80", "\xc3", "\u00e9\x00", "\U0001f600\xf0"} {
		m := regoMessage(t, `{}`)
		m.Principal.ID, m.Principal.Groups = s, []string{s, "dev", s}
		m.Header = func(name string) string { return map[string]string{"x-team": s}[name] }
		if !wasm.Laid(p, hostapi.HookRequest, m) {
			t.Errorf("%q is not laid out as the module would", s)
		}
	}
}

// A module that keeps values in another way hashes names otherwise, here, or says nothing of what
// it evaluates with.
func TestAModuleThatKeepsValuesOtherwiseReadsItsInput(t *testing.T) {
	for name, c := range map[string][2]string{
		"another hash":             {"\x93\x83\x80\x08", "\x95\x83\x80\x08"}, // 16777619
		"no function to set input": {"opa_eval_ctx_set_input", "opa_eval_ctx_set_inpux"},
	} {
		module := read(t, "testdata/rego/test.wasm")
		changed := bytes.ReplaceAll(module, []byte(c[0]), []byte(c[1]))
		if bytes.Equal(module, changed) {
			t.Fatalf("%s: nothing is changed", name)
		}
		module, err := rego.Attach(changed, fmt.Appendf(nil, regoManifest, "files/decision"), read(t, "testdata/rego/data.json"))
		if err != nil {
			t.Fatal(err)
		}
		p := load(t, newHost(t, wasm.Options{}), module, wasm.Config{})
		if wasm.Lays(p) {
			t.Errorf("%s: it is given its inputs laid out", name)
		}
		for path, want := range map[string]string{"/srv/acme/a": "pass", "/srv/other/a": "deny"} {
			if got := sum(ask(t, p, regoMessage(t, fmt.Sprintf(`{"path":%q}`, path)))); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s: %s", name, path, got)
			}
		}
	}
}

func TestLayout_objects(t *testing.T) {
	p := load(t, newHost(t, wasm.Options{}), regoModule(t, "echo/decision"), wasm.Config{})
	r := rand.New(rand.NewPCG(5, 6))
	names := []string{``, `a`, `\u0001`, `\u00e9`, `é`, `\ud83d\ude00`, `\uffff`, `\u007f`}
	for _, n := range []int{1, 2, 5, 6, 11, 12, 13, 22, 23, 44, 45, 89, 90, 200} { // the tables grow at some of these
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"%s%d":%d`, names[r.IntN(len(names))], i, i))
		}
		r.Shuffle(n, func(i, k int) { members[i], members[k] = members[k], members[i] })
		text := "{" + strings.Join(members, ",") + "}"
		if !wasm.Alike(p, text) {
			t.Fatal(text)
		}
		if text = strings.NewReplacer("{", "[", "}", "]", ":", ",").Replace(text); !wasm.Alike(p, text) {
			t.Fatal(text)
		}
	}
}

// A message takes no more memory of the host's than its plugin may have, whatever it is made of.
func TestLayout_isBounded(t *testing.T) {
	p := load(t, newHost(t, wasm.Options{EjectFailures: -1}), attached(t, strings.Replace(fmt.Sprintf(regoManifest, "echo/decision"), `"pages":256`, `"pages":8`, 1)), wasm.Config{})
	for _, args := range []string{`[` + strings.Repeat("1,", 50_000) + `1]`, `"` + strings.Repeat("x", 500_000) + `"`} {
		if got := sum(ask(t, p, regoMessage(t, `{"decision":`+args+`}`))); got != "deny trap: the input doesn't fit into the 8 pages of memory" {
			t.Error(got)
		}
	}
	p = load(t, newHost(t, wasm.Options{EjectFailures: -1}), attached(t, strings.Replace(fmt.Sprintf(regoManifest, "echo/decision"), `"fuel":1000000000`, `"fuel":1000000`, 1)), wasm.Config{})
	if got := sum(ask(t, p, regoMessage(t, `{"x":[`+strings.Repeat("1,", 50_000)+`1]}`))); got != "deny fuel: the fuel of the call, 1000000 units, is used up" {
		t.Error(got)
	}
}

// Whatever JSON a module reads, it keeps as it is laid out.
func TestLayout_ofAnyJSON(t *testing.T) {
	p := load(t, newHost(t, wasm.Options{}), regoModule(t, "echo/decision"), wasm.Config{})
	atom := rapid.SampledFrom([]string{
		"", "a", "b", "~", "/", `\/`, `\"`, `\\`, `\u0000`, `\u001f`, `\n`, "\x7f", `\u007f`, "\u0080", `\u00ff`, "\u07ff", "\u0800", `\ud83d\ude00`, "\U0010ffff", "\uffff", `\ufffd`,
		strings.Repeat("x", 14), strings.Repeat("\u00e9", 30),
	})
	text := rapid.Map(rapid.SliceOfN(atom, 0, 5), func(parts []string) string { return `"` + strings.Join(parts, "") + `"` })
	scalar := rapid.OneOf(text, rapid.SampledFrom([]string{"null", "true", "false", "0", "-0", "0.0", "1E400", "1e-400", "-1.50e+07", "1", "1.0", strings.Repeat("9", 1000)}),
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?`))
	value := scalar
	for range 3 {
		inner := value
		list := rapid.Map(rapid.SliceOfN(inner, 0, 9), func(l []string) string { return "[" + strings.Join(l, ",") + "]" })
		object := rapid.Custom(func(t *rapid.T) string {
			var members []string
			for _, name := range rapid.SliceOfNDistinct(text, 0, 25, rapid.ID[string]).Draw(t, "names") { // of which two may be one, written in two ways
				members = append(members, name+":"+inner.Draw(t, name))
			}
			return "{" + strings.Join(members, ",") + "}"
		})
		value = rapid.OneOf(scalar, list, object)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := value.Draw(t, "json")
		var d jsonscan.Doc
		if d.Scan([]byte(text), jsonscan.Options{}) != nil {
			t.Skip()
		}
		if !wasm.Alike(p, text) {
			t.Errorf("%s is not laid out as the module would", text)
		}
	})
}

// An input that a module has room to read has room to be laid out.
func TestLayout_takesNoMoreMemoryThanReading(t *testing.T) {
	module := attached(t, strings.Replace(fmt.Sprintf(regoManifest, "files/decision"), `"pages":256`, `"pages":64`, 1))
	m := regoMessage(t, `{"x":[`+strings.Repeat("1,", 20_000)+`1]}`)
	h := newHost(t, wasm.Options{})
	laid, read := load(t, h, module, wasm.Config{}), load(t, h, module, wasm.Config{})
	wasm.Read(read)
	for range 2 {
		got, want := wasm.Evaluate(laid, hostapi.HookRequest, m), wasm.Evaluate(read, hostapi.HookRequest, m)
		if got.Answer != want.Answer || got.Answer == "" || got.Failure.Text != "" {
			t.Errorf("%s %v, want %s %v", got.Answer, got.Failure, want.Answer, want.Failure)
		}
	}
}
