package clients

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Server is a server as a client's file has it. Its texts are the client's own: variables are spelt as the client spells them.
type Server struct {
	Name    string
	Command []string // or:
	URL     string
	Env     map[string]string
	Cwd     string
	Headers map[string]string
}

// Skipped is a server of a client that can't be taken over.
type Skipped struct{ Name, Why string }

// lists are the paths under which the clients keep servers.
var lists = [][]string{{"mcpServers"}, {"servers"}, {"context_servers"}, {"mcp_servers"}, {"amp.mcpServers"}, {"mcp", "servers"}, {"mcp"}, {"extensions"}}

// Read gives the servers of a client's file, by name, and those that can't be taken. Which client's file it is needs not be known.
func Read(name string, data []byte) ([]Server, []Skipped, error) {
	top, err := formOf(name).parse(name, data)
	if err != nil {
		return nil, nil, err
	}
	for _, path := range lists {
		entries := named(at(top, path))
		if len(entries) == 0 {
			continue
		}
		var found []Server
		var skipped []Skipped
		for _, n := range slices.Sorted(maps.Keys(entries)) {
			s, why := readServer(n, entries[n])
			if why != "" {
				skipped = append(skipped, Skipped{n, why})
				continue
			}
			found = append(found, s)
		}
		return found, skipped, nil
	}
	return nil, nil, nil
}

// named gives the entries of an object, or of a list whose elements have names.
func named(v any) map[string]any {
	if m, ok := v.(map[string]any); ok {
		return m
	}
	out := map[string]any{}
	list, _ := v.([]any)
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			if name, ok := m["name"].(string); ok {
				out[name] = e
			}
		}
	}
	return out
}

// readServer reads one entry, in any client's words, or says why it can't be taken.
func readServer(name string, v any) (s Server, why string) {
	e, ok := v.(map[string]any)
	if !ok {
		return s, "it is no object"
	}
	if e["disabled"] == true || e["enabled"] == false {
		return s, "it is switched off"
	}
	s = Server{Name: name, URL: first(e, "url", "serverUrl", "httpUrl", "uri"), Cwd: first(e, "cwd", "workingDirectory"), Env: map[string]string{}, Headers: map[string]string{}}
	if kind := first(e, "type", "transport"); kind == "sse" {
		return s, "it speaks the old HTTP+SSE transport, which the gateway does not"
	}
	s.readCommand(e)
	switch {
	case s.URL == "" && len(s.Command) == 0:
		return s, "it has neither a URL nor a command"
	case s.URL != "" && len(s.Command) > 0:
		return s, "it has both a URL and a command"
	}
	if s.URL != "" {
		s.readHeaders(e)
		s.Env, s.Cwd = nil, ""
		if authority, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(s.URL, "https://"), "http://"), "/"); strings.Contains(authority, "@") {
			return s, "its URL holds a user or password: put them into `headers`"
		}
		return s, ""
	}
	s.readEnv(e)
	s.Headers = nil
	return s, ""
}

func (s *Server) readCommand(e map[string]any) {
	switch c := e["command"].(type) {
	case []any: // OpenCode
		s.Command = texts(c)
		return
	case map[string]any: // Zed, until 2025
		e = maps.Clone(e)
		e["command"], e["args"] = c["path"], c["args"]
		if env, ok := c["env"].(map[string]any); ok {
			e["env"] = env
		}
		merge(s.Env, c["env"])
	}
	if program := first(e, "command", "cmd"); program != "" {
		args, _ := e["args"].([]any)
		s.Command = append([]string{program}, texts(args)...)
	}
}

func (s *Server) readEnv(e map[string]any) {
	for _, key := range []string{"env", "envs", "environment"} {
		merge(s.Env, e[key])
	}
	for _, key := range []string{"env_keys", "env_vars"} { // of which the client knows the values
		names, _ := e[key].([]any)
		for _, n := range texts(names) {
			if _, given := s.Env[n]; !given {
				s.Env[n] = "${" + n + "}"
			}
		}
	}
}

func (s *Server) readHeaders(e map[string]any) {
	if o, ok := e["requestOptions"].(map[string]any); ok {
		merge(s.Headers, o["headers"])
	}
	merge(s.Headers, e["headers"])
	merge(s.Headers, e["http_headers"])
	if vars, ok := e["env_http_headers"].(map[string]any); ok {
		for header, v := range vars {
			if name, ok := v.(string); ok {
				s.Headers[header] = "${" + name + "}"
			}
		}
	}
	if name := first(e, "bearer_token_env_var"); name != "" {
		s.Headers["Authorization"] = "Bearer ${" + name + "}"
	}
	for name := range s.Headers {
		if slices.Contains(written, strings.ToLower(name)) {
			delete(s.Headers, name)
		}
	}
}

// written are headers that clients list at times, and the gateway writes itself.
var written = []string{"accept", "accept-encoding", "content-type", "content-length", "connection", "host", "mcp-protocol-version"}

// first gives the first of some fields that is a text.
func first(e map[string]any, names ...string) string {
	for _, n := range names {
		if s, ok := e[n].(string); ok && s != "" {
			return s
		}
	}
	return ""
}

func texts(list []any) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		out = append(out, text(v))
	}
	return out
}

// merge adds the members of an object, as text.
func merge(into map[string]string, v any) {
	m, _ := v.(map[string]any)
	for name, value := range m {
		if value != nil {
			into[name] = text(value)
		}
	}
}

func text(v any) string {
	if f, ok := v.(float64); ok && f == float64(int64(f)) {
		return fmt.Sprint(int64(f))
	}
	return fmt.Sprint(v)
}
