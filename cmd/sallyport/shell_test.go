package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell is one sh that a document's commands go to, one after the other, as a reader would type them.
type shell struct {
	t      *testing.T
	dir    string // where it is now
	log    string // what programs in the background print
	ports  map[string]string
	lastID string
	in     io.Writer
	pipe   *os.File
	out    *bufio.Reader
}

const endOfCommand = "\x1eend of command"

func newShell(t *testing.T, dir, programs string, ports map[string]string) *shell {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	sh := &shell{t: t, dir: dir, log: filepath.Join(t.TempDir(), "background.log"), ports: ports}
	cmd := exec.Command("sh")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", programsVariable + "=" + programs}
	apart(cmd)
	if sh.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	var theirs *os.File
	if sh.pipe, theirs, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = theirs, theirs
	sh.out = bufio.NewReader(sh.pipe)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	t.Cleanup(func() { sh.end(cmd) })
	return sh
}

// end ends the shell and what it has started: gateways are asked to, so that they end the servers that they have started.
func (sh *shell) end(cmd *exec.Cmd) {
	_ = signalGroup(cmd, syscall.SIGTERM)
	_ = sh.pipe.SetReadDeadline(time.Now().Add(15 * time.Second))
	_, _ = io.Copy(io.Discard, sh.out) // until all that hold the pipe have ended
	_ = signalGroup(cmd, syscall.SIGKILL)
	_ = cmd.Wait()
	_ = sh.pipe.Close()
}

// run runs one command, and gives what it prints and its exit status. What goes on in the background is waited for until it serves.
func (sh *shell) run(command string) (printed string, status int) {
	sh.t.Helper()
	text := sh.to(command)
	if sh.lastID != "" {
		text = changing[0].form.ReplaceAllString(text, sh.lastID)
	}
	text, background := strings.CutSuffix(text, " &")
	if background {
		if !strings.Contains(text, "2>") {
			text += " 2>&1"
		}
		text = fmt.Sprintf("%s >>'%s' &", strings.Replace(text, " 2>&1", fmt.Sprintf(" 2>>'%s'", sh.log), 1), sh.log)
	}
	fmt.Fprintf(sh.in, "{ %s\n} </dev/null 2>&1\nsallyport_status=$?; printf '\\n%s %%s %%s\\n' \"$sallyport_status\" \"$PWD\"; (exit $sallyport_status)\n", text, endOfCommand)
	got, status := sh.read()
	if ids := changing[0].form.FindAllString(got, -1); ids != nil {
		sh.lastID = ids[len(ids)-1]
	}
	if background {
		sh.ready(command)
	}
	return sh.from(got), status
}

var ending = regexp.MustCompile(endOfCommand + ` (\d+) (.*)\n$`)

func (sh *shell) read() (string, int) {
	sh.t.Helper()
	var b strings.Builder
	_ = sh.pipe.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		line, err := sh.out.ReadString('\n')
		if end := ending.FindStringSubmatch(line); end != nil {
			status, _ := strconv.Atoi(end[1])
			sh.dir = end[2]
			return strings.TrimSuffix(b.String(), "\n"), status
		}
		b.WriteString(line)
		if err != nil {
			sh.t.Fatalf("the shell has ended, or the command has not: %v\n%s", err, b.String())
		}
	}
}

// to puts this run's ports in the place of the document's, and from back. With --mcp-config the ports are the defaults, and say nothing.
func (sh *shell) to(text string) string {
	text = strings.Replace(text, " serve --mcp-config", " serve --listen 127.0.0.1:8080 --admin 127.0.0.1:9090 --mcp-config", 1)
	for doc, own := range sh.ports {
		text = strings.ReplaceAll(text, doc, own)
	}
	return text
}

func (sh *shell) from(text string) string {
	for doc, own := range sh.ports {
		text = strings.ReplaceAll(text, own, doc)
	}
	return text
}

// ready waits until what was started can be used.
func (sh *shell) ready(command string) {
	sh.t.Helper()
	up := func() bool { return true }
	switch {
	case strings.Contains(command, " serve "):
		admin := "127.0.0.1:9090"
		if second := "127.0.0.1:9091"; strings.Contains(command, second) {
			admin = second
		}
		up = func() bool {
			resp, err := http.Get("http://" + sh.ports[admin] + "/readyz")
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		}
	case strings.Contains(command, "3001"):
		up = func() bool { return listens(sh.ports["127.0.0.1:3001"]) }
	case strings.HasPrefix(command, "docker "):
		up = func() bool { return listens(sh.ports["127.0.0.1:5000"]) }
	}
	for end := time.Now().Add(2 * time.Minute); !up(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			sh.t.Fatalf("$ %s\ndoes not serve%s", command, sh.background())
		}
	}
}

func listens(address string) bool {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// background is what programs in the background have printed, for failures.
func (sh *shell) background() string {
	text, err := os.ReadFile(sh.log)
	if err != nil || len(text) == 0 {
		return ""
	}
	return "\n\nin the background:\n" + string(text)
}
