package audit

import (
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/seal"
)

// encode writes what stands behind the chain's fields into r.line: from the time to the closing brace and the newline.
func (r *Record) encode(m Masker) { r.encodeApart(m, false, nil) }

// encodeApart is encode that keeps apart what was in a message, if it is told to, and seals it with a key, or leaves it out without one.
func (r *Record) encodeApart(m Masker, apart bool, key *seal.Key) {
	e := encoder{mask: m, b: r.line[:0], scratch: r.scratch, apart: apart && r.Kind != Lifecycle, hidden: r.hidden[:0]}
	e.b = append(r.stamp.append(append(e.b, `"time":"`...), r.Time), '"')
	e.raw(`,"kind":"`, kindNames[r.Kind])
	e.plain(`,"event":"`, r.Event)
	if !r.DecisionID.IsZero() {
		e.b = append(append(append(e.b, `,"decision_id":"`...), r.DecisionID[:]...), '"')
	}
	e.plain(`,"revision":"`, r.Revision)
	e.who(r)
	e.what(r)
	e.decision(r)
	e.inputs(r)
	e.answer(r)
	if e.apart && key != nil && len(e.hidden) > 0 {
		r.seal(&e, key)
	}
	r.line = append(e.b, '}', '\n')
	r.scratch, r.hidden = e.scratch, e.hidden
}

type encoder struct {
	mask    Masker
	b       []byte
	scratch []byte

	apart  bool   // what was in a message goes to hidden
	hidden []byte // members, each behind a comma
}

// swap has what follows go to what is kept apart, and the next time back to the line.
func (e *encoder) swap() {
	if e.apart {
		e.b, e.hidden = e.hidden, e.b
	}
}

func (e *encoder) who(r *Record) {
	if r.PrincipalKind != "" || r.PrincipalID != "" {
		e.b = append(e.b, `,"principal":{"kind":"`...)
		e.b = append(appendCut(e.b, r.PrincipalKind, MaxText), '"')
		e.text(`,"id":`, r.PrincipalID, MaxText)
		e.plain(`,"issuer":"`, r.Issuer)
		e.b = append(e.b, '}')
	}
	e.plain(`,"source.address":"`, r.SourceAddress)
	e.number(`,"connections":`, r.Connections)
}

func (e *encoder) what(r *Record) {
	e.plain(`,"http.request.method":"`, r.HTTPMethod)
	e.text(`,"mcp.method.name":`, r.Method, MaxText)
	e.text(`,"mcp.protocol.version":`, r.ProtocolVersion, MaxText)
	if !r.Session.IsZero() {
		e.b = append(append(append(e.b, `,"mcp.session.id":"`...), r.Session[:]...), '"')
	}
	e.requestID(r.RequestID)
	e.plain(`,"server":"`, r.Server)
	e.plain(`,"server_version":"`, r.Version)
	e.plain(`,"mirror":"`, r.Mirror)
	e.text(`,"gen_ai.tool.name":`, r.Tool, MaxText)
	e.plain(`,"tool_hash":"`, r.ToolHash)
	e.text(`,"mcp.resource.uri":`, r.Resource, MaxLong)
	e.text(`,"gen_ai.prompt.name":`, r.Prompt, MaxText)
}

func (e *encoder) decision(r *Record) {
	e.plain(`,"phase":"`, r.Phase)
	if !r.Now.IsZero() {
		e.b = append(r.stamp.append(append(e.b, `,"now":"`...), r.Now), '"')
	}
	e.plain(`,"effect":"`, r.Effect)
	e.plain(`,"policy":"`, r.Policy)
	e.plain(`,"rule":"`, r.Rule)
	e.plain(`,"reason":"`, r.Reason)
	e.swap()
	e.text(`,"message":`, r.Message, MaxLong)
	e.text(`,"cause":`, r.Cause, MaxLong)
	e.swap()
	if r.Limit != "" {
		e.plain(`,"limit":"`, r.Limit)
		e.b = strconv.AppendInt(append(e.b, `,"remaining":`...), r.Remaining, 10)
	}
	e.shadow(r.Shadow)
	e.plain(`,"cache":"`, r.Cache)
	e.swap()
	e.plugins(r.Plugins)
	e.swap()
}

func (e *encoder) shadow(all []Shadow) {
	if len(all) == 0 {
		return
	}
	e.b = append(e.b, `,"shadow":[`...)
	for i, s := range all[:min(len(all), MaxShadow)] {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = append(e.b, `{"policy":"`...)
		e.b = append(appendCut(e.b, s.Policy, MaxText), '"')
		e.plain(`,"rule":"`, s.Rule)
		e.plain(`,"effect":"`, s.Effect)
		e.plain(`,"reason":"`, s.Reason)
		e.b = append(e.b, '}')
	}
	e.b = append(e.b, ']')
}

