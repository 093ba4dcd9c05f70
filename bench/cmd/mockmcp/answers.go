package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

// answers knows what to say to each method.
type answers struct {
	results  map[workload.Era]map[string]string // the result, as JSON, by method
	callHead []byte                             // the workload's call up to its id
	callTail []byte                             // and from there to the tool's name
	sessions atomic.Int64
}

// older are the revisions before workload.Legacy that a client is granted when it asks for one.
var older = []string{"2025-03-26", "2025-06-18"}

// message is what the mock reads of a request.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		ProtocolVersion string `json:"protocolVersion"`
		Meta            struct {
			ProtocolVersion string `json:"io.modelcontextprotocol/protocolVersion"`
		} `json:"_meta"`
	} `json:"params"`
}

func newAnswers(tools int) *answers {
	call := workload.NewCall(workload.EraLegacy, 0)
	after := call.Body[call.IDAt+len(strconv.Itoa(workload.FirstID)):]
	toName, _, _ := bytes.Cut(after, []byte(`,"arguments"`))
	return &answers{
		results: map[workload.Era]map[string]string{
			workload.EraLegacy: results(workload.EraLegacy, tools, ""),
			workload.EraModern: results(workload.EraModern, tools, `"resultType":"complete"`),
		},
		callHead: call.Body[:call.IDAt],
		callTail: toName,
	}
}

func results(era workload.Era, tools int, extra string) map[string]string {
	list := `{%s"%s":[]}`
	if extra != "" {
		list = `{%s,"ttlMs":60000,"cacheScope":"public","%s":[]}`
	}
	const server = `"capabilities":{"tools":{}},"serverInfo":{"name":"mockmcp","version":"1"}}`
	return map[string]string{
		"ping":                     `{}`,
		"logging/setLevel":         `{}`,
		"tools/list":               workload.ToolsList(era, tools),
		"prompts/list":             fmt.Sprintf(list, extra, "prompts"),
		"resources/list":           fmt.Sprintf(list, extra, "resources"),
		"resources/templates/list": fmt.Sprintf(list, extra, "resourceTemplates"),
		"initialize":               `{"protocolVersion":"` + workload.Legacy + `",` + server,
		"server/discover": `{"resultType":"complete","supportedVersions":["` + workload.Modern + `","` + workload.Legacy +
			`"],"ttlMs":60000,"cacheScope":"public",` + server,
	}
}

// append appends the answer to body and says what its method was; a notification
// has none.
func (a *answers) append(dst, body []byte) ([]byte, string) {
	if id, ok := a.callID(body); ok {
		era := workload.EraLegacy
		if bytes.Contains(body[max(len(body)-300, 0):], []byte(workload.Modern)) {
			era = workload.EraModern
		}
		return workload.AppendAnswer(dst, era, id), "tools/call"
	}
	return a.appendSlow(dst, body)
}

// callID recognises the workload's call by its first bytes, so that reading it
// costs nothing.
func (a *answers) callID(body []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(body, a.callHead)
	if !ok {
		return nil, false
	}
	n := bytes.IndexByte(rest, ',')
	if n <= 0 || !bytes.HasPrefix(rest[n:], a.callTail) {
		return nil, false
	}
	return rest[:n], true
}

func (a *answers) appendSlow(dst, body []byte) ([]byte, string) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return fmt.Appendf(dst, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":%q}}`, err.Error()), ""
	}
	if len(m.ID) == 0 {
		return dst, m.Method
	}
	era := workload.EraLegacy
	if m.Params.Meta.ProtocolVersion >= workload.Modern {
		era = workload.EraModern
	}
	result, ok := a.results[era][m.Method]
	switch {
	case m.Method == "tools/call":
		return workload.AppendAnswer(dst, era, m.ID), m.Method
	case !ok:
		return fmt.Appendf(dst, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"method not found"}}`, m.ID), m.Method
	}
	if v := m.Params.ProtocolVersion; m.Method == "initialize" && slices.Contains(older, v) {
		result = strings.Replace(result, workload.Legacy, v, 1)
	}
	return fmt.Appendf(dst, `{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result), m.Method
}

// session makes a session id; they are given, never asked for.
func (a *answers) session() string {
	return "mock-" + strconv.FormatInt(a.sessions.Add(1), 10)
}
