// Command sallyport is an MCP gateway that puts policy in front of every call.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/clients"
)

// The exit codes. They are a contract with scripts.
const (
	exitOK          = 0
	exitUnexpected  = 1
	exitUsage       = 2
	exitInvalid     = 3 // a config or policy doesn't compile
	exitFailed      = 4 // tests failed
	exitLint        = 5 // what compiles is not as it should be
	exitDenied      = 6
	exitSignature   = 7 // a chain or signature doesn't verify
	exitUnreachable = 8
	exitThreshold   = 9 // a replay has come to more flips than it may
)

// process is what the program touches of the world. Everything below main gets it, so that tests can be the world.
type process struct {
	ctx    context.Context //nolint:containedctx // it is the process's own: signals end it
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) (string, bool)
	now    func() time.Time
	hangup <-chan os.Signal
}

// commands is the command line.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the gateway."`
	Check   checkCommand   `cmd:"" help:"Check configs and policies; report every mistake."`
	Fmt     fmtCommand     `cmd:"" help:"Give policies the canonical names and a tidy layout."`
	Test    testCommand    `cmd:"" help:"Run cases of policies: messages, and what must be decided of them."`
	Explain explainCommand `cmd:"" help:"Explain a decision by its id, or a diagnostic by its code."`
	Eval    evalCommand    `cmd:"" help:"Decide one call, or evaluate an expression on it, and explain what came of it."`
	Can     canCommand     `cmd:"" help:"Say what a caller may do with each tool: always, if, never."`
	WhoCan  whoCanCommand  `cmd:"" help:"Say who may use a tool."`
	Demo    demoCommand    `cmd:"" help:"Run the gateway, a server and an agent in one process, and show what policy does."`
	Schema  schemaCommand  `cmd:"" help:"Print the JSON Schema of a file format."`
	Import  importCommand  `cmd:"" help:"Take the servers of MCP clients into the config, without the secrets."`
	Connect connectCommand `cmd:"" help:"Point an MCP client at the gateway."`
	Doctor  doctorCommand  `cmd:"" help:"Look at all that a gateway needs, and say what to do about what is not right."`
	Call    callCommand    `cmd:"" help:"Call a tool through the gateway, and say what came of it."`
	Wrap    wrapCommand    `cmd:"" help:"Be an MCP server on standard input and output: the one that a command is, with policy in front."`
	Servers serversCommand `cmd:"" help:"Say which servers a running gateway has, and how they are."`
	Tools   toolsCommand   `cmd:"" help:"Say which tools the servers of a running gateway have, or lock them."`
	Plugin  pluginCommand  `cmd:"" help:"Work with plugins."`
	Policy  policyCommand  `cmd:"" help:"Work with policies of other programs."`
	Bundle  bundleCommand  `cmd:"" help:"Work with bundles: policies, plugins, tables and tests in one signed file."`
	Keys    keysCommand    `cmd:"" help:"Work with the keys that seal what clients carry."`
	Audit   auditCommand   `cmd:"" help:"Work with decision records."`
	Diff    diffCommand    `cmd:"" help:"Say in what two sets of policies differ: what they are made of, and what they decide otherwise."`
	Replay  replayCommand  `cmd:"" help:"Decide recorded calls again with other policies, and say what would be decided otherwise."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// fail is an error with an exit code. Without a message the command has said everything itself.
type fail struct {
	code int
	err  error
}

func (f *fail) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f *fail) Unwrap() error { return f.err }

func failf(code int, format string, args ...any) error {
	return &fail{code: code, err: fmt.Errorf(format, args...)}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	code := run(os.Args[1:], process{
		ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.LookupEnv, now: time.Now, hangup: hangup,
	})
	stop()
	os.Exit(code)
}

// run is the program, with the world as an argument.
func run(args []string, p process) int {
	var c commands
	exited := -1
	k, err := kong.New(&c, kong.Name("sallyport"),
		kong.Description("An MCP gateway that puts policy in front of every call. Documentation: docs/ in the source."),
		kong.Writers(p.stdout, p.stderr), kong.Exit(func(code int) { exited = code }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"clients": strings.Join(clients.IDs(), ", ")})
	if err != nil {
		fmt.Fprintln(p.stderr, "sallyport:", err)
		return exitUnexpected
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := k.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "sallyport: %v\nRun `sallyport --help` for the commands.\n", err)
		return exitUsage
	}
	return report(parsed.Run(&p), p)
}

// report says what went wrong, once, and gives the exit code for it.
func report(err error, p process) int {
	if err == nil {
		return exitOK
	}
	if ds, ok := errors.AsType[source.Diagnostics](err); ok {
		ds.WriteText(p.stderr, readText, colors(p), maxDiagnostics) //nolint:errcheck // there is nowhere else to say it
		return codeOf(ds)
	}
	if errors.Is(err, context.Canceled) && p.ctx != nil && p.ctx.Err() != nil {
		err = errInterrupted
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(p.stderr, "sallyport:", strings.TrimSuffix(text, "\n"))
	}
	if f, ok := errors.AsType[*fail](err); ok {
		return f.code
	}
	return exitUnexpected
}

// codeOf is the exit code for what diagnostics say.
func codeOf(ds source.Diagnostics) int {
	for _, d := range ds {
		switch {
		case strings.HasPrefix(d.Code, "SP81"):
			return exitSignature
		case d.Code == "SP8023" || d.Code == "SP8024":
			return exitFailed
		case d.Code == "SP8301" || d.Code == "SP8302":
			return exitUnreachable
		}
	}
	return exitInvalid
}

// maxDiagnostics is how many mistakes are shown at once; the rest is counted.
const maxDiagnostics = 20

func readFile(name string) []byte {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	return b
}

var errInterrupted = errors.New("interrupted")

// readText reads a file whose lines are shown; those of a module say nothing to people.
func readText(name string) []byte {
	b := shownFile(name)
	if bytes.HasPrefix(b, []byte("\x00asm")) {
		return nil
	}
	return b
}

// shownFile reads a file in which a mistake was found. Something else may stand in its place by now: what is no file, or has no end, is not
// read, and neither is what lies in a directory where an archive was.
func shownFile(name string) []byte {
	for dir := filepath.Dir(name); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if bundle.IsArchive(dir) {
			return nil
		}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // it was only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(f, source.MaxSize))
	if err != nil {
		return nil
	}
	return b
}

// colors says whether stderr is a terminal whose user has not asked for plain text (https://no-color.org).
func colors(p process) bool {
	f, ok := p.stderr.(*os.File)
	if _, no := p.getenv("NO_COLOR"); no || !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
