//go:build !wasip1

package sallyport

import (
	"fmt"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/arena"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/bridge"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/fake"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/manifest"
)

// Register makes a plugin the one of this module. Call it once, in an init function. In a
// program that is no Wasm module, such as a test, it only checks the plugin and its manifest,
// and panics if they don't fit.
func Register(p Plugin) {
	if _, err := manifest.Parse(p.Manifest); err != nil {
		panic(err)
	}
	if _, err := begin(p, &fake.Host{}); err != nil {
		panic(err)
	}
}

func init() { //nolint:gochecknoinits // sallyporttest can't reach begin otherwise, and users mustn't
	bridge.Begin = beginNative
}

func beginNative(plugin any, h *fake.Host) (*bridge.Guest, error) {
	p, ok := plugin.(Plugin)
	if !ok {
		return nil, fmt.Errorf("sallyport: %T is no Plugin", plugin)
	}
	g, err := begin(p, h)
	if err != nil {
		return nil, err
	}
	return &bridge.Guest{
		Judge: func(hook int32) int32 {
			g.list.memory = arena.Arena{} // what a test has kept of another call stays as it is
			return g.judge(hook)
		},
		Validate: func(settings []byte) int32 {
			g.settings = settings
			return g.validate()
		},
		Configure: g.configure, SelfTest: g.selfTest,
	}, nil
}
