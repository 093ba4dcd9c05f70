// Command server is a small MCP server to put the gateway in front of: a few files, all in memory, and tools to list, read, write
// and delete them. It does what it is asked; keeping its callers from harm is the gateway's part.
//
//	server                        speaks MCP over standard input and output
//	server -http 127.0.0.1:3001   speaks it over HTTP, at /mcp
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func main() {
	address := flag.String("http", "", "serve HTTP at this `address`, in place of standard input and output")
	flag.Parse()
	if err := serve(newServer(), *address); err != nil {
		log.Fatal(err)
	}
}

func serve(s *server.MCPServer, address string) error {
	if address == "" {
		return server.ServeStdio(s)
	}
	return server.NewStreamableHTTPServer(s, server.WithStateLess(true)).Start(address)
}

// disk holds the files.
type disk struct {
	mu    sync.Mutex
	files map[string]string
}

func newServer() *server.MCPServer {
	d := &disk{files: map[string]string{ //nolint:gosec // the secret is invented: it is there to be guarded
		"/srv/project/README.md": "# Orion\n",
		"/srv/project/plan.txt":  "1. build 2. fly\n",
		"/srv/project/.env":      "DATABASE_PASSWORD=correct-horse-battery\n",
		"/etc/passwd":            "root:x:0:0:root:/root:/bin/sh\n",
	}}
	s := server.NewMCPServer("example", "1.0.0", server.WithToolCapabilities(false), server.WithRecovery())
	add(s, "list_files", "List the files below a folder.", hints{readOnly: true}, d.list, "path")
	add(s, "read_file", "Read a file.", hints{readOnly: true}, d.read, "path")
	add(s, "write_file", "Write a file.", hints{}, d.write, "path", "text")
	add(s, "delete_file", "Delete a file.", hints{destructive: true}, d.delete, "path")
	return s
}

// hints are what the server says of a tool. A client, or a gateway, believes them as far as it believes the server.
type hints struct{ readOnly, destructive bool }

// tool answers a call with a text, or with an error that the model gets to read.
type tool func(args map[string]string) (string, error)

func add(s *server.MCPServer, name, description string, h hints, t tool, params ...string) {
	options := []mcp.ToolOption{
		mcp.WithDescription(description), mcp.WithReadOnlyHintAnnotation(h.readOnly), mcp.WithDestructiveHintAnnotation(h.destructive),
	}
	for _, p := range params {
		options = append(options, mcp.WithString(p, mcp.Required()))
	}
	s.AddTool(mcp.NewTool(name, options...), func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		args := make(map[string]string, len(params))
		for _, p := range params {
			value, err := r.RequireString(p)
			if err != nil {
				return mcp.NewToolResultError(err.Error()), nil
			}
			args[p] = value
		}
		text, err := t(args)
		if err != nil {
			return mcp.NewToolResultError(err.Error()), nil
		}
		return mcp.NewToolResultText(text), nil
	})
}

func (d *disk) list(args map[string]string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for name := range d.files {
		if strings.HasPrefix(name, strings.TrimSuffix(path.Clean(args["path"]), "/")+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, "\n"), nil
}

func (d *disk) read(args map[string]string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, ok := d.files[path.Clean(args["path"])]
	if !ok {
		return "", fmt.Errorf("%s: no such file", args["path"])
	}
	return text, nil
}

func (d *disk) write(args map[string]string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[path.Clean(args["path"])] = args["text"]
	return fmt.Sprintf("wrote %d bytes", len(args["text"])), nil
}

func (d *disk) delete(args map[string]string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := path.Clean(args["path"])
	if _, ok := d.files[name]; !ok {
		return "", fmt.Errorf("%s: no such file", args["path"])
	}
	delete(d.files, name)
	return "deleted " + name, nil
}
