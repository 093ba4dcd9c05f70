// Package bundle is a set of policies and plugins, with what those are given and a revision: what one snapshot is compiled from.
package bundle

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/engine/toolset"
)

// Bounds on what is read.
const (
	MaxFiles      = 4096
	MaxFileSize   = 1 << 20
	MaxModuleSize = 8 << 20
	MaxTableSize  = 4 << 20
	MaxSize       = 128 << 20 // of all files together
	maxDepth      = 16        // of directories
)

// ErrNoPolicy says that there is nothing to decide by. A gateway must not take a mistyped path
// for a set of policies that denies everything.
var ErrNoPolicy = errors.New("no policy found")

// Bundle is a set of policies. It is immutable.
type Bundle struct {
	Policies []*policy.Policy
	Modules  []File // those of Files that are modules of plugins, with what lies beside them in them
	Sets     []File // those that are sets of detectors, detectors/NAME.toml
	Tables   []File // those that are tables, tables/NAME.json and so on
	Files    []File // in the order of their names
	// Lock is what tools.lock.json in the directory says of tools; nil if there is none.
	Lock     *toolset.Lock
	Revision string // "sha256:<hex>" over the names and contents of Files
	// Diagnostics are the mistakes and warnings found in reading the files. A bundle with
	// errors is of use only to find more of them: engine.Compile refuses it.
	Diagnostics source.Diagnostics
}

// File is one file of a bundle: a policy, the module of a plugin or what lies beside one, a set of detectors, a table.
type File struct {
	Name    string // within the bundle, with forward slashes
	Path    string // as diagnostics name it: openable from where the bundle was read
	Content []byte
	role    role
}

// Open reads a directory of policies, a file of them, or an archive. Of an archive it says nothing about who made it: see Trust.
func Open(name string) (*Bundle, error) { return OpenPaced(name, nil) }

// OpenPaced is Open, which calls pause between two pieces of the work, unless it is nil.
func OpenPaced(name string, pause func()) (*Bundle, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return inRoot(name, func(fsys fs.FS) (*Bundle, error) { return read(fsys, name, pause) })
	}
	if IsArchive(name) {
		a, err := ReadArchive(name)
		if err != nil {
			return nil, err
		}
		return a.BundlePaced(pause)
	}
	dir, base := filepath.Split(name)
	if !isPolicyFile(base) {
		return nil, fmt.Errorf("%s: a policy file ends in .yaml or .yml", name)
	}
	return inRoot(cmp.Or(dir, "."), func(fsys fs.FS) (*Bundle, error) {
		c := collector{fsys: fsys, prefix: dir, pause: pause}
		if err := c.file(base); err != nil {
			return nil, err
		}
		return c.bundle()
	})
}

