// Package table reads the tables that plugins look things up in: mappings from keys to JSON values, as JSON, YAML or CSV.
//
// A table is read strictly: a key that stands twice is a mistake, whatever its two values are, since nobody can say which one was meant.
package table

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// code is that of the diagnostics.
const code = "SP6004"

// maxMade is the most JSON that is made of YAML, where a few bytes can stand for many: aliases.
const maxMade = 32 << 20

// Table is a mapping from keys to JSON values. It is immutable and safe for concurrent use.
type Table struct {
	values map[string]jsonscan.Value
	digest string
}

// Len returns the number of keys.
func (t *Table) Len() int { return len(t.values) }

// Lookup returns the value of a key, an absent one if there is none.
func (t *Table) Lookup(key string) jsonscan.Value { return t.values[key] }

// Digest is of the table's text, as "sha256:...".
func (t *Table) Digest() string { return t.digest }

// Parse reads a table; the end of the file's name says in what form: .json, .yaml, .yml or .csv. There is no table if there are diagnostics.
func Parse(file string, data []byte) (*Table, source.Diagnostics) {
	r := reader{file: file, data: data}
	var text []byte
	switch path.Ext(strings.ToLower(file)) {
	case ".yaml", ".yml":
		text = r.yaml()
	case ".csv":
		text = r.csv()
	default:
		text = bytes.Clone(data)
	}
	if len(r.found) > 0 {
		return nil, r.found
	}
	values := r.json(text)
	if len(r.found) > 0 {
		return nil, r.found
	}
	sum := sha256.Sum256(data)
	return &Table{values, "sha256:" + hex.EncodeToString(sum[:])}, nil
}

// reader reads one file.
type reader struct {
	file  string
	data  []byte
	found source.Diagnostics
	big   bool // more than maxMade was reported
}

func (r *reader) fail(at source.Pos, message, help string) {
	r.found = append(r.found, at.Diagnose(code, message, help))
}

// at is the place of a byte of the file.
func (r *reader) at(offset int) source.Pos {
	before := r.data[:min(offset, len(r.data))]
	line := bytes.LastIndexByte(before, '\n') + 1
	return source.Pos{File: r.file, Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(before[line:]) + 1, Width: 1}
}

// json takes the members of an object. Of a table in another form it is what was made of it, and has no mistakes but those of its keys, which
// have been reported.
func (r *reader) json(text []byte) map[string]jsonscan.Value {
	d := new(jsonscan.Doc)
	if err := d.Scan(text, jsonscan.Options{}); err != nil {
		at := r.at(0)
		if e, ok := errors.AsType[*jsonscan.Error](err); ok {
			at = r.at(e.Offset)
			if e.Code == jsonscan.CodeDuplicateName {
				r.fail(at, "a key stands twice", "remove one of them")
				return nil
			}
		}
		r.fail(at, "not JSON: "+err.Error(), "")
		return nil
	}
	root := d.Root()
	if root.Kind() != jsonscan.Object {
		r.fail(r.at(0), fmt.Sprintf("a table is an object, this is of the type %v", root.Kind()), `write {"key": value, ...}`)
		return nil
	}
	values := make(map[string]jsonscan.Value, root.Len())
	for name, value := range root.Members() {
		key := strings.Clone(name.Text())
		if len(key) > hostapi.LimitLookupKeyBytes {
			r.long(r.at(bytes.Index(r.data, name.Raw())))
			continue
		}
		values[key] = value
	}
	return values
}

func (r *reader) long(at source.Pos) {
	r.fail(at, fmt.Sprintf("a key is longer than %d bytes", hostapi.LimitLookupKeyBytes), "no plugin could ask for it")
}

// yaml makes JSON of a mapping.
func (r *reader) yaml() []byte {
	nodes, found := source.Parse(r.file, r.data)
	r.found = append(r.found, found...)
	if len(r.found) > 0 {
		return nil
	}
	if len(nodes) != 1 || nodes[0].Kind() != source.Map {
		r.fail(source.Pos{File: r.file, Line: 1, Column: 1, Width: 1}, "a table is one mapping", "write a line `key: value` for each key")
		return nil
	}
	if kind := nodes[0].Get("kind"); kind != nil && nodes[0].Get("apiVersion") != nil {
		r.fail(kind.Pos(), "this is no table", "what lies in `tables` is one: put the file elsewhere")
		return nil
	}
	return r.append(nil, nodes[0])
}

