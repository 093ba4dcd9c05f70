package gateway

import (
	"strings"

	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/internal/federation"
)

// This file is tasks at several servers as one. A task is the server's; its id there is, sealed for the caller, the id by which the client
// knows it, so that nobody finds or guesses another's, and any replica finds the server. What asks for a task is from there on the request
// that it would be at /mcp/<server>.

// taskNamed is the task that a request is about, by both its ids.
type taskNamed struct {
	given, own string
	home       string // the replica whose server has it; "" is any
}

// resolveTask makes the message one about a task of the one server that has it.
func (x *exchange) resolveTask() *refusal {
	m := &x.msg
	t, ok := x.findTask(m.Name)
	if !ok || !x.enter(t.Server) || !x.stay(t.Version) {
		return x.unknownName()
	}
	x.task = taskNamed{given: strings.Clone(m.Name), own: t.ID}
	if !x.joined { // who has a session is where its sessions with servers are
		x.task.home = t.Home
	}
	return x.rename(t.Server, t.ID)
}

// findTask opens the id of a task, of a server that the client sees.
func (x *exchange) findTask(id string) (federation.Task, bool) {
	t, err := x.g.tasks.Open(x.viewOwner(), id)
	return t, err == nil && x.view.Asks(t.Server, "tasks")
}

// publicTask is the id by which the client knows a task of the server: the one that it has used, if it asks for it. Keys may have been
// replaced since it was given.
func (x *exchange) publicTask(own string) string {
	if own == x.task.own && x.task.given != "" {
		return x.task.given
	}
	return x.g.tasks.Seal(x.viewOwner(), federation.Task{Server: x.serverName, Version: x.version, Home: x.homeOfTasks(), ID: own})
}

// ownTask undoes publicTask for tasks of this server. What is a part of a task goes to the version of the server that has it, unless it is
// settled already that it goes to another: then the task is none of that one's.
func (x *exchange) ownTask(id string) (string, bool) {
	t, ok := x.findTask(id)
	if !ok || t.Server != x.serverName || x.snap.server(t.Server, t.Version) == nil {
		return "", false
	}
	if !x.led {
		x.stay(t.Version)
	}
	return t.ID, t.Version == x.version
}

// homeOfTasks is where the server's tasks are at home: here, if it is a process of this replica's own.
func (x *exchange) homeOfTasks() string {
	h, ok := x.server.(headless)
	if r := x.g.replicas; r != nil && ok && h.Headless() && !x.joined {
		return r.home
	}
	return ""
}

// followTask says who tells of a task. Of one that another replica has, or a version of its server that is gone, nobody here can.
func (x *exchange) followTask(id string) (federation.Task, bool) {
	t, ok := x.findTask(id)
	if r := x.g.replicas; r != nil && t.Home != "" && t.Home != r.home {
		return federation.Task{}, false
	}
	return t, ok && x.snap.server(t.Server, t.Version) != nil
}

// unknownName answers as if there were no such thing as the message names.
func (x *exchange) unknownName() *refusal {
	r := badMessage(&x.msg, x.msg.Hidden())
	r.reason = "unknown_name"
	if x.view.Name() == "" && x.snap.Quarantined[federation.Named(x.msg.Target, x.msg.Name)] {
		r.reason = quarantined
	}
	return r
}

// taskEntry is an entry of a list of tasks, as the client gets it.
func (x *exchange) taskEntry(e *federation.Entry) []byte {
	var doc jsonscan.Doc
	var edits jsonscan.Edits
	if doc.Scan(e.JSON, x.scanOptions()) != nil {
		return e.JSON
	}
	edits.Replace(doc.Root().Get("taskId"), jsonscan.AppendQuote(nil, x.publicTask(e.Name)))
	return doc.Root().AppendEdited(nil, &edits)
}
