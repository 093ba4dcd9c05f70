package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/engine/source"
)

const emptyLock = `{"version": 1, "servers": {}}`

var contents = map[string]string{
	"fs.yaml": named("fs"), "sub/net.yml": named("net"), "detectors/pii.toml": "x = 1\n", "tables/t.json": "{}", "tools.lock.json": emptyLock, "p.wasm": "\x00asm",
}

func filesOf(contents map[string]string) (files []File) {
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		files = append(files, File{Name: name, Content: []byte(contents[name])})
	}
	return files
}

// made is the archive of contents, after edit has changed the manifest.
func made(t testing.TB, edit func(*Manifest)) *Archive {
	t.Helper()
	m := Manifest{Name: "acme", Version: 3, Environment: "2026-11"}
	if edit != nil {
		edit(&m)
	}
	a, err := Make(m, filesOf(contents))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// codeOf is the code of the one mistake that an error is.
func codeOf(err error) string {
	ds, ok := errors.AsType[source.Diagnostics](err)
	switch {
	case err == nil:
		return ""
	case !ok || len(ds) != 1:
		return err.Error()
	}
	return ds[0].Code
}

func TestArchiveIsWhatWasPutIn(t *testing.T) {
	a := made(t, nil)
	b, err := a.Bundle()
	if err != nil || b.Diagnostics.HasErrors() {
		t.Fatal(err, b)
	}
	if got, want := names(b), "fs net detectors/pii.toml fs.yaml p.wasm sub/net.yml tables/t.json tools.lock.json"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if b.Revision != digestOf(a.manifest) || b.Files[1].Path != "acme/fs.yaml" || len(b.Modules) != 1 || len(b.Sets) != 1 || len(b.Tables) != 1 {
		t.Errorf("%+v", b)
	}
	if string(a.Content("fs.yaml")) != contents["fs.yaml"] || a.Content("no.yaml") != nil {
		t.Error("contents by name")
	}
}

// The bytes stand here so that a change of them, which would be one of every archive, is seen.
func TestArchiveHasOneForm(t *testing.T) {
	a, err := Make(Manifest{Name: "acme", Version: 3, Audience: []string{"prod"}, Expires: "2027-01-01T00:00:00Z", Sallyport: "1.2.3", Environment: "2026-11"}, []File{{Name: "b.yaml", Content: []byte(named("b"))}, {Name: "a.yaml", Content: []byte(named("a"))}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "apiVersion": "sallyport/v1",
  "kind": "Bundle",
  "name": "acme",
  "version": 3,
  "audience": [
    "prod"
  ],
  "expires": "2027-01-01T00:00:00Z",
  "sallyport": "1.2.3",
  "environment": "2026-11",
  "files": [
    {
      "name": "a.yaml",
      "size": 98,
      "digest": "sha256:f1c80313c9c2d83eec76b7cc03144e6ccf5be673144d736a6cdbcfb897bbc256"
    },
    {
      "name": "b.yaml",
      "size": 98,
      "digest": "sha256:0e3a5f37164a0e615dd78e99b9150c52dcf34d942c015c8d2a5fc84c17257fcb"
    }
  ]
}
`
	if got := string(a.manifest); got != want {
		t.Errorf("manifest = %s", got)
	}
	if got := digestOf(unpacked(t, a.Data())); got != "sha256:8a47fc72416b297bcf1396b838feb231e2cd7830e6bee9015425206a24b2ea0c" {
		t.Errorf("tar = %s", got)
	}
}

func unpacked(t testing.TB, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func compressed(t testing.TB, data []byte, level int, edit func(*gzip.Header)) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(&z.Header)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// hostile is an archive made by somebody else: a manifest, then what members writes.
type hostile struct {
	manifest func(*Manifest)
	files    map[string]string         // that the manifest lists; nil: contents
	text     func(string) string       // changes the text of the manifest
	members  func([]File) []File       // changes what is packed
	headers  func(*tar.Header)         // changes each header
	tar      func([]byte) []byte       // changes what is compressed
	zip      func(*gzip.Header)        // changes the head of what is compressed
	archive  func([]byte) []byte       // changes the archive
	write    func(*tar.Writer) error   // writes more members
	raw      func(t testing.TB) []byte // is the archive
}

func (h hostile) data(t testing.TB) []byte {
	t.Helper()
	if h.raw != nil {
		return h.raw(t)
	}
	if h.files == nil {
		h.files = contents
	}
	files := filesOf(h.files)
	m := Manifest{APIVersion: apiVersion, Kind: "Bundle", Name: "acme", Version: 3, Environment: "2026-11"}
	for _, f := range files {
		m.Files = append(m.Files, Entry{Name: f.Name, Size: int64(len(f.Content)), Digest: digestOf(f.Content)})
	}
	if h.manifest != nil {
		h.manifest(&m)
	}
	manifest, err := canonical(m)
	if err != nil {
		t.Fatal(err)
	}
	if h.text != nil {
		manifest = []byte(h.text(string(manifest)))
	}
	members := append([]File{{Name: manifestName, Content: manifest}}, files...)
	if h.members != nil {
		members = h.members(members)
	}
	return h.pack(t, members)
}

func (h hostile) pack(t testing.TB, members []File) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range members {
		head := header(m.Name, int64(len(m.Content)))
		if h.headers != nil {
			h.headers(head)
		}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.Content); err != nil {
			t.Fatal(err)
		}
	}
	if h.write != nil {
		if err := h.write(w); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	packed := out.Bytes()
	if h.tar != nil {
		packed = h.tar(packed)
	}
	data := compressed(t, packed, gzip.BestCompression, h.zip)
	if h.archive != nil {
		data = h.archive(data)
	}
	return data
}

func special(kind byte) func(*tar.Writer) error {
	return func(w *tar.Writer) error {
		h := header("x.yaml", 0)
		h.Typeflag, h.Linkname = kind, "fs.yaml"
		return w.WriteHeader(h)
	}
}

func appended(f File) func([]File) []File {
	return func(all []File) []File { return append(all, f) }
}

func replacedBy(old, by string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, by, 1) }
}

func contentsAnd(name, content string) map[string]string {
	all := maps.Clone(contents)
	all[name] = content
	return all
}

// hostiles are archives that must not be taken, each with the diagnostic that says so.
var hostiles = map[string]struct {
	hostile
	code, message string
}{
	"no archive":               {hostile{raw: func(testing.TB) []byte { return []byte("apiVersion: sallyport/v1") }}, "SP8001", "no gzip archive"},
	"a tar that isn't packed":  {hostile{raw: func(t testing.TB) []byte { t.Helper(); return unpacked(t, made(t, nil).Data()) }}, "SP8001", "no gzip archive"},
	"nothing":                  {hostile{raw: func(testing.TB) []byte { return nil }}, "SP8002", "0 bytes"},
	"no members":               {hostile{members: func([]File) []File { return nil }}, "SP8001", "the archive is empty"},
	"no manifest":              {hostile{members: func(all []File) []File { return all[1:] }}, "SP8001", "doesn't begin with a manifest.json"},
	"a manifest that is last":  {hostile{members: func(all []File) []File { return append(slices.Clone(all[1:]), all[0]) }}, "SP8001", "doesn't begin with"},
	"half an archive":          {hostile{archive: func(d []byte) []byte { return d[:len(d)/2] }}, "SP8002", "ends too early"},
	"a tar cut off":            {hostile{tar: func(d []byte) []byte { return d[:len(d)-600] }}, "SP8002", "ends too early"},
	"a flipped bit":            {hostile{archive: func(d []byte) []byte { d = slices.Clone(d); d[len(d)-6] ^= 1; return d }}, "SP8003", "damaged"},
	"a broken tar header":      {hostile{tar: func(d []byte) []byte { d[1] ^= 1; return d }}, "SP8003", "no tar header"},
	"data behind the tar":      {hostile{tar: func(d []byte) []byte { return append(d, make([]byte, 512)...) }}, "SP8004", "behind the end of the archive"},
	"data behind the gzip":     {hostile{archive: func(d []byte) []byte { return append(d, 0) }}, "SP8004", "behind the end of the archive"},
	"data behind a file":       {hostile{tar: func(d []byte) []byte { d[bytes.LastIndex(d, []byte(emptyLock))+len(emptyLock)] = 'x'; return d }}, "SP8004", "behind the end of `tools.lock.json`"},
	"two gzip members":         {hostile{archive: func(d []byte) []byte { return append(slices.Clone(d), d...) }}, "SP8005", "second gzip member"},
	"a manifest too large":     {hostile{text: func(s string) string { return s + strings.Repeat("\n", maxManifest) }}, "SP8006", "manifest is larger"},
	"too many files":           {hostile{manifest: func(m *Manifest) { m.Files = slices.Repeat(m.Files[:1], MaxFiles+1) }}, "SP8006", "more than 4096 files"},
	"a policy too large":       {hostile{files: contentsAnd("big.yaml", string(incompressible(MaxFileSize+1)))}, "SP8006", "`big.yaml` is larger than 1 MiB"},
	"too much together":        {hostile{manifest: func(m *Manifest) { m.Files = many(17) }}, "SP8006", "larger than 128 MiB together"},
	"a path that climbs":       {hostile{files: contentsAnd("a/../../x.yaml", "x")}, "SP8007", `"a/../../x.yaml" leads out`},
	"an absolute path":         {hostile{files: contentsAnd("/etc/x.yaml", "x")}, "SP8007", `"/etc/x.yaml" leads out`},
	"a path of Windows":        {hostile{files: contentsAnd(`..\x.yaml`, "x")}, "SP8007", "leads out"},
	"a drive":                  {hostile{files: contentsAnd("C:x.yaml", "x")}, "SP8007", `"C:x.yaml" leads out`},
	"a path outside, unlisted": {hostile{members: appended(File{Name: "../x.yaml"})}, "SP8007", `"../x.yaml" leads out`},
	"a long name":              {hostile{manifest: func(m *Manifest) { m.Files[0].Name = strings.Repeat("a", 97) + ".yaml" }}, "SP8008", "longer than 100 bytes"},
	"a name of other letters":  {hostile{manifest: func(m *Manifest) { m.Files[0].Name = "\u212a.yaml" }}, "SP8008", "is no name"},
	"a hidden name":            {hostile{files: contentsAnd(".x.yaml", "x")}, "SP8008", "is no name"},
	"an empty part":            {hostile{files: contentsAnd("a//x.yaml", "x")}, "SP8008", "is no name"},
	"a name of control bytes":  {hostile{files: contentsAnd("a\n\x1b[2J.yaml", "x")}, "SP8008", "is no name"},
	"a deep path":              {hostile{files: contentsAnd(strings.Repeat("d/", maxDepth)+"x.yaml", "x")}, "SP8008", "is no name"},
	"a bomb":                   {hostile{files: contentsAnd("p.wasm", string(make([]byte, MaxModuleSize)))}, "SP8009", "200 times"},
	"a symbolic link":          {hostile{write: special(tar.TypeSymlink)}, "SP8010", `"x.yaml" is a link`},
	"a hard link":              {hostile{write: special(tar.TypeLink)}, "SP8010", `"x.yaml" is a link`},
	"a device":                 {hostile{write: special(tar.TypeChar)}, "SP8011", `"x.yaml" is no file`},
	"a block device":           {hostile{write: special(tar.TypeBlock)}, "SP8011", "is no file"},
	"a pipe":                   {hostile{write: special(tar.TypeFifo)}, "SP8011", "is no file"},
	"a directory":              {hostile{write: special(tar.TypeDir)}, "SP8011", "is no file"},
	"a file twice":             {hostile{members: func(all []File) []File { return slices.Insert(all, 3, all[2]) }}, "SP8012", "`fs.yaml` is there twice"},
	"a twin":                   {hostile{files: contentsAnd("FS.yaml", "x")}, "SP8012", "`FS.yaml` and `fs.yaml` are one file"},
	"a twin that isn't listed": {hostile{members: appended(File{Name: "Tools.lock.json"})}, "SP8012", "are one file"},
	"a file listed twice":      {hostile{manifest: func(m *Manifest) { m.Files = append(m.Files[:1], m.Files...) }}, "SP8012", "is there twice"},
	"an unknown file":          {hostile{members: appended(File{Name: "x.yaml", Content: []byte("x")})}, "SP8013", "`x.yaml` is not in the manifest"},
	"a second manifest":        {hostile{members: func(all []File) []File { return slices.Insert(all, 1, all[0]) }}, "SP8013", "`manifest.json` is not in the manifest"},
	"late signatures":          {hostile{members: appended(File{Name: signaturesName})}, "SP8013", "`signatures.dsse.json` is not in the manifest"},
	"a file of no use":         {hostile{files: contentsAnd("run.sh", "x")}, "SP8014", "`run.sh` is no policy"},
	"what a directory is":      {hostile{files: contentsAnd(aboutName, "x")}, "SP8014", "`bundle.yaml` is no policy"},
	"a wrong digest":           {hostile{manifest: func(m *Manifest) { m.Files[1].Digest = m.Files[0].Digest }}, "SP8015", "its digest is another"},
	"a wrong size":             {hostile{manifest: func(m *Manifest) { m.Files[1].Size-- }}, "SP8015", "has 99 bytes; the manifest says 98"},
	"a mode":                   {hostile{headers: func(h *tar.Header) { h.Mode = 0o4755 }}, "SP8016", "a mode of its own"},
	"an owner":                 {hostile{headers: func(h *tar.Header) { h.Uname = "root" }}, "SP8016", "an owner"},
	"a time":                   {hostile{headers: func(h *tar.Header) { h.ModTime = time.Unix(1, 0) }}, "SP8016", "a time"},
	"a name in the gzip":       {hostile{zip: func(h *gzip.Header) { h.Name = "x" }}, "SP8016", "compressed data says more"},
	"files out of order":       {hostile{members: func(all []File) []File { slices.Reverse(all[1:]); return all }}, "SP8016", "stands before"},
	"a list out of order":      {hostile{manifest: func(m *Manifest) { slices.Reverse(m.Files) }}, "SP8016", "stands before"},
	"white space":              {hostile{text: func(s string) string { return s + "\n" }}, "SP8016", "another text"},
	"a comment":                {hostile{text: func(s string) string { return "/**/" + s }}, "SP8016", "another text"},
	"an escape":                {hostile{text: replacedBy(`"acme"`, `"\u0061cme"`)}, "SP8016", "another text"},
	"a float":                  {hostile{text: replacedBy(`"version": 3`, `"version": 3.0`)}, "SP1004", "whole number"},
	"a version too large":      {hostile{text: replacedBy(`"version": 3`, `"version": 9223372036854775808`)}, "SP1004", "whole number"},
	"version 0":                {hostile{manifest: func(m *Manifest) { m.Version = 0 }}, "SP1011", "out of range"},
	"a field twice":            {hostile{text: replacedBy(`"version": 3`, `"version": 3, "version": 4`)}, "SP1005", "twice"},
	"an unknown field":         {hostile{text: replacedBy(`"version": 3`, `"version": 3, "scripts": 4`)}, "SP1002", "unknown field `scripts`"},
	"another kind":             {hostile{manifest: func(m *Manifest) { m.Kind = "Trust" }}, "SP1003", "not a valid kind"},
	"no files":                 {hostile{manifest: func(m *Manifest) { m.Files = []Entry{} }}, "SP1011", "empty"},
	"a name for terminals":     {hostile{manifest: func(m *Manifest) { m.Name = "\x1b[2J" }}, "SP8017", "no name for a bundle"},
	"a name with spaces":       {hostile{manifest: func(m *Manifest) { m.Name = "a b" }}, "SP8017", "no name for a bundle"},
	"an audience of none":      {hostile{manifest: func(m *Manifest) { m.Audience = []string{""} }}, "SP8017", "no name for an audience"},
	"a time of no zone":        {hostile{manifest: func(m *Manifest) { m.Expires = "2027-01-01T00:00:00+01:00" }}, "SP8017", "is no time"},
	"a time that is none":      {hostile{manifest: func(m *Manifest) { m.Expires = "0001-01-01T00:00:00Z" }}, "SP8017", "is no time"},
	"no environment":           {hostile{manifest: func(m *Manifest) { m.Environment = "\x1b[2J" }}, "SP8017", "no name of a CEL environment"},
	"a version of words":       {hostile{manifest: func(m *Manifest) { m.Sallyport = "newest" }}, "SP8017", "no version of Sallyport"},
	"a weak digest":            {hostile{manifest: func(m *Manifest) { m.Files[0].Digest = "md5:00" }}, "SP8017", "is no digest"},
	"a missing file":           {hostile{members: func(all []File) []File { return slices.Delete(all, 2, 3) }}, "SP8018", "`fs.yaml` is in the manifest, and not"},
	"a missing last file":      {hostile{members: func(all []File) []File { return all[:len(all)-1] }}, "SP8018", "`tools.lock.json` is in the manifest"},
	"a PAX header":             {hostile{headers: func(h *tar.Header) { h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{"VENDOR.x": "1"} }}, "SP8019", "extended header"},
	"a long name of GNU": {hostile{write: func(w *tar.Writer) error {
		h := header(strings.Repeat("a", 300)+".yaml", 0)
		h.Format = tar.FormatGNU
		return w.WriteHeader(h)
	}}, "SP8019", "extended header"},
	"a name in two fields": {hostile{write: func(w *tar.Writer) error {
		return w.WriteHeader(header(strings.Repeat("a", 90)+"/"+strings.Repeat("b", 90)+".yaml", 0))
	}}, "SP8019", "extended header"},
	"signatures of no kind": {hostile{members: func(all []File) []File {
		return slices.Insert(all, 1, File{Name: signaturesName, Content: []byte("{}\n")})
	}}, "SP1006", "payloadType"},
}

func incompressible(n int) []byte {
	out := make([]byte, 0, n+64)
	for i := 0; len(out) < n; i++ {
		out = append(out, digestOf([]byte{byte(i), byte(i >> 8), byte(i >> 16)})...)
	}
	return out[:n]
}

func many(n int) (files []Entry) {
	for i := range n {
		files = append(files, Entry{Name: fmt.Sprintf("%02d.wasm", i), Size: MaxModuleSize, Digest: digestOf(nil)})
	}
	return files
}

func TestHostileArchives(t *testing.T) {
	for name, c := range hostiles {
		t.Run(name, func(t *testing.T) {
			a, err := ParseArchive("x.tar.gz", c.data(t))
			ds, _ := errors.AsType[source.Diagnostics](err)
			if a != nil || len(ds) == 0 || ds[0].Code != c.code || !strings.Contains(ds[0].Message, c.message) {
				t.Errorf("%v, want %s: %s", err, c.code, c.message)
			}
			for _, d := range ds {
				if !strings.HasPrefix(d.File, "x.tar.gz") || d.Help == "" && strings.HasPrefix(d.Code, "SP8") {
					t.Errorf("%+v", d)
				}
				if strings.ContainsFunc(d.Message, func(r rune) bool { return r < ' ' }) {
					t.Errorf("control characters in %q", d.Message)
				}
			}
		})
	}
}

// What is not hostile in the same builder is taken, so that each row above is refused for what it says.
func TestHostileArchives_butForTheHostility(t *testing.T) {
	if a, err := ParseArchive("x", hostile{}.data(t)); err != nil || !bytes.Equal(a.Data(), made(t, nil).Data()) {
		t.Error(err)
	}
}

func TestArchiveCutOffAtAnyByte(t *testing.T) {
	data := made(t, nil).Data()
	for n := range data {
		if a, err := ParseArchive("x", data[:n]); a != nil || codeOf(err) != "SP8002" {
			t.Fatalf("cut off after %d of %d bytes: %v", n, len(data), err)
		}
	}
}

// Nobody can change a byte of an archive that is taken, but where the compressed form has several for one content.
func TestArchiveChangedInAnyByte(t *testing.T) {
	data := slices.Clone(made(t, nil).Data())
	whole := unpacked(t, data)
	for i := range data {
		data[i] ^= 1 << (i % 8) // all bits of every byte take long
		if a, err := ParseArchive("x", data); err == nil && !bytes.Equal(unpacked(t, data), whole) {
			t.Fatalf("byte %d: another archive is taken: %+v", i, a.Manifest)
		}
		data[i] ^= 1 << (i % 8)
	}
}

// An archive that is taken would be made of what is in it, and only what the manifest lists is in it.
func sound(t testing.TB, a *Archive) {
	t.Helper()
	again, err := pack(a.manifest, a.signatures, a.files)
	if err != nil || !bytes.Equal(unpacked(t, again), unpacked(t, a.Data())) {
		t.Fatalf("packed again it is another archive (%v)", err)
	}
	if len(a.files) != len(a.Manifest.Files) {
		t.Fatalf("%d files, %d listed", len(a.files), len(a.Manifest.Files))
	}
	for i, f := range a.files {
		if e := a.Manifest.Files[i]; f.Name != e.Name || digestOf(f.Content) != e.Digest || int64(len(f.Content)) != e.Size || f.role == nothing {
			t.Fatalf("%s is not as it is listed: %+v", f.Name, e)
		}
	}
}

func TestMakeAndParseAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := map[string]string{}
		for range rapid.IntRange(1, 8).Draw(t, "files") {
			name := rapid.SampledFrom([]string{"a", "b/c", "tables/x", "detectors/y"}).Draw(t, "name") + rapid.SampledFrom([]string{".yaml", ".wasm", ".toml", ".json", ".sh", ".YAML"}).Draw(t, "end")
			all[name] = rapid.StringN(0, 700, -1).Draw(t, "content")
		}
		files := filesOf(all)
		a, err := Make(Manifest{Name: "n", Version: rapid.Int64Min(1).Draw(t, "version"), Environment: "2026-11"}, files)
		if err != nil {
			if code := codeOf(err); code != "SP8014" && code != "SP8012" {
				t.Fatal(err)
			}
			return
		}
		shuffled := rapid.Permutation(files).Draw(t, "again")
		b, err := Make(*a.Manifest, shuffled)
		if err != nil || !bytes.Equal(a.Data(), b.Data()) {
			t.Fatal("the order of the files matters")
		}
		for name, content := range all {
			if string(a.Content(name)) != content {
				t.Fatalf("%s is %q", name, a.Content(name))
			}
		}
	})
}

func FuzzParseArchive(f *testing.F) {
	f.Add(unpacked(f, made(f, nil).Data()), false)
	f.Add(unpacked(f, signed(f, made(f, nil), ed25519Key(f)).Data()), false)
	f.Add(made(f, nil).Data(), true)
	for _, c := range hostiles {
		data := c.data(f)
		if z, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			if n, _ := io.Copy(io.Discard, io.LimitReader(z, 1<<16)); n == 1<<16 { // slow to change
				continue
			}
		}
		f.Add(data, true)
	}
	f.Fuzz(func(t *testing.T, data []byte, whole bool) {
		if !whole { // checksums keep changes out
			data = compressed(t, data, gzip.NoCompression, nil)
		}
		if a, err := ParseArchive("x", data); err == nil {
			sound(t, a)
		} else if _, ok := errors.AsType[source.Diagnostics](err); !ok {
			t.Errorf("no diagnostics: %v", err)
		}
	})
}

// A bomb is refused before there is half of it.
func TestBombTakesLittleMemory(t *testing.T) {
	files := map[string]string{}
	zeros := string(make([]byte, MaxModuleSize))
	for i := range 3 {
		files[fmt.Sprintf("%02d.wasm", i)] = zeros
	}
	data := hostile{files: files}.data(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ParseArchive("x", data)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; codeOf(err) != "SP8009" || took > 12<<20 {
		t.Errorf("%v, after %d bytes", err, took)
	}
}

// A pipe in the place of an archive is not waited for, even if it takes the place of a file at the last moment.
func TestReadArchive_pipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.tar.gz")
	if err := mkfifo(name); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadArchive(name); err == nil || err.Error() != name+": not a regular file" {
		t.Error(err)
	}
}

func TestSelect(t *testing.T) {
	a := made(t, nil)
	b, err := a.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	for paths, want := range map[string]string{
		".": names(b), "fs.yaml": "fs detectors/pii.toml fs.yaml tables/t.json", "sub": "net sub/net.yml", "sub/net.yml p.wasm": "net p.wasm sub/net.yml", "fs.yaml .": names(b),
	} {
		s, err := b.Select(strings.Fields(paths)...)
		if err != nil || names(s) != want {
			t.Errorf("%s: %v, want %s", paths, s, want)
		}
	}
	for p, want := range map[string]bool{".": true, "fs.yaml": true, "p.wasm": true, "sub": true, "none.yaml": false, "sub/ne": false} {
		if b.Has(p) != want {
			t.Errorf("%s: want %v", p, want)
		}
	}
	if _, err := b.Select("sub/ne"); !errors.Is(err, ErrNoPolicy) {
		t.Error(err)
	}
}
