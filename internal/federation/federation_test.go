package federation

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

func scan(t testing.TB, text string) jsonscan.Value {
	t.Helper()
	d := new(jsonscan.Doc)
	if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d.Root()
}

func keysOf(t testing.TB, key []byte) *carry.Keys {
	t.Helper()
	keys, err := carry.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func cursors(t testing.TB) *Cursors {
	t.Helper()
	return NewCursors(keysOf(t, bytes.Repeat([]byte{7}, 32)))
}

func TestCursorsComeBack(t *testing.T) {
	c := cursors(t)
	want := []Position{{"files", "", true}, {"mail", "\x00\xff\r\n", true}, {"x", strings.Repeat("c", MaxCursor), true}}
	cursor := c.Seal([]byte("alice//tools/list"), want)
	got, err := c.Open([]byte("alice//tools/list"), cursor)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := c.Open([]byte("bob//tools/list"), cursor); err == nil {
		t.Error("another's cursor opens")
	}
	other := NewCursors(keysOf(t, bytes.Repeat([]byte{8}, 32)))
	if _, err := other.Open([]byte("alice//tools/list"), cursor); err == nil {
		t.Error("a cursor opens under another key")
	}
}

// No text but the one that was given opens.
func FuzzForgedCursor(f *testing.F) {
	key := make([]byte, 32) // another one in each process that fuzzes: what one was given is forged to the others
	if _, err := rand.Read(key); err != nil {
		f.Fatal(err)
	}
	c := NewCursors(keysOf(f, key))
	owner := []byte("alice//tools/list")
	good := c.Seal(owner, []Position{{"files", "2", true}})
	f.Add("", good)
	f.Add(good, "")
	f.Add(good[:len(good)-1], "A")
	f.Add(good, "\n")
	f.Add(good[1:], "A")
	f.Fuzz(func(t *testing.T, one, two string) {
		if forged := one + two; forged != good {
			if p, err := c.Open(owner, forged); err == nil {
				t.Fatalf("%q opens as %v", forged, p)
			}
		}
	})
}

var toolsList = mcp.LookupMethod("tools/list")

func TestHostileEntriesAreLeftOut(t *testing.T) {
	const tool = `,"inputSchema":{"type":"object"}`
	for name, c := range map[string]struct{ list, entry, fault string }{
		"a tool":            {"tools", `{"name":"a"` + tool + `}`, ""},
		"a number":          {"tools", `7`, FaultNotAnObject},
		"nameless":          {"tools", `{"title":"x"` + tool + `}`, FaultNoName},
		"an empty name":     {"tools", `{"name":""` + tool + `}`, FaultNoName},
		"a number for name": {"tools", `{"name":7` + tool + `}`, FaultNoName},
		"a control":         {"tools", `{"name":"a\u0007"` + tool + `}`, FaultBadName},
		"an invisible":      {"tools", `{"name":"a\u202eb"` + tool + `}`, FaultBadName},
		"twice":             {"tools", `{"name":"first"` + tool + `}`, FaultTwice},
		"too long":          {"tools", `{"name":"` + strings.Repeat("x", MaxName-len("files__")+1) + `"` + tool + `}`, FaultLongName},
		"the longest":       {"tools", `{"name":"` + strings.Repeat("x", MaxName-len("files__")) + `"` + tool + `}`, ""},
		"no schema":         {"tools", `{"name":"a"}`, FaultBadType},
		"a schema of true":  {"tools", `{"name":"a","inputSchema":true}`, FaultBadType},
		"a title of 7":      {"tools", `{"name":"a","title":7` + tool + `}`, FaultBadType},
		"a bad header":      {"tools", `{"name":"a","inputSchema":{"type":"object","properties":{"x":{"type":"string","x-mcp-header":"a b"}}}}`, FaultBadHeader},
		"a prompt":          {"prompts", `{"name":"a","arguments":[]}`, ""},
		"prompt arguments":  {"prompts", `{"name":"a","arguments":{}}`, FaultBadType},
		"a resource":        {"resources", `{"uri":"file:///a","name":"a","size":1}`, ""},
		"without a name":    {"resources", `{"uri":"file:///a"}`, FaultBadType},
		"a template":        {"resourceTemplates", `{"uriTemplate":"file:///{a}","name":"a"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			method := c.list + "/list"
			first := `{"name":"first"` + tool + `}`
			switch c.list {
			case "resources":
				first = `{"uri":"first:","name":"x"}`
			case "resourceTemplates":
				method, first = "resources/templates/list", `{"uriTemplate":"first:","name":"x"}`
			}
			l, ok := all(t, "files").Read("files", mcp.LookupMethod(method), scan(t, `{"`+c.list+`":[`+first+`,`+c.entry+`,`+strings.Replace(first, "first", "last", 1)+`]}`))
			if !ok || len(l.Entries) != 3 || l.Entries[0].Fault != "" || l.Entries[2].Fault != "" {
				t.Fatalf("its neighbours: %v %+v", ok, l)
			}
			if got := l.Entries[1].Fault; got != c.fault {
				t.Errorf("fault %q, want %q", got, c.fault)
			}
		})
	}
	for _, bad := range []string{`{}`, `{"tools":{}}`, `{"tools":[],"nextCursor":"` + strings.Repeat("c", MaxCursor+1) + `"}`} {
		if _, ok := all(t, "files").Read("files", toolsList, scan(t, bad)); ok {
			t.Errorf("%.40s is a list", bad)
		}
	}
}

func TestEntriesAreRenamedAndElseUntouched(t *testing.T) {
	v, err := New(Options{
		Servers: map[string]Selection{"files": {All: true}},
		Tools:   []Tool{{Name: "look", Server: "files", Tool: "b", Description: "Ours."}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, _ := v.Read("files", toolsList, scan(t, `{"tools":[
		{"x":1.0,"name":"a","inputSchema":{"$schema":"s"},"_meta":{"ui":{"resourceUri":"ui://w/v","n":12345678901234567890},"ui/resourceUri":"ui://w/v"}},
		{"name":"b","inputSchema":{}}], "nextCursor":"", "ttlMs":5, "cacheScope":"public"}`))
	want := []string{
		`{"x":1.0,"name":"files__a","inputSchema":{"$schema":"s"},"_meta":{"ui":{"resourceUri":"ui://files/w/v","n":12345678901234567890},"ui/resourceUri":"ui://files/w/v"}}`,
		`{"name":"look","inputSchema":{},"description":"Ours."}`,
	}
	for i, e := range l.Entries {
		if string(e.JSON) != want[i] {
			t.Errorf("got  %s\nwant %s", e.JSON, want[i])
		}
	}
	if !l.More || l.Cursor != "" || l.TTL != 5 || !l.Public {
		t.Errorf("hints: %+v", l)
	}
}

// A merged list is the union of what its servers list, page by page, in their order, and each of its names leads back to where it came from.
func TestMergedListIsTheUnion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		servers := rapid.SliceOfNDistinct(rapid.SampledFrom(usable()), 1, 5, rapid.ID).Draw(t, "servers")
		o := Options{Servers: map[string]Selection{}}
		for _, s := range servers {
			o.Servers[s] = Selection{All: true}
		}
		v, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		var m Merge
		var want [][2]string
		for _, s := range v.Servers() {
			names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-c_]{1,6}`), 0, 5, rapid.ID).Draw(t, s)
			var items []string
			for _, n := range names {
				items = append(items, fmt.Sprintf(`{"name":%q,"inputSchema":{}}`, n))
				want = append(want, [2]string{s, n})
			}
			d := new(jsonscan.Doc)
			if err := d.Scan([]byte(`{"tools":[`+strings.Join(items, ",")+`]}`), jsonscan.Options{}); err != nil {
				t.Fatal(err)
			}
			l, ok := v.Read(s, toolsList, d.Root())
			if !ok {
				t.Fatal("not read")
			}
			for _, e := range l.Entries {
				m.Add(e.JSON)
			}
			m.Took(s, &l, l.TTL)
		}
		d := new(jsonscan.Doc)
		if err := d.Scan(m.Append(nil, []byte("1"), "tools", "", false), jsonscan.Options{}); err != nil {
			t.Fatal(err)
		}
		var got [][2]string
		for item := range d.Root().Path("result", "tools").Elems() {
			server, own, ok := v.Resolve(mcp.TargetTool, item.Get("name").Text())
			if !ok {
				t.Fatalf("%s is nobody's", item.Raw())
			}
			got = append(got, [2]string{server, own})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-listed by the servers +merged:\n%s", diff)
		}
	})
}

