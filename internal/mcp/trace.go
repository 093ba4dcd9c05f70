package mcp

import (
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/httphead"
)

// Trace is a W3C trace context. The zero Trace is none.
type Trace struct {
	Parent string // traceparent, well-formed
	State  string // tracestate, as received
	InMeta bool   // it stands in the message's _meta
}

// TraceOf finds the trace context of a message: in its _meta, or in the headers
// when _meta has none that is well-formed. h may be nil.
func (m *Message) TraceOf(h *httphead.Head) Trace {
	if parent := m.Meta.Get("traceparent").Text(); ValidTraceparent(parent) {
		t := Trace{Parent: parent, InMeta: true}
		if state := m.Meta.Get("tracestate").Text(); len(state) <= maxTracestate && !hasControl(state) {
			t.State = state
		}
		return t
	}
	if h == nil || !ValidTraceparent(string(h.Traceparent)) {
		return Trace{}
	}
	t := Trace{Parent: string(h.Traceparent)}
	if len(h.Tracestate) <= maxTracestate {
		t.State = string(h.Tracestate)
	}
	return t
}

// maxTracestate is what W3C Trace Context section 3.3.1.5 asks to propagate.
const maxTracestate = 512

// ID is the trace id, 32 hex digits; "" for no trace.
func (t Trace) ID() string {
	if t.Parent == "" {
		return ""
	}
	return t.Parent[3:35]
}

// EditTrace puts a trace context that came in headers into the _meta of a
// message for a peer that gets no headers (stdio). It changes nothing when _meta
// has its own, and says whether it did.
func (m *Message) EditTrace(t Trace, e *jsonscan.Edits) bool {
	if t.Parent == "" || t.InMeta || m.Kind != KindRequest {
		return false
	}
	switch {
	case m.Meta.Exists():
		ok := e.Set(m.Meta, "traceparent", jsonscan.AppendQuote(nil, t.Parent))
		if t.State != "" {
			ok = e.Set(m.Meta, "tracestate", jsonscan.AppendQuote(nil, t.State)) && ok
		}
		return ok
	case m.Params.Exists():
		return e.Set(m.Params, "_meta", t.meta())
	}
	return e.Set(m.root, "params", append(append([]byte(`{"_meta":`), t.meta()...), '}'))
}

func (t Trace) meta() []byte {
	b := jsonscan.AppendQuote([]byte(`{"traceparent":`), t.Parent)
	if t.State != "" {
		b = jsonscan.AppendQuote(append(b, `,"tracestate":`...), t.State)
	}
	return append(b, '}')
}

// ValidTraceparent reports whether s is a traceparent of version 00, or one of a
// later version that begins like it (W3C Trace Context section 3.2).
func ValidTraceparent(s string) bool {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return false
	}
	if len(s) > 55 && (s[:2] == "00" || s[55] != '-' || len(s) > 128) {
		return false
	}
	version, trace, span, flags := s[:2], s[3:35], s[36:52], s[53:55]
	return version != "ff" && isLowerHex(version) && isLowerHex(flags) &&
		isLowerHex(trace) && !isZero(trace) && isLowerHex(span) && !isZero(span)
}

func isLowerHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isZero(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '0' {
			return false
		}
	}
	return true
}
