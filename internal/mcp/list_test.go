package mcp

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

func scan(t testing.TB, text string) jsonscan.Value {
	t.Helper()
	var d jsonscan.Doc
	if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d.Root()
}

func TestFilterListLosesOnlyWhatIsRefused(t *testing.T) {
	tests := []struct {
		name, result, field, want string
		removed                   int
	}{
		{
			"some go", `{"tools":[{"name":"a","x":1.0},{"name":"no"},{"name":"b","inputSchema":{"$schema":"s","n":9007199254740993}}],"nextCursor":"","vendor":null}`, "tools",
			`{"tools":[{"name":"a","x":1.0},{"name":"b","inputSchema":{"$schema":"s","n":9007199254740993}}],"nextCursor":"","vendor":null}`, 1,
		},
		{"all go", `{"tools":[{"name":"no"},{"name":"no"}]}`, "tools", `{"tools":[]}`, 2},
		{"none go", `{"tools":[{"name":"a"}],"_meta":{}}`, "tools", `{"tools":[{"name":"a"}],"_meta":{}}`, 0},
		{"another list", `{"prompts":[{"name":"no"}]}`, "tools", `{"prompts":[{"name":"no"}]}`, 0},
		{"what can't be judged goes", `{"tools":["no",null,[],{"name":"a"}]}`, "tools", `{"tools":[{"name":"a"}]}`, 3},
		{"a list that is none", `{"tools":{"name":"no"}}`, "tools", `{"tools":[]}`, 1},
	}
	for _, tt := range tests {
		result := scan(t, tt.result)
		var e jsonscan.Edits
		n := FilterList(result, tt.field, func(item jsonscan.Value) bool { return !item.Get("name").TextIs("no") }, &e)
		if got := string(result.AppendEdited(nil, &e)); got != tt.want || n != tt.removed {
			t.Errorf("%s: %d removed, %s\nwant %d, %s", tt.name, n, got, tt.removed, tt.want)
		}
	}
}

func TestMakePrivate(t *testing.T) {
	for result, want := range map[string]string{
		`{"cacheScope":"public","ttlMs":1}`: `{"cacheScope":"private","ttlMs":1}`,
		`{"cacheScope":7}`:                  `{"cacheScope":"private"}`,
		`{"cacheScope":"private"}`:          "",
		`{"tools":[]}`:                      "",
	} {
		v := scan(t, result)
		var e jsonscan.Edits
		changed := MakePrivate(v, &e)
		if changed != (want != "") {
			t.Errorf("%s: changed %t", result, changed)
		}
		if got := string(v.AppendEdited(nil, &e)); changed && got != want {
			t.Errorf("%s: %s, want %s", result, got, want)
		}
	}
}

func TestInputRequests(t *testing.T) {
	for result, want := range map[string][]string{
		`{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"m":1}},"b":{"method":"roots/list"}}}`: {
			`"a" elicitation/create {"m":1}`, `"b" roots/list `,
		},
		`{"inputRequests":{"a":"x","b":{"method":7}}}`: {`"a"  `, `"b"  `},
		`{"resultType":"complete"}`:                    nil,
	} {
		v := scan(t, result)
		var got []string
		for r := range InputRequests(v) {
			got = append(got, string(r.Key.Raw())+" "+r.Method+" "+string(r.Params.AppendTo(nil)))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", result, diff)
		}
		if InputRequired(v) != (want != nil) {
			t.Errorf("%s: InputRequired is %t", result, want == nil)
		}
	}
	for r := range InputRequests(scan(t, `{"inputRequests":{"a":{},"b":{}}}`)) {
		if !r.Key.TextIs("a") {
			t.Error("the walk went on after it was stopped")
		}
		break
	}
	if !InputRequired(scan(t, `{"resultType":"input_required","requestState":"s"}`)) {
		t.Error("a result that only asks to come back is not one that asks for input")
	}
}

func TestTwinArgument(t *testing.T) {
	const schema = `{"properties":{"amount":{"type":"integer"},"to":{"properties":{"kind":{}}},"list":{"items":{"properties":{"id":{}}}}}}`
	for arguments, want := range map[string]string{
		`{"amount":1,"other":2,"to":{"kind":1},"list":[{"id":1}]}`: "",
		`{"Amount":1}`:                 "Amount",
		`{"\u0041MOUNT":1}`:            "AMOUNT",
		`{"to":{"\u212aind":1}}`:       "\u212aind",
		`{"list":[{"id":1},{"ID":1}]}`: "ID",
		`{"to":[{"KIND":1}]}`:          "",
		`"Amount"`:                     "",
	} {
		got, found := TwinArgument(scan(t, arguments), scan(t, schema))
		if got != want || found != (want != "") {
			t.Errorf("%s: %q %t, want %q", arguments, got, found, want)
		}
	}
	if name, found := TwinArgument(scan(t, `{"A":1}`), jsonscan.Value{}); found {
		t.Errorf("%q found without a schema", name)
	}
}

func TestInvalidHeaderTool(t *testing.T) {
	valid := []string{
		`{}`,
		`{"inputSchema":true}`,
		`{"inputSchema":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":["integer","boolean"],"x-mcp-header":"B_19"}}}}`,
		`{"inputSchema":{"properties":{"a":{"properties":{"b":{"type":"boolean","x-mcp-header":"B"}}}}}}`,
		`{"inputSchema":{"properties":{"x-mcp-header":{"type":"number"}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":"object","default":{"x-mcp-header":1},"enum":[{"x-mcp-header":1}],"const":{"x-mcp-header":1},"examples":[{"x-mcp-header":1}]}}}}`,
		`{"inputSchema":{"$defs":{"x-mcp-header":{"type":"string"}},"dependentRequired":{"x-mcp-header":["a"]}}}`,
		`{"outputSchema":{"x-mcp-header":"A"},"x-mcp-header":"A"}`,
	}
	invalid := []string{
		`{"inputSchema":{"type":"string","x-mcp-header":"A"}}`,
		`{"inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":""}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":7}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"A B"}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"A\r\nB: c"}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"\u00c4"}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":["string","null"],"x-mcp-header":"A"}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":[],"x-mcp-header":"A"}}}}`,
		`{"inputSchema":{"properties":{"a":{"x-mcp-header":"A"}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}}`,
		`{"inputSchema":{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}}`,
		`{"inputSchema":{"properties":{"a":{"items":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}}}}`,
		`{"inputSchema":{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}}`,
		`{"inputSchema":{"if":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}}`,
		`{"inputSchema":{"$defs":{"d":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}}}`,
		`{"inputSchema":{"x":[[{"x-mcp-header":"A"}]]}}`,
	}
	for _, tool := range valid {
		if InvalidHeaderTool(scan(t, tool)) {
			t.Errorf("valid, but refused: %s", tool)
		}
	}
	for _, tool := range invalid {
		if !InvalidHeaderTool(scan(t, tool)) {
			t.Errorf("invalid, but taken: %s", tool)
		}
	}
}
