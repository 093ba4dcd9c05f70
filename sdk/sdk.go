// Package sdk holds the files of the SDKs, for those who write plugins without this repository.
package sdk

import (
	"bytes"
	"embed"
	"io/fs"
)

//go:generate go test . -run TestArchiveIsFresh -update

// goArchive holds sdk/go without its tests, one file behind the other: files of another module can't be embedded as they are.
//
//go:embed go.txtar
var goArchive []byte

//go:embed c/README.md c/include
//go:embed rust/README.md rust/Cargo.toml rust/src
//go:embed zig/README.md zig/build.zig zig/build.zig.zon zig/src
//go:embed assemblyscript/README.md assemblyscript/package.json assemblyscript/asconfig.json assemblyscript/tsconfig.json
//go:embed js/README.md js/package.json js/abi.js js/sallyport.js js/sallyport.d.ts js/testing.js js/testing.d.ts js/testing
//go:embed assemblyscript/index.ts assemblyscript/transform.mjs assemblyscript/assembly assemblyscript/testing
var files embed.FS

// File is one file of an SDK, by its path from the SDK's directory.
type File struct {
	Name string
	Data []byte
}

// Files returns the SDK of a language; nothing of one that there is none for.
func Files(language string) []File {
	if language == "go" {
		return parse(goArchive)
	}
	var out []File
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if rest, ok := cutDir(name, language); ok {
			data, err := files.ReadFile(name)
			out = append(out, File{rest, data})
			return err
		}
		return nil
	})
	if err != nil {
		panic(err) // they are embedded
	}
	return out
}

func cutDir(name, dir string) (string, bool) {
	if len(name) > len(dir) && name[:len(dir)] == dir && name[len(dir)] == '/' {
		return name[len(dir)+1:], true
	}
	return "", false
}

// parse reads an archive: before each file stands a line "-- NAME --".
func parse(archive []byte) (out []File) {
	for line := range bytes.Lines(archive) {
		name, ok := bytes.CutPrefix(line, []byte("-- "))
		name, end := bytes.CutSuffix(name, []byte(" --\n"))
		if ok && end {
			out = append(out, File{Name: string(name)})
			continue
		}
		last := &out[len(out)-1]
		last.Data = append(last.Data, line...)
	}
	return out
}
