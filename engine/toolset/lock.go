// Package toolset reads and writes tools.lock.json, the record of what servers say of their tools, and says what the schemas in it
// allow an argument to be.
package toolset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// FileName is what a lock is called. It lies in the folder of the policies.
const FileName = "tools.lock.json"

// Version is that of the format.
const Version = 1

// Bounds on a lock.
const (
	MaxSize  = source.MaxSize // bytes
	MaxTools = 10_000         // of all servers
	maxName  = 256            // bytes of a name, as the gateway takes it
	maxDepth = source.MaxDepth
)

// Lock is what is known of the tools of servers. It is immutable.
type Lock struct {
	File    string   // as diagnostics name it
	Servers []Server // by name
	place   source.Pos
}

// Server is one server.
type Server struct {
	Name  string
	Tools []Tool // by name
}

// Tool is one tool, as its server describes it.
type Tool struct {
	Name        string
	Title       string
	Description string
	Annotations jsonscan.Value // absent if the server gives none
	Input       *Schema        // of the arguments; never nil
	Output      jsonscan.Value // the outputSchema; absent if there is none
	Hash        string         // "sha256:<hex>": see Hash

	definition jsonscan.Value
}

// Definition is what the lock records of the tool: the object that has its name, schemas and annotations, and the hash beside them.
func (t *Tool) Definition() jsonscan.Value { return t.definition }

// Pos is the place of the lock's list of servers.
func (l *Lock) Pos() source.Pos { return l.place }

// Server returns a server by its name, nil if the lock doesn't have it.
func (l *Lock) Server(name string) *Server {
	if l == nil {
		return nil
	}
	for i := range l.Servers {
		if l.Servers[i].Name == name {
			return &l.Servers[i]
		}
	}
	return nil
}

// Tool returns a tool by its name, nil if the server doesn't have it.
func (s *Server) Tool(name string) *Tool {
	if s == nil {
		return nil
	}
	for i := range s.Tools {
		if s.Tools[i].Name == name {
			return &s.Tools[i]
		}
	}
	return nil
}

// file is what a lock's fields are, to the decoder.
type file struct {
	Version int                     `yaml:"version" jsonschema:"required,minimum=1"`
	Servers map[string]*serverInput `yaml:"servers" jsonschema:"required"`
}

type serverInput struct {
	Tools []toolInput `yaml:"tools" jsonschema:"required"`
}

type toolInput struct {
	Name         string      `yaml:"name" jsonschema:"required,minLength=1"`
	Title        string      `yaml:"title"`
	Description  string      `yaml:"description"`
	InputSchema  objectInput `yaml:"inputSchema"`
	OutputSchema objectInput `yaml:"outputSchema"`
	Annotations  objectInput `yaml:"annotations"`
	Hash         string      `yaml:"hash" jsonschema:"required,minLength=1"`
}

// objectInput takes any object: what is in it is the server's business.
type objectInput struct{}

// DecodeNode implements source.NodeDecoder.
func (*objectInput) DecodeNode(n *source.Node) source.Diagnostics {
	if n.Kind() == source.Map {
		return nil
	}
	return source.Diagnostics{n.Pos().Diagnose("SP1004", fmt.Sprintf("this must be a mapping, but it is %s", n.Kind()), remake)}
}

const remake = "make the file anew: sallyport tools lock"

