// Package manifest reads manifests and field paths as a host does. It is for the tools and the
// tests that run beside the guest: what is in the guest reads less, and is smaller.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
)

// Hooks are the hooks by their numbers.
var Hooks = [...]string{abi.HookRequest: "request", abi.HookResponse: "response", abi.HookList: "list"}

// Manifest is what a plugin asks for.
type Manifest struct {
	ABI            string              `json:"abi"`
	Name           string              `json:"name"`
	Version        string              `json:"version"`
	Hooks          []string            `json:"hooks"`
	Reads          map[string][]string `json:"reads"`
	Strings        map[string][]string `json:"strings"`
	Writes         []string            `json:"writes"`
	Verdicts       []string            `json:"verdicts"`
	Capabilities   []string            `json:"capabilities"`
	Features       Features            `json:"features"`
	SettingsSchema json.RawMessage     `json:"settings_schema"`
	State          string              `json:"state"`
	Deterministic  bool                `json:"deterministic"`
	Limits         Limits              `json:"limits"`
	Meta           map[string]string   `json:"meta"`
}

// Features are those that a plugin needs, and those that it copes without.
type Features struct {
	Require  []string `json:"require"`
	Optional []string `json:"optional"`
}

// Limits are what a plugin asks for; 0 is the default.
type Limits struct {
	Pages      int   `json:"pages"`
	Fuel       int64 `json:"fuel"`
	DeadlineMS int64 `json:"deadline_ms"`
}

var (
	nameForm       = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	versionForm    = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`)
	capabilityForm = regexp.MustCompile(`^(match|lookup):[a-z0-9][a-z0-9._-]*$`)
)

// Parse reads a manifest and checks it. Its error has all mistakes, one on a line.
func Parse(text string) (*Manifest, error) {
	if len(text) > abi.LimitManifestBytes {
		return nil, fmt.Errorf("manifest: %d bytes are too many: at most %d", len(text), abi.LimitManifestBytes)
	}
	if _, err := ParseJSON(text); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	m := &Manifest{}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("manifest: more than one value")
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("manifest: "+format, args...)) }
	if m.ABI != abi.ABI {
		bad("abi: %q, not %q", m.ABI, abi.ABI)
	}
	if !nameForm.MatchString(m.Name) || len(m.Name) > abi.LimitNameBytes {
		bad("name: %q: words of a-z and 0-9 with - between them", m.Name)
	}
	if !versionForm.MatchString(m.Version) {
		bad("version: %q is no semantic version, such as 1.0.0", m.Version)
	}
	if m.State != "" && m.State != "none" {
		bad("state: %q, not none", m.State)
	}
	if len(m.Hooks) == 0 {
		bad("hooks: none")
	}
	for _, h := range m.Hooks {
		if !slices.Contains(Hooks[:], h) {
			bad("hooks: %q is no hook", h)
		}
	}
	m.checkPaths(bad)
	m.checkVerdicts(bad)
	checkOrder(bad, "capabilities", m.Capabilities)
	for _, c := range m.Capabilities {
		if !capabilityForm.MatchString(c) {
			bad("capabilities: %q: write match:NAME or lookup:NAME", c)
		}
	}
	return errors.Join(errs...)
}

func checkOrder(bad func(string, ...any), where string, list []string) {
	for i := 1; i < len(list); i++ {
		if list[i] <= list[i-1] {
			bad("%s: %q must stand before %q, once: the list is sorted by its bytes", where, list[i], list[i-1])
		}
	}
}

func (m *Manifest) checkPaths(bad func(string, ...any)) {
	paths := func(where string, list []string, check func(Path)) {
		checkOrder(bad, where, list)
		for _, text := range list {
			p, err := ParsePath(text)
			if err != nil {
				bad("%s: %v", where, err)
				continue
			}
			check(p)
		}
	}
	for what, lists := range map[string]map[string][]string{"reads": m.Reads, "strings": m.Strings} {
		for hook, list := range lists {
			where := what + "." + hook
			if !slices.Contains(m.Hooks, hook) {
				bad("%s: the plugin doesn't have this hook", where)
			}
			paths(where, list, func(p Path) {
				in := p.Name.Hooks
				if what == "strings" {
					in = p.Name.Edit
				}
				if !slices.Contains(in, hook) {
					bad("%s: %s is not there in this hook", where, p.Name.Name)
				}
			})
		}
	}
	paths("writes", m.Writes, func(p Path) {
		if !slices.ContainsFunc(p.Name.Edit, func(h string) bool { return slices.Contains(m.Hooks, h) }) {
			bad("writes: %s is no part of a message that the plugin judges", p.Name.Name)
		}
		if what := p.protected(); what != "" {
			bad("writes: %s holds %s, which can't be edited", p.Text, what)
		}
	})
}

// protected returns the protected place that a path shares a place with.
func (p Path) protected() string {
	for _, text := range Protected {
		if q, err := ParsePath(text); err == nil && p.Meets(q) {
			return text
		}
	}
	return ""
}

// Editable reports whether a place is not a protected one.
func (p Path) Editable() bool { return p.protected() == "" }

func (m *Manifest) checkVerdicts(bad func(string, ...any)) {
	for _, v := range m.Verdicts {
		if !slices.Contains([]string{"pass", "deny", "mutate", "approve", "abstain"}, v) {
			bad("verdicts: %q is no verdict", v)
		}
	}
	edits := slices.Contains(m.Verdicts, "mutate")
	if len(m.Writes) > 0 && !edits {
		bad("writes: the plugin may not return mutate: add it to verdicts")
	}
	if edits && len(m.Writes) == 0 && !slices.Contains(m.Hooks, "list") {
		bad("verdicts: mutate without a place to edit: add writes")
	}
}
