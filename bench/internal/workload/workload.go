// Package workload is the traffic of the measure, the answers it must get, and
// the rules that a gateway judges it by.
//
// The mock upstream sends these answers and the load generator expects them, byte
// for byte, so whatever stands between can't change one unseen.
package workload

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// Tool is the tool that is called.
	Tool = "read_documents"
	// Tools is how many tools the upstream lists.
	Tools = 50
	// Key is the API key that the traffic carries.
	Key = "bench-key-of-alice-0123456789abcdef"
	// Legacy is the newest protocol revision with a handshake.
	Legacy = "2025-11-25"
	// Modern is the first without one.
	Modern = "2026-07-28"

	// FirstID is the id in a template; every id has as many digits.
	FirstID = 1_000_000_000
	// answerSize is about how long an answer is.
	answerSize = 600
)

// Era is a way to speak the protocol.
type Era string

// The two eras. The zero Era is not one of them.
const (
	EraLegacy Era = "legacy" // initialize, then calls in a session
	EraModern Era = "modern" // every call for itself
)

// Call is a tools/call request, all but its id.
type Call struct {
	Body    []byte   // one JSON object without insignificant whitespace
	IDAt    int      // where the ten digits of the id are in Body
	Headers []string // "Name: value", what the era asks for beside the session
}

// NewCall makes a call of Tool of exactly size bytes, or the shortest that there is.
func NewCall(era Era, size int) Call { return NewCallOf(Tool, era, size) }

// NewCallOf makes a call of Tool under another name.
func NewCallOf(tool string, era Era, size int) Call {
	head := `{"jsonrpc":"2.0","id":` + strconv.Itoa(FirstID) + `,"method":"tools/call","params":{"name":"` + tool + `","arguments":{` +
		`"query":"quarterly revenue","limit":10,"path":"/srv/docs/finance/2026/q3","tenant":"acme",` +
		`"filter":{"lang":"en","tags":["finance","report"],"minScore":0.5},"content":"`
	tail := `"},"_meta":{"progressToken":"p1"}}}`
	c := Call{Headers: []string{"MCP-Protocol-Version: " + Legacy}}
	if era == EraModern {
		tail = `"},"_meta":{"progressToken":"p1",` + modernMeta + `}}}`
		c.Headers = []string{"MCP-Protocol-Version: " + Modern, "Mcp-Method: tools/call", "Mcp-Name: " + tool}
	}
	c.Body = []byte(head + text(size-len(head)-len(tail)) + tail)
	c.IDAt = strings.Index(head, strconv.Itoa(FirstID))
	return c
}

// NewList makes a tools/list request of the modern era.
func NewList() Call {
	head := `{"jsonrpc":"2.0","id":`
	return Call{
		Body: []byte(head + strconv.Itoa(FirstID) + `,"method":"tools/list","params":{"_meta":{` + modernMeta + `}}}`), IDAt: len(head),
		Headers: []string{"MCP-Protocol-Version: " + Modern, "Mcp-Method: tools/list"},
	}
}

const modernMeta = `"io.modelcontextprotocol/protocolVersion":"` + Modern + `",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"duel","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}`

// text returns JSON string content of n bytes, with escapes as prose has them.
func text(n int) string {
	const sentence = `Lorem ipsum dolor sit amet, consectetur \"adipiscing\" elit \\ sed do eiusmod tempor\nincididunt ut labore. `
	if n <= 0 {
		return ""
	}
	whole := n / len(sentence)
	return strings.Repeat(sentence, whole) + strings.Repeat("x", n-whole*len(sentence))
}

// AppendAnswer appends the answer to the call with this id, which is JSON text.
func AppendAnswer(dst []byte, era Era, id []byte) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	if era == EraModern {
		return append(dst, modernResult...)
	}
	return append(dst, legacyResult...)
}

var (
	legacyResult = callResult("")
	modernResult = callResult(`,"resultType":"complete"`)
)

func callResult(extra string) string {
	const row = `Result row: id=42 score=0.93 title=Quarterly report owner=alice. `
	const head, tail = `,"result":{"content":[{"type":"text","text":"`, `"}],"isError":false`
	return head + strings.Repeat(row, (answerSize-len(head)-len(tail))/len(row)) + tail + extra + `}}` // the same content in both eras
}

// ToolNames lists the upstream's tools; the first is Tool.
func ToolNames() []string {
	names := []string{Tool}
	for i := 1; i < Tools; i++ {
		names = append(names, fmt.Sprintf("tool_%02d", i))
	}
	return names
}

// ToolsList is the result of tools/list with the first n tools, about 480 bytes each.
func ToolsList(era Era, n int) string {
	var b strings.Builder
	b.WriteString(`{"tools":[`)
	for i, name := range ToolNames()[:n] {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":%q,"description":"Looks documents up by query (collection %d) and returns the best matches with their scores.",`+
			`"inputSchema":{"type":"object","properties":{"query":{"type":"string","description":"What to look for"},`+
			`"limit":{"type":"integer","minimum":1,"maximum":100},"path":{"type":"string"},"tenant":{"type":"string"},`+
			`"filter":{"type":"object","additionalProperties":true},"content":{"type":"string"}},"required":["query"]},`+
			`"annotations":{"readOnlyHint":true}}`, name, i)
	}
	b.WriteByte(']')
	if era == EraModern {
		b.WriteString(`,"resultType":"complete","ttlMs":60000,"cacheScope":"public"`)
	}
	b.WriteByte('}')
	return b.String()
}
