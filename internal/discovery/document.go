package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// Bounds of one document.
const (
	maxDocument = 64 << 10 // bytes
	maxDepth    = 32
	maxValues   = 4 << 10
	maxParts    = 64 // remotes, packages, headers, variables, choices
	maxText     = 4 << 10
	maxVersion  = 255
	maxTitle    = 100 // characters
)

// The versions of the format that are read: from the first with the names that fields have today.
var schemas = []string{"2025-09-16", "2025-09-29", "2025-10-11", "2025-10-17", "2025-12-11"}

var schemaURL = regexp.MustCompile(`^https://static\.modelcontextprotocol\.io/schemas/([0-9-]{1,32})/server\.schema\.json$`)

// official is where a registry says what it thinks of a document.
const official = "io.modelcontextprotocol.registry/official"

// document is a server.json: what it is called, and where its server is. https://github.com/modelcontextprotocol/registry has the format.
type document struct {
	Listing
	written  json.RawMessage // what the digest is of: with its members in order
	digest   string
	message  string // beside the status
	older    bool   // the registry has a later version
	remotes  []remote
	packages []pkg
}

// remote is a server that runs somewhere.
type remote struct {
	kind, url string
	headers   []header
	variables map[string]input
}

type header struct {
	input
	name      string
	variables map[string]input
}

// input is a value that a document gives, or wants to be given.
type input struct {
	value, fallback  string
	fixed, defaulted bool // it has the one, the other
	required, secret bool
	choices          []string
}

// pkg is a program that somebody could download and run.
type pkg struct{ kind, identifier, version string }

// reader takes a document apart, and keeps the first mistake.
type reader struct{ err error }

// readDocument reads a document, or what a registry answers about one: the document as `server` and what the registry says of it as `_meta`.
// The name is given, if there is one, even if the rest can't be read.
func readDocument(data []byte) (d document, err error) {
	if len(data) > maxDocument {
		return document{Listing: Listing{Name: nameAnyway(data)}}, fmt.Errorf("it is larger than %d KiB", maxDocument>>10)
	}
	var doc jsonscan.Doc
	if err := doc.Scan(data, jsonscan.Options{Depth: maxDepth, Values: maxValues}); err != nil {
		return document{Listing: Listing{Name: nameAnyway(data)}}, fmt.Errorf("it is no JSON that can be relied on: %w", err)
	}
	root := doc.Root()
	server := root
	if s := root.Get("server"); s.Exists() {
		server = s
	}
	if server.Kind() != jsonscan.Object {
		return d, errors.New("it is not an object")
	}
	var r reader
	d.Name = r.text(server, "name", true, maxText)
	if r.err == nil && !config.ListedName(d.Name) {
		name := d.Name
		d.Name = ""
		return d, fmt.Errorf("`%s` is not the name of a server: a domain backwards, a slash, a name", source.Brief(name))
	}
	r.server(server, &d)
	if server != root {
		r.registry(root, &d)
	}
	if r.err == nil {
		r.err = d.write(server.Raw())
	}
	return d, r.err
}

// nameAnyway is what a document that is not to be relied on calls itself; "" if that is no name.
func nameAnyway(data []byte) string {
	var is struct {
		Name   string `json:"name"`
		Server struct {
			Name string `json:"name"`
		} `json:"server"`
	}
	if json.Unmarshal(data, &is) != nil {
		return ""
	}
	if is.Server.Name != "" {
		is.Name = is.Server.Name
	}
	if !config.ListedName(is.Name) {
		return ""
	}
	return is.Name
}

// write keeps what is written, whatever its layout, and a digest of it.
func (d *document) write(text []byte) error {
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	var v any
	err := in.Decode(&v)
	if err == nil {
		d.written, err = json.Marshal(v)
	}
	sum := sha256.Sum256(d.written)
	d.digest = "sha256:" + hex.EncodeToString(sum[:])
	return err
}

