package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

// Whatever is true for some arguments that are valid by a tool's schema is not refused; and what is refused is true for none that are
// drawn. Names resemble none of the others: a name that nearly is a declared one is refused though the schema, by saying nothing, allows it.
func TestTypingRefusesNothingThatCanBeTrue(t *testing.T) {
	var p typist
	rapid.Check(t, func(t *rapid.T) {
		tool := object(t, 0)
		lock := lockOf(t, map[string]string{"s": fmt.Sprintf(`[{"name": "t", "inputSchema": %s}]`, tool.withDefs())})
		var valid []any
		for range 3 {
			valid = append(valid, tool.draw(t))
		}
		for _, v := range valid {
			when := truth(t, "args", v, true)
			if !p.holds(t, when, v) {
				t.Fatalf("the test is wrong: %s is not true for %s", when, encode(v))
			}
			if errs := p.refusals(t, lock, when); len(errs) > 0 {
				t.Fatalf("refused, but true for %s by %s:\n%s\n%v", encode(v), tool.text, when, errs)
			}
		}
		when := guess(t)
		if errs := p.refusals(t, lock, when); len(errs) > 0 {
			for _, v := range valid {
				if p.holds(t, when, v) {
					t.Fatalf("refused, but true for %s by %s:\n%s\n%v", encode(v), tool.text, when, errs)
				}
			}
		}
	})
}

// shape is a schema and what draws a value that is valid by it.
type shape struct {
	text string
	draw func(*rapid.T) any
}

const recursive = `{"type": "object", "properties": {"alpha": {"type": "string"}, "delta": {"$ref": "#/$defs/node"}}, "additionalProperties": false}`

// withDefs adds the definitions that references lead to.
func (s shape) withDefs() string {
	return strings.TrimSuffix(s.text, "}") + `, "$defs": {"node": ` + recursive + `, "text": {"type": "string"}}}`
}

var pool = []string{"alpha", "bravo", "charlie", "delta", "echo-x"}

func scalars() []any { return []any{"red", "green", "", 1, 2.5, -7, true, false, nil} }

func anyScalar(t *rapid.T) any { return rapid.SampledFrom(scalars()).Draw(t, "scalar") }

