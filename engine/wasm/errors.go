package wasm

import (
	"fmt"
	"strings"
)

// LoadCode says what a plugin was refused for. The list is closed.
type LoadCode string

// The codes of load errors.
const (
	LoadModule   LoadCode = "module"   // not a module that this host runs
	LoadImport   LoadCode = "import"   // wants what there is not
	LoadExport   LoadCode = "export"   // lacks an export, or has one of the wrong form
	LoadManifest LoadCode = "manifest" // the manifest is missing or wrong, or not true
	LoadGrant    LoadCode = "grant"    // the operator grants what can't be granted
	LoadSettings LoadCode = "settings" // the settings don't fit
	LoadLimit    LoadCode = "limit"    // needs more than it may have
	LoadCompile  LoadCode = "compile"  // the compiler refuses it
	LoadBoot     LoadCode = "boot"     // failed while it was booted
	LoadSelfTest LoadCode = "selftest" // says itself that it is broken
	LoadHost     LoadCode = "host"     // this machine or process can't
)

// LoadError is one reason why a plugin can't be loaded.
type LoadError struct {
	Code    LoadCode
	Message string
	Help    string // what to do about it; may be empty
	// Pointer is the place in the settings that is wrong, as a JSON Pointer; only of
	// LoadSettings, and empty if it is not known.
	Pointer string
	// Logs are what the guest had logged; only of what happened when it ran.
	Logs []Line
	Err  error // underneath, if any
}

// Error says what is wrong, and what to do about it.
func (e *LoadError) Error() string {
	text := e.Message
	if e.Pointer != "" {
		text = e.Pointer + ": " + text
	}
	if e.Help != "" {
		text += "; " + e.Help
	}
	return text
}

// Unwrap returns the error underneath.
func (e *LoadError) Unwrap() error { return e.Err }

// LoadErrors are all reasons that were found. There is one at least.
type LoadErrors []*LoadError

// Error lists them, one on a line.
func (es LoadErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns them.
func (es LoadErrors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

func (es *LoadErrors) add(code LoadCode, help, format string, args ...any) {
	*es = append(*es, &LoadError{Code: code, Message: fmt.Sprintf(format, args...), Help: help})
}

// err returns the errors, or nil if there are none.
func (es LoadErrors) err() error {
	if len(es) == 0 {
		return nil
	}
	return es
}

// refused is a single reason.
func refused(code LoadCode, help, format string, args ...any) error {
	return LoadErrors{{Code: code, Message: fmt.Sprintf(format, args...), Help: help}}
}