func (r *reader) server(v jsonscan.Value, d *document) {
	if schema := r.text(v, "$schema", false, maxText); schema != "" {
		m := schemaURL.FindStringSubmatch(schema)
		if m == nil {
			r.fail("its `$schema` is none of a server: %s", source.Brief(schema))
		} else if !slices.Contains(schemas, m[1]) {
			r.fail("it is of the format of %s, which this gateway doesn't know", m[1])
		}
	}
	d.Version = r.text(v, "version", true, maxVersion)
	d.Title = r.text(v, "title", false, maxText)
	d.Description = r.text(v, "description", true, maxText)
	if utf8.RuneCountInString(d.Title) > maxTitle || utf8.RuneCountInString(d.Description) > maxTitle {
		r.fail("its title or description has more than %d characters", maxTitle)
	}
	for v := range r.list(v, "remotes") {
		d.remotes = append(d.remotes, remote{
			kind: r.text(v, "type", true, maxText), url: r.text(v, "url", true, maxText), headers: r.headers(v), variables: r.variables(v),
		})
	}
	for v := range r.list(v, "packages") {
		d.packages = append(d.packages, pkg{
			kind: r.text(v, "registryType", true, maxText), identifier: r.text(v, "identifier", true, maxText), version: r.text(v, "version", false, maxText),
		})
	}
}

// registry reads what a registry says of a document. One that says nothing has it in use.
func (r *reader) registry(v jsonscan.Value, d *document) {
	is := v.Get("_meta").Get(official)
	d.Status = r.text(is, "status", false, maxText)
	d.message = r.text(is, "statusMessage", false, maxText)
	if latest := is.Get("isLatest"); latest.Exists() {
		d.older = !r.boolean(is, "isLatest")
	}
	if d.Status == "active" {
		d.Status = ""
	}
}

func (r *reader) headers(v jsonscan.Value) (all []header) {
	for v := range r.list(v, "headers") {
		all = append(all, header{name: r.text(v, "name", true, maxText), input: r.input(v), variables: r.variables(v)})
	}
	return all
}

func (r *reader) variables(v jsonscan.Value) map[string]input {
	all := v.Get("variables")
	switch {
	case !all.Exists():
		return nil
	case all.Kind() != jsonscan.Object || all.Len() > maxParts:
		r.fail("its `variables` are no object of at most %d", maxParts)
		return nil
	}
	out := make(map[string]input, all.Len())
	for name, v := range all.Members() {
		if v.Kind() != jsonscan.Object {
			r.fail("a variable is no object")
		}
		out[name.Text()] = r.input(v)
	}
	return out
}

func (r *reader) input(v jsonscan.Value) input {
	in := input{
		value: r.text(v, "value", false, maxText), fixed: v.Get("value").Exists(),
		fallback: r.text(v, "default", false, maxText), defaulted: v.Get("default").Exists(),
		required: r.boolean(v, "isRequired"), secret: r.boolean(v, "isSecret"),
	}
	choices := v.Get("choices")
	if choices.Exists() && (choices.Kind() != jsonscan.Array || choices.Len() > maxParts) {
		r.fail("its `choices` are no list of at most %d", maxParts)
		return in
	}
	for c := range choices.Elems() {
		if c.Kind() != jsonscan.String {
			r.fail("one of its `choices` is no text")
		}
		in.choices = append(in.choices, string([]byte(c.Text())))
	}
	return in
}

// list gives the objects of a list.
func (r *reader) list(v jsonscan.Value, name string) func(func(jsonscan.Value) bool) {
	return func(yield func(jsonscan.Value) bool) {
		all := v.Get(name)
		if all.Exists() && (all.Kind() != jsonscan.Array || all.Len() > maxParts) {
			r.fail("its `%s` are no list of at most %d", name, maxParts)
			return
		}
		for v := range all.Elems() {
			if v.Kind() != jsonscan.Object {
				r.fail("one of its `%s` is no object", name)
				return
			}
			if !yield(v) {
				return
			}
		}
	}
}

func (r *reader) text(v jsonscan.Value, name string, required bool, most int) string {
	t := v.Get(name)
	switch {
	case !t.Exists() && !required:
		return ""
	case t.Kind() != jsonscan.String:
		r.fail("its `%s` is no text", name)
		return ""
	}
	text := t.Text()
	if required && text == "" || len(text) > most {
		r.fail("its `%s` is empty, or longer than %d bytes", name, most)
		return ""
	}
	return string([]byte(text)) // it may be a part of much more
}

func (r *reader) boolean(v jsonscan.Value, name string) bool {
	b := v.Get(name)
	is, ok := b.Bool()
	if b.Exists() && !ok {
		r.fail("its `%s` is neither true nor false", name)
	}
	return is
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}
