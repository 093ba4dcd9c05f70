package discovery

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// Shown is what was written of a server, as an operator may see it who is to approve it: which variables are used where, and not what else
// there is of the values of headers and environments, and of the query of a URL.
func (e *Entry) Shown() json.RawMessage {
	var written map[string]any
	if json.Unmarshal(e.Written, &written) != nil {
		return nil
	}
	for _, field := range []string{"headers", "env"} {
		values, _ := written[field].(map[string]any)
		for name, v := range values {
			values[name] = masked(v)
		}
	}
	if url, ok := written["url"].(string); ok {
		written["url"] = maskedURL(url)
	}
	var out bytes.Buffer
	j := json.NewEncoder(&out)
	j.SetEscapeHTML(false)
	if j.Encode(written) != nil {
		return nil
	}
	return bytes.TrimSpace(out.Bytes())
}

// hidden stands in the place of what isn't shown.
const hidden = "***"

var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)[^}]*\}`)

// masked leaves the names of the variables.
func masked(v any) string {
	text, ok := v.(string)
	if !ok {
		return hidden
	}
	var out []string
	if strings.Trim(reference.ReplaceAllString(text, ""), " ") != "" {
		out = append(out, hidden)
	}
	for _, name := range reference.FindAllStringSubmatch(text, -1) {
		out = append(out, "${"+name[1]+"}")
	}
	return strings.Join(out, " ")
}

func maskedURL(url string) string {
	place, query, ok := strings.Cut(url, "?")
	if i := strings.Index(place, "://"); i >= 0 {
		if at := strings.LastIndexByte(place, '@'); at > i { // a mistake, and a secret
			place = place[:i+3] + hidden + place[at:]
		}
	}
	if !ok {
		return place
	}
	return place + "?" + masked(query)
}

// Askable gives what a server may be asked with before anybody has approved it: without credentials. It is not ok for a command, which would be
// run for that, and for an address made of what only the gateway knows: that of a registry's server may be, of the variables that are settled.
func (e *Entry) Askable() (s config.Server, ok bool) {
	var written struct{ URL string }
	if e.Source == Registry || json.Unmarshal(e.Written, &written) != nil || written.URL == "" || strings.Contains(written.URL, "${") {
		return s, false
	}
	s = e.Server
	s.Headers, s.Tools = nil, nil
	return s, s.URL != "" && len(s.Command) == 0
}

// Waiting are the servers that could serve, and that nobody has approved.
func (f *Found) Waiting() (all []Entry) {
	for _, e := range f.Idle() {
		if e.State == Quarantined {
			all = append(all, e)
		}
	}
	return all
}