// Parse reads a lock. It reports every mistake, and as warnings what is hidden in the texts of tools; the Lock is nil if there is an error.
func Parse(name string, data []byte) (*Lock, source.Diagnostics) {
	whole := source.Pos{File: name, Line: 1, Column: 1, Width: 1}
	if len(data) > MaxSize {
		return nil, source.Diagnostics{whole.Diagnose("SP1008", fmt.Sprintf("the file has %d bytes; at most %d are read", len(data), MaxSize), "")}
	}
	data = slices.Clone(data) // the Lock's values alias it
	doc := new(jsonscan.Doc)
	if err := doc.Scan(data, jsonscan.Options{Depth: maxDepth, Values: source.MaxNodes}); err != nil {
		return nil, source.Diagnostics{placeOf(name, data, err).Diagnose("SP7001", "this is not the JSON of a lock: "+strings.TrimPrefix(reason(err), "json: "), remake)}
	}
	root, ds := source.ParseJSON(name, data)
	if ds.HasErrors() {
		return nil, ds
	}
	var f file
	if ds = root.Decode(&f); ds.HasErrors() {
		return nil, ds
	}
	if f.Version != Version {
		return nil, source.Diagnostics{root.Get("version").Pos().Diagnose("SP7001",
			fmt.Sprintf("version %d of the format is not known; this program reads version %d", f.Version, Version), remake)}
	}
	r := reader{node: root.Get("servers"), values: doc.Root().Get("servers")}
	l := r.lock(name)
	if r.found.HasErrors() {
		return nil, r.found
	}
	return l, r.found
}

// reason is why text is no JSON, without its offset.
func reason(err error) string {
	text, _, _ := strings.Cut(err.Error(), " at offset ")
	return text
}

// placeOf is where a scan ended.
func placeOf(name string, data []byte, err error) source.Pos {
	var e *jsonscan.Error
	if !errors.As(err, &e) {
		return source.Pos{File: name, Line: 1, Column: 1, Width: 1}
	}
	before := data[:min(e.Offset, len(data))]
	line := 1 + strings.Count(string(before), "\n")
	start := 1 + strings.LastIndexByte(string(before), '\n')
	return source.Pos{File: name, Line: line, Column: 1 + utf8.RuneCount(before[start:]), Width: 1}
}

// reader makes a Lock of what was decoded without a mistake: the nodes know places, the values the exact content.
type reader struct {
	node   *source.Node
	values jsonscan.Value
	tools  int
	found  source.Diagnostics
}

func (r *reader) lock(name string) *Lock {
	l := &Lock{File: name, place: r.node.Pos()}
	for key, n := range r.node.Fields() {
		server := key.Text().Value
		r.checkName(server, key, "server")
		s := Server{Name: server}
		list := r.values.Path(server, "tools")
		seen := map[string]bool{}
		for i, item := range n.Get("tools").Items() {
			t := r.tool(item, list.Index(i))
			if seen[t.Name] {
				r.report(item.Get("name").Pos(), "SP7001", fmt.Sprintf("the tool `%s` is given twice", source.Brief(t.Name)))
			}
			seen[t.Name] = true
			s.Tools = append(s.Tools, t)
		}
		if r.tools += len(s.Tools); r.tools > MaxTools {
			r.report(key.Pos(), "SP1008", fmt.Sprintf("more than %d tools", MaxTools))
			return l
		}
		slices.SortFunc(s.Tools, func(a, b Tool) int { return strings.Compare(a.Name, b.Name) })
		l.Servers = append(l.Servers, s)
	}
	slices.SortFunc(l.Servers, func(a, b Server) int { return strings.Compare(a.Name, b.Name) })
	return l
}

func (r *reader) report(at source.Pos, code, message string) {
	r.found = append(r.found, at.Diagnose(code, message, remake))
}

func (r *reader) checkName(name string, n *source.Node, what string) {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.report(n.Pos(), "SP7001", fmt.Sprintf("the name of a %s has 1 to %d bytes, and no control characters", what, maxName))
	}
}

func (r *reader) tool(n *source.Node, v jsonscan.Value) Tool {
	t := Tool{
		Name: v.Get("name").Text(), Title: v.Get("title").Text(), Description: v.Get("description").Text(),
		Annotations: v.Get("annotations"), Input: newSchema(v.Get("inputSchema")), Output: v.Get("outputSchema"),
		Hash: v.Get("hash").Text(), definition: v,
	}
	r.checkName(t.Name, n.Get("name"), "tool")
	if Hash(v) != t.Hash {
		r.report(n.Get("hash").Pos(), "SP7002", fmt.Sprintf("the hash of `%s` is not that of what is recorded of it", source.Brief(t.Name)))
	}
	r.found = append(r.found, hidden(n, t.Name)...)
	return t
}
