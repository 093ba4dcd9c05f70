package load

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/bench/internal/hist"
	"github.com/sallyport-dev/sallyport/bench/internal/rawhttp"
	"github.com/sallyport-dev/sallyport/bench/internal/workload"
)

const (
	idDigits = 10
	// idsEach keeps the ids of two connections apart.
	idsEach = 10_000_000
	// afterFailure keeps a dead server from being asked as fast as a loop can.
	afterFailure = 5 * time.Millisecond
)

// worker is one connection. All it sends and expects is made beforehand; only the
// id's digits change.
type worker struct {
	url  *url.URL
	opts Options
	call workload.Call

	conn     net.Conn
	br       *bufio.Reader
	deadline time.Time

	request  []byte
	idAt     int
	want     []byte
	wantIDAt int
	learned  bool // want is as this server writes it
	id       uint64
	resp     rawhttp.Response
	data     []byte // the answer out of an event stream

	latency hist.Histogram
	calls   []Call // in the place of latency; nil: that is wanted
	errors  Errors
}

func newWorker(u *url.URL, o Options, index int) *worker {
	first := strconv.Itoa(workload.FirstID)
	w := &worker{url: u, opts: o, call: workload.NewCallOf(cmp.Or(o.Tool, workload.Tool), o.Era, o.Size), id: workload.FirstID + uint64(index)*idsEach}
	w.want = workload.AppendAnswer(nil, o.Era, []byte(first))
	if o.Lists > 0 {
		w.call, w.want = workload.NewList(), []byte(`{"jsonrpc":"2.0","id":`+first+`,"result":{`)
	}
	w.wantIDAt = bytes.Index(w.want, []byte(first))
	return w
}

// connect opens the connection, and the session where the era has one.
func (w *worker) connect() error {
	conn, err := net.DialTimeout("tcp", w.url.Host, w.opts.Timeout) //nolint:noctx // it has a timeout
	if err != nil {
		return err
	}
	w.conn, w.br, w.deadline = conn, bufio.NewReaderSize(conn, 32<<10), time.Time{}
	session := ""
	if w.opts.Era == workload.EraLegacy {
		if session, err = w.handshake(); err != nil {
			w.hangUp()
			return err
		}
	}
	head := w.head(session, w.call.Headers, len(w.call.Body))
	w.request = append(head, w.call.Body...)
	w.idAt = len(head) + w.call.IDAt
	return nil
}

func (w *worker) hangUp() {
	if w.conn != nil {
		w.conn.Close() //nolint:errcheck // nothing is lost: every answer was read
		w.conn = nil
	}
}

func (w *worker) head(session string, headers []string, length int) []byte {
	b := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n",
		w.url.RequestURI(), w.url.Host, workload.Key)
	for _, h := range headers {
		b = fmt.Appendf(b, "%s\r\n", h)
	}
	if session != "" {
		b = fmt.Appendf(b, "Mcp-Session-Id: %s\r\n", session)
	}
	return fmt.Appendf(b, "Content-Length: %d\r\n\r\n", length)
}

// handshake initializes a session and returns its id.
func (w *worker) handshake() (string, error) {
	const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + workload.Legacy +
		`","capabilities":{},"clientInfo":{"name":"duel","version":"1"}}}`
	const initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	if err := w.exchange("", nil, initialize, 200); err != nil {
		return "", fmt.Errorf("initialize: %w", err)
	}
	session := string(w.resp.Session)
	if err := w.exchange(session, w.call.Headers, initialized, 202); err != nil {
		return "", fmt.Errorf("notifications/initialized: %w", err)
	}
	return session, nil
}

func (w *worker) exchange(session string, headers []string, body string, status int) error {
	if err := w.conn.SetDeadline(time.Now().Add(w.opts.Timeout)); err != nil {
		return err
	}
	if _, err := w.conn.Write(append(w.head(session, headers, len(body)), body...)); err != nil {
		return err
	}
	if err := w.resp.Read(w.br); err != nil {
		return err
	}
	if w.resp.Status != status {
		return fmt.Errorf("status %d, want %d: %.200s", w.resp.Status, status, w.resp.Body)
	}
	return nil
}

// run sends requests as they are due.
func (w *worker) run(p pace) {
	for {
		from, ok := p.next()
		if !ok {
			return
		}
		if f := w.once(); f.kind != "" {
			w.errors.add(f)
			if w.conn == nil {
				time.Sleep(afterFailure)
			}
			continue
		}
		if took := time.Since(from); w.calls != nil {
			w.calls = append(w.calls, Call{from, took})
		} else {
			w.latency.Record(int64(took))
		}
	}
}

