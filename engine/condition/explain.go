package condition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Mask hides secrets from an explanation: it is given each value as it would be shown, with
// the canonical name that it was read by ("args.token"; "" if it was computed), and returns
// what to show. A nil Mask shows everything.
type Mask func(path, value string) string

// Explanation is an expression with the value of each of its parts.
type Explanation struct {
	Expression string `json:"expression"`
	Parts      []Part `json:"parts"` // in the order in which they stand
	Result     string `json:"result,omitempty"`
	Error      string `json:"error,omitempty"` // why there is no result
}

// Part is the value of a part of an expression. A part that was not evaluated is not listed.
type Part struct {
	Line   int    `json:"line"`           // from 1
	Column int    `json:"column"`         // from 0, in code points: where the value is shown
	Path   string `json:"path,omitempty"` // the name that was read
	Value  string `json:"value"`
	Error  bool   `json:"error,omitempty"` // Value is an error
}

// Explain tells the value of each part of the expression. It evaluates it once more, unless the Frame traces and it has been.
func (c *Condition) Explain(f *Frame, mask Mask) Explanation {
	x := Explanation{Expression: c.text.Value}
	t := c.tracing()
	if t.err != nil {
		x.Error = t.err.Error()
		return x
	}
	went := c.follow(f)
	for i, v := range went.parts {
		if v == nil {
			continue
		}
		p := Part{Line: t.parts[i].line, Column: t.parts[i].column, Path: t.parts[i].path}
		_, p.Error = v.(*types.Err)
		p.Value = mask.show(p.Path, v)
		x.Parts = append(x.Parts, p)
	}
	if went.err == nil {
		x.Result = mask.show(t.path, went.value)
		return x
	}
	x.Error = went.err.Error()
	if mask != nil {
		x.Error = mask("", x.Error)
	}
	return x
}

// maxShown is the longest value that an explanation shows, in code points.
const maxShown = 60

// show writes a value as a person would. Every scalar passes the mask by its own path, whole:
// what lies inside an object, or is cut off at the end, is hidden as what stands alone.
func (m Mask) show(path string, v ref.Val) string {
	return shorten(string(m.appendShown(nil, path, v)))
}

func (m Mask) appendShown(dst []byte, path string, v ref.Val) []byte {
	if len(dst) > 8*maxShown {
		return dst
	}
	switch v := v.(type) {
	case *fields, *headers:
		return append(dst, "(object)"...)
	case *types.Optional:
		if v.HasValue() {
			return m.appendShown(dst, path, v.GetValue())
		}
		return append(dst, "none"...)
	case *jsonObject:
		if !v.whole(v.v) {
			return fmt.Appendf(dst, "{%d bytes}", len(v.v.Raw()))
		}
	case *jsonArray:
		if !v.whole(v.v) {
			return fmt.Appendf(dst, "[%d bytes]", len(v.v.Raw()))
		}
	}
	switch v := v.(type) {
	case traits.Mapper:
		return m.appendMap(dst, path, v)
	case traits.Lister:
		dst = append(dst, '[')
		for it, first := v.Iterator(), true; it.HasNext() == types.True; first = false {
			if !first {
				dst = append(dst, ", "...)
			}
			dst = m.appendShown(dst, path, it.Next())
		}
		return append(dst, ']')
	}
	text := oneLine(scalar(v))
	if m != nil {
		text = oneLine(m(path, text))
	}
	return append(dst, text...)
}

func (m Mask) appendMap(dst []byte, path string, shown traits.Mapper) []byte {
	dst = append(dst, '{')
	for it, first := shown.Iterator(), true; it.HasNext() == types.True; first = false {
		if !first {
			dst = append(dst, ", "...)
		}
		key := it.Next()
		inside := ""
		if k, ok := key.(types.String); ok && path != "" {
			inside = selection{name: &name{path: path}}.field(string(k), nil).rest
		}
		dst = append(append(dst, oneLine(scalar(key))...), ": "...)
		if inside != "" {
			inside = path + inside
		}
		dst = m.appendShown(dst, inside, shown.Get(key))
	}
	return append(dst, '}')
}

// scalar writes a value that has no parts.
func scalar(v ref.Val) string {
	switch v := v.(type) {
	case *types.Err:
		return "error: " + v.Unwrap().Error()
	case *types.Unknown:
		return "unknown"
	case types.Null:
		return "null"
	case types.String:
		return strconv.Quote(string(v))
	case types.Bool, types.Int, types.Uint, types.Double:
		return fmt.Sprint(v.Value())
	}
	if s, ok := v.ConvertToType(types.StringType).(types.String); ok {
		return string(s)
	}
	return v.Type().TypeName()
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

func shorten(s string) string {
	if r := []rune(s); len(r) > maxShown {
		return string(r[:maxShown-3]) + "..."
	}
	return s
}

// Text draws the explanation: under each line of the expression the value of each part,
// joined to it by a bar.
func (x Explanation) Text() string {
	var b strings.Builder
	for i, line := range strings.Split(x.Expression, "\n") {
		b.WriteString(line + "\n")
		var parts []Part
		for _, p := range x.Parts {
			if p.Line == i+1 && (len(parts) == 0 || parts[len(parts)-1].Column != p.Column) {
				parts = append(parts, p)
			}
		}
		drawLine(&b, parts)
	}
	if x.Error != "" {
		b.WriteString("error: " + x.Error + "\n")
	}
	return b.String()
}

// drawLine draws bars under all parts, and the values from the last part to the first.
func drawLine(b *strings.Builder, parts []Part) {
	if len(parts) == 0 {
		return
	}
	bars(b, parts)
	b.WriteString("\n")
	for i, part := range slices.Backward(parts) {
		bars(b, parts[:i])
		at := 0
		if i > 0 {
			at = parts[i-1].Column + 1
		}
		b.WriteString(strings.Repeat(" ", part.Column-at) + part.Value + "\n")
	}
}

func bars(b *strings.Builder, parts []Part) {
	at := 0
	for _, p := range parts {
		b.WriteString(strings.Repeat(" ", p.Column-at) + "|")
		at = p.Column + 1
	}
}
