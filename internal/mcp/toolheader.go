package mcp

import (
	"slices"
	"strconv"
	"strings"

	sdk "github.com/mark3labs/mcp-go/mcp"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/httphead"
)

// InvalidHeaderTool reports whether a tool's inputSchema has an x-mcp-header
// annotation that breaks the rules of SEP-2243. An HTTP client must leave such a
// tool out of its tools/list. Whether a gateway that shows one server as it is
// does so, or leaves it to its own client, is the gateway's choice.
func InvalidHeaderTool(tool jsonscan.Value) bool {
	var a annotations
	return !a.schema(tool.Get("inputSchema"), atRoot)
}

const headerAnnotation = "x-mcp-header"

// HeaderParam is an argument that a header mirrors.
type HeaderParam struct {
	Header string   // such as "Mcp-Param-Region"
	path   []string // of the argument
}

// HeaderParams lists the arguments that the headers of a call mirror, as a tool's inputSchema says (SEP-2243): none if it breaks the
// rules, for no client may call such a tool.
func HeaderParams(inputSchema jsonscan.Value) []HeaderParam {
	if a := new(annotations); !a.schema(inputSchema, atRoot) || len(a.names) == 0 {
		return nil
	}
	return headerParams(nil, inputSchema, nil)
}

func headerParams(found []HeaderParam, schema jsonscan.Value, path []string) []HeaderParam {
	for c := schema.Get("properties").Cursor(); c.Next(); {
		at := append(slices.Clone(path), strings.Clone(c.Name().Text()))
		if name := c.Value().Get(headerAnnotation); name.Exists() {
			found = append(found, HeaderParam{Header: sdk.HeaderParamPrefix + name.Text(), path: at})
		}
		found = headerParams(found, c.Value(), at)
	}
	return found
}

// CheckParams compares the headers that mirror arguments with the arguments. Others that begin with Mcp-Param- are the server's
// business.
func (m *Message) CheckParams(h *httphead.Head, params []HeaderParam) *Refusal {
	for i := range params {
		p := &params[i]
		value, header := m.Arguments.Path(p.path...), paramOf(h, p.Header)
		absent := !value.Exists() || value.Kind() == jsonscan.Null
		if absent != (header == nil) || !absent && !mirrors(header, value) {
			return mismatch(p.Header)
		}
	}
	return nil
}

func paramOf(h *httphead.Head, name string) []byte {
	for i := range h.Params {
		if strings.EqualFold(string(h.Params[i].Name), name) {
			return h.Params[i].Value
		}
	}
	return nil
}

// mirrors compares text exactly and integers as numbers.
func mirrors(header []byte, value jsonscan.Value) bool {
	text := string(header)
	if isSentinel(header) {
		var ok bool
		if text, ok = decodeSentinel(header); !ok {
			return false
		}
	}
	switch value.Kind() {
	case jsonscan.String:
		return value.TextIs(text)
	case jsonscan.True, jsonscan.False:
		return text == string(value.Raw())
	case jsonscan.Number:
		n, isInt := value.Int64()
		sent, err := strconv.ParseInt(text, 10, 64)
		if isInt && err == nil {
			return n == sent
		}
		f, _ := value.Float64()
		other, err := strconv.ParseFloat(text, 64)
		return err == nil && f == other
	default:
		return false
	}
}

// AppendParams appends the headers that mirror arguments, written anew from them.
func (m *Message) AppendParams(dst []Header, params []HeaderParam) []Header {
	for i := range params {
		switch v := m.Arguments.Path(params[i].path...); v.Kind() {
		case jsonscan.Invalid, jsonscan.Null:
		case jsonscan.String:
			dst = append(dst, Header{params[i].Header, encodeValue(v.Text())})
		default:
			dst = append(dst, Header{params[i].Header, string(v.Raw())})
		}
	}
	return dst
}

// place says how a schema is reached from the root.
type place uint8

const (
	atRoot    place = iota
	reachable       // by "properties" keys alone
	elsewhere       // through an array, a composition, a condition or a definition
)

// annotations collects the header names of one tool.
type annotations struct{ names []string }

// schema reports whether the annotations in a schema are valid.
func (a *annotations) schema(s jsonscan.Value, at place) bool {
	for c := s.Cursor(); c.Next(); {
		if !c.Name().Exists() {
			return a.each(s, elsewhere)
		}
		if !a.keyword(s, c.Name(), c.Value(), at) {
			return false
		}
	}
	return true
}

func (a *annotations) keyword(s, name, value jsonscan.Value, at place) bool {
	switch {
	case name.TextIs(headerAnnotation):
		return at == reachable && a.annotation(value, s.Get("type"))
	case name.TextIs("properties"):
		if at == atRoot {
			at = reachable
		}
		return a.each(value, at)
	case name.TextIs("$defs"), name.TextIs("definitions"), name.TextIs("patternProperties"), name.TextIs("dependentSchemas"):
		return a.each(value, elsewhere)
	case name.TextIs("dependentRequired"), name.TextIs("const"), name.TextIs("enum"), name.TextIs("default"), name.TextIs("examples"):
		return true // no schemas in it
	case value.Kind() == jsonscan.Array:
		return a.each(value, elsewhere)
	}
	return a.schema(value, elsewhere)
}

// each walks the schemas in an object or a list.
func (a *annotations) each(schemas jsonscan.Value, at place) bool {
	for c := schemas.Cursor(); c.Next(); {
		if !a.schema(c.Value(), at) {
			return false
		}
	}
	return true
}

// annotation checks one annotation and the type of the property that has it.
func (a *annotations) annotation(value, kind jsonscan.Value) bool {
	name := value.Text()
	if name == "" || !isToken(name) || !isHeaderType(kind) {
		return false
	}
	for _, other := range a.names {
		if strings.EqualFold(other, name) {
			return false
		}
	}
	a.names = append(a.names, name)
	return true
}

// isHeaderType takes string, integer and boolean, or a list of these. "number"
// is not one: two ends would write it differently.
func isHeaderType(kind jsonscan.Value) bool {
	if kind.Kind() != jsonscan.Array {
		return kind.TextIs("string") || kind.TextIs("integer") || kind.TextIs("boolean")
	}
	for c := kind.Cursor(); c.Next(); {
		if !isHeaderType(c.Value()) {
			return false
		}
	}
	return kind.Len() > 0
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return true
}
