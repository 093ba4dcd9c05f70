package bridge

import (
	"fmt"
	"strings"
)

// modern is the fake as a server of 2026-07-28.
func (f *fake) modern(t *turn, method string) string {
	switch method {
	case "server/discover":
		return `"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{},"extensions":{"io.modelcontextprotocol/tasks":{},"vendor/x":{}}},"instructions":"be kind","ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"new","version":"3"}}}`
	case "tools/list":
		f.mu.Lock()
		defer f.mu.Unlock()
		return fmt.Sprintf(`"result":{"resultType":"complete","ttlMs":5,"cacheScope":"public","tools":[{"name":"echo","inputSchema":%s},{"name":"bad","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}}]}`, f.schema)
	case "resources/read":
		return `"error":{"code":-32602,"message":"no such resource"}`
	case "subscriptions/listen":
		return f.listens(t)
	case "tools/call":
		return f.modernTool(t)
	case "tasks/get", "tasks/update", "tasks/cancel":
		return f.tasks26(t, method)
	}
	return unknown
}

// listens acknowledges, tells what the latest call of "change" has changed, and ends when the client goes.
func (f *fake) listens(t *turn) string {
	tag := `"_meta":{"` + metaSubscription + `":` + t.id + `}`
	uris := string(t.params.Path("notifications", "resourceSubscriptions").Raw())
	changed := make(chan string, 16)
	f.mu.Lock()
	f.listening[changed] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.listening, changed)
		f.mu.Unlock()
	}()
	t.send(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{` + tag + `,"notifications":` + string(t.params.Get("notifications").Raw()) + `}}`)
	for {
		select {
		case uri := <-changed:
			switch {
			case uri == "":
				t.send(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{` + tag + `}}`)
			case uri == "end":
				return `"result":{"resultType":"complete",` + tag + `}`
			case strings.HasPrefix(uri, "task:"):
				if id := uri[len("task:"):]; strings.Contains(string(t.params.Path("notifications", "taskIds").Raw()), `"`+id+`"`) {
					t.send(`{"jsonrpc":"2.0","method":"notifications/tasks","params":{` + task26(id, "working") + `,` + tag + `}}`)
				}
			case strings.Contains(uris, `"`+uri+`"`):
				t.send(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"` + uri + `",` + tag + `}}`)
			}
		case <-t.done:
			return ""
		}
	}
}

// change tells all who listen.
func (f *fake) change(uri string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.listening {
		select {
		case c <- uri:
		default:
		}
	}
}

func (f *fake) listeners() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.listening)
}

// modernTool carries out a call of the modern server.
func (f *fake) modernTool(t *turn) string {
	name := t.params.Get("name").Text()
	f.mu.Lock()
	region := ""
	if f.header != nil {
		region = f.header.Get("Mcp-Param-Region")
	}
	wanted := strings.Contains(f.schema, "x-mcp-header") && f.header != nil
	f.mu.Unlock()
	if wanted && region != t.params.Path("arguments", "region").Text() {
		return `"error":{"code":-32020,"message":"header mismatch"}`
	}
	f.mu.Lock()
	f.runs[name]++
	f.mu.Unlock()
	responses := t.params.Get("inputResponses")
	switch name {
	case "echo":
		return `"result":{"resultType":"complete","content":[],"structuredContent":` + string(t.params.Get("arguments").Raw()) + `,"_meta":{"vendor/x":1,"io.modelcontextprotocol/serverInfo":{"name":"new","version":"3"}}}`
	case "ask":
		if !responses.Exists() {
			return `"result":{"resultType":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{"mode":"url","url":"https://x.example/","message":"who?"}},"where":{"method":"roots/list"}},"requestState":"st\"ate"}`
		}
		return fmt.Sprintf(`"result":{"resultType":"complete","content":[],"structuredContent":{"state":%s,"responses":%s}}`, t.params.Get("requestState").Raw(), responses.Raw())
	case "job":
		if t.declares() {
			return `"result":{"resultType":"task",` + task26("job-1", "working") + `}`
		}
		return `"result":{"resultType":"complete","content":[{"type":"text","text":"at once"}]}`
	case "endless":
		return `"result":{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}`
	case "busy":
		return `"result":{"resultType":"input_required","requestState":"later"}`
	case "sample":
		return `"result":{"resultType":"input_required","inputRequests":{"a":{"method":"sampling/createMessage","params":{}}}}`
	case "chatty":
		token := string(t.params.Path("_meta", "progressToken").Raw())
		if token != "" {
			t.send(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":` + token + `,"progress":1}}`)
		}
		if level := t.params.Path("_meta", metaLogLevel); level.Exists() {
			t.send(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":` + string(level.Raw()) + `,"data":"x"}}`)
		}
		return `"result":{"resultType":"complete","content":[]}`
	case "slow":
		<-t.done
		f.mu.Lock()
		f.cancelled = append(f.cancelled, t.id)
		f.mu.Unlock()
		return ""
	}
	return `"error":{"code":-32602,"message":"unknown tool"}`
}
