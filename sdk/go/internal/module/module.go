// Package module completes a Wasm module that the Go toolchain has built: it puts the manifest
// in, and takes out the exports of hooks that the manifest doesn't declare.
package module

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/sdk/go/internal/abi"
	"github.com/sallyport-dev/sallyport/sdk/go/internal/manifest"
)

// Numbers of sections.
const (
	custom  = 0
	exports = 7
)

var magic = []byte("\x00asm\x01\x00\x00\x00")

const hookPrefix = "sp_on_"

var errTruncated = errors.New("not a whole Wasm module")

// Complete returns a module with its manifest, in place of one that it may have, and without
// exports of hooks that the manifest doesn't declare. The same inputs make the same bytes; a
// module that is complete stays as it is.
//
// Ids of fields are indexes into the manifest that the code was built with, so the module must
// hold the text of that manifest, as go:embed puts it there.
func Complete(wasm []byte, text string) ([]byte, error) {
	m, err := manifest.Parse(text)
	if err != nil {
		return nil, err
	}
	var section bytes.Buffer
	if err := json.Compact(&section, []byte(text)); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	rest, ok := bytes.CutPrefix(wasm, magic)
	if !ok {
		return nil, errors.New("not a Wasm module")
	}
	if out, err := complete(rest, m, section.Bytes(), text); err != nil || len(out) <= abi.LimitModuleBytes {
		return out, err
	}
	return nil, fmt.Errorf("the module would be larger than %d bytes", abi.LimitModuleBytes)
}

func complete(rest []byte, m *manifest.Manifest, section []byte, text string) ([]byte, error) {
	out := slices.Clone(magic)
	built := false
	var hooks []string
	for len(rest) > 0 {
		id := rest[0]
		body, after, err := sized(rest[1:])
		if err != nil {
			return nil, err
		}
		rest = after
		switch {
		case id == custom && isManifest(body):
			continue
		case id == exports:
			if body, hooks, err = keep(body, m.Hooks); err != nil {
				return nil, err
			}
		default:
			built = built || bytes.Contains(body, []byte(text))
		}
		out = appendSection(out, id, body)
	}
	for _, h := range m.Hooks {
		if !slices.Contains(hooks, h) {
			return nil, fmt.Errorf("the manifest declares the hook %s, and the module has no export %s%s: build it with this SDK and -buildmode=c-shared", h, hookPrefix, h)
		}
	}
	if !built {
		return nil, errors.New("the module was not built with this manifest: embed the file in the code, give it to Register, and build again")
	}
	name := appendSized(nil, []byte(abi.ManifestSection))
	return appendSection(out, custom, append(name, section...)), nil
}

func isManifest(body []byte) bool {
	name, _, err := sized(body)
	return err == nil && string(name) == abi.ManifestSection
}

// keep returns an export section without hooks that aren't declared, and the hooks that stay.
func keep(body []byte, declared []string) (out []byte, hooks []string, err error) {
	n, size := binary.Uvarint(body)
	if size <= 0 {
		return nil, nil, errTruncated
	}
	body = body[size:]
	kept := uint64(0)
	for range n {
		name, rest, err := sized(body)
		if err != nil || len(rest) < 2 {
			return nil, nil, errTruncated
		}
		_, size := binary.Uvarint(rest[1:]) // the kind is a byte, what follows an index
		if size <= 0 {
			return nil, nil, errTruncated
		}
		entry := body[:len(body)-len(rest)+1+size]
		body = body[len(entry):]
		if hook, ok := strings.CutPrefix(string(name), hookPrefix); ok {
			if !slices.Contains(declared, hook) {
				continue
			}
			hooks = append(hooks, hook)
		}
		out = append(out, entry...)
		kept++
	}
	return append(binary.AppendUvarint(nil, kept), out...), hooks, nil
}

// sized reads a length and as many bytes.
func sized(b []byte) (body, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, errTruncated
	}
	return b[size : size+int(n)], b[size+int(n):], nil
}

func appendSized(dst, body []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(body))), body...)
}

func appendSection(dst []byte, id byte, body []byte) []byte {
	return appendSized(append(dst, id), body)
}
