package discovery

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// reason is why a document is not a server that can be served, and what to do.
type reason struct{ why, help string }

// place says where the server of a document is, and which headers it gets; or why it is not served.
func (d *document) place(settled *config.Listed) (at string, headers map[string]string, no *reason) {
	switch d.Status {
	case "", "deprecated":
	case "deleted":
		return "", nil, &reason{"its registry has deleted it" + said(d.message), "remove it from `discovery.registries`, or ask who runs the registry"}
	default:
		return "", nil, &reason{fmt.Sprintf("its registry says `%s` of it, and nobody knows what that means", source.Brief(d.Status)), "ask who runs the registry"}
	}
	var first *reason
	for i := range d.remotes {
		r := &d.remotes[i]
		if r.kind != "streamable-http" {
			continue
		}
		at, headers, no := r.fill(settled)
		if no == nil {
			return at, headers, nil
		}
		if first == nil {
			first = no
		}
	}
	if first != nil {
		return "", nil, first
	}
	return "", nil, d.nowhere()
}

func said(message string) string {
	if message == "" {
		return ""
	}
	return ": " + source.Brief(message)
}

// nowhere says why a document has no server that could be called.
func (d *document) nowhere() *reason {
	for i := range d.remotes {
		if d.remotes[i].kind == "sse" {
			return &reason{"it is called by the HTTP+SSE of 2024-11-05, which the gateway doesn't speak", "ask who runs it for Streamable HTTP"}
		}
	}
	if len(d.remotes) > 0 {
		return &reason{fmt.Sprintf("the gateway doesn't know how to call `%s`", source.Brief(d.remotes[0].kind)), "ask who runs it for Streamable HTTP"}
	}
	if len(d.packages) > 0 {
		p := &d.packages[0]
		return &reason{
			fmt.Sprintf("it is a program to download (%s `%s`), and the gateway runs none that a document names", source.Brief(p.kind), source.Brief(p.identifier)),
			"have a look at it, install it, and write it under `servers`" + p.example(),
		}
	}
	return &reason{"it doesn't say where it is", "ask who runs it"}
}

var (
	packageName = regexp.MustCompile(`^(@[a-z0-9][a-z0-9._-]{0,60}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,60}$`)
	packageSemi = regexp.MustCompile(`^[0-9][0-9A-Za-z.+-]{0,40}$`)
)

// example is how the program would be started, if that can be written down without doubt.
func (p *pkg) example() string {
	if !packageName.MatchString(p.identifier) || !packageSemi.MatchString(p.version) {
		return ": `command: [PROGRAM, ARGUMENT]`"
	}
	switch is := p.identifier + "@" + p.version; p.kind {
	case "npm":
		return fmt.Sprintf(": `command: [npx, -y, \"%s\"]`", is)
	case "pypi":
		return fmt.Sprintf(": `command: [uvx, \"%s\"]`", is)
	case "nuget":
		return fmt.Sprintf(": `command: [dnx, \"%s\", --yes]`", is)
	}
	return ": `command: [PROGRAM, ARGUMENT]`"
}

var variable = regexp.MustCompile(`\{([a-zA-Z_][a-zA-Z0-9_.-]*)\}`)

// fill says where a remote server is once its variables have values.
func (r *remote) fill(settled *config.Listed) (at string, headers map[string]string, no *reason) {
	at = variable.ReplaceAllStringFunc(r.url, func(name string) string {
		name = name[1 : len(name)-1]
		in := r.variables[name]
		value, ok, why := in.give(settled.Variables, name)
		switch {
		case no != nil:
		case in.secret:
			no = &reason{fmt.Sprintf("its URL would hold a secret, `%s`, which would be seen in logs", source.Brief(name)), "write the server under `servers`, if that is wanted"}
		case why != "":
			no = &reason{why, "see `variables` of the server in `discovery.registries`"}
		case !ok:
			no = &reason{
				fmt.Sprintf("its URL needs the variable `%s`", source.Brief(name)),
				"name the server in `discovery.registries`, with its `host` and `variables`",
			}
		}
		return value
	})
	if no != nil {
		return "", nil, no
	}
	if no = checkPlace(at, settled.Host); no != nil {
		return "", nil, no
	}
	headers, no = r.fillHeaders(settled)
	return at, headers, no
}

