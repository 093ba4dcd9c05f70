package duel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/load"
	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

// The other gateways: what bench/gateways/install puts into a directory.
const (
	TBXark       = "tbxark"
	NodeProxy    = "mcp-proxy"
	Supergateway = "supergateway"
)

// peers are the smallest configurations that serve the upstream: no logs, no
// authorization, no audit.
var peers = map[string]func(peer) peerCommand{
	TBXark:       tbxark,
	NodeProxy:    nodeProxy,
	Supergateway: supergateway,
}

// peer says what stands where.
type peer struct {
	installed  string // what bench/gateways/install was given
	mock       string // the upstream's program, for those that only run one
	config     string // the file to write, where there is a configuration
	addr, port string
	upstream   string // host:port
}

// peerCommand is how to run one.
type peerCommand struct {
	config string // "" = none
	args   []string
	path   string // of its endpoint; "" = /mcp
}

func tbxark(p peer) peerCommand {
	return peerCommand{
		config: fmt.Sprintf(`{"mcpProxy":{"baseURL":"http://%s","addr":%q,"name":"peer","version":"1","type":"streamable-http","options":{"panicIfInvalid":true}},
"mcpServers":{"mock":{"transportType":"streamable-http","url":"http://%s/mcp"}}}
`, p.addr, p.addr, p.upstream),
		args: []string{filepath.Join(p.installed, "bin", "mcp-proxy"), "-config", p.config},
		path: "/mock/",
	}
}

func nodeProxy(p peer) peerCommand {
	script := filepath.Join(p.installed, "node_modules", "mcp-proxy", "dist", "bin", "mcp-proxy.mjs")
	return peerCommand{args: []string{
		filepath.Join(p.installed, "bin", "node"), script, "--server", "stream",
		"--host", "127.0.0.1", "--port", p.port, "--no-eventStore", "--", p.mock, "-stdio",
	}}
}

func supergateway(p peer) peerCommand {
	script := filepath.Join(p.installed, "node_modules", "supergateway", "dist", "index.js")
	return peerCommand{args: []string{
		filepath.Join(p.installed, "bin", "node"), script, "--outputTransport", "streamableHttp", "--stateful",
		"--logLevel", "none", "--port", p.port, "--stdio", p.mock + " -stdio",
	}}
}

// spawnPeer runs one of the peers until a session can be had.
func (f *field) spawnPeer(ctx context.Context, o Options, p peer, t *target) error {
	c := peers[t.name](p)
	t.foreign, t.url = true, "http://"+p.addr+cmp.Or(c.path, "/mcp")
	if c.config != "" {
		if err := os.WriteFile(p.config, []byte(c.config), 0o644); err != nil {
			return err
		}
	}
	var err error
	if t.pid, err = f.spawn(ctx, o.Dir, p.addr, t.name, c.args[0], c.args[1:]...); err != nil {
		return err
	}
	return waitForSession(ctx, t.url)
}

// waitForSession returns when url gives a session: some peers listen before they serve.
func waitForSession(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	for {
		pool, err := load.Open(load.Options{URL: url, Era: workload.EraLegacy, Conns: 1})
		if err == nil {
			pool.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
