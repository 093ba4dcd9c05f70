package bundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// about is the form of bundle.yaml, which says what a directory is as a bundle.
type about struct {
	APIVersion string        `yaml:"apiVersion" jsonschema:"required,enum=sallyport/v1"`
	Kind       string        `yaml:"kind" jsonschema:"required,enum=Bundle"`
	Metadata   aboutMetadata `yaml:"metadata" jsonschema:"required"`
	Audience   []string      `yaml:"audience" jsonschema:"minItems=1"`
	Expires    string        `yaml:"expires" jsonschema:"minLength=1"`
	Sallyport  string        `yaml:"sallyport" jsonschema:"minLength=1"`
	Env        string        `yaml:"env" jsonschema:"minLength=1"`
}

type aboutMetadata struct {
	Name    string `yaml:"name" jsonschema:"required,minLength=1"`
	Version int64  `yaml:"version" jsonschema:"required,minimum=1"`
}

// Init writes the bundle.yaml of a directory that has none, and returns its path.
func Init(dir, name string) (string, error) {
	file := filepath.Join(dir, aboutName)
	if !nameForm.MatchString(name) {
		return "", fmt.Errorf("%q is no name for a bundle: use letters, digits, ., _ and -", name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a directory of sources, as its user's others
		return "", err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a source file, as its user's others
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(f, `apiVersion: %s
kind: Bundle
metadata: { name: %s, version: 1 }   # a gateway takes no version lower than the one it had
env: %q
# audience: [production]               # the gateways that it is for; left out, all
# expires: "2027-01-01T00:00:00Z"      # not to be activated after that
# sallyport: 1.2.3                     # the oldest version that can run it
`, apiVersion, name, policy.Envs()[0])
	return file, errors.Join(err, f.Close())
}

// Build makes an archive of a directory that has a bundle.yaml. The same directory makes the same bytes. A version that is not 0 stands in for
// that of bundle.yaml. Its error is a source.Diagnostics for mistakes in bundle.yaml, and in the files.
func Build(dir string, version int64) (*Archive, error) {
	var files []File
	_, err := inRoot(dir, func(fsys fs.FS) (*Bundle, error) {
		c := collector{fsys: fsys, prefix: dir}
		err := c.dir(".", 0)
		files = c.files
		return nil, err
	})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(files, func(f File) bool { return f.Name == aboutName })
	if i < 0 {
		return nil, fmt.Errorf("%s: there is no %s: `sallyport bundle init` writes one", dir, aboutName)
	}
	m, ds := parseAbout(files[i].Path, files[i].Content)
	if ds.HasErrors() {
		return nil, ds
	}
	if version != 0 {
		m.Version = version
	}
	return Make(*m, slices.Delete(files, i, i+1))
}

func parseAbout(file string, data []byte) (*Manifest, source.Diagnostics) {
	roots, ds := source.Parse(file, data)
	if len(roots) != 1 {
		return nil, append(ds, source.Pos{File: file, Line: 1, Column: 1, Width: 1}.Diagnose("SP1010", "this file is one document, which says what the bundle is", "put policies into other files"))
	}
	d := about{Env: policy.Envs()[0]}
	if ds = append(ds, roots[0].Decode(&d)...); ds.HasErrors() {
		return nil, ds.Sort()
	}
	m := &Manifest{
		APIVersion: apiVersion, Kind: "Bundle", Name: d.Metadata.Name, Version: d.Metadata.Version,
		Audience: d.Audience, Expires: d.Expires, Sallyport: d.Sallyport, Environment: d.Env,
	}
	if mistake, ok := m.checkHead(roots[0].Pos()); !ok {
		return nil, source.Diagnostics{mistake}
	}
	return m, nil
}

// Make makes an archive of files, which it lists in the manifest. What couldn't be read again isn't made.
func Make(m Manifest, files []File) (*Archive, error) {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	m.APIVersion, m.Kind, m.Files = apiVersion, "Bundle", nil
	for _, f := range files {
		m.Files = append(m.Files, Entry{Name: f.Name, Size: int64(len(f.Content)), Digest: digestOf(f.Content)})
	}
	if ds := m.check(source.Pos{File: m.Name}); ds.HasErrors() {
		return nil, ds
	}
	if len(files) == 0 {
		return nil, ErrNoPolicy
	}
	manifest, err := canonical(m)
	if err != nil {
		return nil, err
	}
	data, err := pack(manifest, nil, files)
	if err != nil {
		return nil, err
	}
	return ParseArchive(m.Name, data)
}

// pack writes an archive.
func pack(manifest, signatures []byte, files []File) ([]byte, error) {
	members := []File{{Name: manifestName, Content: manifest}}
	if signatures != nil {
		members = append(members, File{Name: signaturesName, Content: signatures})
	}
	return packed(append(members, files...))
}