func only(kind string) func(*rapid.T) any {
	return func(t *rapid.T) any {
		values := slices.DeleteFunc(scalars(), func(v any) bool {
			switch v.(type) {
			case string:
				return kind != "string"
			case int:
				return kind != "integer" && kind != "number"
			case float64:
				return kind != "number"
			case bool:
				return kind != "boolean"
			}
			return kind != "null"
		})
		return rapid.SampledFrom(values).Draw(t, kind)
	}
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

var kindsOfShapes = []string{
	"string", "integer", "number", "boolean", "null", "types", "enum", "const", "list", "object", "anyOf", "oneOf", "allOf", "halves", "ref", "node", "any", "odd",
}

func anyShape(t *rapid.T, depth int) shape {
	kinds := kindsOfShapes
	if depth > 2 {
		kinds = kinds[:8]
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "types":
		return either(`{"type": ["string", "integer"]}`, only("string"), only("integer"))
	case "enum":
		values := rapid.SliceOfN(rapid.SampledFrom(scalars()), 1, 4).Draw(t, "enum")
		return shape{`{"enum": ` + encode(values) + `}`, func(t *rapid.T) any { return rapid.SampledFrom(values).Draw(t, "of enum") }}
	case "const":
		v := anyScalar(t)
		return shape{`{"const": ` + encode(v) + `}`, func(*rapid.T) any { return v }}
	case "list":
		items := anyShape(t, depth+1)
		return shape{`{"type": "array", "items": ` + items.text + `}`, func(t *rapid.T) any {
			list := []any{}
			for range rapid.IntRange(0, 2).Draw(t, "elements") {
				list = append(list, items.draw(t))
			}
			return list
		}}
	case "object":
		return object(t, depth+1)
	case "anyOf":
		a, b := anyShape(t, depth+1), anyShape(t, depth+1)
		return either(`{"anyOf": [`+a.text+`, `+b.text+`]}`, a.draw, b.draw)
	case "oneOf":
		return either(`{"oneOf": [{"type": "string"}, {"type": "boolean"}]}`, only("string"), only("boolean"))
	case "allOf":
		s := anyShape(t, depth+1)
		return shape{`{"allOf": [` + s.text + `, true, {"format": "x"}]}`, s.draw}
	case "halves":
		a, b := anyShape(t, depth+1), anyShape(t, depth+1)
		text := `{"allOf": [{"type": "object", "properties": {"alpha": ` + a.text + `}}, {"properties": {"bravo": ` + b.text + `}, "required": ["bravo"]}]}`
		return shape{text, func(t *rapid.T) any {
			return map[string]any{"alpha": a.draw(t), "bravo": b.draw(t), "charlie": anyScalar(t)}
		}}
	case "ref":
		return shape{`{"$ref": "#/$defs/text", "type": "integer", "$schema": "http://json-schema.org/draft-07/schema#"}`, only("string")}
	case "node":
		return shape{`{"$ref": "#/$defs/node"}`, func(t *rapid.T) any {
			v := map[string]any{"alpha": "end"}
			for range rapid.IntRange(0, 3).Draw(t, "nodes") {
				v = map[string]any{"delta": v}
			}
			return v
		}}
	case "any":
		return shape{rapid.SampledFrom([]string{`{}`, `true`, `{"type": "new"}`, `{"$ref": "https://example.com/x"}`, `{"$ref": "#anchor"}`}).Draw(t, "any"), anyScalar}
	case "odd":
		return shape{`{"type": "string", "nullable": true, "pattern": "^", "not": {"type": "integer"}, "if": {"const": "red"}, "then": {"minLength": 1}}`, only("string")}
	default:
		return shape{`{"type": "` + kind + `"}`, only(kind)}
	}
}

func either(text string, draws ...func(*rapid.T) any) shape {
	return shape{text, func(t *rapid.T) any { return rapid.SampledFrom(draws).Draw(t, "branch")(t) }}
}

func object(t *rapid.T, depth int) shape {
	props := map[string]shape{}
	var texts, required []string
	for _, name := range pool {
		if rapid.Bool().Draw(t, "declares") {
			s := anyShape(t, depth+1)
			props[name] = s
			texts = append(texts, encode(name)+": "+s.text)
			if rapid.Bool().Draw(t, "requires") {
				required = append(required, name)
			}
		}
	}
	text := `{"type": "object", "properties": {` + strings.Join(texts, ", ") + `}, "required": ` + encode(append([]string{}, required...))
	extra := anyScalar
	switch rapid.IntRange(0, 4).Draw(t, "rest") {
	case 0:
		text, extra = text+`, "additionalProperties": false`, nil
	case 1:
		text += `, "additionalProperties": true`
	case 2:
		s := anyShape(t, depth+1)
		text, extra = text+`, "additionalProperties": `+s.text, s.draw
	case 3:
		if _, declared := props["echo-x"]; !declared {
			text += `, "patternProperties": {"^echo": {"type": "string"}}, "additionalProperties": false`
			props["echo-x"] = shape{draw: only("string")}
			extra = nil
		}
	}
	return shape{text + "}", func(t *rapid.T) any {
		v := map[string]any{}
		for _, name := range pool {
			s, declared := props[name]
			switch {
			case declared && (slices.Contains(required, name) || rapid.Bool().Draw(t, "present")):
				v[name] = s.draw(t)
			case !declared && extra != nil && rapid.Bool().Draw(t, "extra"):
				v[name] = extra(t)
			}
		}
		return v
	}}
}

// truth is a condition on the value at a path that is true for it.
func truth(t *rapid.T, path string, v any, root bool) string {
	pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "condition") }
	switch v := v.(type) {
	case map[string]any:
		var names []string
		for _, name := range pool {
			if _, ok := v[name]; ok {
				names = append(names, name)
			}
		}
		if len(names) == 0 || !root && rapid.IntRange(0, 3).Draw(t, "stay") == 0 {
			return pick(fmt.Sprintf("size(%s) == %d", path, len(v)), path+".all(k, size(k) > 0)")
		}
		name := rapid.SampledFrom(names).Draw(t, "name")
		field := fmt.Sprintf("%s[%q]", path, name)
		if name != "echo-x" {
			field = pick(field, path+"."+name)
			if rapid.IntRange(0, 5).Draw(t, "presence") == 0 {
				return pick("has("+path+"."+name+")", path+".?"+name+".hasValue()", fmt.Sprintf("%q in %s", name, path))
			}
		}
		return truth(t, field, v[name], false)
	case []any:
		if len(v) == 0 || rapid.Bool().Draw(t, "stay") {
			return pick(fmt.Sprintf("size(%s) == %d", path, len(v)), path+".all(e, true)")
		}
		i := rapid.IntRange(0, len(v)-1).Draw(t, "index")
		if rapid.Bool().Draw(t, "by number") {
			return truth(t, fmt.Sprintf("%s[%d]", path, i), v[i], false)
		}
		return fmt.Sprintf("%s.exists(e%d, %s)", path, len(path), truth(t, fmt.Sprintf("e%d", len(path)), v[i], false))
	case nil:
		return pick(path+" == null", "type("+path+") == null_type")
	case bool:
		return pick(fmt.Sprintf("%s == %v", path, v), strings.Repeat("!", map[bool]int{true: 0, false: 1}[v])+path, fmt.Sprintf("%v in [%s]", v, path))
	case string:
		return pick(fmt.Sprintf("%s == %q", path, v), fmt.Sprintf("%s in [%q]", path, v), fmt.Sprintf("%s.startsWith(%q)", path, v),
			fmt.Sprintf("%s + \"x\" == %q", path, v+"x"), fmt.Sprintf("size(%s) >= 0", path), fmt.Sprintf("%s >= %q", path, v), fmt.Sprintf("cel.bind(b, %s, b == %q)", path, v))
	}
	return pick(fmt.Sprintf("%s == %v", path, v), fmt.Sprintf("%v in [%s]", v, path), fmt.Sprintf("%s >= %v", path, v), fmt.Sprintf("double(%s) == double(%v)", path, v),
		fmt.Sprintf("!(%s != %v)", path, v), fmt.Sprintf("%s <= 1000", path))
}

