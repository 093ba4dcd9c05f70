// Package format gives policies the spelling and the layout that are certain: names in conditions in canonical spelling, lines without
// blanks at their ends. What a policy decides, its comments and the rest of its layout stay as they are.
package format

import (
	"errors"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

var errChanged = errors.New("formatted, the file would say something else")

// File formats a file: policies, and whatever YAML stands beside them, of which only the layout is looked at. The error is a
// source.Diagnostics where the file has mistakes.
func File(env *condition.Env, name string, data []byte) ([]byte, error) {
	roots, ds := source.Parse(name, data)
	if err := ds.Err(); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(roots, func(root *source.Node) bool { return root.Get("kind").Text().Value == "Policy" }) {
		renamed, err := rename(env, name, data)
		if err != nil {
			return nil, err
		}
		data = renamed
	}
	return source.Tidy(name, data), nil
}

// rename makes the names in the expressions of policies canonical.
func rename(env *condition.Env, name string, data []byte) ([]byte, error) {
	policies, ds := policy.Parse(name, data)
	if err := ds.Err(); err != nil {
		return nil, err
	}
	var changes []source.Change
	for _, p := range policies {
		for _, text := range expressions(p) {
			changes = append(changes, inFile(text, env.Renames(text, true))...)
		}
	}
	if len(changes) == 0 {
		return data, nil
	}
	after := source.Apply(data, changes)
	again, ds := policy.Parse(name, after)
	if ds.HasErrors() || !means(env, policies, again) {
		return nil, errChanged
	}
	return after, nil
}

// expressions are the texts of a policy that are CEL.
func expressions(p *policy.Policy) []source.Text {
	var all []source.Text
	for _, v := range p.Variables {
		all = append(all, v.Expression)
	}
	for i := range p.Rules {
		all = append(all, p.Rules[i].When, p.Rules[i].Message)
	}
	return all
}

// inFile moves renames to where they stand in the file. A name that the file spells with escapes, or over two lines, is left as it is.
func inFile(text source.Text, renames []condition.Rename) []source.Change {
	var changes []source.Change
	for _, r := range renames {
		if from, to, ok := text.Range(r.From, r.To); ok {
			changes = append(changes, source.Change{From: from, To: to, New: r.New})
		}
	}
	return changes
}

// means says that policies have the same texts as before, but for names in other spellings.
func means(env *condition.Env, before, after []*policy.Policy) bool {
	return slices.EqualFunc(before, after, func(a, b *policy.Policy) bool {
		var old, now []string
		a.Texts(func(t source.Text) { old = append(old, t.Value) })
		b.Texts(func(t source.Text) { now = append(now, t.Value) })
		renamed := map[string]string{}
		for _, text := range expressions(a) {
			renamed[text.Value] = apply(text.Value, env.Renames(text, true), text)
		}
		return slices.EqualFunc(old, now, func(was, is string) bool { return was == is || renamed[was] == is })
	})
}

// apply makes in a text the renames that are made in the file.
func apply(value string, renames []condition.Rename, text source.Text) string {
	var changes []source.Change
	for _, r := range renames {
		if _, _, ok := text.Range(r.From, r.To); ok {
			changes = append(changes, source.Change(r))
		}
	}
	return string(source.Apply([]byte(value), changes))
}
