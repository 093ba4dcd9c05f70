// Package fake plays the host for plugins that run in a test of Go: it answers from a message
// in memory, and enforces what the plugin's manifest declares as ABI.md says.
package fake

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/manifest"
)

// Stages of a plugin's life, where a hook's number isn't.
const (
	Start = -2 // nothing is configured yet
	Boot  = -1 // settings are checked and taken
)

// Failure ends a call: functions of Host panic with one.
type Failure struct{ Type, Text string }

// Detector is a rule of a set of detectors.
type Detector struct {
	Name    string
	Pattern *regexp.Regexp
}

// Host is a host for one plugin. Its zero value has no plugin and fails every function.
type Host struct {
	Manifest *manifest.Manifest
	Grant    Grant
	Tables   map[string]map[string]*manifest.Node // by the capability's name
	Sets     map[string][]Detector
	NowUnix  int64 // in milliseconds
	Lacks    []int32

	Hook    int32
	Message *Message
	Said    Said

	strings []str
	edits   []edit
	said    int // bytes
}

// Grant is what of the manifest is granted. A nil list is all that is declared.
type Grant struct {
	Reads, Strings, Writes []manifest.Path
	Verdicts               []string
}

// Said is what a plugin says beside its verdict.
type Said struct {
	Code, Text, Question string
	Notes                map[string]string
	Labels               []string
	Log                  []Line
}

// Line is a line of the log.
type Line struct {
	Level int32
	Text  string
}

// Begin makes the host ready for a hook and its message.
func (h *Host) Begin(hook int32, m *Message) {
	h.Hook, h.Message, h.Said, h.edits, h.said = hook, m, Said{}, nil, 0
	h.strings = nil
	if m != nil {
		h.strings = h.enumerate()
	}
}

func fail(kind, format string, args ...any) {
	panic(&Failure{kind, fmt.Sprintf(format, args...)})
}

// when checks that a function may be called now, and that the host has its feature.
func (h *Host) when(name string, hook bool, feature int32) {
	switch {
	case h.Manifest == nil:
		fail(abi.FailureABI, "%s: there is no host: use sallyporttest", name)
	case hook && h.Hook < 0:
		fail(abi.FailureABI, "%s was called before the first hook", name)
	case feature == abi.FeatureList && h.Hook != abi.HookList:
		fail(abi.FailureABI, "%s was called outside the list hook", name)
	case slices.Contains(h.Lacks, feature):
		fail(abi.FailureABI, "%s was called, and the host lacks its feature", name)
	}
}

func give(text string, buf []byte) int32 {
	if len(text) <= len(buf) {
		copy(buf, text)
	}
	return int32(len(text))
}

// read returns the path of a field id.
func (h *Host) read(id int32) manifest.Path {
	reads := h.Manifest.Reads[manifest.Hooks[h.Hook]]
	if id < 0 || int(id) >= len(reads) {
		fail(abi.FailureCapability, "%d is no field of this hook", id)
	}
	p, err := manifest.ParsePath(reads[id])
	if err != nil {
		fail(abi.FailureCapability, "%v", err)
	}
	if h.Grant.Reads != nil && !slices.ContainsFunc(h.Grant.Reads, func(q manifest.Path) bool { return q.Text == p.Text }) {
		fail(abi.FailureCapability, "the field %s was not granted", p.Text)
	}
	return p
}

// value returns a field of the message, nil if it is absent or one of items.
func (h *Host) value(p manifest.Path) *manifest.Node {
	n := h.Message.value(p.Name.Name, h.Hook)
	for _, s := range p.Segments {
		n = n.Step(s)
	}
	return n
}

// Field is the ABI's.
func (h *Host) Field(id int32, buf []byte) int32 {
	h.when("field", true, 0)
	p := h.read(id)
	if p.Wild() {
		return abi.CodeWrongType
	}
	n := h.value(p)
	if n == nil {
		return abi.CodeAbsent
	}
	return give(n.Bytes(), buf)
}

// FieldNum is the ABI's.
func (h *Host) FieldNum(id int32) float64 {
	h.when("field_num", true, 0)
	n := h.value(h.read(id))
	if n == nil || n.Kind != abi.KindNumber {
		return math.NaN()
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// FieldKind is the ABI's.
func (h *Host) FieldKind(id int32) int32 {
	h.when("field_kind", true, 0)
	if n := h.value(h.read(id)); n != nil {
		return n.Kind
	}
	return abi.KindAbsent
}

// ItemCount is the ABI's.
func (h *Host) ItemCount() int32 {
	h.when("item_count", true, abi.FeatureList)
	return int32(len(h.Message.items().Elems))
}

// Item is the ABI's.
func (h *Host) Item(index, id int32, buf []byte) int32 {
	h.when("item", true, abi.FeatureList)
	p := h.read(id)
	if p.Name.Name != "items" || !p.Wild() {
		return abi.CodeWrongType
	}
	items := h.Message.items().Elems
	if index < 0 || int(index) >= len(items) {
		return abi.CodeAbsent
	}
	n := items[index]
	for _, s := range p.Segments[1:] {
		n = n.Step(s)
	}
	if n == nil {
		return abi.CodeAbsent
	}
	return give(n.Bytes(), buf)
}

// capability returns the name of a capability id, without its kind.
func (h *Host) capability(id int32, kind string) string {
	list := h.Manifest.Capabilities
	if id < 0 || int(id) >= len(list) {
		fail(abi.FailureCapability, "%d is no capability of the plugin", id)
	}
	name, ok := strings.CutPrefix(list[id], kind+":")
	if !ok {
		fail(abi.FailureCapability, "%s is not for %s", list[id], kind)
	}
	if h.Granted(id) == 0 {
		fail(abi.FailureCapability, "%s was not granted", list[id])
	}
	return name
}

// Granted is the ABI's.
func (h *Host) Granted(id int32) int32 {
	h.when("granted", false, 0)
	if id < 0 || int(id) >= len(h.Manifest.Capabilities) {
		return 0
	}
	kind, name, _ := strings.Cut(h.Manifest.Capabilities[id], ":")
	var granted bool
	if kind == abi.CapabilityKindMatch {
		_, granted = h.Sets[name]
	} else {
		_, granted = h.Tables[name]
	}
	if granted {
		return 1
	}
	return 0
}

// Lookup is the ABI's.
func (h *Host) Lookup(id int32, key string, buf []byte) int32 {
	h.when("lookup", true, abi.FeatureLookup)
	table := h.Tables[h.capability(id, abi.CapabilityKindLookup)]
	n := table[key]
	if n == nil || len(key) > abi.LimitLookupKeyBytes {
		return abi.CodeAbsent
	}
	return give(n.Bytes(), buf)
}

// NowMS is the ABI's.
func (h *Host) NowMS() int64 {
	h.when("now_ms", true, 0)
	if h.Manifest.Deterministic {
		fail(abi.FailureCapability, "now_ms was called, and the manifest says that the plugin is deterministic")
	}
	return h.NowUnix
}

// Feature is the ABI's.
func (h *Host) Feature(id int32) int32 {
	h.when("feature", false, 0)
	if id < abi.FeatureStrings || id > abi.FeatureLookup || slices.Contains(h.Lacks, id) {
		return 0
	}
	return 1
}
