// Package hostapi is the plugin ABI, as plugins and hosts share it: its names and numbers,
// and the manifest in which a plugin says what it is and asks for. ABI.md is the
// specification; abi.json is where names and numbers are written down, once, and from where
// they get into this package and into the SDKs. There is no host in here.
package hostapi

import "slices"

//go:generate go run ./internal/gen

// ValueType is a type of core Wasm, as its binary format encodes it.
type ValueType byte

// The value types that the ABI uses.
const (
	I32 ValueType = 0x7f
	I64 ValueType = 0x7e
	F64 ValueType = 0x7c
)

// String names a type as the text format does.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F64:
		return "f64"
	}
	return "invalid"
}

// Role is what a parameter means.
type Role uint8

// The roles.
const (
	RoleValue Role = iota // a number
	RoleIn                // where bytes begin that the function reads; the parameter after it is their length
	RoleOut               // where a buffer begins that the function writes; the parameter after it is its size
	RoleLen               // a length or a size in bytes, unsigned
)

// Stage is a part of a plugin's life.
type Stage uint8

// The stages. Those of a host function are when a guest may call it, that of an export is
// when the host does.
const (
	StageBoot Stage = iota // before the first hook
	StageHook              // in any hook
	StageList              // in the list hook
	StageAny               // at any time
)

// Allows reports whether a host function of the stage may be called while a guest is booted
// (hook is false) or in a hook.
func (s Stage) Allows(hook bool, h Hook) bool {
	switch s {
	case StageBoot:
		return !hook
	case StageHook:
		return hook
	case StageList:
		return hook && h == HookList
	case StageAny:
		return true
	}
	return false
}

// Param is a parameter of a function.
type Param struct {
	Name string
	Type ValueType
	Role Role
}

// Function is a host function or an export of a guest.
type Function struct {
	Name    string
	Params  []Param
	Results []ValueType // at most one
	Stage   Stage
	Feature Feature // that a host function belongs to; 0 is none, so that every host has it
	Doc     string
}

// Functions lists the host functions, all of the module Module.
func Functions() []Function { return slices.Clone(functions) }

// Exports lists what a guest may export beside its memory. It must export one hook at least.
func Exports() []Function { return slices.Clone(exports) }

// Hooks lists the hooks.
func Hooks() []Hook { return []Hook{HookRequest, HookResponse, HookList} }

// Export returns the name of the export that a hook calls, empty if there is no such hook.
func (h Hook) Export() string {
	switch h {
	case HookRequest:
		return ExportOnRequest
	case HookResponse:
		return ExportOnResponse
	case HookList:
		return ExportOnList
	}
	return ""
}
