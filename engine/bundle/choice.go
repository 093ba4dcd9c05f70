package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// Files of a Store beside the bundle that was active last.
const (
	previous = "previous.tar.gz" // the one that was active before it
	choice   = "choice.json"
)

// Choice is which bundle of a Store an operator wants to decide, whatever the source gives. It holds while the store's last bundle is
// the one that it was then: a bundle that is newer than all that were active ends it.
type Choice struct {
	Revision string    `json:"revision"` // the bundle that is to decide: the store's last, or its previous
	Of       string    `json:"of"`       // the revision of the store's last bundle at the time
	By       string    `json:"by"`
	Time     time.Time `json:"time"`
}

// maxChoice bounds the file of a choice.
const maxChoice = 4 << 10

// Previous is the bundle that was active before the last one, nil if there was none. What Last says of the bundle's worth holds here, too.
func (s Store) Previous() (*Archive, error) {
	a, err := ReadArchive(filepath.Join(s.dir, previous))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none is not an error
	}
	return a, err
}

// Choice is what an operator has chosen, nil if nothing was chosen that holds beside last, the store's last bundle. Its error is a
// source.Diagnostics if the file is damaged: then nobody can say what was chosen.
func (s Store) Choice(last *Archive) (*Choice, error) {
	name := filepath.Join(s.dir, choice)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none is not an error
	}
	if err != nil {
		return nil, err
	}
	var c Choice
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil || len(data) > maxChoice || d.More() || c.Revision == "" || c.Of == "" {
		return nil, source.Diagnostics{source.Pos{File: name}.Diagnose("SP8201", "what an operator has chosen can't be read",
			"remove the file, and the newest bundle decides that was active; then choose again")}
	}
	if last == nil || c.Of != last.Revision {
		return nil, nil //nolint:nilnil // it holds no more
	}
	return &c, nil
}

// Chosen is the bundle that a choice names. Its error is a source.Diagnostics if the store doesn't have it any more.
func (s Store) Chosen(c *Choice, last *Archive) (*Archive, error) {
	if last != nil && c.Revision == last.Revision {
		return last, nil
	}
	a, err := s.Previous()
	if err == nil && (a == nil || a.Revision != c.Revision) {
		err = source.Diagnostics{source.Pos{File: filepath.Join(s.dir, choice)}.Diagnose("SP8203",
			fmt.Sprintf("no bundle %s is kept, which `%s` has chosen", c.Revision, source.Brief(c.By)),
			"remove the file, and the newest bundle decides that was active")}
	}
	return a, err
}

// Choose makes c what is chosen.
func (s Store) Choose(c Choice) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := WriteFile(filepath.Join(s.dir, choice), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("the choice can't be kept: %w", err)
	}
	return nil
}

// step keeps the last bundle as the previous one, before next takes its place. One from which an operator has gone back is no bundle
// to go back to: what was chosen in its place stays the previous one.
func (s Store) step(next *Archive) error {
	last, err := s.Last()
	if err != nil || last == nil || last.Revision == next.Revision {
		return nil //nolint:nilerr // a damaged one is nothing to go back to
	}
	if c, err := s.Choice(last); err == nil && c != nil && c.Revision != last.Revision {
		return nil
	}
	return WriteFile(filepath.Join(s.dir, previous), last.Data(), 0o600)
}
