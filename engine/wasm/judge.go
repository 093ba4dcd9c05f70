package wasm

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// judge calls a hook and puts what came of it into r.
func (in *instance) judge(ctx context.Context, c *Call, r *Result, until time.Duration) {
	in.prepare(ctx, c.Hook, c.Message, until)
	in.tables, in.looked = c.Tables, c.Tables != nil
	v, ok := in.decide(c.Hook)
	in.settle(r, v, ok)
}

// settle puts what came of a call into r, and lets go of what belongs to the caller.
func (in *instance) settle(r *Result, v hostapi.Verdict, ok bool) {
	r.Fuel, r.Memory, r.Used = in.used(), in.memory.Size(), in.asked
	if ok {
		r.judged, r.verdict = true, v
		if v == hostapi.VerdictMutate {
			in.takeEdits(r)
		}
	} else {
		r.fail(in.failure)
	}
	r.take(&in.said, v, !ok)
	in.end()
}

// prepare readies the instance for a hook.
func (in *instance) prepare(ctx context.Context, h hostapi.Hook, m *Message, until time.Duration) {
	p := in.program
	in.message, in.hook, in.judging = m, &p.hooks[h], h
	s := stageHook
	if h == hostapi.HookList {
		s = stageList
	}
	in.begin(ctx, s, p.limits.Fuel, until)
	if !p.manifest.Deterministic && !m.Time.IsZero() {
		in.nowMS = m.Time.UnixMilli()
	}
}

// decide runs the hook.
func (in *instance) decide(h hostapi.Hook) (hostapi.Verdict, bool) {
	if in.program.rego != nil {
		return in.evaluate(h)
	}
	ok := in.invoke(in.hooks[h])
	in.output.flush(in.logLine)
	if !ok {
		return hostapi.VerdictDeny, false
	}
	return in.accept(hostapi.Verdict(int32(in.stack[0])))
}

// accept says whether a verdict is one that the guest may give.
func (in *instance) accept(v hostapi.Verdict) (hostapi.Verdict, bool) {
	edited := len(in.edits.list) > 0
	switch v {
	case hostapi.VerdictPass, hostapi.VerdictAbstain:
	case hostapi.VerdictDeny, hostapi.VerdictMutate, hostapi.VerdictApprove:
		if !in.program.verdicts[v] {
			return in.wrong(hostapi.FailureCapability, "the verdict %v is not granted", v)
		}
	default:
		return in.wrong(hostapi.FailureABI, "there is no verdict %d", int32(v))
	}
	switch {
	case v == hostapi.VerdictMutate && !edited:
		return hostapi.VerdictPass, true
	case v == hostapi.VerdictMutate && in.edits.conflict():
		return in.wrong(hostapi.FailureABI, "an edit lies in the place of another")
	case edited && v != hostapi.VerdictMutate && v != hostapi.VerdictDeny:
		return in.wrong(hostapi.FailureABI, "edits with the verdict %v", v)
	}
	return v, true
}

func (in *instance) wrong(kind hostapi.Failure, format string, args ...any) (hostapi.Verdict, bool) {
	in.failure = Failure{Type: kind, Text: fmt.Sprintf(format, args...)}
	return hostapi.VerdictDeny, false
}
