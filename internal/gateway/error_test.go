package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

const errorPolicy = `
apiVersion: sallyport/v1
kind: Policy
metadata: { name: errors }
rules:
  - { name: calls, effect: allow }
  - { name: no-secrets, phase: response, effect: deny, reason: secret, when: 'mcp.error.message.contains("AKIA")' }
  - { name: no-traces, phase: response, effect: deny, reason: trace, when: 'has(mcp.error) && has(mcp.error.data) && mcp.error.data.trace != ""' }
  - { name: no-cards, phase: response, effect: deny, reason: card, when: 'mcp.tool.result.content.exists(c, c.text == "card")' }
`

// What a server says in an error is judged as a result is, in an answer of its own and in a stream. Rules about the one are not about the other.
func TestErrorsOfServersAreJudged(t *testing.T) {
	tests := map[string]struct {
		answer string
		reason string // of the denial; "" passes
	}{
		"plain":             {`"error":{"code":-32602,"message":"no such file"}`, ""},
		"secret":            {`"error":{"code":-32602,"message":"AKIA123"}`, "secret"},
		"data":              {`"error":{"code":1,"message":"m","data":{"trace":"at main.go"}}`, "trace"},
		"data of no form":   {`"error":{"code":1,"message":"m","data":[1]}`, "evaluation_error"},
		"data without it":   {`"error":{"code":1,"message":"m","data":{}}`, "evaluation_error"},
		"result":            {`"result":{"content":[{"type":"text","text":"fine"}]}`, ""},
		"result, denied":    {`"result":{"content":[{"type":"text","text":"card"}]}`, "card"},
		"result that fails": {`"result":{"content":[{"type":"image"}]}`, "evaluation_error"},
	}
	for name, tt := range tests {
		for _, kind := range []string{"application/json", "text/event-stream"} {
			t.Run(name+" as "+kind, func(t *testing.T) {
				_, served := newPeer(t, func(w http.ResponseWriter, _ *http.Request, _ string) {
					answerAs(w, kind, `{"jsonrpc":"2.0","id":7,`+tt.answer+`}`)
				})
				w := newWorld(t, errorPolicy, served)
				r := w.raw(post(call("read_file", `{}`)))
				passed := strings.Contains(r.body, tt.answer)
				if passed != (tt.reason == "") || !passed && !strings.Contains(r.body, `"code":40301`) {
					t.Errorf("client got %s", r.body)
				}
				records := w.recorded(2)
				if out := records[len(records)-1]; out.Kind != audit.Outcome || out.Reason != tt.reason {
					t.Errorf("recorded %+v", out)
				}
			})
		}
	}
}

func answerAs(w http.ResponseWriter, kind, message string) {
	w.Header().Set("Content-Type", kind)
	if kind == "text/event-stream" {
		message = "data: " + message + "\n\n"
	}
	io.WriteString(w, message)
}
