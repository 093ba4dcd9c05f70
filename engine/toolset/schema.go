package toolset

import (
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

// Schema is a JSON Schema, read for one purpose: to say what a value that is valid by it can be. What is not understood is taken to
// allow everything, so that what is said to be impossible is.
type Schema struct {
	never    bool           // false as a schema
	kinds    jsonscan.Kinds // by type
	listed   bool           // by enum or const ...
	values   []Scalar       // ... to be one of these,
	compound bool           // or a list or an object
	ref      bool
	target   *Schema // nil: anything
	names    []string
	props    map[string]*Schema
	patterns bool    // names that match a pattern have a schema of their own
	rest     *Schema // of the others; nil: nothing is said of them
	open     bool    // it is said that there may be others
	items    *Schema // nil: anything
	required []string
	all      []*Schema
	choices  [][]*Schema // anyOf and oneOf: one of each list holds
}

// Scalar is a string, a number, a bool or null.
type Scalar struct {
	Kind jsonscan.Kind
	Text string // of a string; of a number as it is written
}

// Equal says whether two scalars are the same value. Numbers are compared as floats: too large ones may be found equal that differ.
func (s Scalar) Equal(o Scalar) bool {
	if s.Kind == jsonscan.Number && o.Kind == jsonscan.Number {
		a, errA := strconv.ParseFloat(s.Text, 64)
		b, errB := strconv.ParseFloat(o.Text, 64)
		return errA != nil || errB != nil || a == b
	}
	return s == o
}

func scalarOf(v jsonscan.Value) Scalar {
	switch v.Kind() {
	case jsonscan.String:
		return Scalar{jsonscan.String, v.Text()}
	case jsonscan.Number:
		return Scalar{jsonscan.Number, string(v.Raw())}
	default:
		return Scalar{Kind: v.Kind()}
	}
}

const (
	numbers = jsonscan.Kinds(1 << jsonscan.Number)
	texts   = jsonscan.Kinds(1 << jsonscan.String)
	lists   = jsonscan.Kinds(1 << jsonscan.Array)
	objects = jsonscan.Kinds(1 << jsonscan.Object)
	bools   = jsonscan.Kinds(1<<jsonscan.True | 1<<jsonscan.False)
	nulls   = jsonscan.Kinds(1 << jsonscan.Null)
)

var kindsOf = map[string]jsonscan.Kinds{
	"null": nulls, "boolean": bools, "integer": numbers, "number": numbers, "string": texts, "array": lists, "object": objects,
}

// schemas reads one document of schemas, in which references are resolved.
type schemas struct {
	root    jsonscan.Value
	made    map[jsonscan.Value]*Schema
	foreign bool // a part has an address of its own: references can't be followed
}

// newSchema reads a schema. One that is absent allows everything.
func newSchema(v jsonscan.Value) *Schema {
	ss := &schemas{root: v, made: map[jsonscan.Value]*Schema{}}
	ss.foreign = ss.hasID(v, true)
	return ss.schema(v)
}

// hasID says whether a part of a schema is a document of its own. What looks like it is taken for it.
func (ss *schemas) hasID(v jsonscan.Value, root bool) bool {
	if id := v.Get("$id"); !root && id.Kind() == jsonscan.String {
		return true
	}
	for c := v.Cursor(); c.Next(); {
		if ss.hasID(c.Value(), false) {
			return true
		}
	}
	return false
}

func (ss *schemas) schema(v jsonscan.Value) *Schema {
	if s := ss.made[v]; s != nil {
		return s // also one that is being read: schemas may hold themselves
	}
	s := &Schema{kinds: jsonscan.AllKinds}
	ss.made[v] = s
	if v.Kind() == jsonscan.False {
		s.never = true
	}
	if v.Kind() != jsonscan.Object {
		return s
	}
	if ref := v.Get("$ref"); ref.Exists() {
		// What stands beside a reference counts in some drafts only, but names are names.
		s.ref, s.target = true, ss.resolve(ref.Text())
	}
	s.kinds = typesOf(v)
	s.enumerate(v)
	ss.object(s, v)
	ss.list(s, v)
	for e := range v.Get("allOf").Elems() {
		s.all = append(s.all, ss.schema(e))
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		var choice []*Schema
		for e := range v.Get(keyword).Elems() {
			choice = append(choice, ss.schema(e))
		}
		if choice != nil {
			s.choices = append(s.choices, choice)
		}
	}
	return s
}

// typesOf reads type. A name that is not known allows everything; nullable is OpenAPI's, and heeded by some.
func typesOf(v jsonscan.Value) jsonscan.Kinds {
	var kinds jsonscan.Kinds
	one := func(name jsonscan.Value) {
		k, ok := kindsOf[name.Text()]
		if !ok {
			k = jsonscan.AllKinds
		}
		kinds |= k
	}
	switch t := v.Get("type"); t.Kind() {
	case jsonscan.String:
		one(t)
	case jsonscan.Array:
		for e := range t.Elems() {
			one(e)
		}
	default:
		kinds = jsonscan.AllKinds
	}
	if v.Get("nullable").Kind() == jsonscan.True {
		kinds |= nulls
	}
	return kinds
}

// enumerate reads enum and const.
func (s *Schema) enumerate(v jsonscan.Value) {
	enum, constant := v.Get("enum"), v.Get("const")
	if enum.Kind() != jsonscan.Array && !constant.Exists() {
		return
	}
	s.listed = true
	add := func(e jsonscan.Value) {
		if k := e.Kind(); k == jsonscan.Array || k == jsonscan.Object {
			s.compound = true
			return
		}
		s.values = append(s.values, scalarOf(e))
	}
	if constant.Exists() {
		add(constant)
	} else {
		for e := range enum.Elems() {
			add(e)
		}
	}
	if v.Get("nullable").Kind() == jsonscan.True {
		s.values = append(s.values, Scalar{Kind: jsonscan.Null})
	}
}

func (ss *schemas) object(s *Schema, v jsonscan.Value) {
	for name, value := range v.Get("properties").Members() {
		if s.props == nil {
			s.props = map[string]*Schema{}
		}
		s.names = append(s.names, name.Text())
		s.props[name.Text()] = ss.schema(value)
	}
	s.patterns = v.Get("patternProperties").Len() > 0
	switch rest := v.Get("additionalProperties"); rest.Kind() {
	case jsonscan.False, jsonscan.Object, jsonscan.True:
		s.rest = ss.schema(rest)
		s.open = rest.Kind() != jsonscan.False
	default:
	}
	if k := v.Get("unevaluatedProperties").Kind(); k == jsonscan.True || k == jsonscan.Object {
		s.open = true
	}
	for e := range v.Get("required").Elems() {
		s.required = append(s.required, e.Text())
	}
}

// list reads items. Where the first elements have schemas of their own, nothing is said of any.
func (ss *schemas) list(s *Schema, v jsonscan.Value) {
	if items := v.Get("items"); items.Kind() != jsonscan.Array && items.Exists() && !v.Get("prefixItems").Exists() {
		s.items = ss.schema(items)
	}
}

// resolve follows a reference inside the document: "#" and JSON pointers. Others lead to nil: nothing is ever fetched.
func (ss *schemas) resolve(ref string) *Schema {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok || ss.foreign || pointer != "" && pointer[0] != '/' || strings.Contains(pointer, "%") {
		return nil
	}
	v := ss.root
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if pointer == "" {
			break
		}
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if v.Kind() == jsonscan.Array {
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 {
				return nil
			}
			v = v.Index(i)
			continue
		}
		v = v.Get(part)
	}
	if !v.Exists() {
		return nil
	}
	return ss.schema(v)
}
