package bridge

import (
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// result translates the answer of the server, or begins another round.
func (r *rounds) result() ([]byte, error) {
	m := r.reply
	if m.Error.Exists() {
		code, _ := m.Error.Get("code").Int64()
		if code == headerMismatch && r.msg.Method == "tools/call" && !r.listed {
			r.listed = true // the server has not begun with it: its tool has headers that were not known
			r.once.close()
			r.a.relearn(r.cl, &r.sent)
			return nil, r.send()
		}
		return r.last(m), nil
	}
	switch kind := m.Result.Get("resultType"); {
	case mcp.InputRequired(m.Result):
		return r.ask()
	case kind.Exists() && !kind.TextIs("complete"):
		return r.fail("The server has given a result of a kind that this client can't be given")
	}
	r.strip(m.Result)
	return r.last(m), nil
}

// last gives the answer.
func (r *rounds) last(m *mcp.Message) []byte {
	r.done = true
	r.edits.Set(m.Root(), "id", r.id)
	if g := r.readInto; g != nil && m == g.Message {
		g.Done = true
		return r.data
	}
	r.once.out = m.AppendEdited(r.once.out[:0], r.edits)
	return r.once.out
}

// strip leaves out what results have only since 2026-07-28.
func (r *rounds) strip(result jsonscan.Value) {
	e := r.edits
	e.Remove(result.Get("resultType"))
	if spec := r.msg.Spec; spec != nil && spec.Cacheable {
		e.Remove(result.Get("ttlMs"))
		e.Remove(result.Get("cacheScope"))
	}
	if meta := result.Get("_meta"); meta.Get(metaServerInfo).Exists() {
		if meta.Len() == 1 {
			e.Remove(meta)
		} else {
			e.Remove(meta.Get(metaServerInfo))
		}
	}
	if r.msg.Method != "tools/list" {
		return
	}
	for c := result.Get("tools").Cursor(); c.Next(); {
		if r.a.learn(c.Value()); !r.a.headless && mcp.InvalidHeaderTool(c.Value()) {
			e.Remove(c.Value()) // which a client over HTTP has to do, and this one does not know
		}
	}
}
