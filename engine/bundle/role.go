package bundle

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/toolset"
)

// role is what a file of a bundle is, by its name.
type role uint8

const (
	nothing role = iota
	policies
	module
	beside
	set
	table
	pins
)

// The directories of what plugins are given.
const (
	setsDir   = "detectors"
	tablesDir = "tables"
)

// roleOf says what a file is, by its name within the bundle.
func roleOf(name string) role {
	ext := strings.ToLower(path.Ext(name))
	switch {
	case name == toolset.FileName: // what servers said of their tools when somebody last agreed to it
		return pins
	case moduleOf(name) != "":
		return beside
	case isModule(name):
		return module
	case path.Dir(name) == setsDir && ext == ".toml":
		return set
	case path.Dir(name) == tablesDir && (ext == ".json" || ext == ".csv" || isPolicyFile(name)):
		return table
	case isPolicyFile(name):
		return policies
	}
	return nothing
}

// isGiven says that a file is given to plugins, by its name within the bundle.
func isGiven(name string) bool {
	r := roleOf(name)
	return r == set || r == table
}

// IsSource says whether a file of a directory is read, by its path. Of what plugins are given it asks only in which directory it is, not where
// that is.
func IsSource(name string) bool {
	dir, base := path.Split(filepath.ToSlash(name))
	return roleOf(base) != nothing || roleOf(path.Join(path.Base(dir), base)) != nothing
}

// IsPolicy says whether the file holds policies, or cases.
func (f File) IsPolicy() bool { return f.role == policies }

// IsTable says whether the file is a table, whatever its name ends in.
func (f File) IsTable() bool { return f.role == table }

// Base is what a set or a table is called: the file's name without its end.
func (f File) Base() string { return strings.TrimSuffix(path.Base(f.Name), path.Ext(f.Name)) }