// inputs writes the values that fit, and the mark that says whether the decision can be made again from them.
func (e *encoder) inputs(r *Record) {
	mark := r.NotReplayable
	truncated := false
	if len(r.Inputs) > 0 {
		var masked bool
		e.swap()
		truncated, masked = e.values(r.Inputs, &r.memo)
		e.swap()
		if mark == "" && masked {
			mark = InputsMasked
		}
	}
	e.absent(r.Absent)
	if truncated || r.Truncated {
		e.b = append(e.b, `,"inputs_truncated":true`...)
		if mark == "" {
			mark = InputsTruncated
		}
	}
	e.plain(`,"not_replayable":"`, mark)
}

// absent writes the names that fit. They are those of rules: no caller has a say in them.
func (e *encoder) absent(all []string) {
	if len(all) == 0 {
		return
	}
	start := len(e.b)
	e.b = append(e.b, `,"absent":[`...)
	first := len(e.b)
	for _, name := range all {
		if len(name) > MaxText || len(e.b)-first+len(name) > MaxInputs {
			continue // a decision that reads it is not made again
		}
		if len(e.b) > first {
			e.b = append(e.b, ',')
		}
		e.b = append(appendEscaped(append(e.b, '"'), name), '"')
	}
	if len(e.b) == first {
		e.b = e.b[:start]
		return
	}
	e.b = append(e.b, ']')
}

func (e *encoder) values(all []Input, known *memo) (truncated, masked bool) {
	e.b = append(e.b, `,"inputs":{`...)
	w := rewrite{mask: e.mask, dst: e.b, scratch: e.scratch, end: len(e.b) + MaxInputs}
	first := len(w.dst)
	for _, in := range all {
		before := len(w.dst)
		if before > first {
			w.dst = append(w.dst, ',')
		}
		if !known.input(&w, in) {
			w.dst, truncated = w.dst[:before], true
		}
	}
	e.b, e.scratch = append(w.dst, '}'), w.scratch
	return truncated, w.masked
}

// maxSource bounds the text that is read for one input, secrets that never reach the record included.
const maxSource = 16 * MaxInputs

func (e *encoder) answer(r *Record) {
	e.number(`,"http.response.status_code":`, int64(r.Status))
	e.number(`,"rpc.response.status_code":`, r.ErrorCode)
	e.plain(`,"key":"`, r.Key)
	e.wrapped(r.Wrapped)
	e.micros(`,"decide_us":`, r.Decide)
	e.micros(`,"upstream_us":`, r.Upstream)
	e.micros(`,"total_us":`, r.Total)
	e.number(`,"request_bytes":`, r.RequestBytes)
	e.number(`,"response_bytes":`, r.ResponseBytes)
	e.text(`,"trace_id":`, r.TraceID, MaxText)
}

// requestID writes the id as JSON, so that 1 and "1" stay two ids; one that is neither number nor string is left out.
func (e *encoder) requestID(id []byte) {
	if len(id) == 0 || len(id) > MaxText || id[0] == '{' || id[0] == '[' {
		return
	}
	before := len(e.b)
	e.b = append(e.b, `,"jsonrpc.request.id":`...)
	w := rewrite{mask: e.mask, dst: e.b, scratch: e.scratch, end: len(e.b) + 8*MaxText}
	ok := w.run(id)
	e.b, e.scratch = w.dst, w.scratch
	if !ok {
		e.b = e.b[:before]
	}
}

func (e *encoder) raw(field, s string) {
	e.b = append(append(append(e.b, field...), s...), '"')
}

// plain writes text that comes from configuration: bounded and escaped, not searched for secrets.
func (e *encoder) plain(field, s string) {
	if s == "" {
		return
	}
	e.b = append(e.b, field...)
	if len(s) <= MaxText && plain(s) {
		e.b = append(e.b, s...)
	} else {
		e.b = appendCut(e.b, s, MaxText)
	}
	e.b = append(e.b, '"')
}

// text writes text that a caller or an upstream may have chosen.
func (e *encoder) text(field, s string, limit int) {
	if s == "" {
		return
	}
	e.b = append(e.b, field...)
	e.b, _ = e.mask.appendString(e.b, s, limit)
}

func (e *encoder) number(field string, n int64) {
	if n != 0 {
		e.b = strconv.AppendInt(append(e.b, field...), n, 10)
	}
}

// micros writes d in microseconds with three decimals, exact to the nanosecond.
func (e *encoder) micros(field string, d time.Duration) {
	if d <= 0 {
		return
	}
	e.b = strconv.AppendInt(append(e.b, field...), int64(d/time.Microsecond), 10)
	n := d % time.Microsecond
	e.b = append(e.b, '.', byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
}
