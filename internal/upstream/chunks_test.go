package upstream

import (
	"bytes"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// pieces is read piece by piece; before each there is nothing yet.
type pieces struct {
	all  [][]byte
	none bool
	end  error
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.none = !p.none; p.none {
		return 0, mcp.ErrNotYet
	}
	if len(p.all) == 0 {
		return 0, p.end
	}
	n := copy(b, p.all[0])
	if p.all[0] = p.all[0][n:]; len(p.all[0]) == 0 {
		p.all = p.all[1:]
	}
	return n, nil
}

// readPieces reads all of a body, as often as it takes.
func readPieces(c *chunks, size int) (string, error) {
	var out []byte
	b := make([]byte, size)
	for {
		n, err := c.Read(b)
		out = append(out, b[:n]...)
		if err != nil && !errors.Is(err, mcp.ErrNotYet) {
			return string(out), err
		}
	}
}

// A body reads the same wherever it is cut, also by who reads it, and wherever what came with the head ends.
func TestChunksReadTheSameHoweverTheyCome(t *testing.T) {
	const body = "5\r\nhello\r\n1;name=\"value\"\r\n \r\n0B\r\nworld\r\n\r\n\r\n\r\n3  \r\nend\r\n000\r\nTrailer: one\r\nOther: two\r\n\r\n"
	const want = "hello world\r\n\r\n\r\nend"
	if whole, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(body))); string(whole) != want || err != nil {
		t.Fatalf("the body is %q, %v", whole, err)
	}
	for i := range len(body) + 1 {
		for j := i; j <= len(body); j++ {
			for _, size := range []int{1, 2, 512} {
				c := &chunks{rest: []byte(body[:i]), from: &pieces{all: [][]byte{[]byte(body[i:j]), []byte(body[j:])}, end: io.EOF}}
				if i == 0 {
					c.rest = nil
				}
				if got, err := readPieces(c, size); got != want || !errors.Is(err, io.EOF) {
					t.Fatalf("cut at %d and %d, read by %d: %q, %v", i, j, size, got, err)
				}
			}
		}
	}
}

func TestBodyThatIsCutOffIsNoEnd(t *testing.T) {
	const body = "5\r\nhello\r\n0\r\nA: b\r\n\r\n"
	for i := range len(body) {
		_, err := readPieces(&chunks{from: &pieces{all: [][]byte{[]byte(body[:i])}, end: io.EOF}}, 512)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %q: %v", body[:i], err)
		}
	}
}

func TestBrokenChunksAreRefused(t *testing.T) {
	long := strings.Repeat("x", maxChunkLine+1)
	for name, body := range map[string]string{
		"no size":             "\r\nhello\r\n",
		"only an extension":   ";a=b\r\nhello\r\n",
		"space first":         " 5\r\nhello\r\n",
		"no hex":              "5g\r\nhello\r\n",
		"negative":            "-5\r\nhello\r\n",
		"too large":           "80000000000000000\r\n",
		"larger than a file":  "8000000000000000\r\nx",
		"bare LF":             "5\nhello\r\n",
		"bare CR":             "5\rhello\r\n",
		"LF in an extension":  "5;a\nhello\r\n",
		"longer than said":    "5\r\nhello!\r\n",
		"data without its LF": "5\r\nhello\r5\r\n",
		"LF after the data":   "5\r\nhello\n5\r\n",
		"LF in a trailer":     "0\r\nA: b\n\r\n",
		"CR in a trailer":     "0\r\nA: b\rc\r\n",
		"long extension":      "5;" + long + "\r\nhello\r\n",
		"long trailer":        "0\r\n" + long + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readPieces(&chunks{from: &pieces{all: [][]byte{[]byte(body)}, end: io.EOF}}, 512)
			if !errors.Is(err, errChunk) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// What is sent is what is read.
func TestChunksKeepWhatTheyFrame(t *testing.T) {
	var body bytes.Buffer
	w := httputil.NewChunkedWriter(&body)
	var want []byte
	for i := range 300 {
		piece := bytes.Repeat([]byte{byte(i), '\r', '\n', '0'}, i*i%997+1)
		want = append(want, piece...)
		_, _ = w.Write(piece)
	}
	_ = w.Close()
	body.WriteString("\r\n")
	got, err := readPieces(&chunks{from: &pieces{all: [][]byte{body.Bytes()}, end: io.EOF}}, 777)
	if got != string(want) || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}
