package condition

import (
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
)

// slot is a name that holds a value, as against one that only holds other names.
type slot uint8

const (
	noSlot slot = iota
	slotMethod
	slotToolName
	slotToolTarget
	slotArguments
	slotAnnotations
	slotResult
	slotError
	slotResourceURI
	slotPromptName
	slotParams
	slotJWT
	slotKeyID
	slotKeyClaims
	slotSource
	slotHeaders
	slotServer
	slotPrincipalID
	slotPrincipalType
	slotPrincipalIssuer
	slotGroups
	slotRoles
	slotScopes
	slotClaims
	slotNow
	slotCount
)

// object is a name that holds other names: mcp, mcp.tool, principal, ...
type object uint8

const (
	noObject object = iota
	objMCP
	objTool
	objResource
	objPrompt
	objRequest
	objRequestMCP
	objAPIKey
	objSource
	objPrincipal
	objVariables
	objectCount
)

// name is an entry of the vocabulary: a canonical name, or another spelling of one.
type name struct {
	path     string // as rules write it
	is       string // the canonical name, where path is another spelling
	slot     slot
	object   object
	typ      *cel.Type // of a slot
	subject  Subjects  // what a message must be about for the name to be there
	response bool      // there in the response phase only
	impure   bool      // not a function of the message and its caller
	opaque   bool      // can be asked for one member by name, not listed
	doc      string
}

var (
	jsonMap     = cel.MapType(cel.StringType, cel.DynType)
	stringsType = cel.ListType(cel.StringType)
)

// vocabulary is every name that a rule can read but the variables of its policy.
// Parents stand before their fields.
var vocabulary = []name{
	{path: "mcp", object: objMCP, doc: "the message"},
	{path: "mcp.method", slot: slotMethod, typ: cel.StringType, doc: "JSON-RPC method, such as tools/call"},
	{path: "mcp.tool", object: objTool, subject: Tool, doc: "the tool that is called"},
	{path: "mcp.tool.name", slot: slotToolName, typ: cel.StringType, subject: Tool, doc: "name of the tool, as its server knows it"},
	{path: "mcp.tool.target", slot: slotToolTarget, typ: cel.StringType, subject: Tool, doc: "configured name of the server that has the tool"},
	{path: "mcp.tool.arguments", slot: slotArguments, typ: jsonMap, subject: Tool, doc: "arguments of the call; {} if it has none"},
	{path: "mcp.tool.annotations", slot: slotAnnotations, typ: jsonMap, subject: Tool, doc: "what the server says of its tool: hints, to be trusted as far as the server is; an error until a tools/list has passed"},
	{path: "mcp.tool.result", slot: slotResult, typ: cel.DynType, subject: Tool | Success, response: true, doc: "result of the call"},
	{path: "mcp.error", slot: slotError, typ: jsonMap, subject: Failure, response: true, doc: "the JSON-RPC error that is the answer: code, message and perhaps data"},
	{path: "mcp.resource", object: objResource, subject: Resource, doc: "the resource that is read or subscribed to"},
	{path: "mcp.resource.uri", slot: slotResourceURI, typ: cel.StringType, subject: Resource, doc: "its URI"},
	{path: "mcp.prompt", object: objPrompt, subject: Prompt, doc: "the prompt that is asked for"},
	{path: "mcp.prompt.name", slot: slotPromptName, typ: cel.StringType, subject: Prompt, doc: "its name"},
	{path: "args", is: "mcp.tool.arguments", slot: slotArguments, typ: jsonMap, subject: Tool, doc: "short for mcp.tool.arguments"},
	{path: "params", slot: slotParams, typ: jsonMap, doc: "the JSON-RPC params; {} if the message has none"},
	{path: "jwt", slot: slotJWT, typ: jsonMap, doc: "verified claims of the caller's token; {} if there is none"},
	{path: "token", is: "jwt", slot: slotJWT, typ: jsonMap, doc: "COAZ's name of jwt"},
	{path: "apiKey", object: objAPIKey, doc: "the API key that the caller showed"},
	{path: "apiKey.id", slot: slotKeyID, typ: cel.StringType, doc: "its configured id"},
	{path: "apiKey.claims", slot: slotKeyClaims, typ: jsonMap, doc: "its configured claims"},
	{path: "principal", object: objPrincipal, doc: "who makes the call"},
	{path: "principal.id", slot: slotPrincipalID, typ: cel.StringType, doc: "subject of the token, id of the API key, or empty"},
	{path: "principal.type", slot: slotPrincipalType, typ: cel.StringType, doc: "anonymous, api_key or jwt"},
	{path: "principal.issuer", slot: slotPrincipalIssuer, typ: cel.StringType, doc: "who vouches for the principal"},
	{path: "principal.groups", slot: slotGroups, typ: stringsType, doc: "groups of the principal"},
	{path: "principal.roles", slot: slotRoles, typ: stringsType, doc: "roles of the principal"},
	{path: "principal.scopes", slot: slotScopes, typ: stringsType, doc: "scopes of the token"},
	{path: "principal.claims", slot: slotClaims, typ: jsonMap, doc: "verified claims, whatever the credential"},
	{path: "source", object: objSource, doc: "the peer of the connection"},
	{path: "source.address", slot: slotSource, typ: cel.StringType, doc: "its IP address"},
	{path: "request", object: objRequest, doc: "the HTTP request that carries the message"},
	{path: "request.headers", slot: slotHeaders, typ: cel.MapType(cel.StringType, cel.StringType), opaque: true, doc: "headers, by lower-case name"},
	{path: "request.mcp", object: objRequestMCP, doc: "Envoy's spellings"},
	{path: "request.mcp.method", is: "mcp.method", slot: slotMethod, typ: cel.StringType, doc: "Envoy's name of mcp.method"},
	{path: "request.mcp.backend", slot: slotServer, typ: cel.StringType, doc: "configured name of the server, for any method"},
	{path: "request.mcp.tool", is: "mcp.tool.name", slot: slotToolName, typ: cel.StringType, subject: Tool, doc: "Envoy's name of mcp.tool.name"},
	{path: "request.mcp.params", is: "params", slot: slotParams, typ: jsonMap, doc: "Envoy's name of params"},
	{path: "now", slot: slotNow, typ: cel.TimestampType, impure: true, doc: "time of the decision"},
}

