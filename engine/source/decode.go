package source

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A NodeDecoder reads itself from a node, and says what is wrong with it. Node.Decode asks it instead of reading by reflection.
type NodeDecoder interface {
	DecodeNode(n *Node) Diagnostics
}

// Decode reads n into the struct that into points to, and returns every mistake. A field's name is its `yaml` tag; of its
// `jsonschema` tag it heeds `required`, `enum=`, `minimum=`, `maximum=`, `minItems=` and `minLength=`, so that the decoder and the JSON Schema that is made from
// the same type agree. What the file leaves out keeps its value. Fields may be strings, Texts, bools, integers, floats, structs, pointers,
// slices, maps by string, NodeDecoders,
// and `any` (see Any).
func (n *Node) Decode(into any) Diagnostics {
	d := decoder{known: map[reflect.Type]specs{}}
	d.value(n, reflect.ValueOf(into).Elem(), spec{name: "this document"})
	return d.ds
}

// DecodeKnown is Decode for a mapping that is not ours: fields of n that the struct doesn't have are passed over.
func (n *Node) DecodeKnown(into any) Diagnostics {
	d := decoder{lenient: true, known: map[reflect.Type]specs{}}
	d.value(n, reflect.ValueOf(into).Elem(), spec{name: "this document"})
	return d.ds
}

type decoder struct {
	ds      Diagnostics
	lenient bool // unknown fields are no mistake
	known   map[reflect.Type]specs
}

func (d *decoder) report(p Pos, code, message, help string) {
	if !d.full() {
		d.ds = append(d.ds, p.Diagnose(code, message, help))
	}
}

// full says that no more mistakes are reported. Then none is looked for: finding where one stands takes the time of reading its line, and
// a file may be one line.
func (d *decoder) full() bool { return len(d.ds) >= maxMistakes }

// wrongType reports that n is not of the kind that its field wants.
func (d *decoder) wrongType(n *Node, s spec, want, help string) {
	message := fmt.Sprintf("%s must be %s, but this is %s", s.quoted(), want, n.Kind())
	if n.Kind() == Null {
		message, help = fmt.Sprintf("%s is empty; it must be %s", s.quoted(), want), "give it a value, or remove it"
	}
	d.report(n.Pos(), "SP1004", message, help)
}

var textType = reflect.TypeFor[Text]()

