package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/demo"
	"github.com/sallyport-dev/sallyport/internal/upstream"
	"github.com/sallyport-dev/sallyport/policies"
)

type demoCommand struct {
	Once bool `help:"End after the calls, and fail if they went otherwise than they should."`
}

//go:embed demo.golden
var demoGolden string

// demoConfig has two callers and one server, which is not at that address but in this process.
const demoConfig = `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
servers: { %s: { url: http://127.0.0.1:1/mcp } }
policies: ./policies
identity:
  apiKeys:
    - { id: alice, hash: "sha256:%x", claims: { groups: [dev, analyst] } }
    - { id: carol, hash: "sha256:%x", claims: { groups: [contractor] } }
audit: { file: ./audit.jsonl }
log: { level: error }
`

const demoServer = "office"

// demoKeys are the callers' API keys. They are no secret: they open the demo, on loopback.
var demoKeys = map[string]string{"alice": "demo-key-of-alice", "carol": "demo-key-of-carol"}

func (c demoCommand) Run(p *process) error {
	dir, err := os.MkdirTemp("", "sallyport-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover in the temporary folder harms nobody
	if err := layDemo(dir); err != nil {
		return err
	}
	office := demo.NewServer()
	server := upstream.NewInProcess(demoServer, func() (io.ReadWriteCloser, error) { return demo.Dial(office) }, upstream.LineOptions{Now: p.now})
	quiet := *p
	ctx, stop := context.WithCancel(p.ctx)
	quiet.ctx = ctx
	if c.Once {
		quiet.stderr = io.Discard // the story breaks a policy on purpose
	}
	g, err := start(quiet, origin{config: filepath.Join(dir, "sallyport.yaml")}, &builder{inProcess: map[string]upstream.Server{demoServer: server}})
	if err != nil {
		stop()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- g.run() }()
	err = c.tell(p, g, dir)
	if err == nil && !c.Once {
		connectHelp(p.stdout, g, dir)
		<-p.ctx.Done()
	}
	stop()
	return errors.Join(err, <-ended)
}

// layDemo writes the config and the starter policies, to be edited while the gateway runs.
func layDemo(dir string) error {
	config := fmt.Sprintf(demoConfig, demoServer, sha256.Sum256([]byte(demoKeys["alice"])), sha256.Sum256([]byte(demoKeys["carol"])))
	if err := os.WriteFile(filepath.Join(dir, "sallyport.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	starter, err := fs.Sub(policies.FS, "starter")
	if err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(dir, "policies"), starter)
}

// tell runs the story, and with --once compares it with how it should go.
func (c demoCommand) tell(p *process, g *program, dir string) error {
	var told bytes.Buffer
	a := &agent{
		process: p, out: io.MultiWriter(p.stdout, &told), program: g, dir: dir,
		url: "http://" + g.data.Addr().String() + "/mcp", http: &http.Client{Timeout: 30 * time.Second},
	}
	if err := a.story(); err != nil {
		return err
	}
	if c.Once && told.String() != demoGolden {
		return failf(exitUnexpected, "the demo went otherwise than it should: %s", firstDifference(told.String(), demoGolden))
	}
	return nil
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		at := func(lines []string) string {
			if i < len(lines) {
				return lines[i]
			}
			return "(nothing)"
		}
		if at(g) != at(w) {
			return fmt.Sprintf("line %d is %q, not %q", i+1, at(g), at(w))
		}
	}
	return "no line differs"
}

func connectHelp(w io.Writer, g *program, dir string) {
	fmt.Fprintf(w, `
The gateway stays up. Ctrl-C ends it and removes its files.

  MCP endpoint   http://%s/mcp
  key            Authorization: Bearer %s   (or %s)
  status         http://%s/admin/v1/status
  policies       %s   edit one and call again
  records        %s

  claude mcp add --transport http sallyport http://%[1]s/mcp --header "Authorization: Bearer %[2]s"
`, g.data.Addr(), demoKeys["alice"], demoKeys["carol"], g.admin.Addr(), filepath.Join(dir, "policies"), filepath.Join(dir, "audit.jsonl"))
}
