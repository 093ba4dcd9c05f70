package hostapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mistake is one thing that is wrong with a manifest.
type Mistake struct {
	Where   string // such as reads.request[2]
	Problem string
	Fix     string
}

// String writes a mistake on one line.
func (m Mistake) String() string { return m.Where + ": " + m.Problem + ": " + m.Fix }

// ManifestError is everything that is wrong with a manifest.
type ManifestError struct {
	Mistakes []Mistake // at least one
}

// Error lists the mistakes, one on a line.
func (e *ManifestError) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

// maxMistakes is how many mistakes are told of.
const maxMistakes = 50

// mistakes collects what is wrong.
type mistakes []Mistake

// add adds a mistake, unless there is one of the same place, which may be why this one is there.
func (ms *mistakes) add(where, problem, fix string, args ...any) {
	if len(*ms) == maxMistakes || slices.ContainsFunc(*ms, func(m Mistake) bool { return m.Where == where }) {
		return
	}
	*ms = append(*ms, Mistake{where, problem, fmt.Sprintf(fix, args...)})
}

func (ms mistakes) err() error {
	if len(ms) == 0 {
		return nil
	}
	return &ManifestError{ms}
}

func tooLong(n int) error {
	return &ManifestError{[]Mistake{{"manifest", fmt.Sprintf("%d bytes are too many", n), fmt.Sprintf("at most %d", LimitManifestBytes)}}}
}

// ParseManifest reads and validates the content of the custom section ManifestSection. Its
// error is a *ManifestError that lists every mistake.
func ParseManifest(text []byte) (*Manifest, error) {
	if len(text) > LimitManifestBytes {
		return nil, tooLong(len(text))
	}
	n, err := readJSON(text, LimitManifestDepth)
	if err != nil {
		return nil, &ManifestError{[]Mistake{{"manifest", err.Error(), "write one JSON object, in UTF-8, without duplicate names"}}}
	}
	d := decoder{manifest: new(Manifest)}
	d.read(n)
	if n.kind == KindObject {
		d.manifest.validate(&d.mistakes)
	}
	if err := d.mistakes.err(); err != nil {
		return nil, err
	}
	return d.manifest, nil
}

// decoder makes a manifest out of JSON, and goes on after a mistake.
type decoder struct {
	manifest *Manifest
	mistakes mistakes
}

func (d *decoder) wrong(where, want string) {
	d.mistakes.add(where, "not "+want, "write %s", want)
}

func (d *decoder) read(n *node) {
	m := d.manifest
	d.object("manifest", n, []string{"abi"}, map[string]func(string, *node){
		"abi":             d.abi,
		"name":            func(where string, n *node) { m.Name = d.text(where, n) },
		"version":         func(where string, n *node) { m.Version = d.text(where, n) },
		"hooks":           d.hooks,
		"reads":           func(where string, n *node) { m.Reads = d.perHook(where, n) },
		"strings":         func(where string, n *node) { m.Strings = d.perHook(where, n) },
		"writes":          func(where string, n *node) { m.Writes = d.paths(where, n) },
		"verdicts":        d.verdicts,
		"capabilities":    d.capabilities,
		"features":        d.features,
		"settings_schema": d.schema,
		"state":           d.state,
		"deterministic":   func(where string, n *node) { m.Deterministic = d.boolean(where, n) },
		"limits":          d.limits,
		"rego":            d.rego,
		"meta":            d.meta,
	})
}

// object gives each member to its reader.
func (d *decoder) object(where string, n *node, required []string, readers map[string]func(string, *node)) {
	if n.kind != KindObject {
		d.wrong(where, "an object")
		return
	}
	prefix := where + "."
	if where == "manifest" {
		prefix = ""
	}
	for i := range n.members {
		m := &n.members[i]
		read, ok := readers[m.name]
		if !ok {
			known := make([]string, 0, len(readers))
			for k := range readers {
				known = append(known, k)
			}
			slices.Sort(known)
			d.mistakes.add(prefix+brief(m.name), "unknown key", "remove it; there are %s", strings.Join(known, ", "))
			continue
		}
		read(prefix+m.name, &m.value)
	}
	for _, name := range required {
		if n.get(name) == nil {
			d.mistakes.add(prefix+name, "missing", "add it")
		}
	}
}

// list gives each element to read.
func (d *decoder) list(where string, n *node, read func(where string, n *node)) {
	if n.kind != KindArray {
		d.wrong(where, "a list")
		return
	}
	for i := range n.elems {
		read(where+"["+strconv.Itoa(i)+"]", &n.elems[i])
	}
}

// text reads a string; what is none reads as empty.
func (d *decoder) text(where string, n *node) string {
	if n.kind != KindString {
		d.wrong(where, "a string")
	}
	return n.text
}

