package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/wasm/rego"
)

// What OPA builds has no manifest and no data in it: NAME.manifest.json and NAME.data.json beside
// NAME.wasm are read as if they were.
const (
	manifestSuffix = ".manifest.json"
	dataSuffix     = ".data.json"
)

// moduleOf returns the name of the module that a file belongs to, "" if it is none that does.
func moduleOf(name string) string {
	for _, suffix := range []string{manifestSuffix, dataSuffix} {
		if base, ok := strings.CutSuffix(name, suffix); ok && base != "" && !strings.HasSuffix(base, "/") {
			return base + ".wasm"
		}
	}
	return ""
}

// Module reads the module of a plugin with what lies beside it, as Dir does.
func Module(name string) ([]byte, error) {
	dir, base := filepath.Split(name)
	var out []byte
	_, err := inRoot(cmp.Or(dir, "."), func(fsys fs.FS) (*Bundle, error) {
		c := collector{fsys: fsys, prefix: dir}
		if err := c.fileAndBeside(base); err != nil {
			return nil, err
		}
		b := &Bundle{Files: c.files}
		out = b.attach(c.files[0]).Content
		return b, nil
	})
	return out, err
}

// fileAndBeside reads a file and, if it is a module, what lies beside it.
func (c *collector) fileAndBeside(name string) error {
	if err := c.file(name); err != nil {
		return err
	}
	base, ok := strings.CutSuffix(name, ".wasm")
	for _, suffix := range []string{manifestSuffix, dataSuffix} {
		if _, err := fs.Stat(c.fsys, base+suffix); !ok || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := c.file(base + suffix); err != nil {
			return err
		}
	}
	return nil
}

// given reads what plugins are given of the directories beside files of policies.
func (c *collector) given() error {
	for _, dir := range []string{setsDir, tablesDir} {
		is, err := fs.Stat(c.fsys, dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !is.IsDir() {
			continue
		}
		entries, err := fs.ReadDir(c.fsys, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", c.path(dir), reason(err))
		}
		for _, e := range entries {
			if full := path.Join(dir, e.Name()); !strings.HasPrefix(e.Name(), ".") && !e.IsDir() && isGiven(full) {
				if err := c.file(full); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// attach returns a module with what lies beside it in it. What is no module stays as it is, for
// others to say so.
func (b *Bundle) attach(f File) File {
	base := strings.TrimSuffix(f.Name, ".wasm")
	if module, err := rego.Attach(f.Content, b.file(base+manifestSuffix), b.file(base+dataSuffix)); err == nil {
		f.Content = module
	}
	return f
}

func (b *Bundle) file(name string) []byte {
	i := slices.IndexFunc(b.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return b.Files[i].Content
}

// checkBeside refuses a file that belongs to a module that isn't there.
func (b *Bundle) checkBeside(f File) {
	if of := moduleOf(f.Name); b.file(of) == nil {
		at := source.Pos{File: f.Path, Line: 1, Column: 1, Width: 1}
		b.Diagnostics = append(b.Diagnostics, at.Diagnose("SP4002", fmt.Sprintf("there is no `%s` that this could belong to", of), "put the module beside it, or remove it"))
	}
}