// checkPlace checks what only documents can do wrong with a URL; the config's own checks come after it.
func checkPlace(at, host string) *reason {
	u, err := url.Parse(at)
	switch {
	case err != nil || strings.ContainsAny(at, "{}") || strings.ContainsFunc(u.Host, func(c rune) bool { return c <= ' ' || c > '~' }):
		return &reason{fmt.Sprintf("`%s` is not an http or https URL", source.Brief(at)), "ask who runs it"}
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return &reason{"it is called without TLS: whoever is between could read and change what is sent", "ask who runs it for an https URL; or write the server under `servers`"}
	case host != "" && !sameHost(u, host):
		return &reason{fmt.Sprintf("it is at `%s`, and the config says `%s`", source.Brief(u.Host), host), "see who has changed its document; correct `host` if it is right"}
	}
	return nil
}

func loopback(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "localhost" }

func sameHost(u *url.URL, host string) bool {
	usual := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return strings.TrimSuffix(strings.ToLower(u.Host), usual) == strings.TrimSuffix(strings.ToLower(host), usual)
}

// fillHeaders gives the headers that the operator has settled, and beside them those of the document that are no secrets.
func (r *remote) fillHeaders(settled *config.Listed) (map[string]string, *reason) {
	out := map[string]string{}
	have := map[string]bool{}
	for name, value := range settled.Headers {
		out[name] = value
		have[strings.ToLower(name)] = true
	}
	for i := range r.headers {
		h := &r.headers[i]
		if have[strings.ToLower(h.name)] {
			continue
		}
		value, ok, no := h.fill(settled.Variables)
		if no != nil {
			return nil, no
		}
		if !ok {
			continue
		}
		out[h.name] = value
		have[strings.ToLower(h.name)] = true
	}
	return out, nil
}

// fill gives the value of a header, if it is to be sent.
func (h *header) fill(settled map[string]string) (value string, ok bool, no *reason) {
	missing := &reason{
		fmt.Sprintf("it needs the header `%s`", source.Brief(h.name)),
		"name the server in `discovery.registries`, with its `host` and `headers`; a secret never comes from a document",
	}
	switch {
	case h.secret && h.required:
		return "", false, missing
	case h.secret:
		return "", false, nil
	}
	value, ok, why := h.give(nil, "")
	if why != "" {
		return "", false, &reason{why, "ask who runs it"}
	}
	if !ok {
		if h.required {
			return "", false, missing
		}
		return "", false, nil
	}
	whole := true
	value = variable.ReplaceAllStringFunc(value, func(is string) string {
		name := is[1 : len(is)-1]
		in, declared := h.variables[name]
		if !declared {
			return is // by the format it stands for itself
		}
		v, ok, wrong := in.give(settled, name)
		if wrong != "" && why == "" {
			why = wrong
		}
		whole = whole && ok
		return v
	})
	switch {
	case why != "":
		return "", false, &reason{why, "see `variables` of the server in `discovery.registries`"}
	case !whole && h.required:
		return "", false, missing
	}
	return value, whole, nil
}

// give is the value of an input: what the operator has settled, else what the document says, which says no secrets.
func (in *input) give(settled map[string]string, name string) (value string, ok bool, wrong string) {
	value, ok = settled[name]
	if !ok && !in.secret {
		if value, ok = in.value, in.fixed; !ok {
			value, ok = in.fallback, in.defaulted
		}
	}
	if ok && len(in.choices) > 0 && !slices.Contains(in.choices, value) {
		return "", false, fmt.Sprintf("its variable or header `%s` can't be `%s`", source.Brief(name), source.Brief(value))
	}
	return value, ok, ""
}
