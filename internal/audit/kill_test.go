//go:build unix

package audit

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

const childVar = "SALLYPORT_AUDIT_TEST_FILE"

// TestChild is the process that TestKilled kills: it says on stdout what it was told is written.
func TestChild(t *testing.T) {
	path, ok := os.LookupEnv(childVar)
	if !ok {
		t.Skip("runs as a child of TestKilled")
	}
	l, err := Open(Options{Path: path, Now: time.Now, direct: os.Getenv(childVar+"_DIRECT") != ""})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				tool := fmt.Sprintf("r%d-%d-%d", os.Getpid(), c, i)
				if err := l.Append(refusal(tool), i%3 > 0); err != nil {
					t.Error(err)
					return
				}
				if i%3 > 0 {
					_, _ = os.Stdout.WriteString(tool + "\n")
				}
			}
		})
	}
	wg.Wait()
}

func TestKilledProcessLosesNothingItPromised(t *testing.T) {
	t.Run("journal", func(t *testing.T) { killed(t, "") })
	t.Run("direct", func(t *testing.T) { killed(t, "1") })
}

func killed(t *testing.T, direct string) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	var promised []string
	for round := range 8 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), childVar+"="+path, childVar+"_DIRECT="+direct)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 50*round+7 && lines.Scan(); n++ {
			promised = append(promised, lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			promised = append(promised, lines.Text())
		}
		_ = cmd.Wait()
	}
	if err := openAt(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	data := readFile(t, path)
	if _, err := Verify(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if len(promised) < 8*7 {
		t.Fatalf("only %d records were promised", len(promised))
	}
	for _, tool := range promised[:len(promised)-1] { // the pipe may end inside the last
		if !bytes.Contains(data, []byte(`"gen_ai.tool.name":"`+tool+`"`)) {
			t.Errorf("%s was promised and is not there", tool)
		}
	}
}
