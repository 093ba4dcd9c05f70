package bridge

import (
	"github.com/sallyport-dev/sallyport/internal/mcp"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// This file is tasks of a client and a server that are both of before 2026-07-28, between which both translations stand. Those of the
// later revision have nothing in common with them.

// sharesTasks says whether the client, whose message is of 2026-07-28, knows tasks as a server of before does. One that runs a process
// for each call of a client that can be asked has none: the next call would not find them.
func (a *Adapter) sharesTasks(c *upstream.Call) bool { return c.Tasks && !a.headless }

// ofTasks says whether a request is about tasks.
func ofTasks(spec *mcp.Method) bool {
	return spec != nil && (spec.Target == mcp.TargetTask || spec.List == "tasks")
}

// asks says whether the server can ask something in the middle of a request. In that for the result of a task it asks for the task.
func asks(spec *mcp.Method) bool { return spec != nil && (spec.Input || spec.Name == "tasks/result") }

// legacyTask serves a client's request about tasks, if the server has such.
func (a *Adapter) legacyTask(c *upstream.Call, cl *client, level string) error {
	era, err := a.Era(c)
	switch {
	case err != nil:
		return err
	case era == mcp.Legacy && a.sharesTasks(c) && mcp.LookupMethod(c.Method).In(mcp.Legacy):
		return a.callModern(c, cl, level)
	}
	return reject(c, 200, c.ID, methodNotFound, "Method not found: "+c.Method)
}
