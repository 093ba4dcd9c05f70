package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/internal/flock"
)

// sink is where lines go. It is used by one goroutine at a time.
type sink interface {
	// write hands b to the kernel and says how much of it was taken.
	write(b []byte) (int, error)
	// renew goes on in a new file if the old one is no longer in its place, and says whether it did. torn bytes at the end
	// of the old one belong to a line that the new one will get whole.
	renew(torn int) bool
	// reopen is renew that says why it failed.
	reopen(torn int) (bool, error)
	close() error
}

// stream is a sink that is no file.
type stream struct{ w io.Writer }

func (s stream) write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	n = min(max(n, 0), len(b))
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		err = &WriteError{Path: "stream", Err: err}
	}
	return n, err
}

func (stream) renew(int) bool           { return false }
func (stream) reopen(int) (bool, error) { return false, nil }
func (stream) close() error             { return nil }

type file struct {
	path string
	f    *os.File

	end, sent int64       // where the file ends, and up to where it was sent to the disk
	trailing  atomic.Bool // something is being sent
}

// tail is where the chain of a file ends.
type tail struct {
	seq     uint64
	hash    [32]byte
	removed int // bytes of an unfinished line that were cut off
}

// maxLine bounds a line that is read; no record comes near it.
const maxLine = 1 << 20

func openFile(path string) (*file, tail, error) {
	f, err := openLocked(path)
	if err != nil {
		return nil, tail{}, err
	}
	end, err := resume(f)
	if err != nil {
		return nil, tail{}, errors.Join(fmt.Errorf("audit log %s: %w", path, err), f.Close())
	}
	size, err := f.Seek(0, io.SeekEnd) // of a pipe there is none
	if err != nil {
		size = 0
	}
	return &file{path: path, f: f, end: size, sent: size &^ 4095}, end, nil
}

func openLocked(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	if err := flock.Try(f); err != nil && flock.Supported { // a second process would write into the same chain
		return nil, errors.Join(fmt.Errorf("audit log %s is in use by another process: %w", path, err), f.Close())
	}
	return f, nil
}

// resume finds the end of the chain, and cuts off a last line that has no end: nobody was told that it was written.
func resume(f *os.File) (tail, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return tail{}, err
	}
	size := info.Size()
	end := make([]byte, min(size, maxLine))
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil {
		return tail{}, err
	}
	last := bytes.LastIndexByte(end, '\n') + 1
	if last == 0 && int64(len(end)) < size {
		return tail{}, errors.New("the last line is too long for a record")
	}
	removed := len(end) - last
	t, err := endOf(end[:last])
	if err != nil {
		return tail{}, err
	}
	if removed > 0 {
		t.removed = removed
		if err := f.Truncate(size - int64(removed)); err != nil {
			return tail{}, fmt.Errorf("remove the unfinished last line: %w", err)
		}
	}
	return t, nil
}

func endOf(lines []byte) (tail, error) {
	if len(lines) == 0 {
		return tail{}, nil
	}
	lines = lines[:len(lines)-1]
	line := lines[bytes.LastIndexByte(lines, '\n')+1:]
	e, err := Read(line)
	if err != nil {
		return tail{}, fmt.Errorf("the last line is no decision record: %w", err)
	}
	return tail{seq: e.Seq, hash: sha256.Sum256(line)}, nil
}

func (f *file) write(b []byte) (int, error) {
	n, err := f.f.Write(b)
	if err != nil {
		err = &WriteError{Path: f.path, Err: err}
	}
	f.trail(n)
	return n, err
}

func (f *file) renew(torn int) bool {
	renewed, err := f.reopen(torn)
	_ = err // the write that follows says what is wrong
	return renewed
}

func (f *file) reopen(torn int) (bool, error) {
	old, err := f.f.Stat()
	if err != nil || !old.Mode().IsRegular() {
		return false, err
	}
	if now, err := os.Stat(f.path); err == nil && os.SameFile(old, now) {
		return false, nil
	}
	next, err := openLocked(f.path)
	if err != nil {
		return false, err
	}
	if info, err := next.Stat(); err != nil || info.Size() > 0 {
		return false, errors.Join(fmt.Errorf("audit log %s was replaced by a file that is not empty", f.path), err, next.Close())
	}
	if torn > 0 {
		err = f.f.Truncate(old.Size() - int64(torn))
	}
	err = errors.Join(err, f.f.Close())
	f.f, f.end, f.sent = next, 0, 0
	return true, err
}

func (f *file) close() error { return f.f.Close() }
