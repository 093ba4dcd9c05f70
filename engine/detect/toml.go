package detect

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// document is a TOML file: its values, and where each stands.
type document struct {
	file   string
	root   map[string]any
	places map[string]source.Pos // by path
	found  source.Diagnostics
}

// path names a value of a document.
type path []string

func (p path) at(name string) path { return append(slices.Clip(p), name) }

func (p path) index(i int) path { return p.at(strconv.Itoa(i)) }

func (p path) key() string { return strings.Join(p, "\x00") }

func readTOML(file string, data []byte) *document {
	d := &document{file: file, places: map[string]source.Pos{}}
	if err := toml.Unmarshal(data, &d.root); err != nil {
		at := source.Pos{File: file, Line: 1, Column: 1, Width: 1}
		message := err.Error()
		if e, ok := errors.AsType[*toml.DecodeError](err); ok {
			at.Line, at.Column = e.Position()
			message = strings.TrimPrefix(e.Error(), "toml: ")
		}
		d.found = append(d.found, at.Diagnose("SP6001", message, "see https://toml.io/en/v1.0.0"))
		return d
	}
	d.locate(data)
	return d
}

// locate notes where the values stand.
func (d *document) locate(data []byte) {
	var p unstable.Parser
	p.Reset(data)
	var under path
	tables := map[string]int{} // of the arrays of tables
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			under = nil
			for key := e.Key(); key.Next(); {
				under = under.at(string(key.Node().Data))
				if n := tables[under.key()]; n > 0 && (e.Kind == unstable.Table || !key.IsLast()) {
					under = under.index(n - 1)
				}
			}
			if e.Kind == unstable.ArrayTable {
				tables[under.key()]++
				under = under.index(tables[under.key()] - 1)
			}
			first := e.Child()
			d.places[under.key()] = d.place(data, first.Raw)
		case unstable.KeyValue:
			d.locateIn(data, under, e)
		default:
		}
	}
}

func (d *document) locateIn(data []byte, under path, pair *unstable.Node) {
	var at source.Pos
	for key := pair.Key(); key.Next(); {
		under = under.at(string(key.Node().Data))
		at = d.place(data, key.Node().Raw)
	}
	d.locateValue(data, under, pair.Value(), at)
}

func (d *document) locateValue(data []byte, under path, v *unstable.Node, key source.Pos) {
	d.places[under.key()] = key
	switch v.Kind {
	case unstable.Array:
		for i, c := 0, v.Children(); c.Next(); {
			if c.Node().Kind == unstable.Comment {
				continue
			}
			at := key
			if c.Node().Raw.Length > 0 {
				at = d.place(data, c.Node().Raw)
			}
			d.locateValue(data, under.index(i), c.Node(), at)
			i++
		}
	case unstable.InlineTable:
		for c := v.Children(); c.Next(); {
			if c.Node().Kind == unstable.KeyValue {
				d.locateIn(data, under, c.Node())
			}
		}
	default:
	}
}

func (d *document) place(data []byte, r unstable.Range) source.Pos {
	before := data[:r.Offset]
	line := bytes.LastIndexByte(before, '\n') + 1
	token, _, _ := bytes.Cut(data[r.Offset:r.Offset+r.Length], []byte("\n"))
	return source.Pos{
		File: d.file, Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(before[line:]) + 1, Width: max(utf8.RuneCount(token), 1),
	}
}

// at returns where a value stands, or the deepest that it is in.
func (d *document) at(p path) source.Pos {
	for ; len(p) > 0; p = p[:len(p)-1] {
		if at, ok := d.places[p.key()]; ok {
			return at
		}
	}
	return source.Pos{File: d.file, Line: 1, Column: 1, Width: 1}
}

func (d *document) fail(p path, code, message, help string) {
	d.found = append(d.found, d.at(p).Diagnose(code, message, help))
}

func (d *document) warn(p path, code, message, help string) {
	d.found = append(d.found, d.at(p).Warn(code, message, help))
}

// table is a table of the document.
type table struct {
	doc  *document
	path path
	of   map[string]any
}

// only reports fields that are none.
func (t table) only(fields ...string) {
	for _, name := range slices.Sorted(maps.Keys(t.of)) {
		if slices.Contains(fields, name) {
			continue
		}
		help := "the fields are: " + strings.Join(fields, ", ")
		if s, ok := source.Suggest(name, fields); ok {
			help = fmt.Sprintf("did you mean `%s`?", s)
		}
		t.doc.fail(t.path.at(name), "SP1002", fmt.Sprintf("unknown field `%s`", source.Brief(name)), help)
	}
}

func (t table) wrong(p path, want string, got any) {
	t.doc.fail(p, "SP1004", fmt.Sprintf("`%s` must be %s", p[len(p)-1], want), fmt.Sprintf("it is %s", kindOf(got)))
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	case []any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return "a date or a time"
}

func value[T any](t table, name, want string) (v T) {
	got, there := t.of[name]
	if !there {
		return v
	}
	v, ok := got.(T)
	if !ok {
		t.wrong(t.path.at(name), want, got)
	}
	return v
}

func (t table) text(name string) string { return value[string](t, name, "a string") }

func (t table) flag(name string) bool { return value[bool](t, name, "true or false") }

func (t table) number(name string) float64 {
	if n, ok := t.of[name].(int64); ok {
		return float64(n)
	}
	return value[float64](t, name, "a number")
}

// texts calls do for every string of a list.
func (t table) texts(name string, do func(p path, s string)) {
	for i, v := range value[[]any](t, name, "a list of strings") {
		p := t.path.at(name).index(i)
		if s, ok := v.(string); ok {
			do(p, s)
			continue
		}
		t.doc.fail(p, "SP1004", fmt.Sprintf("`%s` must hold strings", name), fmt.Sprintf("this is %s", kindOf(v)))
	}
}

// tables calls do for every table of an array of tables, or for the one table that stands there instead.
func (t table) tables(name string, do func(table)) {
	p := t.path.at(name)
	switch v := t.of[name].(type) {
	case nil:
	case map[string]any:
		do(table{t.doc, p, v})
	case []any:
		for i, one := range v {
			of, ok := one.(map[string]any)
			if !ok {
				t.wrong(p, "an array of tables", v)
				return
			}
			do(table{t.doc, p.index(i), of})
		}
	default:
		t.wrong(p, "an array of tables", v)
	}
}
