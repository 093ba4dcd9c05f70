package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// resident says which pages of the first n bytes of a file are in memory.
func resident(t *testing.T, path string, n int) (in []bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mem, err := syscall.Mmap(int(f.Fd()), 0, n, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(mem)
	pages := make([]byte, n/os.Getpagesize())
	if _, _, errno := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(&mem[0])), uintptr(n), uintptr(unsafe.Pointer(&pages[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, p := range pages {
		in = append(in, p&1 != 0)
	}
	return in
}

func count(in []bool) (n int) {
	for _, v := range in {
		if v {
			n++
		}
	}
	return n
}

// What was written long ago leaves the page cache, and what was written is whole.
func TestFileLeavesThePageCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type != 0xef53 && fs.Type != 0x58465342 {
		t.Skip("SKIPPED: the temporary directory is not on ext4 or XFS; elsewhere pages may stay")
	}
	f, _, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	chunk := bytes.Repeat([]byte("0123456789abcde\n"), trailStep/16)
	const first = 4 * trailStep
	written := 0
	for end := time.Now().Add(time.Minute); ; { // of a disk that others use, too
		if _, err := f.write(chunk); err != nil {
			t.Fatal(err)
		}
		written += len(chunk)
		if written > 2*trailLag && count(resident(t, path, first)) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after %d MiB %d of the first %d pages are in memory", written>>20, count(resident(t, path, first)), first/os.Getpagesize())
		}
		time.Sleep(time.Duration(written>>20) * time.Millisecond) // a slow disk isn't given ever more
	}
	got, err := os.ReadFile(path)
	if err != nil || len(got) != written || !bytes.Equal(got[:len(chunk)], chunk) || !bytes.Equal(got[written-len(chunk):], chunk) {
		t.Fatalf("%d bytes of %d, %v", len(got), written, err)
	}
}

// A file that takes another's place is trailed from its own start.
func TestTrail_renewed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f, _, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.close() }()
	if _, err := f.write(make([]byte, 3*trailStep+5)); err != nil {
		t.Fatal(err)
	}
	if f.end != 3*trailStep+5 || f.sent != 3*trailStep {
		t.Fatalf("end %d, sent %d", f.end, f.sent)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if renewed, err := f.reopen(0); !renewed || err != nil {
		t.Fatal(renewed, err)
	}
	if f.end != 0 || f.sent != 0 {
		t.Errorf("end %d, sent %d of a new file", f.end, f.sent)
	}
	g, _, err := openFile(path + ".2")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.close() }()
	if g.end != 0 {
		t.Errorf("end %d of an empty file", g.end)
	}
}
