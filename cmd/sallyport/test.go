package main

import (
	"errors"
	"io/fs"
	"regexp"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
)

type testCommand struct {
	Paths []string `arg:"" help:"Files of cases, or folders of them."`

	caseFlags
}

// caseFlags are those of commands that run cases.
type caseFlags struct {
	Only   string `name:"run" placeholder:"REGEXP" help:"Run only the cases whose name matches this."`
	Output string `short:"o" enum:"text,json,junit" default:"text" help:"How to report: text, json or junit."`
}

func (c testCommand) Run(p *process) error { return c.cases(p, c.Paths) }

// cases runs cases and reports what came of them.
func (c caseFlags) cases(p *process, paths []string) error {
	o := enginetest.Options{}
	if c.Only != "" {
		var err error
		if o.Run, err = regexp.Compile(c.Only); err != nil {
			return failf(exitUsage, "--run: %w", err)
		}
	}
	report, err := enginetest.Run(p.ctx, paths, o)
	if err != nil {
		return casesError(err)
	}
	write := report.WriteText
	switch c.Output {
	case "json":
		write = report.WriteJSON
	case "junit":
		write = report.WriteJUnit
	}
	if err := write(p.stdout); err != nil {
		return err
	}
	if report.Failed > 0 {
		return &fail{code: exitFailed}
	}
	return nil
}

func isPathError(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

// casesError gives the exit code for why cases can't be run.
func casesError(err error) error {
	switch {
	case errors.Is(err, enginetest.ErrNoCases):
		return &fail{code: exitFailed, err: err}
	case isPathError(err):
		return &fail{code: exitUsage, err: err}
	}
	return err
}
