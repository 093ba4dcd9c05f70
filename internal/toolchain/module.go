package toolchain

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/hostapi"
)

// The sections of a module that are looked at.
const (
	sectionCustom = 0
	sectionExport = 7
)

var (
	magic        = []byte("\x00asm\x01\x00\x00\x00")
	errTruncated = errors.New("what was built is not a whole Wasm module")
)

const hookPrefix = "sp_on_"

// complete puts the manifest into a module, unless its language has done so, and takes out the exports of hooks that the manifest
// doesn't declare. The ids of fields are places in the manifest, so a module that was built with another one is refused: one that has a
// manifest must have this one, and if the text is a part of the code, as in Go, the code must have it.
func complete(wasm, text []byte, inCode bool) ([]byte, error) {
	m, err := hostapi.ParseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	var section bytes.Buffer
	if err := json.Compact(&section, text); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestFile, err)
	}
	rest, ok := bytes.CutPrefix(wasm, magic)
	if !ok {
		return nil, errors.New("what was built is not a Wasm module")
	}
	out, found, has := slices.Clone(magic), false, false
	for len(rest) > 0 {
		id := rest[0]
		body, after, err := sized(rest[1:])
		if err != nil {
			return nil, err
		}
		rest = after
		switch given, is := manifestIn(id, body); {
		case is && !inCode && !sameJSON(given, section.Bytes()):
			return nil, fmt.Errorf("the module has another manifest than %s: change one of the two", manifestFile)
		case is && inCode:
			continue // it is written anew
		case is:
			has = true
		case id == sectionExport:
			if body, err = keepHooks(body, m.Hooks); err != nil {
				return nil, err
			}
		case id != sectionCustom:
			found = found || bytes.Contains(body, text)
		}
		out = appendSection(out, id, body)
	}
	if inCode && !found {
		return nil, fmt.Errorf("the code was not built with %s: embed the file and give it to Register", manifestFile)
	}
	if has {
		return out, nil
	}
	return appendSection(out, sectionCustom, append(appendSized(nil, []byte(hostapi.ManifestSection)), section.Bytes()...)), nil
}

// manifestIn gives the manifest that a section holds.
func manifestIn(id byte, body []byte) ([]byte, bool) {
	if id != sectionCustom {
		return nil, false
	}
	name, rest, err := sized(body)
	return rest, err == nil && string(name) == hostapi.ManifestSection
}

func sameJSON(a, b []byte) bool {
	var x bytes.Buffer
	return json.Compact(&x, a) == nil && bytes.Equal(x.Bytes(), b)
}

// keepHooks leaves hooks that aren't declared out of an export section.
func keepHooks(body []byte, declared []hostapi.Hook) ([]byte, error) {
	n, size := binary.Uvarint(body)
	if size <= 0 {
		return nil, errTruncated
	}
	body = body[size:]
	kept, out := uint64(0), []byte(nil)
	for range n {
		name, rest, err := sized(body)
		if err != nil || len(rest) < 2 {
			return nil, errTruncated
		}
		_, size := binary.Uvarint(rest[1:]) // behind the kind stands an index
		if size <= 0 {
			return nil, errTruncated
		}
		entry := body[:len(body)-len(rest)+1+size]
		body = body[len(entry):]
		if hook, ok := strings.CutPrefix(string(name), hookPrefix); ok {
			if h, ok := hostapi.ParseHook(hook); ok && !slices.Contains(declared, h) {
				continue
			}
		}
		out = append(out, entry...)
		kept++
	}
	return append(binary.AppendUvarint(nil, kept), out...), nil
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
