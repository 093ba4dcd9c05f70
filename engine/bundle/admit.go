package bundle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// Terms are what a gateway is, for a bundle to be meant for it.
type Terms struct {
	Now       time.Time
	Sallyport string   // the gateway's version; one that isn't numbers with dots between them is newer than any
	Audience  string   // the name that the gateway goes by; "": none
	Bundle    string   // the name that the bundle must have; "": any, or that of Last
	Last      *Archive // the bundle that was active last; nil: none
}

// Admit says whether a bundle is meant for a gateway, now. Its error is a source.Diagnostics with every reason why it isn't.
func (a *Archive) Admit(t Terms) error {
	m, at := a.Manifest, source.Pos{File: a.File}
	var ds source.Diagnostics
	refuse := func(code, message, help string) { ds = append(ds, at.Diagnose(code, message, help)) }
	if olderThan(t.Sallyport, m.Sallyport) {
		refuse("SP8020", fmt.Sprintf("the bundle needs Sallyport %s or newer; this is %s", m.Sallyport, t.Sallyport), "upgrade the gateway first")
	}
	if !slices.Contains(policy.Envs(), m.Environment) {
		refuse("SP8021", fmt.Sprintf("the bundle is written for the CEL environment %s, which this Sallyport doesn't have", quoted(m.Environment)), "it has "+strings.Join(policy.Envs(), ", ")+"; upgrade the gateway first")
	}
	if m.Expired(t.Now) {
		refuse("SP8110", "the bundle has expired at "+m.Expires, "build a new version of it")
	}
	switch {
	case m.Audience == nil || slices.Contains(m.Audience, t.Audience):
	case t.Audience == "":
		refuse("SP8111", "the bundle is for "+strings.Join(m.Audience, ", ")+", and this gateway doesn't say who it is", "say so in the config: `bundle: { audience: NAME }`")
	default:
		refuse("SP8111", fmt.Sprintf("the bundle is for %s, and this is `%s`", strings.Join(m.Audience, ", "), t.Audience), "build it for this audience, too")
	}
	ds = append(ds, a.succeeds(t)...)
	return ds.Err()
}

// succeeds says whether a bundle may come after the one that was active last.
func (a *Archive) succeeds(t Terms) source.Diagnostics {
	m, at, want := a.Manifest, source.Pos{File: a.File}, t.Bundle
	if want == "" && t.Last != nil {
		want = t.Last.Manifest.Name
	}
	if want != "" && m.Name != want {
		return source.Diagnostics{at.Diagnose("SP8112", fmt.Sprintf("the bundle is `%s`, and not `%s`", m.Name, want), "name the bundle that this gateway follows in the trust file: `bundle: NAME`")}
	}
	if t.Last == nil || t.Last.Manifest.Name != m.Name {
		return nil
	}
	switch was := t.Last.Manifest.Version; {
	case m.Version < was:
		return source.Diagnostics{at.Diagnose("SP8113", fmt.Sprintf("the bundle has version %d, and version %d was active already", m.Version, was), "to go back, build the old files under a higher version")}
	case m.Version == was && a.Revision != t.Last.Revision:
		return source.Diagnostics{at.Diagnose("SP8114", fmt.Sprintf("the bundle has version %d, and another bundle of that version was active already", m.Version), "build it under a higher version")}
	}
	return nil
}

// olderThan compares versions of three numbers. A wanted version was checked when the manifest was.
func olderThan(is, wanted string) bool {
	is, _, _ = strings.Cut(strings.TrimPrefix(is, "v"), "-")
	if wanted == "" || !sallyportForm.MatchString(is) {
		return false
	}
	have, want := strings.Split(is, "."), strings.Split(wanted, ".")
	return slices.CompareFunc(have, want, func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	}) < 0
}
