package gateway

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// catalog is what servers have said of their tools, learnt from the lists that pass: the annotations that conditions may read, and the
// schemas that arguments are compared with. It is hearsay, and a tool that was never listed here is not in it. Safe for concurrent use.
type catalog struct {
	mu      sync.RWMutex
	tools   map[toolKey]*tool
	bytes   int
	changes map[string]uint64 // by server: see count
	forgot  uint64            // grows when something is
}

// toolKey is a tool of a server, or of one version of it.
type toolKey struct{ server, version, name string }

// tool is one tool's definition. It is immutable.
type tool struct {
	raw                 []byte // nil: there was no room for it, and all that is known is its hash
	annotations, schema jsonscan.Value
	params              []mcp.HeaderParam // arguments that headers mirror
	hash                string            // toolset.Hash; "" if the definition is not the server's word but a lock's
}

func (t *tool) read(definition jsonscan.Value) {
	t.annotations, t.schema = annotationsOf(definition), definition.Get("inputSchema")
	t.params = mcp.HeaderParams(t.schema)
}

// maxCatalog bounds the definitions that are kept, in bytes. What comes later is not learnt.
const maxCatalog = 16 << 20

func newCatalog() *catalog {
	return &catalog{tools: make(map[toolKey]*tool), changes: make(map[string]uint64)}
}

// count changes with what is known of a server's tools. While it doesn't, there is nothing to learn from a list that was learnt from before.
func (c *catalog) count(server string) uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.changes[server] + c.forgot
}

// find gives what is known of a tool; nil is nothing.
func (c *catalog) find(key toolKey) *tool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tools[key]
}

// annotationsOf gives the annotations of a definition: none is an empty object, which is known, and not absent, which is not.
func annotationsOf(definition jsonscan.Value) jsonscan.Value {
	if a := definition.Get("annotations"); a.Exists() {
		return a
	}
	return emptyObject
}

var emptyObject = func() jsonscan.Value {
	var d jsonscan.Doc
	_ = d.Scan([]byte("{}"), jsonscan.Options{}) // it is one
	return d.Root()
}()

// learn keeps a definition as its server gave it, and says whether it is news. A list that says nothing new costs a comparison. Of a tool
// that servers are held to, at least the hash is kept.
func (c *catalog) learn(server, version string, definition jsonscan.Value, pinned bool) (t *tool, news bool) {
	key := toolKey{server, version, definition.Get("name").Text()}
	known := c.find(key)
	if known != nil && known.raw != nil && bytes.Equal(known.raw, definition.Raw()) {
		return known, false
	}
	t = &tool{hash: toolset.Hash(definition)}
	news = known == nil || known.hash != t.hash
	raw, doc := bytes.Clone(definition.Raw()), new(jsonscan.Doc)
	if doc.Scan(raw, jsonscan.Options{}) == nil {
		t.raw = raw
		t.read(doc.Root())
	}
	key.name = strings.Clone(key.name)
	c.keep(key, t, pinned)
	return t, news
}

func (c *catalog) keep(key toolKey, t *tool, pinned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	grown := c.bytes + len(t.raw)
	if old := c.tools[key]; old != nil {
		grown -= len(old.raw)
	}
	switch {
	case grown <= maxCatalog:
	case pinned:
		t = &tool{hash: t.hash}
		grown = c.bytes
		if old := c.tools[key]; old != nil {
			grown -= len(old.raw)
		}
	default:
		return
	}
	c.tools[key], c.bytes = t, grown
	c.changes[key.server]++
}

// Tools are the tools of a server, or of a version of one, as it has listed them to clients, one JSON object each, by name. They must not be changed.
func (g *Gateway) Tools(server, version string) [][]byte {
	c := g.catalog
	c.mu.RLock()
	defer c.mu.RUnlock()
	found := map[string][]byte{}
	for key, t := range c.tools {
		if key.server == server && key.version == version && t.raw != nil {
			found[key.name] = t.raw
		}
	}
	all := make([][]byte, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[name])
	}
	return all
}

// Forget drops what a server has said of its tools: under its name there is another now.
func (g *Gateway) Forget(server string) {
	c := g.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgot += c.changes[server] + 1 // also of other servers, for whose tools there is room now; no count is ever as it was
	delete(c.changes, server)
	for key, t := range c.tools {
		if key.server == server {
			c.bytes -= len(t.raw)
			delete(c.tools, key)
		}
	}
}
