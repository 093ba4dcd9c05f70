package clients

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Endpoint is the gateway, as a client is to reach it.
type Endpoint struct {
	Name string // of the entry
	URL  string
	// KeyVariable is the environment variable, where the client runs, that holds the caller's key; "" is none. The key itself is never written.
	KeyVariable string
}

// ErrProgramsOnly is returned for a client whose file takes no URLs.
var ErrProgramsOnly = errors.New("its file takes programs only, no URLs")

// Connect gives the client's file with e among its servers, and nothing else changed. data is the file as it is; nil if there is none.
// Data that comes back equal says that the entry is there already.
func (c *Client) Connect(file string, data []byte, e Endpoint) ([]byte, error) {
	entry, err := c.entry(e)
	if err != nil {
		return nil, err
	}
	before, err := c.form.parse(file, data)
	if err != nil {
		return nil, err
	}
	list := at(before, c.path)
	if reflect.DeepEqual(named(list)[e.Name], c.listed(e.Name, entry).any()) {
		return data, nil
	}
	var out []byte
	switch c.form {
	case json:
		out, err = setJSON(data, c.path, e.Name, entry)
	case toml:
		out = setTOML(data, c.path, e.Name, entry)
	case yaml:
		out, err = c.setYAML(file, data, e.Name, entry)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	after, err := c.form.parse(file, out)
	if err != nil || !c.onlyAdds(before, after, e.Name, entry) {
		return nil, fmt.Errorf("%s is written in a way that can't be edited safely: add the entry by hand:\n%s", file, render(c.form, c.path, e.Name, entry))
	}
	return out, nil
}

// Others names the servers in a client's file that it reaches without the gateway.
func (c *Client) Others(file string, data []byte, name string) []string {
	top, err := c.form.parse(file, data)
	if err != nil {
		return nil
	}
	list := at(top, c.path)
	var out []string
	for n, v := range named(list) {
		if s, why := readServer(n, v); n != name && why == "" && s.Name != "" {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// object is an entry to be written, in this order.
type object []field

func (o object) any() map[string]any {
	out := map[string]any{}
	for _, f := range o {
		switch v := f.value.(type) {
		case object:
			out[f.name] = v.any()
		case int:
			out[f.name] = float64(v)
		default:
			out[f.name] = v
		}
	}
	return out
}

// entry is how the client spells the gateway.
func (c *Client) entry(e Endpoint) (object, error) {
	r := c.remote
	if r.url == "" {
		return nil, fmt.Errorf("%s can't be connected: %w", c.Name, ErrProgramsOnly)
	}
	var o object
	for _, f := range r.fixed {
		o = append(o, f)
	}
	o = append(o, field{r.url, e.URL})
	switch {
	case e.KeyVariable == "":
		return o, nil
	case r.bearerVar != "":
		return append(o, field{r.bearerVar, e.KeyVariable}), nil
	case r.variable == "":
		return nil, fmt.Errorf("%s reads no environment variables in headers: connect it without a key, and add the header by hand", c.Name)
	}
	path := r.headers
	if path == nil {
		path = []string{"headers"}
	}
	headers := object{{"Authorization", "Bearer " + fmt.Sprintf(r.variable, e.KeyVariable)}}
	for i := len(path) - 1; i > 0; i-- {
		headers = object{{path[i], headers}}
	}
	return append(o, field{path[0], headers}), nil
}

// listed is the entry as an element of the list of servers; most clients have an object of them.
func (c *Client) listed(name string, entry object) object {
	if c.form == yaml {
		return append(object{{"name", name}}, entry...)
	}
	return entry
}

// at follows a path of names.
func at(top map[string]any, path []string) any {
	var v any = top
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// onlyAdds says whether after is before with the entry, and nothing else.
func (c *Client) onlyAdds(before, after map[string]any, name string, entry object) bool {
	was := at(before, c.path)
	is := at(after, c.path)
	old, now := named(was), named(is)
	want := maps.Clone(old)
	want[name] = c.listed(name, entry).any()
	return same(now, want) && same(without(before, c.path), without(after, c.path))
}

// same compares what parsers of different languages have read: TOML's have integers.
func same(a, b any) bool { return reflect.DeepEqual(normal(a), normal(b)) }

func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = normal(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = normal(e)
		}
		return out
	case int64:
		return float64(v)
	case nil, bool, string, float64:
		return v
	}
	return fmt.Sprint(v) // TOML's dates
}

// without gives top without what lies at path.
func without(top map[string]any, path []string) map[string]any {
	out := maps.Clone(top)
	if len(path) == 1 {
		delete(out, path[0])
		return out
	}
	if below, ok := out[path[0]].(map[string]any); ok {
		out[path[0]] = without(below, path[1:])
	}
	return out
}

// render shows an entry to people.
func render(f form, path []string, name string, entry object) string {
	switch f {
	case toml:
		return tomlTable(path, name, entry)
	case yaml:
		return strings.Join(path, ".") + ":\n" + yamlEntry("  ", name, entry)
	case json:
	}
	return quote(name) + ": " + entry.json("", "  ")
}
