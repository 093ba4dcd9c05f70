package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

// failer is what tests have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
}

// lockOf makes a lock of servers: the text of the lists of their tools.
func lockOf(t failer, servers map[string]string) []byte {
	t.Helper()
	var listed []toolset.Listed
	for name, text := range servers {
		var doc jsonscan.Doc
		if err := doc.Scan([]byte(text), jsonscan.Options{}); err != nil {
			t.Fatal(err)
		}
		s := toolset.Listed{Server: name}
		for tool := range doc.Root().Elems() {
			s.Tools = append(s.Tools, tool)
		}
		listed = append(listed, s)
	}
	lock, err := toolset.Encode(listed)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// typedTools are what the cases are about.
var typedTools = map[string]string{
	"files": `[
		{"name": "read_file", "inputSchema": {"type": "object", "additionalProperties": false, "required": ["path"], "properties": {
			"path": {"type": "string"}, "limit": {"type": "integer"}, "mode": {"enum": ["text", "binary"]}, "follow": {"type": "boolean"},
			"ranges": {"type": "array", "items": {"type": "object", "properties": {"from": {"type": "integer"}}, "additionalProperties": false}},
			"owner": {"type": ["string", "null"]}, "node": {"$ref": "#/$defs/node"}},
			"$defs": {"node": {"type": "object", "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/node"}}, "additionalProperties": false}}}},
		{"name": "write_file", "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}, "text": {"type": "string"}}}},
		{"name": "status", "inputSchema": {"type": "object", "additionalProperties": false}}]`,
	"web": `[
		{"name": "fetch", "inputSchema": {"type": "object", "properties": {"url": {"type": "string"},
			"id": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "headers": {"type": "object", "additionalProperties": {"type": "string"}}},
			"additionalProperties": true}}]`,
}

// findings compiles one rule and gives what is found, a line each: where, what and help, with the marked text.
func findings(t *testing.T, lock []byte, match, when string, servers []string) []string {
	t.Helper()
	text := fmt.Sprintf("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nmatch: %s\nrules:\n  - name: r\n    effect: deny\n    when: |\n      %s\n", match, when)
	b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte(text)}, toolset.FileName: {Data: lock}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), b, engine.Options{Servers: servers})
	found := s.Warnings()
	if err != nil {
		found = err.(source.Diagnostics) //nolint:errorlint // it is what Compile gives
	}
	var out []string
	for _, d := range found {
		mark := ""
		if d.File == "p.yaml" {
			line := strings.Split(text, "\n")[d.Line-1]
			mark = line[d.Column-1 : d.Column-1+d.Width]
		}
		out = append(out, fmt.Sprintf("%s[%s] <%s> %s; %s", d.Severity, d.Code, mark, d.Message, d.Help))
	}
	return out
}

