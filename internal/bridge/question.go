package bridge

import (
	"crypto/rand"
	"strconv"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/carry"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// ask asks the client what the server wants to know, all of it or nothing.
func (r *rounds) ask() ([]byte, error) {
	if r.round++; r.round > maxRounds && (r.era == mcp.Modern || r.round > maxAsked) {
		return r.fail("The server asks for input again and again")
	}
	result := r.reply.Result
	r.state = nil
	if state := result.Get("requestState"); state.Exists() {
		r.state = state.AppendTo(nil)
	}
	var nonce [12]byte
	_, _ = rand.Read(nonce[:]) // never fails
	questions, events := map[string]string{}, [][]byte(nil)
	for in := range mcp.InputRequests(result) {
		if !r.cl.answers(&in) || len(questions) >= maxQuestions {
			return r.fail("The server asks for input that the client has not said it can give")
		}
		id := string(quoted("sallyport-" + carry.Encoding.EncodeToString(nonce[:]) + "-" + strconv.Itoa(len(questions))))
		questions[id] = string(in.Key.AppendText(nil))
		events = append(events, asked25(id, &in))
	}
	r.once.close() // all of its answer has been taken, and the client may need long
	if r.mode = asking; len(questions) == 0 {
		r.mode = pausing // the server has put it off
		return nil, nil
	}
	r.mu.Lock()
	r.open = questions
	r.mu.Unlock()
	r.a.memory.with(r.cl.ID, r.a.o.Now(), func(m *remembered) {
		if m.asking == nil {
			m.asking = map[string]*rounds{}
		}
		for id := range questions {
			m.asking[id] = r
		}
	})
	r.queue = events
	return nil, nil
}

func (cl *client) kinds() kinds { return kindsOf(cl.Capabilities) }

// answers says whether a client has declared that it can be asked this.
func (cl *client) answers(in *mcp.InputRequest) bool {
	switch in.Method {
	case "elicitation/create":
		if in.Params.Get("mode").TextIs("url") {
			return cl.kinds().url
		}
		return cl.kinds().form
	case "sampling/createMessage":
		return cl.kinds().sampling
	case "roots/list":
		return cl.kinds().roots
	}
	return false
}

// asked25 is the request that asks a client of before 2026-07-28. One to visit a URL has an id there.
func asked25(id string, in *mcp.InputRequest) []byte {
	b := append([]byte(`{"jsonrpc":"2.0","id":`+id+`,"method":`), quoted(in.Method)...)
	if in.Params.Exists() {
		var e jsonscan.Edits
		if in.Params.Get("mode").TextIs("url") && !in.Params.Get("elicitationId").Exists() {
			e.Set(in.Params, "elicitationId", []byte(id))
		}
		b = in.Params.AppendEdited(append(b, `,"params":`...), &e)
	}
	return append(b, '}')
}

// fail ends the request whose input can't be had: a tool's for its model to read.
func (r *rounds) fail(why string) ([]byte, error) {
	r.done = true
	if r.msg.Method != "tools/call" {
		return mcp.AppendError(nil, r.id, internalError, why, nil), nil
	}
	b := append(append([]byte(`{"jsonrpc":"2.0","id":`), r.id...), `,"result":{"content":[{"type":"text","text":`...)
	return append(append(b, quoted(why)...), `}],"isError":true}}`...), nil
}
