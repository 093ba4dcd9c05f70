package wasm_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// keyed is the manifest of a plugin that sees something of every kind.
const keyed = `{"abi":"sallyport/1","name":"keyed","version":"1.0.0","hooks":["list","request","response"],"deterministic":true,
"reads":{
"request":["apiKey.id","args.a.b","args.l[1]","jwt.a","mcp.method","mcp.prompt.name","mcp.resource.uri","mcp.tool.annotations.a","mcp.tool.name","mcp.tool.target","params.name","principal.claims.a","principal.groups","principal.id","principal.type","request.headers.x","request.mcp.backend","source.address"],
"response":["args.a","mcp.result.a","mcp.tool.result.b","params.data"],
"list":["items[*].a","mcp.method"]},
"strings":{"request":["args.s","params.m[*].t"],"response":["mcp.result.content[*].text"],"list":["items[*].d"]},
"writes":["args.w","items[*].d","mcp.result.content","params.m"],
"verdicts":["deny","mutate"],"state":"none"}`

// seen is all that a guest can learn of a message in a hook: what host functions answer, and what they cost.
func seen(t *rapid.T, p *wasm.Plugin, h hostapi.Hook, m *wasm.Message) string {
	var b strings.Builder
	const path, buf, size = 100, 4096, 4096
	probe := wasm.NewProbe(p, h, m)
	call := func(name string, args ...uint64) {
		clear(probe.Memory()[buf : buf+size])
		got, f := probe.Call(name, args...)
		fmt.Fprintf(&b, "%s%v: %d %v %q\n", name, args, int32(got), f, bytes.TrimRight(probe.Memory()[buf:buf+size], "\x00"))
	}
	manifest := p.Info().Manifest
	for id := range manifest.Reads[h] {
		call("field", uint64(id), buf, size)
		call("field_kind", uint64(id))
		call("field_num", uint64(id))
	}
	call("str_count")
	for i := range uint64(5) {
		call("str", i, buf, size)
		call("str_path", i, buf, size)
	}
	call("view", 0, buf, size)
	call("view", 1, buf, size)
	if h == hostapi.HookList {
		call("item_count")
		for i := range uint64(3) {
			call("item", i, uint64(slices.IndexFunc(manifest.Reads[h], hostapi.Path.Wild)), buf, size)
		}
	}
	fmt.Fprintln(&b, "fuel", probe.Fuel())
	probe.Return(0)
	for _, place := range []string{"args.w", "args.w.x", "params.arguments.w", "params.m", "params.m[0]", "params.m[0].t", "mcp.result.content", "mcp.result.content[0].text", "items[0].d", "items[1].d"} {
		for op, json := range []string{"1", ""} {
			probe = wasm.NewProbe(p, h, m)
			at, n := copy(probe.Memory()[path:], place), copy(probe.Memory()[path+200:], json)
			fmt.Fprint(&b, place, " ")
			call("patch", uint64(op), path, uint64(at), path+200, uint64(n))
			probe.Return(1)
		}
	}
	return b.String()
}

var keyedJSON = []string{
	"", "null", "{}", "[]", "7", `"a"`, `{"a":1}`, `{"a":{"b":1}}`, `{"a":{"b":"1"},"z":1}`, `{"l":[1,2]}`, `{"l":[1]}`, `{"l":{"1":2}}`, `{"s":"t"}`, `{"s":["t",{"u":"v"}]}`,
	`{"w":1}`, `{"w":{"x":1}}`, `{"w":{}}`, `{"z":[]}`, `{"b":1}`, `{"content":[{"text":"t"}]}`, `{"content":[{"text":1},{"text":"u"}]}`, `{"content":"t"}`,
}

func keyedMessages() *rapid.Generator[*wasm.Message] {
	return rapid.Custom(func(t *rapid.T) *wasm.Message {
		from := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
		json := func(label string, of ...string) jsonscan.Value {
			text := from(label, of...)
			doc := new(jsonscan.Doc)
			if text == "" {
				return jsonscan.Value{}
			}
			if err := doc.Scan([]byte(text), jsonscan.Options{}); err != nil {
				t.Fatal(err)
			}
			return doc.Root()
		}
		params := []string{"", "7"}
		for _, name := range []string{"", `"name":"a",`, `"name":"b","data":1,`, `"m":[{"t":"x"}],`, `"m":[{"t":1},{"t":"y"}],`, `"m":{},`} {
			for _, args := range keyedJSON {
				if args != "" {
					args = `,"arguments":` + args
				}
				params = append(params, "{"+name+`"z":0`+args+"}")
			}
		}
		m := &wasm.Message{
			Method: from("method", "tools/call", "tools/list", "prompts/get", "x"), Server: from("server", "", "a"), Tool: from("tool", "", "a"),
			Prompt: from("prompt", "", "a"), Resource: from("resource", "", "a"), Params: json("params", params...), Annotations: json("annotations", keyedJSON...),
			Result: json("result", keyedJSON...), Items: json("items", "", "[]", `[{"a":1,"d":"x"}]`, `[{"a":1,"d":"x"},{"d":"y"}]`, `[{"d":1},2]`, `[{"z":1},2]`, "{}"),
		}
		if rapid.Bool().Draw(t, "known") {
			m.Principal = &wasm.Principal{
				ID: from("id", "", "a"), Kind: from("kind", wasm.KindJWT, wasm.KindAPIKey, "anonymous"), APIKey: from("key", "", "a"),
				Groups: rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "a,b"}), 0, 2).Draw(t, "groups"), Claims: json("claims", "", "null", "{}", `{"a":1}`, `{"a":"1","z":1}`),
			}
		}
		if a := from("source", "", "192.0.2.7", "::ffff:192.0.2.7", "fe80::1%x", "fe80::1"); a != "" {
			m.Source = netip.MustParseAddr(a)
		}
		if rapid.Bool().Draw(t, "headers") {
			x := from("x", "", "a")
			m.Header = func(name string) string { return map[string]string{"x": x, "y": "z"}[name] }
		}
		return m
	})
}

