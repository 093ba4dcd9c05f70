package wasm_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// everything is a guest that declares much and does nothing: the tests do it in its place.
func everything() *module {
	m := (&module{}).manifest(`{"abi":"sallyport/1","name":"everything","version":"1.0.0","hooks":["list","request","response"],
"reads":{"list":["items","items[*].description","items[*].inputSchema","items[*].name"],
 "request":["apiKey.id","args","args.esc","args.limit","args.list","args.list[1]","args.odd[\"0\"]","args.path","args.yes","jwt","jwt.sub","mcp.method","mcp.prompt.name",
  "mcp.resource.uri","mcp.tool.annotations","mcp.tool.name","mcp.tool.target","params.name","principal.claims.team","principal.groups","principal.id","principal.issuer","principal.roles",
  "principal.scopes","principal.type","request.headers[\"x-tenant\"]","request.mcp.backend","source.address"],
 "response":["args.path","mcp.result","mcp.tool.result.content[0].text","params"]},
"strings":{"list":["items[*].description","items[*].inputSchema"],"request":["args.body","args.esc","args.list","args.path"],"response":["mcp.result.content[*].text","params.message"]},
"writes":["args.body","args.list[*]","args.path","items[*].description","mcp.result","params.message"],
"verdicts":["approve","deny","mutate"],"capabilities":["lookup:secret","lookup:tenants","match:pii","match:secret"]}`)
	m.mem(1, 2)
	for _, h := range hostapi.Hooks() {
		m.fun(h.Export(), ":i", "", i32(0))
	}
	return m
}

func capabilities(names ...string) []hostapi.Capability {
	var out []hostapi.Capability
	for _, n := range names {
		c, err := hostapi.ParseCapability(n)
		if err != nil {
			panic(err)
		}
		out = append(out, c)
	}
	return out
}

func paths(texts ...string) []hostapi.Path {
	out := []hostapi.Path{}
	for _, text := range texts {
		p, err := hostapi.ParsePath(text)
		if err != nil {
			panic(err)
		}
		out = append(out, p)
	}
	return out
}

// emails finds what looks like an address, and digits.
var emails = wasm.Matcher{Rules: []string{"email", "digits"}, Find: func(dst []wasm.Match, text []byte, _ func() bool) ([]wasm.Match, bool) {
	for i, c := range text {
		switch {
		case c == '@':
			from, to := i, i+1
			for from > 0 && text[from-1] != ' ' {
				from--
			}
			for to < len(text) && text[to] != ' ' {
				to++
			}
			dst = append(dst, wasm.Match{Start: from, End: to, Rule: 0})
		case c >= '0' && c <= '9':
			dst = append(dst, wasm.Match{Start: i, End: i + 1, Rule: 1})
		}
	}
	return dst, true
}}

func tenants(t testing.TB) func() wasm.Tables {
	table := scan(t, `{"alice":"acme","bob":{"id":7}}`)
	return func() wasm.Tables {
		return wasm.Tables{
			"tenants": func(key string) jsonscan.Value { return table.Get(key) },
			"secret":  func(string) jsonscan.Value { return jsonscan.Value{} },
		}
	}
}

func everyGrant(t testing.TB) wasm.Config {
	return wasm.Config{
		Grant:    wasm.Grant{Capabilities: capabilities("lookup:tenants", "match:pii")},
		Matchers: map[string]wasm.Matcher{"pii": emails},
		Tables:   tenants(t),
	}
}

// probe begins a call of everything().
func probe(t testing.TB, c wasm.Config, h hostapi.Hook, m *wasm.Message) *wasm.Probe {
	t.Helper()
	p := wasm.NewProbe(plugin(t, everything(), c), h, m)
	t.Cleanup(func() { p.Return(0) })
	return p
}

const (
	absent    = uint64(math.MaxUint32)     // -1
	wrongType = uint64(math.MaxUint32 - 1) // -2
	buf       = 1024
	size      = 4096
)

const richArguments = `{ "path":"/etc/pass\u0077d", "limit":2.50, "yes":true, "no":null, "list":["a", {"b":[ "c" ]}, 3], "odd":{"0":"zero"},
 "esc":"tab\there \"q\" \u00e9\ud83d\ude00", "body":{"text":"mail bob@example.com or 5", "deep":["x", {"odd key":"y"}]} }`

func rich(t testing.TB) *wasm.Message {
	m := message(t, richArguments)
	m.Header = func(name string) string {
		if name == "x-tenant" {
			return "acme"
		}
		return ""
	}
	m.Annotations = scan(t, `{"readOnlyHint": true}`)
	return m
}

func TestEveryFunctionAndEveryNameHasSomethingBehindIt(t *testing.T) {
	if missing := wasm.FunctionsWithoutHost(); missing != nil {
		t.Errorf("no host function %v", missing)
	}
	if missing := wasm.NamesWithoutRoot(); missing != nil {
		t.Errorf("nothing is read from %v", missing)
	}
}

