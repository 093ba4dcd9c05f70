package bridge

import (
	"bytes"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// client is a client of before 2026-07-28 on a server that knows no sessions. Its session id says all of it that does not change.
type client mcp.Session

// clientOf reads a session id, unless it has been; nil if it is none of ours.
func clientOf(id string, seat *mcp.Session) *client {
	if seat == nil {
		if seat = new(mcp.Session); !seat.Read(id) {
			return nil
		}
	}
	return (*client)(seat)
}

// memory is what has to be remembered of clients, each for as long as there is something. What does not fit any more is forgotten,
// and so it is at the end of the process: a level, subscriptions, and that a session was ended.
type memory struct {
	mu      sync.Mutex
	clients map[string]*remembered
}

// remembered is what one client has set, and what is under way for it.
type remembered struct {
	used      time.Time
	over      bool // the client has ended its session
	level     string
	resources []string           // subscribed to
	asking    map[string]*rounds // its requests that wait for an answer of it, by the id of the question
	radio     *radio             // its GET stream; nil if there is none
}

// maxClients bounds those that something is remembered of.
const maxClients = 16 << 10

// with runs f on what is remembered of a client, and says whether its session is still on. f must not block.
func (m *memory) with(id string, now time.Time, f func(r *remembered)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.clients[id]
	if r == nil {
		r = &remembered{}
	}
	if r.over {
		return false
	}
	r.used = now
	f(r)
	switch {
	case r.idle() && !r.over && r.level == "" && len(r.resources) == 0:
		delete(m.clients, id)
	case m.clients[id] == nil:
		if len(m.clients) >= maxClients {
			m.forget()
		}
		m.clients[id] = r
	}
	return true
}

// look says which level a client has set, "" for none, and whether its session is still on.
func (m *memory) look(id string, now func() time.Time) (level string, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.clients[id]
	if r == nil {
		return "", true
	}
	if !r.over {
		r.used = now()
	}
	return r.level, !r.over
}

func (r *remembered) idle() bool { return len(r.asking) == 0 && r.radio == nil }

// forget makes room: of a few clients for whom nothing is under way the one that was away longest.
func (m *memory) forget() {
	oldest, looked := "", 0
	for id, r := range m.clients { // in no order
		if r.idle() && (oldest == "" || r.used.Before(m.clients[oldest].used)) {
			oldest = id
		}
		if looked++; looked >= 16 && oldest != "" {
			break
		}
	}
	delete(m.clients, oldest)
}

// initialize answers the handshake with what the server says of itself.
func (a *Adapter) initialize(c *upstream.Call) error {
	var m mcp.Message
	if r := m.Decode(c.Body, jsonscan.Options{}); r != nil {
		return reject(c, 200, c.ID, r.Code, r.Message)
	}
	version := m.Params.Get("protocolVersion").Text()
	if r := mcp.LookupRevision(version); r == nil || r.Era != mcp.Legacy {
		version = mcp.Versions(mcp.Legacy)[0]
	}
	id := mcp.NewSession(version, mcp.BridgedCapabilities(m.Params.Get("capabilities")), m.Params.Get("clientInfo"))
	cl := clientOf(id, nil)
	if cl == nil {
		return reject(c, 200, c.ID, invalidParams, "Invalid params: the capabilities are too much to be carried")
	}
	answer, err := a.query(cl, "server/discover", nil, c)
	if err != nil {
		return err
	}
	var doc jsonscan.Doc
	if err := doc.Scan(answer, jsonscan.Options{}); err != nil {
		return a.fail(upstream.Protocol, err)
	}
	result := doc.Root().Get("result")
	if result.Kind() != jsonscan.Object {
		var e jsonscan.Edits
		e.Set(doc.Root(), "id", c.ID)
		return reply(c, 200, doc.Root().AppendEdited(nil, &e))
	}
	c.ReplySession = id
	return reply(c, 200, a.initialized(c.ID, version, result))
}

// initialized is the answer to initialize.
func (a *Adapter) initialized(id []byte, version string, result jsonscan.Value) []byte {
	b := append(append([]byte(`{"jsonrpc":"2.0","id":`), id...), `,"result":{"protocolVersion":`...)
	b = append(append(append(b, quoted(version)...), `,"capabilities":`...), offered(result.Get("capabilities"), false)...)
	b = append(b, `,"serverInfo":`...)
	if info := result.Path("_meta", metaServerInfo); info.Kind() == jsonscan.Object {
		b = info.AppendTo(b)
	} else {
		b = append(append(append(b, `{"name":`...), quoted(a.o.Name)...), `,"version":"0"}`...)
	}
	if text := result.Get("instructions"); text.Exists() {
		b = text.AppendTo(append(b, `,"instructions":`...))
	}
	return append(b, "}}"...)
}

// query sends a request of our own to a server of 2026-07-28, and gives its answer.
func (a *Adapter) query(cl *client, method string, params []byte, on *upstream.Call) ([]byte, error) {
	var c upstream.Call
	defer c.Close()
	body := append(append([]byte(`{"jsonrpc":"2.0","id":1,"method":`), quoted(method)...), `,"params":{`...)
	if len(params) > 0 {
		body = append(append(body, params...), ',')
	}
	body = cl.appendMeta(append(body, `"_meta":`...), jsonscan.Value{}, "")
	if err := a.fill(&c, append(body, "}}"...)); err != nil {
		return nil, err
	}
	c.Owner, c.Start, c.Deadline = on.Owner, on.Start, a.due(on)
	if err := a.inner.Do(&c); err != nil {
		return nil, err
	}
	head := answerHead{c.Status, c.Reply}
	if err := head.check(); err != nil {
		return nil, a.fail(upstream.Unavailable, err)
	}
	answer, err := a.whole(&c)
	if err != nil {
		return nil, err
	}
	var m mcp.Message
	if r := m.DecodeServer(answer, jsonscan.Options{}); r != nil {
		return nil, a.fail(upstream.Protocol, refusalError(*r))
	}
	if m.Kind != mcp.KindResponse {
		return nil, a.fail(upstream.Protocol, errOther)
	}
	if err := checkAnswer(&m, c.ID, &head); err != nil {
		return nil, a.fail(upstream.Protocol, err)
	}
	return bytes.Clone(answer), nil
}

// fill makes body, a request of 2026-07-28, what c sends, under the headers that mirror it.
func (a *Adapter) fill(c *upstream.Call, body []byte) error {
	var m mcp.Message
	if r := m.Decode(body, jsonscan.Options{}); r != nil {
		return a.fail(upstream.Protocol, refusalError(*r))
	}
	c.Body, c.Method, c.ID, c.Modern = body, m.Method, m.ID, true
	c.Progress = m.ProgressToken.Raw()
	a.mirror(c, &m)
	return nil
}

// mirror adds the headers that mirror m in 2026-07-28.
func (a *Adapter) mirror(c *upstream.Call, m *mcp.Message) {
	var params []mcp.HeaderParam
	if m.Method == "tools/call" {
		params = a.mirrored(m.Name)
	}
	var room [8]mcp.Header
	for _, h := range m.AppendParams(m.AppendHeadersOf(room[:0], mcp.FirstModern), params) {
		c.Header = append(c.Header, upstream.Field(h))
	}
}

// firstModern is the revision in JSON.
var firstModern = quoted(mcp.FirstModern)

// appendMeta appends what every request of 2026-07-28 says of its client, behind what own, the _meta that a request has, says beside that.
func (cl *client) appendMeta(dst []byte, own jsonscan.Value, level string) []byte {
	b := append(dst, '{')
	for c := own.Cursor(); c.Next(); {
		switch c.Name().Text() {
		case metaVersion, metaCapabilities, metaClientInfo:
			continue
		case metaLogLevel:
			if level != "" {
				continue
			}
		}
		b = append(c.Value().AppendTo(append(c.Name().AppendTo(b), ':')), ',')
	}
	b = append(append(append(b, `"`+metaVersion+`":`...), firstModern...), `,"`+metaCapabilities+`":`...)
	b = cl.Info.AppendTo(append(cl.Capabilities.AppendTo(b), `,"`+metaClientInfo+`":`...))
	if level != "" {
		b = jsonscan.AppendQuote(append(b, `,"`+metaLogLevel+`":`...), level)
	}
	return append(b, '}')
}
