package mcp

import (
	sdk "github.com/mark3labs/mcp-go/mcp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// DecisionMetaKey is the _meta member under which a denial that is a result
// carries what a denial that is an error has in its data.
const DecisionMetaKey = "dev.sallyport/decision"

// Denial is what a client is told of a decision against its call.
type Denial struct {
	DecisionID string
	Rule       string // policy/rule
	Reason     string // stable, for machines
	Message    string // for people; "" = none
}

func (d Denial) appendData(dst []byte) []byte {
	dst = append(dst, `{"decisionId":`...)
	dst = jsonscan.AppendQuote(dst, d.DecisionID)
	dst = append(dst, `,"rule":`...)
	dst = jsonscan.AppendQuote(dst, d.Rule)
	dst = append(dst, `,"reason":`...)
	dst = jsonscan.AppendQuote(dst, d.Reason)
	if d.Message != "" {
		dst = append(dst, `,"message":`...)
		dst = jsonscan.AppendQuote(dst, d.Message)
	}
	return append(dst, '}')
}

func (d Denial) text() string {
	if d.Message != "" {
		return "Denied by policy: " + d.Message
	}
	return "Denied by policy: " + d.Reason
}

// Deny refuses the message with a JSON-RPC error, the default style. A request's
// rides on 200 in both eras: clients take a 403 for missing authorisation, and
// some read no error from any status but 200 and 400.
func (m *Message) Deny(d Denial) *Refusal {
	r := &Refusal{Status: 200, Code: CodeDenied, Message: d.text(), Data: d.appendData(nil), Reason: d.Reason}
	if m.Kind != KindRequest {
		r.Status = 403
	}
	return r
}

// AppendDenied appends the denial of a tools/call as an isError result, which a
// model gets to read; its status is 200. Other methods have no such result: use
// Deny.
func (m *Message) AppendDenied(dst []byte, d Denial) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, m.ID...)
	dst = append(dst, `,"result":{"content":[{"type":"text","text":`...)
	dst = jsonscan.AppendQuote(dst, d.text())
	dst = append(dst, `}],"isError":true,`...)
	if m.revision().ResultType {
		dst = append(dst, `"resultType":"complete",`...)
	}
	dst = append(dst, `"_meta":{"`+DecisionMetaKey+`":`...)
	dst = d.appendData(dst)
	return append(dst, "}}}"...)
}

// Hidden refuses a message as if what it names didn't exist: exactly the answer
// that an unknown tool, prompt or resource gets.
func (m *Message) Hidden() *Refusal { return m.HiddenAs(m.Name) }

// HiddenAs is Hidden for a caller who knows what the message names by another
// name.
func (m *Message) HiddenAs(name string) *Refusal {
	return m.settle(m.hidden(name))
}

func (m *Message) hidden(name string) *Refusal {
	switch m.Target {
	case TargetTool:
		return refuse(m.Era, sdk.INVALID_PARAMS, ReasonHidden, "Unknown tool: "+name)
	case TargetPrompt:
		return refuse(m.Era, sdk.INVALID_PARAMS, ReasonHidden, "Unknown prompt: "+name)
	case TargetResource:
		r := refuse(m.Era, m.revision().ResourceNotFound, ReasonHidden, "Resource not found")
		r.Data = append(jsonscan.AppendQuote([]byte(`{"uri":`), name), '}')
		return r
	case TargetTask:
		return refuse(m.Era, sdk.INVALID_PARAMS, ReasonHidden, "Unknown task: "+name)
	case TargetNone, TargetRef:
	}
	return methodNotFound(m.Era, m.Method)
}

// revision is the revision that the message speaks, or the newest of its era when
// that isn't known.
func (m *Message) revision() *Revision {
	if r := LookupRevision(m.Version); r != nil && r.Era == m.Era {
		return r
	}
	if m.Era == Modern {
		return &v20260728
	}
	return &v20251125
}