// merged is a message with some of its parts another's.
func merged(a, b *wasm.Message, part int) *wasm.Message {
	m := &wasm.Message{
		Method: a.Method, Server: a.Server, Tool: a.Tool, Prompt: a.Prompt, Resource: a.Resource, Params: a.Params, Annotations: a.Annotations,
		Result: a.Result, Items: a.Items, Principal: a.Principal, Source: a.Source, Header: a.Header,
	}
	[]func(){
		func() { m.Method = b.Method }, func() { m.Server = b.Server }, func() { m.Tool = b.Tool }, func() { m.Prompt = b.Prompt },
		func() { m.Resource = b.Resource }, func() { m.Params = b.Params }, func() { m.Annotations = b.Annotations }, func() { m.Result = b.Result },
		func() { m.Items = b.Items }, func() { m.Principal = b.Principal }, func() { m.Source = b.Source }, func() { m.Header = b.Header },
	}[part]()
	return m
}

const parts = 12

// TestKey_holdsAllThatGuestsSee: of two messages with the same Key, a guest learns the same, down to the fuel that asking takes.
func TestKey_holdsAllThatGuestsSee(t *testing.T) {
	m := (&module{}).manifest(keyed)
	m.mem(1, 1)
	for _, h := range []string{"request", "response", "list"} {
		m.fun("sp_on_"+h, ":i", "", i32(0))
	}
	p := plugin(t, m, wasm.Config{})
	rapid.Check(t, func(rt *rapid.T) {
		h := rapid.SampledFrom(hostapi.Hooks()).Draw(rt, "hook")
		k := wasm.NewKey(h, p)
		one, other := keyedMessages().Draw(rt, "message"), keyedMessages().Draw(rt, "other")
		key := k.Append(nil, one)
		want := seen(rt, p, h, one)
		for i := range parts { // what can be another's without another key is
			if next := merged(one, other, i); bytes.Equal(k.Append(nil, next), key) {
				one = next
			}
		}
		one = merged(one, one, 0) // what it has worked out is of the one before
		if got := seen(rt, p, h, one); got != want {
			rt.Fatalf("%v, key %q\n%s", h, key, cmp.Diff(want, got))
		}
	})
}

// What one place holds is not written twice, and the names are those that people know.
func TestKey_fields(t *testing.T) {
	m := (&module{}).manifest(strings.Replace(keyed, `"params.name"`, `"params.arguments.a.b.c","params.name"`, 1))
	m.mem(1, 1)
	for _, h := range []string{"request", "response", "list"} {
		m.fun("sp_on_"+h, ":i", "", i32(0))
	}
	p := plugin(t, m, wasm.Config{})
	for h, want := range map[hostapi.Hook][]string{
		hostapi.HookRequest: {
			"apiKey.id", "args.a.b", "args.l[1]", "jwt.a", "mcp.method", "mcp.prompt.name", "mcp.resource.uri", "mcp.tool.annotations.a", "mcp.tool.name", "mcp.tool.target",
			"params.name", "principal.claims.a", "principal.groups", "principal.id", "principal.type", "request.headers.x", "request.mcp.backend",
			"source.address", "args.s", "params.m", "args.w",
		},
		hostapi.HookResponse: {"args.a", "mcp.result.a", "mcp.tool.result.b", "params.data", "mcp.result.content", "args.w", "params.m"},
		hostapi.HookList:     {"mcp.method", "items"},
	} {
		if diff := cmp.Diff(want, wasm.NewKey(h, p).Fields()); diff != "" {
			t.Errorf("%v (-want +got)\n%s", h, diff)
		}
	}
	if got := wasm.NewKey(hostapi.HookRequest).Join(wasm.NewKey(hostapi.HookRequest, p)).Fields(); len(got) != 21 {
		t.Errorf("joined: %q", got)
	}
}
