//go:build unix

package audit

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// openJournal opens the journal beside a log. Its blocks are written once, so that the memory never runs into a full disk.
func openJournal(path string) (*journal, error) {
	name := path + journalSuffix
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit journal: %w", err)
	}
	defer f.Close() //nolint:errcheck // the mapping lives on without it
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("audit journal: %w", err)
	}
	if size := info.Size(); size != 2*journalHalf {
		if size != 0 {
			return nil, fmt.Errorf("audit journal %s has %d bytes, not %d", name, size, 2*journalHalf)
		}
		if _, err := f.Write(make([]byte, 2*journalHalf)); err != nil {
			return nil, errors.Join(fmt.Errorf("audit journal: %w", err), os.Remove(name))
		}
	}
	mem, err := syscall.Mmap(int(f.Fd()), 0, 2*journalHalf, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("audit journal %s: %w", name, err)
	}
	return &journal{mem: mem, close: func() error { return errors.Join(syscall.Munmap(mem), os.Remove(name)) }}, nil
}
