package tck_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGuest_isTheOneThatWasBuilt guards the module that is kept with the kit.
func TestGuest_isTheOneThatWasBuilt(t *testing.T) {
	module, err := os.ReadFile("testdata/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile("testdata/guest.wasm.sha256")
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(module)
	if want, _, _ := strings.Cut(string(sum), " "); want != hex.EncodeToString(digest[:]) {
		t.Errorf("guest.wasm has the SHA-256 %x, and guest.wasm.sha256 says %s", digest, want)
	}
}

// TestGuest_isBuiltFromItsSource builds the guest anew with sdk/c.
func TestGuest_isBuiltFromItsSource(t *testing.T) {
	out := makeC(t, "tck")
	built, err := os.ReadFile(filepath.Join(out, "guest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile("testdata/guest.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, kept) {
		t.Error("testdata/guest.wasm is not what sdk/c/tck/guest.c makes: make -C sdk/c tck, copy .cache/c/guest.wasm here, and its sha256sum into guest.wasm.sha256")
	}
}

// TestSDK_C runs the C SDK's own tests.
func TestSDK_C(t *testing.T) { makeC(t, "test") }

// makeC makes a target of sdk/c and returns where that put its files.
func makeC(t *testing.T, target string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds C")
	}
	for _, tool := range []string{"clang-19", "wasm-ld-19", "make", "cc", "g++"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: there is no %s: apt-get install -y clang-19 lld-19 gcc g++ make", tool)
		}
	}
	// Looking at the files makes a cached result of this test as old as they are.
	if err := filepath.WalkDir("../../sdk/c", func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			_, err = os.Stat(path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if text, err := exec.CommandContext(t.Context(), "make", "-C", "../../sdk/c", "OUT="+out, target).CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", target, err, text)
	}
	return out
}