// fieldOf calls a function that gives bytes.
func bytesOf(t *testing.T, p *wasm.Probe, name string, args ...uint64) string {
	t.Helper()
	n, f := p.Call(name, append(args, buf, size)...)
	switch {
	case f.Type != "":
		return string(f.Type) + ": " + f.Text
	case n == absent:
		return "absent"
	case n == wrongType:
		return "wrong type"
	}
	return string(p.Memory()[buf : buf+n])
}

func TestFieldsOfARequest(t *testing.T) {
	m := rich(t)
	header, asked := m.Header, 0
	m.Header = func(name string) string { asked++; return header(name) }
	defer func() {
		if asked != 1 {
			t.Errorf("a header was looked for %d times", asked)
		}
	}()
	p := probe(t, everyGrant(t), hostapi.HookRequest, m)
	for _, c := range []struct {
		id   uint64
		kind hostapi.Kind
		want string
	}{
		{0, hostapi.KindAbsent, "absent"}, // apiKey.id
		{1, hostapi.KindObject, `{"path":"/etc/passwd","limit":2.50,"yes":true,"no":null,"list":["a",{"b":["c"]},3],"odd":{"0":"zero"},"esc":"tab\there \"q\" ` + "\u00e9\U0001f600" + `","body":{"text":"mail bob@example.com or 5","deep":["x",{"odd key":"y"}]}}`},
		{2, hostapi.KindString, "tab\there \"q\" \u00e9\U0001f600"},
		{3, hostapi.KindNumber, "2.50"},
		{4, hostapi.KindArray, `["a",{"b":["c"]},3]`},
		{5, hostapi.KindObject, `{"b":["c"]}`},
		{6, hostapi.KindString, "zero"},
		{7, hostapi.KindString, "/etc/passwd"},
		{8, hostapi.KindTrue, "true"},
		{9, hostapi.KindObject, "{}"}, // jwt
		{10, hostapi.KindAbsent, "absent"},
		{11, hostapi.KindString, "tools/call"},
		{12, hostapi.KindAbsent, "absent"}, // mcp.prompt.name
		{13, hostapi.KindAbsent, "absent"}, // mcp.resource.uri
		{14, hostapi.KindObject, `{"readOnlyHint":true}`},
		{15, hostapi.KindString, "read_file"},
		{16, hostapi.KindString, "files"},
		{17, hostapi.KindString, "read_file"}, // params.name
		{18, hostapi.KindAbsent, "absent"},
		{19, hostapi.KindArray, `["dev","ops"]`},
		{20, hostapi.KindString, "alice"},
		{21, hostapi.KindString, ""},
		{22, hostapi.KindArray, "[]"},
		{23, hostapi.KindArray, "[]"},
		{24, hostapi.KindString, "anonymous"},
		{25, hostapi.KindString, "acme"}, // request.headers["x-tenant"]
		{26, hostapi.KindString, "files"},
		{27, hostapi.KindString, "192.0.2.7"},
	} {
		for range 2 {
			if got := bytesOf(t, p, "field", c.id); got != c.want {
				t.Errorf("field %d is %s, want %s", c.id, got, c.want)
			}
		}
		if got, _ := p.Call("field_kind", c.id); hostapi.Kind(got) != c.kind {
			t.Errorf("field %d is of the kind %v, want %v", c.id, hostapi.Kind(got), c.kind)
		}
		n, _ := p.Call("field_num", c.id)
		if got := math.Float64frombits(n); c.id == 3 && got != 2.5 || c.id != 3 && !math.IsNaN(got) {
			t.Errorf("field %d has the number %v", c.id, got)
		}
	}
}

