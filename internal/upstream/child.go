package upstream

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// inherited are the only variables that a child gets from BaseEnv: where
// programs, home and temporary files are, and how to write text and time. The
// last four are what programs on Windows cannot start without.
var inherited = []string{
	"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR",
	"SystemRoot", "PATHEXT", "USERPROFILE", "TEMP",
}

// drainWait is how long what a child has written before its end may take to
// arrive: a grandchild that holds the pipe must not keep the session alive.
const drainWait = time.Second

// NewStdio makes a server of a program that speaks MCP on its standard input
// and output. The program is started when it is first needed.
func NewStdio(name string, o StdioOptions) (*Lines, error) {
	if len(o.Command) == 0 || o.Command[0] == "" {
		return nil, errors.New("no command")
	}
	o.KillGrace = orDuration(o.KillGrace, 5*time.Second)
	env := childEnv(o.BaseEnv, o.Env)
	dial := func() (io.ReadWriteCloser, error) { return startChild(&o, env) }
	return newLines(name, "stdio", dial, o.LineOptions), nil
}

func childEnv(base []string, own map[string]string) []string {
	env := []string{} // not nil: nil would mean all of the gateway's
	for _, kv := range base {
		name, _, _ := strings.Cut(kv, "=")
		if _, replaced := own[name]; !replaced && slices.Contains(inherited, name) {
			env = append(env, kv)
		}
	}
	for name, value := range own {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// child is a running program. Read and Write are its output and input.
type child struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	grace  time.Duration
	exited chan struct{} // closed when it has been reaped
	exit   error         // how it ended, after exited
	logged chan struct{} // closed when all of stderr has been read
}

func startChild(o *StdioOptions, env []string) (*child, error) {
	path, err := exec.LookPath(o.Command[0])
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{Path: path, Args: o.Command, Env: env, Dir: o.Dir, SysProcAttr: childAttr()}
	var p childPipes
	if err := p.open(); err != nil {
		p.close()
		return nil, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.theirs[0], p.theirs[1], p.theirs[2]
	if err := cmd.Start(); err != nil {
		p.close()
		return nil, err
	}
	p.closeTheirs()
	c := &child{
		cmd: cmd, stdin: p.ours[0], stdout: p.ours[1], grace: o.KillGrace,
		exited: make(chan struct{}), logged: make(chan struct{}),
	}
	stderr := p.ours[2]
	go func() {
		defer close(c.logged)
		newLineLog(o.Stderr, o.Now).copy(stderr)
		_ = stderr.Close()
	}()
	go c.wait(stderr)
	return c, nil
}

// childPipes are the ends of a child's three pipes.
type childPipes struct{ ours, theirs [3]*os.File }

func (p *childPipes) open() (err error) {
	if p.theirs[0], p.ours[0], err = os.Pipe(); err != nil {
		return err
	}
	for i := 1; i <= 2; i++ {
		if p.ours[i], p.theirs[i], err = os.Pipe(); err != nil {
			return err
		}
	}
	return nil
}

func (p *childPipes) closeTheirs() {
	for _, f := range p.theirs {
		if f != nil {
			_ = f.Close()
		}
	}
}

func (p *childPipes) close() {
	p.closeTheirs()
	for _, f := range p.ours {
		if f != nil {
			_ = f.Close()
		}
	}
}

// wait reaps the child and ends what is left of its group.
func (c *child) wait(stderr *os.File) {
	endGroupAfter(c.cmd.Process)
	c.exit = c.cmd.Wait()
	end := time.Now().Add(drainWait) //nolint:forbidigo // a deadline of the operating system's clock
	_ = c.stdout.SetReadDeadline(end)
	_ = stderr.SetReadDeadline(end)
	close(c.exited)
}

func (c *child) Read(p []byte) (int, error)  { return c.stdout.Read(p) }
func (c *child) Write(p []byte) (int, error) { return c.stdin.Write(p) }

// Close asks the child to end, by the end of its input, then by a signal, and
// ends it if it does not. It returns how the child ended, if that was its own
// doing.
func (c *child) Close() error {
	_ = c.stdin.Close()
	drained := make(chan struct{})
	go func() { // so that a child with much to say can come to its end
		defer close(drained)
		_, _ = io.Copy(io.Discard, c.stdout)
	}()
	asked := false
	if !c.within(c.grace) {
		asked = true
		signalGroup(c.cmd.Process, false)
		if !c.within(c.grace) {
			signalGroup(c.cmd.Process, true)
			<-c.exited
		}
	}
	_ = c.stdout.Close()
	<-drained
	<-c.logged
	if asked {
		return nil
	}
	return c.exit
}

func (c *child) within(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.exited:
		return true
	case <-t.C:
		return false
	}
}
