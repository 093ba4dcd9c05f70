package bridge

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// The members of _meta, the headers and the error codes that the two eras differ
// by (specification 2026-07-28, basic/index and basic/transports).
const (
	metaVersion      = "io.modelcontextprotocol/protocolVersion"
	metaCapabilities = "io.modelcontextprotocol/clientCapabilities"
	metaClientInfo   = "io.modelcontextprotocol/clientInfo"
	metaServerInfo   = "io.modelcontextprotocol/serverInfo"
	metaLogLevel     = "io.modelcontextprotocol/logLevel"
	metaError        = "dev.sallyport/error" // in inputResponses: what a client of before 2026-07-28 has answered with an error
	metaSubscription = "io.modelcontextprotocol/subscriptionId"

	headerVersion = "MCP-Protocol-Version"
	headerMethod  = "Mcp-Method"

	resourceNotFound   = -32002 // until 2025-11-25
	headerMismatch     = -32020
	missingCapability  = -32021
	unsupportedVersion = -32022
	urlElicitation     = -32042 // 2025-11-25 only
	noSessionCode      = -32000 // of the older SDKs
	invalidRequest     = -32600
	methodNotFound     = -32601
	invalidParams      = -32602
	internalError      = -32603
)

// ownInfo is what the gateway calls itself where no client has a name.
const ownInfo = mcp.OwnInfo

func quoted(s string) []byte { return jsonscan.AppendQuote(nil, s) }

// statusError is an answer without a message.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("http status %d without a JSON-RPC message", int(e))
}

var errOther = errors.New("a message that does not answer the request")

// check says what is wrong with an answer of which nothing but its head has been read.
func (h answerHead) check() error {
	switch {
	case h.reply == upstream.Empty, h.reply == upstream.Other:
		return statusError(h.status)
	case h.status == 200, h.reply == upstream.JSON && (h.status == 400 || h.status == 404):
		return nil
	}
	return fmt.Errorf("http status %d with a message", h.status)
}

// checkAnswer says why m is not the answer to our request id. A server that could not read the request answers with an error that has no id.
// head is nil for a message of a stream.
func checkAnswer(m *mcp.Message, id []byte, head *answerHead) error {
	switch {
	case m.ID == nil && !m.Error.Exists(), m.ID != nil && !bytes.Equal(m.ID, id):
		return errOther
	case head != nil && head.status != 200 && !m.Error.Exists():
		return fmt.Errorf("http status %d with a result", head.status)
	}
	return nil
}

// refusalError is a message of ours that can't be sent.
type refusalError mcp.Refusal

func (e refusalError) Error() string { return (*mcp.Refusal)(&e).String() }

// isResponse tells a response from what may come before it on its stream.
func isResponse(data []byte) bool {
	var doc jsonscan.Doc
	if len(bytes.TrimSpace(data)) == 0 || doc.Scan(data, jsonscan.Options{}) != nil {
		return false
	}
	root := doc.Root()
	return root.Get("result").Exists() || root.Get("error").Exists()
}
