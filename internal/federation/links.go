package federation

import (
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/mcp"
)

// EditReply rewrites the URIs and ids of tasks in what a server has said, so that clients can use them: those of links and embedded resources in
// results and in what a result asks of the client, of the contents that were read, of an error, and of news. Text is nobody's to rewrite. asked is
// the client's request, and task gives the id by which the client knows a task.
func EditReply(server string, asked, m *mcp.Message, task func(own string) string, e *jsonscan.Edits) {
	switch m.Kind {
	case mcp.KindResponse:
		editURI(server, m.Error.Path("data", "uri"), e)
		editResult(server, m.Result, task, e)
		editTasks(asked, m.Result, task, e)
		if taskMethod(asked) {
			editOutcome(server, m.Result, task, e)
		}
	case mcp.KindNotification:
		switch {
		case m.Target == mcp.TargetResource:
			editURI(server, m.Params.Get("uri"), e)
		case m.Method == "notifications/tasks", m.Method == "notifications/tasks/status":
			editTask(m.Params.Get("taskId"), task, e)
			editOutcome(server, m.Params, task, e)
			editRequests(server, m.Params, task, e)
		}
		editRelated(m.Params.Get("_meta"), task, e)
	case mcp.KindRequest:
		editMessages(server, m.Params.Get("messages"), e)
		editRelated(m.Params.Get("_meta"), task, e)
	case mcp.KindBatch, mcp.KindNone:
	}
}

// editOutcome takes what a task says of its end.
func editOutcome(server string, of jsonscan.Value, task func(own string) string, e *jsonscan.Edits) {
	editURI(server, of.Path("error", "data", "uri"), e)
	editResult(server, of.Get("result"), task, e)
}

// editRequests takes what is asked of the client in a result, or by a task.
func editRequests(server string, of jsonscan.Value, task func(own string) string, e *jsonscan.Edits) {
	for in := range mcp.InputRequests(of) {
		editMessages(server, in.Params.Get("messages"), e)
		editRelated(in.Params.Get("_meta"), task, e)
	}
}

// EditAnswer gives the URIs and the task in what a client has answered to a request of a server the form that this server knows. Nobody but a model
// that was sampled repeats URIs that servers have sent: roots and what a form holds are the client's own.
func (v *View) EditAnswer(server, method string, result jsonscan.Value, task func(id string) (string, bool), e *jsonscan.Edits) {
	if method == "sampling/createMessage" {
		v.ownContent(server, result.Get("content"), e)
	}
	EditRelated(result.Get("_meta"), task, e)
}

// EditInputs does so with what a request says of its inputResponses. Which request each answers its form says: only a model's has a role.
func (v *View) EditInputs(server string, responses jsonscan.Value, task func(id string) (string, bool), e *jsonscan.Edits) {
	for c := responses.Cursor(); c.Next(); {
		EditRelated(c.Value().Get("_meta"), task, e)
		if c.Value().Get("role").Exists() {
			v.ownContent(server, c.Value().Get("content"), e)
		}
	}
}

func (v *View) ownContent(server string, content jsonscan.Value, e *jsonscan.Edits) {
	eachURI(content, func(uri jsonscan.Value) {
		if m, own := v.splitURI(uri.Text()); m != nil && m.name == server && own != "" {
			e.Replace(uri, jsonscan.AppendQuote(nil, own))
		}
	})
}

// eachURI finds the URIs in one block of content, or a list of them. The scan has bounded how deep they nest.
func eachURI(v jsonscan.Value, found func(uri jsonscan.Value)) {
	if v.Kind() == jsonscan.Array {
		for c := v.Cursor(); c.Next(); {
			eachURI(c.Value(), found)
		}
		return
	}
	var uri jsonscan.Value
	switch kind := v.Get("type"); {
	case kind.TextIs("resource_link"):
		uri = v.Get("uri")
	case kind.TextIs("resource"):
		uri = v.Path("resource", "uri")
	case kind.TextIs("tool_result"):
		eachURI(v.Get("content"), found)
	}
	if uri.Kind() == jsonscan.String {
		found(uri)
	}
}

func editResult(server string, result jsonscan.Value, task func(own string) string, e *jsonscan.Edits) {
	if result.Kind() != jsonscan.Object {
		return
	}
	for c := result.Cursor(); c.Next(); {
		switch v := c.Value(); c.Name().Text() {
		case "content":
			editContent(server, v, e)
		case "contents":
			for items := v.Cursor(); items.Next(); {
				editURI(server, items.Value().Get("uri"), e)
				editUI(server, items.Value(), e)
			}
		case "messages":
			editMessages(server, v, e)
		case "_meta":
			editUI(server, result, e)
			editRelated(v, task, e)
		case "inputRequests":
			editRequests(server, result, task, e)
		}
	}
}

func editMessages(server string, messages jsonscan.Value, e *jsonscan.Edits) {
	for c := messages.Cursor(); c.Next(); {
		editContent(server, c.Value().Get("content"), e)
	}
}

// editContent takes one block or a list of them. The scan has bounded how deep they nest.
func editContent(server string, v jsonscan.Value, e *jsonscan.Edits) {
	if v.Kind() == jsonscan.Array {
		for c := v.Cursor(); c.Next(); {
			editContent(server, c.Value(), e)
		}
		return
	}
	switch kind := v.Get("type"); {
	case kind.TextIs("resource_link"):
		editURI(server, v.Get("uri"), e)
		editUI(server, v, e)
	case kind.TextIs("resource"):
		editURI(server, v.Path("resource", "uri"), e)
		editUI(server, v.Get("resource"), e)
	case kind.TextIs("tool_result"):
		editContent(server, v.Get("content"), e)
	}
}
