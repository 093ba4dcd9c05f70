package main

import (
	"errors"
	"io/fs"
	"regexp"

	"github.com/sallyport-dev/sallyport/engine/enginetest"
)

type testCommand struct {
	Paths []string `arg:"" optional:"" help:"Files of cases, or folders of them."`

	Coverage    bool    `help:"Say which rules, and which outcomes of their conditions, no case has met."`
	MinCoverage float64 `placeholder:"PERCENT" help:"Fail below this share of outcomes."`
	Mutate      bool    `help:"Make mistakes in the policies, one at a time, and fail if there are some that no case finds."`

	Watch bool `help:"Run the cases again whenever they or their policies change."`

	NewFrom  string `placeholder:"ID" help:"Write a case of a recorded decision, and run nothing."`
	Config   string `short:"c" placeholder:"FILE" env:"SALLYPORT_CONFIG" help:"With --new-from: the config file, which names records and policies. Default: ./sallyport.yaml."`
	Audit    string `placeholder:"FILE" help:"With --new-from: the records, in place of the config's."`
	Policies string `placeholder:"PATH" help:"With --new-from: the policies, in place of the config's."`
	Reader   reader `embed:""`

	caseFlags
}

// caseFlags are those of commands that run cases.
type caseFlags struct {
	Only   string `name:"run" placeholder:"REGEXP" help:"Run only the cases whose name matches this."`
	Output string `short:"o" enum:"text,json,junit" default:"text" help:"How to report: text, json or junit."`
}

func (c testCommand) Run(p *process) error {
	if c.NewFrom != "" {
		return newCase(p, c.NewFrom, explainCommand{Config: c.Config, Audit: c.Audit, Policies: c.Policies, Reader: c.Reader})
	}
	if len(c.Paths) == 0 {
		return failf(exitUsage, "name files of cases, or folders of them")
	}
	if c.MinCoverage < 0 || c.MinCoverage > 100 {
		return failf(exitUsage, "--min-coverage %g: a percentage is from 0 to 100", c.MinCoverage)
	}
	if c.Watch {
		return c.watch(p)
	}
	return c.once(p)
}

func (c testCommand) once(p *process) error {
	report, err := c.cases(p, c.Paths, enginetest.Options{Coverage: c.Coverage || c.MinCoverage > 0, Mutate: c.Mutate})
	switch {
	case err != nil:
		return err
	case report.Coverage != nil && report.Coverage.Percent() < c.MinCoverage:
		return failf(exitFailed, "coverage is %.1f %%, and should be %g %%", report.Coverage.Percent(), c.MinCoverage)
	case report.Mutation != nil && len(report.Mutation.Survivors) > 0:
		return &fail{code: exitFailed}
	}
	return nil
}

// cases runs cases and reports what came of them.
func (c caseFlags) cases(p *process, paths []string, o enginetest.Options) (*enginetest.Report, error) {
	if c.Only != "" {
		var err error
		if o.Run, err = regexp.Compile(c.Only); err != nil {
			return nil, failf(exitUsage, "--run: %w", err)
		}
	}
	report, err := enginetest.Run(p.ctx, paths, o)
	if err != nil {
		return nil, casesError(err)
	}
	write := report.WriteText
	switch c.Output {
	case "json":
		write = report.WriteJSON
	case "junit":
		write = report.WriteJUnit
	}
	if err := write(p.stdout); err != nil {
		return nil, err
	}
	if report.Failed > 0 {
		return nil, &fail{code: exitFailed}
	}
	return report, nil
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