func (d *decoder) value(n *Node, v reflect.Value, s spec) {
	if n.Kind() == Absent { // reported by Parse
		return
	}
	if d.full() {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if nd, ok := reflect.TypeAssert[NodeDecoder](v.Addr()); ok {
		d.ds = append(d.ds, nd.DecodeNode(n)...)
		return
	}
	if v.Type() == textType {
		if d.text(n, s) {
			v.Set(reflect.ValueOf(n.Text()))
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		if d.text(n, s) {
			v.SetString(n.value)
		}
	case reflect.Bool:
		d.boolean(n, v, s)
	case reflect.Int, reflect.Int64, reflect.Float64:
		d.number(n, v, s)
	case reflect.Struct:
		d.structure(n, v, s)
	case reflect.Slice:
		d.list(n, v, s)
	case reflect.Map:
		d.mapping(n, v, s)
	case reflect.Interface:
		if a := n.Any(); a != nil {
			v.Set(reflect.ValueOf(a))
		}
	default:
		panic("source: cannot decode into a " + v.Type().String())
	}
}

func (d *decoder) text(n *Node, s spec) bool {
	if n.Kind() != String {
		help := "write text"
		if n.Kind() == Bool || n.Kind() == Number {
			help = fmt.Sprintf("put it in quotes: \"%s\"", n.value)
		}
		d.wrongType(n, s, "text", help)
		return false
	}
	if s.minLength > 0 && strings.TrimSpace(n.value) == "" {
		d.report(n.Pos(), "SP1011", s.quoted()+" is empty", "give it a value, or remove it")
		return false
	}
	return d.oneOf(n, s)
}

// oneOf checks a value against the words that its field accepts.
func (d *decoder) oneOf(n *Node, s spec) bool {
	if len(s.enum) == 0 || slices.Contains(s.enum, n.value) {
		return true
	}
	help := "expected " + s.enum[0]
	if len(s.enum) > 1 {
		help = "expected one of: " + strings.Join(s.enum, ", ")
	}
	if word, ok := Suggest(n.value, s.enum); ok {
		help = fmt.Sprintf("did you mean `%s`? (%s)", word, help)
	}
	message := fmt.Sprintf("`%s` is not a valid %s", Brief(n.value), s.name)
	if s.item {
		message = fmt.Sprintf("`%s` is not valid in `%s`", Brief(n.value), s.name)
	}
	d.report(n.Pos(), "SP1003", message, help)
	return false
}

func (d *decoder) boolean(n *Node, v reflect.Value, s spec) {
	if n.Kind() != Bool {
		d.wrongType(n, s, "true or false", "write true or false, without quotes")
		return
	}
	v.SetBool(strings.EqualFold(n.value, "true"))
}

func (d *decoder) number(n *Node, v reflect.Value, s spec) {
	if n.Kind() != Number {
		d.wrongType(n, s, "a number", "write a number, without quotes; variables are expanded in text only")
		return
	}
	f, err := strconv.ParseFloat(n.value, 64)
	i, ierr := strconv.ParseInt(n.value, 10, 64)
	if v.Kind() != reflect.Float64 && ierr != nil || err != nil {
		d.report(n.Pos(), "SP1004", s.quoted()+" must be a whole number", "write it in decimal digits")
		return
	}
	if s.minimum != nil && f < *s.minimum || s.maximum != nil && f > *s.maximum {
		d.report(n.Pos(), "SP1011", fmt.Sprintf("%s is out of range", s.quoted()), s.bounds())
		return
	}
	if v.Kind() == reflect.Float64 {
		v.SetFloat(f)
		return
	}
	v.SetInt(i)
}

func (d *decoder) list(n *Node, v reflect.Value, s spec) {
	if n.Kind() != List {
		help := "write it as a list"
		if n.Kind() == String || n.Kind() == Number {
			help = fmt.Sprintf("write it as a list: [%s]", strings.Join(strings.Fields(Brief(n.value)), ", "))
		}
		d.wrongType(n, s, "a list", help)
		return
	}
	if n.Len() < s.minItems {
		d.report(n.Pos(), "SP1011", s.quoted()+" is empty", "give it an item, or remove it")
		return
	}
	s.item = true
	v.Set(reflect.MakeSlice(v.Type(), n.Len(), n.Len()))
	for i, item := range n.Items() {
		d.value(item, v.Index(i), s)
	}
}

func (d *decoder) mapping(n *Node, v reflect.Value, s spec) {
	if n.Kind() != Map {
		d.wrongType(n, s, "a mapping", "write it as `name: value` lines")
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMapWithSize(v.Type(), n.Len()))
	}
	for key, item := range n.Fields() {
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(item, value, spec{name: key.value})
		v.SetMapIndex(reflect.ValueOf(key.value), value)
	}
}

func (d *decoder) structure(n *Node, v reflect.Value, s spec) {
	if n.Kind() != Map {
		d.wrongType(n, s, "a mapping", "write it as `name: value` lines")
		return
	}
	specs, ok := d.known[v.Type()]
	if !ok {
		specs = specsOf(v.Type())
		d.known[v.Type()] = specs
	}
	for key, value := range n.Fields() {
		if f, ok := specs.byName(key.value); ok {
			d.value(value, v.Field(f.index), f)
			continue
		}
		if !d.lenient && !d.full() {
			d.unknown(key, specs)
		}
	}
	for _, f := range specs {
		if f.required && n.Get(f.name) == nil {
			d.report(n.Pos(), "SP1006", fmt.Sprintf("missing field `%s`", f.name), f.example())
		}
	}
}

func (d *decoder) unknown(key *Node, specs specs) {
	help := "the fields here are: " + strings.Join(specs.names(), ", ")
	if name, ok := Suggest(key.value, specs.names()); ok {
		help = fmt.Sprintf("did you mean `%s`?", name)
	}
	d.report(key.Pos(), "SP1002", fmt.Sprintf("unknown field `%s`", Brief(key.value)), help)
}