func TestFieldsOfWhoMakesACall(t *testing.T) {
	claims := `{"sub":"u1","team":"red"}`
	for name, c := range map[string]struct {
		who  *wasm.Principal
		want []string // apiKey.id, jwt, jwt.sub, principal.claims.team, principal.id, principal.scopes, source.address
	}{
		"nobody":  {nil, []string{"absent", "{}", "absent", "absent", "absent", "absent", "2001:db8::1"}},
		"a token": {&wasm.Principal{Kind: wasm.KindJWT, ID: "u1", Scopes: []string{`a"b`}, Claims: scan(t, claims)}, []string{"absent", claims, "u1", "red", "u1", `["a\"b"]`, "2001:db8::1"}},
		"a key":   {&wasm.Principal{Kind: wasm.KindAPIKey, APIKey: "ci", Claims: scan(t, claims)}, []string{"ci", "{}", "absent", "red", "", "[]", "2001:db8::1"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := rich(t)
			m.Principal = c.who
			m.Source = addr("2001:db8::1%eth0")
			p := probe(t, everyGrant(t), hostapi.HookRequest, m)
			var got []string
			for _, id := range []uint64{0, 9, 10, 18, 20, 23, 27} {
				got = append(got, bytesOf(t, p, "field", id))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNamesAreAbsentFromMessagesThatAreNotAboutSuchThings(t *testing.T) {
	m := &wasm.Message{Method: "resources/read", Server: "files", Resource: "file:///a", Params: scan(t, `{"uri":"file:///a"}`)}
	p := probe(t, everyGrant(t), hostapi.HookRequest, m)
	want := map[uint64]string{1: "absent", 13: "file:///a", 14: "absent", 15: "absent", 16: "absent", 26: "files", 27: "absent"}
	for id, w := range want {
		if got := bytesOf(t, p, "field", id); got != w {
			t.Errorf("field %d is %s, want %s", id, got, w)
		}
	}
	m = &wasm.Message{Method: "tools/call"} // without anything
	p = probe(t, everyGrant(t), hostapi.HookRequest, m)
	for id, w := range map[uint64]string{1: "{}", 15: "", 17: "absent"} {
		if got := bytesOf(t, p, "field", id); got != w {
			t.Errorf("field %d of an empty call is %s, want %s", id, got, w)
		}
	}
}

func TestFieldsThatAGuestMayNotReadFail(t *testing.T) {
	c := everyGrant(t)
	c.Grant.Reads = paths("args.path", "mcp.result")
	m := rich(t)
	for name, w := range map[string]struct {
		id   uint64
		want string
	}{
		"granted":     {7, "/etc/passwd"},
		"not granted": {1, "capability: field 1 of reads.request is not granted"},
		"beyond":      {28, "capability: field 28 is not declared: reads.request has 28"},
		"negative":    {absent, "capability: field -1 is not declared: reads.request has 28"},
	} {
		p := probe(t, c, hostapi.HookRequest, m)
		if got := bytesOf(t, p, "field", w.id); got != w.want {
			t.Errorf("%s: %s, want %s", name, got, w.want)
		}
		for _, f := range []string{"field_num", "field_kind"} {
			if _, failure := p.Call(f, w.id); (failure.Type != "") != (name != "granted") {
				t.Errorf("%s: %s: %v", name, f, failure)
			}
		}
	}
	p := probe(t, c, hostapi.HookRequest, m)
	if got, want := bytesOf(t, p, "view", 0), "capability: field 0 of reads.request is not granted"; got != want {
		t.Errorf("a view of them: %s, want %s", got, want)
	}
}

func TestBuffersAreWrittenWholeOrNotAtAll(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	end := uint64(len(p.Memory()))
	for name, c := range map[string]struct {
		buf, cap uint64
		want     string
	}{
		"it fits":                      {buf, 11, "/etc/passwd"},
		"a byte too small":             {buf, 10, ""},
		"the length alone":             {0xffffffff, 0, ""},
		"to the end":                   {end - 11, 11, "/etc/passwd"},
		"too small and outside":        {end, 10, ""},
		"room beyond the end":          {end - 11, 1 << 31, "/etc/passwd"},
		"fits, but lies outside":       {end - 10, 11, "abi: buffer of 11 bytes at 65526 lies outside of the memory of 65536 bytes"},
		"fits, and wraps round":        {0xfffffff8, 11, "abi: buffer of 11 bytes at 4294967288 lies outside of the memory of 65536 bytes"},
		"as large as it can be, at 0":  {0, 0xffffffff, "/etc/passwd"},
		"upper halves are not counted": {1<<40 | buf, 1<<40 | 11, "/etc/passwd"},
	} {
		for i := range p.Memory() {
			p.Memory()[i] = 0xee
		}
		n, f := p.Call("field", 7, c.buf, c.cap)
		got := ""
		if f.Type != "" {
			got = string(f.Type) + ": " + f.Text
		} else if n != 11 {
			t.Errorf("%s: the length is %d", name, n)
		}
		if at := slices.IndexFunc(p.Memory(), func(b byte) bool { return b != 0xee }); at >= 0 {
			got += string(p.Memory()[at : at+11])
			if uint64(at) != c.buf&0xffffffff || slices.ContainsFunc(p.Memory()[at+11:], func(b byte) bool { return b != 0xee }) {
				t.Errorf("%s: written at %d, or more than that", name, at)
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestFunctionsFailWhereTheyMayNotBeCalled(t *testing.T) {
	p := probe(t, everyGrant(t), hostapi.HookRequest, rich(t))
	for _, f := range []string{"item_count", "item", "item_drop"} {
		_, got := p.Call(f, 0, 0, 0, 0)
		if got.Type != hostapi.FailureABI || got.Text != f+" is called where it may not be: in another hook than list" {
			t.Errorf("%s: %+v", f, got)
		}
	}
}
