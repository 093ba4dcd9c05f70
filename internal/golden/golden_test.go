package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that fails without failing.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func TestCompare(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.txt")
	if err := os.WriteFile(file, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &recorder{TB: t}
	Compare(r, file, []byte("one\n"))
	if len(r.said) > 0 {
		t.Errorf("the same differs: %q", r.said)
	}
	if *update {
		return // then nothing differs
	}
	Compare(r, file, []byte("two\n"))
	if len(r.said) != 1 || !strings.HasPrefix(r.said[0], file+" (-want +got):\n") {
		t.Errorf("got %q", r.said)
	}
	if kept, err := os.ReadFile(file); string(kept) != "one\n" || err != nil {
		t.Errorf("the file has become %q, %v", kept, err)
	}
}
