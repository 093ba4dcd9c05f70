package fake

import (
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/manifest"
)

// Message is what a plugin can see of a message and its caller.
type Message struct {
	Method string
	Params *manifest.Node // of a result those of its request; nil: none
	Result *manifest.Node // nil: the message is none
	Around map[string]*manifest.Node
}

var (
	emptyObject = &manifest.Node{Kind: abi.KindObject}
	emptyArray  = &manifest.Node{Kind: abi.KindArray}
)

func or(n, other *manifest.Node) *manifest.Node {
	if n == nil {
		return other
	}
	return n
}

// value returns what a name has behind it in a hook.
func (m *Message) value(name string, hook int32) *manifest.Node {
	switch name {
	case "mcp.method":
		return manifest.String(m.Method)
	case "params":
		return or(m.Params, emptyObject)
	case "args":
		return or(m.Params.Get("arguments"), emptyObject)
	case "items":
		return m.items()
	case "mcp.result":
		return m.Result
	case "mcp.tool.result":
		return m.only("tools/call", m.Result)
	case "mcp.tool.name", "mcp.prompt.name", "mcp.resource.uri":
		if hook == abi.HookList {
			return nil
		}
		return m.named(name)
	case "mcp.tool.annotations", "mcp.tool.target":
		return m.only("tools/call", m.Around[name])
	}
	return m.Around[name]
}

func (m *Message) only(method string, n *manifest.Node) *manifest.Node {
	if m.Method != method {
		return nil
	}
	return n
}

func (m *Message) named(name string) *manifest.Node {
	switch {
	case name == "mcp.tool.name":
		return m.only("tools/call", m.Params.Get("name"))
	case name == "mcp.prompt.name":
		return m.only("prompts/get", m.Params.Get("name"))
	case strings.HasPrefix(m.Method, "resources/") || m.Method == "notifications/resources/updated":
		return m.Params.Get("uri")
	}
	return nil
}

// lists are the members of results that hold the items of a list.
var lists = map[string]string{
	"tools/list": "tools", "prompts/list": "prompts", "resources/list": "resources",
	"resources/templates/list": "resourceTemplates", "skills/list": "skills", "tasks/list": "tasks",
}

func (m *Message) items() *manifest.Node {
	return or(m.Result.Get(lists[m.Method]), emptyArray)
}

// judged reports whether a name is a part of the message that a hook judges.
func (m *Message) judged(n *manifest.Name, hook int32) bool {
	if !slices.Contains(n.Edit, manifest.Hooks[hook]) {
		return false
	}
	return n.Name != "params" || hook != abi.HookResponse || m.Result == nil
}
