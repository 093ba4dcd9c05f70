// Package engine compiles a bundle of policies into an immutable Snapshot and decides
// requests on it. It is the policy decision point: a library without globals, logging
// or network, whose answer to anything that it cannot decide is a denial. It starts no
// goroutines but those of a decision cache, which end with their Snapshot.
//
// Read policies with package bundle, compile them once, and decide any number of requests on the
// Snapshot, from any number of goroutines. Scan what a request is made of with package jsonscan:
// rules read its bytes where they lie. The engine has no clock; the time is a Request's.
package engine

import (
	"net/netip"
	"time"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/wasm"
)

// Effect is the answer of a rule or of a decision. The zero Effect denies.
type Effect = policy.Effect

// The effects, weakest first: a deny overrides an approve, an approve overrides an allow.
const (
	Deny    = policy.Deny
	Approve = policy.Approve
	Allow   = policy.Allow
)

// Phase is the door that a message stands at.
type Phase = policy.Phase

// The two doors: what a caller asks, and what is answered.
const (
	PhaseRequest  = policy.Request
	PhaseResponse = policy.Response
)

// The reasons that the engine sets itself. A rule that denies gives its own reason, or
// ReasonDeniedByRule if it has none. Reasons are stable and meant for machines.
const (
	ReasonNoRuleMatched    = "no_rule_matched"   // nothing allowed the call
	ReasonNoPolicy         = "no_policy"         // a nil Snapshot, or nothing to decide by
	ReasonDeniedByRule     = "denied_by_rule"    // a deny rule without a reason of its own
	ReasonApprovalRequired = "approval_required" // an approve rule without a reason of its own
	ReasonEvaluationError  = "evaluation_error"  // a rule that could have denied failed
	ReasonCostExceeded     = "cost_exceeded"     // ... by running over its cost limit
	ReasonInputTooLarge    = "input_too_large"   // ... by touching a value beyond the input limit
	ReasonInterrupted      = "interrupted"       // ... because its context ended
	ReasonPluginFailed     = "plugin_failed"     // a plugin trapped, ran too long, or broke its contract
	ReasonNotRewritable    = "not_rewritable"    // a plugin's edits make no message of this one
	ReasonToolUnpinned     = "tool_unpinned"     // the lock of tools has the server, and not the tool
	ReasonToolChanged      = "tool_changed"      // the server describes the tool otherwise than the lock
)

// Kinds of principal, as principal.type shows them.
const (
	KindAnonymous = condition.KindAnonymous
	KindAPIKey    = condition.KindAPIKey
	KindJWT       = condition.KindJWT
)

// Principal is who makes a call, as identity has verified it. It is not changed while a
// decision reads it, so one Principal may serve any number of requests at once.
type Principal = condition.Principal

// Request is one message at one door, in the engine's terms. The zero Request denies.
//
// The values alias the scanned bytes of the message; the engine reads them during the
// call it is given them for and keeps nothing but what an Explanation says that it does. It
// doesn't change a Request, so several goroutines may decide one. A field that is left out is
// absent to rules.
type Request struct {
	Phase Phase
	// DefaultAllow says that the message is allowed when no rule denies it: lifecycle and
	// list methods and their notifications. The engine has no table of methods of its own;
	// a response is allowed by default whatever this says, because its call was.
	DefaultAllow bool

	Method string // JSON-RPC method, e.g. "tools/call"
	Server string // configured name of the server that the message goes to or comes from

	// What the method is about. A method that names no tool, prompt or resource leaves the
	// name empty; tools/call, prompts/get and resources/* count as having one even so.
	Tool, Prompt, Resource string

	Arguments   jsonscan.Value // the tool's arguments; absent or null reads as {}
	Params      jsonscan.Value // the JSON-RPC params
	Annotations jsonscan.Value // the tool's annotations, as its server lists them; absent means not known, and a rule that reads them fails
	ToolHash    string         // toolset.Hash of the tool as its server lists it now; "" is not known, and then nothing has changed
	Result      jsonscan.Value // the tool's result; response phase only
	Error       jsonscan.Value // the JSON-RPC error, if that is the answer; response phase only
	Items       jsonscan.Value // of a result that is a list: the array; response phase only
	ItemsField  string         // the member of Result that Items is
	FromServer  bool           // the message is a notification of the server

	Principal *Principal               // nil: nobody known; principal.* is absent
	Source    netip.Addr               // the peer
	Header    func(name string) string // request header by lower-case name; "" is absent; may be nil
	Time      time.Time                // the decision's now
}

