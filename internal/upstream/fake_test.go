package upstream

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
)

// fake is an MCP server that does what the name of the called tool says.
type fake struct {
	die  func()        // ends the connection or the process
	gone chan struct{} // closed when nobody will answer any more

	mu        sync.Mutex
	cancelled []string
	answers   map[string]chan json.RawMessage
	state     string
}

type fakeMessage struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
		RequestID json.RawMessage `json:"requestId"`
		Meta      struct {
			Token json.RawMessage `json:"progressToken"`
		} `json:"_meta"`
	} `json:"params"`
	Result json.RawMessage `json:"result"`
}

func newFake(die func()) *fake {
	return &fake{die: die, gone: make(chan struct{}), answers: map[string]chan json.RawMessage{}}
}

func (f *fake) handle(m fakeMessage, send func(string)) {
	answer := func(result string) {
		send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result))
	}
	switch m.Method {
	case "":
		f.mu.Lock()
		ch := f.answers[string(m.ID)]
		f.mu.Unlock()
		if ch != nil {
			ch <- m.Result
		}
	case "initialize":
		answer(`{"protocolVersion":"2025-11-25"}`)
	case "notifications/cancelled":
		f.mu.Lock()
		f.cancelled = append(f.cancelled, string(m.Params.RequestID))
		f.mu.Unlock()
	case "subscriptions/listen":
		tag := `"_meta":{"io.modelcontextprotocol/subscriptionId":` + string(m.ID) + `}`
		send(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{` + tag + `}}`)
		send(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{` + tag + `}}`)
		answer(`{"resultType":"complete",` + tag + `}`)
	case "tools/call":
		f.call(m, send, answer)
	case "tools/list":
		answer(`{"tools":[]}`)
	}
}

func (f *fake) call(m fakeMessage, send func(string), answer func(string)) {
	switch m.Params.Name {
	case "echo":
		answer(string(m.Params.Arguments))
	case "progress":
		for i := range 2 {
			send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":%d,"vendor":1.0}}`, m.Params.Meta.Token, i))
		}
		answer(`"done"`)
	case "ask":
		ch := make(chan json.RawMessage, 1)
		f.mu.Lock()
		f.answers[`"ask-1"`] = ch
		f.mu.Unlock()
		send(`{"jsonrpc":"2.0","id":"ask-1","method":"roots/list"}`)
		select {
		case r := <-ch:
			answer(string(r))
		case <-f.gone:
		}
	case "set":
		f.mu.Lock()
		f.state = string(m.Params.Arguments)
		f.mu.Unlock()
		answer("true")
	case "state":
		f.mu.Lock()
		state, cancelled := f.state, strings.Join(f.cancelled, ",")
		f.mu.Unlock()
		answer(fmt.Sprintf(`{"state":%q,"cancelled":%q}`, state, cancelled))
	case "hang":
	case "crash":
		f.die()
	case "half":
		send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s}}`, m.Params.Meta.Token))
		f.die()
	case "big":
		answer(`"` + strings.Repeat("b", 1<<20) + `"`)
	case "noise":
		send("Listening on stdio...")
		send(`{"neither":"request nor answer"}`)
		send("")
		answer(`"quiet"`)
	case "lone":
		answer(`"\ud83d"`)
	case "log":
		send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"for the caller"}}`)
		answer(`"logged"`)
	}
}

// serveLines answers on newline-delimited JSON until r ends.
func serveLines(f *fake, r io.Reader, w io.Writer) {
	var mu sync.Mutex
	send := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(w, line+"\n")
	}
	in := bufio.NewReader(r)
	defer close(f.gone)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var m fakeMessage
		if err := json.Unmarshal(line, &m); err != nil {
			send(fmt.Sprintf(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":%q}}`, err))
			continue
		}
		if m.Method == "tools/call" {
			go f.handle(m, send)
			continue
		}
		f.handle(m, send)
	}
}
