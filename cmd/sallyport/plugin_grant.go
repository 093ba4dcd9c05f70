package main

import (
	"os"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/detect"
	tables "github.com/sallyport-dev/sallyport/engine/table"
	"github.com/sallyport-dev/sallyport/engine/wasm"
	"github.com/sallyport-dev/sallyport/hostapi"
)

// grants are the capabilities that a command line grants: each KIND:NAME=FILE, or match:secrets for the set that comes with the gateway.
type grants []string

// give puts what is granted into a plugin's config.
func (g grants) give(c *wasm.Config) error {
	c.Matchers = map[string]wasm.Matcher{}
	rows := wasm.Tables{}
	for _, text := range g {
		name, file, named := strings.Cut(text, "=")
		is, err := hostapi.ParseCapability(name)
		if err != nil {
			return failf(exitUsage, "--grant %s: %w", text, err)
		}
		if is.Kind == hostapi.CapabilityKindMatch {
			c.Matchers[is.Name], err = matcherOf(is.Name, file, named)
		} else {
			rows[is.Name], err = tableOf(text, file)
		}
		if err != nil {
			return err
		}
		c.Grant.Capabilities = append(c.Grant.Capabilities, is)
	}
	c.Tables = func() wasm.Tables { return rows }
	return nil
}

func matcherOf(name, file string, named bool) (m wasm.Matcher, err error) {
	var data []byte
	switch {
	case named:
		if data, err = os.ReadFile(file); err != nil {
			return m, failf(exitUsage, "%w", err)
		}
	case name == detect.BuiltinName:
		file, data = detect.Builtin()
	default:
		return m, failf(exitUsage, "--grant match:%s: say in which file: match:%s=FILE", name, name)
	}
	set, ds := detect.Parse(file, data)
	if ds.HasErrors() {
		return m, ds
	}
	return wasm.Matcher{Rules: set.Rules(), Find: func(dst []wasm.Match, text []byte, stop func() bool) ([]wasm.Match, bool) {
		return detect.FindUntil(set, dst, text, stop)
	}}, nil
}

func tableOf(text, file string) (wasm.Table, error) {
	if file == "" {
		return nil, failf(exitUsage, "--grant %s: say in which file: %s=FILE", text, strings.TrimSuffix(text, "="))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, failf(exitUsage, "%w", err)
	}
	t, ds := tables.Parse(file, data)
	if ds.HasErrors() {
		return nil, ds
	}
	return t.Lookup, nil
}
