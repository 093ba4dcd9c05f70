package gateway

import (
	"bytes"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// catalog is what servers have said of their tools, learnt from the lists that pass: the annotations that conditions may read, and the
// schemas that arguments are compared with. It is hearsay, and a tool that was never listed here is not in it. Safe for concurrent use.
type catalog struct {
	mu    sync.RWMutex
	tools map[toolKey]*tool
	bytes int
}

type toolKey struct{ server, name string }

// tool is one tool's definition. It is immutable.
type tool struct {
	raw                 []byte
	annotations, schema jsonscan.Value
	params              []mcp.HeaderParam // arguments that headers mirror
}

// maxCatalog bounds the definitions that are kept, in bytes. What comes later is not learnt.
const maxCatalog = 16 << 20

func newCatalog() *catalog { return &catalog{tools: make(map[toolKey]*tool)} }

// find gives what is known of a tool; nil is nothing.
func (c *catalog) find(server, name string) *tool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tools[toolKey{server, name}]
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

// learn keeps a definition as its server gave it. A list that says nothing new costs a comparison.
func (c *catalog) learn(server string, definition jsonscan.Value) {
	name := definition.Get("name").Text()
	if known := c.find(server, name); known != nil && bytes.Equal(known.raw, definition.Raw()) {
		return
	}
	t := &tool{raw: bytes.Clone(definition.Raw())}
	doc := new(jsonscan.Doc)
	if doc.Scan(t.raw, jsonscan.Options{}) != nil {
		return
	}
	t.annotations, t.schema = annotationsOf(doc.Root()), doc.Root().Get("inputSchema")
	t.params = mcp.HeaderParams(t.schema)
	key := toolKey{server, strings.Clone(name)}
	c.mu.Lock()
	defer c.mu.Unlock()
	grown := c.bytes + len(t.raw)
	if old := c.tools[key]; old != nil {
		grown -= len(old.raw)
	}
	if grown > maxCatalog {
		return
	}
	c.tools[key], c.bytes = t, grown
}
