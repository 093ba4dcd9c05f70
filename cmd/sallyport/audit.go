package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sallyport-dev/sallyport/internal/audit"
)

type auditCommand struct {
	Verify auditVerify `cmd:"" help:"Verify the hash chain of decision records."`
	Key    auditKey    `cmd:"" help:"Make an identity of age, that reads what is sealed in records, and print its recipient."`
}

type auditVerify struct {
	Files []string `arg:"" help:"Record files, oldest first; they are verified as one."`
}

func (c auditVerify) Run(p *process) error {
	files, err := openAll(c.Files)
	if err != nil {
		return err
	}
	defer closeAll(files)
	readers := make([]io.Reader, len(files))
	for i, f := range files {
		readers[i] = f
	}
	r, err := audit.Verify(io.MultiReader(readers...))
	if broken, ok := errors.AsType[*audit.ChainError](err); ok {
		return failf(exitSignature, "%s: the chain is broken at %w", c.Files[0], broken)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "ok: %d records, %d to %d; %d decisions, %d outcomes, %d refusals, %d lifecycle\n",
		r.Lines, r.FirstSeq, r.LastSeq, r.Decisions, r.Outcomes, r.Refusals, r.Lifecycles)
	if r.Open > 0 {
		fmt.Fprintf(p.stdout, "%d decisions have no outcome: calls under way, or cut short; the oldest is %s\n", r.Open, r.FirstOpen)
	}
	if !r.Stopped {
		fmt.Fprintln(p.stdout, "the end is not that of a gateway that stopped: it runs still, was killed, or the file was cut off")
	}
	fmt.Fprintf(p.stdout, "head: %s\n", r.Head)
	return nil
}

func openAll(names []string) ([]*os.File, error) {
	var files []*os.File
	for _, n := range names {
		f, err := os.Open(n)
		if err != nil {
			closeAll(files)
			return nil, failf(exitUsage, "%w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // only read
	}
}
