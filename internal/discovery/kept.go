package discovery

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// Kept is what operators have said of servers: which may serve, and which there are. It is not to be changed; the zero Kept is nothing.
type Kept struct {
	Approved []Approval `json:"approved"`
	Servers  []Put      `json:"servers"`
	sum      sum        // of the file that it is in
}

// sum is a digest of a file; zero of one that isn't there.
type sum [sha256.Size]byte

// Approval says that an operator has approved a server as it was written then.
type Approval struct {
	Name   string    `json:"name"`
	Source Source    `json:"source"`
	Digest string    `json:"digest"` // of what was written: another needs another approval
	By     string    `json:"by"`
	Time   time.Time `json:"time"`
}

// Put is a server that an operator has put by the admin API.
type Put struct {
	Name string    `json:"name"`
	JSON bool      `json:"json,omitempty"` // what Text is; false: YAML
	Text string    `json:"text"`           // as it was sent
	By   string    `json:"by"`
	Time time.Time `json:"time"`
}

// MaxPut bounds the text of a server that is put.
const MaxPut = 64 << 10

// Bounds of what is kept, when it is written as when it is read.
const (
	maxKept     = 8 << 20 // bytes
	maxApproved = 10_000
)

// ReadKept reads what is kept in a file. If there is no file nothing was kept yet.
func ReadKept(file string) (*Kept, error) {
	k, err := readKept(file)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// readKept is ReadKept; of what can't be read it gives which file it was.
func readKept(file string) (*Kept, error) {
	data, err := readBounded(file, maxKept)
	if errors.Is(err, fs.ErrNotExist) {
		return &Kept{}, nil
	}
	if err != nil {
		return &Kept{sum: sha256.Sum256([]byte(err.Error()))}, errors.New(clean(err))
	}
	k := Kept{sum: sha256.Sum256(data)}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&k); err != nil {
		return &k, fmt.Errorf("it is not what was written there: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &k, errors.New("it is not what was written there: there is more behind it")
	}
	return &k, k.check()
}

// Newer is what the file has, if that is something else than f was found by; nil if it isn't, or there is no file any more. Its error is why
// it can't be read.
func (f *Found) Newer(file string) (*Kept, error) {
	k, err := readKept(file)
	if f == nil || k.sum == f.Kept.sum {
		return nil, nil //nolint:nilnil // nothing new is not an error
	}
	if err == nil && k.sum == (sum{}) {
		err = errors.New(clean(fs.ErrNotExist))
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// ToChange is what the file has now, to be changed. A file that is gone, and of which f was found with something, is an error: made anew from
// nothing it would take back all else that was said, or say of a server that serves that it has no approval.
func (f *Found) ToChange(file string) (*Kept, error) {
	k, err := ReadKept(file)
	if err == nil && k.sum == (sum{}) && f != nil && len(f.Kept.Approved)+len(f.Kept.Servers) > 0 {
		return nil, errors.New(clean(fs.ErrNotExist))
	}
	return k, err
}

// check refuses what Write would not have written.
func (k *Kept) check() error {
	names := map[string]bool{}
	for _, p := range k.Servers {
		if !config.ValidName(p.Name) || names[p.Name] || len(p.Text) > MaxPut {
			return fmt.Errorf("it is not what was written there: the server %q", p.Name)
		}
		names[p.Name] = true
	}
	if len(names) > MaxServers {
		return fmt.Errorf("it has more than %d servers", MaxServers)
	}
	if len(k.Approved) > maxApproved {
		return fmt.Errorf("it has more than %d approvals: take back those of servers that are gone", maxApproved)
	}
	seen := map[[2]string]bool{}
	for _, a := range k.Approved {
		key := [2]string{a.Name, string(a.Source)}
		if !config.ValidName(a.Name) || a.Digest == "" || seen[key] {
			return fmt.Errorf("it is not what was written there: the approval of %q", a.Name)
		}
		seen[key] = true
	}
	return nil
}

// Write keeps k in a file that only its owner can read. Who has read what k was made of must have had the file locked since.
func (k *Kept) Write(file string) error {
	if err := k.check(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	if text = append(text, '\n'); len(text) > maxKept {
		return fmt.Errorf("it would be larger than %d MiB, and nothing of it could be read any more: remove servers that were put", maxKept>>20)
	}
	k.sum = sha256.Sum256(text)
	return bundle.WriteFile(target(file), text, 0o600)
}

// Approve gives k with an approval of e as it is.
func (k *Kept) Approve(e *Entry, by string, at time.Time) *Kept {
	out := k.forget(e.Name, e.Source)
	out.Approved = append(out.Approved, Approval{Name: e.Name, Source: e.Source, Digest: e.Digest, By: by, Time: at.UTC()})
	slices.SortFunc(out.Approved, func(a, b Approval) int {
		return strings.Compare(a.Name+"\x00"+string(a.Source), b.Name+"\x00"+string(b.Source))
	})
	return out
}

// Put gives k with a server that was put, in the place of another of its name. What was approved of that one stays said of it.
func (k *Kept) Put(p Put) *Kept {
	out := *k
	out.Servers = slices.DeleteFunc(slices.Clone(k.Servers), func(old Put) bool { return old.Name == p.Name })
	out.Servers = append(out.Servers, p)
	slices.SortFunc(out.Servers, func(a, b Put) int { return strings.Compare(a.Name, b.Name) })
	return &out
}

// Remove gives k without a server that was put, and without its approval.
func (k *Kept) Remove(name string) *Kept {
	out := k.forget(name, Admin)
	out.Servers = slices.DeleteFunc(slices.Clone(k.Servers), func(old Put) bool { return old.Name == name })
	return out
}

// Has says whether a server of that name was put.
func (k *Kept) Has(name string) bool {
	return slices.ContainsFunc(k.Servers, func(p Put) bool { return p.Name == name })
}

// Approvals are those of a name: of what is found under it now, of what was there before, and from whatever source.
func (k *Kept) Approvals(name string) (all []Approval) {
	for _, a := range k.Approved {
		if a.Name == name {
			all = append(all, a)
		}
	}
	return all
}

// Revoke gives k without any approval of a name.
func (k *Kept) Revoke(name string) *Kept {
	out := *k
	out.Approved = slices.DeleteFunc(slices.Clone(k.Approved), func(a Approval) bool { return a.Name == name })
	return &out
}

func (k *Kept) forget(name string, from Source) *Kept {
	out := *k
	out.Approved = slices.DeleteFunc(slices.Clone(k.Approved), func(a Approval) bool { return a.Name == name && a.Source == from })
	return &out
}

// approval gives the approval of e as it is; nil: there is none.
func (k *Kept) approval(e *Entry) *Approval {
	i := slices.IndexFunc(k.Approved, func(a Approval) bool {
		return a.Name == e.Name && a.Source == e.Source && a.Digest == e.Digest && e.Digest != ""
	})
	if i < 0 {
		return nil
	}
	return &k.Approved[i]
}
