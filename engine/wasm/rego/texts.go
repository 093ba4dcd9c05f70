package rego

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// texts are the builtins on texts and patterns.
var texts = []Builtin{
	{Name: "sprintf", Args: 2, Do: sprintf},
	{Name: "strings.count", Args: 2, Do: withTexts(func(_ *Call, s []string) Value { return Int(strings.Count(s[0], s[1])) })},
	{Name: "strings.any_prefix_match", Args: 2, Do: anyAffix(strings.HasPrefix)},
	{Name: "strings.any_suffix_match", Args: 2, Do: anyAffix(strings.HasSuffix)},
	{Name: "strings.split_n", Args: 3, Do: splitN},
	{Name: "indexof_n", Args: 2, Do: withTexts(indexesOf)},
	{Name: "glob.quote_meta", Args: 1, Do: withTexts(func(_ *Call, s []string) Value { return quoteMeta(s[0]) })},
	{Name: "regex.replace", Args: 3, Do: regexReplace},
	{Name: "regex.split", Args: 2, Do: regexSplit},
	{Name: "regex.find_n", Args: 3, Do: regexFind},
	{Name: "semver.is_valid", Args: 1, Do: func(_ *Call, args []Value) (Value, error) {
		s, ok := args[0].(string)
		if ok {
			_, ok = parseVersion(s)
		}
		return ok, nil
	}},
	{Name: "semver.compare", Args: 2, Do: withTexts(compareVersions)},
	// Where tracing is not asked for, which it can't be here, these say that they have done it.
	{Name: "trace", Args: 1, Do: func(*Call, []Value) (Value, error) { return true, nil }},
}

// withTexts is a builtin that is undefined unless all its arguments are texts.
func withTexts(f func(c *Call, s []string) Value) func(*Call, []Value) (Value, error) {
	return func(c *Call, args []Value) (Value, error) {
		s, ok := allTexts(args)
		if !ok {
			return Undefined, nil
		}
		return f(c, s), nil
	}
}

func allTexts(list []Value) ([]string, bool) {
	out := make([]string, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		out[i] = s
	}
	return out, true
}

func arrayOf(list []string) Array {
	out := make(Array, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// textsOf returns the texts of a list or a set, or the one text.
func textsOf(v Value) ([]string, bool) {
	if s, ok := v.(string); ok {
		return []string{s}, true
	}
	list, ok := elements(v)
	if !ok {
		return nil, false
	}
	return allTexts(list)
}

func anyAffix(has func(s, affix string) bool) func(*Call, []Value) (Value, error) {
	return func(c *Call, args []Value) (Value, error) {
		all, ok := textsOf(args[0])
		affixes, ok2 := textsOf(args[1])
		if !ok || !ok2 {
			return Undefined, nil
		}
		c.Charge(int64(len(all)) * int64(len(affixes)))
		return slices.ContainsFunc(all, func(s string) bool {
			return slices.ContainsFunc(affixes, func(a string) bool { return has(s, a) })
		}), nil
	}
}

// splitN returns the first n parts of a text, or the last -n.
func splitN(_ *Call, args []Value) (Value, error) {
	s, ok := allTexts(args[:2])
	number, ok2 := args[2].(Number)
	if !ok || !ok2 {
		return Undefined, nil
	}
	n, ok := number.Int64()
	if !ok {
		return Undefined, nil
	}
	parts := strings.Split(s[0], s[1])
	if count := int64(len(parts)); n >= 0 {
		parts = parts[:min(n, count)]
	} else {
		parts = parts[max(count+n, 0):]
	}
	return arrayOf(parts), nil
}

func indexesOf(c *Call, s []string) Value {
	if s[1] == "" {
		return Undefined
	}
	out := Array{}
	for at, runes := 0, 0; ; {
		i := strings.Index(s[0][at:], s[1])
		if i < 0 {
			return out
		}
		c.Charge(int64(len(s[1])))
		runes += utf8.RuneCountInString(s[0][at : at+i])
		out = append(out, Int(runes))
		_, size := utf8.DecodeRuneInString(s[0][at+i:])
		at, runes = at+i+size, runes+1
	}
}

func quoteMeta(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(`*?\[]{}`, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

var errTooLong = errors.New("the result would become too long")

// maxText bounds the text that a builtin makes of little, about, and maxElements the list.
const (
	maxText     = 2 << 20
	maxElements = 1 << 18
)

// pointers finds the verb that would print where in the host's memory a large number is.
var pointers = regexp.MustCompile(`%[-+# 0-9.*\[\]]*p`)

func sprintf(c *Call, args []Value) (Value, error) {
	format, ok := args[0].(string)
	list, ok2 := args[1].(Array)
	if !ok || !ok2 {
		return Undefined, nil
	}
	size, longest, values := widths(format), 0, make([]any, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case string:
			values[i] = v
		case Number:
			values[i] = printed(v)
			if _, ok := values[i].(*big.Int); ok && pointers.MatchString(format) {
				values[i] = string(v)
			}
		default:
			values[i] = Text(v)
		}
		own := 32
		if s, ok := values[i].(string); ok {
			own += len(s)
		} else if n, ok := v.(Number); ok {
			own += len(n)
		}
		longest = max(longest, own)
		size += own // what is left over is printed behind all
	}
	if size += growth(format, max(longest, 32)); size > maxText {
		return nil, errTooLong
	}
	c.Charge(int64(size))
	return fmt.Sprintf(format, values...), nil
}

// growth returns the most that the verbs of a format can make of arguments whose texts have up to
// a number of bytes.
func growth(format string, longest int) int {
	const flags = "+-# 0123456789.*[]"
	total := 0
	for i := range len(format) {
		if format[i] != '%' {
			continue
		}
		verb := strings.TrimLeft(format[i+1:], flags)
		given := format[i+1 : len(format)-len(verb)]
		switch each := longest; {
		case verb == "":
			total += each
		case verb[0] == 'f' || verb[0] == 'F':
			total += each + 310 // the digits of the largest number
		case verb[0] == 'q' || verb[0] == 'b' || (verb[0] == 'v' || verb[0] == 'w') && strings.Contains(given, "#"):
			total += 4 * each // "\x01"
		case verb[0] == 'x' || verb[0] == 'X':
			total += 2 * each
			if strings.ContainsAny(given, "# ") {
				total += 3 * each // 0x61 0x62
			}
		default:
			total += each
		}
	}
	return total
}

// widths returns about how many characters a format asks for beside its arguments.
func widths(format string) int {
	total, number := len(format), 0
	for i := range len(format) {
		switch c := format[i]; {
		case c >= '0' && c <= '9':
			number = min(10*number+int(c-'0'), maxText)
			continue
		case c == '*':
			number = 1_000_000 // the most that an argument can ask for
		}
		total, number = min(total+number, maxText+1), 0
	}
	return total
}

// printed is a number as fmt gets it.
func printed(n Number) any {
	s := string(n)
	if strings.ContainsAny(s, ".eE") {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
		return s
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	if len(s) <= maxNumber {
		if b, ok := new(big.Int).SetString(s, 10); ok {
			return b
		}
	}
	return s
}
