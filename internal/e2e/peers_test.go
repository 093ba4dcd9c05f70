package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	ready    = 60 * time.Second // for a program to listen, on a machine with other things to do
	farewell = 10 * time.Second // from SIGTERM to SIGKILL
)

// peers is the directory that .ci/tools installed into.
type peers string

func installed(t *testing.T) peers {
	t.Helper()
	dir := os.Getenv("SALLYPORT_PEERS")
	if dir == "" {
		t.Skip("SKIPPED: SALLYPORT_PEERS isn't set; `make conformance e2e` installs the peers and runs this")
	}
	return peers(dir)
}

func (p peers) bin(name string) string { return filepath.Join(string(p), "bin", name) }

// script is the path of a file in an npm package.
func (p peers) script(path string) string {
	return filepath.Join(string(p), "node", "node_modules", filepath.FromSlash(path))
}

// conformanceServer starts go-sdk's fixture and returns its URL. A stateful one
// serves the legacy era in full, a stateless one the modern.
func (p peers) conformanceServer(t *testing.T, stateless bool) string {
	t.Helper()
	addr := freeAddr(t)
	start(t, addr, exec.Command(p.bin("everything-server"), "-http", addr, fmt.Sprintf("-stateless=%v", stateless)))
	return "http://" + addr + "/mcp"
}

// builds is where binary builds; it is removed after all tests.
var builds string

// binary builds the gateway, once; SALLYPORT_BINARY names one that is built.
var binary = sync.OnceValues(func() (file string, err error) {
	if file := os.Getenv("SALLYPORT_BINARY"); file != "" {
		return file, nil
	}
	if builds, err = os.MkdirTemp("", "sallyport-e2e-"); err != nil {
		return "", err
	}
	file = filepath.Join(builds, "sallyport")
	if out, err := exec.Command("go", "build", "-o", file, "../../cmd/sallyport").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return file, nil
})

// gateway is a running sallyport.
type gateway struct {
	url string // of the listener, without a path
	dir string // with its configuration, policies and audit
}

// allowAll is a policy for tests that aren't about policy.
const allowAll = `apiVersion: sallyport/v1
kind: Policy
metadata: { name: allow-all, owner: e2e }
rules:
  - { name: everything, effect: allow }
`

// startGateway runs sallyport with these servers (YAML of the config's servers) and
// this policy until the test ends.
func startGateway(t *testing.T, servers, policy string) *gateway {
	t.Helper()
	sallyport, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	g, err := writeConfig(t.TempDir(), freeAddr(t), freeAddr(t), servers, policy)
	if err != nil {
		t.Fatal(err)
	}
	start(t, strings.TrimPrefix(g.url, "http://"), exec.Command(sallyport, "serve", "-c", filepath.Join(g.dir, "sallyport.yaml")))
	return g
}

func writeConfig(dir, listen, admin, servers, policy string) (*gateway, error) {
	config := fmt.Sprintf(`listen: %s
admin: { listen: %s }
servers:
%s
policies: ./policies
identity: { anonymous: allow }
audit: { file: ./audit.jsonl }
`, listen, admin, servers)
	if err := os.Mkdir(filepath.Join(dir, "policies"), 0o755); err != nil {
		return nil, err
	}
	return &gateway{url: "http://" + listen, dir: dir}, errors.Join(
		os.WriteFile(filepath.Join(dir, "sallyport.yaml"), []byte(config), 0o644),
		os.WriteFile(filepath.Join(dir, "policies", "policy.yaml"), []byte(policy), 0o644),
	)
}

// records counts the decision records written so far: traffic that went around the
// gateway leaves none.
func (g *gateway) records(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

// start runs a program until the test ends and returns when it listens on addr. What
// it says is logged if the test fails.
func start(t *testing.T, addr string, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if !stop(cmd, ended) {
			t.Errorf("%s didn't end within %v of SIGTERM", filepath.Base(cmd.Path), farewell)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), tail(said.String()))
		}
	})
	if err := waitFor(t.Context(), addr, ended); err != nil {
		t.Fatalf("%s: %v", filepath.Base(cmd.Path), err)
	}
}

// stop ends a program whose Wait goes to ended; false when it had to be killed.
func stop(cmd *exec.Cmd, ended <-chan error) bool {
	if cmd.Process.Signal(syscall.SIGTERM) != nil {
		return true // it has ended already
	}
	select {
	case <-ended:
		return true
	case <-time.After(farewell):
		cmd.Process.Kill()
		<-ended
		return false
	}
}

// waitFor returns when something listens on addr; an error when the program ended
// or time is up.
func waitFor(ctx context.Context, addr string, ended chan error) error {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			ended <- err
			return errors.Join(errors.New("ended before it listened on "+addr), err)
		case <-ctx.Done():
			return fmt.Errorf("doesn't listen on %s after %v", addr, ready)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := free()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// tail keeps the end of a long text.
func tail(s string) string {
	const most = 8 << 10
	if len(s) <= most {
		return s
	}
	return "..." + s[len(s)-most:]
}
