package duel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/proc"
	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

const (
	module   = "github.com/sallyport-dev/sallyport"
	ready    = 30 * time.Second // for a program to listen
	settle   = time.Second      // from listening to idle
	farewell = 10 * time.Second // from SIGTERM to SIGKILL
)

// target is something that answers the workload.
type target struct {
	name, url string
	pid       int    // 0: the upstream itself, whose cost isn't the question
	idle      int64  // bytes resident before any load
	foreign   bool   // it writes answers its own way
	tool      string // what it calls the tool that is called; "" as its server does
	tools     int    // how many it lists, if it stands before a federation

	// Of a gateway of ours: the directory of its policies, the file of what it logs, and the URL of its admin listener.
	policies, log, admin string
}

func (t *target) cpu() (time.Duration, error) {
	if t.pid == 0 {
		return 0, nil
	}
	return proc.CPU(t.pid)
}

// field is all programs of a run.
type field struct {
	targets []*target
	running []*exec.Cmd
}

// build compiles the programs into the directory and returns it.
func build(ctx context.Context, o Options, log io.Writer) (string, error) {
	bin := filepath.Join(o.Dir, "bin")
	packages := []string{module + "/bench/cmd/mockmcp", module + "/bench/cmd/bareproxy"}
	for _, t := range o.Targets {
		if _, ours := rules[t]; o.Binary == "" && ours {
			packages = append(packages, module+"/cmd/sallyport")
			break
		}
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-o", bin + "/"}, packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go build: %w", err)
	}
	return bin, nil
}

// start runs the upstream and every target.
func start(ctx context.Context, o Options, bin string) (*field, error) {
	f := &field{}
	if err := f.start(ctx, o, bin); err != nil {
		f.stop()
		return nil, err
	}
	return f, nil
}

func (f *field) start(ctx context.Context, o Options, bin string) error {
	upstream, err := freeAddr()
	if err != nil {
		return err
	}
	tools := workload.Tools
	if slices.ContainsFunc(o.Targets, federated) {
		tools = workload.ServerTools
	}
	if _, err := f.spawn(ctx, o.Dir, upstream, "mock", filepath.Join(bin, "mockmcp"), "-listen", upstream, fmt.Sprintf("-sse=%v", o.SSE), fmt.Sprint("-tools=", tools)); err != nil {
		return err
	}
	for _, name := range o.Targets {
		t, err := f.startTarget(ctx, o, bin, name, upstream)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		f.targets = append(f.targets, t)
	}
	time.Sleep(settle)
	for _, t := range f.targets {
		if t.pid == 0 {
			continue
		}
		if t.idle, err = proc.RSS(t.pid); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

func (f *field) startTarget(ctx context.Context, o Options, bin, name, upstream string) (*target, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	t := &target{name: name, url: "http://" + addr + "/mcp"}
	kind, binary, built := strings.Cut(name, "=")
	if !built {
		binary = cmp.Or(o.Binary, filepath.Join(bin, "sallyport"))
	}
	switch {
	case kind == Direct:
		t.url = "http://" + upstream + "/mcp"
	case kind == Bare:
		t.pid, err = f.spawn(ctx, o.Dir, addr, name, filepath.Join(bin, "bareproxy"), "-listen", addr, "-upstream", upstream)
	case rules[kind] > 0:
		t.place(kind)
		err = f.spawnSallyport(ctx, o.Dir, gateway{name, kind, binary, rules[kind]}, addr, upstream, t)
	case peers[name] != nil:
		_, port, _ := strings.Cut(addr, ":")
		err = f.spawnPeer(ctx, o, peer{
			installed: o.Peers, mock: filepath.Join(bin, "mockmcp"), config: filepath.Join(o.Dir, name+".config"),
			addr: addr, port: port, upstream: upstream,
		}, t)
	default:
		err = errors.New("no such target")
	}
	return t, err
}

// rules is how many rules each target that is our gateway has.
var rules = map[string]int{
	Sallyport10: 10, Sallyport100: 100, Sallyport1000: 1000, SallyportPlugin: 10, SallyportSwap: 1000, SallyportOne: 100, SallyportAll: 100,
	SallyportRego: 10, SallyportRegoAsked: 10,
}

// federated says of a target whether it stands before a federation.
func federated(target string) bool {
	kind, _, _ := strings.Cut(target, "=")
	return kind == SallyportOne || kind == SallyportAll
}

// place says where our gateway has what is measured.
func (t *target) place(kind string) {
	switch kind {
	case SallyportOne:
		t.url += "/" + workload.FirstServer
		t.tools = workload.ServerTools
	case SallyportAll:
		t.tool, t.tools = workload.AllTool, workload.Servers*workload.ServerTools
	default:
		t.url += "/mock"
	}
}

// gateway is what to run, and with how many rules.
type gateway struct {
	name, kind, binary string
	rules              int
}

// spawnSallyport writes a configuration and runs the gateway on it.
func (f *field) spawnSallyport(ctx context.Context, into string, g gateway, addr, upstream string, t *target) error {
	admin, err := freeAddr()
	if err != nil {
		return err
	}
	name := strings.NewReplacer("/", "_", "=", "_").Replace(g.name)
	dir := filepath.Join(into, name)
	if err := os.MkdirAll(filepath.Join(dir, "policies"), 0o755); err != nil {
		return err
	}
	files, err := g.files(ctx, workload.Gateway{Listen: addr, Admin: admin, Upstream: "http://" + upstream + "/mcp"}, dir)
	if err != nil {
		return err
	}
	for file, text := range files {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	t.policies, t.log, t.admin = filepath.Join(dir, "policies"), filepath.Join(into, name+".log"), "http://"+admin
	t.pid, err = f.spawn(ctx, into, addr, name, g.binary, "serve", "-c", filepath.Join(dir, "sallyport.yaml"))
	return err
}

// files are what the gateway reads, by their paths. Those of SallyportSwap that are replaced are written by it.
func (g gateway) files(ctx context.Context, w workload.Gateway, dir string) (map[string]string, error) {
	config, policies := filepath.Join(dir, "sallyport.yaml"), filepath.Join(dir, "policies")
	files := map[string]string{config: w.Config(), filepath.Join(policies, "tools.yaml"): workload.Policies(g.rules)}
	var err error
	switch g.kind {
	case SallyportOne, SallyportAll:
		files[config], files[filepath.Join(policies, "tools.yaml")] = w.FederationConfig(), workload.FederationPolicies(g.rules)
	case SallyportPlugin:
		files[filepath.Join(policies, "plugin.yaml")] = workload.PluginPolicy
		err = beside(ctx, files, policies, filepath.Join("engine", "wasm", "testdata", "c", workload.PluginFile))
	case SallyportRego, SallyportRegoAsked:
		files[config] = w.RegoConfig(g.kind == SallyportRego)
		files[filepath.Join(policies, "rego.yaml")] = workload.RegoPolicy
		err = beside(ctx, files, policies, workload.RegoModule, workload.RegoManifest)
		manifest := filepath.Join(policies, filepath.Base(workload.RegoManifest))
		files[manifest] = workload.Patient(files[manifest])
	case SallyportSwap:
		err = swapped(ctx, dir, w, files)
	}
	return files, err
}

// beside puts files of this module beside the policies: the measure shares no code with the gateway, but it may ask the same of it.
func beside(ctx context.Context, files map[string]string, policies string, names ...string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), name))
		if err != nil {
			return err
		}
		files[filepath.Join(policies, filepath.Base(name))] = string(b)
	}
	return nil
}

