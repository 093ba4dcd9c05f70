package audit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/seal"
)

// An Entry is a record as it was read back, with its place in the chain. Its strings don't alias the line.
type Entry struct {
	Seq    uint64
	Prev   string // hexadecimal SHA-256 of the line before
	Record Record
	Line   []byte // as it was written, opened if it can be, without its newline; of what Find found
}

// errNoRecord means a line is JSON but none that Append wrote.
var errNoRecord = errors.New("not a decision record")

// Read decodes one line, without its newline.
func Read(line []byte) (Entry, error) {
	var d jsonscan.Doc
	return read(&d, line)
}

func read(d *jsonscan.Doc, line []byte) (Entry, error) {
	if err := d.Scan(line, jsonscan.Options{Depth: maxNesting + 8}); err != nil {
		return Entry{}, err
	}
	v := d.Root()
	seq, ok := v.Get("seq").Int64()
	prev := str(v, "prev")
	kind := slices.Index(kindNames[:], str(v, "kind"))
	if !ok || seq < 1 || len(prev) != hex.EncodedLen(32) || kind < 1 {
		return Entry{}, errNoRecord
	}
	e := Entry{Seq: uint64(seq), Prev: prev}
	e.Record.Kind = Kind(kind)
	return e, e.Record.decode(v)
}

func (r *Record) decode(v jsonscan.Value) error {
	t, err := time.Parse(time.RFC3339Nano, str(v, "time"))
	if err != nil {
		return errNoRecord
	}
	r.Time = t
	if id := v.Get("decision_id"); id.Exists() {
		var ok bool
		if r.DecisionID, ok = ParseID(id.Text()); !ok {
			return errNoRecord
		}
	}
	for _, f := range r.strings() {
		*f.at = str(v, f.name)
	}
	p := v.Get("principal")
	r.PrincipalKind, r.PrincipalID, r.Issuer = str(p, "kind"), str(p, "id"), str(p, "issuer")
	if s := str(v, "mcp.session.id"); len(s) == len(r.Session) {
		copy(r.Session[:], s)
	}
	r.RequestID = bytes.Clone(v.Get("jsonrpc.request.id").Raw())
	r.Truncated, _ = v.Get("inputs_truncated").Bool()
	r.sealed(v.Get("sealed"))
	if now := v.Get("now"); now.Exists() {
		if r.Now, err = time.Parse(time.RFC3339Nano, now.Text()); err != nil {
			return errNoRecord
		}
	}
	r.decodeLists(v)
	r.decodePlugins(v)
	r.decodeAnswer(v)
	return nil
}

// strings lists the fields that stand in a line under a name of their own.
func (r *Record) strings() []struct {
	name string
	at   *string
} {
	return []struct {
		name string
		at   *string
	}{
		{"event", &r.Event},
		{"revision", &r.Revision},
		{"source.address", &r.SourceAddress},
		{"mcp.method.name", &r.Method},
		{"http.request.method", &r.HTTPMethod},
		{"mcp.protocol.version", &r.ProtocolVersion},
		{"server", &r.Server},
		{"server_version", &r.Version},
		{"mirror", &r.Mirror},
		{"gen_ai.tool.name", &r.Tool},
		{"tool_hash", &r.ToolHash},
		{"mcp.resource.uri", &r.Resource},
		{"gen_ai.prompt.name", &r.Prompt},
		{"phase", &r.Phase},
		{"effect", &r.Effect},
		{"policy", &r.Policy},
		{"rule", &r.Rule},
		{"reason", &r.Reason},
		{"message", &r.Message},
		{"cause", &r.Cause},
		{"limit", &r.Limit},
		{"cache", &r.Cache},
		{"not_replayable", &r.NotReplayable},
		{"trace_id", &r.TraceID},
		{"key", &r.Key},
		{"wrapped", &r.Wrapped},
	}
}

func (r *Record) decodeLists(v jsonscan.Value) {
	for s := range v.Get("shadow").Elems() {
		r.Shadow = append(r.Shadow, Shadow{str(s, "policy"), str(s, "rule"), str(s, "effect"), str(s, "reason")})
	}
	for name, value := range v.Get("inputs").Members() {
		r.Inputs = append(r.Inputs, Input{Name: strings.Clone(name.Text()), JSON: bytes.Clone(value.Raw())})
	}
	for name := range v.Get("absent").Elems() {
		r.Absent = append(r.Absent, strings.Clone(name.Text()))
	}
}

func (r *Record) decodeAnswer(v jsonscan.Value) {
	r.Remaining, r.Connections = number(v, "remaining"), number(v, "connections")
	r.Status = int(number(v, "http.response.status_code"))
	r.ErrorCode = number(v, "rpc.response.status_code")
	r.RequestBytes, r.ResponseBytes = number(v, "request_bytes"), number(v, "response_bytes")
	r.Decide, r.Upstream, r.Total = micros(v, "decide_us"), micros(v, "upstream_us"), micros(v, "total_us")
}

func str(v jsonscan.Value, name string) string { return strings.Clone(v.Get(name).Text()) }

func number(v jsonscan.Value, name string) int64 {
	n, _ := v.Get(name).Int64()
	return n
}

func micros(v jsonscan.Value, name string) time.Duration {
	if !v.Get(name).Exists() {
		return 0
	}
	d, err := time.ParseDuration(string(v.Get(name).Raw()) + "us")
	if err != nil {
		return 0
	}
	return d
}

// Find returns the records of a decision in the order they were written: of one that was let through its decision and its
// outcome. What is sealed in them is opened, unless o is nil. Lines that are no records are passed over; Verify is what judges them.
func Find(r io.Reader, id ID, o *seal.Opener) ([]Entry, error) {
	var u Unsealer
	var found []Entry
	want := []byte(`"decision_id":"` + id.String() + `"`)
	lines := newLines(r)
	for {
		line, err := lines.next()
		if err != nil {
			return found, noEnd(err)
		}
		if id.IsZero() || !bytes.Contains(line, want) {
			continue
		}
		open, opening := line, error(nil)
		if o != nil {
			open, opening = u.Unseal(o, line)
		}
		if e, err := Read(open); err == nil && e.Record.DecisionID == id {
			if opening != nil {
				return found, fmt.Errorf("record %d: %w", e.Seq, opening)
			}
			e.Line = bytes.Clone(open)
			found = append(found, e)
		}
	}
}

func noEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, errUnfinished) {
		return nil
	}
	return err
}

// lines reads lines of at most maxLine bytes.
type lines struct {
	r    *bufio.Reader
	long []byte
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 64<<10)} }

var (
	errUnfinished = errors.New("the line has no end")
	errTooLong    = fmt.Errorf("the line is longer than %d bytes", maxLine)
)

// next returns the next line without its newline, valid until the next call; io.EOF after the last.
func (l *lines) next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		switch {
		case err == nil && len(l.long) == 0:
			return part[:len(part)-1], nil
		case len(l.long)+len(part) > maxLine:
			return nil, errTooLong
		}
		l.long = append(l.long, part...)
		switch {
		case err == nil:
			return l.long[:len(l.long)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(l.long) > 0:
			return l.long, errUnfinished
		default:
			return nil, err
		}
	}
}
