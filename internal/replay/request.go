package replay

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// A Builder makes requests again from records, one after another. It is for one goroutine; the zero Builder is ready.
type Builder struct {
	fields    fields
	tree      []node
	text      []byte
	doc       jsonscan.Doc
	inputs    jsonscan.Value
	request   engine.Request
	principal engine.Principal
	header    func(string) string
}

// node is a member of the inputs. What has a value is that value, whatever came below it.
type node struct {
	name        string
	value       []byte
	first, next int32 // of the members below it, and beside it; 0 is none, for that is the root
}

var errInputs = errors.New("the recorded inputs can't be read")

// Inputs are those of the last request: an object with params, annotations, result, error, headers, claims, groups, roles and scopes,
// as far as they are recorded.
func (b *Builder) Inputs() jsonscan.Value { return b.inputs }

// Request makes the request again that a record was written about, as far as it is recorded. It is valid until the next call, and for as
// long as the record is.
func (b *Builder) Request(r *audit.Record) (*engine.Request, error) {
	if err := b.read(r); err != nil {
		return nil, err
	}
	if b.header == nil {
		b.header = func(name string) string { return b.inputs.Get("headers").Get(name).Text() }
	}
	in := b.inputs
	q := &b.request
	*q = engine.Request{
		DefaultAllow: mcp.LookupMethod(r.Method).DefaultAllow(),
		Method:       r.Method, Server: r.Server, Tool: r.Tool, Prompt: r.Prompt, Resource: r.Resource, Time: r.Time,
		Params: in.Get("params"), Arguments: in.Path("params", "arguments"), Annotations: in.Get("annotations"), Result: in.Get("result"), Error: in.Get("error"),
		Header: b.header,
	}
	if r.PrincipalKind != "" || r.PrincipalID != "" {
		b.principal = engine.Principal{
			ID: r.PrincipalID, Kind: r.PrincipalKind, Issuer: r.Issuer,
			Groups: texts(in.Get("groups")), Roles: texts(in.Get("roles")), Scopes: texts(in.Get("scopes")), Claims: in.Get("claims"),
		}
		if r.PrincipalKind == engine.KindAPIKey {
			b.principal.APIKey = r.PrincipalID
		}
		q.Principal = &b.principal
	}
	if q.ToolHash = r.ToolHash; q.ToolHash == "" && r.Reason == engine.ReasonToolChanged {
		q.ToolHash = "another" // which one a lifecycle record says
	}
	if r.Phase == "response" {
		q.Phase = engine.PhaseResponse
	}
	if !r.Now.IsZero() {
		q.Time = r.Now
	}
	if a, err := netip.ParseAddr(r.SourceAddress); err == nil {
		q.Source = a
	}
	return q, nil
}

// read puts the recorded fields, whose names are paths, back into one object.
func (b *Builder) read(r *audit.Record) error {
	if b.fields == nil {
		b.fields = fields{}
	}
	if len(r.Inputs)+len(r.Absent) > audit.MaxInputs { // each takes a byte at least
		return errInputs
	}
	b.tree = append(b.tree[:0], node{})
	for _, in := range r.Inputs {
		b.put(b.fields.of(in.Name), in.JSON)
	}
	for _, name := range r.Absent {
		if f := b.fields.of(name); len(f.steps) > 0 {
			b.put(&field{root: f.root, steps: f.steps[:len(f.steps)-1]}, nil) // what it would stand in is there
		}
	}
	b.text = b.append(b.text[:0], 0)
	if err := b.doc.Scan(b.text, jsonscan.Options{}); err != nil {
		return errInputs
	}
	b.inputs = b.doc.Root()
	return nil
}

func (b *Builder) put(f *field, value []byte) {
	if f.root == noRoot {
		return
	}
	n := b.member(0, rootNames[f.root])
	if f.root == arguments {
		n = b.member(n, "arguments")
	}
	for _, name := range f.steps {
		n = b.member(n, name)
	}
	if value != nil {
		b.tree[n].value = value
	}
}

// member finds a member of a node, or makes it.
func (b *Builder) member(of int32, name string) int32 {
	last := int32(0)
	for n := b.tree[of].first; n != 0; n = b.tree[n].next {
		if b.tree[n].name == name {
			return n
		}
		last = n
	}
	b.tree = append(b.tree, node{name: name})
	n := int32(len(b.tree) - 1)
	if last == 0 {
		b.tree[of].first = n
	} else {
		b.tree[last].next = n
	}
	return n
}

func (b *Builder) append(dst []byte, n int32) []byte {
	if v := b.tree[n].value; v != nil {
		return append(dst, v...)
	}
	dst = append(dst, '{')
	for m := b.tree[n].first; m != 0; m = b.tree[m].next {
		if m != b.tree[n].first {
			dst = append(dst, ',')
		}
		dst = b.append(append(jsonscan.AppendQuote(dst, b.tree[m].name), ':'), m)
	}
	return append(dst, '}')
}

func texts(list jsonscan.Value) []string {
	var out []string
	for c := list.Cursor(); c.Next(); {
		out = append(out, c.Value().Text())
	}
	return out
}

// Known says whether a record holds all that some fields are, and else why not. The fields are those of Decision.Reads.
func (b *Builder) Known(r *audit.Record, reads []string) (why string, ok bool) {
	for _, text := range []string{r.Method, r.Server, r.Tool, r.Prompt, r.Resource, r.PrincipalKind, r.PrincipalID, r.Issuer, r.SourceAddress} {
		if why := inexact(text); why != "" {
			return why, false
		}
	}
	for _, name := range reads {
		f := b.fields.of(name)
		if f.named || b.holds(r, f) {
			continue
		}
		return audit.InputsNotRecorded, false
	}
	return "", true
}

// inexact says why a text may not be what it was. Whoever writes it so himself is not believed.
func inexact(text string) string {
	switch {
	case strings.Contains(text, audit.Redacted):
		return audit.InputsMasked
	case strings.HasSuffix(text, "\u2026"), strings.ContainsRune(text, utf8.RuneError):
		return audit.InputsTruncated
	}
	return ""
}

// holds says whether a field is among the inputs, or among what was not there.
func (b *Builder) holds(r *audit.Record, f *field) bool {
	for _, in := range r.Inputs {
		if is := b.fields.of(in.Name); is.root != noRoot && is.tells(f) {
			return f.root != headers || len(f.steps) == 1 && inexact(b.inputs.Get("headers").Get(f.steps[0]).Text()) == ""
		}
	}
	for _, name := range r.Absent {
		if is := b.fields.of(name); is.root != noRoot && is.tells(f) {
			return true
		}
	}
	return false
}
