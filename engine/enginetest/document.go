package enginetest

import (
	"fmt"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Kind is the kind of a document of cases.
const Kind = "PolicyTest"

// document is a file of cases as it is spelt. Its tags say what the decoder accepts and what the JSON Schema says.
type document struct {
	APIVersion string               `yaml:"apiVersion" jsonschema:"required,enum=sallyport/v1" jsonschema_description:"The version of this format."`
	Kind       string               `yaml:"kind" jsonschema:"required,enum=PolicyTest" jsonschema_description:"What the document is."`
	Metadata   metadata             `yaml:"metadata" jsonschema_description:"What the cases are called, and what they are for."`
	Policies   []source.Text        `yaml:"policies" jsonschema:"required,minItems=1" jsonschema_description:"The policies that decide, and the modules of their plugins: files and directories, from where this file is."`
	Now        source.Text          `yaml:"now" jsonschema:"minLength=1" jsonschema_description:"The time of every decision, such as 2026-11-22T12:00:00Z; left out, it is 2026-01-01T00:00:00Z."`
	Principals map[string]principal `yaml:"principals" jsonschema_description:"Callers, by the names that cases give them."`
	Mocks      mocks                `yaml:"mocks" jsonschema_description:"What stands in for plugins and tables in all cases."`
	Cases      []testCase           `yaml:"cases" jsonschema:"required,minItems=1" jsonschema_description:"The cases."`
}

type metadata struct {
	Name        string `yaml:"name" jsonschema:"minLength=1" jsonschema_description:"The name of the cases; left out, it is the file's."`
	Description string `yaml:"description" jsonschema:"minLength=1" jsonschema_description:"What they are for."`
}

type principal struct {
	ID     string   `yaml:"id" jsonschema_description:"principal.id."`
	Type   string   `yaml:"type" jsonschema:"enum=jwt,enum=api_key,enum=anonymous,default=jwt" jsonschema_description:"principal.type: how the caller is known."`
	Issuer string   `yaml:"issuer" jsonschema_description:"principal.issuer."`
	Groups []string `yaml:"groups" jsonschema_description:"principal.groups."`
	Roles  []string `yaml:"roles" jsonschema_description:"principal.roles."`
	Scopes []string `yaml:"scopes" jsonschema_description:"principal.scopes."`
	Claims value    `yaml:"claims" jsonschema_description:"The verified claims, an object: principal.claims, and jwt or apiKey.claims. A token's sub and iss are the id and the issuer if they are not here."`
}

type testCase struct {
	Name   source.Text `yaml:"name" jsonschema:"required,minLength=1" jsonschema_description:"What must hold, in words. No two cases of a document have one name."`
	Matrix matrix      `yaml:"matrix" jsonschema_description:"Lists of values by name. The case is run once for each combination; in its texts ${name} is the value, and $${ stands for ${."`
	Call   *call       `yaml:"call" jsonschema_description:"The message that is decided. A case has a call or a list."`
	List   *list       `yaml:"list" jsonschema_description:"Tools of which it is asked whether the caller may see them."`
	Mocks  mocks       `yaml:"mocks" jsonschema_description:"What stands in for plugins and tables in this case, before what the document says. A plugin that is mocked here must be asked."`
	Expect expect      `yaml:"expect" jsonschema:"required" jsonschema_description:"What must come of it."`
}

// mocks are what stands in for plugins and tables, by name.
type mocks struct {
	Plugins map[string]answer `yaml:"plugins" jsonschema_description:"What plugins answer, by the name of the plugin or of the rule, POLICY/RULE. One that is mocked here need not be there."`
	Tables  map[string]value  `yaml:"tables" jsonschema_description:"What lookups find, an object for each table by its name, in the place of all that its file has. One that is mocked need not be there."`
}

// answer is what a plugin is taken to say.
type answer struct {
	Verdict source.Text            `yaml:"verdict" jsonschema:"minLength=1" jsonschema_description:"pass, deny, mutate, approve or abstain."`
	Failure source.Text            `yaml:"failure" jsonschema:"minLength=1" jsonschema_description:"In the place of a verdict, how the call fails: trap, fuel, deadline, abi or capability."`
	Reason  source.Text            `yaml:"reason" jsonschema:"minLength=1" jsonschema_description:"Of a deny: why, for machines; left out, it is denied_by_plugin."`
	Message source.Text            `yaml:"message" jsonschema:"minLength=1" jsonschema_description:"Of a deny: why, for the caller. Of an approve: what a human is asked."`
	Patch   []change               `yaml:"patch" jsonschema_description:"Of a mutate: the changes that it makes."`
	Labels  []source.Text          `yaml:"labels" jsonschema_description:"Labels that it gives."`
	Notes   map[string]source.Text `yaml:"notes" jsonschema_description:"Notes that it makes, by key."`
}

// change is one change that a plugin makes.
type change struct {
	Path   source.Text `yaml:"path" jsonschema:"required,minLength=1" jsonschema_description:"The field, such as args.query or mcp.result.content[0].text."`
	Value  value       `yaml:"value" jsonschema_description:"Its new value."`
	Remove bool        `yaml:"remove" jsonschema_description:"It is taken out, and there is no new value."`
}

type call struct {
	As          source.Text            `yaml:"as" jsonschema:"minLength=1" jsonschema_description:"The caller, a name of principals; left out, it is an anonymous one."`
	Tool        source.Text            `yaml:"tool" jsonschema:"minLength=1" jsonschema_description:"SERVER/TOOL: the message is a tools/call. Otherwise give server, method and params."`
	Args        value                  `yaml:"args" jsonschema_description:"The tool's arguments, an object."`
	Server      source.Text            `yaml:"server" jsonschema:"minLength=1" jsonschema_description:"The server."`
	Method      source.Text            `yaml:"method" jsonschema:"minLength=1" jsonschema_description:"The JSON-RPC method."`
	Params      value                  `yaml:"params" jsonschema_description:"The JSON-RPC params, an object."`
	Annotations value                  `yaml:"annotations" jsonschema_description:"What the server says of its tool; left out, it has said nothing."`
	Headers     map[string]source.Text `yaml:"headers" jsonschema_description:"Headers of the HTTP request, by lower-case name."`
	Source      source.Text            `yaml:"source" jsonschema:"minLength=1" jsonschema_description:"The IP address of the caller."`
	From        source.Text            `yaml:"from" jsonschema:"enum=client,enum=server,default=client" jsonschema_description:"Who sends the message: server for its notifications and for what it asks of the client."`
	Result      value                  `yaml:"result" jsonschema_description:"The result of the message, an object. It makes this a case of the response phase: the result is decided, and not the message again."`
	Error       value                  `yaml:"error" jsonschema_description:"The JSON-RPC error that answers the message, an object, in the place of result."`
	Now         source.Text            `yaml:"now" jsonschema:"minLength=1" jsonschema_description:"The time of this decision."`
}

type list struct {
	As          source.Text            `yaml:"as" jsonschema:"minLength=1" jsonschema_description:"The caller, a name of principals; left out, it is an anonymous one."`
	Tools       []source.Text          `yaml:"tools" jsonschema:"required,minItems=1" jsonschema_description:"The tools that there are: SERVER/TOOL."`
	Annotations map[string]value       `yaml:"annotations" jsonschema_description:"What servers say of their tools, by SERVER/TOOL."`
	Headers     map[string]source.Text `yaml:"headers" jsonschema_description:"Headers of the HTTP request, by lower-case name."`
	Source      source.Text            `yaml:"source" jsonschema:"minLength=1" jsonschema_description:"The IP address of the caller."`
	Now         source.Text            `yaml:"now" jsonschema:"minLength=1" jsonschema_description:"The time of this decision."`
}

type expect struct {
	Effect  source.Text        `yaml:"effect" jsonschema:"minLength=1" jsonschema_description:"allow, deny or approve. Every case of a call says it."`
	Rule    source.Text        `yaml:"rule" jsonschema_description:"The rule that decides, POLICY/RULE; empty for none."`
	Reason  source.Text        `yaml:"reason" jsonschema_description:"The reason, for machines."`
	Message *matcher           `yaml:"message" jsonschema_description:"The text for the caller: itself, or an object with equals, contains or matches (an RE2 expression)."`
	Args    value              `yaml:"args" jsonschema_description:"The tool's arguments as plugins have changed them."`
	Patched value              `yaml:"patched" jsonschema_description:"The params, or the result, as plugins have changed them. A change of an allowed message that a case gives neither args nor patched for fails it."`
	Labels  *[]source.Text     `yaml:"labels" jsonschema_description:"All labels that plugins have given."`
	Notes   map[string]matcher `yaml:"notes" jsonschema_description:"All notes that plugins have made, by key; as message."`
	Visible *[]source.Text     `yaml:"visible" jsonschema_description:"Of a list: the tools that the caller sees."`
}

// value is any YAML value that stands for a JSON one. It is kept as it is written, so that a number keeps its digits.
type value struct{ node *source.Node }

// DecodeNode implements source.NodeDecoder.
func (v *value) DecodeNode(n *source.Node) source.Diagnostics {
	v.node = n
	return nil
}

func (v value) given() bool { return v.node != nil }

// matrix is the values by name, in the order of the file.
type matrix struct {
	names  []string
	values [][]*source.Node
	keys   []*source.Node
	used   []bool // a text has it
	node   *source.Node
}

// DecodeNode implements source.NodeDecoder.
func (m *matrix) DecodeNode(n *source.Node) (ds source.Diagnostics) {
	m.node = n
	if n.Kind() != source.Map {
		return source.Diagnostics{n.Pos().Diagnose("SP1004", fmt.Sprintf("`matrix` must be a mapping, but this is %s", n.Kind()), "write names, each with a list of values")}
	}
	for name, all := range n.Fields() {
		if all.Kind() == source.List && all.Len() == 0 {
			ds = append(ds, all.Pos().Diagnose("SP1011", fmt.Sprintf("`%s` is empty", source.Brief(name.Text().Value)), "give it an item, or remove it"))
			continue
		}
		if all.Kind() != source.List {
			ds = append(ds, all.Pos().Diagnose("SP1004", fmt.Sprintf("`%s` must be a list of values, but this is %s", source.Brief(name.Text().Value), all.Kind()), "list at least one value"))
			continue
		}
		var values []*source.Node
		for _, v := range all.Items() {
			values = append(values, v)
		}
		m.names, m.values = append(m.names, name.Text().Value), append(m.values, values)
		m.keys, m.used = append(m.keys, name), append(m.used, false)
	}
	return ds
}

// matcher is what a text must be like.
type matcher struct {
	Equals   source.Text `yaml:"equals" jsonschema_description:"The whole text."`
	Contains source.Text `yaml:"contains" jsonschema:"minLength=1" jsonschema_description:"A part of it."`
	Matches  source.Text `yaml:"matches" jsonschema:"minLength=1" jsonschema_description:"An RE2 expression that matches a part of it."`
}

// DecodeNode implements source.NodeDecoder.
func (m *matcher) DecodeNode(n *source.Node) source.Diagnostics {
	if n.Kind() == source.String {
		m.Equals = n.Text()
		return nil
	}
	if n.Kind() != source.Map {
		return source.Diagnostics{n.Pos().Diagnose("SP1004", fmt.Sprintf("this must be text or a mapping, but it is %s", n.Kind()), "write the whole text in quotes, or `contains` or `matches` with a part of it")}
	}
	type fields matcher
	ds := n.Decode((*fields)(m))
	if len(ds) == 0 && m.Equals.IsZero() && m.Contains.IsZero() && m.Matches.IsZero() {
		ds = append(ds, n.Pos().Diagnose("SP1006", "it says nothing of the text", "give `equals`, `contains` or `matches`"))
	}
	return ds
}
