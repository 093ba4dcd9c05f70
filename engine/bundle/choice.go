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
	previous  = "previous.tar.gz" // the one that was active before it
	choice    = "choice.json"
	withdrawn = "withdrawn.json"
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
	var c Choice
	if found, err := s.recall(choice, &c); !found || err != nil {
		return nil, err
	}
	if c.Revision == "" || c.Of == "" {
		return nil, s.unreadable(choice)
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
func (s Store) Choose(c Choice) error { return s.remember(choice, c) }

// Withdrawal is why a candidate is tried no more.
type Withdrawal struct {
	Revision string    `json:"revision"`
	By       string    `json:"by,omitempty"` // the operator; "": a bound was passed
	Why      string    `json:"why"`
	Time     time.Time `json:"time"`
}

// Withdrawn is the candidate that was withdrawn last, nil if none was.
func (s Store) Withdrawn() (*Withdrawal, error) {
	var w Withdrawal
	if found, err := s.recall(withdrawn, &w); !found || err != nil {
		return nil, err
	}
	if w.Revision == "" {
		return nil, s.unreadable(withdrawn)
	}
	return &w, nil
}

// Withdraw makes w the candidate that was withdrawn last.
func (s Store) Withdraw(w Withdrawal) error { return s.remember(withdrawn, w) }

// recall reads a small file of the store. Its error is a source.Diagnostics if it is damaged.
func (s Store) recall(name string, into any) (found bool, err error) {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || len(data) > maxChoice || d.More() {
		return true, s.unreadable(name)
	}
	return true, nil
}

func (s Store) unreadable(name string) error {
	return source.Diagnostics{source.Pos{File: filepath.Join(s.dir, name)}.Diagnose("SP8201", "what an operator has chosen can't be read",
		"remove the file, and what was chosen is forgotten; then choose again")}
}

func (s Store) remember(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := WriteFile(filepath.Join(s.dir, name), append(data, '\n'), 0o600); err != nil {
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
