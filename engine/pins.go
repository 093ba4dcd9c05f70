package engine

import "github.com/sallyport-dev/sallyport/engine/toolset"

// Pins says what a bundle's lock of tools is to calls of the servers in it. Beside that it types rules.
type Pins uint8

// The zero Pins holds servers to the lock.
const (
	// PinsEnforce denies what no rule can allow: a call of a tool that the lock doesn't have, and of one that its server describes
	// otherwise now. Both are left out of lists.
	PinsEnforce Pins = iota
	// PinsShadow denies nothing; what PinsEnforce would deny is in Decision.Shadow.
	PinsShadow
)

// pins are the tools of a lock by server and name. A server that is not in it is not held to anything.
type pins struct {
	lock    *toolset.Lock
	servers map[string]map[string]*toolset.Tool
	shadow  bool
}

func newPins(l *toolset.Lock, p Pins) *pins {
	if l == nil {
		return nil
	}
	all := &pins{lock: l, servers: make(map[string]map[string]*toolset.Tool, len(l.Servers)), shadow: p == PinsShadow}
	for i := range l.Servers {
		s := &l.Servers[i]
		tools := make(map[string]*toolset.Tool, len(s.Tools))
		for j := range s.Tools {
			tools[s.Tools[j].Name] = &s.Tools[j]
		}
		all.servers[s.Name] = tools
	}
	return all
}

// reason is why the lock speaks against a request; "" if it doesn't.
func (p *pins) reason(r *Request) string {
	if r.Method != "tools/call" || r.Phase != PhaseRequest || r.FromServer {
		return ""
	}
	tools, ok := p.servers[r.Server]
	if !ok {
		return ""
	}
	switch t := tools[r.Tool]; {
	case t == nil:
		return ReasonToolUnpinned
	case r.ToolHash != "" && r.ToolHash != t.Hash:
		return ReasonToolChanged
	}
	return ""
}

// pinsRule is what a shadow outcome of the lock names, which has no rules.
var pinsRule = Rule{Policy: toolset.FileName, Name: "pins"}

// Lock is the bundle's lock of tools; nil if there is none.
func (s *Snapshot) Lock() *toolset.Lock {
	if s == nil || s.pins == nil {
		return nil
	}
	return s.pins.lock
}

// PinReason is why the lock speaks against a request, whether servers are held to it or not: ReasonToolUnpinned or ReasonToolChanged; ""
// if it doesn't.
func (s *Snapshot) PinReason(r *Request) string {
	if s == nil || s.pins == nil {
		return ""
	}
	return s.pins.reason(r)
}

// deny is the decision of the lock, if it speaks against a request. In the shadow it is an outcome instead.
func (p *pins) deny(s *Snapshot, r *Request) (d Decision, shadow []Outcome, denied bool) {
	reason := p.reason(r)
	switch {
	case reason == "":
		return d, nil, false
	case p.shadow:
		return d, []Outcome{{Rule: &pinsRule, Effect: Deny, Reason: reason}}, false
	}
	return Decision{Reason: reason, Revision: s.revision}, nil, true
}
