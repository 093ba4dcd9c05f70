package mcp

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	sdk "github.com/mark3labs/mcp-go/mcp"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

const modernMeta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// requests names a message of each kind that can be denied.
var requests = map[string]string{
	"legacy call":     `{"jsonrpc":"2.0","id":"a\"b","method":"tools/call","params":{"name":"x\"y"}}`,
	"modern call":     `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x",` + modernMeta + `}}`,
	"legacy prompt":   `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}}`,
	"legacy resource": `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///\""}}`,
	"modern resource": `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///a",` + modernMeta + `}}`,
	"modern task":     `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t",` + modernMeta + `}}`,
	"modern unknown":  `{"jsonrpc":"2.0","id":1,"method":"vendor/x","params":{` + modernMeta + `}}`,
	"notification":    `{"jsonrpc":"2.0","method":"notifications/progress"}`,
	"response":        `{"jsonrpc":"2.0","id":1,"result":{}}`,
}

func TestDenialShapes(t *testing.T) {
	d := Denial{DecisionID: "d-1", Rule: "fs-guard/no-dotfiles", Reason: "dotfile", Message: `"/.ssh" is hidden`}
	want := map[string]string{
		"legacy call":     `200 {"jsonrpc":"2.0","id":"a\"b","error":{"code":40301,"message":"Denied by policy: \"/.ssh\" is hidden","data":{"decisionId":"d-1","rule":"fs-guard/no-dotfiles","reason":"dotfile","message":"\"/.ssh\" is hidden"}}}`,
		"modern resource": `200 {"jsonrpc":"2.0","id":1,"error":{"code":40301,"message":"Denied by policy: \"/.ssh\" is hidden","data":{"decisionId":"d-1","rule":"fs-guard/no-dotfiles","reason":"dotfile","message":"\"/.ssh\" is hidden"}}}`,
		"notification":    `403 {"jsonrpc":"2.0","error":{"code":40301,"message":"Denied by policy: \"/.ssh\" is hidden","data":{"decisionId":"d-1","rule":"fs-guard/no-dotfiles","reason":"dotfile","message":"\"/.ssh\" is hidden"}}}`,
		"response":        `403 {"jsonrpc":"2.0","error":{"code":40301,"message":"Denied by policy: \"/.ssh\" is hidden","data":{"decisionId":"d-1","rule":"fs-guard/no-dotfiles","reason":"dotfile","message":"\"/.ssh\" is hidden"}}}`,
	}
	for name, text := range want {
		m := decodeOK(t, requests[name])
		r := m.Deny(d)
		if got := fmt.Sprintf("%d %s", r.Status, m.AppendRefusal(nil, r)); got != text {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, text)
		}
		if r.Reason != "dotfile" {
			t.Errorf("%s: recorded as %q", name, r.Reason)
		}
	}
}

func TestDenialAsResult(t *testing.T) {
	d := Denial{DecisionID: "d-1", Rule: "a/b", Reason: "no_rule_matched"}
	for name, want := range map[string]string{
		"legacy call": `{"jsonrpc":"2.0","id":"a\"b","result":{"content":[{"type":"text","text":"Denied by policy: no_rule_matched"}],"isError":true,"_meta":{"dev.sallyport/decision":{"decisionId":"d-1","rule":"a/b","reason":"no_rule_matched"}}}}`,
		"modern call": `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"Denied by policy: no_rule_matched"}],"isError":true,"resultType":"complete","_meta":{"dev.sallyport/decision":{"decisionId":"d-1","rule":"a/b","reason":"no_rule_matched"}}}}`,
	} {
		got := decodeOK(t, requests[name]).AppendDenied(nil, d)
		if string(got) != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
		scan(t, string(got))
	}
}

