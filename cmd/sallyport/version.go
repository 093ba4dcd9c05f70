package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker in a release.
var version = ""

type versionCommand struct{}

func (versionCommand) Run(p *process) error {
	v, commit := buildVersion()
	_, err := fmt.Fprintf(p.stdout, "sallyport %s (%s, %s)\n", v, commit, runtime.Version())
	return err
}

// buildVersion is what the build knows of itself: the module's version and the commit.
func buildVersion() (v, commit string) {
	v, commit = version, "unknown commit"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v, commit
	}
	if v == "" {
		v = info.Main.Version
	}
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			commit = s.Value[:12]
		}
	}
	return v, commit
}
