package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// leaveStart takes the pages of the program's own file out of memory: most were touched by what runs only at the start, in pieces of
// 64 KiB each. What is needed again comes back from the page cache.
func leaveStart() error {
	name, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	for _, m := range unwritten(f, name) {
		if _, _, e := syscall.Syscall(syscall.SYS_MADVISE, m.start, m.end-m.start, syscall.MADV_DONTNEED); e != 0 {
			return fmt.Errorf("madvise: %w", e)
		}
	}
	return nil
}

// mapping is a range of addresses, as in proc_pid_smaps(5).
type mapping struct{ start, end uintptr }

// unwritten reads smaps for the mappings of a file that are still nothing but copies of it. One that has pages of the process's own
// is left out, read-only or not: a position-independent program writes addresses into its constants before it protects them.
func unwritten(smaps io.Reader, file string) (found []mapping) {
	var m mapping
	copies := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		var next mapping
		var perms string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &next.start, &next.end, &perms); n == 3 {
			m, copies = next, (perms == "r-xp" || perms == "r--p") && strings.HasSuffix(line, " "+file)
			continue
		}
		if own, ok := strings.CutPrefix(line, "Anonymous:"); ok && copies && strings.TrimSpace(own) == "0 kB" {
			found = append(found, m)
		}
	}
	return found
}
