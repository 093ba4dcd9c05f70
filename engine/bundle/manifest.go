package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/policy"
	"github.com/sallyport-dev/sallyport/engine/source"
)

// The names within an archive of what is no file of the bundle.
const (
	manifestName   = "manifest.json"
	signaturesName = "signatures.dsse.json"
	aboutName      = "bundle.yaml"
)

const apiVersion = "sallyport/v1"

// Manifest says what an archive holds, and for whom. It is what signatures sign, and its digest is the revision of the bundle.
type Manifest struct {
	APIVersion  string   `json:"apiVersion" yaml:"apiVersion" jsonschema:"required,enum=sallyport/v1"`
	Kind        string   `json:"kind" yaml:"kind" jsonschema:"required,enum=Bundle"`
	Name        string   `json:"name" yaml:"name" jsonschema:"required,minLength=1"`
	Version     int64    `json:"version" yaml:"version" jsonschema:"required,minimum=1"`
	Audience    []string `json:"audience,omitempty" yaml:"audience" jsonschema:"minItems=1"` // the gateways that may activate it; nil: any
	Expires     string   `json:"expires,omitempty" yaml:"expires" jsonschema:"minLength=1"`  // RFC 3339, in UTC; "": never
	Sallyport   string   `json:"sallyport,omitempty" yaml:"sallyport" jsonschema:"minLength=1"`
	Environment string   `json:"environment" yaml:"environment" jsonschema:"required,minLength=1"` // of CEL
	Files       []Entry  `json:"files" yaml:"files" jsonschema:"required,minItems=1"`              // in the order of their names
}

// Entry is a file of a bundle.
type Entry struct {
	Name   string `json:"name" yaml:"name" jsonschema:"required,minLength=1"`
	Size   int64  `json:"size" yaml:"size" jsonschema:"required,minimum=0"`
	Digest string `json:"digest" yaml:"digest" jsonschema:"required"` // "sha256:<hex>"
}

// quoted shows a value that somebody else wrote: terminals act on some.
func quoted(s string) string { return strconv.QuoteToASCII(source.Brief(s)) }

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// canonical is the one text of what an archive says of itself: two texts of one meaning would be two revisions.
func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// parseJSON reads canonical JSON and nothing else.
func parseJSON(file string, data []byte, into any) source.Diagnostics {
	root, ds := source.ParseJSON(file, data)
	if ds.HasErrors() {
		return ds
	}
	if ds = root.Decode(into); ds.HasErrors() {
		return ds
	}
	if again, err := canonical(into); err != nil || !bytes.Equal(again, data) {
		return source.Diagnostics{{
			Code: "SP8016", File: file, Message: "the same could be said in another text, and would be another revision",
			Help: "let `sallyport bundle build` and `sallyport bundle sign` write it",
		}}
	}
	return nil
}

func parseManifest(file string, data []byte) (*Manifest, source.Diagnostics) {
	m := new(Manifest)
	if ds := parseJSON(file, data, m); ds.HasErrors() {
		return nil, ds
	}
	return m, m.check(source.Pos{File: file})
}

