package wasm_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// give puts texts into the guest's memory and returns their places and lengths.
func give(p *wasm.Probe, texts ...string) []uint64 {
	at, out := uint64(8192), []uint64{}
	for _, s := range texts {
		copy(p.Memory()[at:], s)
		out = append(out, at, uint64(len(s)))
		at += uint64(len(s))
	}
	return out
}

// say calls a function with a number, if it is not negative, and texts.
func say(p *wasm.Probe, name string, n int, texts ...string) (int32, wasm.Failure) {
	args := give(p, texts...)
	if n != nothing {
		args = append([]uint64{uint64(uint32(n))}, args...)
	}
	got, f := p.Call(name, args...)
	return int32(got), f
}

const nothing = -1 << 40

// made is what a step gives: "0", "-1", or how the call failed.
func made(code int32, f wasm.Failure) string {
	if f.Type != "" {
		return string(f.Type) + ": " + f.Text
	}
	return map[int32]string{0: "0", -1: "-1", -2: "-2"}[code]
}

type step struct {
	do   string // str_replace, set, remove
	n    int    // of a string
	path string
	text string
	want string
}

func (s step) run(p *wasm.Probe) string {
	switch s.do {
	case "set":
		return made(say(p, "patch", 0, s.path, s.text))
	case "remove":
		return made(say(p, "patch", 1, s.path, s.text))
	}
	return made(say(p, "str_replace", s.n, s.text))
}

// original is the message that is edited.
const original = `{"name":"t","arguments":{"body":{"text":"secret","deep":["x",{"odd key":"y"}]},"list":["a",{"b":["c"]},3],"path":"/etc","keep":1}}`

