package gateway

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/telemetry"
)

const codeLimited = 42901

// countCall counts a call that policy has allowed against its rate limits. It comes after the first door: what is denied uses up
// nothing, and a tool that is hidden doesn't show by being counted. Answers of clients are never counted: a server waits for them.
func (x *exchange) countCall() *refusal {
	if x.snap.Limits == nil || x.msg.Kind == mcp.KindResponse {
		return nil
	}
	x.limited = x.snap.Limits.Take(background, &x.request, x.msg.Kind == mcp.KindRequest, x.mark)
	if x.limited == nil {
		return nil
	}
	l, d := x.limited, &x.decision
	x.newID()
	d.Effect, d.Rule, d.Reason, d.Cause, d.Message = engine.Deny, nil, l.Reason, l.Cause, x.limitMessage(l)
	switch l.Reason {
	case limit.ReasonNotComputed:
		return x.denied(d)
	case limit.ReasonStore:
		r := plain(503, codeUnavailable, l.Reason, "The call can't be counted, and so is refused", x.msg.ID)
		r.cause, r.kind, r.header = l.Cause, telemetry.Internal, retryAfter(l.Wait)
		return r
	}
	return x.tooMany(l)
}

func (x *exchange) limitMessage(l *limit.Refusal) string {
	switch {
	case l.Reason == limit.ReasonNotComputed:
		return fmt.Sprintf("the rate limit %s can't tell what this call counts as", l.Limit)
	case l.Reason == limit.ReasonStore:
		return fmt.Sprintf("the rate limit %s can't be asked", l.Limit)
	case l.Wait == 0:
		return fmt.Sprintf("the call is larger than the rate limit %s ever admits", l.Limit)
	}
	return fmt.Sprintf("the rate limit %s is used up; try again in %d s", l.Limit, seconds(l.Wait))
}

// tooMany refuses a call that is one too many.
func (x *exchange) tooMany(l *limit.Refusal) *refusal {
	r := &refusal{status: 429, code: codeLimited, reason: l.Reason, cause: l.Cause}
	if l.Wait > 0 {
		r.header = retryAfter(l.Wait)
	}
	if x.snap.Denials.Result && x.msg.Kind == mcp.KindRequest && x.msg.Target == mcp.TargetTool {
		r.status, r.body = 200, x.msg.AppendDenied(nil, x.denial(&x.decision))
		return r
	}
	text := "Too many requests"
	if x.snap.Denials.Detail >= DetailMessage {
		text += ": " + x.decision.Message
	}
	r.body = mcp.AppendError(nil, x.msg.ID, codeLimited, text, x.limitData(l))
	return r
}

// limitData is what a client's program learns.
func (x *exchange) limitData(l *limit.Refusal) []byte {
	b := append(jsonscan.AppendQuote([]byte(`{"decisionId":`), x.id.String()), `,"reason":"`...)
	b = append(append(b, l.Reason...), '"')
	if x.snap.Denials.Detail >= DetailReason {
		b = jsonscan.AppendQuote(append(b, `,"limit":`...), l.Limit)
		b = strconv.AppendInt(append(b, `,"remaining":`...), l.Remaining, 10)
	}
	if l.Wait > 0 {
		b = strconv.AppendInt(append(b, `,"retryAfterMs":`...), int64((l.Wait+time.Millisecond-1)/time.Millisecond), 10)
	}
	return append(b, '}')
}

// seconds rounds up: a client that comes back then is not too early.
func seconds(d time.Duration) int64 { return max(1, int64((d+time.Second-1)/time.Second)) }

func retryAfter(d time.Duration) [2]string {
	return [2]string{"Retry-After", strconv.FormatInt(seconds(d), 10)}
}
