package upstream

import (
	"errors"
	"io"
	"math"

	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// chunks takes the framing out of a chunked body (RFC 9112, 7.1) where it lies, so that between two chunks it holds nothing. What it
// reads from may have nothing yet (mcp.ErrNotYet).
type chunks struct {
	from io.Reader
	rest []byte // of the body, which came with the head
	chunkPlace
	err error
}

// chunkPlace is where a chunked body has been read to.
type chunkPlace struct {
	left uint64 // of the chunk, or of its size what has been read
	line int    // bytes of the line: of a size with its extensions, or of a trailer
	part chunkPart
}

// chunkPart is where in a chunk the next byte stands.
type chunkPart uint8

const (
	chunkSize chunkPart = iota
	chunkExtension
	chunkSizeEnd // its LF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailer    // or the empty line
	chunkTrailerEnd // its LF
)

// maxChunkLine bounds the lines between chunks.
const maxChunkLine = 1 << 10

var errChunk = errors.New("the framing of a chunk is broken")

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	for c.err == nil && len(p) > 0 {
		n, err := c.receive(p)
		n = c.cut(p[:n])
		switch {
		case err == nil || errors.Is(err, mcp.ErrNotYet):
		case errors.Is(err, io.EOF):
			err = io.ErrUnexpectedEOF
			fallthrough
		default:
			c.fail(err)
		}
		if n > 0 {
			return n, nil
		}
		if c.err == nil && err != nil {
			return 0, err
		}
	}
	return 0, c.err
}

func (c *chunks) receive(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.from.Read(p)
	}
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

func (c *chunks) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// cut leaves of b what is data, at its start, and says how much that is.
func (c *chunks) cut(b []byte) int {
	kept := 0
	for i := 0; i < len(b) && c.err == nil; {
		if c.part != chunkData {
			c.frame(b[i])
			i++
			continue
		}
		n := int(min(c.left, uint64(len(b)-i)))
		kept += copy(b[kept:], b[i:i+n])
		i += n
		if c.left -= uint64(n); c.left == 0 {
			c.part = chunkDataCR
		}
	}
	return kept
}

// frame reads a byte that is no data.
func (c *chunks) frame(b byte) {
	c.line++
	switch c.part {
	case chunkSize, chunkExtension:
		c.size(b)
	case chunkDataCR:
		c.expect(b, '\r', chunkDataLF)
	case chunkDataLF:
		c.expect(b, '\n', chunkSize)
		c.line, c.left = 0, 0
	case chunkSizeEnd:
		c.expect(b, '\n', chunkData)
		if c.line == 2 { // no digit
			c.fail(errChunk)
		}
		if c.left == 0 {
			c.part = chunkTrailer
		}
		c.line = 0
	case chunkTrailer:
		switch {
		case b == '\r':
			c.part = chunkTrailerEnd
		case b == '\n' || c.line > maxChunkLine:
			c.fail(errChunk)
		}
	case chunkTrailerEnd:
		c.expect(b, '\n', chunkTrailer)
		if c.line == 2 && c.err == nil {
			c.err = io.EOF
		}
		c.line = 0
	case chunkData:
	}
}

func (c *chunks) expect(b, want byte, next chunkPart) {
	if b != want {
		c.fail(errChunk)
	}
	c.part = next
}

// size reads a byte of the line before the data.
func (c *chunks) size(b byte) {
	digit, ok := hexDigit(b)
	switch {
	case b == '\r':
		c.part = chunkSizeEnd
	case c.line > maxChunkLine, b == '\n':
		c.fail(errChunk)
	case c.part == chunkExtension:
	case ok && c.left <= math.MaxInt64>>4:
		c.left = c.left<<4 | digit
	case c.line > 1 && (b == ';' || b == ' ' || b == '\t'):
		c.part = chunkExtension
	default:
		c.fail(errChunk)
	}
}

func hexDigit(b byte) (uint64, bool) {
	switch {
	case '0' <= b && b <= '9':
		return uint64(b - '0'), true
	case 'a' <= lower(b) && lower(b) <= 'f':
		return uint64(lower(b)-'a') + 10, true
	}
	return 0, false
}