var (
	nameForm      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	digestForm    = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	sallyportForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})$`)
)

// check says what is wrong with a manifest beyond its shape. Its first mistake ends it: nothing is read that a manifest with a mistake names.
func (m *Manifest) check(at source.Pos) source.Diagnostics {
	if d, ok := m.checkHead(at); !ok {
		return source.Diagnostics{d}
	}
	if len(m.Files) > MaxFiles {
		return source.Diagnostics{at.Diagnose("SP8006", fmt.Sprintf("the bundle has more than %d files", MaxFiles), "split it")}
	}
	var size int64
	folded := make(map[string]string, len(m.Files))
	for i, f := range m.Files {
		size += min(f.Size, MaxSize+1)
		if d, ok := f.check(at); !ok {
			return source.Diagnostics{d}
		}
		if twin, twice := folded[strings.ToLower(f.Name)]; twice {
			return source.Diagnostics{twins(at, f.Name, twin)}
		}
		folded[strings.ToLower(f.Name)] = f.Name
		if i > 0 && m.Files[i-1].Name > f.Name {
			return source.Diagnostics{at.Diagnose("SP8016", fmt.Sprintf("`%s` stands before `%s`", m.Files[i-1].Name, f.Name), "files stand in the order of their names; build the bundle with `sallyport bundle build`")}
		}
	}
	if size > MaxSize {
		return source.Diagnostics{at.Diagnose("SP8006", fmt.Sprintf("the files are larger than %d MiB together", MaxSize>>20), "split the bundle")}
	}
	return nil
}

func twins(at source.Pos, name, twin string) source.Diagnostic {
	if name == twin {
		return at.Diagnose("SP8012", fmt.Sprintf("`%s` is there twice", name), "nobody can say which of them was meant")
	}
	return at.Diagnose("SP8012", fmt.Sprintf("`%s` and `%s` are one file where names are the same in upper and lower case", twin, name), "rename one of them")
}

func (m *Manifest) checkHead(at source.Pos) (source.Diagnostic, bool) {
	switch {
	case !nameForm.MatchString(m.Name):
		return at.Diagnose("SP8017", quoted(m.Name)+" is no name for a bundle", "use letters, digits, `.`, `_` and `-`: at most 100, a letter or a digit first"), false
	case m.Sallyport != "" && !sallyportForm.MatchString(m.Sallyport):
		return at.Diagnose("SP8017", quoted(m.Sallyport)+" is no version of Sallyport", "write it as `1.2.3`"), false
	case !nameForm.MatchString(m.Environment):
		return at.Diagnose("SP8017", quoted(m.Environment)+" is no name of a CEL environment", "write it as `"+policy.Envs()[0]+"`"), false
	}
	for _, name := range m.Audience {
		if !nameForm.MatchString(name) {
			return at.Diagnose("SP8017", quoted(name)+" is no name for an audience", "use letters, digits, `.`, `_` and `-`: at most 100, a letter or a digit first"), false
		}
	}
	if _, err := m.expiry(); err != nil {
		return at.Diagnose("SP8017", quoted(m.Expires)+" is no time", "write it in UTC, as `2027-01-01T00:00:00Z`"), false
	}
	return source.Diagnostic{}, true
}

// expiry is the zero time if the bundle doesn't expire.
func (m *Manifest) expiry() (time.Time, error) {
	if m.Expires == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, m.Expires)
	switch {
	case err == nil && t.UTC().Format(time.RFC3339) != m.Expires:
		err = fmt.Errorf("%s is not in UTC", m.Expires)
	case err == nil && t.IsZero():
		err = fmt.Errorf("%s says never", m.Expires)
	}
	return t, err
}

// Expired says whether a bundle has expired at a time.
func (m *Manifest) Expired(now time.Time) bool {
	t, err := m.expiry()
	return err != nil || !t.IsZero() && !now.Before(t)
}

func (f Entry) check(at source.Pos) (source.Diagnostic, bool) {
	if d, ok := checkName(at, f.Name); !ok {
		return d, false
	}
	limit, ok := limitOf(f.Name)
	switch {
	case !ok:
		return at.Diagnose("SP8014", fmt.Sprintf("`%s` is no policy, plugin, set of detectors, table or tools.lock.json", f.Name), "a bundle holds what decides, and nothing else"), false
	case f.Size > int64(limit):
		return at.Diagnose("SP8006", fmt.Sprintf("`%s` is larger than %d MiB", f.Name, limit>>20), "make it smaller"), false
	case !digestForm.MatchString(f.Digest):
		return at.Diagnose("SP8017", quoted(f.Digest)+" is no digest", "write `sha256:` and 64 hex digits"), false
	}
	return source.Diagnostic{}, true
}

// maxName is how long a name may be: what the oldest form of a tar archive has place for, so that there is one way to write it.
const maxName = 100

var partForm = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)

// checkName accepts names that mean one file on every system. With letters of ASCII only, no two of them can look or normalise alike but by case.
func checkName(at source.Pos, name string) (source.Diagnostic, bool) {
	parts := strings.Split(name, "/")
	shown := quoted(name)
	switch {
	case strings.HasPrefix(name, "/") || strings.ContainsAny(name, `\:`) || slices.Contains(parts, ".."):
		return at.Diagnose("SP8007", shown+" leads out of the bundle", "names are relative, with forward slashes and without `..`"), false
	case len(name) > maxName:
		return at.Diagnose("SP8008", fmt.Sprintf("a name is longer than %d bytes: %s", maxName, shown), "shorten it"), false
	case len(parts) > maxDepth || slices.ContainsFunc(parts, func(p string) bool { return !partForm.MatchString(p) }):
		return at.Diagnose("SP8008", shown+" is no name for a file of a bundle", "use letters of ASCII, digits, `.`, `_` and `-`; no part begins with a dot"), false
	}
	return source.Diagnostic{}, true
}

// limitOf bounds a file by what it is; ok is false if it is nothing that a bundle holds.
func limitOf(name string) (limit int, ok bool) {
	r := roleOf(name)
	switch {
	case r == nothing || name == aboutName:
		return 0, false
	case isModule(name):
		return MaxModuleSize, true
	case r == table || r == pins:
		return MaxTableSize, true
	}
	return MaxFileSize, true
}
