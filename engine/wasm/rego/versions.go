package rego

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// version is a semantic version without its metadata, which don't count.
type version struct {
	numbers [3]int64
	before  []string // identifiers of a pre-release
}

var identifiers = regexp.MustCompile(`^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$`)

// parseVersion reads a semantic version, which may begin with v.
func parseVersion(s string) (version, bool) {
	var v version
	s, metadata, found := strings.Cut(strings.TrimPrefix(s, "v"), "+")
	if found && !identifiers.MatchString(metadata) {
		return v, false
	}
	s, before, found := strings.Cut(s, "-")
	if found {
		if !identifiers.MatchString(before) {
			return v, false
		}
		v.before = strings.Split(before, ".")
		for _, id := range v.before {
			if len(id) > 1 && id[0] == '0' && digits(id) {
				return v, false
			}
		}
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil || !digits(p) || len(p) > 1 && p[0] == '0' {
			return v, false
		}
		v.numbers[i] = n
	}
	return v, true
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func compareVersions(_ *Call, s []string) Value {
	a, ok := parseVersion(s[0])
	b, ok2 := parseVersion(s[1])
	if !ok || !ok2 {
		return Undefined
	}
	for i := range a.numbers {
		if c := cmp.Compare(a.numbers[i], b.numbers[i]); c != 0 {
			return Int(c)
		}
	}
	if c := cmp.Compare(truth(a.before == nil), truth(b.before == nil)); c != 0 {
		return Int(c)
	}
	for i := range min(len(a.before), len(b.before)) {
		if c := compareIdentifiers(a.before[i], b.before[i]); c != 0 {
			return Int(c)
		}
	}
	return Int(cmp.Compare(len(a.before), len(b.before)))
}

func compareIdentifiers(a, b string) int {
	switch na, nb := digits(a), digits(b); {
	case na && nb:
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) // neither has zeros in front
	case na != nb:
		return cmp.Compare(truth(!na), truth(!nb))
	}
	return cmp.Compare(a, b)
}