func TestEditsOfARequest(t *testing.T) {
	for name, c := range map[string]struct {
		steps []step
		want  string // the message, or the failure
		paths []string
	}{
		"a string": {
			[]step{{do: "str_replace", n: 0, text: `***"`, want: "0"}},
			`{"name":"t","arguments":{"body":{"text":"***\"","deep":["x",{"odd key":"y"}]},"list":["a",{"b":["c"]},3],"path":"/etc","keep":1}}`,
			[]string{"args.body.text"},
		},
		"a string twice": {
			[]step{{do: "str_replace", n: 2, text: "1", want: "0"}, {do: "str_replace", n: 2, text: "2", want: "0"}},
			`{"name":"t","arguments":{"body":{"text":"secret","deep":["x",{"odd key":"2"}]},"list":["a",{"b":["c"]},3],"path":"/etc","keep":1}}`,
			[]string{`args.body.deep[1]["odd key"]`, `args.body.deep[1]["odd key"]`},
		},
		"a string below a [*]": {
			[]step{{do: "str_replace", n: 4, text: "C", want: "0"}},
			`{"name":"t","arguments":{"body":{"text":"secret","deep":["x",{"odd key":"y"}]},"list":["a",{"b":["C"]},3],"path":"/etc","keep":1}}`,
			[]string{`args.list[1].b[0]`},
		},
		"no such string": {[]step{{do: "str_replace", n: 6, text: "", want: "-1"}, {do: "str_replace", n: -1, text: "", want: "-1"}}, "pass", nil},
		"not UTF-8":      {[]step{{do: "str_replace", n: 0, text: "\xff", want: "abi: the new text of string 0 is not UTF-8"}}, "deny abi: the new text of string 0 is not UTF-8", nil},
		"set and remove": {
			[]step{
				{do: "set", path: "args.body.text", text: " { \"a\" : [1, 2.50] } ", want: "0"},
				{do: "set", path: "args.body.new", text: "null", want: "0"},
				{do: "set", path: `args.body["another key"]`, text: `"\u0041"`, want: "0"},
				{do: "remove", path: "args.body.deep[0]", want: "0"},
				{do: "remove", path: "params.arguments.path", want: "0"},
				{do: "set", path: "args.list[2]", text: "4", want: "0"},
			},
			`{"name":"t","arguments":{"body":{"text":{"a":[1,2.50]},"deep":[{"odd key":"y"}],"new":null,"another key":"A"},"list":["a",{"b":["c"]},4],"keep":1}}`,
			[]string{"args.body.text", "args.body.new", `args.body["another key"]`, "args.body.deep[0]", "params.arguments.path", "args.list[2]"},
		},
		"a whole place": {
			[]step{{do: "set", path: "args.body", text: "1", want: "0"}},
			`{"name":"t","arguments":{"body":1,"list":["a",{"b":["c"]},3],"path":"/etc","keep":1}}`,
			[]string{"args.body"},
		},
		"the later counts": {
			[]step{{do: "set", path: "args.body.new", text: "1", want: "0"}, {do: "set", path: "args.body.new", text: "2", want: "0"}, {do: "remove", path: "args.path", want: "0"}, {do: "set", path: "args.path", text: `"x"`, want: "0"}},
			`{"name":"t","arguments":{"body":{"text":"secret","deep":["x",{"odd key":"y"}],"new":2},"list":["a",{"b":["c"]},3],"path":"x","keep":1}}`,
			[]string{"args.body.new", "args.body.new", "args.path", "args.path"},
		},
		"what is not there": {
			[]step{
				{do: "remove", path: "args.body.none", want: "-1"},
				{do: "set", path: "args.body.none.deeper", text: "1", want: "-1"},
				{do: "set", path: "args.list[3]", text: "1", want: "-1"},
				{do: "remove", path: "args.body.deep[2]", want: "-1"},
				{do: "set", path: "args.body.text.x", text: "1", want: "-2"},
				{do: "set", path: "args.body[0]", text: "1", want: "-2"},
				{do: "set", path: "args.body.deep.x", text: "1", want: "-2"},
				{do: "remove", path: `args.body.deep["0"]`, want: "-2"},
			},
			"pass", nil,
		},
		"outside of the writes": {[]step{{do: "set", path: "args.keep", text: "1"}}, "deny capability: patch: args.keep is not within the granted writes", nil},
		"above the writes":      {[]step{{do: "set", path: "args", text: "1"}}, "deny capability: patch: args is not within the granted writes", nil},
		"the whole list":        {[]step{{do: "set", path: "args.list", text: "1"}}, "deny capability: patch: args.list is not within the granted writes", nil},
		"a protected place":     {[]step{{do: "set", path: "params.name", text: `"x"`}}, "deny capability: patch: params.name is not within the granted writes", nil},
		"not part of a request": {[]step{{do: "set", path: "mcp.result.x", text: `"x"`}}, "deny capability: patch: mcp.result.x is not within the granted writes", nil},
		"no path":               {[]step{{do: "set", path: "args..x", text: "1"}}, `deny abi: patch: "args..x": byte 5: no key after the dot: write ["..."] around a key that is not letters, digits and _`, nil},
		"more than one place":   {[]step{{do: "set", path: "args.list[*]", text: "1"}}, "deny abi: patch: args.list[*] is more than one place", nil},
		"not JSON":              {[]step{{do: "set", path: "args.path", text: "{"}}, "deny abi: patch: the value: json: invalid syntax at offset 1", nil},
		"ambiguous JSON":        {[]step{{do: "set", path: "args.path", text: `{"a":1,"A":2}`}}, "deny abi: patch: the value: json: member name that differs from another only by case at offset 7", nil},
		"no JSON":               {[]step{{do: "set", path: "args.path"}}, "deny abi: patch: the value: json: invalid syntax at offset 0", nil},
		"a value to remove":     {[]step{{do: "remove", path: "args.path", text: "1"}}, "deny abi: patch: a place that is removed takes no value", nil},
		"one inside another":    {[]step{{do: "str_replace", n: 1, text: "z", want: "0"}, {do: "set", path: "args.body", text: "1", want: "0"}}, "deny abi: an edit lies in the place of another", nil},
		"one around another":    {[]step{{do: "remove", path: "args.body.deep", want: "0"}, {do: "remove", path: "args.body.deep[0]", want: "0"}}, "deny abi: an edit lies in the place of another", nil},
		"a new one inside":      {[]step{{do: "set", path: "args.body.deep[1].new", text: "1", want: "0"}, {do: "set", path: "args.body.deep", text: "1", want: "0"}}, "deny abi: an edit lies in the place of another", nil},
		"a new one in it":       {[]step{{do: "set", path: "args.body.new", text: "1", want: "0"}, {do: "set", path: "args.body", text: "{}", want: "0"}}, "deny abi: an edit lies in the place of another", nil},
		"side by side":          {[]step{{do: "set", path: "args.body.new", text: "1", want: "0"}, {do: "str_replace", n: 0, text: "s", want: "0"}, {do: "remove", path: "args.body.deep", want: "0"}}, `{"name":"t","arguments":{"body":{"text":"s","new":1},"list":["a",{"b":["c"]},3],"path":"/etc","keep":1}}`, []string{"args.body.new", "args.body.text", "args.body.deep"}},
	} {
		t.Run(name, func(t *testing.T) {
			params := scan(t, original)
			p := probe(t, everyGrant(t), hostapi.HookRequest, &wasm.Message{Method: "tools/call", Tool: "t", Params: params})
			for _, s := range c.steps {
				if got := s.run(p); s.want != "" && got != s.want {
					t.Errorf("%s %s gives %s, want %s", s.do, s.path, got, s.want)
				}
			}
			r := p.Return(2)
			got := sum(r)
			if r.Verdict() == hostapi.VerdictMutate {
				var e jsonscan.Edits
				if !r.Apply(&e) {
					t.Fatal("the edits are of another message")
				}
				got = string(params.AppendEdited(nil, &e))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			var at []string
			for _, e := range r.Edits {
				at = append(at, string(e.Path))
			}
			if diff := cmp.Diff(c.paths, at); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEditsOfAResponse(t *testing.T) {
	m := &wasm.Message{Method: "tools/call", Tool: "t", Params: scan(t, `{"message":"m","arguments":{"path":"p"}}`), Result: scan(t, `{"content":[{"text":"one"}],"x":1}`)}
	for _, c := range []struct {
		path, text, want, message string
	}{
		{"mcp.result.content[0].text", `"1"`, "0", `{"content":[{"text":"1"}],"x":1}`},
		{"mcp.tool.result.x", "2", "0", `{"content":[{"text":"one"}],"x":2}`},
		{"mcp.result", "{}", "0", "{}"},
		{"params.message", "1", "capability: patch: params.message is not within the granted writes", ""},
		{"args.path", "1", "capability: patch: args.path is not within the granted writes", ""},
	} {
		p := probe(t, everyGrant(t), hostapi.HookResponse, m)
		if got := made(say(p, "patch", 0, c.path, c.text)); got != c.want {
			t.Errorf("%s gives %s, want %s", c.path, got, c.want)
		}
		var e jsonscan.Edits
		if r := p.Return(2); r.Apply(&e) && c.message != "" {
			if got := string(m.Result.AppendEdited(nil, &e)); got != c.message {
				t.Errorf("%s makes it %s, want %s", c.path, got, c.message)
			}
		}
	}
	p := probe(t, everyGrant(t), hostapi.HookResponse, m)
	if got := made(say(p, "patch", 1, "mcp.result", "")); got != "-2" {
		t.Errorf("taking out the result gives %s", got)
	}
	p = probe(t, everyGrant(t), hostapi.HookResponse, &wasm.Message{Method: "notifications/message", Params: scan(t, `{"message":"m"}`)})
	if got := made(say(p, "patch", 0, "params.message", "1")); got != "0" {
		t.Errorf("editing a notification gives %s", got)
	}
	if got := made(say(p, "patch", 0, "mcp.result.x", "1")); got != "-1" {
		t.Errorf("editing a result that is not there gives %s", got)
	}
}

func TestGrantedWritesAreAllThatIsWritten(t *testing.T) {
	c := everyGrant(t)
	c.Grant.Writes = paths("args.body.deep[*]")
	m := &wasm.Message{Method: "tools/call", Tool: "t", Params: scan(t, original)}
	for n, want := range map[int]string{
		0: "capability: args.body.text is not within the granted writes",
		1: "0", 2: "0",
		3: "capability: args.list[0] is not within the granted writes",
	} {
		p := probe(t, c, hostapi.HookRequest, m)
		if got := made(say(p, "str_replace", n, "x")); got != want {
			t.Errorf("string %d gives %s, want %s", n, got, want)
		}
	}
	for path, want := range map[string]string{
		"args.body.deep[0]":             "0",
		`args.body.deep[1]["odd key"]`:  "0",
		"args.body.deep":                "capability: patch: args.body.deep is not within the granted writes",
		"params.arguments.body.deep[1]": "0",
	} {
		p := probe(t, c, hostapi.HookRequest, m)
		if got := made(say(p, "patch", 0, path, "1")); got != want {
			t.Errorf("%s gives %s, want %s", path, got, want)
		}
	}
}

func TestVerdictsWithAndWithoutEdits(t *testing.T) {
	for _, c := range []struct {
		verdict int32
		edited  bool
		want    string
	}{
		{0, false, "pass"},
		{1, false, `deny denied_by_plugin ""`},
		{2, false, "pass"},
		{3, false, "approve"},
		{4, false, "abstain"},
		{0, true, "deny abi: edits with the verdict pass"},
		{1, true, `deny denied_by_plugin ""`},
		{2, true, `mutate | args.path="x"`},
		{3, true, "deny abi: edits with the verdict approve"},
		{4, true, "deny abi: edits with the verdict abstain"},
		{5, false, "deny abi: there is no verdict 5"},
		{-1, false, "deny abi: there is no verdict -1"},
		{1 << 30, true, "deny abi: there is no verdict 1073741824"},
	} {
		p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
		if c.edited {
			say(p, "patch", 0, "args.path", `"x"`)
		}
		if got := sum(p.Return(c.verdict)); got != c.want {
			t.Errorf("%d, edited %v: %s, want %s", c.verdict, c.edited, got, c.want)
		}
	}
	c := everyGrant(t)
	c.Grant.Verdicts = []hostapi.Verdict{hostapi.VerdictDeny}
	for v, want := range map[int32]string{0: "pass", 1: `deny denied_by_plugin ""`, 2: "deny capability: the verdict mutate is not granted", 3: "deny capability: the verdict approve is not granted", 4: "abstain"} {
		p := probe(t, c, hostapi.HookRequest, rich(t))
		if got := sum(p.Return(v)); got != want {
			t.Errorf("%d, of deny only: %s, want %s", v, got, want)
		}
	}
}

func TestZeroResultDenies(t *testing.T) {
	if v := (&wasm.Result{}).Verdict(); v != hostapi.VerdictDeny {
		t.Errorf("it says %v", v)
	}
}

func TestEditsAreBounded(t *testing.T) {
	m := rich(t)
	p := probe(t, everyGrant(t), hostapi.HookRequest, m)
	for range hostapi.LimitEdits {
		if got := made(say(p, "patch", 0, "args.path", "1")); got != "0" {
			t.Fatal(got)
		}
	}
	if got, want := made(say(p, "patch", 0, "args.path", "1")), "abi: more than 65536 edits"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p = probe(t, everyGrant(t), hostapi.HookRequest, m)
	text := strings.Repeat("a", 1<<15)
	for range hostapi.LimitEditBytes / len(text) {
		if got := made(say(p, "str_replace", 6, text)); got != "0" {
			t.Fatal(got)
		}
	}
	if got, want := made(say(p, "str_replace", 6, "a")), "abi: more than 8388608 bytes of edits"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