// Of reads files and directories into one bundle. Unlike Open it takes modules of plugins by name, too, and with a file of policies what
// lies in the directories detectors and tables beside it.
func Of(paths ...string) (*Bundle, error) {
	var all collector
	given := map[string]bool{}
	for _, name := range paths {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		root, base := name, "."
		if !info.IsDir() {
			root, base = filepath.Split(name)
			if !IsSource(base) {
				return nil, fmt.Errorf("%s: a policy file ends in .yaml or .yml, a module in .wasm", name)
			}
		}
		_, err = inRoot(cmp.Or(root, "."), func(fsys fs.FS) (*Bundle, error) {
			all.fsys, all.prefix = fsys, root
			if info.IsDir() {
				return nil, all.dir(base, 0)
			}
			if isPolicyFile(base) && !given[root] {
				given[root] = true
				if err := all.given(); err != nil {
					return nil, err
				}
			}
			return nil, all.fileAndBeside(base)
		})
		if err != nil {
			return nil, err
		}
	}
	all.prefix = strings.Join(paths, ", ")
	for i := range all.files { // whatever directories they are of
		all.files[i].Name = filepath.ToSlash(filepath.Clean(all.files[i].Path))
	}
	slices.SortStableFunc(all.files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	all.files = slices.CompactFunc(all.files, func(a, b File) bool { return a.Name == b.Name })
	return all.bundle()
}

// Dir reads every .yaml, .yml and .wasm file below a directory, what lies beside the last, the .toml files in its directory detectors, and
// the .json and .csv files in its directory tables, where .yaml and .yml files are tables too, and its tools.lock.json. What begins with a dot is left out.
// Symbolic links to files and directories are followed while they stay inside (a Kubernetes
// ConfigMap is made of them); one that leads out or nowhere or to a directory that is read
// anyway, or a file that cannot be read, is an error, because a policy left out could be the one that denies.
func Dir(name string) (*Bundle, error) {
	return inRoot(name, func(fsys fs.FS) (*Bundle, error) {
		return read(fsys, name, nil)
	})
}

// Digest digests what Open would read of a directory or a file, without parsing it. It needs no policy to be there, and takes any regular file.
func Digest(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	root, base := name, "."
	if !info.IsDir() {
		root, base = filepath.Split(name)
	}
	c := collector{prefix: root}
	_, err = inRoot(cmp.Or(root, "."), func(fsys fs.FS) (*Bundle, error) {
		c.fsys = fsys
		if info.IsDir() {
			return nil, c.dir(base, 0)
		}
		return nil, c.file(base)
	})
	slices.SortFunc(c.files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return revision(c.files), err
}

// FS reads a file system as Dir reads a directory.
func FS(fsys fs.FS) (*Bundle, error) { return read(fsys, "", nil) }

func inRoot(dir string, use func(fs.FS) (*Bundle, error)) (*Bundle, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	b, err := use(root.FS())
	return b, errors.Join(err, root.Close())
}

func read(fsys fs.FS, prefix string, pause func()) (*Bundle, error) {
	c := collector{fsys: fsys, prefix: prefix, pause: pause}
	if err := c.dir(".", 0); err != nil {
		return nil, err
	}
	return c.bundle()
}

// collector gathers files.
type collector struct {
	fsys   fs.FS
	prefix string
	files  []File
	size   int
	pause  func() // nil: there is no need to
	// The directories that were read, and those of them that links lead to.
	dirs, linked []found
}

// found is a directory, and where it was found.
type found struct {
	is   fs.FileInfo
	name string
}

// once notes a directory. One that a link leads to is read once, so that nothing is there twice and links make no circles.
func (c *collector) once(name string, is fs.FileInfo, link bool) error {
	among := c.linked
	if link {
		among = c.dirs
	}
	for _, d := range among {
		if os.SameFile(d.is, is) {
			return fmt.Errorf("%s: the same directory as %s", c.path(name), c.path(d.name))
		}
	}
	c.dirs = append(c.dirs, found{is, name})
	if link {
		c.linked = append(c.linked, found{is, name})
	}
	return nil
}

// isDir says whether an entry is a directory, or a link to one that is to be read.
func (c *collector) isDir(name string, e fs.DirEntry) (bool, error) {
	link := e.Type()&fs.ModeSymlink != 0
	if !link && !e.IsDir() {
		return false, nil
	}
	is, err := fs.Stat(c.fsys, name)
	if err != nil {
		return false, fmt.Errorf("%s: %w", c.path(name), reason(err))
	}
	if !is.IsDir() {
		return false, nil
	}
	return true, c.once(name, is, link)
}

func (c *collector) dir(name string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: directories stand too deep inside one another", c.path(name))
	}
	if depth == 0 {
		is, err := fs.Stat(c.fsys, name)
		if err != nil {
			return err
		}
		c.dirs, c.linked = []found{{is, name}}, nil
	}
	entries, err := fs.ReadDir(c.fsys, name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		full := path.Join(name, e.Name())
		isDir, err := c.isDir(full, e)
		switch {
		case err != nil:
		case isDir:
			err = c.dir(full, depth+1)
		case roleOf(full) != nothing:
			err = c.file(full)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isPolicyFile(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

func isModule(name string) bool { return strings.ToLower(path.Ext(name)) == ".wasm" }

func (c *collector) path(name string) string {
	return filepath.Join(c.prefix, filepath.FromSlash(name))
}

func (c *collector) file(name string) error {
	if len(c.files) == MaxFiles {
		return fmt.Errorf("more than %d policy files", MaxFiles)
	}
	// Before opening: opening a pipe would wait for its writer.
	info, err := fs.Stat(c.fsys, name)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path(name), reason(err))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", c.path(name))
	}
	content, err := c.content(name)
	if err != nil {
		return fmt.Errorf("%s: %w", c.path(name), reason(err))
	}
	c.size += len(content)
	if c.size > MaxSize {
		return fmt.Errorf("the files are larger than %d MiB together", MaxSize>>20)
	}
	c.files = append(c.files, File{Name: name, Path: c.path(name), Content: content, role: roleOf(name)})
	return nil
}

// content reads a file. It may have changed since it was looked at, so the bound holds here.
func (c *collector) content(name string) ([]byte, error) {
	f, err := c.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	limit, _ := limitOf(name)
	switch {
	case IsArchive(name):
		limit = MaxArchive
	case limit == 0:
		limit = MaxFileSize
	}
	content, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	err = errors.Join(err, f.Close())
	if err == nil && len(content) > limit {
		return nil, fmt.Errorf("larger than %d MiB", limit>>20)
	}
	return content, err
}

// reason leaves out of an error the path that the message begins with.
func reason(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

func (c *collector) bundle() (*Bundle, error) {
	if len(c.files) == 0 {
		return nil, fmt.Errorf("%s: %w", cmp.Or(c.prefix, "."), ErrNoPolicy)
	}
	slices.SortFunc(c.files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	b := &Bundle{Files: c.files, Revision: revision(c.files)}
	pause := c.pause
	if pause == nil {
		pause = func() {}
	}
	for _, f := range c.files {
		switch f.role {
		case beside:
			b.checkBeside(f)
		case module:
			b.Modules = append(b.Modules, b.attach(f))
		case set:
			b.Sets = append(b.Sets, f)
		case table:
			b.Tables = append(b.Tables, f)
		case pins:
			b.takeLock(f)
		default:
			policies, found := policy.ParsePaced(f.Path, f.Content, pause)
			b.Policies = append(b.Policies, policies...)
			b.Diagnostics = append(b.Diagnostics, found...)
		}
	}
	if len(b.Policies) == 0 && len(b.Diagnostics) == 0 {
		return nil, fmt.Errorf("%s: %w", cmp.Or(c.prefix, "."), ErrNoPolicy)
	}
	return b, nil
}

// takeLock reads a lock. Of bundles that are made of several directories one may have it.
func (b *Bundle) takeLock(f File) {
	l, found := toolset.Parse(f.Path, f.Content)
	if b.Lock != nil && l != nil {
		found = append(found, l.Pos().Diagnose("SP7001", "there is another lock: "+b.Lock.File, "keep one"))
	}
	b.Lock = cmp.Or(b.Lock, l)
	b.Diagnostics = append(b.Diagnostics, found...)
}

// Source returns the content of a file by the path that diagnostics name it by, nil if the
// bundle doesn't have it.
func (b *Bundle) Source(name string) []byte {
	for _, f := range b.Files {
		if f.Path == name {
			return f.Content
		}
	}
	return nil
}

// revision digests names and contents, each after its length, so that no two sets of files
// digest alike by where one ends and the next begins.
func revision(files []File) string {
	h := sha256.New()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, f := range files {
		part([]byte(f.Name))
		part(f.Content)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
