package clients

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// YAML writes a translated server as a member of `servers` in the gateway's config.
func (s *Server) YAML(indent string) string {
	var b strings.Builder
	b.WriteString(indent + scalar(s.Name) + ":\n")
	in := indent + "  "
	if s.URL != "" {
		b.WriteString(in + "url: " + scalar(s.URL) + "\n")
	}
	if len(s.Command) > 0 {
		var words []string
		for _, w := range s.Command {
			words = append(words, scalar(w))
		}
		b.WriteString(in + "command: [" + strings.Join(words, ", ") + "]\n")
	}
	block := func(name string, m map[string]string) {
		if len(m) == 0 {
			return
		}
		b.WriteString(in + name + ":\n")
		for _, k := range slices.Sorted(maps.Keys(m)) {
			b.WriteString(in + "  " + scalar(k) + ": " + scalar(m[k]) + "\n")
		}
	}
	block("headers", s.Headers)
	block("env", s.Env)
	if s.Cwd != "" {
		b.WriteString(in + "cwd: " + scalar(s.Cwd) + "\n")
	}
	return b.String()
}

var (
	bare     = regexp.MustCompile(`^-{0,2}[A-Za-z_/][A-Za-z0-9_/.-]*$`)
	reserved = regexp.MustCompile(`^(?i:true|false|null|yes|no|on|off|y|n|-?\.inf|\.nan)$`)
)

// scalar writes a text plainly where YAML can't read it in another way, else in quotes.
func scalar(s string) string {
	if bare.MatchString(s) && !reserved.MatchString(s) {
		return s
	}
	return quote(s)
}
