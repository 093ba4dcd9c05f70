package gateway

import (
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

// recordInputs puts into the record what the rules that were considered could read, and no more: enough to decide again. What
// the record says anyway (method, server, names, address, principal's id) is not repeated. Secrets are masked by the log.
func (x *exchange) recordInputs(r *audit.Record, d *engine.Decision) {
	for _, name := range d.Reads() {
		if name == "now" {
			continue // the record's time
		}
		if value := x.input(name); value != nil {
			r.Inputs = append(r.Inputs, audit.Input{Name: name, JSON: value})
		}
	}
}

// input gives the JSON of a field by its canonical name; nil if it is absent, or stands in the record already.
func (x *exchange) input(name string) []byte {
	q := &x.request
	for _, root := range []struct {
		prefix string
		value  jsonscan.Value
	}{
		{"args", q.Arguments}, {"params", q.Params}, {"mcp.tool.annotations", q.Annotations}, {"mcp.tool.result", q.Result},
	} {
		if rest, ok := under(name, root.prefix); ok {
			return field(root.value, rest)
		}
	}
	if header, ok := under(name, "request.headers"); ok && header != "" {
		if v := x.head.Get(header); v != "" {
			return x.keepInput(jsonscan.AppendQuote(x.inputs, v))
		}
		return nil
	}
	return x.principalInput(q.Principal, name)
}

// keepInput takes what was appended to the memory for inputs.
func (x *exchange) keepInput(grown []byte) []byte {
	added := grown[len(x.inputs):]
	x.inputs = grown
	return added
}

func (x *exchange) principalInput(p *engine.Principal, name string) []byte {
	if p == nil {
		return nil
	}
	for _, prefix := range []string{"jwt", "principal.claims", "apiKey.claims"} {
		if rest, ok := under(name, prefix); ok {
			return field(p.Claims, rest)
		}
	}
	switch name {
	case "principal.groups":
		return x.keepInput(quoteAll(x.inputs, p.Groups))
	case "principal.roles":
		return x.keepInput(quoteAll(x.inputs, p.Roles))
	case "principal.scopes":
		return x.keepInput(quoteAll(x.inputs, p.Scopes))
	}
	return nil
}

// under says whether name is prefix or a field below it.
func under(name, prefix string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(name, prefix); !ok {
		return "", false
	}
	if rest == "" {
		return "", true
	}
	return strings.CutPrefix(rest, ".")
}

// field gives the JSON of a field by its path; what is there of it, if the path ends in a list or a string.
func field(v jsonscan.Value, path string) []byte {
	for path != "" && v.Kind() == jsonscan.Object {
		var name string
		name, path, _ = strings.Cut(path, ".")
		v = v.Get(name)
	}
	return v.Raw()
}

func quoteAll(out []byte, all []string) []byte {
	out = append(out, '[')
	for i, s := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = jsonscan.AppendQuote(out, s)
	}
	return append(out, ']')
}
