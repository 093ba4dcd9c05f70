package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/engine/source"
)

// MaxArchive bounds an archive as it is stored.
const MaxArchive = 64 << 20

const maxManifest = 2 << 20

// Archive is a bundle in one file. What is in it is exactly what its manifest says; who made it is for Trust to say. It is immutable.
type Archive struct {
	File     string // where it was read from
	Manifest *Manifest
	Revision string // the digest of the manifest

	data       []byte
	manifest   []byte
	signatures []byte // nil: it is not signed
	files      []File
}

// IsArchive says whether a path names an archive, by how it ends.
func IsArchive(name string) bool {
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")
}

// ReadArchive reads an archive from a file. Its error is a source.Diagnostics if the archive is refused.
func ReadArchive(name string) (*Archive, error) {
	data, err := ReadPacked(name)
	if err != nil {
		return nil, err
	}
	return ParseArchive(name, data)
}

// ReadPacked reads the file of an archive, as far as one may be long, and doesn't look into it.
func ReadPacked(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe would wait for its writer
	if err != nil {
		return nil, err
	}
	info, err := f.Stat() // of what was opened: the name may stand for another file by now
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxArchive+1))
	return data, errors.Join(err, f.Close())
}

// ParseArchive reads an archive, whoever made it. It keeps data, which must not change. Its error is a source.Diagnostics.
func ParseArchive(name string, data []byte) (*Archive, error) {
	r := reader{at: source.Pos{File: name}}
	a := r.archive(name, data)
	if len(r.ds) > 0 {
		return nil, r.ds
	}
	return a, nil
}

// ParseArchive reads an archive, and says by whose keys it is signed, if that is enough at this time. Of what isn't, only the signatures and
// the bytes that they sign are unpacked, and nothing of those is parsed. It keeps data, which must not change. Its error is a source.Diagnostics.
func (t *Trust) ParseArchive(name string, data []byte, now time.Time) (a *Archive, by []TrustedKey, err error) {
	r := reader{at: source.Pos{File: name}, trust: t, now: now}
	a = r.archive(name, data)
	if len(r.ds) > 0 {
		return nil, nil, r.ds
	}
	return a, r.by, nil
}

// Bundle parses what the archive holds.
func (a *Archive) Bundle() (*Bundle, error) { return a.BundlePaced(nil) }

// BundlePaced is Bundle, which calls pause between two pieces of the work, unless it is nil.
func (a *Archive) BundlePaced(pause func()) (*Bundle, error) {
	b, err := (&collector{prefix: a.File, files: slices.Clone(a.files), pause: pause}).bundle()
	if err != nil {
		return nil, err
	}
	b.Revision = a.Revision
	return b, nil
}

// Data is the archive as it was read.
func (a *Archive) Data() []byte { return a.data }

