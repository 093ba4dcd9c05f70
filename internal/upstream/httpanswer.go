package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

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

// readHead reads the head of the final answer. fasthttp parses it, but only
// after checkHead has refused what fasthttp would read its own way.
func readHead(k *conn, resp *fasthttp.Response) error {
	for range maxInterim {
		if _, err := k.br.Peek(1); err != nil {
			return fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		head, err := peekHead(k.br)
		if err != nil {
			return err
		}
		if err := checkHead(head); err != nil {
			return err
		}
		if err := resp.Header.Read(k.br); err != nil {
			return err
		}
		switch code := resp.Header.StatusCode(); {
		case code == fasthttp.StatusSwitchingProtocols:
			return errors.New("the server switches protocols")
		case code < 100:
			return fmt.Errorf("http status %d", code)
		case code >= 200:
			return nil
		}
	}
	return errors.New("too many interim answers")
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

// checkHead refuses heads that two readers could take for different answers:
// folded lines, bare line feeds, blanks before a colon, both or several of the
// framing headers, several of a header that decides something here.
func checkHead(head []byte) error {
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 ")) && !bytes.HasPrefix(head, []byte("HTTP/1.0 ")) {
		return errors.New("not an http/1 answer")
	}
	var seen headSeen
	for first := true; ; first = false {
		i := bytes.IndexByte(head, '\n')
		if i < 1 || head[i-1] != '\r' {
			return errors.New("a bare line feed in the head")
		}
		line := head[:i-1]
		head = head[i+1:]
		if len(line) == 0 {
			break
		}
		if first {
			continue
		}
		if err := seen.line(line); err != nil {
			return err
		}
	}
	if seen.length && seen.encoding {
		return errors.New("both Content-Length and Transfer-Encoding")
	}
	return nil
}

type headSeen struct{ length, encoding, kind, session, coding bool }

func (s *headSeen) line(line []byte) error {
	i := bytes.IndexByte(line, ':')
	if i < 1 || line[0] == ' ' || line[0] == '\t' || line[i-1] == ' ' || line[i-1] == '\t' {
		return errors.New("a malformed line in the head")
	}
	var mark *bool
	switch name := line[:i]; len(name) {
	case len("Content-Type"):
		mark = s.pick(name, "Content-Type", &s.kind)
	case len("Content-Length"): // also the length of Mcp-Session-Id
		mark = s.pick(name, "Content-Length", &s.length)
		if mark == nil {
			mark = s.pick(name, "Mcp-Session-Id", &s.session)
		}
	case len("Content-Encoding"):
		mark = s.pick(name, "Content-Encoding", &s.coding)
	case len("Transfer-Encoding"):
		mark = s.pick(name, "Transfer-Encoding", &s.encoding)
	}
	if mark == nil {
		return nil
	}
	if *mark {
		return fmt.Errorf("header %q twice", line[:i])
	}
	*mark = true
	return nil
}

func (*headSeen) pick(name []byte, want string, mark *bool) *bool {
	if equalFold(name, want) {
		return mark
	}
	return nil
}

// checkAnswer refuses answers that this client did not ask for.
func checkAnswer(h *fasthttp.ResponseHeader) error {
	if code := h.StatusCode(); code >= 300 && code < 400 {
		return fmt.Errorf("http status %d: redirects are not followed", code)
	}
	if enc := h.ContentEncoding(); len(enc) > 0 && !equalFold(enc, "identity") {
		return fmt.Errorf("content encoding %q was not asked for", enc)
	}
	return nil
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

func isSuccess(status int) bool { return status >= 200 && status < 300 }

// isMediaType compares without parameters and case.
func isMediaType(value []byte, want string) bool {
	if i := bytes.IndexByte(value, ';'); i >= 0 {
		value = value[:i]
	}
	return equalFold(bytes.TrimRight(value, " \t"), want)
}

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