func TestHiddenIsAnsweredAsUnknown(t *testing.T) {
	for name, want := range map[string]string{
		"legacy call":     `200 {"jsonrpc":"2.0","id":"a\"b","error":{"code":-32602,"message":"Unknown tool: x\"y"}}`,
		"modern call":     `400 {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool: x"}}`,
		"legacy prompt":   `200 {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown prompt: p"}}`,
		"legacy resource": `200 {"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"Resource not found","data":{"uri":"file:///\""}}}`,
		"modern resource": `400 {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Resource not found","data":{"uri":"file:///a"}}}`,
		"modern task":     `400 {"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown task: t"}}`,
		"modern unknown":  `404 {"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found: vendor/x"}}`,
		"notification":    `400 {"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found: notifications/progress"}}`,
	} {
		m := decodeOK(t, requests[name])
		r := m.Hidden()
		if got := fmt.Sprintf("%d %s", r.Status, m.AppendRefusal(nil, r)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}

func TestUnsupportedVersionNamesWhatIsServed(t *testing.T) {
	r := UnsupportedVersion(`"`, []string{"2026-07-28", "2025-11-25"})
	want := `{"supported":["2026-07-28","2025-11-25"],"requested":"\""}`
	if string(r.Data) != want || r.Code != sdk.UNSUPPORTED_PROTOCOL_VERSION || r.Status != 400 {
		t.Errorf("%d %d %s, want %s", r.Status, r.Code, r.Data, want)
	}
}

func TestMessagesFromServers(t *testing.T) {
	for body, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"result":{"content":[],"Content":[]}}`:                          "response 1",
		`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no","data":1,"x":2}}`:         "response 1",
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}`:                     "response ",
		`{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}`:                               "response ",
		`{"jsonrpc":"2.0","id":"s-1","method":"sampling/createMessage","params":{"Name":"a"}}`:   `request "s-1"`,
		`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:a"}}`: "notification ",
		`{"jsonrpc":"2.0","id":null,"result":{}}`:                                                "an id is a string or an integer",
		`{"jsonrpc":"2.0","result":{}}`:                                                          "a response has an id",
		`{"jsonrpc":"2.0","id":1,"result":{},"error":null}`:                                      "a message has a method, a result or an error",
		`{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}`:                                        "an object has two members of one name",
	} {
		var m Message
		var got string
		if r := m.DecodeServer([]byte(body), jsonscan.Options{}); r != nil {
			got = strings.TrimPrefix(r.Message, "Invalid Request: ")
		} else {
			got = kindNames[m.Kind] + " " + string(m.ID)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestResetForgetsEverything(t *testing.T) {
	m := decodeOK(t, `{"jsonrpc":"2.0","id":"\u0061","method":"tools/call","params":{"name":"a","arguments":{},`+modernMeta+`}}`)
	m.mirrored = "a"
	m.Reset()
	m.doc, m.id, m.Batch = jsonscan.Doc{}, nil, nil
	if diff := cmp.Diff(Message{}, *m, cmp.AllowUnexported(Message{}), cmp.Comparer(func(a, b jsonscan.Value) bool { return a == b }), cmp.Comparer(func(a, b jsonscan.Doc) bool { return true })); diff != "" {
		t.Errorf("a message that was reset differs from a fresh one (-fresh +reset)\n%s", diff)
	}
}

func TestMethodsTable(t *testing.T) {
	names := Methods()
	seen := map[string]bool{}
	var open []string
	for _, name := range names {
		m := LookupMethod(name)
		if m == nil || seen[name] || m.Direction == 0 {
			t.Errorf("%s: twice in the table, or without a direction", name)
			continue
		}
		seen[name] = true
		if m.DefaultAllow() {
			open = append(open, name)
		}
		if m.Notification != strings.HasPrefix(name, "notifications/") || m.Notification != (m.Class == ClassNotification) {
			t.Errorf("%s: is it a notification?", name)
		}
		if (m.List == "") != (m.Item == "") || m.Class == ClassList && m.List == "" {
			t.Errorf("%s: a list without items", name)
		}
		if m.NameHeader && m.Target == TargetNone || m.Since != "" && m.Until != "" && m.Since >= m.Until {
			t.Errorf("%s: contradicts itself", name)
		}
	}
	sort.Strings(open)
	want := []string{"initialize", "ping", "prompts/list", "resources/list", "resources/templates/list", "server/discover", "skills/list", "tasks/list", "tools/list"}
	for _, name := range names {
		if strings.HasPrefix(name, "notifications/") {
			want = append(want, name)
		}
	}
	sort.Strings(want)
	if diff := cmp.Diff(want, open); diff != "" {
		t.Errorf("methods allowed without a rule (-want +got)\n%s", diff)
	}
	if (*Method)(nil).DefaultAllow() || !(*Method)(nil).In(Modern) {
		t.Error("an unknown method is allowed without a rule, or belongs to no era")
	}
}

func TestVersions(t *testing.T) {
	if diff := cmp.Diff([]string{"2026-07-28"}, Versions(Modern)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}, Versions(Legacy)); diff != "" {
		t.Error(diff)
	}
	for _, r := range revisions {
		if EraOf(r.Version) != r.Era || LookupRevision(r.Version) != r {
			t.Errorf("%s: in the wrong era, or not found", r.Version)
		}
	}
	if EraOf("2027-01-01") != Modern || EraOf("") != Legacy || LookupRevision("2027-01-01") != nil {
		t.Error("an unknown version")
	}
}

func TestHeaderValuesAreTheSDKs(t *testing.T) {
	for _, s := range []string{"", "a", "a b", " a", "a\t", "a\tb", "\u00e9", "=?base64?YQ==?=", "=?base64?", "a\x7f", "a\nb"} {
		want, _ := sdk.EncodeHeaderValue(s)
		if got := encodeValue(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
		if isSentinel([]byte(want)) {
			if got, ok := decodeSentinel([]byte(want)); !ok || got != s {
				t.Errorf("%q: decoded as %q %t", s, got, ok)
			}
		}
	}
}