func TestMergeHints(t *testing.T) {
	var m Merge
	m.Add([]byte(`1`))
	m.Took("a", &Listing{More: true}, 500)
	m.Took("b", &Listing{}, 300)
	want := `{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete","tools":[1],"nextCursor":"C","ttlMs":300,"cacheScope":"private"}}`
	if got := string(m.Append(nil, []byte(`"x"`), "tools", "C", true)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m.Miss("c", "upstream_timeout")
	want = `{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete","tools":[1],"nextCursor":"C","ttlMs":0,"cacheScope":"private",` +
		`"_meta":{"dev.sallyport/missing":[{"server":"c","reason":"upstream_timeout"}]}}}`
	if got := string(m.Append(nil, []byte(`"x"`), "tools", "C", true)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(m.Append(nil, []byte(`"x"`), "tools", "C", false)); strings.Contains(got, "missing") {
		t.Errorf("told without being asked to: %s", got)
	}
}

func TestDiscoveryPromisesWhatCanBeCarried(t *testing.T) {
	v := all(t, "a", "b")
	var d Discovery
	if !d.Took(v, "a", scan(t, `{"supportedVersions":["2026-07-28","2030-01-01"],"ttlMs":9,"capabilities":{"tools":{"listChanged":true,"x":true},"experimental":{"e":{}},
		"tasks":{},"extensions":{"vendor/x":{},"io.modelcontextprotocol/ui":{}}}}`)) {
		t.Fatal("a can't be used")
	}
	if !d.Took(v, "b", scan(t, `{"supportedVersions":["2026-07-28"],"ttlMs":7,"capabilities":{"tools":{},"resources":{"subscribe":true},"completions":{}}}`)) {
		t.Fatal("b can't be used")
	}
	if d.Took(v, "c", scan(t, `{"supportedVersions":["2025-11-25"],"capabilities":{"prompts":{}}}`)) {
		t.Fatal("a server of an earlier era can be used")
	}
	want := `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},` +
		`"resources":{"subscribe":true},"completions":{},"extensions":{"io.modelcontextprotocol/ui":{}}},"ttlMs":7,"cacheScope":"private",` +
		`"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"sallyport","version":"1"}}}}`
	if got := string(d.Append(nil, []byte("1"), v, "1", false)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLinksAreRewritten(t *testing.T) {
	for _, c := range [][2]string{
		{
			`"result":{"content":[{"type":"resource_link","uri":"file:///a","name":"file:///a"},{"type":"resource","resource":{"uri":"file:///b","text":"file:///b"}},{"type":"text","text":"file:///c","uri":"file:///c"}]}`,
			`"result":{"content":[{"type":"resource_link","uri":"s+file:///a","name":"file:///a"},{"type":"resource","resource":{"uri":"s+file:///b","text":"file:///b"}},{"type":"text","text":"file:///c","uri":"file:///c"}]}`,
		},
		{
			`"result":{"contents":[{"uri":"ui://w","text":"","_meta":{"ui":{"csp":{}}}}]}`, `"result":{"contents":[{"uri":"ui://s/w","text":"","_meta":{"ui":{"csp":{}}}}]}`,
		},
		{`"result":{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"x:a"}}}]}`, `"result":{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"s+x:a"}}}]}`},
		{
			`"result":{"inputRequests":{"k":{"method":"sampling/createMessage","params":{"messages":[{"content":[{"type":"tool_result","content":[{"type":"resource_link","uri":"x:a"}]}]}]}}}}`,
			`"result":{"inputRequests":{"k":{"method":"sampling/createMessage","params":{"messages":[{"content":[{"type":"tool_result","content":[{"type":"resource_link","uri":"s+x:a"}]}]}]}}}}`,
		},
		{`"error":{"code":-32602,"message":"x:a","data":{"uri":"x:a"}}`, `"error":{"code":-32602,"message":"x:a","data":{"uri":"s+x:a"}}`},
		{`"result":{"structuredContent":{"uri":"x:a"},"content":[]}`, `"result":{"structuredContent":{"uri":"x:a"},"content":[]}`},
	} {
		var m mcp.Message
		if r := m.DecodeServer([]byte(`{"jsonrpc":"2.0","id":1,`+c[0]+`}`), jsonscan.Options{}); r != nil {
			t.Fatal(r)
		}
		var e jsonscan.Edits
		EditReply("s", &none, &m, public, &e)
		if got, want := string(m.AppendEdited(nil, &e)), `{"jsonrpc":"2.0","id":1,`+c[1]+`}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	var m mcp.Message
	if r := m.DecodeServer([]byte(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:a"}}`), jsonscan.Options{}); r != nil {
		t.Fatal(r)
	}
	var e jsonscan.Edits
	EditReply("s", &none, &m, public, &e)
	if got := string(m.AppendEdited(nil, &e)); !strings.Contains(got, `"uri":"s+x:a"`) {
		t.Errorf("got %s", got)
	}
}

// What a model that was sampled repeats of a server's URIs goes back in the form that this server knows.
func TestURIsOfAnswersAreTheServersOwn(t *testing.T) {
	v := all(t, "s", "other")
	const said = `[{"type":"tool_result","content":[{"type":"resource_link","uri":"s+x:a"},{"type":"resource","resource":{"uri":"ui://s/v"}}]},` +
		`{"type":"resource_link","uri":"other+x:a"},{"type":"resource_link","uri":"x:a"},{"type":"resource_link","uri":7},{"type":"text","text":"s+x:a","uri":"s+x:a"}]`
	const theirs = `[{"type":"tool_result","content":[{"type":"resource_link","uri":"x:a"},{"type":"resource","resource":{"uri":"ui://v"}}]},` +
		`{"type":"resource_link","uri":"other+x:a"},{"type":"resource_link","uri":"x:a"},{"type":"resource_link","uri":7},{"type":"text","text":"s+x:a","uri":"s+x:a"}]`
	for method, want := range map[string]string{"sampling/createMessage": theirs, "elicitation/create": said, "roots/list": said} {
		var e jsonscan.Edits
		answer := scan(t, `{"role":"assistant","content":`+said+`}`)
		v.EditAnswer("s", method, answer, own, &e)
		if got := string(answer.AppendEdited(nil, &e)); got != `{"role":"assistant","content":`+want+`}` {
			t.Errorf("%s: got %s\nwant %s", method, got, want)
		}
	}
	var e jsonscan.Edits
	inputs := scan(t, `{"a":{"role":"assistant","content":`+said+`},"b":{"action":"accept","content":{"type":"resource_link","uri":"s+x:a"}},"c":7}`)
	v.EditInputs("s", inputs, own, &e)
	if got, want := string(inputs.AppendEdited(nil, &e)), `{"a":{"role":"assistant","content":`+theirs+`},"b":{"action":"accept","content":{"type":"resource_link","uri":"s+x:a"}},"c":7}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	var m mcp.Message
	if r := m.DecodeServer([]byte(`{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"resource_link","uri":"x:a"}}]}}`), jsonscan.Options{}); r != nil {
		t.Fatal(r)
	}
	var q jsonscan.Edits
	EditReply("s", &none, &m, public, &q)
	if got := string(m.AppendEdited(nil, &q)); !strings.Contains(got, `"uri":"s+x:a"`) {
		t.Errorf("a question: %s", got)
	}
}

func TestNewsThatWereMissed(t *testing.T) {
	got := News(scan(t, `{"_meta":{"k":1},"notifications":{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["x:\"",7]}}`))
	want := []string{
		`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"k":1}}}`,
		`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"k":1},"uri":"x:\""}}`,
	}
	if len(got) != 2 || string(got[0]) != want[0] || string(got[1]) != want[1] {
		t.Errorf("got %q", got)
	}
	if got := News(scan(t, `{"notifications":{"promptsListChanged":true}}`)); len(got) != 1 || string(got[0]) != `{"jsonrpc":"2.0","method":"notifications/prompts/list_changed","params":{}}` {
		t.Errorf("got %q", got)
	}
}

func TestCapabilitiesThatNobodyCarries(t *testing.T) {
	v := scan(t, `{"elicitation":{},"extensions":{"vendor/x":{},"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{"x":1}}}`)
	var e jsonscan.Edits
	EditCapabilities(v, &e)
	if got := string(v.AppendEdited(nil, &e)); Carries(v) || got != `{"elicitation":{},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{"x":1}}}` {
		t.Errorf("carries %v, left %s", Carries(v), got)
	}
	if !Carries(scan(t, `{"extensions":{"io.modelcontextprotocol/ui":{},"io.modelcontextprotocol/tasks":{}}}`)) || !Carries(scan(t, `{}`)) {
		t.Error("what can be carried is not")
	}
}

func TestSubscriptionsAreTakenApart(t *testing.T) {
	v, err := New(Options{Servers: map[string]Selection{"a": {All: true}, "b": {Tools: glob(t, false, "*")}, "c": {Resources: glob(t, true, "x:*")}}})
	if err != nil {
		t.Fatal(err)
	}
	for filter, want := range map[string]string{
		`{}`:                        ``,
		`{"toolsListChanged":true}`: `a={"toolsListChanged":true} b={"toolsListChanged":true}`,
		`{"toolsListChanged":false,"promptsListChanged":true,"taskIds":["1"]}`:            `a={"promptsListChanged":true}`,
		`{"taskIds":["a/1","b/2","a/3"],"resourceSubscriptions":["a+x:1"]}`:               `a={"resourceSubscriptions":["x:1"],"taskIds":["1","3"]} b={"taskIds":["2"]}`,
		`{"taskIds":["b@v2/1","a@v2/1","a@v1/1","a/1","a@v2/2"],"toolsListChanged":true}`: `a={"toolsListChanged":true,"taskIds":["1"]} b={"toolsListChanged":true} a@v1={"taskIds":["1"]} a@v2={"taskIds":["1","2"]} b@v2={"taskIds":["1"]}`,
		`{"taskIds":"1"}`:  `refused`,
		`{"taskIds":[{}]}`: `refused`,
		`{"resourcesListChanged":true,"resourceSubscriptions":["c+x:1","c+y:1","a+q:\""]}`: `a={"resourcesListChanged":true,"resourceSubscriptions":["q:\""]} c={"resourcesListChanged":true,"resourceSubscriptions":["x:1"]}`,
		`[]`:                             `refused`,
		`{"resourceSubscriptions":{}}`:   `refused`,
		`{"resourceSubscriptions":[{}]}`: `refused`,
	} {
		all, ok := v.Subscriptions(scan(t, filter), whoseTask)
		var got []string
		for _, s := range all {
			at := s.Server
			if s.Version != "" {
				at += "@" + s.Version
			}
			got = append(got, at+"="+string(s.Filter))
		}
		if !ok {
			got = []string{"refused"}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is taken apart as %s, want %s", filter, got, want)
		}
	}
}

func TestAcknowledgementIsWhatServersHaveAcknowledged(t *testing.T) {
	var a Acknowledged
	a.Took("a", scan(t, `{"notifications":{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["x:1"]}}`), public)
	a.Took("b", scan(t, `{"notifications":{"resourcesListChanged":true,"resourceSubscriptions":["x:1",7],"taskIds":["1",7]}}`), public)
	want := `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"me"},` +
		`"notifications":{"toolsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a+x:1","b+x:1"],"taskIds":["s/1"]}}}`
	if got := string(a.Append(nil, []byte(`"me"`))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestViewsThatShowTheSame(t *testing.T) {
	a, b, c := all(t, "a", "b"), all(t, "b", "a"), all(t, "a")
	if !a.Same(b) || a.Same(c) || a.Same(nil) {
		t.Errorf("same: %v, other: %v, none: %v", a.Same(b), a.Same(c), a.Same(nil))
	}
}
