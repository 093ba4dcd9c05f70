package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// lastGood is the file of a Store.
const lastGood = "last-good.tar.gz"

// Store is a directory that holds the bundle that was active last. It is what a gateway starts from if it can't get another,
// and what says which versions would be a step back: one file, so that the two can't differ.
type Store struct{ dir string }

// StoreIn is the store in a directory, which is made when there is something to keep.
func StoreIn(dir string) Store { return Store{dir} }

// File is the file that holds the bundle that was active last, if there was one.
func (s Store) File() string { return filepath.Join(s.dir, lastGood) }

// Last is the bundle that was active last, nil if there was none. Who signed it, and whether it still counts, is not said. Its error is a source.Diagnostics
// if the file is damaged: then nobody can say what would be a step back.
func (s Store) Last() (*Archive, error) {
	name := s.File()
	a, err := ReadArchive(name)
	switch _, refused := errors.AsType[source.Diagnostics](err); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // none is not an error
	case refused:
		return nil, source.Diagnostics{source.Pos{File: name}.Diagnose("SP8115", "the bundle that was active last can't be read: "+err.Error(),
			"put a copy of it back; or remove the file, and what was active is forgotten")}
	}
	return a, err
}

// Keep makes a the bundle that was active last, and the one that was so the previous one. Whoever reads meanwhile, or after the power
// has failed, finds either it or the one before.
func (s Store) Keep(a *Archive) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := s.step(a); err != nil {
		return fmt.Errorf("the bundle that was active can't be kept: %w", err)
	}
	if err := WriteFile(s.File(), a.Data(), 0o600); err != nil {
		return fmt.Errorf("the bundle can't be kept: %w", err)
	}
	return nil
}

// Confirm notes until when it was known that there is no other bundle than the one that was active last.
func (s Store) Confirm(at time.Time) error { return os.Chtimes(s.File(), time.Time{}, at) }

// Confirmed is the time that Confirm has noted, or at which the bundle was kept.
func (s Store) Confirmed() (time.Time, error) {
	info, err := os.Stat(s.File())
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// WriteFile replaces a file in one step: whoever reads it meanwhile, or after the power has failed, finds what it was or what it is to be.
// A link is replaced, not what it leads to.
func WriteFile(name string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".sallyport-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync())
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
