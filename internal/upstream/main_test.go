package upstream

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const childMode = "SALLYPORT_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		beChild(mode)
		os.Exit(0)
	}
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		os.Exit(m.Run()) // fasthttp's own client and server leave goroutines behind
	}
	goleak.VerifyTestMain(m)
}

// beChild is what the test binary does as a child process.
func beChild(mode string) {
	switch mode {
	case "mcp":
		serveLines(newFake(func() { os.Exit(3) }), os.Stdin, os.Stdout)
	case "exit":
		os.Exit(7)
	case "flood": // one line without end
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = 'x'
		}
		for range 1 << 10 {
			if _, err := os.Stdout.Write(block); err != nil {
				return
			}
		}
	case "chatty":
		fmt.Fprintln(os.Stderr, strings.Repeat("long", 10<<10))
		for i := range 5000 {
			fmt.Fprintln(os.Stderr, "line", i)
		}
		serveLines(newFake(func() { os.Exit(3) }), os.Stdin, os.Stdout)
	case "env":
		in := bufio.NewReader(os.Stdin)
		_, _ = in.ReadString('\n')
		fmt.Printf(`{"jsonrpc":"2.0","id":1,"result":%q}`+"\n", strings.Join(os.Environ(), " "))
		_, _ = io.Copy(io.Discard, in)
	case "leader": // ends when asked, but leaves a child of its own behind
		grand := exec.Command("/proc/self/exe")
		grand.Env = []string{childMode + "=sleep"}
		if err := grand.Start(); err != nil {
			os.Exit(9)
		}
		in := bufio.NewReader(os.Stdin)
		_, _ = in.ReadString('\n')
		fmt.Printf(`{"jsonrpc":"2.0","id":1,"result":[%d,%d]}`+"\n", os.Getpid(), grand.Process.Pid)
		_, _ = io.Copy(io.Discard, in)
	case "stubborn": // with a child of its own, neither of which wants to end
		signal.Ignore(syscall.SIGTERM)
		grand := exec.Command("/proc/self/exe")
		grand.Env = []string{childMode + "=sleep"}
		grand.Stdout = os.Stdout
		if err := grand.Start(); err != nil {
			os.Exit(9)
		}
		in := bufio.NewReader(os.Stdin)
		_, _ = in.ReadString('\n')
		fmt.Printf(`{"jsonrpc":"2.0","id":1,"result":[%d,%d]}`+"\n", os.Getpid(), grand.Process.Pid)
		select {}
	case "sleep":
		signal.Ignore(syscall.SIGTERM)
		time.Sleep(time.Hour)
	}
}

func stdio(t *testing.T, mode string, change func(*StdioOptions)) *Lines {
	t.Helper()
	o := StdioOptions{
		Command:     []string{os.Args[0]},
		Env:         map[string]string{childMode: mode},
		LineOptions: LineOptions{Now: time.Now},
	}
	if change != nil {
		change(&o)
	}
	l, err := NewStdio("child", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}
