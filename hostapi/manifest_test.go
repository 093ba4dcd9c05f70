package hostapi

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const full = `{
 "abi": "sallyport/1", "name": "redact-pii", "version": "1.4.0-rc.1+build.7",
 "hooks": ["request", "response", "list"],
 "reads": {
  "request": ["args.path", "args[\"odd key\"].x", "principal.groups"],
  "list": ["items[*].name", "principal.id"]
 },
 "strings": {"request": ["args"], "response": ["mcp.result.content[*].text", "mcp.result.contents[*].text", "params.data"]},
 "writes": ["args", "mcp.result", "params.data"],
 "verdicts": ["deny", "mutate", "approve", "pass", "abstain"],
 "capabilities": ["lookup:tenants", "match:pii", "match:secrets.v2"],
 "features": {"require": ["strings", "match"], "optional": ["view", "from_a_later_host"]},
 "settings_schema": {"type": "object", "properties": {"mask": {"type": "string"}}},
 "state": "none", "deterministic": true,
 "limits": {"pages": 16, "fuel": 5000000, "deadline_ms": 20},
 "meta": {"description": "Masks <what> it must", "license": "Apache-2.0"}
}`

func parse(t testing.TB, text string) *Manifest {
	t.Helper()
	m, err := ParseManifest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseManifest_readsEveryKey(t *testing.T) {
	paths := func(texts ...string) (out []Path) {
		for _, s := range texts {
			out = append(out, mustPath(t, s))
		}
		return out
	}
	want := &Manifest{
		Name: "redact-pii", Version: "1.4.0-rc.1+build.7", Hooks: []Hook{HookRequest, HookResponse, HookList},
		Reads: map[Hook][]Path{
			HookRequest: paths(`args.path`, `args["odd key"].x`, `principal.groups`),
			HookList:    paths(`items[*].name`, `principal.id`),
		},
		Strings: map[Hook][]Path{
			HookRequest:  paths(`args`),
			HookResponse: paths(`mcp.result.content[*].text`, `mcp.result.contents[*].text`, `params.data`),
		},
		Writes:   paths(`args`, `mcp.result`, `params.data`),
		Verdicts: []Verdict{VerdictDeny, VerdictMutate, VerdictApprove, VerdictPass, VerdictAbstain},
		Capabilities: []Capability{
			{CapabilityKindLookup, "tenants"}, {CapabilityKindMatch, "pii"}, {CapabilityKindMatch, "secrets.v2"},
		},
		Require: []string{"strings", "match"}, Optional: []string{"view", "from_a_later_host"},
		SettingsSchema: json.RawMessage(`{"type":"object","properties":{"mask":{"type":"string"}}}`),
		Deterministic:  true,
		Limits:         Limits{Pages: 16, Fuel: 5000000, Deadline: 20 * time.Millisecond},
		Meta:           map[string]string{"description": "Masks <what> it must", "license": "Apache-2.0"},
	}
	if diff := cmp.Diff(want, parse(t, full)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseManifest_takesTheLeastManifest(t *testing.T) {
	m := parse(t, `{"abi":"sallyport/1","name":"a","version":"0.0.0","hooks":["list"]}`)
	if diff := cmp.Diff(&Manifest{Name: "a", Version: "0.0.0", Hooks: []Hook{HookList}}, m); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(Limits{256, 100000000, 50 * time.Millisecond}, m.Asked()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for v := VerdictPass; v <= VerdictAbstain; v++ {
		if want := v == VerdictPass || v == VerdictAbstain; m.May(v) != want {
			t.Errorf("may return %s: %v", v, !want)
		}
	}
}

func TestManifest_asksForWhatItSays(t *testing.T) {
	m := parse(t, full)
	if got := m.Asked(); got != m.Limits {
		t.Errorf("asks for %+v", got)
	}
	if !m.May(VerdictDeny) || !m.May(VerdictMutate) || !m.May(VerdictApprove) || m.May(VerdictAbstain+1) {
		t.Error("it may return other verdicts than it declares")
	}
}

func TestParseManifest_takesWhatIsJustWithinALimit(t *testing.T) {
	name := strings.Repeat("a", 64)
	for _, text := range []string{
		with("name", `"`+name+`"`),
		with("version", `"1.0.0-`+name[:58]+`"`),
		with("capabilities", `["match:`+name+`"]`),
		with("capabilities", list(64, four("match:"))),
		with("features", `{"optional":["`+name+`"]}`),
		with("features", `{"optional":`+list(64, four("f"))+`}`),
		with("reads", `{"request":`+list(256, four("args."))+`}`),
		with("strings", `{"request":`+list(64, four("args."))+`}`),
		with("limits", `{"pages":1024,"fuel":10000000000,"deadline_ms":10000}`),
		with("limits", `{"pages":1,"fuel":1,"deadline_ms":1}`),
		with("meta", `{"`+name+`":"`+strings.Repeat("x", 1024)+`"}`),
		with("settings_schema", `{"a":`+strings.Repeat("[", 62)+strings.Repeat("]", 62)+`}`),
		with("settings_schema", `{"a":"\\ud800 \ufffd \ud83d\ude00 \u0000 \uffff"}`),
		with("name", `"a"`) + strings.Repeat(" ", 65536-len(with("name", `"a"`))),
	} {
		if _, err := ParseManifest([]byte(text)); err != nil {
			t.Errorf("%.200s: %v", text, err)
		}
	}
}

// with returns a good manifest with one key added or replaced.
func with(key, value string) string {
	m := map[string]json.RawMessage{
		"abi": json.RawMessage(`"sallyport/1"`), "name": json.RawMessage(`"a"`), "version": json.RawMessage(`"1.0.0"`),
		"hooks": json.RawMessage(`["request"]`), key: json.RawMessage(value),
	}
	if value == "" {
		delete(m, key)
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func list(n int, text func(i int) string) string {
	out := make([]string, n)
	for i := range out {
		out[i] = `"` + text(i) + `"`
	}
	return "[" + strings.Join(out, ",") + "]"
}

func four(prefix string) func(int) string {
	return func(i int) string {
		return prefix + string(rune('a'+i/676)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
	}
}

func TestParseManifest_refusesWithPlaceAndFix(t *testing.T) {
	const hooks = "one of request, response, list"
	const capability = "write match:NAME or lookup:NAME; a NAME is of a-z, 0-9, `.`, `_` and `-`"
	const keys = "abi, capabilities, deterministic, features, hooks, limits, meta, name, reads, rego, settings_schema, state, strings, verdicts, version, writes"
	const semver = " is not a semantic version: write MAJOR.MINOR.PATCH, such as 1.0.0; at most 64 bytes"
	const pluginName = " is not a name of a plugin: write words of a-z and 0-9 with - between them; at most 64 bytes"
	const entrypoint = `no entrypoint for the hook request: name one that the module was built with, such as authz/decision`
	also := func(rest, rego string) string { return `{` + rest + `,` + with("rego", rego)[1:] }
	const rego = `{"entrypoints":{"request":"a/b"}}`
	const sorted = ": sort the list by its bytes: an index into it is an id"
	const shape = ": write one JSON object, in UTF-8, without duplicate names"
	for _, c := range []struct{ text, want string }{
		// form
		{``, `manifest: byte 0: unexpected end of JSON input` + shape},
		{`{`, `manifest: byte 1: unexpected end of JSON input` + shape},
		{`[]`, `manifest: not an object: write an object`},
		{`{"a":1,"a":2}`, `manifest: byte 10: "a" stands twice in one object` + shape},
		{`{"a":[{"b":1,"\u0062":2}]}`, `manifest: byte 21: "b" stands twice in one object` + shape},
		{`{"a":"\ud800"}`, `manifest: byte 6: half a surrogate pair` + shape},
		{`{"a":"\n\udc00"}`, `manifest: byte 8: half a surrogate pair` + shape},
		{`{"a":"\ud83dude00"}`, `manifest: byte 6: half a surrogate pair` + shape},
		{`{"a":"\ud83d\u0041"}`, `manifest: byte 6: half a surrogate pair` + shape},
		{`{"a":"\ud83d\ude00\ud83d"}`, `manifest: byte 18: half a surrogate pair` + shape},
		{"{\"a\":\"\xff\"}", `manifest: not UTF-8` + shape},
		{`{"a":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, `manifest: byte 69: nested too deeply` + shape},
		{`{}` + strings.Repeat(" ", 65535), `manifest: 65537 bytes are too many: at most 65536`},
		{with("Name", `"b"`), `"Name": unknown key: remove it; there are ` + keys},
		{with("x", `1`), `"x": unknown key: remove it; there are ` + keys},

		// what it is
		{with("abi", ``), `abi: missing: add it`},
		{with("abi", `"sallyport/2"`), `abi: "sallyport/2" is not an ABI that this host has: build the plugin for sallyport/1`},
		{with("abi", `1`), `abi: not a string: write a string`},
		{with("name", ``), `name: missing: give the plugin a name, such as redact-pii`},
		{with("name", `""`), `name: missing: give the plugin a name, such as redact-pii`},
		{with("name", `null`), `name: not a string: write a string`},
		{with("name", `"Redact"`), `name: "Redact"` + pluginName},
		{with("name", `"a--b"`), `name: "a--b"` + pluginName},
		{with("name", `"a\n"`), `name: "a\n"` + pluginName},
		{with("name", `"`+strings.Repeat("a", 65)+`"`), `name: "` + strings.Repeat("a", 40) + `..."` + pluginName},
		{with("version", ``), `version: missing: give the plugin a version, such as 1.0.0`},
		{with("version", `"1.0"`), `version: "1.0"` + semver},
		{with("version", `"01.0.0"`), `version: "01.0.0"` + semver},
		{with("version", `"v1.0.0"`), `version: "v1.0.0"` + semver},
		{with("version", `"1.0.0-01"`), `version: "1.0.0-01"` + semver},
		{with("version", `"1.0.0-"`), `version: "1.0.0-"` + semver},

		// hooks
		{with("hooks", ``), `hooks: missing: name at least one: request, response, list`},
		{with("hooks", `[]`), `hooks: missing: name at least one: request, response, list`},
		{with("hooks", `"request"`), `hooks: not a list: write a list`},
		{with("hooks", `["request","tool_call",1]`), `hooks[1]: "tool_call" is not a hook: ` + hooks + "\nhooks[2]: not a string: write a string"},
		{with("hooks", `["request","request"]`), `hooks[1]: request stands twice: remove one`},

		// reads
		{with("reads", `[]`), `reads: not an object: write an object`},
		{with("reads", `{"call":[]}`), `reads."call": not a hook: ` + hooks},
		{with("reads", `{"response":[]}`), `reads.response: the plugin does not have this hook: add it to hooks, or remove the list`},
		{with("reads", `{"request":["args","jwt.","sub"]}`), `reads.request[1]: "jwt.": byte 4: no key after the dot: write ["..."] around a key that is not letters, digits and _` +
			"\n" + `reads.request[2]: "sub": byte 0: no name begins so: begin with one of apiKey, args, items, jwt, mcp, params, principal, request, source`},
		{with("reads", `{"request":["args.b","args.a"]}`), `reads.request[1]: "args.a" stands after "args.b"` + sorted},
		{with("reads", `{"request":["args.a","args.a"]}`), `reads.request[1]: "args.a" stands twice: remove one`},
		{with("reads", `{"request":["args.a[*]"]}`), `reads.request[0]: "args.a[*]" is more than one value: read the array and look into its JSON, or put the path into strings; [*] may stand after items only`},
		{with("reads", `{"request":["mcp.tool.result"]}`), `reads.request[0]: mcp.tool.result is not there in the request hook: remove it, or move it to a hook that has it: response`},
		{with("reads", `{"request":`+list(257, four("args."))+`}`), `reads.request: 257 are too many: at most 256`},

		// strings
		{with("strings", `{"request":["jwt"]}`), `strings.request[0]: jwt is not a part of the message that the request hook judges: remove it, or put it into reads; strings may be of args, params`},
		{with("strings", `{"request":["args","args.a"]}`), `strings.request[1]: "args" and "args.a" share places: remove one of them`},
		{with("strings", `{"request":["args.a","params"]}`), `strings.request[1]: "args.a" and "params" share places: remove one of them`},
		{with("strings", `{"request":["args.l[*].a","args.l[0]"]}`), `strings.request[1]: "args.l[*].a" and "args.l[0]" share places: remove one of them`},
		{with("strings", `{"request":["params","args"]}`), `strings.request[1]: "args" stands after "params"` + sorted},
		{with("strings", `{"request":`+list(65, four("args."))+`}`), `strings.request: 65 are too many: at most 64`},

		// writes and verdicts
		{with("writes", `["args"]`), `writes: the plugin may not return mutate: add "mutate" to verdicts, or remove writes`},
		{with("verdicts", `["mutate"]`), `verdicts: mutate without a place to edit: add writes, or remove mutate`},
		{with("verdicts", `["allow"]`), `verdicts[0]: "allow" is not a verdict: one of pass, deny, mutate, approve, abstain`},
		{with("verdicts", `["deny","deny"]`), `verdicts[1]: deny stands twice: remove one`},

		// capabilities and features
		{with("capabilities", `["http:x"]`), `capabilities[0]: "http" is not a kind of capability: ` + capability},
		{with("capabilities", `["match"]`), `capabilities[0]: "" is not a name of a capability: ` + capability},
		{with("capabilities", `["match:A"]`), `capabilities[0]: "A" is not a name of a capability: ` + capability},
		{with("capabilities", `["match:b","match:a"]`), `capabilities[1]: "match:a" stands after "match:b"` + sorted},
		{with("capabilities", list(65, four("match:"))), `capabilities: 65 are too many: at most 64`},
		{with("features", `{"require":["warp"]}`), `features.require[0]: "warp" is not a feature that this host has: use a newer host, or move the feature to features.optional`},
		{with("features", `{"optional":["W"]}`), `features.optional[0]: "W" is not a name of a feature: write letters of a-z, digits and _; at most 64 bytes`},
		{with("features", `{"require":["view"],"optional":["view"]}`), `features.optional[0]: "view" stands twice: remove one`},
		{with("features", `{"wanted":[]}`), `features."wanted": unknown key: remove it; there are optional, require`},
		{with("features", `{"optional":`+list(65, four("f"))+`}`), `features: 65 are too many: at most 64`},

		// modules of Rego
		{with("rego", `[]`), `rego: not an object: write an object` + "\nrego.entrypoints: " + entrypoint},
		{with("rego", `{}`), `rego.entrypoints: missing: add it`},
		{with("rego", `{"entrypoints":{"call":"a/b"}}`), `rego.entrypoints."call": not a hook: ` + hooks + "\nrego.entrypoints: " + entrypoint},
		{with("rego", `{"entrypoints":{"request":""}}`), `rego.entrypoints: ` + entrypoint},
		{with("rego", `{"entrypoints":{"request":"a/b","list":"a/c"}}`), `rego.entrypoints.list: the plugin does not have this hook: add it to hooks, or remove the entrypoint`},
		{also(`"reads":{"request":["args.a[0]"]}`, rego), `reads.request[0]: "args.a[0]" is one element of an array: read the whole array: it is an array in input as well`},
		{also(`"strings":{"request":["args"]}`, rego), `strings: a module of Rego enumerates no strings: put the paths into reads`},
		{also(`"capabilities":["match:a"]`, rego), `capabilities: a module of Rego has no use for any: remove them`},
		{also(`"deterministic":true`, `{"entrypoints":{"request":"a/b"},"clock":true}`), `rego.clock: a plugin that looks at the time is not deterministic: remove one of the two`},

		// the rest
		{with("settings_schema", `true`), `settings_schema: not an object: write a JSON Schema (2020-12), or remove it: a plugin without it takes no settings`},
		{with("state", `"instance"`), `state: "instance" is not a state: write "none": plugins keep nothing between calls`},
		{with("deterministic", `"yes"`), `deterministic: not true or false: write true or false`},
		{with("limits", `{"pages":0}`), `limits.pages: not a whole number from 1 to 1024: write a whole number from 1 to 1024`},
		{with("limits", `{"pages":1.0}`), `limits.pages: not a whole number from 1 to 1024: write a whole number from 1 to 1024`},
		{with("limits", `{"pages":1025}`), `limits.pages: not a whole number from 1 to 1024: write a whole number from 1 to 1024`},
		{with("limits", `{"fuel":10000000001}`), `limits.fuel: not a whole number from 1 to 10000000000: write a whole number from 1 to 10000000000`},
		{with("limits", `{"deadline_ms":"50"}`), `limits.deadline_ms: not a whole number from 1 to 10000: write a whole number from 1 to 10000`},
		{with("limits", `{"deadline":50}`), `limits."deadline": unknown key: remove it; there are deadline_ms, fuel, pages`},
		{with("meta", `{"a":1}`), `meta."a": not a string: write a string`},
		{with("meta", `{"":"x"}`), `meta."": the name is empty or too long: write 1 to 64 bytes`},
		{with("meta", `{"a":"`+strings.Repeat("x", 1025)+`"}`), `meta."a": 1025 bytes are too many: at most 1024`},
	} {
		m, err := ParseManifest([]byte(c.text))
		if err == nil || m != nil || err.Error() != c.want {
			t.Errorf("%.200s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestParseManifest_refusesWritesThatNoHookJudges(t *testing.T) {
	const head = `{"abi":"sallyport/1","name":"a","version":"1.0.0","verdicts":["mutate"],`
	for _, c := range []struct{ text, want string }{
		{`"hooks":["request"],"writes":["mcp.result"]`, `writes[0]: mcp.result is not a part of a message that the plugin judges: remove it, or add one of these hooks: response`},
		{`"hooks":["request"],"writes":["jwt.sub"]`, `writes[0]: jwt is not a part of a message that the plugin judges: remove it: nothing there can be edited`},
		{`"hooks":["request"],"writes":["params"]`, `writes[0]: "params" holds params._meta, which says what a message is or whose: name the places beside it that the plugin edits`},
		{`"hooks":["request"],"writes":["params.name"]`, `writes[0]: "params.name" holds params.name, which says what a message is or whose: name the places beside it that the plugin edits`},
		{`"hooks":["request"],"writes":["params._meta.x"]`, `writes[0]: "params._meta.x" holds params._meta, which says what a message is or whose: name the places beside it that the plugin edits`},
		{`"hooks":["list"],"writes":["items[*]"]`, `writes[0]: "items[*]" holds items[*].name, which says what a message is or whose: name the places beside it that the plugin edits`},
		{`"hooks":["request"],"writes":["args","args.x"]`, `writes[1]: "args" and "args.x" share places: remove one of them`},
		{`"hooks":["request"],"writes":["args.y","args.x"]`, `writes[1]: "args.x" stands after "args.y": sort the list by its bytes: an index into it is an id`},
	} {
		_, err := ParseManifest([]byte(head + c.text + "}"))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	for _, text := range []string{
		`"hooks":["request"],"writes":["args"]`,
		`"hooks":["response"],"writes":["mcp.result","params.data"]`,
		`"hooks":["list"],"writes":["items[*].description"]`,
		`"hooks":["list"]`, // drops items
	} {
		if _, err := ParseManifest([]byte(head + text + "}")); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestParseManifest_endsAListOfMistakes(t *testing.T) {
	_, err := ParseManifest([]byte(with("hooks", list(1000, four("h")))))
	bad := (*ManifestError)(nil)
	if !errors.As(err, &bad) || len(bad.Mistakes) != maxMistakes {
		t.Errorf("%v", err)
	}
}

func TestValidate_refusesWhatNoTextCouldSay(t *testing.T) {
	good := func() *Manifest {
		return &Manifest{Name: "a", Version: "1.0.0", Hooks: []Hook{HookRequest}}
	}
	for _, c := range []struct {
		change func(m *Manifest)
		want   string
	}{
		{func(m *Manifest) { *m = Manifest{} }, "name: missing: give the plugin a name, such as redact-pii\n" +
			"version: missing: give the plugin a version, such as 1.0.0\nhooks: missing: name at least one: request, response, list"},
		{func(m *Manifest) { m.Hooks[0] = 7 }, `hooks[0]: hook 7 is not a hook: one of request, response, list`},
		{func(m *Manifest) { m.Verdicts = []Verdict{9} }, `verdicts[0]: verdict 9 is not a verdict: one of pass, deny, mutate, approve, abstain`},
		{func(m *Manifest) { m.Reads = map[Hook][]Path{HookRequest: {mustPath(t, "args"), {}, {}}} }, "reads.request[1]: no path: write one, or remove it\n" +
			`reads.request[2]: no path: write one, or remove it`},
		{func(m *Manifest) { m.Reads = map[Hook][]Path{9: nil} }, `reads.hook 9: the plugin does not have this hook: add it to hooks, or remove the list`},
		{func(m *Manifest) { m.SettingsSchema = json.RawMessage(`{`) }, `settings_schema: byte 1: unexpected end of JSON input: write a JSON Schema (2020-12)`},
		{func(m *Manifest) { m.Limits.Pages = -1 }, `limits.pages: -1 is out of bounds: write 1 to 1024`},
		{func(m *Manifest) { m.Limits.Fuel = -1 }, `limits.fuel: -1 is out of bounds: write 1 to 10000000000`},
		{func(m *Manifest) { m.Limits.Deadline = 11 * time.Second }, `limits.deadline_ms: 11s is out of bounds: write 1 to 10000, in whole milliseconds`},
		{func(m *Manifest) { m.Meta = map[string]string{"a": "\xff"} }, `meta."a": not UTF-8: write UTF-8`},
	} {
		m := good()
		c.change(m)
		err := m.Validate()
		if err == nil || err.Error() != c.want {
			t.Errorf(" got %v\nwant %s", err, c.want)
		}
		if text, encodeErr := m.Encode(); encodeErr == nil || text != nil {
			t.Errorf("%s has a text", c.want)
		}
	}
	if err := good().Validate(); err != nil {
		t.Error(err)
	}
}

func TestNormalize_sortsAndRemovesWhatStandsTwice(t *testing.T) {
	m := &Manifest{
		Name: "a", Version: "1.0.0", Hooks: []Hook{HookList, HookRequest, HookList},
		Reads:    map[Hook][]Path{HookRequest: {mustPath(t, "jwt.sub"), mustPath(t, `args["b"  ]`[:4]), mustPath(t, "jwt.sub")}},
		Strings:  map[Hook][]Path{HookRequest: {mustPath(t, "params.x"), mustPath(t, "args")}},
		Writes:   []Path{mustPath(t, "args.b"), mustPath(t, "args.a")},
		Verdicts: []Verdict{VerdictMutate, VerdictDeny, VerdictDeny},
		Capabilities: []Capability{
			{CapabilityKindMatch, "a"}, {CapabilityKindLookup, "z"}, {CapabilityKindMatch, "a"},
		},
		Optional: []string{"z", "a", "a"},
	}
	m.Normalize()
	text, err := m.Encode()
	const want = `{"abi":"sallyport/1","name":"a","version":"1.0.0","hooks":["request","list"],"reads":{"request":["args","jwt.sub"]},` +
		`"strings":{"request":["args","params.x"]},"writes":["args.a","args.b"],"verdicts":["deny","mutate"],` +
		`"capabilities":["lookup:z","match:a"],"features":{"optional":["a","z"]},"state":"none","deterministic":false}`
	if string(text) != want || err != nil {
		t.Errorf("%v\n got %s\nwant %s", err, text, want)
	}
}

func TestEncode_writesWhatParseManifestReads(t *testing.T) {
	m := parse(t, full)
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, parse(t, string(text))); diff != "" {
		t.Errorf("%s\n(-want +got)\n%s", text, diff)
	}
	if !strings.Contains(string(text), "<what>") {
		t.Errorf("escaped for HTML: %s", text)
	}
	m.Reads[HookResponse] = []Path{}
	if again, err := m.Encode(); string(again) != string(text) || err != nil {
		t.Errorf("an empty list is written: %s, %v", again, err)
	}
	m.Meta = map[string]string{}
	for i := range 32 {
		m.Meta[four("k")(i)] = strings.Repeat("x", 1024)
	}
	m.SettingsSchema = json.RawMessage(`{"x":"` + strings.Repeat("y", 40000) + `"}`)
	if _, err := m.Encode(); err == nil || !strings.HasPrefix(err.Error(), "manifest: 7") || !strings.HasSuffix(err.Error(), " bytes are too many: at most 65536") {
		t.Errorf("a long manifest: %v", err)
	}
}

// What is accepted has one text, which means the same; what is refused says where and how to mend it.
func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(with("reads", `{"request":["args[\"\ud83d\ude00\"]"]}`)))
	f.Add([]byte(with("meta", `{"a":"\ufffd\\ud800","b":"\u2028"}`)))
	f.Add([]byte(with("name", `"A"`)))
	f.Add([]byte(with("settings_schema", `{"a":"\ud800"}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			bad := (*ManifestError)(nil)
			if !errors.As(err, &bad) {
				t.Fatalf("%T: %v", err, err)
			}
			for _, one := range bad.Mistakes {
				if one.Where == "" || one.Problem == "" || one.Fix == "" {
					t.Fatalf("%q", one)
				}
			}
			if m != nil || len(bad.Mistakes) == 0 {
				t.Fatalf("%v, %v", m, bad)
			}
			return
		}
		first, err := m.Encode()
		if err != nil {
			if len(text) < LimitManifestBytes/2 {
				t.Fatalf("%s\n%v", text, err)
			}
			return
		}
		again, err := ParseManifest(first)
		if err != nil {
			t.Fatalf("%s\n%v", first, err)
		}
		second, err := again.Encode()
		if err != nil || string(first) != string(second) {
			t.Fatalf("%v\n%s\n%s", err, first, second)
		}
		var loose any
		if err := json.Unmarshal(text, &loose); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
	})
}
