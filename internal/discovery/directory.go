package discovery

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/sallyport-dev/sallyport/engine/source"
	"github.com/sallyport-dev/sallyport/internal/config"
)

// MaxServers bounds the servers of one source.
const MaxServers = 1000

// directory reads the servers of a directory.
type directory struct {
	config *config.Config
	lookup config.Lookup
	prev   *Found
}

// read gives the servers. A file that can't be used leaves its server as it was before; a directory that can't be read, all.
func (d directory) read(dir string) ([]Entry, source.Diagnostics) {
	files, err := serverFiles(dir)
	if err != nil {
		ds := source.Diagnostics{source.Pos{File: dir}.Diagnose("SP1402", "the directory can't be read: "+clean(err), "see `discovery.directory`; servers that were found before stay")}
		return d.before(dir), ds
	}
	var out []Entry
	for _, file := range files {
		out = append(out, d.file(file))
	}
	return out, nil
}

// before are the servers that the directory had when it could be read.
func (d directory) before(dir string) (all []Entry) {
	for _, e := range d.prev.every() {
		if e.Source == Directory && filepath.Dir(e.From) == filepath.Clean(dir) {
			all = append(all, e.again())
		}
	}
	return all
}

// file reads one server.
func (d directory) file(file string) Entry {
	e := Entry{Name: config.NameOfFile(file), Source: Directory, From: file, File: file, State: Refused, claim: claimOfDirectory}
	data, err := readBounded(file, source.MaxSize)
	if err != nil {
		e.Mistakes = source.Diagnostics{source.Pos{File: file}.Diagnose("SP1402", "the file can't be read: "+clean(err), "")}
	} else {
		named, ds := d.config.ParseServer(file, data, d.lookup)
		if e.Mistakes = ds; !ds.HasErrors() {
			e.State, e.Server, e.Digest, e.Written = Serving, named.Server, named.Digest, named.Written
			return e
		}
	}
	for _, was := range d.prev.every() {
		if was.Source == Directory && was.From == file && was.State != Refused {
			was = was.again()
			was.Mistakes = e.Mistakes
			return was
		}
	}
	if !config.ValidName(e.Name) {
		e.Name = source.Brief(e.Name)
	}
	return e
}

// serverFiles are the files of a directory that are servers. Kubernetes mounts them as links through ..data; what begins with a dot is none.
func serverFiles(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasPrefix(name, ".") && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			files = append(files, filepath.Join(dir, name))
		}
	}
	if len(files) > MaxServers {
		return nil, fmt.Errorf("it has more than %d servers", MaxServers)
	}
	return files, nil
}

// readBounded reads a file that has an end.
func readBounded(file string, most int64) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is not a file"))
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it is larger than %d KiB", most>>10)
	}
	return data, err
}

// clean says what is wrong without the name of the file, which stands beside it.
func clean(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// Fingerprint is a digest of what Find would read of the files that c names: two that are the same give the same servers.
func Fingerprint(c *config.Config) [32]byte {
	h := sha256.New()
	if c.Discovery == nil {
		return [32]byte(h.Sum(nil))
	}
	for _, path := range c.Discovery.Watched() {
		files, err := filesAt(path)
		_, _ = fmt.Fprintf(h, "%q %v\n", path, err)
		for _, file := range files {
			data, err := readBounded(file, source.MaxSize)
			_, _ = fmt.Fprintf(h, "%q %d %v\n", file, len(data), err)
			_, _ = h.Write(data)
		}
	}
	return [32]byte(h.Sum(nil))
}

// filesAt are the files of a directory that are servers, or the file that is there.
func filesAt(path string) ([]string, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return []string{path}, err
	}
	return serverFiles(path)
}
