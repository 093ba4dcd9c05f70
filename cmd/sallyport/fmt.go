package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sallyport-dev/sallyport/engine/condition"
	"github.com/sallyport-dev/sallyport/engine/format"
	"github.com/sallyport-dev/sallyport/engine/source"
)

type fmtCommand struct {
	Paths []string `arg:"" help:"Policy files, or folders of policies."`
	Check bool     `help:"Change nothing; list the files that are not formatted, and fail if there are any."`
}

func (c fmtCommand) Run(p *process) error {
	env, err := condition.New(condition.Options{})
	if err != nil {
		return err
	}
	names, err := c.files()
	if err != nil {
		return err
	}
	formatted, err := formatAll(env, names)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(formatted)) {
		if !c.Check {
			if err := replaceFile(name, formatted[name]); err != nil {
				return err
			}
		}
		fmt.Fprintln(p.stdout, name)
	}
	if c.Check && len(formatted) > 0 {
		return &fail{code: exitLint}
	}
	return nil
}

// formatAll formats files, and returns those that change. If one has mistakes, none is.
func formatAll(env *condition.Env, names []string) (map[string][]byte, error) {
	formatted := map[string][]byte{}
	var all source.Diagnostics
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, failf(exitUsage, "%w", err)
		}
		after, err := format.File(env, name, data)
		if ds, ok := errors.AsType[source.Diagnostics](err); ok {
			all = append(all, ds...)
		} else if err != nil {
			return nil, err
		}
		if err == nil && !bytes.Equal(after, data) {
			formatted[name] = after
		}
	}
	return formatted, all.Err()
}

// files are the files below the paths that hold policies or cases.
func (c fmtCommand) files() (names []string, err error) {
	for _, path := range c.Paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, failf(exitUsage, "%w", err)
		}
		if !info.IsDir() {
			if ext := filepath.Ext(path); ext != ".yaml" && ext != ".yml" {
				return nil, failf(exitUsage, "%s: a file to format ends in .yaml or .yml", path)
			}
			names = append(names, path)
			continue
		}
		b, err := readBundle(path)
		if err != nil {
			return nil, err
		}
		if err := b.Diagnostics.Err(); err != nil {
			return nil, err
		}
		for _, f := range b.Files {
			if f.IsPolicy() {
				names = append(names, f.Path)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
