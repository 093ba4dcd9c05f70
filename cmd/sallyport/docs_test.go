package main

import (
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// root is the root of the tree, seen from this package.
const root = "../.."

var update = flag.Bool("update", false, "write what is generated, and what the commands of documents print, anew")

// Every command in the documents does what stands below it.
func TestDocsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts gateways and servers")
	}
	programs := buildPrograms(t)
	for _, d := range documents(t) {
		if len(d.steps) == 0 {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			runDocument(t, d, programs)
		})
	}
}

// buildPrograms builds the programs of examples/.
func buildPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command(goTool, "build", "-o", dir+"/", "./examples/...")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	buildPlugin(t, filepath.Join(dir, "tenant-paths.wasm"))
	return dir
}

// buildPlugin builds the example of a plugin, with the commands of the documents.
func buildPlugin(t *testing.T, out string) {
	t.Helper()
	for _, args := range [][]string{
		{"build", "-C", "examples/plugins/go", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, "."},
		{"run", "-C", "examples/plugins/go", "github.com/sallyport-dev/sallyport/sdk/go/cmd/sallyport-embed", out},
	} {
		cmd := exec.Command(goTool, args...)
		cmd.Dir = root
		if args[0] == "build" {
			cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
		}
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args, err, text)
		}
	}
}

func runDocument(t *testing.T, d *document, programs string) {
	dir := t.TempDir()
	sh := newShell(t, dir, programs, documentPorts(t))
	for _, name := range []string{"examples", "plugins", "policies", "Makefile"} {
		copyTree(t, filepath.Join(root, name), filepath.Join(sh.dir, name), sh.to)
	}
	differs, changed := false, false
	for i := 0; i < len(d.steps); i++ {
		s := d.steps[i]
		if s.file != "" {
			write(t, filepath.Join(sh.dir, s.file), strings.Split(sh.to(strings.Join(s.want, "\n")), "\n"))
			changed = true
			continue
		}
		got, status := sh.try(s, changed)
		changed = !strings.HasSuffix(s.command, "&") && changed || hup.MatchString(s.command) // what starts has seen the change
		if !agree(s.want, got) {
			if *update {
				d.replace(s, printed(got))
				differs = true
				continue
			}
			t.Fatalf("%s:%d: $ %s\nprinted:\n%s\nwant:\n%s%s", d.name, s.line, s.command, got, strings.Join(s.want, "\n"), sh.background())
		}
		told := i+1 < len(d.steps) && d.steps[i+1].command == "echo $?"
		if status != 0 && !told && !*update {
			t.Fatalf("%s:%d: $ %s\nhas failed with %d:\n%s", d.name, s.line, s.command, status, got)
		}
	}
	if differs {
		write(t, filepath.Join(root, d.name), d.lines)
	}
}

// copyTree copies a file, or a folder, changing the text of each file by edit.
func copyTree(t *testing.T, from, to string, edit func(string) string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(name, from)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, []byte(edit(string(data))), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

var claimed struct {
	sync.Mutex
	ports map[int]bool
}

// documentPorts gives a free port of four digits, as those in the documents have, for each port in them. What is underlined in a
// printed line then stands where the document says.
func documentPorts(t *testing.T) map[string]string {
	t.Helper()
	ports := map[string]string{}
	for _, p := range []string{"8080", "8081", "9090", "9091", "3001", "5000"} {
		ports["127.0.0.1:"+p] = fmt.Sprint("127.0.0.1:", freePort(t))
	}
	return ports
}

func freePort(t *testing.T) int {
	t.Helper()
	claimed.Lock()
	defer claimed.Unlock()
	if claimed.ports == nil {
		claimed.ports = map[int]bool{8080: true, 8081: true, 9090: true, 9091: true, 3001: true, 5000: true}
	}
	for p := 4000 + os.Getpid()%4000; p < 10000; p++ {
		if claimed.ports[p] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", p))
		if err != nil {
			continue
		}
		_ = l.Close()
		claimed.ports[p] = true
		return p
	}
	t.Fatal("no free port")
	return 0
}

// documentPatience is how long a command may take to print what it should: a gateway takes a moment to see that a file has changed, and to
// write the last record.
const documentPatience = 10 * time.Second

var (
	reads = regexp.MustCompile(`^(grep|tail|cat|(bin/)?sallyport (audit|explain|replay|servers))\b`)
	hup   = regexp.MustCompile(`^kill -HUP\b`)
)

// try runs a command. One that reads what the gateway writes in its own time, or that calls it after a change, is run again until it
// prints what the document says.
func (sh *shell) try(s step, changed bool) (got string, status int) {
	wait := documentPatience
	if *update {
		wait = time.Second
	}
	again := reads.MatchString(s.command) || changed && strings.HasPrefix(s.command, "curl")
	for end := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		got, status = sh.run(s.command)
		silent := *update && got == "" // it has not been written yet
		if agree(s.want, got) && !silent || !again || time.Now().After(end) {
			return got, status
		}
	}
}