// Rule names a rule and where it stands.
type Rule struct {
	Policy string `json:"policy"`
	Name   string `json:"name"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"` // from 1; 0 if the rule stands in no file
}

// ID returns "policy/rule", or "" for no rule.
func (r Rule) ID() string {
	if r.Policy == "" && r.Name == "" {
		return ""
	}
	return r.Policy + "/" + r.Name
}

// Outcome is what a shadow rule would have done. It was not enforced.
type Outcome struct {
	Rule   *Rule // never nil; not to be changed
	Effect Effect
	Reason string // as a Decision's
	Cause  error  // the rule failed; Effect is what failing would have meant
}

// Decision is the engine's answer. The zero Decision denies. It stays valid when its Snapshot is
// closed; what it points to is shared and not to be changed.
type Decision struct {
	Effect  Effect
	Rule    *Rule  // the rule that decided; nil when none did
	Reason  string // why, for machines; on an allow the rule's reason, if it has one
	Message string // why, for the caller, from the rule's message; "" when there is none
	// Cause is why a rule could not be evaluated, for the operator. On a denial by default
	// it is the first error of a rule that would have allowed.
	Cause error
	// Shadow lists the shadow rules that matched, or failed, in rule order.
	Shadow   []Outcome
	Revision string // of the policies that decided
	// Plugins are the plugins that were asked, in order.
	Plugins []PluginOutcome
	// Rewritten takes the place of the message's params, in the response phase of its result or error; absent if no plugin has changed them. It
	// must: whoever can't carry it out must treat the decision as a denial.
	Rewritten jsonscan.Value
	// Cache says whether the decision was made before, or why it can't be remembered. Of one that was made before, Shadow and Plugins are
	// shared with others.
	Cache Caching

	considered considered
}

// PluginOutcome is what one plugin said of a message.
type PluginOutcome struct {
	Rule    *Rule
	Name    string // of the plugin
	Version string
	Module  string // digest of its module, "sha256:..."
	Setup   string // digest of all that it says follows from but the message: module, settings, grants and what they give
	Hook    string
	Shadow  bool          // it was not enforced
	Verdict string        // pass, deny, mutate, approve, abstain
	Code    string        // why, for machines, of a denial
	Message string        // why, or what a human is asked
	Failure string        // trap, fuel, deadline, abi or capability if the call failed, which is a denial; "" if it did not
	Cause   error         // the failure, for the operator
	Notes   []wasm.Note   // for the record
	Labels  []string      // that it gave the message
	Edits   []PluginEdit  // that it made, in order
	Used    []string      // the capabilities that it made use of, such as lookup:tenants; the revision says which tables they were
	Fuel    int64         // units used; one is about one simple instruction
	Time    time.Duration // that the call took
}

// PluginEdit is one change that a plugin made.
type PluginEdit struct {
	Op   string // replace, add or remove
	Path string // of the field, in canonical names
	JSON []byte // the new value
}

// Allowed reports whether the message may pass. An approve may not, until it is approved.
func (d *Decision) Allowed() bool { return d.Effect == Allow }

// Considered reports whether any rule applied to the message.
func (d *Decision) Considered() bool {
	return d.considered.first[0] != nil || len(d.considered.more) > 0
}

// Reads lists, sorted, the fields that the rules considered for this decision could read,
// as paths in canonical names ("args.path", "jwt.sub"; "args" alone means all of it). A
// record that holds these values can replay the decision. Don't change it.
func (d *Decision) Reads() []string { return d.considered.fields() }
