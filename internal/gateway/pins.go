package gateway

import (
	"errors"

	"github.com/sallyport-dev/sallyport/engine"
	"github.com/sallyport-dev/sallyport/engine/jsonscan"
	"github.com/sallyport-dev/sallyport/engine/toolset"
	"github.com/sallyport-dev/sallyport/internal/audit"
)

// pinned is what a lock says of tools, by server and name, in the catalog's form. A server that is not in it may say of its tools what it
// likes.
type pinned map[string]map[string]*tool

func newPinned(l *toolset.Lock) pinned {
	if l == nil {
		return nil
	}
	all := make(pinned, len(l.Servers))
	for i := range l.Servers {
		s := &l.Servers[i]
		tools := make(map[string]*tool, len(s.Tools))
		for j := range s.Tools {
			t := new(tool)
			t.read(s.Tools[j].Definition())
			tools[s.Tools[j].Name] = t
		}
		all[s.Name] = tools
	}
	return all
}

// lookup gives what is known of the tool that is called: what its server said last or, if it has not been asked yet, what the lock says.
func (x *exchange) lookup() *tool {
	t := x.g.catalog.find(toolKey{x.serverName, x.version, x.msg.Name})
	if t != nil {
		x.request.ToolHash = t.hash
		if t.raw != nil {
			return t
		}
	}
	if p := x.lock()[x.serverName][x.msg.Name]; p != nil {
		return p
	}
	return t
}

// lock is that of what decides this request.
func (x *exchange) lock() pinned {
	if x.policy(); x.tried {
		return x.snap.candidatePinned
	}
	return x.snap.pinned
}

// maxDrifts bounds the records and warnings of one snapshot: a server may tell of another tool every time. What comes later is counted.
const maxDrifts = 1000

// learn keeps what the server says of a tool, and tells of what a lock doesn't say, once: the lock of the policies that decide, and that of
// a canary, whoever has asked.
func (x *exchange) learn(definition jsonscan.Value) *tool {
	s, name := x.snap, definition.Get("name").Text()
	kept := s.pinned[x.serverName][name] != nil || s.candidatePinned[x.serverName][name] != nil
	t, news := x.g.catalog.learn(x.serverName, x.version, definition, kept)
	if !news {
		return t
	}
	x.tell(name, t.hash, s.Policy, s.pinned)
	if c := s.Candidate; c != nil && c.Canary != nil {
		x.tell(name, t.hash, c.Policy, s.candidatePinned)
	}
	return t
}

// tell records that a tool is not what the lock of a policy says, if it isn't.
func (x *exchange) tell(name, hash string, by *engine.Snapshot, locked pinned) {
	if _, held := locked[x.serverName]; !held {
		return
	}
	q := engine.Request{Method: "tools/call", Server: x.serverName, Tool: name, ToolHash: hash}
	reason := by.PinReason(&q)
	if reason == "" {
		return
	}
	x.g.Metrics.Drifted(x.serverName, reason)
	if x.snap.drifts.Add(1) > maxDrifts {
		return
	}
	r := audit.Record{Kind: audit.Lifecycle, Event: reason, Revision: by.Revision(), Server: x.serverName, Tool: name, Cause: "the server describes it as " + hash}
	if err := x.g.Audit.Append(&r, false); err != nil {
		x.g.Warn("a record could not be written", err)
	}
	x.g.Warn("a tool is not what the lock of tools says", errors.New(reason+": "+x.serverName+"/"+name))
}
