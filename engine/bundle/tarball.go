package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A block is what tar archives are made of.
const blockSize = 512

// An archive of more than this may not unpack to more than this many times its size.
const (
	maxRatio  = 200
	freeBytes = 1 << 20
)

// header is the one header that a file of this name and size has: of the oldest form, with nothing in it that says who packed it, or when.
func header(name string, size int64) *tar.Header {
	return &tar.Header{Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)}
}

// packed is a tar archive of members, compressed.
func packed(members []File) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	for _, m := range members {
		if err := w.WriteHeader(header(m.Name, int64(len(m.Content)))); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		if _, err := w.Write(m.Content); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	err = z.Close()
	return out.Bytes(), err
}

// member is one file of a tar archive.
type member struct {
	name string
	size int64
}

// tarball reads what packed writes, and nothing else: a program that reads archives more kindly finds the same in it.
type tarball struct {
	*reader
	in  *bytes.Reader
	z   *gzip.Reader
	out int64 // bytes unpacked
}

func (t *tarball) open() bool {
	if t.in.Len() == 0 {
		return t.refuse("SP8002", "the archive is empty: it has 0 bytes", "copy it again")
	}
	var err error
	if t.z, err = gzip.NewReader(t.in); err != nil {
		return t.broken(err)
	}
	t.z.Multistream(false)
	if h := t.z.Header; h.Name != "" || h.Comment != "" || h.Extra != nil || !h.ModTime.IsZero() {
		return t.refuse("SP8016", "the compressed data says more than what it is", "build the bundle with `sallyport bundle build`")
	}
	return true
}

// broken says why the compressed data can't be read.
func (t *tarball) broken(err error) bool {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return t.refuse("SP8002", "the archive ends too early: its end is missing", "copy it again")
	case t.z == nil && errors.Is(err, gzip.ErrHeader):
		return t.refuse("SP8001", "the file is no gzip archive", "build the bundle with `sallyport bundle build`")
	}
	return t.refuse("SP8003", "the compressed data is damaged", "copy it again")
}

// read fills p. What compresses too well is refused before there is much of it.
func (t *tarball) read(p []byte) bool {
	for len(p) > 0 {
		n, err := t.z.Read(p[:min(len(p), freeBytes)])
		p, t.out = p[n:], t.out+int64(n)
		switch {
		case t.out > freeBytes && t.out > maxRatio*(t.in.Size()-int64(t.in.Len())):
			return t.refuse("SP8009", fmt.Sprintf("the archive unpacks to more than %d times its size", maxRatio), "no set of policies does")
		case err != nil && len(p) > 0:
			return t.broken(err)
		}
	}
	return true
}

// next reads the header of the next file. More is false at the end of the archive.
func (t *tarball) next() (m member, more bool) {
	var block [blockSize]byte
	if !t.read(block[:]) {
		return m, false
	}
	if block == [blockSize]byte{} {
		return m, false
	}
	m.name = untilNUL(block[:100])
	size, err := strconv.ParseInt(untilNUL(block[124:136]), 8, 64)
	switch kind := block[156]; {
	case string(block[257:262]) != "ustar" || !sum(block):
		t.refuse("SP8003", "there is no tar header where one belongs", "copy the archive again, or build it anew")
	case kind == tar.TypeLink || kind == tar.TypeSymlink:
		t.refuse("SP8010", fmt.Sprintf("%q is a link", m.name), "put the file itself in")
	case kind == tar.TypeChar || kind == tar.TypeBlock || kind == tar.TypeFifo || kind == tar.TypeDir:
		t.refuse("SP8011", fmt.Sprintf("%q is no file: a device, a pipe or a directory", m.name), "a bundle holds files only")
	case kind != tar.TypeReg || block[345] != 0:
		t.refuse("SP8019", fmt.Sprintf("%q has an extended header", m.name), "other programs read those in other ways; build the bundle with `sallyport bundle build`")
	case err != nil || size < 0:
		t.refuse("SP8003", fmt.Sprintf("%q has no size", m.name), "copy the archive again, or build it anew")
	default:
		m.size = size
		return m, t.same(block, m)
	}
	return m, false
}

// same says whether a header is the one that a file of this name and size has.
func (t *tarball) same(block [blockSize]byte, m member) bool {
	if d, ok := checkName(t.at, m.name); !ok { // before the header is compared: it could not be written
		t.ds = append(t.ds, d)
		return false
	}
	var want bytes.Buffer
	if err := tar.NewWriter(&want).WriteHeader(header(m.name, m.size)); err != nil || !bytes.Equal(want.Bytes(), block[:]) {
		return t.refuse("SP8016", fmt.Sprintf("`%s` has an owner, a time or a mode of its own", m.name), "build the bundle with `sallyport bundle build`")
	}
	return true
}

func untilNUL(field []byte) string {
	before, _, _ := strings.Cut(string(field), "\x00")
	return before
}

// sum checks the checksum of a header, which is made with spaces in its own place.
func sum(block [blockSize]byte) bool {
	want, err := strconv.ParseInt(strings.Trim(string(block[148:156]), " \x00"), 8, 64)
	var got int64
	for i, b := range block {
		if 148 <= i && i < 156 {
			b = ' '
		}
		got += int64(b)
	}
	return err == nil && got == want
}

// content reads a file whose size is within its bounds already, and what fills up its last block.
func (t *tarball) content(m member) ([]byte, bool) {
	padded := (m.size + blockSize - 1) / blockSize * blockSize
	content := make([]byte, 0, min(padded, freeBytes))
	for int64(len(content)) < padded { // no more memory than there are data
		n := len(content)
		content = append(content, make([]byte, min(padded-int64(n), freeBytes))...)
		if !t.read(content[n:]) {
			return nil, false
		}
	}
	for _, b := range content[m.size:] {
		if b != 0 {
			return nil, t.refuse("SP8004", fmt.Sprintf("there are data behind the end of `%s`", m.name), "build the bundle with `sallyport bundle build`")
		}
	}
	return content[:m.size:m.size], true
}

// close reads what follows the first empty block: a second one, and nothing else.
func (t *tarball) close() bool {
	var block [blockSize]byte
	if !t.read(block[:]) {
		return false
	}
	if n, err := t.z.Read(make([]byte, 1)); n > 0 || block != [blockSize]byte{} {
		return t.refuse("SP8004", "there are data behind the end of the archive", "build the bundle with `sallyport bundle build`")
	} else if !errors.Is(err, io.EOF) {
		return t.broken(err)
	}
	if t.in.Len() == 0 {
		return true
	}
	if first, err := t.in.ReadByte(); err == nil && first == 0x1f {
		return t.refuse("SP8005", "a second gzip member follows the first", "programs differ in whether they read it; build the bundle with `sallyport bundle build`")
	}
	return t.refuse("SP8004", "there are data behind the end of the archive", "build the bundle with `sallyport bundle build`")
}
