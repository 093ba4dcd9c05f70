package sallyport

import "github.com/sallyport-dev/sallyport/sdk/go/internal/abi"

// Verdict is what a plugin says of a message. The zero Verdict denies.
type Verdict int32

// The verdicts. [Call.Deny] and [Call.Approve] say why beside.
const (
	Deny    Verdict = iota // the message is refused
	Pass                   // nothing to say against the message; it is not thereby allowed
	Mutate                 // the message passes with the edits that were made
	Approve                // a human must agree
	Abstain                // the message is not one that the plugin judges
)

// String names a verdict as manifests do.
func (v Verdict) String() string {
	switch v {
	case Deny:
		return "deny"
	case Pass:
		return "pass"
	case Mutate:
		return "mutate"
	case Approve:
		return "approve"
	case Abstain:
		return "abstain"
	}
	return "invalid"
}

// number is the ABI's. What is no verdict denies.
func (v Verdict) number() int32 {
	switch v {
	case Deny:
		return abi.VerdictDeny
	case Pass:
		return abi.VerdictPass
	case Mutate:
		return abi.VerdictMutate
	case Approve:
		return abi.VerdictApprove
	case Abstain:
		return abi.VerdictAbstain
	default:
		return noVerdict(v)
	}
}

// Plugin is a plugin: its manifest, and a function for each hook that the manifest declares.
type Plugin struct {
	// Manifest is the text of manifest.json, as go:embed gives it. It names the fields: an id
	// of the ABI is an index into its lists, so code and manifest can't disagree.
	Manifest string

	OnRequest  func(*Call) Verdict // a message that asks
	OnResponse func(*Call) Verdict // a result, or a notification of the server
	OnList     func(*List) Verdict // the items of a list, such as the tools of tools/list

	// Validate looks at settings without taking them; nil accepts all. The host has checked
	// them with the manifest's settings_schema.
	Validate func(settings Value) error
	// Configure takes the settings, once, before the first call. They stay valid.
	Configure func(settings Value) error
	// SelfTest is the last step before the plugin serves: an error keeps it from serving.
	SelfTest func() error
}

// SettingsError is an error of Validate or Configure that says where in the settings the
// mistake is.
type SettingsError struct {
	Path    string // a JSON Pointer, such as /roots/0
	Message string
	Code    string // for machines, as [Call.Deny] takes it; empty is settings_refused
}

// Error returns the message with its place.
func (e *SettingsError) Error() string { return e.Path + ": " + e.Message }
