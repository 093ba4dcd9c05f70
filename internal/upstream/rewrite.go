package upstream

import (
	"encoding/json"
	"strconv"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
)

const subscriptionKey = "io.modelcontextprotocol/subscriptionId"

// scan is what one rewriting needs, kept for the next.
type scan struct {
	doc   jsonscan.Doc
	edits jsonscan.Edits
}

// request gives a client's request an id and a progress token of our own:
// several clients share a peer, and theirs collide. It returns the message
// and copies of what was replaced; the token is nil if there was none.
func (s *scan) request(body []byte, key int64) (line, id, token []byte, err error) {
	s.edits.Reset()
	if err := s.doc.Scan(body, jsonscan.Options{}); err != nil {
		return nil, nil, nil, err
	}
	own := strconv.AppendInt(nil, key, 10)
	root := s.doc.Root()
	id = clone(root.Get("id").Raw())
	s.edits.Replace(root.Get("id"), own)
	if t := root.Path("params", "_meta", "progressToken"); t.Exists() {
		token = clone(t.Raw())
		s.edits.Replace(t, own)
	}
	return appendLine(root, &s.edits), id, token, nil
}

// plain is a message that needs no rewriting, as a line.
func (s *scan) plain(body []byte) ([]byte, error) {
	s.edits.Reset()
	if err := s.doc.Scan(body, jsonscan.Options{}); err != nil {
		return nil, err
	}
	return appendLine(s.doc.Root(), &s.edits), nil
}

// cancellation puts the id that find knows for the request in the place of the
// client's. It returns nil if find knows none.
func (s *scan) cancellation(body []byte, find func(id []byte) (int64, bool)) ([]byte, error) {
	s.edits.Reset()
	if err := s.doc.Scan(body, jsonscan.Options{}); err != nil {
		return nil, err
	}
	id := s.doc.Root().Path("params", "requestId")
	key, ok := find(id.Raw())
	if !ok {
		return nil, nil
	}
	s.edits.Replace(id, strconv.AppendInt(nil, key, 10))
	return appendLine(s.doc.Root(), &s.edits), nil
}

// appendLine emits root on one line: re-emission leaves no line break.
func appendLine(root jsonscan.Value, e *jsonscan.Edits) []byte {
	return append(root.AppendEdited(make([]byte, 0, len(root.Raw())+32), e), '\n')
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

// cancelLine tells a peer that nobody waits for request key any more.
func cancelLine(key int64, reason string) []byte {
	b := append([]byte(nil), `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`...)
	b = strconv.AppendInt(b, key, 10)
	b = append(b, `,"reason":`...)
	b = jsonscan.AppendQuote(b, reason)
	return append(b, "}}\n"...)
}

// refusalLine answers a peer's request that no client can be asked.
func refusalLine(id []byte) []byte {
	b := append([]byte(nil), `{"jsonrpc":"2.0","id":`...)
	b = append(b, id...)
	return append(b, `,"error":{"code":-32603,"message":"no client is there to ask"}}`+"\n"...)
}

// lenientID finds the request that an answer belongs to when the strict scan
// refuses the answer. It is good for failing that request and for nothing else.
func lenientID(line []byte) (int64, bool) {
	var m struct {
		ID     *int64          `json:"id"`
		Method json.RawMessage `json:"method"`
	}
	if json.Unmarshal(line, &m) != nil || m.ID == nil || m.Method != nil {
		return 0, false
	}
	return *m.ID, true
}
