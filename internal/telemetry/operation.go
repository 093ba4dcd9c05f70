package telemetry

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrorType is why an operation went wrong, by a closed list. The zero ErrorType is that it did not.
type ErrorType uint8

// The error types.
const (
	NoError   ErrorType = iota
	ToolError           // the tool says so itself (isError)
	RPCError            // the server answered a JSON-RPC error
	Denied              // by policy
	Refused             // by the gateway, before policy
	Unavailable
	Timeout
	Cancelled
	Internal
	errorTypes
)

var errorNames = [errorTypes]string{
	NoError: "", ToolError: "tool_error", RPCError: "rpc_error", Denied: "denied", Refused: "refused", Unavailable: "unavailable",
	Timeout: "timeout", Cancelled: "cancelled", Internal: "internal",
}

// String is the value of the error_type label, "" for no error.
func (e ErrorType) String() string {
	if e < errorTypes {
		return errorNames[e]
	}
	return errorNames[Internal]
}

// methodNames are the methods that have a label of their own.
var methodNames = []string{
	"initialize", "ping", "server/discover", "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list",
	"resources/templates/list", "resources/read", "resources/subscribe", "resources/unsubscribe", "subscriptions/listen",
	"completion/complete", "logging/setLevel", "sampling/createMessage", "elicitation/create", "roots/list",
	"tasks/get", "tasks/list", "tasks/result", "tasks/cancel", "tasks/update",
	"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/message",
	"notifications/roots/list_changed", "notifications/tools/list_changed", "notifications/prompts/list_changed",
	"notifications/resources/list_changed", "notifications/resources/updated", "notifications/elicitation/complete",
	"notifications/tasks/status",
}

// An Operation times one method. Its children are bound when they are first used, so that only what happens is shown.
type Operation struct {
	bind  func(ErrorType) prometheus.Observer
	bound [errorTypes]atomic.Pointer[prometheus.Observer]
}

// Observe records that the operation took d and ended in e.
func (o *Operation) Observe(d time.Duration, e ErrorType) {
	if e >= errorTypes {
		e = Internal
	}
	p := o.bound[e].Load()
	if p == nil {
		child := o.bind(e)
		p = &child
		o.bound[e].Store(p)
	}
	(*p).Observe(d.Seconds())
}

// Operation returns the timer of a method on the client's side, bound once and kept by the caller. Methods that MCP does
// not define share one.
func (m *Metrics) Operation(method string) *Operation {
	if !slices.Contains(methodNames, method) {
		method = Other
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if op := m.methods[method]; op != nil {
		return op
	}
	op := &Operation{bind: func(e ErrorType) prometheus.Observer { return m.operations.WithLabelValues(method, e.String()) }}
	m.methods[method] = op
	return op
}

// A Server is the metrics of one upstream, bound once and kept by the caller.
type Server struct {
	name       string
	m          *Metrics
	operations map[string]*Operation
	decisions  counters[decision]
	failures   counters[string]
	omitted    counters[string]
	up         prometheus.Gauge
}

type decision struct{ effect, reason string }

// Server returns the metrics of the server that is configured under name; "" is for what has none.
func (m *Metrics) Server(name string) *Server {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.servers[name]; s != nil {
		return s
	}
	s := &Server{name: name, m: m, operations: map[string]*Operation{}}
	for _, method := range append(slices.Clone(methodNames), Other) {
		s.operations[method] = &Operation{bind: func(e ErrorType) prometheus.Observer {
			return m.upstream.WithLabelValues(method, name, e.String())
		}}
	}
	s.decisions.make = func(d decision) prometheus.Counter { return m.decisions.WithLabelValues(d.effect, d.reason, name) }
	s.decisions.other = decision{Other, Other}
	s.failures.make = func(code string) prometheus.Counter { return m.errors.WithLabelValues(name, code) }
	s.failures.other = Other
	s.omitted.make = func(reason string) prometheus.Counter { return m.omitted.WithLabelValues(name, reason) }
	s.omitted.other = Other
	if name != "" {
		s.up = m.up.WithLabelValues(name)
	}
	m.servers[name] = s
	return s
}

// Retain forgets the servers that are not named: they are no longer configured.
func (m *Metrics) Retain(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range maps.Clone(m.servers) {
		if name == "" || slices.Contains(names, name) {
			continue
		}
		delete(m.servers, name)
		labels := prometheus.Labels{"server": name}
		m.upstream.DeletePartialMatch(labels)
		m.decisions.DeletePartialMatch(labels)
		m.errors.DeletePartialMatch(labels)
		m.omitted.DeletePartialMatch(labels)
		m.up.DeletePartialMatch(labels)
	}
}

// Operation returns the timer of a method towards this server.
func (s *Server) Operation(method string) *Operation {
	if op := s.operations[method]; op != nil {
		return op
	}
	return s.operations[Other]
}

// Decided counts a decision. Effect and reason come from the engine and its rules, never from a message.
func (s *Server) Decided(effect, reason string) { s.decisions.get(decision{effect, reason}).Inc() }

// Failed counts a call that the server did not answer; code is a constant of the upstream package.
func (s *Server) Failed(code string) { s.failures.get(code).Inc() }

// Omitted counts an entry of the server's lists that is left out because of what it is; reason is a constant of the federation package.
func (s *Server) Omitted(reason string) { s.omitted.get(reason).Inc() }

// SetUp says whether the server can be reached.
func (s *Server) SetUp(up bool) {
	if s.up == nil {
		return
	}
	if up {
		s.up.Set(1)
		return
	}
	s.up.Set(0)
}
