package rego

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// times are the builtins on times. Times are in UTC: the rules of other zones are files of the
// machine, and change.
var times = []Builtin{
	{Name: "time.now_ns", Clock: true, Do: func(c *Call, _ []Value) (Value, error) { return Int(c.Now), nil }},
	{Name: "time.parse_ns", Args: 2, Do: withTexts(func(_ *Call, s []string) Value {
		t, err := time.Parse(layout(s[0]), s[1])
		return nanoseconds(t, err)
	})},
	{Name: "time.parse_rfc3339_ns", Args: 1, Do: withTexts(func(_ *Call, s []string) Value {
		t, err := time.Parse(time.RFC3339, s[0])
		return nanoseconds(t, err)
	})},
	{Name: "time.parse_duration_ns", Args: 1, Do: withTexts(func(_ *Call, s []string) Value { return duration(s[0]) })},
	{Name: "time.format", Args: 1, Do: ofTime(func(t time.Time, format string) Value {
		if format == "" {
			return t.Format(time.RFC3339Nano)
		}
		return t.Format(layout(format))
	})},
	{Name: "time.date", Args: 1, Do: ofTime(func(t time.Time, _ string) Value {
		y, m, d := t.Date()
		return ints(y, int(m), d)
	})},
	{Name: "time.clock", Args: 1, Do: ofTime(func(t time.Time, _ string) Value { return ints(t.Clock()) })},
	{Name: "time.weekday", Args: 1, Do: ofTime(func(t time.Time, _ string) Value { return t.Weekday().String() })},
	{Name: "time.add_date", Args: 4, Do: addDate},
	{Name: "time.diff", Args: 2, Do: difference},
}

func ints(list ...int) Array {
	out := make(Array, len(list))
	for i, n := range list {
		out[i] = Int(n)
	}
	return out
}

// layouts are those that a policy may name.
var layouts = map[string]string{
	"ANSIC": time.ANSIC, "UnixDate": time.UnixDate, "RubyDate": time.RubyDate, "RFC822": time.RFC822, "RFC822Z": time.RFC822Z, "RFC850": time.RFC850,
	"RFC1123": time.RFC1123, "RFC1123Z": time.RFC1123Z, "RFC3339": time.RFC3339, "RFC3339Nano": time.RFC3339Nano,
}

func layout(name string) string {
	if l, ok := layouts[name]; ok {
		return l
	}
	return name
}

// nanoseconds is a time as a number, Undefined if it doesn't fit.
func nanoseconds(t time.Time, err error) Value {
	if err != nil || t.Before(time.Unix(0, -1<<63)) || t.After(time.Unix(0, 1<<63-1)) {
		return Undefined
	}
	return Int(t.UnixNano())
}

var errZone = errors.New("times are in UTC here: a time zone depends on the files of the machine")

// timeOf reads a time: nanoseconds, or a list of them, a zone and a format.
func timeOf(v Value) (t time.Time, format string, ok bool, err error) {
	list, isList := v.(Array)
	if !isList {
		list = Array{v}
	}
	if len(list) == 0 {
		return t, "", false, nil
	}
	n, ok := list[0].(Number)
	if !ok {
		return t, "", false, nil
	}
	rest, ok := allTexts(list[1:min(len(list), 3)])
	if !ok {
		return t, "", false, nil
	}
	if len(rest) > 0 && rest[0] != "" && rest[0] != "UTC" {
		return t, "", false, errZone
	}
	if len(rest) > 1 {
		format = rest[1]
	}
	f, ok := n.float()
	if !ok {
		return t, "", false, nil
	}
	ns, exact := f.Int64()
	return time.Unix(0, ns).UTC(), format, exact == big.Exact, nil
}

func ofTime(f func(t time.Time, format string) Value) func(*Call, []Value) (Value, error) {
	return func(_ *Call, args []Value) (Value, error) {
		t, format, ok, err := timeOf(args[0])
		if err != nil || !ok {
			return Undefined, err
		}
		return f(t, format), nil
	}
}

func addDate(_ *Call, args []Value) (Value, error) {
	t, _, ok, err := timeOf(args[0])
	if err != nil || !ok {
		return Undefined, err
	}
	var by [3]int
	for i, v := range args[1:] {
		n, ok := v.(Number)
		if !ok {
			return Undefined, nil
		}
		k, ok := n.Int64()
		if !ok {
			return Undefined, nil
		}
		by[i] = int(k)
	}
	return nanoseconds(t.AddDate(by[0], by[1], by[2]), nil), nil
}

// difference is what lies between two times, in years, months, days, hours, minutes and seconds.
func difference(_ *Call, args []Value) (Value, error) {
	a, _, ok, err := timeOf(args[0])
	if err != nil || !ok {
		return Undefined, err
	}
	b, _, ok, err := timeOf(args[1])
	if err != nil || !ok {
		return Undefined, err
	}
	if a.After(b) {
		a, b = b, a
	}
	parts := func(t time.Time) [6]int {
		y, m, d := t.Date()
		h, minute, s := t.Clock()
		return [6]int{y, int(m), d, h, minute, s}
	}
	from, to := parts(a), parts(b)
	month := time.Date(from[0], time.Month(from[1])+1, 0, 0, 0, 0, 0, time.UTC).Day()
	borrow := [6]int{0, 12, month, 24, 60, 60}
	var out [6]int
	for i := 5; i >= 0; i-- {
		out[i] += to[i] - from[i]
		if out[i] < 0 && i > 0 {
			out[i] += borrow[i]
			out[i-1]--
		}
	}
	return ints(out[:]...), nil
}

// duration reads a duration as Go writes it, and the units d, w and y besides, which are 24 hours, 7
// days and 365 days.
func duration(s string) Value {
	hours := map[byte]float64{'d': 24, 'w': 7 * 24, 'y': 365 * 24}
	if !strings.ContainsAny(s, "dwy") {
		d, err := time.ParseDuration(s)
		return orUndefined(Int(int64(d)), err)
	}
	var b strings.Builder
	number := 0 // where it begins
	for i := range len(s) {
		c := s[i]
		if n, ok := hours[c]; ok {
			v, err := strconv.ParseFloat(s[number:i], 64)
			if err != nil || strings.Trim(s[number:i], "0123456789.") != "" {
				return Undefined
			}
			b.WriteString(strconv.FormatFloat(v*n, 'f', -1, 64) + "h")
			number = i + 1
		} else if c != '.' && (c < '0' || c > '9') {
			b.WriteString(s[number : i+1])
			number = i + 1
		}
	}
	d, err := time.ParseDuration(b.String() + s[number:])
	return orUndefined(Int(int64(d)), err)
}
