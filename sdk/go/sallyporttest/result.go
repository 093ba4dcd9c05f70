package sallyporttest

import (
	"fmt"

	sallyport "github.com/sallyport-dev/sallyport/sdk/go"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/fake"
)

// Result is what a call came to.
type Result struct {
	Verdict  sallyport.Verdict // deny if the call failed; pass for a mutate without edits
	Code     string            // of a denial; plugin_failed if the call failed
	Text     string            // of a denial
	Question string            // of approve
	Edits    []Edit            // of mutate, in their order; a later one of the same place counts alone
	Params   string            // the JSON of the message's params, with the edits
	Result   string            // the JSON of its result, with the edits
	Notes    map[string]string
	Labels   []string
	Log      []Line
	Failure  *Failure // nil: the call didn't fail
}

// Edit is a change of one place. One without JSON removes it; an item that is dropped has the
// path items[3].
type Edit = fake.Edit

// Line is a line of the log.
type Line struct {
	Level sallyport.Level
	Text  string
}

// Failure is why a call failed: its type is trap, abi or capability. Fuel and deadline are not
// measured here.
type Failure struct{ Type, Text string }

// String returns the type and the text.
func (f *Failure) String() string { return f.Type + ": " + f.Text }

// String returns the verdict and why, on a line: what most tests compare.
func (r Result) String() string {
	switch {
	case r.Failure != nil:
		return fmt.Sprintf("deny %s: %v", r.Code, r.Failure)
	case r.Verdict == sallyport.Deny && r.Text != "":
		return fmt.Sprintf("deny %s: %s", r.Code, r.Text)
	case r.Verdict == sallyport.Deny:
		return "deny " + r.Code
	case r.Verdict == sallyport.Approve && r.Question != "":
		return "approve: " + r.Question
	}
	return r.Verdict.String()
}

// Request has the plugin judge a message that asks.
func (h *Host) Request(m Message) Result { return h.call(abi.HookRequest, m) }

// Response has the plugin judge a result, or a notification of a server.
func (h *Host) Response(m Message) Result { return h.call(abi.HookResponse, m) }

// List has the plugin judge the items of a list, such as those of the result of tools/list.
func (h *Host) List(m Message) Result { return h.call(abi.HookList, m) }

func (h *Host) call(hook int32, m Message) Result {
	var edits []Edit
	var after *fake.Message
	verdict := abi.VerdictDeny
	failure := guard(func() {
		built, err := m.build()
		if err != nil {
			panic(&fake.Failure{Type: abi.FailureABI, Text: err.Error()})
		}
		h.fake.Begin(hook, built)
		verdict, edits, after = h.fake.Finish(h.guest.Judge(hook))
	})
	return result(h.fake.Said, verdict, edits, after, failure)
}

func result(said fake.Said, verdict int32, edits []Edit, m *fake.Message, failure *Failure) Result {
	r := Result{Notes: said.Notes, Failure: failure}
	for _, l := range said.Log {
		r.Log = append(r.Log, Line{sallyport.Level(l.Level), l.Text})
	}
	if failure != nil {
		r.Code = "plugin_failed"
		return r
	}
	r.Verdict, r.Edits, r.Labels = fromABI(verdict), edits, said.Labels
	switch r.Verdict {
	case sallyport.Deny:
		if r.Code, r.Text = said.Code, said.Text; r.Code == "" {
			r.Code = "denied_by_plugin"
		}
	case sallyport.Approve:
		r.Question = said.Question
	default:
	}
	if m.Params != nil {
		r.Params = m.Params.JSON()
	}
	if m.Result != nil {
		r.Result = m.Result.JSON()
	}
	return r
}

func fromABI(verdict int32) sallyport.Verdict {
	switch verdict {
	case abi.VerdictPass:
		return sallyport.Pass
	case abi.VerdictMutate:
		return sallyport.Mutate
	case abi.VerdictApprove:
		return sallyport.Approve
	case abi.VerdictAbstain:
		return sallyport.Abstain
	}
	return sallyport.Deny
}
