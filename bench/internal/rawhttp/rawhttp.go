// Package rawhttp reads HTTP/1.1 responses off a connection: the client half
// that a load generator needs, and nothing that could hide a mistake of the
// server, such as a retry.
package rawhttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// MaxBody bounds a response, so that a lying length can't take the generator's memory.
const MaxBody = 64 << 20

// ErrMalformed is a response that isn't HTTP/1.1.
var ErrMalformed = errors.New("malformed response")

// Response is one response. Its memory is reused by the next Read.
type Response struct {
	Status  int
	Type    []byte // Content-Type
	Session []byte // Mcp-Session-Id
	Body    []byte
	Close   bool // the server won't answer again on this connection

	length  int // -1: not said
	chunked bool
}

// Read reads one response into r. Anything after it stays in br.
func (r *Response) Read(br *bufio.Reader) error {
	for {
		if err := r.readHead(br); err != nil {
			return err
		}
		if r.Status >= 200 {
			break
		}
	}
	switch {
	case r.chunked:
		return r.readChunks(br)
	case r.length >= 0:
		return r.readBytes(br, r.length)
	case r.Status == 204 || r.Status == 304:
		return nil
	}
	r.Close = true
	return r.readToEnd(br)
}

func (r *Response) readHead(br *bufio.Reader) error {
	*r = Response{Type: r.Type[:0], Session: r.Session[:0], Body: r.Body[:0], length: -1}
	line, err := br.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 14 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("%w: status line %.40q", ErrMalformed, line)
	}
	if r.Status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return fmt.Errorf("%w: status line %.40q", ErrMalformed, line)
	}
	for {
		line, err = br.ReadSlice('\n')
		if err != nil {
			return short(err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return nil
		}
		if err := r.field(line); err != nil {
			return err
		}
	}
}

// field takes one header line.
func (r *Response) field(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fmt.Errorf("%w: header %.40q", ErrMalformed, line)
	}
	value = bytes.TrimSpace(value)
	switch {
	case is(name, "content-length"):
		n, err := strconv.ParseUint(string(value), 10, 31)
		if err != nil || r.length >= 0 && r.length != int(n) {
			return fmt.Errorf("%w: content-length %.40q", ErrMalformed, value)
		}
		r.length = int(n)
	case is(name, "transfer-encoding"):
		r.chunked = is(value, "chunked")
	case is(name, "connection"):
		r.Close = is(value, "close")
	case is(name, "content-type"):
		r.Type = append(r.Type, value...)
	case is(name, "mcp-session-id"):
		r.Session = append(r.Session, value...)
	}
	return nil
}

func (r *Response) readChunks(br *bufio.Reader) error {
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return short(err)
		}
		size, _, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(";"))
		n, err := strconv.ParseUint(string(size), 16, 31)
		if err != nil {
			return fmt.Errorf("%w: chunk size %.20q", ErrMalformed, size)
		}
		if n == 0 {
			return skipTrailer(br)
		}
		if err := r.readBytes(br, int(n)); err != nil {
			return err
		}
		if _, err := br.Discard(len("\r\n")); err != nil {
			return short(err)
		}
	}
}

func skipTrailer(br *bufio.Reader) error {
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return short(err)
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return nil
		}
	}
}

// readBytes appends the next n bytes to the body.
func (r *Response) readBytes(br *bufio.Reader, n int) error {
	have := len(r.Body)
	if have+n > MaxBody {
		return fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxBody)
	}
	if cap(r.Body) < have+n {
		r.Body = append(make([]byte, 0, 2*(have+n)), r.Body...)
	}
	r.Body = r.Body[:have+n]
	_, err := io.ReadFull(br, r.Body[have:])
	return short(err)
}

func (r *Response) readToEnd(br *bufio.Reader) error {
	rest, err := io.ReadAll(io.LimitReader(br, MaxBody))
	r.Body = append(r.Body, rest...)
	return err
}

// short turns an end in the middle of a response into what it is.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func is(b []byte, lower string) bool {
	return bytes.EqualFold(b, []byte(lower))
}
