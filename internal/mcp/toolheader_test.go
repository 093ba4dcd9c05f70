package mcp

import (
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/httphead"
)

const mirroring = `{"type":"object","properties":{
	"region":{"type":"string","x-mcp-header":"Region"},"plain":{"type":"string"},
	"limit":{"type":["integer"],"x-mcp-header":"Limit"},
	"nested":{"type":"object","properties":{"dry":{"type":"boolean","x-mcp-header":"Dry-Run"}}}}}`

func TestCheckParams(t *testing.T) {
	params := HeaderParams(scan(t, mirroring))
	if len(params) != 3 {
		t.Fatalf("%d headers mirror arguments: %+v", len(params), params)
	}
	for _, tt := range []struct {
		name, arguments, headers, want string // want is the header that is wrong, or those that are written
	}{
		{"nothing", `{}`, "", ""},
		{"all", `{"region":"eu","limit":3,"nested":{"dry":true}}`, "mcp-param-region: eu|Mcp-Param-Limit: 3|Mcp-Param-Dry-Run: true", "Mcp-Param-Region: eu|Mcp-Param-Limit: 3|Mcp-Param-Dry-Run: true"},
		{"another", `{"plain":"x"}`, "Mcp-Param-Other: y", ""},
		{"null is absent", `{"region":null}`, "", ""},
		{"base64", `{"region":"ü"}`, "Mcp-Param-Region: =?base64?w7w=?=", "Mcp-Param-Region: =?base64?w7w=?="},
		{"numbers are numbers", `{"limit":3.0}`, "Mcp-Param-Limit: 3", "Mcp-Param-Limit: 3.0"},
		{"a large number", `{"limit":9007199254740991}`, "Mcp-Param-Limit: 9007199254740991", "Mcp-Param-Limit: 9007199254740991"},
		{"missing", `{"region":"eu"}`, "", "wrong: Mcp-Param-Region"},
		{"too much", `{}`, "Mcp-Param-Region: eu", "wrong: Mcp-Param-Region"},
		{"for null", `{"region":null}`, "Mcp-Param-Region: null", "wrong: Mcp-Param-Region"},
		{"another text", `{"region":"eu"}`, "Mcp-Param-Region: us", "wrong: Mcp-Param-Region"},
		{"another case", `{"region":"eu"}`, "Mcp-Param-Region: EU", "wrong: Mcp-Param-Region"},
		{"another number", `{"limit":9007199254740993}`, "Mcp-Param-Limit: 9007199254740992", "wrong: Mcp-Param-Limit"},
		{"no number", `{"limit":3}`, "Mcp-Param-Limit: three", "wrong: Mcp-Param-Limit"},
		{"text for a number", `{"limit":"3"}`, "Mcp-Param-Limit: 4", "wrong: Mcp-Param-Limit"},
		{"another truth", `{"nested":{"dry":true}}`, "Mcp-Param-Dry-Run: false", "wrong: Mcp-Param-Dry-Run"},
		{"an object", `{"region":{}}`, "Mcp-Param-Region: {}", "wrong: Mcp-Param-Region"},
		{"broken base64", `{"region":"u"}`, "Mcp-Param-Region: =?base64?dQ?=", "wrong: Mcp-Param-Region"},
	} {
		m, h := &Message{Arguments: scan(t, tt.arguments)}, new(httphead.Head)
		for line := range strings.SplitSeq(tt.headers, "|") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				h.Params = append(h.Params, httphead.Field{Name: []byte(name), Value: []byte(value)})
			}
		}
		var got string
		if r := m.CheckParams(h, params); r != nil {
			got = "wrong: " + strings.Fields(strings.TrimPrefix(r.Message, "Header mismatch: "))[0]
		} else {
			var lines []string
			for _, h := range m.AppendParams(nil, params) {
				lines = append(lines, h.Name+": "+h.Value)
			}
			got = strings.Join(lines, "|")
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A tool whose annotations break the rules mirrors nothing: no client may call it.
func TestHeaderParams_ofAnInvalidTool(t *testing.T) {
	for _, schema := range []string{
		``, `{}`, `{"properties":{"a":{"type":"string"}}}`,
		`{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}`,
		`{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}`,
	} {
		var v jsonscan.Value
		if schema != "" {
			v = scan(t, schema)
		}
		if got := HeaderParams(v); got != nil {
			t.Errorf("%s: %+v", schema, got)
		}
	}
}
