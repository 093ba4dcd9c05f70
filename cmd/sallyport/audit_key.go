package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sallyport-dev/sallyport/internal/audit"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/seal"
)

type auditKey struct {
	File string `arg:"" help:"Where the identity goes. Nothing is overwritten."`
}

func (c auditKey) Run(p *process) error {
	text, recipient, err := seal.NewIdentity()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return failf(exitUsage, "%w", err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, recipient)
	return err
}

// sealingKey makes the key that records are sealed with; nil if they are not.
func sealingKey(c *config.Encrypt) (*seal.Key, error) {
	if c == nil {
		return nil, nil
	}
	var to seal.Recipients
	for _, text := range c.Recipients {
		if err := to.Add(text); err != nil {
			return nil, err
		}
	}
	if c.File != "" {
		text, err := os.ReadFile(c.File)
		if err != nil {
			return nil, err
		}
		if err := to.AddFile(text); err != nil {
			return nil, fmt.Errorf("%s: %w", c.File, err)
		}
	}
	return seal.NewKey(&to)
}

// reader is who reads records.
type reader struct {
	Identity string `placeholder:"FILE" env:"SALLYPORT_IDENTITY" help:"A file of identities of age, which opens what is sealed in the records."`
}

// open finds the keys in files, and goes back to their beginnings. It gives nil for somebody who has no identity.
func (r reader) open(files []*os.File) (*seal.Opener, error) {
	if r.Identity == "" {
		return nil, nil
	}
	text, err := os.ReadFile(r.Identity)
	if err != nil {
		return nil, failf(exitUsage, "--identity: %w", err)
	}
	o, err := seal.NewOpener(bytes.TrimSpace(text))
	if err != nil {
		return nil, failf(exitUsage, "--identity: %s: %w", r.Identity, err)
	}
	found, opened := 0, 0
	for _, f := range files {
		n, open, err := audit.Learn(o, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, failf(exitUsage, "%s: keys are looked for before records are opened, and it can be read only once: name a file", f.Name())
		}
		found, opened = found+n, opened+open
	}
	if found > 0 && opened == 0 {
		return nil, failf(exitUsage, "--identity: %s opens none of the %d keys in the records: they were sealed for others", r.Identity, found)
	}
	return o, nil
}
