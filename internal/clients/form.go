package clients

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	gotoml "github.com/pelletier/go-toml/v2"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// form is the language of a file.
type form uint8

const (
	json form = iota // with comments and trailing commas
	toml
	yaml
)

// formOf tells the language of a file by its name.
func formOf(name string) form {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".toml":
		return toml
	case ".yaml", ".yml":
		return yaml
	}
	return json
}

// MaxFile bounds the files that are read.
const MaxFile = source.MaxSize

// parse reads a file whose top is an object. Mistakes in it are a source.Diagnostics, where their place is known.
func (f form) parse(name string, data []byte) (map[string]any, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, MaxFile>>20)
	}
	if len(strings.TrimSpace(string(data))) == 0 {
		return map[string]any{}, nil
	}
	if f == toml {
		var top map[string]any
		if err := gotoml.Unmarshal(data, &top); err != nil {
			if at, ok := errors.AsType[*gotoml.DecodeError](err); ok {
				line, _ := at.Position()
				return nil, fmt.Errorf("%s:%d: %w", name, line, err)
			}
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return top, nil
	}
	root, err := f.root(name, data)
	if err != nil {
		return nil, err
	}
	top, ok := root.Any().(map[string]any)
	if !ok && root.Any() != nil {
		return nil, fmt.Errorf("%s holds no object of settings", name)
	}
	return top, nil
}

// root reads JSON or YAML.
func (f form) root(name string, data []byte) (*source.Node, error) {
	if f == json {
		root, ds := source.ParseJSON(name, data)
		return root, ds.Err()
	}
	roots, ds := source.Parse(name, data)
	if ds.HasErrors() {
		return nil, ds
	}
	switch len(roots) {
	case 0:
		return nil, nil //nolint:nilnil // nothing but comments: a nil Node is absent
	case 1:
		return roots[0], nil
	}
	return nil, fmt.Errorf("%s holds several YAML documents", name)
}
