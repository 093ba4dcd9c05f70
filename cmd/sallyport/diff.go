package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/internal/replay"
)

type diffCommand struct {
	Old       string    `arg:"" help:"An archive, or a directory of policies."`
	New       string    `arg:"" help:"Another."`
	Traffic   traffic   `embed:""`
	Threshold threshold `embed:""`
	Output    string    `short:"o" enum:"text,json" default:"text" help:"How to say it: text or json."`
}

// differences is what diff says in JSON.
type differences struct {
	Changes []bundle.Change `json:"changes"`
	Cases   *replay.Report  `json:"cases,omitempty"`
	Records *replay.Report  `json:"records,omitempty"`
}

func (c diffCommand) Run(p *process) error {
	if len(c.Traffic.Audit) == 0 && (c.Traffic.Since != "" || c.Traffic.Until != "") {
		return failf(exitUsage, "--since and --until are about records: name them with --audit")
	}
	var sets [2]*bundle.Bundle
	for i, name := range []string{c.Old, c.New} {
		set, err := readBundle(name)
		if err != nil {
			return err
		}
		if set.Diagnostics.HasErrors() {
			return set.Diagnostics
		}
		sets[i] = set
	}
	out := differences{Changes: append([]bundle.Change{}, bundle.Diff(sets[0], sets[1])...)}
	behaves := c.behaviour(p, sets, &out)
	var err error
	if c.Output == "json" {
		err = writeJSON(p.stdout, out)
	} else {
		err = out.write(p.stdout)
	}
	if err != nil || behaves != nil {
		return errors.Join(err, behaves)
	}
	return errors.Join(c.Threshold.check("cases: ", out.Cases), c.Threshold.check("records: ", out.Records))
}

// behaviour finds out what is decided otherwise. Policies that don't compile decide nothing: then only what they are made of is compared.
func (c *diffCommand) behaviour(p *process, sets [2]*bundle.Bundle, out *differences) error {
	var snapshots [2]*engine.Snapshot
	for i, set := range sets {
		s, done, err := compileOnce(p.ctx, set, engine.Options{})
		if done != nil {
			defer done()
		}
		if err != nil {
			return err
		}
		snapshots[i] = s
	}
	var err error
	if out.Cases, err = replay.Boundary(p.ctx, snapshots[0], snapshots[1]); err != nil || len(c.Traffic.Audit) == 0 {
		return err
	}
	out.Records, err = c.Traffic.replay(p, snapshots[1], snapshots[0])
	return err
}

func (d *differences) write(w io.Writer) error {
	var b strings.Builder
	if len(d.Changes) == 0 {
		b.WriteString("no difference in what they are made of\n")
	}
	signs := map[string]string{"added": "+", "removed": "-", "changed": "~"}
	for _, change := range d.Changes {
		fmt.Fprintf(&b, "%s %s %s\n", signs[change.How], change.What, visible(change.Name))
		for _, f := range change.Fields {
			fmt.Fprintf(&b, "    %s: %s\n", visible(f.Name), visible(difference(change.How, f)))
		}
	}
	if r := d.Cases; r != nil {
		more := ""
		if r.Untried {
			more = ", and not all that could be"
		}
		fmt.Fprintf(&b, "\n%d cases made of their conditions%s\n%d flips: %d new allows, %d new denies\n", r.Decisions, more, r.NewAllows+r.NewDenies, r.NewAllows, r.NewDenies)
		writeFlips(&b, r.Flips)
	}
	if _, err := io.WriteString(w, b.String()); err != nil || d.Records == nil {
		return err
	}
	if _, err := io.WriteString(w, "\nrecords\n"); err != nil {
		return err
	}
	return writeReplay(w, d.Records)
}

// difference shows one field, on one line.
func difference(how string, f bundle.Field) string {
	old, now := strings.Join(strings.Fields(f.Old), " "), strings.Join(strings.Fields(f.New), " ")
	switch {
	case how == "added":
		return now
	case how == "removed":
		return old
	case old == "":
		return "(none) -> " + now
	case now == "":
		return old + " -> (none)"
	}
	return old + " -> " + now
}
