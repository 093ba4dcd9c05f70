package enginetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// values are those of one combination of a case's matrix. They gather what is wrong with what they are put into.
type values struct {
	matrix *matrix // nil: there is none
	chosen []*source.Node
	found  source.Diagnostics
}

func (v *values) report(p source.Pos, code, message, help string) {
	v.found = append(v.found, p.Diagnose(code, message, help))
}

// maxCases bounds the cases of a document, each combination counted.
const maxCases = 2000

// count is the number of combinations, or some number above maxCases.
func (m *matrix) count() int {
	total := 1
	for _, v := range m.values {
		if total *= len(v); total > maxCases {
			break
		}
	}
	return total
}

// combinations calls use with each combination, the last name changing first.
func (m *matrix) combinations(use func([]*source.Node)) {
	for i := range m.count() {
		chosen := make([]*source.Node, len(m.values))
		for k := len(m.values) - 1; k >= 0; k-- {
			chosen[k] = m.values[k][i%len(m.values[k])]
			i /= len(m.values[k])
		}
		use(chosen)
	}
}

// unused reports the names that no text has. The case would only be run again and again.
func (m *matrix) unused() (ds source.Diagnostics) {
	for i, name := range m.names {
		if !m.used[i] {
			ds = append(ds, m.keys[i].Pos().Diagnose("SP5001", fmt.Sprintf("nothing in the case has `${%s}`", source.Brief(name)), "write it where the values are to go, or remove them"))
		}
	}
	return ds
}

// suffix names a combination.
func (v *values) suffix() string {
	if v.matrix == nil || len(v.matrix.names) == 0 {
		return ""
	}
	parts := make([]string, len(v.chosen))
	for i, n := range v.chosen {
		parts[i] = v.matrix.names[i] + "=" + string(appendJSON(nil, n, &values{}))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// text puts values into a text.
func (v *values) text(t source.Text) string {
	if v.matrix == nil || v.matrix.node == nil || !strings.Contains(t.Value, "${") {
		return t.Value
	}
	var b strings.Builder
	for rest := t.Value; ; {
		before, after, ok := strings.Cut(rest, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		rest = after
		if strings.HasSuffix(before, "$") { // "$${" is "${"
			b.WriteString("{")
			continue
		}
		name, after, ok := strings.Cut(after, "}")
		n := v.named(name, t)
		if !ok || n == nil {
			return b.String()
		}
		rest = after
		if n.Kind() == source.String {
			b.WriteString(n.Text().Value)
		} else {
			b.Write(appendJSON(nil, n, &values{}))
		}
	}
}

// named is the value of a name.
func (v *values) named(name string, in source.Text) *source.Node {
	if i := slices.Index(v.matrix.names, name); i >= 0 {
		v.matrix.used[i] = true
		return v.chosen[i]
	}
	help := "the names of the matrix are: " + strings.Join(v.matrix.names, ", ") + "; for ${ itself write $${"
	if word, ok := source.Suggest(name, v.matrix.names); ok {
		help = fmt.Sprintf("did you mean `%s`? For ${ itself write $${", word)
	}
	v.report(in.Pos(), "SP5002", fmt.Sprintf("the matrix has no `%s`", source.Brief(name)), help)
	return nil
}

// object says whether a value is one.
func (v *values) object(x value, what string) bool {
	n := x.node
	if n.Kind() == source.String {
		if whole := v.whole(n.Text()); whole != nil {
			n = whole
		}
	}
	if n.Kind() != source.Map {
		v.report(x.node.Pos(), "SP1004", fmt.Sprintf("`%s` must be a mapping, but this is %s", what, n.Kind()), "")
	}
	return n.Kind() == source.Map
}

// json is an object as JSON, scanned; absent if the case doesn't give it.
func (v *values) json(x value, what string, o jsonscan.Options) jsonscan.Value {
	if !x.given() || !v.object(x, what) {
		return jsonscan.Value{}
	}
	return v.scan(x.node.Pos(), appendJSON(nil, x.node, v), what, o)
}

// scan scans a text as the gateway would.
func (v *values) scan(at source.Pos, text []byte, what string, o jsonscan.Options) jsonscan.Value {
	doc := new(jsonscan.Doc)
	if err := doc.Scan(text, o); err != nil {
		v.report(at, "SP5004", fmt.Sprintf("a gateway would refuse `%s` before any policy sees it: %v", what, err), "")
	}
	return doc.Root()
}

// appendJSON writes a YAML value as JSON. Fields stay in their order and numbers keep their digits where JSON has such numbers. A text
// that is nothing but ${name} is the value of that name, whatever its kind.
func appendJSON(dst []byte, n *source.Node, v *values) []byte {
	switch n.Kind() {
	case source.Map:
		dst = append(dst, '{')
		first := true
		for name, x := range n.Fields() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(jsonscan.AppendQuote(dst, v.text(name.Text())), ':')
			dst = appendJSON(dst, x, v)
		}
		return append(dst, '}')
	case source.List:
		dst = append(dst, '[')
		for i, x := range n.Items() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, x, v)
		}
		return append(dst, ']')
	case source.String:
		t := n.Text()
		if whole := v.whole(t); whole != nil {
			return appendJSON(dst, whole, &values{})
		}
		return jsonscan.AppendQuote(dst, v.text(t))
	case source.Number:
		if text := n.Text().Value; json.Valid([]byte(text)) {
			return append(dst, text...)
		}
	case source.Absent, source.Null, source.Bool:
	}
	text, err := json.Marshal(n.Any())
	if err != nil { // .inf and .nan
		v.report(n.Pos(), "SP5004", fmt.Sprintf("JSON has no such number: %s", source.Brief(n.Text().Value)), "")
		return append(dst, "null"...)
	}
	return append(dst, text...)
}

// whole is the value that a text stands for by itself.
func (v *values) whole(t source.Text) *source.Node {
	name, ok := strings.CutPrefix(t.Value, "${")
	if !ok || v.matrix == nil {
		return nil
	}
	name, ok = strings.CutSuffix(name, "}")
	if i := slices.Index(v.matrix.names, name); ok && i >= 0 {
		v.matrix.used[i] = true
		return v.chosen[i]
	}
	return nil
}
