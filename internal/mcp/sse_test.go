package mcp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func show(e Event) string {
	var b strings.Builder
	for _, f := range []struct {
		name  string
		value []byte
	}{{"comment", e.Comment}, {"event", e.Name}, {"id", e.ID}, {"retry", e.Retry}, {"data", e.Data}} {
		if f.value != nil {
			b.WriteString(f.name + "=" + strconv.Quote(string(f.value)) + " ")
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

// events reads all of r, and ends with the error.
func events(r *EventReader) []string {
	var out []string
	for {
		e, err := r.Next()
		if err != nil {
			return append(out, err.Error())
		}
		out = append(out, show(e))
	}
}

var streams = []struct {
	name, stream string
	want         []string
}{
	{"nothing", "", []string{"EOF"}},
	{"one event", "data: a\n\n", []string{`data="a"`, "EOF"}},
	{"no space", "data:a\n\n", []string{`data="a"`, "EOF"}},
	{"one space goes", "data:  a \n\n", []string{`data=" a "`, "EOF"}},
	{"all fields", "event: message\nid: 7\nretry: 1093\ndata: {}\n\n", []string{`event="message" id="7" retry="1093" data="{}"`, "EOF"}},
	{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", []string{`data="a"`, `data="b"`, "EOF"}},
	{"CR", "data: a\r\rdata: b\r\r", []string{`data="a"`, `data="b"`, "EOF"}},
	{"all line endings", "data: a\rdata: b\ndata: c\r\n\n", []string{`data="a\nb\nc"`, "EOF"}},
	{"CR CRLF ends an event", "data: a\r\r\n", []string{`data="a"`, "EOF"}},
	{"blank lines between", "\n\r\n\rdata: a\n\n\n\n", []string{`data="a"`, "EOF"}},
	{"several data lines", "data: a\nid: 7\ndata: \ndata\nevent: x\ndata: longer than before\n\n", []string{`event="x" id="7" data="a\n\n\nlonger than before"`, "EOF"}},
	{"a priming event", "id: 1\ndata:\n\n", []string{`id="1" data=""`, "EOF"}},
	{"a priming event without data", "id: 1\nretry: 5\n\n", []string{`id="1" retry="5"`, "EOF"}},
	{"an empty id", "id\ndata: a\n\n", []string{`id="" data="a"`, "EOF"}},
	{"an id with a NUL", "id: a\x00\ndata: a\n\n", []string{`data="a"`, "EOF"}},
	{"the last id counts", "id: 1\nid: 2\ndata: a\n\n", []string{`id="2" data="a"`, "EOF"}},
	{"a retry that is no number", "retry: 1s\nretry:\ndata: a\n\n", []string{`data="a"`, "EOF"}},
	{"unknown fields", "Data: x\ndatum: y\nx\n\ndata: a\n\n", []string{`data="a"`, "EOF"}},
	{"comments", ": ping\n\n:\r\ndata: a\n: inside\n\n: end\n", []string{`comment="ping"`, `comment=""`, `data="a"`, `comment="end"`, "EOF"}},
	{"a byte order mark", "\ufeffdata: a\n\n\ufeffdata: b\n\n", []string{`data="a"`, "EOF"}},
	{"UTF-8", "data: wétter 世界 \U0001f600\n\n", []string{`data="wétter 世界 😀"`, "EOF"}},
	{"an unfinished event", "data: a\n\ndata: b\n", []string{`data="a"`, "unexpected EOF"}},
	{"an unfinished line", "data: a\n\ndat", []string{`data="a"`, "unexpected EOF"}},
	{"an unfinished line of one CR", "data: a\n\nid: 1\r", []string{`data="a"`, "unexpected EOF"}},
}

func TestEventReader(t *testing.T) {
	for _, tt := range streams {
		t.Run(tt.name, func(t *testing.T) {
			r := NewEventReader(strings.NewReader(tt.stream), 0)
			r.Comments = true
			if diff := cmp.Diff(tt.want, events(r)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestEventReaderDoesNotDependOnReadSizes(t *testing.T) {
	for _, tt := range streams {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"byte by byte": iotest.OneByteReader, "halves": iotest.HalfReader, "data with the end": iotest.DataErrReader,
		} {
			for _, small := range []bool{false, true} {
				r := NewEventReader(wrap(strings.NewReader(tt.stream)), 0)
				r.Comments, r.Small = true, small
				if diff := cmp.Diff(tt.want, events(r)); diff != "" {
					t.Errorf("%s, %s: (-want +got)\n%s", tt.name, name, diff)
				}
			}
		}
	}
}

func TestEventReaderSkipsCommentsUnlessAsked(t *testing.T) {
	r := NewEventReader(strings.NewReader(": a\n\n: b\ndata: c\n\n: d\n"), 0)
	if diff := cmp.Diff([]string{`data="c"`, "EOF"}, events(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEventReaderGivesAnEventWithItsLastByte(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\r", "\r\n\r"} {
		pr, pw := io.Pipe()
		go func() { _, _ = pw.Write([]byte("data: a" + end)) }()
		e, err := NewEventReader(pr, 0).Next() // would wait for ever for another byte
		if err != nil || string(e.Data) != "a" {
			t.Errorf("%q: %q, %v", end, e.Data, err)
		}
		pr.Close()
	}
}

// endless counts what is read of a line that doesn't end.
type endless struct {
	text string
	read int
}

func (r *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		n += copy(p[n:], r.text)
	}
	r.read += n
	return n, nil
}

func TestEventReaderBoundsAnEvent(t *testing.T) {
	const limit = 100 << 10
	for _, text := range []string{"a", "data: a\n", "data\r", "event: a\n", "x: y\n", "id: 1\n: comment\n"} {
		src := &endless{text: text}
		r := NewEventReader(src, limit)
		_, err := r.Next()
		if !errors.Is(err, ErrEventTooLarge) {
			t.Errorf("%q: %v, want %v", text, err, ErrEventTooLarge)
		}
		if _, again := r.Next(); !errors.Is(again, ErrEventTooLarge) {
			t.Errorf("%q: the error is not final: %v", text, again)
		}
		if src.read > 2*limit || cap(r.buf) > 2*limit {
			t.Errorf("%q: read %d bytes into a buffer of %d for a limit of %d", text, src.read, cap(r.buf), limit)
		}
	}
}

func TestEventReaderBoundsExactly(t *testing.T) {
	for size, want := range map[int]string{21: `data="12345678901234"`, 20: ErrEventTooLarge.Error()} {
		got := events(NewEventReader(strings.NewReader("data:12345678901234\n\n"), size))[0]
		if got != want {
			t.Errorf("limit %d: %s, want %s", size, got, want)
		}
	}
}

func TestEventReaderBoundsFields(t *testing.T) {
	for _, field := range []string{"id", "event", "retry", ""} {
		long := field + ": " + strings.Repeat("1", maxField+1) + "\n\n"
		r := NewEventReader(strings.NewReader(long), 0)
		r.Comments = true
		if got := events(r)[0]; got != ErrEventTooLarge.Error() {
			t.Errorf("%q: %.40s, want %v", field, got, ErrEventTooLarge)
		}
	}
}

func TestEventReaderPassesOnErrors(t *testing.T) {
	broken := errors.New("broken")
	r := NewEventReader(io.MultiReader(strings.NewReader("data: a\n\n"), iotest.ErrReader(broken)), 0)
	if diff := cmp.Diff([]string{`data="a"`, "broken"}, events(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := events(NewEventReader(stuck{}, 0))[0]; got != io.ErrNoProgress.Error() {
		t.Errorf("a reader that reads nothing: %s", got)
	}
}

// A small reader holds little between events, whatever has come before.
func TestSmallEventReaderHoldsLittle(t *testing.T) {
	for _, size := range []int{100, 20 << 10} {
		r := NewEventReader(io.MultiReader(strings.NewReader("data: "+strings.Repeat("a", size)+"\n\n"), iotest.ErrReader(ErrNotYet)), 0)
		r.Small = true
		if e, err := r.Next(); err != nil || len(e.Data) != size {
			t.Fatalf("%d bytes, %v", len(e.Data), err)
		}
		if _, err := r.Next(); !errors.Is(err, ErrNotYet) || cap(r.buf) > fewBuffer {
			t.Errorf("a buffer of %d bytes after an event of %d, %v", cap(r.buf), size, err)
		}
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestEventReaderResetForgets(t *testing.T) {
	r := NewEventReader(strings.NewReader("id: 1\nevent: x\ndata: "+strings.Repeat("a", 2*keepBuffer)+"\n\ndata: b\r"), 0)
	if got := events(r); got[len(got)-1] != "unexpected EOF" {
		t.Fatal(got)
	}
	r.Reset(strings.NewReader("\ndata: c\n\n"), 0)
	if cap(r.buf) > keepBuffer {
		t.Errorf("a buffer of %d bytes is kept", cap(r.buf))
	}
	if diff := cmp.Diff([]string{`data="c"`, "EOF"}, events(r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAppendEvent(t *testing.T) {
	for _, tt := range []struct {
		event Event
		want  string
	}{
		{Event{}, "\n"},
		{Event{Data: []byte("a")}, "data: a\n\n"},
		{
			Event{ID: []byte("1"), Name: []byte("message"), Retry: []byte("5"), Data: []byte("a\nb\r\nc\rd\n")},
			"event: message\nid: 1\nretry: 5\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n",
		},
		{Event{ID: []byte{}, Data: []byte{}}, "id: \ndata: \n\n"},
		{Event{ID: []byte("a\ndata: b"), Name: []byte("a\rb"), Retry: []byte("1s"), Data: []byte("x")}, "data: x\n\n"},
		{Event{ID: []byte("a\x00"), Data: []byte("x")}, "data: x\n\n"},
		{Event{Comment: []byte("ping")}, ": ping\n\n"},
		{Event{Comment: []byte("a\n\ndata: b")}, "\n"},
	} {
		if got := string(AppendEvent(nil, tt.event)); got != tt.want {
			t.Errorf("%s: %q, want %q", show(tt.event), got, tt.want)
		}
	}
}

// FuzzEventReader: what is read does not depend on how it arrives, and an event
// that is written reads as it was.
func FuzzEventReader(f *testing.F) {
	for _, tt := range streams {
		f.Add([]byte(tt.stream), uint8(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		whole := NewEventReader(bytes.NewReader(stream), 200)
		whole.Comments = true
		pieces := NewEventReader(&chunks{stream, int(size)%7 + 1}, 200)
		pieces.Comments, pieces.Small = true, size&1 == 1
		for {
			a, errA := whole.Next()
			b, errB := pieces.Next()
			if !errors.Is(errA, errB) || show(a) != show(b) {
				t.Fatalf("%q: %s %v in one piece, %s %v in several", stream, show(a), errA, show(b), errB)
			}
			if errA != nil {
				return
			}
			again := NewEventReader(bytes.NewReader(AppendEvent(nil, a)), 0)
			again.Comments = true
			c, err := again.Next()
			if err != nil || show(c) != show(a) {
				t.Fatalf("%q: %s was written and read as %s, %v", stream, show(a), show(c), err)
			}
		}
	})
}

// chunks reads a few bytes at a time.
type chunks struct {
	rest []byte
	size int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(c.size, len(c.rest))])
	c.rest = c.rest[n:]
	return n, nil
}

// halting gives what there is piece by piece, and before each says that there is nothing yet.
type halting struct {
	all  []string
	none bool
}

func (h *halting) Read(b []byte) (int, error) {
	if h.none = !h.none; h.none {
		return 0, ErrNotYet
	}
	if len(h.all) == 0 {
		return 0, io.EOF
	}
	n := copy(b, h.all[0])
	if h.all[0] = h.all[0][n:]; h.all[0] == "" {
		h.all = h.all[1:]
	}
	return n, nil
}

// A stream reads the same wherever there is nothing for a while, and whoever reads on between two events.
func TestEventsAreTheSameAfterARest(t *testing.T) {
	const stream = "\xef\xbb\xbfdata: one\r\nid: 1\r\n\r\n: comment\n\ndata: two\rdata: more\r\rretry: 5\n\nevent: x\ndata: three\n\n"
	want := []string{"one|1|||", "two\nmore||||", "|||5|", "three||x||"}
	for i := range len(stream) + 1 {
		for j := i; j <= len(stream); j++ {
			from := &halting{all: []string{stream[:i], stream[i:j], stream[j:]}}
			r := NewEventReader(from, 0)
			var got []string
			for {
				e, err := r.Next()
				if errors.Is(err, ErrNotYet) {
					if at, ok := r.At(); ok {
						r = new(EventReader)
						r.Continue(from, 0, at)
					}
					continue
				}
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Fatal(err)
					}
					break
				}
				got = append(got, fmt.Sprintf("%s|%s|%s|%s|%s", e.Data, e.ID, e.Name, e.Retry, e.Comment))
			}
			if !slices.Equal(got, want) {
				t.Fatalf("cut at %d and %d: %q", i, j, got)
			}
		}
	}
}

// Where some of an event has been read nobody else can go on.
func TestReaderStopsBetweenEvents(t *testing.T) {
	for part, between := range map[string]bool{"": true, "data: x\n\n": true, ": c\n\n": true, "\n": true, "d": false, "data: x": false, "data: x\n": false, ":": false, "data: x\r\n\r": true} {
		r := NewEventReader(&halting{all: []string{part}, none: true}, 0)
		var err error
		for err == nil {
			_, err = r.Next()
		}
		if _, ok := r.At(); ok != between || !errors.Is(err, ErrNotYet) && part != "" {
			t.Errorf("after %q: %v, %v", part, ok, err)
		}
	}
	r := NewEventReader(strings.NewReader("data: x\n\n"), 0)
	_, _ = r.Next()
	if _, ok := r.At(); ok {
		t.Error("between events, but there may be more to read")
	}
}
