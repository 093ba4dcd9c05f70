package policy

import (
	"encoding/json"
	"fmt"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// document is a policy as its file spells it. Its tags say what the decoder accepts and what the JSON Schema says.
type document struct {
	APIVersion  string     `yaml:"apiVersion" jsonschema:"required,enum=sallyport/v1" jsonschema_description:"The version of this format."`
	Kind        string     `yaml:"kind" jsonschema:"required,enum=Policy" jsonschema_description:"What the document is."`
	Metadata    metadata   `yaml:"metadata" jsonschema:"required" jsonschema_description:"What the policy is called, and whose it is."`
	Env         string     `yaml:"env" jsonschema:"enum=2026-11,default=2026-11" jsonschema_description:"The named set of CEL functions that the expressions are written for. A newer gateway evaluates an older set as before."`
	Match       match      `yaml:"match" jsonschema_description:"What the policy is about. A list left out matches everything."`
	Enforcement string     `yaml:"enforcement" jsonschema:"enum=enforce,enum=shadow,default=enforce" jsonschema_description:"Whether the rules decide (enforce), or are only evaluated and recorded (shadow). A rule may say otherwise for itself."`
	Variables   []variable `yaml:"variables" jsonschema_description:"Named expressions, evaluated when a rule first reads them as variables.NAME. Each sees those above it."`
	Rules       []rule     `yaml:"rules" jsonschema:"required" jsonschema_description:"The rules. Deny overrides approve, which overrides allow, whatever their order; when nothing matches, the call is denied."`
}

type metadata struct {
	Name        string            `yaml:"name" jsonschema:"required,pattern=^[a-zA-Z0-9][a-zA-Z0-9_.-]*$,maxLength=100" jsonschema_description:"The policy's name: the first part of its rules' ids."`
	Owner       string            `yaml:"owner" jsonschema:"minLength=1" jsonschema_description:"Whom to ask about it."`
	Description string            `yaml:"description" jsonschema:"minLength=1" jsonschema_description:"What it is for."`
	Annotations map[string]string `yaml:"annotations" jsonschema_description:"Notes for other tools."`
}

type match struct {
	Servers   []string `yaml:"servers" jsonschema:"minItems=1" jsonschema_description:"Globs over server names. In every list of names, * is any run of characters and ? any one."`
	Methods   []string `yaml:"methods" jsonschema:"minItems=1" jsonschema_description:"Globs over method names, such as tools/call."`
	Tools     []string `yaml:"tools" jsonschema:"minItems=1" jsonschema_description:"Globs over tool names."`
	Prompts   []string `yaml:"prompts" jsonschema:"minItems=1" jsonschema_description:"Globs over prompt names."`
	Resources []string `yaml:"resources" jsonschema:"minItems=1" jsonschema_description:"Globs over resource URIs, where * and ? stop at a slash and ** is any run."`
	Phase     string   `yaml:"phase" jsonschema:"enum=request,enum=response,default=request" jsonschema_description:"The phase of rules that don't say theirs."`
}

type variable struct {
	Name       string      `yaml:"name" jsonschema:"required,pattern=^[a-zA-Z_][a-zA-Z0-9_]*$" jsonschema_description:"The name; rules read it as variables.NAME."`
	Expression source.Text `yaml:"expression" jsonschema:"required,minLength=1" jsonschema_description:"A CEL expression."`
}

type rule struct {
	Name        string      `yaml:"name" jsonschema:"required,pattern=^[a-zA-Z0-9][a-zA-Z0-9_.-]*$,maxLength=100" jsonschema_description:"The rule's name: the second part of its id."`
	When        source.Text `yaml:"when" jsonschema:"minLength=1" jsonschema_description:"A CEL expression of type bool. Left out, the rule always applies."`
	Effect      string      `yaml:"effect" jsonschema:"enum=allow,enum=deny,enum=approve" jsonschema_description:"What the rule says of a call that it applies to. In the response phase only deny has a meaning. A rule has an effect or a plugin."`
	Plugin      string      `yaml:"plugin" jsonschema:"minLength=1" jsonschema_description:"The plugin that says it, by the name in its manifest: the .wasm file lies among the policies. It is asked when everything else would let the message through."`
	Config      settings    `yaml:"config" jsonschema_description:"The plugin's settings, which must fit the schema in its manifest."`
	Grant       []string    `yaml:"grant" jsonschema:"minItems=1" jsonschema_description:"The capabilities, such as match:pii or lookup:tenants, that the plugin asks for and is given. Left out, it gets none."`
	Reason      string      `yaml:"reason" jsonschema:"pattern=^[a-z][a-z0-9_.-]*$,maxLength=100" jsonschema_description:"A stable identifier for machines; callers and records see it."`
	Message     source.Text `yaml:"message" jsonschema:"minLength=1" jsonschema_description:"A CEL expression that yields the text for people."`
	Phase       string      `yaml:"phase" jsonschema:"enum=request,enum=response" jsonschema_description:"The message that the rule judges: the request (as the match says by default) or the response."`
	Enforcement string      `yaml:"enforcement" jsonschema:"enum=enforce,enum=shadow" jsonschema_description:"As the policy says by default."`
}

// settings is any mapping, as JSON.
type settings []byte

// DecodeNode implements source.NodeDecoder.
func (s *settings) DecodeNode(n *source.Node) source.Diagnostics {
	if n.Kind() != source.Map {
		return source.Diagnostics{n.Pos().Diagnose("SP1004", fmt.Sprintf("`config` must be a mapping, but this is %s", n.Kind()), "")}
	}
	text, err := json.Marshal(n.Any())
	if err != nil {
		return source.Diagnostics{n.Pos().Diagnose("SP1004", "`config` has a value that JSON doesn't have", "use strings, finite numbers, true, false, null, lists and mappings")}
	}
	*s = text
	return nil
}