// swapped puts the policies that are replaced in the place of the others, and the plugins of this module beside them.
func swapped(ctx context.Context, dir string, w workload.Gateway, files map[string]string) error {
	clear(files)
	files[filepath.Join(dir, "sallyport.yaml")] = w.SwapConfig()
	var modules []string
	for _, name := range workload.Plugins {
		modules = append(modules, filepath.Join("plugins", name, name+".wasm"))
	}
	if err := beside(ctx, files, filepath.Join(dir, "policies"), modules...); err != nil {
		return err
	}
	return writePolicies(filepath.Join(dir, "policies"), 0)
}

// spawn runs a program, with its output in a file, until it listens on addr.
func (f *field) spawn(ctx context.Context, dir, addr, name, binary string, args ...string) (int, error) {
	logFile := filepath.Join(dir, name+".log")
	out, err := os.Create(logFile)
	if err != nil {
		return 0, err
	}
	defer out.Close() //nolint:errcheck // the program has its own handle
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = farewell
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	f.running = append(f.running, cmd)
	if err := waitFor(ctx, addr, cmd.Process.Pid); err != nil {
		said, readErr := os.ReadFile(logFile)
		return 0, errors.Join(fmt.Errorf("%w; it said:\n%.2000s", err, said), readErr)
	}
	return cmd.Process.Pid, nil
}

// waitFor returns when something listens on addr, or the program has ended.
func waitFor(ctx context.Context, addr string, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if _, gone := proc.RSS(pid); gone != nil { // a zombie has no memory
			return errors.New("ended before it listened on " + addr)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("doesn't listen on %s after %v", addr, ready)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends all programs, the upstream last.
func (f *field) stop() {
	for _, cmd := range slices.Backward(f.running) {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			continue // it has ended by itself, which the errors of its load tell
		}
		kill := time.AfterFunc(farewell, func() { cmd.Process.Kill() }) //nolint:errcheck // then Wait waits on
		cmd.Wait()                                                      //nolint:errcheck // a signal ended it
		kill.Stop()
	}
}

// freeAddr finds a port that nothing listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // doesn't block
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