func (d *decoder) boolean(where string, n *node) bool {
	if n.kind != KindTrue && n.kind != KindFalse {
		d.wrong(where, "true or false")
	}
	return n.kind == KindTrue
}

// integer reads a number from 1 to limit.
func (d *decoder) integer(where string, n *node, limit int64) int64 {
	i, err := strconv.ParseInt(n.text, 10, 64)
	if n.kind != KindNumber || err != nil || i < 1 || i > limit {
		d.wrong(where, fmt.Sprintf("a whole number from 1 to %d", limit))
		return 0
	}
	return i
}

func (d *decoder) abi(where string, n *node) {
	if got := d.text(where, n); got != ABI {
		d.mistakes.add(where, brief(got)+" is not an ABI that this host has", "build the plugin for %s", ABI)
	}
}

func (d *decoder) state(where string, n *node) {
	if got := d.text(where, n); got != StateNone {
		d.mistakes.add(where, brief(got)+" is not a state", `write "none": plugins keep nothing between calls`)
	}
}

// What can't be read is kept as a value that Validate refuses, so that places in lists stay right.

func (d *decoder) hooks(where string, n *node) {
	d.list(where, n, func(where string, n *node) {
		h, ok := ParseHook(d.text(where, n))
		if !ok {
			h = -1
			d.mistakes.add(where, brief(n.text)+" is not a hook", hooksFix)
		}
		d.manifest.Hooks = append(d.manifest.Hooks, h)
	})
}

func (d *decoder) verdicts(where string, n *node) {
	d.list(where, n, func(where string, n *node) {
		v, ok := ParseVerdict(d.text(where, n))
		if !ok {
			v = -1
			d.mistakes.add(where, brief(n.text)+" is not a verdict", verdictsFix)
		}
		d.manifest.Verdicts = append(d.manifest.Verdicts, v)
	})
}

func (d *decoder) capabilities(where string, n *node) {
	d.list(where, n, func(where string, n *node) {
		c, err := ParseCapability(d.text(where, n))
		if err != nil {
			d.mistakes.add(where, err.Error(), capabilityFix)
		}
		d.manifest.Capabilities = append(d.manifest.Capabilities, c)
	})
}

func (d *decoder) paths(where string, n *node) (out []Path) {
	d.list(where, n, func(where string, n *node) {
		p, err := ParsePath(d.text(where, n))
		if wrong := (*PathError)(nil); errors.As(err, &wrong) {
			d.mistakes.add(where, fmt.Sprintf("%s: byte %d: %s", brief(wrong.Path), wrong.Offset, wrong.Reason), "%s", wrong.Fix)
		}
		out = append(out, p)
	})
	return out
}

func (d *decoder) perHook(where string, n *node) map[Hook][]Path {
	out := map[Hook][]Path{}
	if n.kind != KindObject {
		d.wrong(where, "an object")
		return out
	}
	for i := range n.members {
		m := &n.members[i]
		h, ok := ParseHook(m.name)
		if !ok {
			d.mistakes.add(where+"."+brief(m.name), "not a hook", hooksFix)
			continue
		}
		out[h] = d.paths(where+"."+m.name, &m.value)
	}
	return out
}

func (d *decoder) features(where string, n *node) {
	names := func(into *[]string) func(string, *node) {
		return func(where string, n *node) {
			d.list(where, n, func(where string, n *node) { *into = append(*into, d.text(where, n)) })
		}
	}
	d.object(where, n, nil, map[string]func(string, *node){
		"require": names(&d.manifest.Require), "optional": names(&d.manifest.Optional),
	})
}

func (d *decoder) schema(_ string, n *node) {
	var b bytes.Buffer
	if json.Compact(&b, n.raw) == nil {
		d.manifest.SettingsSchema = b.Bytes()
	}
}

func (d *decoder) limits(where string, n *node) {
	l := &d.manifest.Limits
	d.object(where, n, nil, map[string]func(string, *node){
		"pages": func(where string, n *node) { l.Pages = int(d.integer(where, n, LimitPages)) },
		"fuel":  func(where string, n *node) { l.Fuel = d.integer(where, n, LimitFuel) },
		"deadline_ms": func(where string, n *node) {
			l.Deadline = time.Duration(d.integer(where, n, LimitDeadlineMS)) * time.Millisecond
		},
	})
}

func (d *decoder) meta(where string, n *node) {
	d.manifest.Meta = map[string]string{}
	if n.kind != KindObject {
		d.wrong(where, "an object")
		return
	}
	for i := range n.members {
		m := &n.members[i]
		if m.value.kind != KindString {
			d.wrong(where+"."+brief(m.name), "a string")
			continue
		}
		d.manifest.Meta[m.name] = m.value.text
	}
}