// guess is a condition on what may be there.
func guess(t *rapid.T) string {
	path := "args"
	for range rapid.IntRange(1, 3).Draw(t, "steps") {
		path += rapid.SampledFrom([]string{".alpha", ".bravo", ".charlie", ".delta", `["echo-x"]`, "[0]"}).Draw(t, "step")
	}
	literal := encode(anyScalar(t))
	return rapid.SampledFrom([]string{
		path + " == " + literal, path + " in [" + literal + "]", path + `.startsWith("r")`, path + " > 1", path + ` <= "red"`, path, "!" + path,
		path + ".exists(e, e == " + literal + ")", literal + " in " + path, "size(" + path + ") > 0", path + ".contains('x')",
		strings.Replace(path, "args.", "args.?", 1) + " == optional.of(" + literal + ")",
	}).Draw(t, "guess")
}

// policyOf is one rule, which allows.
func policyOf(when string) []byte {
	text, err := json.Marshal(map[string]any{
		"apiVersion": "sallyport/v1", "kind": "Policy", "metadata": map[string]any{"name": "p"}, "match": map[string]any{"methods": []string{"tools/call"}},
		"rules": []any{map[string]any{"name": "r", "effect": "allow", "when": when}},
	})
	if err != nil {
		panic(err)
	}
	return text
}

// typist compiles, in environments that are made once: with a lock and without.
type typist struct{ last [2]*engine.Snapshot }

func (p *typist) compile(t *rapid.T, files fstest.MapFS) (*engine.Snapshot, error) {
	b, err := bundle.FS(files)
	if err != nil {
		t.Fatal(err)
	}
	s, err := engine.Compile(t.Context(), b, engine.Options{Previous: p.last[len(files)-1]})
	if err == nil {
		p.last[len(files)-1] = s
	}
	return s, err
}

// refusals are the errors of typing.
func (p *typist) refusals(t *rapid.T, lock []byte, when string) []string {
	_, err := p.compile(t, fstest.MapFS{"p.yaml": {Data: policyOf(when)}, toolset.FileName: {Data: lock}})
	var out []string
	if ds, ok := err.(source.Diagnostics); ok { //nolint:errorlint // it is what Compile gives
		for _, d := range ds {
			if d.Severity == source.Error && strings.HasPrefix(d.Code, "SP7") {
				out = append(out, d.String())
			}
		}
	}
	return out
}

// holds says whether a condition is true for arguments. One that doesn't compile is not.
func (p *typist) holds(t *rapid.T, when string, args any) bool {
	s, err := p.compile(t, fstest.MapFS{"p.yaml": {Data: policyOf(when)}})
	if err != nil {
		return false
	}
	var doc jsonscan.Doc
	if err := doc.Scan([]byte(encode(args)), jsonscan.Options{}); err != nil {
		t.Fatal(err)
	}
	d := s.Decide(t.Context(), &engine.Request{Method: "tools/call", Server: "s", Tool: "t", Arguments: doc.Root()})
	return d.Allowed()
}