// byPath finds an entry of the vocabulary.
var byPath = func() map[string]*name {
	m := make(map[string]*name, len(vocabulary))
	for i := range vocabulary {
		m[vocabulary[i].path] = &vocabulary[i]
	}
	return m
}()

// canonical returns the spelling of the name in DESIGN's vocabulary, with "args" for the
// arguments because that is how people say it.
func (n *name) canonical() string {
	path := n.path
	if n.is != "" {
		path = n.is
	}
	if path == "mcp.tool.arguments" {
		return "args"
	}
	return path
}

// parent returns the path of the object that the name is a field of.
func (n *name) parent() string {
	i := strings.LastIndexByte(n.path, '.')
	return n.path[:max(i, 0)]
}

func (n *name) field() string { return n.path[strings.LastIndexByte(n.path, '.')+1:] }

// fieldsOf lists the fields of an object in a phase.
func fieldsOf(path string, response bool) []string {
	var out []string
	for i := range vocabulary {
		if n := &vocabulary[i]; n.parent() == path && strings.Contains(n.path, ".") && (response || !n.response) {
			out = append(out, n.field())
		}
	}
	return out
}

// Name is an entry of the vocabulary, for documentation and completion.
type Name struct {
	Path     string
	Type     string // as CEL writes it; "object" for a name that holds other names
	Alias    string // the canonical name that Path is another spelling of
	Response bool   // there in the response phase only
	Doc      string
}

// Names lists every name that a condition can read, but the variables of its policy.
func Names() []Name {
	out := make([]Name, 0, len(vocabulary))
	for _, n := range vocabulary {
		typ := "object"
		if n.typ != nil {
			typ = cel.FormatCELType(n.typ)
		}
		out = append(out, Name{Path: n.path, Type: typ, Alias: n.is, Response: n.response, Doc: n.doc})
	}
	return slices.Clip(out)
}
