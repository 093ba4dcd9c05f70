package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/bundle"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

type pluginCommand struct {
	New     pluginNew     `cmd:"" help:"Write a plugin to begin with: sources, tests, and the module that they make."`
	Build   pluginBuild   `cmd:"" help:"Build a plugin from its sources, with the compiler of its language."`
	Test    pluginTest    `cmd:"" help:"Run a plugin's cases on the module that was built."`
	Run     pluginRun     `cmd:"" help:"Give a plugin one message, and say what it answers."`
	Bench   pluginBench   `cmd:"" help:"Measure a plugin on the messages of its cases."`
	Inspect pluginInspect `cmd:"" help:"Say what a plugin is and what it asks for, without running it."`
	Dev     pluginDev     `cmd:"" help:"Build and test a plugin whenever a file of it changes, and pass it to a running gateway."`
}

type pluginInspect struct {
	File   string `arg:"" help:"The .wasm file, or the plugin's directory."`
	Output string `short:"o" enum:"text,json" default:"text" help:"How to say it: text or json."`
}

func (c pluginInspect) Run(p *process) error {
	var err error
	if c.File, err = moduleFile(c.File); err != nil {
		return err
	}
	module, err := readModule(c.File)
	if err != nil {
		return err
	}
	info, err := wasm.Inspect(module)
	if err != nil {
		return unfit(c.File, err)
	}
	if c.Output == "json" {
		return pluginJSON(p.stdout, info)
	}
	for _, line := range pluginLines(info) {
		if line[1] != "" {
			fmt.Fprintf(p.stdout, "%-14s %s\n", line[0], line[1])
		}
	}
	return nil
}

// moduleFile is the module of a plugin that is named by its directory.
func moduleFile(name string) (string, error) {
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		return name, nil //nolint:nilerr // reading it will say so
	}
	modules, err := filepath.Glob(filepath.Join(name, "*.wasm"))
	switch {
	case err != nil:
		return "", err
	case len(modules) == 0:
		return "", failf(exitInvalid, "%s has no module yet: sallyport plugin build %s", name, name)
	case len(modules) > 1:
		return "", failf(exitUsage, "%s has several modules: name one of %s", name, strings.Join(modules, ", "))
	}
	return modules[0], nil
}

// readModule reads a module, with the manifest and the data that may lie beside it.
func readModule(name string) ([]byte, error) {
	module, err := bundle.Module(name)
	if err != nil {
		return nil, failf(exitUsage, "%w", err)
	}
	return module, nil
}

// unfit says everything that is wrong with a module.
func unfit(file string, err error) error {
	several, ok := errors.AsType[wasm.LoadErrors](err)
	if !ok {
		return failf(exitInvalid, "%s: %w", file, err)
	}
	var b strings.Builder
	for i, e := range several {
		if i > 0 {
			b.WriteString("\nsallyport: ")
		}
		b.WriteString(file + ": " + e.Error())
	}
	return failf(exitInvalid, "%s", b.String())
}

func pluginLines(info *wasm.Info) [][2]string {
	m := info.Manifest
	lines := [][2]string{
		{"name", m.Name + " " + m.Version},
		{"module", fmt.Sprintf("%s, %d bytes", info.Module, info.ModuleBytes)},
		{"hooks", joined(m.Hooks)},
	}
	for _, part := range []struct {
		name string
		of   map[hostapi.Hook][]hostapi.Path
	}{{"reads", m.Reads}, {"strings", m.Strings}} {
		for _, h := range m.Hooks {
			lines = append(lines, [2]string{part.name, prefixed(h.String()+": ", joined(part.of[h]))})
		}
	}
	for _, h := range m.Hooks {
		if m.Rego != nil {
			lines = append(lines, [2]string{"decides", fmt.Sprintf("%v: %s", h, m.Rego.Entrypoints[h])})
		}
	}
	deterministic := ""
	if m.Deterministic {
		deterministic = "yes"
	}
	return append(lines, [][2]string{
		{"writes", joined(m.Writes)},
		{"verdicts", joined(m.Verdicts)},
		{"capabilities", joined(m.Capabilities)},
		{"settings", string(m.SettingsSchema)},
		{"deterministic", deterministic},
		{"limits", fmt.Sprintf("%d pages of 64 KiB, %d units of fuel and %v for a call", info.Limits.Pages, info.Limits.Fuel, info.Limits.Deadline)},
		{"imports", strings.Join(info.Imports, ", ")},
		{"description", m.Meta["description"]},
	}...)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func joined[T fmt.Stringer](all []T) string {
	out := make([]string, len(all))
	for i, x := range all {
		out[i] = x.String()
	}
	return strings.Join(out, ", ")
}

// pluginJSON writes the manifest as the module has it, beside what was found out about the module.
func pluginJSON(w io.Writer, info *wasm.Info) error {
	manifest, err := info.Manifest.Encode()
	if err != nil {
		return err
	}
	out, err := json.MarshalIndent(struct {
		Module   string          `json:"module"`
		Bytes    int             `json:"bytes"`
		Imports  []string        `json:"imports"`
		Manifest json.RawMessage `json:"manifest"`
	}{info.Module, info.ModuleBytes, slices.Clone(info.Imports), manifest}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}
