package lint

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

func TestArgumentsThatToolsDoNotRequireMayBeAbsent(t *testing.T) {
	var doc jsonscan.Doc
	err := doc.Scan([]byte(`{"name": "read", "inputSchema": {"type": "object", "required": ["path"], "properties": {"path": {"type": "string"}, "limit": {"type": "integer"}}}}`), jsonscan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := toolset.Encode([]toolset.Listed{{Server: "files", Tools: []jsonscan.Value{doc.Root()}}})
	if err != nil {
		t.Fatal(err)
	}
	lock, _ := toolset.Parse(toolset.FileName, text)
	for _, c := range []struct{ match, rule, want string }{
		{"tools: [read]", `effect: deny, when: args.limit > 10`, "without `args.limit` this fails, which denies the call, and `files/read` does not require it"},
		{"tools: [read]", `effect: approve, when: args.limit > 10`, "without `args.limit` this fails, which denies the call, and `files/read` does not require it"},
		{"tools: [read]", `effect: deny, when: 'args.path == "x"'`, ""},
		{"tools: [read]", `effect: deny, when: args.other > 10`, ""},
		{"tools: [read]", `effect: allow, when: args.limit > 10`, ""},
		{"tools: [read]", `effect: deny, when: has(args.limit) && args.limit > 10`, ""},
		{"tools: [read]", `effect: deny, when: args.?limit.orValue(0) > 10`, ""},
		{"tools: [write]", `effect: deny, when: args.limit > 10`, ""},
		{"servers: [web]", `effect: deny, when: args.limit > 10`, ""},
		{"methods: [tasks/get]", `effect: deny, when: args.limit > 10`, ""},
	} {
		data := fmt.Sprintf("apiVersion: sallyport/v1\nkind: Policy\nmetadata: { name: p, owner: o }\nmatch: { %s }\nrules:\n  - { name: r, reason: r, %s }\n", c.match, c.rule)
		policies, ds := policy.Parse("p.yaml", []byte(data))
		if ds.HasErrors() {
			t.Fatal(ds)
		}
		got := ""
		for _, f := range sharedLinter(t).Policies(policies, func(string) []byte { return []byte(data) }, lock) {
			if f.Code == codeOptional {
				got += f.Message
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, %s:\n%s", c.match, c.rule, diff)
		}
	}
}
