package hostapi

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	nameForm       = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	capabilityForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	featureForm    = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	versionForm    = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)` +
		`(-(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?` +
		`(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$`)
)

const (
	verdictsFix   = "one of pass, deny, mutate, approve, abstain"
	hooksFix      = "one of request, response, list"
	capabilityFix = "write match:NAME or lookup:NAME; a NAME is of a-z, 0-9, `.`, `_` and `-`"
)

// Validate reports everything that is wrong with a manifest, as a *ManifestError.
func (m *Manifest) Validate() error {
	var ms mistakes
	m.validate(&ms)
	return ms.err()
}

func (m *Manifest) validate(ms *mistakes) {
	m.checkNames(ms)
	m.checkHooks(ms)
	m.checkReads(ms)
	m.checkStrings(ms)
	m.checkWrites(ms)
	m.checkVerdicts(ms)
	m.checkCapabilities(ms)
	m.checkFeatures(ms)
	m.checkSettings(ms)
	m.checkLimits(ms)
	m.checkRego(ms)
	m.checkMeta(ms)
}

// brief quotes a text that a stranger wrote, shortened.
func brief(s string) string {
	const most = 40
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}

func (m *Manifest) checkNames(ms *mistakes) {
	switch {
	case m.Name == "":
		ms.add("name", "missing", "give the plugin a name, such as redact-pii")
	case !nameForm.MatchString(m.Name) || len(m.Name) > LimitNameBytes:
		ms.add("name", brief(m.Name)+" is not a name of a plugin", "write words of a-z and 0-9 with - between them; at most %d bytes", LimitNameBytes)
	}
	switch {
	case m.Version == "":
		ms.add("version", "missing", "give the plugin a version, such as 1.0.0")
	case !versionForm.MatchString(m.Version) || len(m.Version) > LimitNameBytes:
		ms.add("version", brief(m.Version)+" is not a semantic version", "write MAJOR.MINOR.PATCH, such as 1.0.0; at most %d bytes", LimitNameBytes)
	}
}

func (m *Manifest) checkHooks(ms *mistakes) {
	if len(m.Hooks) == 0 {
		ms.add("hooks", "missing", "name at least one: request, response, list")
	}
	for i, h := range m.Hooks {
		where := at("hooks", i)
		if h.Export() == "" {
			ms.add(where, h.String()+" is not a hook", hooksFix)
		}
		if slices.Contains(m.Hooks[:i], h) {
			ms.add(where, h.String()+" stands twice", "remove one")
		}
	}
}

func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// each goes over the lists of hooks in order.
func (m *Manifest) each(ms *mistakes, what string, limit int, lists map[Hook][]Path, check func(where string, h Hook, p Path)) {
	for _, h := range slices.Sorted(maps.Keys(lists)) {
		where := what + "." + h.String()
		if !slices.Contains(m.Hooks, h) {
			ms.add(where, "the plugin does not have this hook", "add it to hooks, or remove the list")
			continue
		}
		checkPaths(ms, where, limit, lists[h], func(where string, p Path) { check(where, h, p) })
	}
}

// checkPaths checks what holds for every list of paths, and then each path by itself.
func checkPaths(ms *mistakes, list string, limit int, paths []Path, check func(where string, p Path)) {
	checkOrder(ms, list, limit, paths)
	for i, p := range paths {
		where := at(list, i)
		if p.IsZero() {
			ms.add(where, "no path", "write one, or remove it")
			continue
		}
		check(where, p)
	}
}

// checkOrder checks a list whose order says something.
func checkOrder[T fmt.Stringer](ms *mistakes, list string, limit int, values []T) {
	if len(values) > limit {
		ms.add(list, fmt.Sprintf("%d are too many", len(values)), "at most %d", limit)
	}
	for i := 1; i < len(values); i++ {
		before, this := values[i-1].String(), values[i].String()
		switch {
		case this == "": // no path, which is said elsewhere
		case this == before:
			ms.add(at(list, i), brief(this)+" stands twice", "remove one")
		case this < before:
			ms.add(at(list, i), fmt.Sprintf("%s stands after %s", brief(this), brief(before)), "sort the list by its bytes: an index into it is an id")
		}
	}
}

func (m *Manifest) checkReads(ms *mistakes) {
	m.each(ms, "reads", LimitReads, m.Reads, func(where string, h Hook, p Path) {
		n := p.Name()
		if !slices.Contains(n.Hooks, h) {
			ms.add(where, n.Name+" is not there in the "+h.String()+" hook", "remove it, or move it to a hook that has it: %s", join(n.Hooks))
		}
		for i, s := range p.Segments() {
			if s.Kind == SegmentAny && (i > 0 || n.Name != "items") {
				ms.add(where, brief(p.String())+" is more than one value", "read the array and look into its JSON, or put the path into strings; [*] may stand after items only")
			}
		}
	})
}

func (m *Manifest) checkStrings(ms *mistakes) {
	m.each(ms, "strings", LimitStrings, m.Strings, func(where string, h Hook, p Path) {
		if n := p.Name(); !slices.Contains(n.Edit, h) {
			ms.add(where, n.Name+" is not a part of the message that the "+h.String()+" hook judges", "remove it, or put it into reads; strings may be of %s", editable(h))
		}
	})
	for _, h := range Hooks() {
		checkApart(ms, "strings."+h.String(), m.Strings[h])
	}
}

// checkApart refuses paths that share a place: its strings would have two indexes.
func checkApart(ms *mistakes, list string, paths []Path) {
	for i, p := range paths {
		for _, q := range paths[:i] {
			if p.Meets(q) {
				ms.add(at(list, i), fmt.Sprintf("%s and %s share places", brief(q.String()), brief(p.String())), "remove one of them")
			}
		}
	}
}

func (m *Manifest) checkWrites(ms *mistakes) {
	checkPaths(ms, "writes", LimitWrites, m.Writes, func(where string, p Path) {
		n := p.Name()
		if !slices.ContainsFunc(n.Edit, func(h Hook) bool { return slices.Contains(m.Hooks, h) }) {
			ms.add(where, n.Name+" is not a part of a message that the plugin judges", "%s", writesFix(n))
			return
		}
		for _, text := range protected {
			if q, err := ParsePath(text); err == nil && p.Meets(q) {
				ms.add(where, brief(p.String())+" holds "+text+", which says what a message is or whose", "name the places beside it that the plugin edits")
			}
		}
	})
	checkApart(ms, "writes", m.Writes)
	edits := slices.Contains(m.Verdicts, VerdictMutate)
	switch {
	case len(m.Writes) > 0 && !edits:
		ms.add("writes", "the plugin may not return mutate", `add "mutate" to verdicts, or remove writes`)
	case edits && len(m.Writes) == 0 && !slices.Contains(m.Hooks, HookList):
		ms.add("verdicts", "mutate without a place to edit", "add writes, or remove mutate")
	}
}

func writesFix(n Name) string {
	if len(n.Edit) == 0 {
		return "remove it: nothing there can be edited"
	}
	return "remove it, or add one of these hooks: " + join(n.Edit)
}

func (m *Manifest) checkVerdicts(ms *mistakes) {
	for i, v := range m.Verdicts {
		where := at("verdicts", i)
		if _, ok := ParseVerdict(v.String()); !ok {
			ms.add(where, v.String()+" is not a verdict", verdictsFix)
		}
		if slices.Contains(m.Verdicts[:i], v) {
			ms.add(where, v.String()+" stands twice", "remove one")
		}
	}
}

func (m *Manifest) checkCapabilities(ms *mistakes) {
	checkOrder(ms, "capabilities", LimitCapabilities, m.Capabilities)
	for i, c := range m.Capabilities {
		if err := c.check(); err != nil {
			ms.add(at("capabilities", i), err.Error(), capabilityFix)
		}
	}
}

func (m *Manifest) checkFeatures(ms *mistakes) {
	if n := len(m.Require) + len(m.Optional); n > LimitFeatures {
		ms.add("features", fmt.Sprintf("%d are too many", n), "at most %d", LimitFeatures)
		return
	}
	check := func(list string, names, before []string) {
		for i, name := range names {
			where := at(list, i)
			if !featureForm.MatchString(name) || len(name) > LimitNameBytes {
				ms.add(where, brief(name)+" is not a name of a feature", "write letters of a-z, digits and _; at most %d bytes", LimitNameBytes)
			}
			if slices.Contains(before, name) || slices.Contains(names[:i], name) {
				ms.add(where, brief(name)+" stands twice", "remove one")
			}
		}
	}
	check("features.require", m.Require, nil)
	check("features.optional", m.Optional, m.Require)
	for i, name := range m.Require {
		if _, ok := ParseFeature(name); !ok {
			ms.add(at("features.require", i), brief(name)+" is not a feature that this host has", "use a newer host, or move the feature to features.optional")
		}
	}
}

func (m *Manifest) checkSettings(ms *mistakes) {
	if m.SettingsSchema == nil {
		return
	}
	n, err := readJSON(m.SettingsSchema, LimitManifestDepth-1)
	switch {
	case err != nil:
		ms.add("settings_schema", err.Error(), "write a JSON Schema (2020-12)")
	case n.kind != KindObject:
		ms.add("settings_schema", "not an object", "write a JSON Schema (2020-12), or remove it: a plugin without it takes no settings")
	}
}

func (m *Manifest) checkLimits(ms *mistakes) {
	l := m.Limits
	if l.Pages < 0 || l.Pages > LimitPages {
		ms.add("limits.pages", strconv.Itoa(l.Pages)+" is out of bounds", "write 1 to %d", LimitPages)
	}
	if l.Fuel < 0 || l.Fuel > LimitFuel {
		ms.add("limits.fuel", strconv.FormatInt(l.Fuel, 10)+" is out of bounds", "write 1 to %d", int64(LimitFuel))
	}
	if l.Deadline < 0 || l.Deadline > LimitDeadlineMS*time.Millisecond || l.Deadline%time.Millisecond != 0 {
		ms.add("limits.deadline_ms", l.Deadline.String()+" is out of bounds", "write 1 to %d, in whole milliseconds", LimitDeadlineMS)
	}
}

func (m *Manifest) checkMeta(ms *mistakes) {
	if len(m.Meta) > LimitMeta {
		ms.add("meta", fmt.Sprintf("%d members are too many", len(m.Meta)), "at most %d", LimitMeta)
		return
	}
	for _, k := range slices.Sorted(maps.Keys(m.Meta)) {
		v, where := m.Meta[k], "meta."+brief(k)
		switch {
		case k == "" || len(k) > LimitKeyBytes:
			ms.add(where, "the name is empty or too long", "write 1 to %d bytes", LimitKeyBytes)
		case len(v) > LimitTextBytes:
			ms.add(where, fmt.Sprintf("%d bytes are too many", len(v)), "at most %d", LimitTextBytes)
		case !utf8.ValidString(k + v):
			ms.add(where, "not UTF-8", "write UTF-8")
		}
	}
}

// editable lists the names that strings of a hook may begin with.
func editable(h Hook) string {
	var out []string
	for i := range names {
		if slices.Contains(names[i].Edit, h) {
			out = append(out, names[i].Name)
		}
	}
	return strings.Join(out, ", ")
}

func join[T fmt.Stringer](values []T) string { return strings.Join(texts(values), ", ") }
