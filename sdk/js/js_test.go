package js_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
	"github.com/sallyport-dev/sallyport/sdk/js"
)

// build makes a plugin whose hook request has a body, on the argument text.
func build(t testing.TB, body string) []byte {
	t.Helper()
	return buildScript(t, `export default {
  manifest: { name: "test", version: "1.0.0", reads: { request: ["args.text", "args"] }, strings: { request: ["args"] }, writes: ["args"],
    verdicts: ["mutate", "deny"], capabilities: ["match:words"] },
  request(call) {
    const text = call.text("args.text");
    `+body+`
  },
};
`)
}

func buildScript(t testing.TB, source string) []byte {
	t.Helper()
	module, err := js.Script{Source: []byte(source), CacheDir: cache}.Build(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func load(t testing.TB, module []byte) *wasm.Plugin {
	t.Helper()
	host, err := wasm.New(wasm.Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close() })
	p, err := host.Load(context.Background(), module, wasm.Config{
		CheckSettings: func([]byte, []byte) error { return nil },
		Grant:         grant(t, module),
		Matchers:      map[string]wasm.Matcher{"words": words},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// grant is all that a plugin asks for.
func grant(t testing.TB, module []byte) wasm.Grant {
	t.Helper()
	info, err := wasm.Inspect(module)
	if err != nil {
		t.Fatal(err)
	}
	return wasm.Grant{Capabilities: info.Manifest.Capabilities}
}

// words finds texts between a and z.
var words = wasm.Matcher{Rules: []string{"word"}, Find: func(dst []wasm.Match, text []byte, _ func() bool) ([]wasm.Match, bool) {
	for i := 0; i < len(text); i++ {
		from := i
		for i < len(text) && text[i] >= 'a' && text[i] <= 'z' {
			i++
		}
		if i > from {
			dst = append(dst, wasm.Match{Start: from, End: i})
		}
	}
	return dst, true
}}

var decided = time.UnixMilli(1790000000123)

// ask has a plugin judge a call with arguments, and says what came of it.
func ask(t testing.TB, p *wasm.Plugin, arguments string) (*wasm.Result, string) {
	t.Helper()
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(`{"name":"tool","arguments":`+arguments+`}`), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	message := &wasm.Message{Method: "tools/call", Tool: "tool", Params: doc.Root(), Time: decided}
	var r wasm.Result
	p.Call(context.Background(), &wasm.Call{Hook: hostapi.HookRequest, Message: message}, &r)
	var edits jsonscan.Edits
	if len(r.Edits) > 0 && !r.Apply(&edits) {
		t.Fatal("the edits don't fit")
	}
	switch {
	case r.Failure.Type != "":
		return &r, fmt.Sprintf("%s: %s", r.Failure.Type, r.Failure.Text)
	case r.Verdict() == hostapi.VerdictDeny:
		return &r, fmt.Sprintf("deny %s: %s", r.Code, r.Message)
	case r.Verdict() == hostapi.VerdictMutate:
		return &r, "mutate " + string(doc.Root().Get("arguments").AppendEdited(nil, &edits))
	}
	return &r, r.Verdict().String()
}

func TestScript(t *testing.T) {
	for name, tt := range map[string]struct{ body, arguments, want string }{
		"denies":                     {`return call.deny("no", "Not " + text + ".");`, `{"text":"so"}`, "deny no: Not so."},
		"passes":                     {`return "pass";`, `{}`, "pass"},
		"changes strings":            {`for (const s of call.strings()) s.replace(s.text.toUpperCase()); return "mutate";`, `{"a":"x","b":["y",1]}`, `mutate {"a":"X","b":["Y",1]}`},
		"keeps every text":           {`call.set("args.copy", text); return "mutate";`, `{"text":"\u0000aé€😀\ufffd"}`, `mutate {"text":"\u0000aé€😀` + "\ufffd" + `","copy":"\u0000aé€😀` + "\ufffd" + `"}`},
		"sees UTF-16":                {`return call.deny("units", String(text.length));`, `{"text":"é€😀"}`, "deny units: 4"},
		"half a pair is no text":     {`call.strings()[0].replace(text.slice(0, 1)); return "mutate";`, `{"text":"😀"}`, "trap: the guest gave up: TypeError: the text has half a surrogate pair\n    at str_replace (native)"},
		"finds units, not bytes":     {`const [, m] = call.match("match:words", "args.text"); return call.deny("found", [m.start, m.end, m.text, m.rule].join());`, `{"text":"é a€😀bc!"}`, "deny found: 6,8,bc,word"},
		"reads values":               {`return call.deny("value", JSON.stringify(call.get("args")));`, `{"text":{"a":[1,null,true]}}`, `deny value: {"text":{"a":[1,null,true]}}`},
		"reads no text of another":   {`return call.deny("value", String(text));`, `{"text":["/etc"]}`, `deny value: undefined`},
		"has JSON as it was":         {`return call.deny("value", call.json("args"));`, `{"n":12345678901234567890.10}`, `deny value: {"n":12345678901234567890.10}`},
		"has the time of decision":   {`return call.deny("now", [Date.now(), call.now(), new Date().toISOString()].join());`, `{}`, "deny now: 1790000000123,1790000000123,2026-09-21T14:13:20.123Z"},
		"has no eval":                {`return call.deny("eval", eval("1+1"));`, `{}`, "trap: the guest gave up: TypeError: eval is not supported\n    at request (plugin.js:6:30)"},
		"has no code of texts":       {`return call.deny("eval", new Function("return 1")());`, `{}`, "trap: the guest gave up: TypeError: eval is not supported\n    at Function (native)\n    at request (plugin.js:6:34)"},
		"gives a place":              {"const x = {};\n    return x.y.z;", `{}`, "trap: the guest gave up: TypeError: cannot read property 'z' of undefined\n    at request (plugin.js:7:12)"},
		"returns nothing":            {``, `{}`, `trap: the guest gave up: TypeError: request returned nothing: return a verdict, such as "pass"`},
		"returns a promise":          {`return Promise.resolve("pass");`, `{}`, `trap: the guest gave up: TypeError: request returned a promise, and a hook can't wait: return a verdict, such as "pass"`},
		"returns no verdict":         {`return "alow";`, `{}`, `trap: the guest gave up: TypeError: request returned "alow": return a verdict, such as "pass"`},
		"returns a name of objects":  {`return "toString";`, `{}`, `trap: the guest gave up: TypeError: request returned "toString": return a verdict, such as "pass"`},
		"reads what isn't declared":  {`return call.get("args.other");`, `{}`, "trap: the guest gave up: RangeError: args.other is not in reads.request"},
		"gives up":                   {`try { call.fail("can't say"); } catch {} return "pass";`, `{}`, "trap: the guest gave up: can't say"},
		"recursion without end":      {`const f = (n) => f(n + 1) + 1; return f(0);`, `{}`, "trap: the guest gave up: RangeError: Maximum call stack size exceeded"},
		"an edit that finds nothing": {`call.remove("args.gone"); return "mutate";`, `{}`, "trap: the guest gave up: RangeError: args.gone: there is no such place to edit"},
		"walks what is nested": {
			`const depth = (v) => { let most = 0; for (const x of v) most = Math.max(most, depth(x)); return most + 1; }; return call.deny("depth", String(depth(call.get("args").a)));`,
			`{"a":` + strings.Repeat("[", 120) + strings.Repeat("]", 120) + `}`, "deny depth: 120",
		},
		"logs": {`console.warn("a", 1); return "pass";`, `{}`, "pass"},
	} {
		t.Run(name, func(t *testing.T) {
			r, got := ask(t, load(t, build(t, tt.body)), tt.arguments)
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			if name == "logs" && (len(r.Logs) != 1 || r.Logs[0].Text != "a 1" || r.Logs[0].Level != hostapi.LevelWarn) {
				t.Errorf("logged %v", r.Logs)
			}
		})
	}
}

func TestRandomNumbersBeginAnewInEveryCall(t *testing.T) {
	p := load(t, build(t, `return call.deny("random", Math.random() + " " + Math.random());`))
	_, first := ask(t, p, `{}`)
	if _, second := ask(t, p, `{}`); first != second {
		t.Errorf("%s and %s", first, second)
	}
	var a, b float64
	if _, err := fmt.Sscanf(first, "deny random: %g %g", &a, &b); err != nil || a == b || a < 0 || a >= 1 || b < 0 || b >= 1 {
		t.Errorf("%s are no random numbers", first)
	}
	other := load(t, build(t, `return call.deny("random", Math.random() + "  " + Math.random());`))
	if _, got := ask(t, other, `{}`); strings.Join(strings.Fields(got), " ") == first {
		t.Errorf("two plugins have %s", got)
	}
}

func TestCallsShareNothing(t *testing.T) {
	p := load(t, build(t, `globalThis.n = (globalThis.n ?? 0) + 1; return call.deny("n", String(globalThis.n));`))
	_, first := ask(t, p, `{}`) // a host may have called the hook before it took the image
	for range 3 {
		if _, got := ask(t, p, `{}`); got != first {
			t.Errorf("got %s after %s", got, first)
		}
	}
}

func TestBuildIsReproducible(t *testing.T) {
	one, two := build(t, `return "pass";`), build(t, `return "pass";`)
	if !bytes.Equal(one, two) {
		t.Error("the same script made two modules")
	}
	if bytes.Equal(one, build(t, `return "abstain";`)) {
		t.Error("two scripts made the same module")
	}
}

func TestModuleHasTheHooksOfTheScript(t *testing.T) {
	module := buildScript(t, `export default { manifest: { name: "a", version: "1.0.0", reads: { list: ["items[*].name", "items"], response: ["mcp.result"] } },
		list: () => "pass", response: () => "abstain" };`)
	info, err := wasm.Inspect(module)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(info.Manifest.Hooks, info.Manifest.Reads); got != "[response list] map[response:[mcp.result] list:[items items[*].name]]" {
		t.Error(got)
	}
}

func TestManifestBesideTheScript(t *testing.T) {
	script := `export default { request: () => "pass" };`
	manifest := `{"abi":"sallyport/1","name":"a","version":"1.0.0","hooks":["request"]}`
	module, err := js.Build([]byte(script), []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	if _, got := ask(t, load(t, module), `{}`); got != "pass" {
		t.Error(got)
	}
	var wrong *hostapi.ManifestError
	if _, err := js.Build([]byte(script), []byte(`{"abi":"sallyport/1"}`)); !errors.As(err, &wrong) {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	module := buildScript(t, `let root;
export default {
  manifest: { name: "a", version: "1.0.0", verdicts: ["deny"], settings_schema: {} },
  validate(settings) { if (!settings.root) return { code: "no_root", text: "Name a root.", path: "/root" }; },
  configure(settings) { root = settings.root; },
  selfTest() { return root !== "/bad"; },
  request: (call) => call.deny("root", root),
};`)
	host, err := wasm.New(wasm.Options{CacheDir: cache})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	for settings, want := range map[string]string{
		`{"root":"/srv/é"}`: "deny root: /srv/é",
		`{}`:                "no_root",
		`{"root":"/bad"}`:   "self-test",
	} {
		p, err := host.Load(context.Background(), module, wasm.Config{Settings: []byte(settings), CheckSettings: func([]byte, []byte) error { return nil }})
		got := fmt.Sprint(err)
		if err == nil {
			_, got = ask(t, p, `{}`)
			p.Close()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", settings, got, want)
		}
	}
}
