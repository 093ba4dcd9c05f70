package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/valyala/fasthttp"
)

// maxInterim is how many 1xx answers may come before the real one.
const maxInterim = 8

var (
	errNoAnswer = errors.New("the connection ended before the answer began")
	errTooLarge = errors.New("the answer is too large")
)

// writeError is a failure to send.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

// answerHead is what a head says that matters here.
type answerHead struct {
	status int
	length int64 // of the body; -1 if it is framed otherwise, or by the end of the connection
	chunks bool  // it has a transfer encoding
	kind   mediaType
	last   bool   // nothing may be sent on the connection after the answer
	coding string // that the body has and that was not asked for

	session []byte // valid until the body is read
}

// mediaType is what the body is.
type mediaType uint8

const (
	otherType mediaType = iota
	jsonType
	streamType
)

// plain says that the body is so many bytes and that is all: most answers are.
func (h *answerHead) plain() bool {
	return h.length >= 0 && h.kind != streamType && h.status != fasthttp.StatusNoContent && h.status != fasthttp.StatusNotModified
}

// readHead reads the head of the final answer. Unless the body is plain, fasthttp reads it, and for that the head too, but only after
// parseHead has refused what fasthttp would read its own way.
func readHead(k *conn, resp *fasthttp.Response) (h answerHead, err error) {
	for range maxInterim {
		if _, err := k.br.Peek(1); err != nil {
			return h, fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		head, err := peekHead(k.br)
		if err != nil {
			return h, err
		}
		if h, err = parseHead(head); err != nil {
			return h, err
		}
		if h.status >= 200 && h.plain() {
			_, err = k.br.Discard(len(head))
			return h, err
		}
		if err := resp.Header.Read(k.br); err != nil {
			return h, err
		}
		switch {
		case h.status == fasthttp.StatusSwitchingProtocols:
			return h, errors.New("the server switches protocols")
		case h.status >= 200:
			return h, nil
		}
	}
	return h, errors.New("too many interim answers")
}

// peekHead waits for the whole head and returns it, its empty line included.
func peekHead(br *bufio.Reader) ([]byte, error) {
	seen := 0
	for {
		b, _ := br.Peek(br.Buffered())
		from := max(0, seen-3)
		if i := bytes.Index(b[from:], []byte("\r\n\r\n")); i >= 0 {
			return b[:from+i+4], nil
		}
		seen = len(b)
		if seen == br.Size() {
			return nil, fmt.Errorf("%w: its head has more than %d bytes", errTooLarge, br.Size())
		}
		if _, err := br.Peek(seen + 1); err != nil {
			return nil, err
		}
	}
}

// parseHead reads a head, and refuses one that two readers could take for different answers: folded lines, bare line feeds, blanks
// before a colon, both or several of the framing headers, several of a header that decides something here.
func parseHead(head []byte) (answerHead, error) {
	h := answerHead{length: -1}
	line, head, err := cutLine(head)
	if err != nil {
		return h, err
	}
	if err := h.statusLine(line); err != nil {
		return h, err
	}
	var seen headSeen
	for {
		if line, head, err = cutLine(head); err != nil {
			return h, err
		}
		if len(line) == 0 {
			break
		}
		if err := h.line(line, &seen); err != nil {
			return h, err
		}
	}
	if seen.length && h.chunks {
		return h, errors.New("both Content-Length and Transfer-Encoding")
	}
	return h, nil
}

func cutLine(head []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(head, '\n')
	if i < 1 || head[i-1] != '\r' {
		return nil, nil, errors.New("a bare line feed in the head")
	}
	return head[:i-1], head[i+1:], nil
}

// statusLine reads "HTTP/1.1 200 OK" (RFC 9112, 4). A server of 1.0 closes its connection.
func (h *answerHead) statusLine(line []byte) error {
	switch {
	case bytes.HasPrefix(line, []byte("HTTP/1.1 ")):
	case bytes.HasPrefix(line, []byte("HTTP/1.0 ")):
		h.last = true
	default:
		return errors.New("not an http/1 answer")
	}
	code := line[len("HTTP/1.1 "):]
	if i := bytes.IndexByte(code, ' '); i >= 0 {
		code = code[:i]
	}
	n, ok := digits(code)
	if !ok || len(code) != 3 || n < 100 {
		return fmt.Errorf("http status %q", code)
	}
	h.status = int(n)
	return nil
}

// digits reads a number that is nothing but digits.
func digits(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// headSeen notes the headers of which there may be one.
type headSeen struct{ length, encoding, kind, session, coding bool }

func (h *answerHead) line(line []byte, seen *headSeen) error {
	i := bytes.IndexByte(line, ':')
	if i < 1 || line[0] == ' ' || line[0] == '\t' || line[i-1] == ' ' || line[i-1] == '\t' {
		return errors.New("a malformed line in the head")
	}
	name, value := line[:i], bytes.Trim(line[i+1:], " \t")
	var mark *bool
	switch {
	case equalFold(name, "Content-Type"):
		mark, h.kind = &seen.kind, mediaTypeOf(value)
	case equalFold(name, "Content-Length"):
		mark = &seen.length
		n, ok := digits(value)
		if !ok {
			return fmt.Errorf("content length %q", value)
		}
		h.length = n
	case equalFold(name, "Transfer-Encoding"):
		mark, h.chunks = &seen.encoding, true
	case equalFold(name, "Content-Encoding"):
		mark = &seen.coding
		if !equalFold(value, "identity") {
			h.coding = string(value)
		}
	case equalFold(name, "Mcp-Session-Id"):
		mark, h.session = &seen.session, value
	case equalFold(name, "Connection"):
		h.last = h.last || namesClose(value)
	}
	if mark == nil {
		return nil
	}
	if *mark {
		return fmt.Errorf("header %q twice", name)
	}
	*mark = true
	return nil
}

func namesClose(value []byte) bool {
	for len(value) > 0 {
		option, rest, _ := bytes.Cut(value, []byte{','})
		if equalFold(bytes.Trim(option, " \t"), "close") {
			return true
		}
		value = rest
	}
	return false
}

func mediaTypeOf(value []byte) mediaType {
	if i := bytes.IndexByte(value, ';'); i >= 0 {
		value = bytes.TrimRight(value[:i], " \t")
	}
	switch {
	case equalFold(value, "application/json"):
		return jsonType
	case equalFold(value, "text/event-stream"):
		return streamType
	}
	return otherType
}

// check refuses answers that this client did not ask for.
func (h *answerHead) check() error {
	switch {
	case h.status >= 300 && h.status < 400:
		return fmt.Errorf("http status %d: redirects are not followed", h.status)
	case h.coding != "":
		return fmt.Errorf("content encoding %q was not asked for", h.coding)
	}
	return nil
}

// readPlain reads a body of so many bytes.
func readPlain(k *conn, room []byte, length int64, limit int) ([]byte, error) {
	if length > int64(limit) {
		return room, fasthttp.ErrBodyTooLarge
	}
	room = slices.Grow(room[:0], int(length))[:length]
	_, err := io.ReadFull(k.br, room)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return room, err
}

// readBody reads all of a body that is not a stream.
func readBody(k *conn, resp *fasthttp.Response, limit int) error {
	resp.StreamBody = false
	if code := resp.Header.StatusCode(); code == fasthttp.StatusNoContent {
		resp.ResetBody()
		return nil
	}
	if err := resp.ReadBody(k.br, limit); err != nil {
		return err
	}
	if resp.Header.ContentLength() != -1 {
		return nil
	}
	if err := resp.Header.ReadTrailer(k.br); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// drain reads what is left of an answer that nobody waits for. Where one that has begun ends is not known here.
func (k *conn) drain() {
	if k.begun {
		_, _ = io.Copy(io.Discard, k.sock)
		return
	}
	resp := new(fasthttp.Response)
	head, err := readHead(k, resp)
	switch {
	case err != nil, head.status == fasthttp.StatusNoContent, head.status == fasthttp.StatusNotModified:
	case head.plain():
		_, _ = io.CopyN(io.Discard, k.br, head.length)
	default:
		resp.StreamBody = true
		if resp.ReadBody(k.br, 0) == nil {
			_, _ = io.Copy(io.Discard, resp.BodyStream())
			_ = resp.CloseBodyStream()
		}
	}
}

func isSuccess(status int) bool { return status >= 200 && status < 300 }

// equalFold compares ASCII without case and without allocating.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