// once sends one request and reads its answer.
func (w *worker) once() failure {
	if w.conn == nil {
		if err := w.connect(); err != nil {
			return failureOf("connect", err)
		}
	}
	if n := w.br.Buffered(); n > 0 {
		w.hangUp()
		return failure{"unasked", fmt.Sprintf("%d bytes that nobody asked for", n)}
	}
	w.id++
	putID(w.request[w.idAt:], w.id)
	putID(w.want[w.wantIDAt:], w.id)
	if err := w.send(); err != nil {
		w.hangUp()
		return failureOf("answer", err)
	}
	f := w.check()
	if w.resp.Close {
		w.hangUp()
	}
	return f
}

func (w *worker) send() error {
	// A deadline a second old is still in time; moving it costs more than looking.
	if now := time.Now(); now.Sub(w.deadline) > time.Second {
		if err := w.conn.SetDeadline(now.Add(w.opts.Timeout)); err != nil {
			return err
		}
		w.deadline = now
	}
	if _, err := w.conn.Write(w.request); err != nil {
		return err
	}
	return w.resp.Read(w.br)
}

// check compares the answer with the one expected.
func (w *worker) check() failure {
	if w.resp.Status != 200 {
		return failure{"status " + strconv.Itoa(w.resp.Status), string(w.resp.Body)}
	}
	answer := w.resp.Body
	switch kind, _, _ := strings.Cut(string(w.resp.Type), ";"); kind {
	case "application/json":
	case "text/event-stream":
		w.data = appendData(w.data[:0], answer)
		answer = w.data
	default:
		return failure{"content type", string(w.resp.Type)}
	}
	if bytes.Equal(answer, w.want) || w.opts.Lists > 0 && w.isList(answer) {
		return failure{}
	}
	if w.opts.Rewritten && !w.learned && w.learn(answer) {
		return failure{}
	}
	if len(answer) == len(w.want) && bytes.HasPrefix(answer, w.want[:w.wantIDAt]) && bytes.HasSuffix(answer, w.want[w.wantIDAt+idDigits:]) {
		return failure{"wrong id", string(answer)}
	}
	if bytes.Contains(answer, []byte(`"error":`)) {
		return failure{"JSON-RPC error", string(answer)}
	}
	return failure{"garbled", string(answer)}
}

// isList says whether an answer is the first list that came on this connection, but for how long it holds; whether it has all tools, if
// it is the first.
func (w *worker) isList(answer []byte) bool {
	list, _, ok := bytes.Cut(answer, []byte(`"ttlMs":`))
	switch {
	case !ok:
		return false
	case w.learned:
		return bytes.Equal(list, w.want)
	case !bytes.HasPrefix(list, w.want) || bytes.Count(list, []byte(`"inputSchema":`)) != w.opts.Lists:
		return false
	}
	w.want, w.learned = bytes.Clone(list), true
	return true
}

// learn takes answer as the way to write the one expected, if it says the same.
func (w *worker) learn(answer []byte) bool {
	at := bytes.Index(answer, w.want[w.wantIDAt:w.wantIDAt+idDigits])
	if at < 0 || !same(answer, w.want) {
		return false
	}
	w.want, w.wantIDAt, w.learned = bytes.Clone(answer), at, true
	return true
}

// same tells whether two answers say the same.
func same(a, b []byte) bool {
	x, errX := meaning(a)
	y, errY := meaning(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// meaning is an answer without the member that says no more than its absence.
func meaning(answer []byte) (map[string]any, error) {
	var m map[string]any
	if err := json.Unmarshal(answer, &m); err != nil {
		return nil, err
	}
	if result, ok := m["result"].(map[string]any); ok && result["isError"] == false {
		delete(result, "isError")
	}
	return m, nil
}

// appendData appends the data of all events of a stream.
func appendData(dst, stream []byte) []byte {
	for line := range bytes.Lines(stream) {
		if data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:")); ok {
			dst = append(dst, bytes.TrimPrefix(data, []byte(" "))...)
		}
	}
	return dst
}

func putID(dst []byte, id uint64) {
	for i := idDigits - 1; i >= 0; i-- {
		dst[i] = byte('0' + id%10)
		id /= 10
	}
}
