package replay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// maxValues bounds the values that one field is tried with.
const maxValues = 48

// maxLength bounds texts made for a comparison of lengths.
const maxLength = 4096

// absent stands for a field that is not there.
const absent = ""

// around are values of a field, as JSON, on both sides of what it is compared with: first those that are likely to satisfy a rule.
func around(field string, all []engine.Constant) []string {
	var out []string
	for i := range all {
		for _, v := range one(&all[i]) {
			if isList(field) && !strings.HasPrefix(v, "[") {
				v = "[" + v + "]"
			}
			out = append(out, v)
		}
	}
	if !isList(field) {
		out = append(out, joined(all)...)
	}
	if isList(field) || slices.ContainsFunc(all, func(c engine.Constant) bool { return c.Element || c.Of == condition.AsMember }) {
		out = append(out, `[]`, `["other"]`)
	}
	switch {
	case isList(field):
	case len(out) == 0:
		out = append(out, `"x"`, `true`, `1`, absent)
	default:
		out = append(out, absent)
	}
	return unique(out, maxValues)
}

// isList says that a field is never anything else than a list.
func isList(field string) bool {
	return field == "principal.groups" || field == "principal.roles" || field == "principal.scopes"
}

// unique drops what stands in a list before, and, unless most is negative, what is too much.
func unique[T comparable](all []T, most int) []T {
	seen := map[T]bool{}
	out := slices.DeleteFunc(all, func(v T) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
	if most >= 0 {
		out = out[:min(len(out), most)]
	}
	return out
}

// one are values around one constant.
func one(c *engine.Constant) (out []string) {
	switch v := c.Value.(type) {
	case string:
		if c.Of == condition.AsMember {
			return []string{"[" + quote(v) + "]"}
		}
		for _, s := range aroundText(c.Of, v) {
			out = append(out, quote(s))
		}
	case int64:
		if c.Of == condition.AsLength {
			return ofLength(v)
		}
		out = []string{fmt.Sprint(v), fmt.Sprint(v - 1), fmt.Sprint(v + 1)}
	case uint64:
		out = []string{fmt.Sprint(v), fmt.Sprint(v + 1)}
	case float64:
		for _, f := range []float64{v, v - 0.5, v + 0.5} {
			out = append(out, strconv.FormatFloat(f, 'f', -1, 64))
		}
	case bool:
		out = []string{fmt.Sprint(v), fmt.Sprint(!v)}
	case nil:
		out = []string{"null", `"x"`}
	default: // times are values of now only
		return nil
	}
	if c.Element || c.Of == condition.AsMember {
		for i, v := range out {
			out[i] = "[" + v + "]"
		}
	}
	return out
}

func quote(s string) string { return string(jsonscan.AppendQuote(nil, s)) }

// aroundText are texts that are compared with another in some way, and texts that just are not.
func aroundText(of condition.Comparison, s string) []string {
	short := s
	if s != "" {
		short = s[:len(s)-1]
	}
	short = strings.ToValidUTF8(short, "")
	switch of {
	case condition.AsPrefix:
		return []string{strings.TrimSuffix(s, "/") + "/x", s, s + "x", short, "x" + s, s + "/../x"}
	case condition.AsSuffix:
		return []string{"x" + s, s, s + "x", short}
	case condition.AsPart:
		return []string{"x" + s + "x", s, short, "x"}
	case condition.AsValue, condition.AsLength, condition.AsMember, condition.AsHour, condition.AsWeekday:
	}
	return []string{s, s + "x", short}
}

// joined are texts that satisfy two comparisons at once: a beginning, and something behind it.
func joined(all []engine.Constant) (out []string) {
	for i := range all {
		begin, ok := all[i].Value.(string)
		if !ok || all[i].Of != condition.AsPrefix || all[i].Element {
			continue
		}
		begin = strings.TrimSuffix(begin, "/")
		for j := range all {
			s, ok := all[j].Value.(string)
			switch {
			case !ok || all[j].Element:
			case all[j].Of == condition.AsPart:
				out = append(out, quote(begin+s+"x"), quote(begin+"/x"+s))
			case all[j].Of == condition.AsSuffix:
				out = append(out, quote(begin+"/x"+s))
			}
		}
	}
	return out
}

// ofLength are texts and lists about as long as n.
func ofLength(n int64) (out []string) {
	for _, k := range []int64{n, n - 1, n + 1} {
		if k < 0 || k > maxLength {
			continue
		}
		out = append(out, quote(strings.Repeat("x", int(k))))
		out = append(out, "["+strings.TrimSuffix(strings.Repeat(`"x",`, int(k)), ",")+"]")
	}
	return out
}

// monday is when cases take place that say nothing else.
var monday = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// times are those of now: around each constant, and each hour and day of the week beside those that are asked for.
func times(all []engine.Constant) (out []string) {
	hours, days := []int{monday.Hour()}, []int{0}
	at := func(t time.Time) { out = append(out, t.Format(time.RFC3339Nano)) }
	for i := range all {
		c := &all[i]
		n, _ := c.Value.(int64)
		hour, day := int((n%24+24)%24), int((n%7+7)%7)
		switch t, ok := c.Value.(time.Time); {
		case ok:
			at(t)
			at(t.Add(-time.Second))
			at(t.Add(time.Second))
		case c.Of == condition.AsHour:
			hours = append(hours, hour, (hour+23)%24, (hour+1)%24)
		case c.Of == condition.AsWeekday:
			days = append(days, (day+6)%7, (day+5)%7, day) // from a Monday on
		}
	}
	for _, d := range days {
		for _, h := range hours {
			at(time.Date(2026, 11, 23+d, h, 0, 0, 0, time.UTC))
		}
	}
	return unique(out, maxValues)
}
