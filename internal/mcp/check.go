package mcp

import (
	sdk "github.com/mark3labs/mcp-go/mcp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/httphead"
)

// Check applies what the protocol asks of a client's message in its era, in the
// order in which servers do, so that a client meets the same refusal here as
// there. h is the head of the POST that carried it, nil on a transport without
// headers. It settles Version, and the Era of a notification that claims none.
func (m *Message) Check(h *httphead.Head) *Refusal {
	return m.settle(m.check(h))
}

func (m *Message) check(h *httphead.Head) *Refusal {
	if m.Era == Legacy && h != nil && EraOf(string(h.ProtocolVersion)) == Modern {
		return m.checkUnclaimed(h)
	}
	if m.Era == Modern {
		return m.checkModern(h)
	}
	return m.checkLegacy(h)
}

// checkUnclaimed is for a message that claims no version under a header that
// does. The body decides: a request is refused for what it lacks. Only a
// notification may leave its version to the header.
func (m *Message) checkUnclaimed(h *httphead.Head) *Refusal {
	switch m.Kind {
	case KindRequest:
		return missingMeta(sdk.MetaKeyProtocolVersion)
	case KindNotification:
		m.Era, m.Version = Modern, interned(string(h.ProtocolVersion))
		return m.checkModern(h)
	case KindBatch:
		return refuse(Modern, sdk.INVALID_REQUEST, ReasonBatch, "Invalid Request: no batches in this protocol version")
	case KindResponse, KindNone:
	}
	return refuse(Modern, sdk.INVALID_REQUEST, ReasonResponse, "Invalid Request: no responses from clients in this protocol version")
}

func (m *Message) checkModern(h *httphead.Head) *Refusal {
	if m.Version == "" {
		return missingMeta(sdk.MetaKeyProtocolVersion)
	}
	if h != nil && string(h.ProtocolVersion) != m.Version {
		return mismatch(sdk.HeaderProtocolVersion)
	}
	if r := LookupRevision(m.Version); r == nil || r.Era != Modern {
		return UnsupportedVersion(m.Version, nil)
	}
	if m.Kind == KindRequest && m.Capabilities.Kind() != jsonscan.Object {
		return missingMeta(sdk.MetaKeyClientCapabilities)
	}
	if !m.Spec.In(Modern) || m.Spec != nil && m.Spec.Direction&ToServer == 0 {
		return methodNotFound(Modern, m.Method)
	}
	if r := m.checkParams(); r != nil {
		return r
	}
	return m.checkHeaders(h)
}

func (m *Message) checkLegacy(h *httphead.Head) *Refusal {
	m.Version = AssumedVersion
	if h != nil && h.ProtocolVersion != nil {
		r := LookupRevision(string(h.ProtocolVersion))
		if r == nil {
			return refuse(Legacy, sdk.INVALID_REQUEST, ReasonUnsupportedVersion,
				"Invalid Request: unsupported "+sdk.HeaderProtocolVersion)
		}
		m.Version = r.Version
	}
	switch m.Kind {
	case KindBatch:
		return m.checkBatch()
	case KindRequest, KindNotification:
	case KindResponse, KindNone:
		return nil
	}
	if m.Spec != nil && m.Spec.Direction&ToServer == 0 {
		return methodNotFound(Legacy, m.Method)
	}
	if m.Method == "initialize" {
		if v := m.Params.Get("protocolVersion"); v.Kind() == jsonscan.String {
			m.Version = interned(v.Text())
		}
	}
	return m.checkParams()
}

func missingMeta(key string) *Refusal {
	return refuse(Modern, sdk.INVALID_PARAMS, ReasonMissingMeta, "Invalid params: _meta lacks "+key)
}

func (m *Message) checkBatch() *Refusal {
	if !LookupRevision(m.Version).Batches {
		return refuse(Legacy, sdk.INVALID_REQUEST, ReasonBatch, "Invalid Request: no batches in this protocol version")
	}
	for i := range m.Batch {
		if r := m.Batch[i].checkLegacy(nil); r != nil {
			return r // settled as the batch's: its answer is no element's
		}
	}
	return nil
}

// checkParams refuses params that don't say what the message is about.
func (m *Message) checkParams() *Refusal {
	switch m.Arguments.Kind() {
	case jsonscan.Invalid, jsonscan.Object:
	case jsonscan.Null:
		m.Arguments = jsonscan.Value{}
	default:
		return m.invalidParams("arguments is an object")
	}
	if m.Spec == nil || m.Kind != KindRequest {
		return nil
	}
	most := maxName
	what := "params.name is a name of at most 256 bytes without control characters"
	switch m.Target {
	case TargetNone:
		return nil
	case TargetTool, TargetPrompt:
	case TargetResource:
		most, what = maxURI, "params.uri is a URI of at most 8192 bytes without control characters"
	case TargetTask:
		most, what = maxTask, "params.taskId is an id of at most 2048 bytes without control characters"
	case TargetRef:
		return m.invalidParams("params.ref is a ref/prompt or a ref/resource")
	}
	if m.Name == "" || len(m.Name) > most || hasControl(m.Name) {
		return m.invalidParams(what)
	}
	return nil
}

func (m *Message) invalidParams(what string) *Refusal {
	return refuse(m.Era, sdk.INVALID_PARAMS, ReasonInvalidParams, "Invalid params: "+what)
}