func (r *reader) append(dst []byte, n *source.Node) []byte {
	if r.big || len(dst) > maxMade {
		if !r.big {
			r.fail(n.Pos(), fmt.Sprintf("with its aliases written out the table is larger than %d MiB", maxMade>>20), "use fewer of them")
		}
		r.big = true
		return append(dst, "null"...)
	}
	switch n.Kind() {
	case source.Bool:
		return strconv.AppendBool(dst, strings.EqualFold(n.Text().Value, "true"))
	case source.Number:
		return r.number(dst, n)
	case source.String:
		return jsonscan.AppendQuote(dst, n.Text().Value)
	case source.List:
		dst = append(dst, '[')
		for i, item := range n.Items() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = r.append(dst, item)
		}
		return append(dst, ']')
	case source.Map:
		dst = append(dst, '{')
		begun := false
		for key, value := range n.Fields() {
			if begun {
				dst = append(dst, ',')
			}
			begun = true
			name := key.Text().Value
			if len(name) > hostapi.LimitLookupKeyBytes {
				r.long(key.Pos())
			}
			dst = append(jsonscan.AppendQuote(dst, name), ':')
			dst = r.append(dst, value)
		}
		return append(dst, '}')
	default:
		return append(dst, "null"...)
	}
}

// number keeps a number as it is written, which must be as JSON has it.
func (r *reader) number(dst []byte, n *source.Node) []byte {
	text := n.Text().Value
	var d jsonscan.Doc
	if err := d.Scan([]byte(text), jsonscan.Options{}); err != nil || d.Root().Kind() != jsonscan.Number {
		r.fail(n.Pos(), fmt.Sprintf("`%s` is not a number that JSON has", source.Brief(text)), "write it in decimal, or put it in quotes")
		return append(dst, '0')
	}
	return append(dst, text...)
}

// csv makes JSON of lines: the first names the columns, the first of each other is its key, the others become an object.
func (r *reader) csv() []byte {
	if !utf8.Valid(r.data) {
		r.fail(r.at(0), "not UTF-8", "")
		return nil
	}
	c := csv.NewReader(bytes.NewReader(r.data))
	place := func(field int) source.Pos {
		line, column := c.FieldPos(field)
		return source.Pos{File: r.file, Line: line, Column: column, Width: 1}
	}
	header, err := c.Read()
	if err != nil {
		r.broken(err)
		return nil
	}
	names := map[string]bool{}
	for i, name := range header {
		if i > 0 && (name == "" || names[name]) {
			r.fail(place(i), fmt.Sprintf("the column `%s` has no name, or another's", source.Brief(name)), "the first line names the columns")
		}
		names[name] = i > 0
	}
	out := []byte{'{'}
	for first := map[string]int{}; ; {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return append(out, '}')
		}
		if err != nil {
			r.broken(err)
			return nil
		}
		at := place(0)
		if line, known := first[row[0]]; known {
			r.fail(at, fmt.Sprintf("the key `%s` stands on line %d already", source.Brief(row[0]), line), "remove one of them")
			continue
		}
		if len(row[0]) > hostapi.LimitLookupKeyBytes {
			r.long(at)
		}
		first[row[0]] = at.Line
		out = appendRow(out, header, row)
	}
}

// broken reports what is no CSV.
func (r *reader) broken(err error) {
	at := source.Pos{File: r.file, Line: 1, Column: 1, Width: 1}
	message := err.Error()
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		at.Line, at.Column, message = e.Line, e.Column, e.Err.Error()
	}
	if errors.Is(err, io.EOF) {
		message = "the table is empty"
	}
	r.fail(at, message, "the first line names the columns, every other has as many")
}

func appendRow(out []byte, header, row []string) []byte {
	if len(out) > 1 {
		out = append(out, ',')
	}
	out = append(jsonscan.AppendQuote(out, row[0]), ':', '{')
	for i := 1; i < len(row); i++ {
		if i > 1 {
			out = append(out, ',')
		}
		out = append(jsonscan.AppendQuote(out, header[i]), ':')
		out = jsonscan.AppendQuote(out, row[i])
	}
	return append(out, '}')
}
