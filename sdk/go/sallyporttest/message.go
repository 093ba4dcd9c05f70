package sallyporttest

import (
	"fmt"
	"strings"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/fake"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/manifest"
)

// Message is a message and who sends it. Texts that hold JSON may be empty: the message then
// doesn't have the part.
type Message struct {
	Method string
	Params string // JSON; of a result those of the request that it answers
	Result string // JSON; for the hooks response and list

	// Principal is a JSON object whose members are those of principal: id, type, issuer,
	// groups, roles, scopes, claims. Empty is an anonymous caller.
	Principal    string
	JWT          string // JSON: the claims of the token
	APIKeyID     string
	APIKeyClaims string            // JSON
	Headers      map[string]string // by lower-case names
	Source       string            // the IP address of the caller
	Server       string            // the configured name of the server
	Annotations  string            // JSON: what the server says of the tool
}

// ToolCall returns a call of a tool. The arguments are JSON.
func ToolCall(tool, arguments string) Message {
	params := &manifest.Node{Kind: abi.KindObject}
	params.Names, params.Elems = []string{"name"}, []*manifest.Node{manifest.String(tool)}
	text := strings.TrimSuffix(params.JSON(), "}")
	if arguments != "" {
		text += `,"arguments":` + arguments
	}
	return Message{Method: "tools/call", Params: text + "}"}
}

// By returns the message with another caller.
func (m Message) By(principal string) Message {
	m.Principal = principal
	return m
}

// Answered returns the message with a result, for the hooks response and list.
func (m Message) Answered(result string) Message {
	m.Result = result
	return m
}

const anonymous = `{"id":"","type":"anonymous","issuer":"","groups":[],"roles":[],"scopes":[],"claims":{}}`

// build reads the JSON in a message.
func (m Message) build() (*fake.Message, error) {
	out := &fake.Message{Method: m.Method, Around: map[string]*manifest.Node{
		"principal": nil, "source.address": manifest.String(m.Source),
		"mcp.tool.target": manifest.String(m.Server), "request.mcp.backend": manifest.String(m.Server),
	}}
	var err error
	read := func(what, text, empty string, into func(*manifest.Node)) {
		if text == "" {
			text = empty
		}
		if text == "" || err != nil {
			return
		}
		n, e := manifest.ParseJSON(text)
		if e != nil {
			err = fmt.Errorf("sallyporttest: %s: %w", what, e)
			return
		}
		into(n)
	}
	around := func(name string) func(*manifest.Node) {
		return func(n *manifest.Node) { out.Around[name] = n }
	}
	read("Params", m.Params, "", func(n *manifest.Node) { out.Params = n })
	read("Result", m.Result, "", func(n *manifest.Node) { out.Result = n })
	read("Annotations", m.Annotations, "", around("mcp.tool.annotations"))
	read("JWT", m.JWT, "{}", around("jwt"))
	read("APIKeyClaims", m.APIKeyClaims, "", around("apiKey.claims"))
	principal := func(n *manifest.Node) {
		for i, name := range n.Names {
			out.Around["principal."+name] = n.Elems[i]
		}
	}
	read("", anonymous, "", principal)
	read("Principal", m.Principal, "", principal)
	if m.APIKeyID != "" {
		out.Around["apiKey.id"] = manifest.String(m.APIKeyID)
	}
	headers := &manifest.Node{Kind: abi.KindObject}
	for name, text := range m.Headers {
		headers.Names, headers.Elems = append(headers.Names, name), append(headers.Elems, manifest.String(text))
	}
	out.Around["request.headers"] = headers
	return out, err
}
