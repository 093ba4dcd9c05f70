package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

// render writes a path as rules do.
func render(path []condition.Step) string {
	var b strings.Builder
	b.WriteString("args")
	for _, s := range path {
		switch {
		case s.Kind != condition.Field:
			b.WriteString("[]")
		case strings.ContainsFunc(s.Name, func(r rune) bool { return r != '_' && (r < '0' || 'z' < r || '9' < r && r < 'A' || 'Z' < r && r < 'a') }):
			fmt.Fprintf(&b, "[%q]", s.Name)
		default:
			b.WriteString("." + s.Name)
		}
	}
	return b.String()
}

// suggestion says which of the known names is meant, or which there are.
func suggestion(name string, known []string, list string) string {
	if s, ok := source.Suggest(name, known); ok {
		return fmt.Sprintf("did you mean `%s`?", s)
	}
	const most = 12
	known = slices.Compact(slices.Sorted(slices.Values(known)))
	switch {
	case len(known) == 0:
		return ""
	case len(known) > most:
		return fmt.Sprintf("%s: %s and %d more", list, strings.Join(known[:most], ", "), len(known)-most)
	}
	return fmt.Sprintf("%s: %s", list, strings.Join(known, ", "))
}

// show writes a scalar as a condition does.
func show(k jsonscan.Kind, text string) string {
	switch k {
	case jsonscan.String:
		return strconv.Quote(text)
	case jsonscan.Number:
		return text
	default:
		return k.String()
	}
}

// nameKinds names the kinds of a value: "a string or a number".
func nameKinds(kinds jsonscan.Kinds) string {
	names := []struct {
		kinds jsonscan.Kinds
		name  string
	}{
		{jsonscan.KindsOf(jsonscan.True, jsonscan.False), "true or false"},
		{jsonscan.KindsOf(jsonscan.Number), "a number"},
		{jsonscan.KindsOf(jsonscan.String), "a string"},
		{jsonscan.KindsOf(jsonscan.Array), "a list"},
		{jsonscan.KindsOf(jsonscan.Object), "an object"},
		{jsonscan.KindsOf(jsonscan.Null), "null"},
	}
	var found []string
	for _, n := range names {
		if kinds&n.kinds != 0 {
			found = append(found, n.name)
		}
	}
	return strings.Join(found, " or ")
}

// typeHelp says what can be done of a type.
func typeHelp(kinds jsonscan.Kinds, as string) string {
	switch {
	case kinds == jsonscan.KindsOf(jsonscan.Number) && strings.HasSuffix(as, "a string"):
		return "write the number without quotes"
	case kinds == jsonscan.KindsOf(jsonscan.String) && strings.HasSuffix(as, "a number"):
		return "write the value in quotes, or convert the argument: int(...)"
	case kinds == jsonscan.KindsOf(jsonscan.String) && strings.HasSuffix(as, "a timestamp"):
		return "convert the argument: timestamp(...)"
	}
	return "the schema of the tool, in " + toolset.FileName + ", says what it is"
}