// Content is what a file of the archive holds; nil if there is none of that name.
func (a *Archive) Content(name string) []byte {
	i, ok := slices.BinarySearchFunc(a.files, name, func(f File, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil
	}
	return a.files[i].Content
}

// Select is the bundle of those files that paths within b name: files, or directories, "." for all of them.
func (b *Bundle) Select(paths ...string) (*Bundle, error) {
	c := collector{prefix: strings.Join(paths, ", ")}
	for _, f := range b.Files {
		for _, p := range paths {
			if rel, ok := below(f.Name, p); ok {
				f.role = roleOf(rel)
				c.files = append(c.files, f)
				break
			}
		}
	}
	c.files = slices.DeleteFunc(c.files, func(f File) bool { return f.role == nothing })
	return c.bundle()
}

// Has says whether Select takes anything that p names, be it policies or modules; what comes with a file of policies is none of it.
func (b *Bundle) Has(p string) bool {
	return slices.ContainsFunc(b.Files, func(f File) bool {
		rel, ok := below(f.Name, p)
		return ok && roleOf(rel) != nothing && (!isPolicyFile(p) || !isGiven(rel))
	})
}

// below says what a file is called within the directory that p names, or beside the file that it names: as Of takes it.
func below(name, p string) (rel string, ok bool) {
	if p == "." {
		return name, true
	}
	if rel, ok = strings.CutPrefix(name, p+"/"); ok {
		return rel, true
	}
	if name == p || strings.HasSuffix(p, ".wasm") && moduleOf(name) == p {
		return name[strings.LastIndex(name, "/")+1:], true
	}
	if rel, ok = strings.CutPrefix(name, p[:strings.LastIndex(p, "/")+1]); ok && isPolicyFile(p) && isGiven(rel) {
		return rel, true
	}
	return "", false
}

// reader takes an archive apart. Its first mistake ends it.
type reader struct {
	at source.Pos
	ds source.Diagnostics

	trust *Trust // nil: anybody may have made it
	now   time.Time
	by    []TrustedKey // who have signed it

	archived *Archive
	listed   map[string]Entry
	folded   map[string]string
	last     string
}

// refuse notes why an archive is refused.
func (r *reader) refuse(code, message, help string) bool {
	r.ds = append(r.ds, r.at.Diagnose(code, message, help))
	return false
}

func (r *reader) archive(name string, data []byte) *Archive {
	if len(data) > MaxArchive {
		r.refuse("SP8006", fmt.Sprintf("the archive is larger than %d MiB", MaxArchive>>20), "split the bundle")
		return nil
	}
	r.archived = &Archive{File: name, data: data}
	t := tarball{reader: r, in: bytes.NewReader(data)}
	if !t.open() {
		return nil
	}
	for {
		member, more := t.next()
		if len(r.ds) > 0 || !more {
			break
		}
		if !r.take(member, &t) {
			return nil
		}
	}
	if len(r.ds) > 0 || !t.close() || !r.complete() {
		return nil
	}
	return r.archived
}

// take takes one member of the archive.
func (r *reader) take(m member, t *tarball) bool {
	a := r.archived
	switch {
	case a.manifest == nil && m.name != manifestName:
		return r.refuse("SP8001", "the archive doesn't begin with a "+manifestName, "build the bundle with `sallyport bundle build`")
	case a.manifest == nil:
		return r.takeManifest(m, t)
	case m.name == signaturesName && a.signatures == nil && len(a.files) == 0:
		return r.takeSignatures(m, t)
	case a.Manifest == nil:
		return r.unsigned()
	}
	if d, ok := checkName(r.at, m.name); !ok {
		r.ds = append(r.ds, d)
		return false
	}
	if twin, twice := r.folded[strings.ToLower(m.name)]; twice {
		r.ds = append(r.ds, twins(r.at, m.name, twin))
		return false
	}
	entry, ok := r.listed[m.name]
	switch {
	case !ok:
		return r.refuse("SP8013", fmt.Sprintf("`%s` is not in the manifest", m.name), "somebody has put it there; build the bundle anew")
	case m.size != entry.Size:
		return r.refuse("SP8015", fmt.Sprintf("`%s` has %d bytes; the manifest says %d", m.name, m.size, entry.Size), "somebody has changed it; build the bundle anew")
	case m.name < r.last:
		return r.refuse("SP8016", fmt.Sprintf("`%s` stands before `%s`", r.last, m.name), "files stand in the order of their names; build the bundle with `sallyport bundle build`")
	}
	content, ok := t.content(m)
	if !ok {
		return false
	}
	if digestOf(content) != entry.Digest {
		return r.refuse("SP8015", fmt.Sprintf("`%s` is not what the manifest says it is: its digest is another", m.name), "somebody has changed it; build the bundle anew")
	}
	r.folded[strings.ToLower(m.name)], r.last = m.name, m.name
	a.files = append(a.files, File{Name: m.name, Path: a.File + "/" + m.name, Content: content, role: roleOf(m.name)})
	return true
}

func (r *reader) takeManifest(m member, t *tarball) bool {
	if m.size > maxManifest {
		return r.refuse("SP8006", fmt.Sprintf("the manifest is larger than %d MiB", maxManifest>>20), "split the bundle")
	}
	content, ok := t.content(m)
	if !ok {
		return false
	}
	r.archived.manifest, r.archived.Revision = content, digestOf(content)
	return r.trust != nil || r.list()
}

// list parses the manifest.
func (r *reader) list() bool {
	manifest, ds := parseManifest(r.at.File+"/"+manifestName, r.archived.manifest)
	if r.ds = ds; ds.HasErrors() {
		return false
	}
	r.archived.Manifest = manifest
	r.listed, r.folded = make(map[string]Entry, len(manifest.Files)), make(map[string]string, len(manifest.Files))
	for _, f := range manifest.Files {
		r.listed[f.Name] = f
	}
	return true
}

func (r *reader) takeSignatures(m member, t *tarball) bool {
	if m.size > 2*maxManifest {
		return r.refuse("SP8006", fmt.Sprintf("the signatures are larger than %d MiB", 2*maxManifest>>20), "sign the bundle anew")
	}
	content, ok := t.content(m)
	if !ok {
		return false
	}
	if r.ds = checkEnvelope(r.at.File+"/"+signaturesName, content, r.archived.manifest); r.ds.HasErrors() {
		return false
	}
	r.archived.signatures = content
	if r.trust == nil {
		return true
	}
	r.by, r.ds = r.trust.verify(r.archived, r.now)
	return len(r.ds) == 0 && r.list()
}

func (r *reader) unsigned() bool {
	return r.refuse("SP8101", "the bundle is not signed", "sign it with `sallyport bundle sign`")
}

// complete says whether all that the manifest lists was there.
func (r *reader) complete() bool {
	if r.archived.manifest == nil {
		return r.refuse("SP8001", "the archive is empty", "build the bundle with `sallyport bundle build`")
	}
	if r.archived.Manifest == nil {
		return r.unsigned()
	}
	for i, f := range r.archived.Manifest.Files {
		if i >= len(r.archived.files) || r.archived.files[i].Name != f.Name {
			return r.refuse("SP8018", fmt.Sprintf("`%s` is in the manifest, and not in the archive", f.Name), "somebody has taken it out; build the bundle anew")
		}
	}
	return true
}
