package wasm_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

func TestStringsAreNumberedPathByPath(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	var got []string
	n, _ := p.Call("str_count")
	for i := range n {
		got = append(got, bytesOf(t, p, "str_path", i)+"="+bytesOf(t, p, "str", i))
	}
	want := []string{
		"args.body.text=mail bob@example.com or 5", "args.body.deep[0]=x", `args.body.deep[1]["odd key"]=y`,
		"args.esc=tab\there \"q\" \u00e9\U0001f600", "args.list[0]=a", "args.list[1].b[0]=c", "args.path=/etc/passwd",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, i := range []uint64{n, absent, 1 << 31} {
		for _, f := range []string{"str", "str_path"} {
			if got := bytesOf(t, p, f, i); got != "absent" {
				t.Errorf("%s of %d is %s", f, int32(i), got)
			}
		}
	}
}

func TestStringsOfAResponseAndOfANotification(t *testing.T) {
	result := &wasm.Message{
		Method: "tools/call", Tool: "t", Params: scan(t, `{"name":"t","message":"of the request","arguments":{"path":"p"}}`),
		Result: scan(t, `{"content":[{"type":"text","text":"one"},{"type":"image"},{"text":["two"]}],"message":"no"}`),
	}
	notification := &wasm.Message{Method: "notifications/message", Params: scan(t, `{"message":"hello","other":"no"}`)}
	for name, c := range map[string]struct {
		m    *wasm.Message
		want []string
	}{
		"response":     {result, []string{"mcp.result.content[0].text=one", "mcp.result.content[2].text[0]=two"}},
		"notification": {notification, []string{"params.message=hello"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := probe(t, everyGrant(t), hostapi.HookResponse, c.m)
			var got []string
			n, _ := p.Call("str_count")
			for i := range n {
				got = append(got, bytesOf(t, p, "str_path", i)+"="+bytesOf(t, p, "str", i))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	p := probe(t, everyGrant(t), hostapi.HookResponse, result)
	want := []string{"p", `{"content":[{"type":"text","text":"one"},{"type":"image"},{"text":["two"]}],"message":"no"}`, "one"}
	for id, w := range want {
		if got := bytesOf(t, p, "field", uint64(id)); got != w {
			t.Errorf("field %d is %s, want %s", id, got, w)
		}
	}
	other := &wasm.Message{Method: "tasks/result", Result: result.Result}
	p = probe(t, everyGrant(t), hostapi.HookResponse, other)
	if got := bytesOf(t, p, "field", 2); got != "absent" {
		t.Errorf("mcp.tool.result of another method is %s", got)
	}
}

func TestGrantedStringsAreAllThatIsEnumerated(t *testing.T) {
	c := everyGrant(t)
	c.Grant.Strings = paths("args.body.deep", "args.list[1]", "args.path")
	p := probe(t, c, hostapi.HookRequest, rich(t))
	var got []string
	n, _ := p.Call("str_count")
	for i := range n {
		got = append(got, bytesOf(t, p, "str_path", i))
	}
	want := []string{"args.body.deep[0]", `args.body.deep[1]["odd key"]`, "args.list[1].b[0]", "args.path"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What is declared for one hook does not make the strings of another be enumerated twice.
func TestHooksHaveStringsOfTheirOwn(t *testing.T) {
	m := (&module{}).manifest(`{"abi":"sallyport/1","name":"x","version":"1.0.0","hooks":["request","response"],"strings":{"request":["params.arguments"],"response":["params"]}}`)
	m.mem(1, 1)
	m.fun("sp_on_request", ":i", "", i32(0))
	m.fun("sp_on_response", ":i", "", i32(0))
	pl := plugin(t, m, wasm.Config{})
	for h, want := range map[hostapi.Hook]uint64{hostapi.HookRequest: 1, hostapi.HookResponse: 2} {
		p := wasm.NewProbe(pl, h, &wasm.Message{Method: "notifications/message", Params: scan(t, `{"arguments":{"a":"x"},"b":"y"}`)})
		if n, _ := p.Call("str_count"); n != want {
			t.Errorf("%v: %d strings, want %d", h, n, want)
		}
		p.Return(0)
	}
}

func TestItemsOfAList(t *testing.T) {
	m := &wasm.Message{Method: "tools/list", Items: scan(t, `[{"name":"a","description":"first"},{"name":"b","inputSchema":{"type":"object","title":"T"}},7]`)}
	p := probe(t, everyGrant(t), hostapi.HookList, m)
	if n, _ := p.Call("item_count"); n != 3 {
		t.Fatalf("%d items", n)
	}
	for _, c := range []struct {
		index, id uint64
		want      string
	}{
		{0, 1, "first"},
		{1, 1, "absent"},
		{1, 2, `{"type":"object","title":"T"}`},
		{1, 3, "b"},
		{2, 3, "absent"},
		{3, 3, "absent"},
		{absent, 3, "absent"},
		{0, 0, "wrong type"},
		{0, 4, "capability: field 4 is not declared: reads.list has 4"},
	} {
		if got := bytesOf(t, p, "item", c.index, c.id); got != c.want {
			t.Errorf("field %d of item %d is %s, want %s", c.id, int32(c.index), got, c.want)
		}
	}
	p = probe(t, everyGrant(t), hostapi.HookList, m)
	if got := bytesOf(t, p, "field", 3); got != "wrong type" {
		t.Errorf("a field of items is %s", got)
	}
	if got := bytesOf(t, p, "field", 0); got != `[{"name":"a","description":"first"},{"name":"b","inputSchema":{"type":"object","title":"T"}},7]` {
		t.Errorf("items is %s", got)
	}
	var strs []string
	n, _ := p.Call("str_count")
	for i := range n {
		strs = append(strs, bytesOf(t, p, "str_path", i)+"="+bytesOf(t, p, "str", i))
	}
	if diff := cmp.Diff([]string{"items[0].description=first", "items[1].inputSchema.type=object", "items[1].inputSchema.title=T"}, strs); diff != "" {
		t.Error(diff)
	}
	for _, i := range []uint64{3, absent} {
		if got, _ := p.Call("item_drop", i); got != absent {
			t.Errorf("dropping item %d gives %d", int32(i), int32(got))
		}
	}
	p.Call("item_drop", 2)
	p.Call("item_drop", 0)
	r := p.Return(2)
	var e jsonscan.Edits
	if !r.Apply(&e) || r.Edits[0].Item != 2 || r.Edits[1].Item != 0 {
		t.Fatalf("edits %+v", r.Edits)
	}
	if got, want := string(m.Items.AppendEdited(nil, &e)), `[{"name":"b","inputSchema":{"type":"object","title":"T"}}]`; got != want {
		t.Errorf("the list is %s, want %s", got, want)
	}
}

func TestViewsLayOutEverything(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookResponse, &wasm.Message{
		Method: "tools/call", Tool: "t", Params: scan(t, `{"arguments":{"path":"p"}}`), Result: scan(t, `{"content":[{"text":"one"},{"text":"two"}]}`),
	})
	type entry struct {
		Kind, At, Len, Path uint32
		Text                string
	}
	read := func(what uint64) (out []entry) {
		n, f := p.Call("view", what, buf, size)
		if f.Type != "" {
			t.Fatal(f)
		}
		b := p.Memory()[buf : buf+n]
		if total := binary.LittleEndian.Uint32(b[4:]); uint64(total) != n {
			t.Errorf("the view says %d of its %d bytes", total, n)
		}
		for i := range binary.LittleEndian.Uint32(b) {
			x := b[8+16*i:]
			e := entry{Kind: binary.LittleEndian.Uint32(x), At: binary.LittleEndian.Uint32(x[4:]), Len: binary.LittleEndian.Uint32(x[8:]), Path: binary.LittleEndian.Uint32(x[12:])}
			e.Text = string(b[e.At : e.At+e.Len])
			out = append(out, e)
		}
		return out
	}
	fields := []entry{
		{5, 72, 1, 0, "p"}, {7, 73, 43, 1, `{"content":[{"text":"one"},{"text":"two"}]}`}, {5, 116, 3, 2, "one"}, {7, 119, 26, 3, `{"arguments":{"path":"p"}}`},
	}
	if diff := cmp.Diff(fields, read(0)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]entry{{5, 40, 3, 0, "one"}, {5, 43, 3, 0, "two"}}, read(1)); diff != "" {
		t.Error(diff)
	}
	for i := range p.Memory() {
		p.Memory()[i] = 0
	}
	if n, _ := p.Call("view", 0, buf, 144); n != 145 || strings.Trim(string(p.Memory()), "\x00") != "" {
		t.Errorf("a view of %d bytes was written where it does not fit", n)
	}
	if _, f := p.Call("view", 2, buf, size); f.Type != hostapi.FailureABI || f.Text != "there is no view 2" {
		t.Errorf("%+v", f)
	}
}
