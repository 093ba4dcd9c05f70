package main

import (
	"crypto/sha256"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sallyport-dev/sallyport/engine/bundle"
)

// fingerprint is a digest of what a reload would read. What can't be read counts as empty: the reload will say why.
func (g *program) fingerprint() [32]byte {
	h := sha256.New()
	for _, root := range g.builder.origin.files(g.state.build().config) {
		root = follow(root)
		_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || name != root && !bundle.IsSource(name) {
				return nil //nolint:nilerr // see above
			}
			data, _ := os.ReadFile(name) //nolint:gosec // files that the config names
			var size [8]byte
			binary.BigEndian.PutUint64(size[:], uint64(len(data)))
			h.Write([]byte(name))
			h.Write(size[:])
			h.Write(data)
			return nil
		})
	}
	return [32]byte(h.Sum(nil))
}

// follow gives the folder that a link points to: WalkDir does not.
func follow(name string) string {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		return target
	}
	return name
}