func TestRulesAreTypedByTools(t *testing.T) {
	read, write, fetch := "{ tools: [read_file] }", "{ tools: [write_file] }", "{ servers: [web], tools: [fetch] }"
	reads := "{ servers: [files], tools: [\"*_file\"] }"
	for _, c := range []struct {
		match, when string
		want        []string
	}{
		// What is right.
		{read, `args.path == "/etc" && args.limit > 10 && args.mode == "text" && args.follow`, nil},
		{read, `args.owner == null || args.owner == "me" || args.path != null`, nil},
		{read, `args.ranges.exists(r, r.from > 10) || args.ranges[0].from == 1 || size(args.ranges) > 2`, nil},
		{read, `args.node.next.next.next.name == "x"`, nil},
		{read, `args.?limit.orValue(0) > 10 && args.?mode.orValue("") == "" && args[?"mode"].hasValue()`, nil},
		{read, `"mode" in args && args.mode in ["text", "binary"] && "a" in args.path.split("/")`, nil},
		{read, `type(args.path) != string || dyn(args.limit) == "10" || string(args.limit) == "10"`, nil},
		{read, `params.arguments.anything == "goes" || args[mcp.tool.name] == "x"`, nil},
		{fetch, `args.id == 7 || args.id == "7" || args.other == 1 || args.headers.accept == "x" || args.headers["x-y"] == "z"`, nil},
		// Names.
		{read, `args.pth.startsWith("/etc")`, []string{"error[SP7005] <pth> the tool `files/read_file` has no argument `pth`; did you mean `path`?"}},
		{read, `has(args.pth)`, []string{"error[SP7005] <pth> the tool `files/read_file` has no argument `pth`; did you mean `path`?"}},
		{read, `args["pth"] == "x"`, []string{"error[SP7005] <\"pth\"> the tool `files/read_file` has no argument `pth`; did you mean `path`?"}},
		{read, `args.?pth.orValue("") == "x"`, []string{"error[SP7005] <pth> the tool `files/read_file` has no argument `pth`; did you mean `path`?"}},
		{read, `"pth" in args`, []string{"error[SP7005] <\"pth\"> the tool `files/read_file` has no argument `pth`; did you mean `path`?"}},
		{read, `mcp.tool.arguments.encoding == "x"`, []string{"error[SP7005] <encoding> the tool `files/read_file` has no argument `encoding`; there are: follow, limit, mode, node, owner, path, ranges"}},
		{read, `args.ranges.all(r, r.form > 1)`, []string{"error[SP7005] <form> the tool `files/read_file` has no argument `ranges[].form`; did you mean `from`?"}},
		{read, `args.node.next.nam == "x"`, []string{"error[SP7005] <nam> the tool `files/read_file` has no argument `node.next.nam`; did you mean `name`?"}},
		{write, `args.pth == "x"`, []string{"error[SP7005] <pth> the tool `files/write_file` has no argument `pth`; did you mean `path`?"}},
		{write, `args.encoding == "x"`, []string{"warning[SP7005] <encoding> the tool `files/write_file` has no argument `encoding`; there are: path, text"}},
		{fetch, `args.ulr == "x"`, []string{"warning[SP7005] <ulr> the tool `web/fetch` has no argument `ulr`; did you mean `url`?"}},
		{reads, `args.pth == "x"`, []string{"error[SP7005] <pth> none of the 2 tools that the rule is about has an argument `pth`; did you mean `path`?"}},
		// Types.
		{read, `args.limit == "10"`, []string{"error[SP7006] <\"10\"> `args.limit` is a number and can't be compared with a string; write the number without quotes"}},
		{read, `"10" != args.limit`, []string{"error[SP7006] <\"10\"> `args.limit` is a number and can't be compared with a string; write the number without quotes"}},
		{read, `args.limit > "10"`, []string{"error[SP7006] <\"10\"> `args.limit` is a number and can't be compared with a string; write the number without quotes"}},
		{read, `args.limit.startsWith("1")`, []string{"error[SP7006] <limit> `args.limit` is a number and can't be used with `startsWith`; the schema of the tool, in tools.lock.json, says what it is"}},
		{read, `args.path`, []string{"error[SP7006] <path> `args.path` is a string and can't be used as a condition; the schema of the tool, in tools.lock.json, says what it is"}},
		{read, `!args.limit`, []string{"error[SP7006] <limit> `args.limit` is a number and can't be used as a condition; the schema of the tool, in tools.lock.json, says what it is"}},
		{read, `args.limit == principal.id`, []string{"error[SP7006] <limit> `args.limit` is a number and can't be compared with a string; write the number without quotes"}},
		{read, `args.path.name == "x"`, []string{"error[SP7006] <name> `args.path` is a string: it has no fields; "}},
		{read, `args.path.exists(c, c == "x")`, []string{"error[SP7006] <path> `args.path` is a string and can't be looked through; the schema of the tool, in tools.lock.json, says what it is"}},
		{read, `now > args.path`, []string{"error[SP7006] <now> `args.path` is a string and can't be compared with a timestamp; convert the argument: timestamp(...)"}},
		{read, `args.path in [1, 2] && args.path == 1.5`, []string{
			"error[SP7006] <1> `args.path` is a string and can't be compared with a number; write the value in quotes, or convert the argument: int(...)",
			"error[SP7006] <2> `args.path` is a string and can't be compared with a number; write the value in quotes, or convert the argument: int(...)",
			"error[SP7006] <1> `args.path` is a string and can't be compared with a number; write the value in quotes, or convert the argument: int(...)",
		}},
		{read, `cel.bind(l, args.limit, l == "10")`, []string{"error[SP7006] <\"10\"> `args.limit` is a number and can't be compared with a string; write the number without quotes"}},
		// Values.
		{read, `args.mode == "txt"`, []string{"error[SP7007] <\"txt\"> `args.mode` is never \"txt\"; did you mean `\"text\"`?"}},
		{read, `args.?mode.orValue("") == "raw"`, []string{"error[SP7007] <\"raw\"> `args.mode` is never \"raw\"; it is one of: \"binary\", \"text\""}},
		{read, `args.mode in ["binary", "txt"]`, []string{"error[SP7007] <\"txt\"> `args.mode` is never \"txt\"; did you mean `\"text\"`?"}},
		// Several tools.
		{reads, `args.limit > 10`, []string{"warning[SP7008] <limit> `args.limit` is no argument of every tool that the rule is about: files/write_file has none; ask whether it is there, has(args.limit), or match fewer tools: without it the condition fails"}},
		{reads, `has(args.limit) && args.limit > 10`, nil},
		{reads, `args.?limit.orValue(0) > 10`, nil},
		{reads, `mcp.tool.name == "read_file" && args.limit > 10`, nil},
		{reads, `args.limit == "10"`, []string{"warning[SP7005] <limit> none of the 2 tools that the rule is about has an argument `limit`; there are: path, text"}},
		{"{ servers: [files, web] }", `args.url.startsWith("http:") && has(args.path)`, []string{
			"warning[SP7008] <url> `args.url` is no argument of every tool that the rule is about: files/read_file has none; ask whether it is there, has(args.url), or match fewer tools: without it the condition fails",
		}},
		{"{ methods: [resources/read] }", `mcp.resource.uri == "x"`, nil},
	} {
		t.Run(c.match+" "+c.when, func(t *testing.T) {
			if diff := cmp.Diff(c.want, findings(t, lockOf(t, typedTools), c.match, c.when, nil)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMatchesAreComparedWithKnownTools(t *testing.T) {
	for _, c := range []struct {
		match   string
		servers []string
		want    []string
	}{
		{match: "{ servers: [files], tools: [raed_file, write_file] }", want: []string{"error[SP7004] <raed_file> no known tool matches `raed_file`; did you mean `read_file`?"}},
		{match: "{ tools: [\"delete_*\"] }", want: []string{"error[SP7004] <\"delete_*\"> no known tool matches `delete_*`; they are: fetch, read_file, status, write_file"}},
		{match: "{ tools: [\"delete_*\", \"read_*\"] }", want: []string{"warning[SP7004] <\"delete_*\"> no known tool matches `delete_*`; they are: fetch, read_file, status, write_file"}},
		{match: "{ servers: [web], tools: [read_file] }", want: []string{"error[SP7004] <read_file> no known tool matches `read_file`; they are: fetch"}},
		{match: "{ servers: [fils] }", servers: []string{"files"}, want: []string{"error[SP7004] <fils> no known server matches `fils`; did you mean `files`?"}},
		{match: "{ servers: [files] }", servers: []string{"files", "web"}},
		{match: "{ servers: [web] }", servers: []string{"files"}, want: []string{"error[SP7004] <web> no known server matches `web`; they are: files"}},
		{match: "{ prompts: [any] }"},
		{match: "{ methods: [prompts/get], servers: [fils] }", servers: []string{"files"}, want: []string{"warning[SP3012] <fils> no server matches `fils`; did you mean `files`?"}},
		// Of a server that is not in the lock nothing is known.
		{match: "{ tools: [other] }", servers: []string{"files", "mail"}, want: []string{
			"warning[SP7009] <> the server `mail` is not in the lock: rules that can be about its tools are not typed; make the file anew: sallyport tools lock",
		}},
	} {
		t.Run(c.match, func(t *testing.T) {
			if diff := cmp.Diff(c.want, findings(t, lockOf(t, typedTools), c.match, "true", c.servers)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVariablesAreTypedWhereTheyAreRead(t *testing.T) {
	for text, want := range variableCases {
		b, err := bundle.FS(fstest.MapFS{"p.yaml": {Data: []byte(text)}, toolset.FileName: {Data: lockOf(t, typedTools)}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := engine.Compile(t.Context(), b, engine.Options{})
		got := s.Warnings().Error()
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

var variableCases = map[string]string{
	`apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
match: { tools: [read_file] }
variables:
  - { name: mode, expression: args.mode }
  - { name: far, expression: "args.limit > 'x'" }
rules:
  - { name: a, effect: deny, when: 'variables.mode == "raw"', message: '"no " + args.pth' }
  - { name: b, effect: deny, phase: response, when: 'variables.mode == "text"' }
`: "p.yaml:7:44: error[SP7006]: `args.limit` is a number and can't be compared with a string; write the number without quotes\n" +
		"p.yaml:9:55: error[SP7007]: `args.mode` is never \"raw\"; it is one of: \"binary\", \"text\"\n" +
		"p.yaml:9:86: error[SP7005]: the tool `files/read_file` has no argument `pth`; did you mean `path`?",
	`apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
match: { tools: [read_file, write_file] }
variables:
  - { name: pth, expression: args.pth }
  - { name: limit, expression: args.limit }
rules:
  - { name: a, effect: deny, when: 'variables.pth == "raw"' }
`: "p.yaml:6:35: error[SP7005]: none of the 2 tools that the rule is about has an argument `pth`; did you mean `path`?",
	`apiVersion: sallyport/v1
kind: Policy
metadata: { name: p }
match: { tools: [read_file, write_file] }
variables:
  - { name: limit, expression: args.limit }
rules:
  - { name: a, effect: deny, when: 'variables.limit > 10' }
  - { name: b, effect: deny, when: 'has(args.limit) && variables.limit > 10' }
`: "p.yaml:8:47: warning[SP7008]: `args.limit` is no argument of every tool that the rule is about: files/write_file has none; ask whether it is there, has(args.limit), or match fewer tools: without it the condition fails",
}

// A condition that is taken over from the snapshot before knows its new place, and one that was compiled without a lock is typed with it.
func TestTypingFollowsAReload(t *testing.T) {
	text := "apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p }\nmatch: { tools: [write_file] }\nvariables: [ { name: far, expression: args.far } ]\n" +
		"rules:\n  - { name: a, effect: deny, when: args.encoding == variables.far }\n"
	files := fstest.MapFS{"p.yaml": {Data: []byte(text)}}
	var last *engine.Snapshot
	compile := func() string {
		t.Helper()
		b, err := bundle.FS(files)
		if err != nil {
			t.Fatal(err)
		}
		if last, err = engine.Compile(t.Context(), b, engine.Options{Previous: last}); err != nil {
			t.Fatal(err)
		}
		return last.Warnings().Error()
	}
	if got := compile(); got != "" {
		t.Errorf("without a lock: %s", got)
	}
	files[toolset.FileName] = &fstest.MapFile{Data: lockOf(t, typedTools)}
	warnings := "p.yaml:%d:44: warning[SP7005]: the tool `files/write_file` has no argument `far`; there are: path, text\n" +
		"p.yaml:%d:41: warning[SP7005]: the tool `files/write_file` has no argument `encoding`; there are: path, text"
	for moved := range 3 {
		files["p.yaml"].Data = []byte(strings.Repeat("# moved\n", moved) + text)
		if diff := cmp.Diff(fmt.Sprintf(warnings, 5+moved, 7+moved), compile()); diff != "" {
			t.Errorf("moved by %d:\n%s", moved, diff)
		}
	}
}
