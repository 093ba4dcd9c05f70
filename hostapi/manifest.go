package hostapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// StateNone is the one state that a plugin can declare: it keeps nothing between calls.
const StateNone = "none"

// Manifest says what a plugin is and what it asks for. Everything in it is a request: the
// operator grants it or a part of it, and the host enforces the grant.
//
// Lists whose indexes are ids (Reads, Strings, Capabilities) and Writes are sorted by their
// texts, without duplicates. Normalize makes them so; Validate refuses other ones.
type Manifest struct {
	Name    string // such as redact-pii
	Version string // Semantic Versioning 2.0.0

	Hooks    []Hook          // that the plugin exports; at least one
	Reads    map[Hook][]Path // the fields of a hook; an id is an index into its list
	Strings  map[Hook][]Path // the places whose strings are enumerated for a hook
	Writes   []Path          // the places at or below which the plugin may edit
	Verdicts []Verdict       // that the plugin may return; pass and abstain need no mention

	Capabilities []Capability // an id is an index
	Require      []string     // features without which the plugin can't work
	Optional     []string     // features whose absence the plugin copes with

	SettingsSchema json.RawMessage // JSON Schema 2020-12, an object; nil: the plugin takes no settings
	Deterministic  bool            // the verdict follows from the reads, the settings and the tables alone
	Limits         Limits
	Rego           *Rego             // of a module that OPA has compiled; nil for all others
	Meta           map[string]string // for people; hosts make nothing of it
}

// Limits are what a plugin asks for. Zero asks for the default.
type Limits struct {
	Pages    int           // of memory, 64 KiB each; LimitPagesDefault
	Fuel     int64         // for a call; LimitFuelDefault
	Deadline time.Duration // of a call, in whole milliseconds; LimitDeadlineMSDefault
}

// Capability is something outside the message that a plugin asks to use.
type Capability struct {
	Kind CapabilityKind
	Name string
}

// ParseCapability reads KIND:NAME.
func ParseCapability(text string) (Capability, error) {
	kind, name, _ := strings.Cut(text, ":")
	c := Capability{CapabilityKind(kind), name}
	return c, c.check()
}

func (c Capability) check() error {
	switch {
	case c.Kind != CapabilityKindMatch && c.Kind != CapabilityKindLookup:
		return fmt.Errorf("%q is not a kind of capability", string(c.Kind))
	case !capabilityForm.MatchString(c.Name) || len(c.Name) > LimitNameBytes:
		return fmt.Errorf("%q is not a name of a capability", c.Name)
	}
	return nil
}

// String writes a capability as manifests do.
func (c Capability) String() string { return string(c.Kind) + ":" + c.Name }

// Pages of memory, fuel and time of a call: what the manifest asks for, or the default.
func (l Limits) orDefaults() Limits {
	return Limits{
		Pages: cmp.Or(l.Pages, LimitPagesDefault), Fuel: cmp.Or(l.Fuel, LimitFuelDefault),
		Deadline: cmp.Or(l.Deadline, LimitDeadlineMSDefault*time.Millisecond),
	}
}

// Asked returns the limits with the defaults in the place of zeros.
func (m *Manifest) Asked() Limits { return m.Limits.orDefaults() }

// May reports whether the manifest declares a verdict.
func (m *Manifest) May(v Verdict) bool {
	return v == VerdictPass || v == VerdictAbstain || slices.Contains(m.Verdicts, v)
}

// Normalize sorts the lists and removes what stands in them twice.
func (m *Manifest) Normalize() {
	slices.Sort(m.Hooks)
	m.Hooks = slices.Compact(m.Hooks)
	slices.Sort(m.Verdicts)
	m.Verdicts = slices.Compact(m.Verdicts)
	for _, lists := range []map[Hook][]Path{m.Reads, m.Strings} {
		for h, paths := range lists {
			lists[h] = normal(paths)
		}
	}
	m.Writes = normal(m.Writes)
	m.Capabilities = normal(m.Capabilities)
	slices.Sort(m.Require)
	m.Require = slices.Compact(m.Require)
	slices.Sort(m.Optional)
	m.Optional = slices.Compact(m.Optional)
}

// normal sorts values by their texts and removes what stands there twice.
func normal[T fmt.Stringer](list []T) []T {
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(a.String(), b.String()) })
	return slices.CompactFunc(list, func(a, b T) bool { return a.String() == b.String() })
}

// Encode validates a manifest and returns its text, which ParseManifest reads.
func (m *Manifest) Encode() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	w := wire{
		ABI: ABI, Name: m.Name, Version: m.Version, Hooks: texts(m.Hooks), Reads: byName(m.Reads), Strings: byName(m.Strings),
		Writes: texts(m.Writes), Verdicts: texts(m.Verdicts), Capabilities: texts(m.Capabilities),
		Settings: m.SettingsSchema, State: StateNone, Deterministic: m.Deterministic, Rego: m.Rego.wire(), Meta: m.Meta,
	}
	if len(m.Require)+len(m.Optional) > 0 {
		w.Features = &wireFeatures{m.Require, m.Optional}
	}
	if m.Limits != (Limits{}) {
		w.Limits = &wireLimits{m.Limits.Pages, m.Limits.Fuel, m.Limits.Deadline.Milliseconds()}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(w); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(text) > LimitManifestBytes {
		return nil, tooLong(len(text))
	}
	return text, nil
}

// wire is a manifest as it is written.
type wire struct {
	ABI           string              `json:"abi"`
	Name          string              `json:"name"`
	Version       string              `json:"version"`
	Hooks         []string            `json:"hooks"`
	Reads         map[string][]string `json:"reads,omitempty"`
	Strings       map[string][]string `json:"strings,omitempty"`
	Writes        []string            `json:"writes,omitempty"`
	Verdicts      []string            `json:"verdicts,omitempty"`
	Capabilities  []string            `json:"capabilities,omitempty"`
	Features      *wireFeatures       `json:"features,omitempty"`
	Settings      json.RawMessage     `json:"settings_schema,omitempty"`
	State         string              `json:"state"`
	Deterministic bool                `json:"deterministic"`
	Limits        *wireLimits         `json:"limits,omitempty"`
	Rego          *wireRego           `json:"rego,omitempty"`
	Meta          map[string]string   `json:"meta,omitempty"`
}

type wireFeatures struct {
	Require  []string `json:"require,omitempty"`
	Optional []string `json:"optional,omitempty"`
}

type wireLimits struct {
	Pages    int   `json:"pages,omitempty"`
	Fuel     int64 `json:"fuel,omitempty"`
	Deadline int64 `json:"deadline_ms,omitempty"`
}

func texts[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}

func byName(lists map[Hook][]Path) map[string][]string {
	out := make(map[string][]string, len(lists))
	for h, paths := range lists {
		if len(paths) > 0 {
			out[h.String()] = texts(paths)
		}
	}
	return out
}
